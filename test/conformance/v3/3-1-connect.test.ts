/** What CONNECT does: sessions, wills, keep alive, take-over. Its bytes: 3-1-connect-packet. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type ConnectOptions, createHarness, fromHex, type Harness, type Peer } from '../../fixtures/broker-harness.ts';
import { frame, joined, rawPublish } from '../../fixtures/raw-packets.ts';

const DURABLE = { cleanStart: false };

/** Texts of the messages that wait for the peer or have come. */
function texts(peer: Peer): string[] {
  return peer.publishes().map(({ text }) => text);
}

/** A house with somebody who sees all messages, and a client with a will to `will`. */
function houseWithWill(options: Omit<ConnectOptions, 'clientId'> = {}): {
  house: Harness;
  watcher: Peer;
  client: Peer;
} {
  const house = createHarness();
  const watcher = house.client('watcher');
  watcher.subscribe('#', { qos: 2 });
  const client = house.client('client', { will: { topic: 'will', payload: 'lost' }, ...options });
  return { house, watcher, client };
}

/** Every way in which a connection ends without DISCONNECT. */
const LOSSES: ReadonlyMap<string, (house: Harness, client: Peer) => void> = new Map([
  ['the client hangs up', (_house, client) => client.cut()],
  [
    'the connection breaks',
    (house, client) => {
      client.link.fail();
      house.settle();
    },
  ],
  ['the client breaks the protocol', (_house, client) => client.send('00 00')],
  ['the client sends a malformed packet', (_house, client) => client.send(rawPublish('a/+'))],
  ['the client is silent for too long', (house) => house.advance(15_001)],
  ['another client takes its identifier', (house) => house.client('client')],
  ['another client takes its identifier and its session', (house) => house.client('client', DURABLE)],
]);

describe('3.1.2 sessions', () => {
  test('[MQTT3-3.1.2-4] without Clean Session a session is made, kept and gone on with', () => {
    const house = createHarness();
    const first = house.peer();
    assert.equal(first.connect({ clientId: 'client', ...DURABLE }).sessionPresent, false);
    first.subscribe('t', { qos: 1 });
    first.disconnect();
    const second = house.peer();
    assert.equal(second.connect({ clientId: 'client', ...DURABLE }).sessionPresent, true);
    house.client('pub').publish('t', 'without subscribing again');
    assert.deepEqual(texts(second), ['without subscribing again']);
  });

  test('[MQTT3-3.1.2-4] the kept state holds the identifiers of QoS 2 that were not released', () => {
    const { house, watcher } = houseWithWill();
    const first = house.client('pub', DURABLE);
    first.publish('t', 'once', { qos: 2, packetId: 9 });
    first.cut();
    const second = house.client('pub', DURABLE);
    second.publish('t', 'once', { qos: 2, packetId: 9, dup: true });
    assert.equal(second.expect('pubrec').packetId, 9);
    assert.deepEqual(texts(watcher), ['once']);
  });

  test('[MQTT3-3.1.2-5] a kept session collects QoS 1 and 2 while its client is away', () => {
    const house = createHarness();
    const first = house.client('client', DURABLE);
    first.subscribe('one', { qos: 1 });
    first.subscribe('two', { qos: 2 });
    first.disconnect();
    const publisher = house.client('pub');
    publisher.publish('one', 'a', { qos: 1 });
    publisher.publish('two', 'b', { qos: 2 });
    publisher.publish('one', 'c', { qos: 2 });
    const second = house.client('client', DURABLE);
    assert.deepEqual(
      second.publishes().map(({ text, qos, dup }) => [text, qos, dup]),
      [
        ['a', 1, false],
        ['b', 2, false],
        ['c', 1, false],
      ],
    );
  });

  test('[MQTT3-3.1.2-6] Clean Session throws away what was kept', () => {
    const house = createHarness();
    const kept = house.client('client', DURABLE);
    kept.subscribe('t', { qos: 1 });
    kept.disconnect();
    const publisher = house.client('pub');
    publisher.publish('t', 'waits', { qos: 1 });
    const clean = house.peer();
    assert.equal(clean.connect({ clientId: 'client', cleanStart: true }).sessionPresent, false);
    publisher.publish('t', 'live', { qos: 1 });
    clean.expectNothing();
    clean.disconnect();
    const after = house.peer();
    assert.equal(after.connect({ clientId: 'client', ...DURABLE }).sessionPresent, false);
    after.expectNothing();
  });

  test('[MQTT3-3.1.2-6] a session with Clean Session ends with its connection', () => {
    const house = createHarness();
    const endings: ((client: Peer) => void)[] = [
      (client) => client.disconnect(),
      (client) => client.cut(),
      (client) => client.send('00 00'),
    ];
    for (const end of endings) {
      const clean = house.client('client');
      clean.subscribe('t', { qos: 1 });
      end(clean);
      assert.equal(house.broker.sizes().sessions, 0);
      assert.equal(house.broker.sizes().subscriptions, 0);
      const next = house.peer();
      assert.equal(next.connect({ clientId: 'client', ...DURABLE }).sessionPresent, false);
      next.disconnect();
      house.client('client').disconnect();
    }
  });

  test('[MQTT3-3.1.2-7] retained messages outlive the session of who published them', () => {
    const house = createHarness();
    const publisher = house.client('pub');
    publisher.publish('t', 'kept', { retain: true, qos: 1 });
    publisher.cut();
    house.client('pub').disconnect();
    const subscriber = house.client('sub');
    subscriber.subscribe('t');
    assert.deepEqual(texts(subscriber), ['kept']);
  });
});

