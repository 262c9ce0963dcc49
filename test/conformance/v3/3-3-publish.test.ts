import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createHarness, fromHex, type Harness, type Peer } from '../../fixtures/broker-harness.ts';
import { gatekeeperWith } from '../../fixtures/fake-gatekeeper.ts';
import { ILL_FORMED, rawPublish } from '../../fixtures/raw-packets.ts';
import { assertEndsClient, Witness } from '../../fixtures/reactions.ts';

const DURABLE = { cleanStart: false };

/** What a client that subscribes now is sent of the retained messages: topic, text, QoS, RETAIN. */
function retainedFor(house: Harness, filter: string, clientId = 'late'): readonly unknown[][] {
  const client = house.client(clientId);
  client.subscribe(filter, { qos: 2 });
  const seen = client.publishes().map(({ topic, text, qos, retain }) => [topic, text, qos, retain]);
  client.disconnect();
  return seen;
}

function pair(house: Harness, filter = 't', qos: 0 | 1 | 2 = 2): { sub: Peer; pub: Peer } {
  const sub = house.client('sub', DURABLE);
  sub.subscribe(filter, { qos });
  return { sub, pub: house.client('pub') };
}

describe('3.3.1 DUP and QoS', () => {
  for (const qos of [1, 2] as const) {
    test(`[MQTT3-3.3.1-1] a PUBLISH of QoS ${qos} that is sent again has DUP set, each time, the first one has not`, () => {
      const house = createHarness();
      const { sub, pub } = pair(house);
      pub.publish('t', 'x', { qos });
      assert.equal(sub.expect('publish').dup, false);
      sub.cut();
      for (let count = 0; count < 3; count += 1) {
        const again = house.client('sub', DURABLE);
        assert.equal(again.expect('publish').dup, true);
        again.cut();
      }
    });
  }

  test('[MQTT3-3.3.1-1] what waited in the queue and goes out for the first time has no DUP', () => {
    const house = createHarness();
    const { sub, pub } = pair(house);
    sub.cut();
    pub.publish('t', 'x', { qos: 1 });
    assert.equal(house.client('sub', DURABLE).expect('publish').dup, false);
  });

  test('[MQTT3-3.3.1-2] QoS 0 leaves with DUP 0, also when the publisher sent it with another QoS and DUP', () => {
    const house = createHarness();
    const { sub, pub } = pair(house, 't', 0);
    for (const qos of [0, 1, 2] as const) pub.publish('t', 'x', { qos, dup: qos > 0 });
    assert.deepEqual(
      sub.publishes().map(({ dup, qos }) => [dup, qos]),
      [
        [false, 0],
        [false, 0],
        [false, 0],
      ],
    );
  });

  test('[MQTT3-3.3.1-2] DUP with QoS 0 closes the connection', () => {
    const house = createHarness();
    const witness = new Witness(house);
    assertEndsClient({ house, witness, says: /DUP is set with QoS 0/ }, rawPublish('t', { flags: 0x08 }));
  });

  test('[MQTT3-3.3.1-3] the DUP of the publisher is not passed on', () => {
    const house = createHarness();
    const { sub, pub } = pair(house);
    pub.publish('t', 'x', { qos: 1, dup: true });
    pub.publish('t', 'y', { qos: 2, dup: true });
    assert.deepEqual(
      sub.publishes().map(({ dup }) => dup),
      [false, false],
    );
  });

  test('[MQTT3-3.3.1-3] our retry has DUP though the publisher sent its message once', () => {
    const house = createHarness();
    const { sub, pub } = pair(house);
    pub.publish('t', 'x', { qos: 1, dup: false });
    sub.cut();
    assert.equal(house.client('sub', DURABLE).expect('publish').dup, true);
  });

  test('[MQTT3-3.3.1-4] QoS 3 closes the connection, with DUP and RETAIN or without', () => {
    const house = createHarness();
    const witness = new Witness(house);
    for (const flags of [0x06, 0x07, 0x0e, 0x0f])
      assertEndsClient({ house, witness, says: /QoS is 3/ }, rawPublish('t', { flags, packetId: 1 }));
  });
});

