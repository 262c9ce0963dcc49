/** Topics and filters that were made to hurt: dollar signs, depth, share names, wildcards, names of object members. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Reason } from '../../src/protocol/reasons.ts';
import { createHarness, fromHex, type Harness, type Peer } from '../fixtures/broker-harness.ts';
import { cpuMsOf } from '../fixtures/cpu-time.ts';
import { field, joined, rawConnect, rawPublish, rawSubscribe, rawUnsubscribe } from '../fixtures/raw-packets.ts';
import { assertEndsClient, assertEndsClientWith, assertRefusedSilently, Witness } from '../fixtures/reactions.ts';

const VERSIONS = [3, 4, 5] as const;
const SLASHES = '/'.repeat(65_535);
const LEVELS_200 = `${'a/'.repeat(199)}a`;
const LEVELS_201 = `${'a/'.repeat(200)}a`;

function topics(client: Peer): string[] {
  return client.publishes().map(({ topic }) => topic);
}

/** A client that has subscribed to everything, with dollar topics by name. */
function watcher(house: Harness, ...filters: readonly string[]): Peer {
  const client = house.client('watcher');
  client.subscribe(['#', ...filters]);
  return client;
}

describe('T08 topics that begin with a dollar sign', () => {
  const RESERVED = ['$SYS', '$SYS/broker/version', '$SYS/x', '$share', '$share/g/t', '$CONTROL', '$CONTROL/dynsec/v1'];
  const ORDINARY = [
    '$',
    '$x',
    '$x/y',
    '$SYSTEM',
    '$SYSx/y',
    '$sys/x',
    '$CONTROLx',
    '$shared/g',
    '$/SYS',
    'a/$SYS',
    '$SYS/broker/connection/b/state',
  ];

  test('T08 a PUBLISH to a reserved topic goes nowhere and is kept nowhere, at each level and QoS', () => {
    const house = createHarness();
    const seen = watcher(house, '$SYS/#', '$CONTROL/#', '$x/#');
    for (const version of VERSIONS) {
      const client = house.client('pub', { version });
      for (const topic of RESERVED) {
        for (const qos of [0, 1, 2] as const) client.publish(topic, 'x', { qos, retain: true, packetId: 7 });
        client.ack('pubrel', 7);
      }
      const reasons = client.all().map((packet) => ('reason' in packet ? packet.reason : null));
      assert.equal(reasons.length, RESERVED.length * 3);
      if (version === 5) assert.ok(reasons.includes(Reason.NotAuthorized));
      assert.equal(client.isClosed, false);
    }
    seen.expectNothing();
    assert.equal(house.broker.sizes().retained, 0);
  });

  test('T08 other topics with a dollar sign are ordinary ones', () => {
    const house = createHarness();
    const pub = house.client('pub');
    for (const topic of ORDINARY) {
      const client = house.client('sub');
      client.subscribe(topic);
      pub.publish(topic, 'x', { qos: 1, retain: true });
      assert.deepEqual(topics(client), [topic]);
    }
    assert.equal(house.broker.sizes().retained, ORDINARY.length);
  });

  test('T08 subscriptions to reserved filters are made or refused, and never break anything', () => {
    const house = createHarness();
    const witness = new Witness(house);
    for (const version of VERSIONS) {
      const client = house.client('sub', { version });
      const filters = [
        '$SYS/#',
        '$SYS',
        '$CONTROL/#',
        '$CONTROL/dynsec/v1',
        '$',
        '$/#',
        '$share/g/$SYS/#',
        '$share/g/#',
      ];
      assert.equal(client.subscribe(filters).reasons.length, filters.length);
      assert.equal(client.unsubscribe(filters).packetId > 0, true);
      witness.assertServed();
    }
    house.client('sub').disconnect();
    assert.equal(house.broker.sizes().subscriptions, 1);
  });

  test('T08 T29 a will to a reserved topic is refused at CONNECT or is not sent', () => {
    for (const version of VERSIONS) {
      const house = createHarness();
      const seen = watcher(house, '$SYS/#', '$CONTROL/#');
      for (const topic of RESERVED) {
        const peer = house.peer();
        const { reason } = peer.connect({ version, clientId: 'will', will: { topic, payload: 'x', retain: true } });
        if (topic.startsWith('$CONTROL')) assert.equal(reason, version === 5 ? Reason.NotAuthorized : 5);
        else assert.equal(reason, 0);
        peer.cut();
      }
      seen.expectNothing();
      assert.equal(house.broker.sizes().retained, 0);
    }
  });

  test('T08 a shared subscription with a leading wildcard sees no dollar topic', () => {
    const house = createHarness();
    const client = house.client('sub');
    client.subscribe(['$share/g/#', '$share/g/+/x', '$share/h/$a/#']);
    const pub = house.client('pub');
    pub.publish('$a/x', 'x');
    assert.deepEqual(topics(client), ['$a/x']);
    pub.publish('b/x', 'x');
    assert.deepEqual(topics(client), ['b/x', 'b/x']);
  });
});