describe('3.1.2 wills', () => {
  for (const [name, lose] of LOSSES) {
    test(`[MQTT3-3.1.2-8] the will goes out when ${name}`, () => {
      const { house, watcher, client } = houseWithWill({ keepAlive: 10 });
      client.expectNothing();
      watcher.expectNothing();
      lose(house, client);
      const will = watcher.expect('publish');
      assert.deepEqual([will.topic, will.text, will.retain], ['will', 'lost', false]);
      watcher.expectNothing();
      house.advance(3_600_000);
      watcher.expectNothing();
    });

    test(`[MQTT3-3.1.2-8] the will of a kept session goes out once when ${name}`, () => {
      const { house, watcher, client } = houseWithWill({ keepAlive: 10, ...DURABLE });
      lose(house, client);
      assert.deepEqual(texts(watcher), ['lost']);
      house.advance(3_600_000);
      watcher.expectNothing();
    });
  }

  test('[MQTT3-3.1.2-8] the will goes out with the QoS that was asked for', () => {
    for (const qos of [0, 1, 2] as const) {
      const { watcher, client } = houseWithWill({ will: { topic: 'will', payload: 'lost', qos } });
      client.cut();
      assert.equal(watcher.expect('publish').qos, qos);
    }
  });

  test('[MQTT3-3.1.2-8] [MQTT3-3.1.2-9] a will may have an empty message', () => {
    const { watcher, client } = houseWithWill({ will: { topic: 'will', payload: '' } });
    client.cut();
    assert.deepEqual(texts(watcher), ['']);
  });

  test('[MQTT3-3.1.2-10] a will that was sent is forgotten', () => {
    const { house, watcher, client } = houseWithWill(DURABLE);
    client.cut();
    assert.deepEqual(texts(watcher), ['lost']);
    house.client('client', DURABLE).cut();
    watcher.expectNothing();
  });

  test('[MQTT3-3.1.2-10] a will given up by DISCONNECT is forgotten', () => {
    const { house, watcher, client } = houseWithWill(DURABLE);
    client.disconnect();
    client.cut();
    house.client('client', DURABLE).cut();
    house.advance(3_600_000);
    watcher.expectNothing();
  });

  test('[MQTT3-3.1.2-10] the will of the last CONNECT counts', () => {
    const { house, watcher, client } = houseWithWill(DURABLE);
    client.disconnect();
    house.client('client', { ...DURABLE, will: { topic: 'will', payload: 'second' } }).cut();
    assert.deepEqual(texts(watcher), ['second']);
  });

  test('[MQTT3-3.1.2-12] a client without a will causes no message when it is lost', () => {
    for (const lose of LOSSES.values()) {
      const house = createHarness();
      const watcher = house.client('watcher');
      watcher.subscribe('#');
      lose(house, house.client('client', { keepAlive: 10 }));
      watcher.expectNothing();
    }
  });

  test('[MQTT3-3.1.2-16] a will without the retain flag leaves the retained store alone', () => {
    const { house, watcher, client } = houseWithWill();
    house.client('pub').publish('will', 'kept', { retain: true });
    client.cut();
    assert.deepEqual(texts(watcher), ['kept', 'lost']);
    const later = house.client('later');
    later.subscribe('will');
    assert.deepEqual(texts(later), ['kept']);
  });

  test('[MQTT3-3.1.2-17] a will with the retain flag becomes the retained message', () => {
    const { house, watcher, client } = houseWithWill({
      will: { topic: 'will', payload: 'lost', retain: true, qos: 1 },
    });
    house.client('pub').publish('will', 'before', { retain: true });
    client.cut();
    assert.deepEqual(texts(watcher), ['before', 'lost']);
    const later = house.client('later');
    later.subscribe('will', { qos: 1 });
    const seen = later.expect('publish');
    assert.deepEqual([seen.text, seen.retain, seen.qos], ['lost', true, 1]);
  });

  test('[MQTT3-3.1.2-17] a retained will with an empty message clears the topic', () => {
    const { house, client } = houseWithWill({ will: { topic: 'will', payload: '', retain: true } });
    house.client('pub').publish('will', 'before', { retain: true });
    client.cut();
    assert.equal(house.broker.sizes().retained, 0);
  });
});

