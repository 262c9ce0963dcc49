/** Sections 4.4 to 4.6: sending again, taking in, order. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createHarness, type Harness, type Peer } from '../../fixtures/broker-harness.ts';
import { joined, rawAck } from '../../fixtures/raw-packets.ts';
import { SeededRandom } from '../../fixtures/seeded-random.ts';
import { comeBack, enter, enterDurable, numbers, takeAll, texts } from './clients.ts';

const ONE_DAY_MS = 24 * 3600 * 1000;

/** Five messages of QoS 1 and 2 in turn are in flight to a durable client. */
function inFlight(): { readonly house: Harness; readonly sub: Peer; readonly ids: readonly number[] } {
  const house = createHarness();
  const sub = enterDurable(house, 'sub');
  sub.subscribe('t', { qos: 2 });
  const pub = enter(house, 'pub');
  for (const text of numbers(5)) pub.publish('t', text, { qos: Number(text) % 2 === 0 ? 1 : 2 });
  return { house, sub, ids: sub.publishes().map(({ packetId }) => packetId) };
}

describe('4.4 sending again', () => {
  test('[MQTT5-4.4.0-1] on resumption unfinished PUBLISH and PUBREL are sent again with their identifiers', () => {
    const { house, sub, ids } = inFlight();
    sub.ack('puback', ids[0] ?? 0);
    sub.ack('pubrec', ids[3] ?? 0);
    sub.expect('pubrel');
    sub.cut();
    const seen = comeBack(house, 'sub').all();
    assert.deepEqual(
      seen.map((packet) =>
        packet.type === 'publish'
          ? [packet.text, packet.packetId, packet.qos, packet.dup]
          : packet.type === 'pubrel' && ['pubrel', packet.packetId],
      ),
      [
        ['1', ids[1], 2, true],
        ['2', ids[2], 1, true],
        ['pubrel', ids[3]],
        ['4', ids[4], 1, true],
      ],
    );
  });

  test('[MQTT5-4.4.0-1] while the connection stands nothing is sent again, however long the client waits', () => {
    const { house, sub, ids } = inFlight();
    sub.ack('pubrec', ids[1] ?? 0);
    sub.expect('pubrel');
    for (let day = 0; day < 30; day += 1) house.advance(ONE_DAY_MS);
    sub.ping();
    sub.expect('pingresp');
    sub.subscribe('other');
    sub.expectNothing();
  });

  test('[MQTT5-4.4.0-1] nothing is sent again to a new session', () => {
    const { house, sub } = inFlight();
    sub.cut();
    const back = house.peer();
    back.connect({ version: 5, clientId: 'sub', cleanStart: true });
    back.expectNothing();
  });

  test('[MQTT5-4.4.0-1] what is finished is not sent again, with however many resumptions', () => {
    const { house, sub, ids } = inFlight();
    for (const id of [ids[0], ids[2], ids[4]]) sub.ack('puback', id ?? 0);
    sub.ack('pubrec', ids[1] ?? 0);
    sub.ack('pubcomp', ids[1] ?? 0);
    sub.cut();
    for (let round = 0; round < 3; round += 1) {
      const back = comeBack(house, 'sub');
      assert.deepEqual(texts(back), ['3']);
      back.cut();
    }
  });

  test('[MQTT5-2.2.1-4] after a resumption new messages have identifiers that are not in use', () => {
    const { house, sub, ids } = inFlight();
    sub.cut();
    const back = comeBack(house, 'sub');
    back.publishes();
    const pub = enter(house, 'other');
    for (const text of numbers(10)) pub.publish('t', text, { qos: 1 });
    const fresh = back.publishes().map(({ packetId }) => packetId);
    assert.equal(new Set([...fresh, ...ids]).size, 15);
  });
});

describe('4.5 taking in', () => {
  test('[MQTT5-4.5.0-1] a message joins the session of every client whose subscription matches, online or away', () => {
    const house = createHarness();
    const filters = ['a/b', 'a/+', '+/b', '#', 'a/#', '+/+', 'a/b/#', '$share/g/a/b'];
    const matching = filters.map((filter, index) => {
      const client = enterDurable(house, `match ${index}`);
      client.subscribe(filter, { qos: 1 });
      if (index % 2 === 0) client.cut();
      return client;
    });
    const others = ['a', 'b', 'a/b/c', 'A/b', 'a/b/', '/a/b', '+', 'a/c'].map((filter, index) => {
      const client = enterDurable(house, `other ${index}`);
      client.subscribe(filter, { qos: 1 });
      return client;
    });
    enter(house, 'pub').publish('a/b', 'x', { qos: 1 });
    for (const [index, client] of matching.entries()) {
      const receiver = index % 2 === 0 ? comeBack(house, `match ${index}`) : client;
      assert.deepEqual(texts(receiver), ['x'], filters[index] ?? '');
    }
    for (const client of others) client.expectNothing();
  });

  test('[MQTT5-3.3.2-3] each subscriber sees the topic that was published, and it matches its filter', () => {
    const house = createHarness();
    const sub = enter(house, 'sub');
    sub.subscribe('plant/+/temperature');
    const pub = enter(house, 'pub');
    for (const topic of ['plant/1/temperature', 'plant/2/temperature', 'plant/2/pressure', 'plant/temperature']) {
      pub.publish(topic, topic);
    }
    const seen = sub.publishes();
    assert.deepEqual(
      seen.map(({ topic }) => topic),
      ['plant/1/temperature', 'plant/2/temperature'],
    );
    for (const { topic, text } of seen) assert.equal(topic, text);
  });
});