describe('3.3.1 RETAIN', () => {
  test('[MQTT3-3.3.1-5] a retained PUBLISH is kept with its QoS', () => {
    const house = createHarness();
    const pub = house.client('pub');
    for (const qos of [0, 1, 2] as const) pub.publish(`q${qos}`, `text ${qos}`, { qos, retain: true });
    assert.deepEqual(retainedFor(house, '+'), [
      ['q0', 'text 0', 0, true],
      ['q1', 'text 1', 1, true],
      ['q2', 'text 2', 2, true],
    ]);
  });

  test('[MQTT3-3.3.1-5] a later retained PUBLISH takes the place of the one before it, whatever their QoS', () => {
    const house = createHarness();
    const pub = house.client('pub');
    for (const [index, qos] of ([2, 0, 1, 0, 2, 1] as const).entries()) {
      pub.publish('t', `text ${index}`, { qos, retain: true });
      assert.deepEqual(retainedFor(house, 't'), [['t', `text ${index}`, qos, true]]);
    }
    assert.equal(house.broker.sizes().retained, 1);
  });

  test('[MQTT3-3.3.1-6] a new subscription brings the last retained message of each topic that it matches', () => {
    const house = createHarness();
    const pub = house.client('pub');
    for (const topic of [
      'Plant1/Line1/Robot1',
      'Plant1/Line2/Robot1',
      'Plant1',
      'Plant2/Line1',
      '/Plant1',
      '$x/Plant1',
    ])
      for (const text of ['old', 'new']) pub.publish(topic, `${text} ${topic}`, { retain: true });
    const topics = (filter: string): unknown[] =>
      retainedFor(house, filter).map(([topic, text]) => {
        assert.equal(text, `new ${topic}`);
        return topic;
      });
    assert.deepEqual(topics('Plant1/#').toSorted(), ['Plant1', 'Plant1/Line1/Robot1', 'Plant1/Line2/Robot1']);
    assert.deepEqual(topics('Plant1/+/Robot1').toSorted(), ['Plant1/Line1/Robot1', 'Plant1/Line2/Robot1']);
    assert.deepEqual(topics('+/Line1'), ['Plant2/Line1']);
    assert.deepEqual(topics('+'), ['Plant1']);
    assert.deepEqual(topics('+/Plant1'), ['/Plant1']);
    assert.deepEqual(topics('$x/+'), ['$x/Plant1']);
    assert.equal(topics('#').length, 5);
    assert.deepEqual(topics('Plant3/#'), []);
  });

  test('[MQTT3-3.3.1-7] a retained PUBLISH of QoS 0 takes the place of the one before it', () => {
    const house = createHarness();
    const pub = house.client('pub');
    pub.publish('t', 'sure', { qos: 2, retain: true });
    pub.publish('t', 'quick', { qos: 0, retain: true });
    assert.deepEqual(retainedFor(house, 't'), [['t', 'quick', 0, true]]);
  });

  test('[MQTT3-3.3.1-8] what a new subscription brings has RETAIN set, also when the filter was subscribed to before', () => {
    const house = createHarness();
    const { sub, pub } = pair(house);
    pub.publish('t', 'kept', { retain: true });
    assert.equal(sub.expect('publish').retain, false);
    sub.subscribe('t', { qos: 1 });
    assert.equal(sub.expect('publish').retain, true);
  });

  test('[MQTT3-3.3.1-8] RETAIN stays set when the message waited for its turn', () => {
    const house = createHarness({ settings: { maxInflightMessages: 1 } });
    const pub = house.client('pub');
    for (const topic of ['a', 'b', 'c']) pub.publish(topic, 'kept', { qos: 1, retain: true });
    const sub = house.client('sub', DURABLE);
    sub.subscribe('#', { qos: 1 });
    sub.cut();
    const again = house.client('sub', DURABLE);
    const flags: boolean[] = [];
    for (const topic of ['a', 'b', 'c']) {
      const seen = again.expect('publish');
      assert.equal(seen.topic, topic);
      flags.push(seen.retain);
      again.ack('puback', seen.packetId);
    }
    assert.deepEqual(flags, [true, true, true]);
  });

  test('[MQTT3-3.3.1-9] live messages have RETAIN cleared, also those that wait for an absent client', () => {
    const house = createHarness();
    const { sub, pub } = pair(house);
    pub.publish('t', 'live', { qos: 1, retain: true });
    assert.equal(sub.expect('publish').retain, false);
    sub.cut();
    pub.publish('t', 'queued', { qos: 1, retain: true });
    assert.deepEqual(
      house
        .client('sub', DURABLE)
        .publishes()
        .map(({ text, retain }) => [text, retain]),
      [
        ['live', false],
        ['queued', false],
      ],
    );
  });

  test('[MQTT3-3.3.1-10] a retained PUBLISH without payload is delivered and clears the topic', () => {
    const house = createHarness();
    const { sub, pub } = pair(house);
    for (const qos of [0, 1, 2] as const) {
      pub.publish('t', 'kept', { retain: true });
      sub.expect('publish');
      pub.publish('t', '', { qos, retain: true });
      const seen = sub.expect('publish');
      assert.deepEqual([seen.text, seen.qos, seen.retain], ['', qos, false]);
      assert.deepEqual(retainedFor(house, '#'), []);
      assert.equal(house.broker.sizes().retained, 0);
    }
  });

  test('[MQTT3-3.3.1-10] clearing a topic leaves those above and below it', () => {
    const house = createHarness();
    const pub = house.client('pub');
    for (const topic of ['a', 'a/b', 'a/b/c', 'a/d']) pub.publish(topic, 'kept', { retain: true });
    pub.publish('a/b', '', { retain: true });
    assert.deepEqual(
      retainedFor(house, '#')
        .map(([topic]) => topic)
        .toSorted(),
      ['a', 'a/b/c', 'a/d'],
    );
  });

  test('[MQTT3-3.3.1-11] nothing without payload is kept as retained', () => {
    const house = createHarness();
    const pub = house.client('pub');
    for (const qos of [0, 1, 2] as const) pub.publish(`t${qos}`, '', { qos, retain: true });
    assert.equal(house.broker.sizes().retained, 0);
    assert.deepEqual(retainedFor(house, '#'), []);
  });

  test('[MQTT3-3.3.1-12] an ordinary PUBLISH neither becomes retained nor removes what is', () => {
    const house = createHarness();
    const pub = house.client('pub');
    pub.publish('t', 'kept', { qos: 1, retain: true });
    for (const text of ['ordinary', '']) {
      pub.publish('t', text, { qos: 1 });
      pub.publish('other', text, { qos: 1 });
    }
    assert.deepEqual(retainedFor(house, '#'), [['t', 'kept', 1, true]]);
  });
});