describe('T15 topics of many levels', () => {
  test('T15 65535 slashes in every place where a topic can stand end the connection, at each level', () => {
    const house = createHarness();
    const witness = new Witness(house);
    const on = { house, witness, says: /more than 200 levels/ };
    for (const topic of [SLASHES, LEVELS_201, `${'a/'.repeat(30_000)}a`]) {
      for (const version of [3, 4] as const) {
        assertEndsClient(on, rawPublish(topic), version);
        assertEndsClient(on, rawPublish(topic, { flags: 1, payload: 'x' }), version);
        assertEndsClient(on, rawSubscribe([[topic, 0]]), version);
        assertEndsClient(on, rawUnsubscribe([topic]), version);
      }
      assertRefusedSilently(on, rawConnect({ flags: 0x06, payload: [field('id'), field(topic), field('x')] }));
      const properties = Uint8Array.of(0);
      assertEndsClientWith(on, rawPublish(topic, { properties }), Reason.TopicNameInvalid);
      assertEndsClientWith(on, rawSubscribe([[topic, 0]], { isV5: true }), Reason.TopicFilterInvalid);
      assertEndsClientWith(on, rawUnsubscribe([topic], { isV5: true }), Reason.TopicFilterInvalid);
    }
  });

  test('T15 the same as a response topic of v5', () => {
    const house = createHarness();
    const witness = new Witness(house);
    const response = joined(0x08, field(SLASHES));
    const properties = joined(fromHex('82 80 04'), response);
    assertEndsClientWith({ house, witness, says: /200 levels/ }, rawPublish('a', { properties }), Reason.ProtocolError);
  });

  test('T15 filters of wildcards alone and share names do not get around it', () => {
    const house = createHarness();
    const witness = new Witness(house);
    for (const filter of [`${'+/'.repeat(30_000)}+`, `${'+/'.repeat(200)}#`, `$share/g/${LEVELS_201}`])
      assertEndsClient({ house, witness, says: /more than 200 levels/ }, rawSubscribe([[filter, 0]]));
  });

  test('T15 200 levels are served: live, retained, with wildcards, shared, as a will', () => {
    const house = createHarness();
    const filters = [LEVELS_200, `${'+/'.repeat(199)}+`, `${'a/'.repeat(199)}#`, '#', `$share/g/${LEVELS_200}`];
    const client = house.client('sub');
    client.subscribe(filters);
    house.client('will', { will: { topic: LEVELS_200, payload: 'x', retain: true } }).cut();
    assert.deepEqual(topics(client), new Array(5).fill(LEVELS_200));
    client.subscribe(filters);
    assert.deepEqual(topics(client), new Array(4).fill(LEVELS_200));
    client.unsubscribe(filters);
    assert.equal(house.broker.sizes().subscriptions, 0);
  });
});