describe('4.6 order', () => {
  test('[MQTT5-4.6.0-1] what is sent again keeps its first order, also after a smaller window and several losses', () => {
    const house = createHarness();
    const sub = enterDurable(house, 'sub');
    sub.subscribe('t', { qos: 1 });
    const pub = enter(house, 'pub');
    for (const text of numbers(20)) pub.publish('t', text, { qos: 1 });
    const first = sub.publishes();
    sub.ack('puback', first[5]?.packetId ?? 0);
    sub.cut();
    const second = comeBack(house, 'sub', { properties: { receiveMaximum: 4 } });
    assert.deepEqual(texts(second), ['0', '1', '2', '3']);
    second.cut();
    const third = comeBack(house, 'sub', { properties: { receiveMaximum: 3 } });
    assert.deepEqual(
      takeAll(third).map(({ text }) => text),
      numbers(20).filter((text) => text !== '5'),
    );
  });

  for (const qos of [0, 1, 2] as const) {
    test(`[MQTT5-4.6.0-5] [MQTT5-4.6.0-6] messages of one client arrive in the order it sent them: QoS ${qos}`, () => {
      const house = createHarness();
      const sub = enter(house, 'sub', { properties: { receiveMaximum: 3 } });
      sub.subscribe('#', { qos: 2 });
      const pub = enter(house, 'pub');
      const expected = numbers(60);
      for (const text of expected) {
        const packetId = Number(text) + 1;
        const publish = pub.publishBytes(`t/${Number(text) % 3}`, text, { qos, packetId });
        pub.send(qos === 2 ? joined(publish, rawAck(0x62, packetId)) : publish);
      }
      assert.deepEqual(
        takeAll(sub).map(({ text }) => text),
        expected,
      );
    });
  }

  test('[MQTT5-4.6.0-5] [MQTT5-4.6.0-1] the order holds across loss, resumption and take-over, and nothing is missing (seeded)', () => {
    const random = new SeededRandom(46);
    const house = createHarness({ settings: { maxQueuedMessages: 0 } });
    let sub = enterDurable(house, 'sub', { properties: { receiveMaximum: 5 } });
    sub.subscribe('t/+', { qos: 1 });
    const pub = enter(house, 'pub');
    let count = 0;
    /** What has been acknowledged, in order. */
    const taken: number[] = [];
    const take = (many: number): void => {
      const seen = sub.publishes();
      const sorted = seen.map(({ text }) => Number(text)).toSorted((a, b) => a - b);
      assert.deepEqual(
        seen.map(({ text }) => Number(text)),
        sorted,
      );
      for (const { text, packetId } of seen.slice(0, many)) {
        taken.push(Number(text));
        sub.ack('puback', packetId);
      }
      if (many < seen.length) sub = comeBack(house, 'sub', { properties: { receiveMaximum: 1 + random.below(6) } });
    };
    for (let step = 0; step < 1_500; step += 1) {
      if (random.below(3) > 0) {
        pub.publish(`t/${random.below(3)}`, String(count), { qos: 1 });
        count += 1;
      } else take(random.below(4));
    }
    while (taken.length < count) {
      const before = taken.length;
      take(Number.POSITIVE_INFINITY);
      assert.ok(taken.length > before, 'messages are missing');
    }
    assert.deepEqual(taken, numbers(count).map(Number));
  });

  test('[MQTT5-4.6.0-6] live messages do not overtake those that wait in the queue', () => {
    const house = createHarness();
    const sub = enterDurable(house, 'sub', { properties: { receiveMaximum: 1 } });
    sub.subscribe('t', { qos: 1 });
    const pub = enter(house, 'pub');
    for (const text of numbers(3)) pub.publish('t', text, { qos: 1 });
    const first = sub.expect('publish');
    pub.publish('t', '3', { qos: 1 });
    sub.ack('puback', first.packetId);
    pub.publish('t', '4', { qos: 1 });
    assert.deepEqual(
      takeAll(sub).map(({ text }) => text),
      ['1', '2', '3', '4'],
    );
  });
});