describe('3.3.2 topic name', () => {
  test('[MQTT3-3.3.2-1] a topic name that is not UTF-8 or longer than its packet closes the connection', () => {
    const house = createHarness();
    const witness = new Witness(house);
    for (const bytes of ILL_FORMED.values()) assertEndsClient({ house, witness }, rawPublish(bytes));
    assertEndsClient({ house, witness }, fromHex('30 02 0001'));
    assertEndsClient({ house, witness }, fromHex('30 03 0002 61'));
    assertEndsClient({ house, witness }, fromHex('30 01 00'));
    assertEndsClient({ house, witness }, fromHex('30 00'));
    assertEndsClient({ house, witness }, fromHex('32 04 0001 61 00'));
  });

  test('[MQTT3-3.3.2-2] a topic name with a wildcard anywhere closes the connection', () => {
    const house = createHarness();
    const witness = new Witness(house);
    for (const topic of ['#', '+', 'a/#', 'a/+', '+/a', 'a#', 'a+b', 'a/b+/c', '#/a', '$x/#', '$share/g/#'])
      assertEndsClient({ house, witness, says: /wildcard/ }, rawPublish(topic));
  });

  test('[MQTT3-3.3.2-3] subscribers see only topics that their filters match', () => {
    const house = createHarness();
    const topics = ['a', 'a/b', 'a/b/c', 'b', '/', '/a', 'a/', 'A', 'a//b', '$a', '$a/b'];
    const expected: Record<string, readonly string[]> = {
      a: ['a'],
      'a/+': ['a/b', 'a/'],
      'a/#': ['a', 'a/b', 'a/b/c', 'a/', 'a//b'],
      '+': ['a', 'b', 'A'],
      '+/+': ['a/b', '/', '/a', 'a/'],
      '+/+/b': ['a//b'],
      '/+': ['/', '/a'],
      '$a/#': ['$a', '$a/b'],
      'a/b/c/#': ['a/b/c'],
      '+/b/#': ['a/b', 'a/b/c'],
    };
    const pub = house.client('pub');
    for (const [filter, wanted] of Object.entries(expected)) {
      const sub = house.client('sub');
      sub.subscribe(filter);
      for (const topic of topics) pub.publish(topic, 'x');
      assert.deepEqual(
        sub.publishes().map(({ topic }) => topic),
        wanted,
        filter,
      );
    }
  });
});