describe('T32 shared and plain subscriptions of one filter', () => {
  const FILTERS = ['t', '$share/g/t', '$share/h/t', '$share/g/t/#', 't/#', '$share/g/+'];

  test('T32 every pair: unsubscribing one leaves the other', () => {
    for (const kept of FILTERS) {
      for (const gone of FILTERS) {
        if (kept === gone) continue;
        const house = createHarness();
        const client = house.client('c', { version: 5 });
        client.subscribe([kept, gone]);
        assert.deepEqual(client.unsubscribe(gone).reasons, [Reason.Success]);
        assert.deepEqual(client.unsubscribe(gone).reasons, [Reason.NoSubscriptionExisted]);
        house.client('pub').publish('t', 'x');
        assert.equal(client.publishes().length, 1, `${kept} without ${gone}`);
        assert.deepEqual(client.unsubscribe(kept).reasons, [Reason.Success]);
        house.client('pub').publish('t', 'x');
        client.expectNothing();
        assert.equal(house.broker.sizes().subscriptions, 0);
      }
    }
  });

  test('T32 unsubscribing what only somebody else has removes nothing', () => {
    for (const theirs of FILTERS) {
      const house = createHarness();
      const holder = house.client('holder');
      holder.subscribe(theirs);
      const other = house.client('other', { version: 5 });
      for (const filter of FILTERS) assert.deepEqual(other.unsubscribe(filter).reasons, [Reason.NoSubscriptionExisted]);
      house.client('pub').publish('t', 'x');
      assert.equal(holder.publishes().length, 1, theirs);
    }
  });

  test('T32 sessions that end take their shared subscriptions along, in any order', () => {
    const house = createHarness();
    const clients = Array.from({ length: 20 }, (_, index) => house.client(`c${index}`));
    for (const client of clients) client.subscribe(FILTERS);
    for (const index of [7, 0, 19, 3, 11]) clients[index]?.cut();
    house.client('pub').publish('t', 'x');
    const counts = clients.map((client) => client.publishes().length);
    assert.equal(
      counts.reduce((sum, count) => sum + count, 0),
      15 * 2 + 4,
    );
    for (const client of clients) client.cut();
    assert.equal(house.broker.sizes().subscriptions, 0);
  });
});

describe('T38 matching is linear', () => {
  test('T38 what is special in a regular expression is an ordinary character', () => {
    const house = createHarness();
    const strange = ['.*', '(a*)*$', '[^/]', 'a|b', '\\d', '^', '$', '{2}', '(?:x)', 'a?b', '*', '**'];
    const pub = house.client('pub');
    for (const level of strange) {
      const client = house.client('sub');
      client.subscribe([level, `${level}/+`]);
      for (const topic of [...strange, 'a', 'aaa', 'ab', '1']) pub.publish(topic, 'x');
      pub.publish(`${level}/x`, 'x');
      assert.deepEqual(topics(client), [level, `${level}/x`]);
    }
  });

  test('T38 a topic and a filter that a backtracking matcher would not survive', () => {
    const house = createHarness();
    const client = house.client('sub');
    client.subscribe([`${'+/'.repeat(99)}x`, `${'a/+/'.repeat(99)}x`, '(a*)*$']);
    const pub = house.client('pub');
    const tookMs = cpuMsOf(() => {
      for (let count = 0; count < 200; count += 1) pub.publish(`${'a/'.repeat(198)}y${count}`, 'x');
    });
    client.expectNothing();
    assert.ok(tookMs < 5_000, `${tookMs} ms`);
  });

  test('T38 many filters that agree with a topic half way cost no more than their number', () => {
    const house = createHarness();
    const client = house.client('sub');
    const filters: string[] = [];
    for (let bits = 0; bits < 4096; bits += 1) {
      const levels = Array.from({ length: 12 }, (_, level) => ((bits >> level) & 1 ? '+' : 'a'));
      filters.push(`${levels.join('/')}/never`);
    }
    assert.equal(client.subscribe(filters).reasons.length, 4096);
    const pub = house.client('pub');
    const tookMs = cpuMsOf(() => {
      for (let count = 0; count < 20; count += 1) pub.publish(`${'a/'.repeat(12)}${count}`, 'x');
    });
    const eachMs = tookMs / 20;
    client.expectNothing();
    assert.ok(eachMs < 100, `${eachMs} ms for a PUBLISH`);
  });
});