describe('3.1.2 keep alive', () => {
  test('[MQTT3-3.1.2-24] a client silent for one and a half keep alive times is disconnected, not before', () => {
    const house = createHarness();
    const client = house.client('client', { keepAlive: 10 });
    house.advance(14_999);
    assert.equal(client.isClosed, false);
    house.advance(1);
    assert.equal(client.isClosed, true);
    client.expectNothing();
    assert.match(house.log.texts('notice').at(-1) ?? '', /^Client client .* disconnected: exceeded timeout\.$/);
  });

  test('[MQTT3-3.1.2-24] every packet of the client starts the time anew', () => {
    const house = createHarness();
    const client = house.client('client', { keepAlive: 10 });
    const packets = [
      () => client.ping(),
      () => client.publish('t', 'x'),
      () => client.sendSubscribe('t'),
      () => client.ack('puback', 1),
      () => client.ack('pubrel', 1),
    ];
    for (const packet of packets) {
      house.advance(14_900);
      packet();
      assert.equal(client.isClosed, false);
    }
    house.advance(14_900);
    assert.equal(client.isClosed, false);
    house.advance(200);
    assert.equal(client.isClosed, true);
  });

  test('[MQTT3-3.1.2-24] what the client is sent, and packets that it only begins, do not count', () => {
    const house = createHarness();
    const client = house.client('client', { keepAlive: 10 });
    client.subscribe('t');
    const publisher = house.client('pub');
    for (let second = 0; second < 15; second += 1) {
      publisher.publish('t', 'x');
      if (second % 4 === 0) client.send(Uint8Array.of(second === 0 ? 0x30 : 0x10));
      house.advance(1_000);
    }
    assert.equal(client.isClosed, true);
  });

  test('[MQTT3-3.1.2-24] keep alive 0 turns the rule off', () => {
    const house = createHarness();
    const client = house.client('client', { keepAlive: 0 });
    house.advance(30 * 24 * 3_600_000);
    assert.equal(client.isClosed, false);
    client.ping();
    client.expect('pingresp');
  });

  test('[MQTT3-3.1.2-24] the longest keep alive is kept exactly', () => {
    const house = createHarness();
    const client = house.client('client', { keepAlive: 65535 });
    house.advance(65535 * 1500 - 1);
    assert.equal(client.isClosed, false);
    house.advance(1);
    assert.equal(client.isClosed, true);
  });

  test('[MQTT3-3.1.2-24] a jump of the wall clock neither ends a client nor keeps it', () => {
    const house = createHarness();
    const client = house.client('client', { keepAlive: 10 });
    house.clock.jumpWall(365 * 24 * 3_600_000);
    house.advance(14_000);
    assert.equal(client.isClosed, false);
    house.clock.jumpWall(-2 * 365 * 24 * 3_600_000);
    house.advance(1_001);
    assert.equal(client.isClosed, true);
  });
});