describe('3.3.4 and 3.3.5 what follows a PUBLISH', () => {
  test('[MQTT3-3.3.4-1] the QoS decides which packet answers', () => {
    const pub = createHarness().client('pub');
    pub.publish('t', 'x', { qos: 0 });
    pub.expectNothing();
    pub.publish('t', 'x', { qos: 1, packetId: 5 });
    assert.deepEqual(pub.link.takeSent(), fromHex('40 02 0005'));
    pub.publish('t', 'x', { qos: 2, packetId: 6 });
    assert.deepEqual(pub.link.takeSent(), fromHex('50 02 0006'));
    pub.ack('pubrel', 6);
    assert.deepEqual(pub.link.takeSent(), fromHex('70 02 0006'));
  });

  test('[MQTT3-3.3.5-1] where filters overlap, a copy comes with the best granted QoS', () => {
    for (const allowDuplicateMessages of [true, false]) {
      const house = createHarness({ settings: { allowDuplicateMessages } });
      const sub = house.client('sub');
      sub.subscribe('#', { qos: 0 });
      sub.subscribe('a/+', { qos: 2 });
      sub.subscribe('a/b', { qos: 1 });
      const pub = house.client('pub');
      pub.publish('a/b', 'x', { qos: 2 });
      const qos = sub.publishes().map((seen) => seen.qos);
      assert.deepEqual(qos.toSorted(), allowDuplicateMessages ? [0, 1, 2] : [2]);
      pub.publish('a/b', 'x', { qos: 1 });
      assert.equal(Math.max(...sub.publishes().map((seen) => seen.qos)), 1);
    }
  });

  test('[MQTT3-3.3.5-2] a PUBLISH without the right to it is acknowledged as ever and goes nowhere', () => {
    const gatekeeper = gatekeeperWith({ mayPublish: (_identity, topic) => topic.text !== 'forbidden' });
    const house = createHarness({ gatekeeper });
    const { sub, pub } = pair(house, '#');
    pub.publish('forbidden', 'x', { qos: 0, retain: true });
    pub.expectNothing();
    pub.publish('forbidden', 'x', { qos: 1, packetId: 1, retain: true });
    pub.publish('forbidden', 'x', { qos: 2, packetId: 2, retain: true });
    pub.ack('pubrel', 2);
    assert.deepEqual(pub.link.takeSent(), fromHex('40020001 50020002 70020002'));
    assert.equal(pub.isClosed, false);
    sub.expectNothing();
    assert.equal(house.broker.sizes().retained, 0);
    pub.publish('allowed', 'y', { qos: 1 });
    assert.equal(sub.expect('publish').text, 'y');
  });
});