describe('T43 malformed shared filters', () => {
  const MALFORMED = [
    '$share',
    '$share/',
    '$share//',
    '$share/g',
    '$share/+/t',
    '$share/g/',
    '$share/#/t',
    '$share//t',
    '$share/g+/t',
    '$share/g#/t',
    '$share/g/a#',
    '$share/g/#/a',
    '$share/+',
    '$share/#',
  ];

  for (const filter of MALFORMED) {
    test(`T43 ${filter} ends the connection in SUBSCRIBE and UNSUBSCRIBE`, () => {
      const house = createHarness();
      const witness = new Witness(house);
      for (const version of [3, 4] as const) {
        assertEndsClient({ house, witness }, rawSubscribe([[filter, 0]]), version);
        assertEndsClient(
          { house, witness },
          rawSubscribe([
            ['fine', 0],
            [filter, 0],
          ]),
          version,
        );
        assertEndsClient({ house, witness }, rawUnsubscribe([filter]), version);
      }
      assertEndsClientWith({ house, witness }, rawSubscribe([[filter, 0]], { isV5: true }), Reason.TopicFilterInvalid);
      assertEndsClientWith({ house, witness }, rawUnsubscribe([filter], { isV5: true }), Reason.TopicFilterInvalid);
      assert.equal(house.broker.sizes().subscriptions, 1);
    });
  }

  test('T43 unusual but good share names are served', () => {
    const house = createHarness();
    const pub = house.client('pub');
    for (const filter of [
      '$share/ /t',
      '$share/$share/t',
      '$share/g/$share',
      '$share/\u00fc/t',
      '$share/g/t/',
      '$share/g//',
    ]) {
      const client = house.client('sub');
      client.subscribe(filter);
      const topic = filter.split('/').slice(2).join('/');
      if (topic !== '$share') {
        pub.publish(topic, 'x');
        assert.deepEqual(topics(client), [topic]);
      }
    }
  });
});

describe('names of object members', () => {
  const NAMES = [
    '__proto__',
    'constructor',
    'prototype',
    'toString',
    'hasOwnProperty',
    'valueOf',
    '__defineGetter__',
    'then',
  ];

  test('T38 topic levels, client identifiers and user names like __proto__ are ordinary', () => {
    const house = createHarness();
    const pub = house.client('pub');
    const clients = NAMES.map((name) => house.client(name, { userName: name, cleanStart: false }));
    for (const [index, client] of clients.entries()) {
      const name = NAMES[index] ?? '';
      client.subscribe([name, `${name}/${name}`, `$share/${name}/${name}/+/x`], { qos: 1 });
    }
    for (const name of NAMES)
      for (const topic of [name, `${name}/${name}`, `${name}/y/x`]) pub.publish(topic, name, { retain: true });
    for (const [index, client] of clients.entries()) {
      const name = NAMES[index] ?? '';
      assert.deepEqual(topics(client), [name, `${name}/${name}`, `${name}/y/x`]);
      client.cut();
    }
    assert.equal(house.broker.sizes().sessions, NAMES.length + 1);
    assert.equal(house.broker.sizes().retained, 3 * NAMES.length);
    for (const name of NAMES)
      for (const topic of [name, `${name}/${name}`, `${name}/y/x`]) pub.publish(topic, '', { retain: true });
    assert.equal(house.broker.sizes().retained, 0);
    for (const name of NAMES) house.client(name, { userName: name }).disconnect();
    assert.equal(house.broker.sizes().subscriptions, 0);
    const probe: Record<string, unknown> = {};
    assert.deepEqual([probe.y, probe.x, Object.keys(probe).length], [undefined, undefined, 0]);
  });

  test('T38 user properties with such names are carried as they came', () => {
    const house = createHarness();
    const client = house.client('sub', { version: 5 });
    client.subscribe('t');
    const userProperties = NAMES.map((name) => ({ name, value: name }));
    house
      .client('pub', { version: 5, properties: { userProperties } })
      .publish('t', 'x', { properties: { userProperties } });
    assert.deepEqual(client.expect('publish').properties.userProperties, userProperties);
  });
});