describe('3.1.3 the session belongs to the identifier', () => {
  test('[MQTT3-3.1.3-2] each identifier has its own session, whatever connection it comes on', () => {
    const house = createHarness();
    for (const id of ['a', 'b']) {
      const client = house.client(id, DURABLE);
      client.subscribe(`to/${id}`, { qos: 1 });
      client.disconnect();
    }
    const publisher = house.client('pub');
    publisher.publish('to/a', 'for a', { qos: 1 });
    publisher.publish('to/b', 'for b', { qos: 1 });
    const b = house.client('b', DURABLE);
    const a = house.client('a', DURABLE);
    assert.deepEqual(texts(a), ['for a']);
    assert.deepEqual(texts(b), ['for b']);
  });

  test('[MQTT3-3.1.3-2] identifiers differ by case, blanks and form of their characters', () => {
    const house = createHarness();
    const ids = ['id', 'ID', 'id ', ' id', '\u00e9', 'e\u0301'];
    const peers = ids.map((id) => house.client(id));
    assert.equal(house.broker.sizes().sessions, ids.length);
    assert.deepEqual(
      peers.filter((peer) => peer.isClosed),
      [],
    );
  });
});

describe('3.1.4 accepting', () => {
  test('[MQTT3-3.1.4-2] a second client with the same identifier takes over, and the first is disconnected', () => {
    const house = createHarness();
    const first = house.client('client');
    first.subscribe('t');
    const bystander = house.client('bystander');
    const second = house.client('client');
    assert.equal(first.isClosed, true);
    first.expectNothing();
    second.ping();
    second.expect('pingresp');
    assert.equal(bystander.isClosed, false);
    assert.ok(house.log.texts('notice').some((line) => /^Client client .* session taken over\.$/.test(line)));
    assert.equal(house.broker.sizes().connections, 2);
  });

  test('[MQTT3-3.1.4-2] the session goes over without a gap, in any version', () => {
    const house = createHarness();
    const publisher = house.client('pub');
    let holder = house.client('client', DURABLE);
    holder.subscribe('t', { qos: 1 });
    for (const [index, version] of ([4, 3, 5, 4] as const).entries()) {
      const properties = version === 5 ? { sessionExpiryInterval: 100 } : {};
      publisher.publish('t', `a${index}`, { qos: 1 });
      const next = house.client('client', { ...DURABLE, version, properties });
      assert.equal(holder.isClosed, true);
      publisher.publish('t', `b${index}`, { qos: 1 });
      const seen = next.publishes();
      assert.deepEqual(seen.map(({ text }) => text).slice(-2), [`a${index}`, `b${index}`]);
      for (const { packetId } of seen) next.ack('puback', packetId);
      holder = next;
    }
  });

  test('[MQTT3-3.1.4-2] what the first client sends after the take-over is not looked at', () => {
    const house = createHarness();
    const watcher = house.client('watcher');
    watcher.subscribe('#');
    const first = house.client('client');
    house.client('client');
    first.send(rawPublish('t', { payload: 'late' }));
    watcher.expectNothing();
  });

  test('[MQTT3-3.1.4-3] Clean Session is applied when another connection is taken over', () => {
    const house = createHarness();
    const first = house.client('client', DURABLE);
    first.subscribe('t', { qos: 1 });
    const clean = house.peer();
    assert.equal(clean.connect({ clientId: 'client', cleanStart: true }).sessionPresent, false);
    house.client('pub').publish('t', 'x', { qos: 1 });
    clean.expectNothing();
    assert.equal(house.broker.sizes().subscriptions, 0);
  });

  test('[MQTT3-3.1.4-4] packets behind CONNECT in the same chunk are served after the CONNACK', () => {
    const house = createHarness();
    const peer = house.peer();
    const connect = joined(fromHex('10 0d 0004 4d515454 04 02 0000 0001 61'));
    peer.send(joined(connect, frame(0xc0), frame(0x82, fromHex('0005 0001 74 00'))));
    assert.deepEqual(
      peer.all().map(({ type }) => type),
      ['connack', 'pingresp', 'suback'],
    );
  });
});
