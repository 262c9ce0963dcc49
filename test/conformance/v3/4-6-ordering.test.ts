import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createHarness, type Harness, type Peer } from '../../fixtures/broker-harness.ts';
import { joined } from '../../fixtures/raw-packets.ts';
import { SlowJournal } from '../../fixtures/slow-journal.ts';

const DURABLE = { cleanStart: false };

function numbers(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${index}`);
}

/** A durable subscriber on a journal that is slow: everything for it must wait for its ticket. */
async function houseWithSlowJournal(): Promise<{ house: Harness; journal: SlowJournal; sub: Peer; pub: Peer }> {
  const journal = new SlowJournal();
  const house = createHarness({ journal });
  const sub = house.peer();
  sub.sendConnect({ clientId: 'sub', ...DURABLE });
  journal.commit();
  await house.settleLater();
  sub.sendSubscribe(['t/#'], { qos: 2 });
  journal.commit();
  house.settle();
  sub.all();
  return { house, journal, sub, pub: house.client('pub') };
}

describe('4.6 message ordering', () => {
  test('[MQTT3-4.6.0-1] what is sent again keeps its first order, however often', () => {
    const house = createHarness();
    const first = house.client('sub', DURABLE);
    first.subscribe('t', { qos: 2 });
    const pub = house.client('pub');
    for (const text of numbers(20)) pub.publish('t', text, { qos: Number(text) % 2 === 0 ? 1 : 2 });
    const sent = first.publishes().map(({ text }) => text);
    assert.deepEqual(sent, numbers(20));
    let client = first;
    for (let round = 0; round < 3; round += 1) {
      client.cut();
      client = house.client('sub', DURABLE);
      assert.deepEqual(
        client.publishes().map(({ text }) => text),
        numbers(20),
      );
    }
  });

  test('[MQTT3-4.6.0-1] what is sent again comes before what waited', () => {
    const house = createHarness({ settings: { maxInflightMessages: 3 } });
    const first = house.client('sub', DURABLE);
    first.subscribe('t', { qos: 1 });
    const pub = house.client('pub');
    for (const text of numbers(6)) pub.publish('t', text, { qos: 1 });
    first.cut();
    for (const text of ['6', '7']) pub.publish('t', text, { qos: 1 });
    const second = house.client('sub', DURABLE);
    const texts: string[] = [];
    for (let seen = second.publishes(); seen.length > 0; seen = second.publishes()) {
      for (const { text, packetId } of seen) {
        texts.push(text);
        second.ack('puback', packetId);
      }
    }
    assert.deepEqual(texts, numbers(8));
  });

  for (const [qos, answer, id] of [
    [1, 'puback', '[MQTT3-4.6.0-2]'],
    [2, 'pubrec', '[MQTT3-4.6.0-3]'],
  ] as const) {
    test(`${id} ${answer} packets leave in the order of their PUBLISHes, also when only some must wait`, async () => {
      const { house, journal, pub } = await houseWithSlowJournal();
      const topics = ['t/1', 'unheard', 't/2', 'unheard', 'unheard', 't/3'];
      pub.send(joined(...topics.map((topic, index) => pub.publishBytes(topic, 'x', { qos, packetId: 10 + index }))));
      const ids: number[] = [];
      for (let round = 0; round <= journal.records.length && ids.length < topics.length; round += 1) {
        for (const packet of pub.all()) {
          assert.equal(packet.type, answer);
          if ('packetId' in packet) ids.push(packet.packetId);
        }
        journal.commit(Math.min(1, journal.waitingCount));
        house.settle();
      }
      assert.deepEqual(ids, [10, 11, 12, 13, 14, 15]);
    });
  }

  test('[MQTT3-4.6.0-2] [MQTT3-4.6.0-3] PUBACK, PUBREC, PUBCOMP and SUBACK of one client leave in the order of what they answer', async () => {
    const { house, journal, pub } = await houseWithSlowJournal();
    pub.publish('t', 'x', { qos: 1, packetId: 1 });
    pub.publish('t', 'x', { qos: 2, packetId: 2 });
    pub.sendSubscribe('u', { packetId: 3 });
    pub.publish('unheard', 'x', { qos: 2, packetId: 4 });
    pub.ack('pubrel', 4);
    pub.expectNothing();
    journal.commit();
    house.settle();
    assert.deepEqual(
      pub.all().map((packet) => [packet.type, 'packetId' in packet ? packet.packetId : 0]),
      [
        ['puback', 1],
        ['pubrec', 2],
        ['suback', 3],
        ['pubrec', 4],
        ['pubcomp', 4],
      ],
    );
  });

  test('[MQTT3-4.6.0-4] PUBRELs leave in the order of their PUBRECs', async () => {
    const { house, journal, sub, pub } = await houseWithSlowJournal();
    for (const text of numbers(5)) pub.publish('t/x', text, { qos: 2 });
    journal.commit();
    house.settle();
    const ids = sub.publishes().map(({ packetId }) => packetId);
    assert.equal(ids.length, 5);
    const order = [3, 0, 4, 1, 2].map((index) => ids[index] ?? 0);
    for (const id of order) sub.ack('pubrec', id);
    sub.expectNothing();
    const released: number[] = [];
    while (released.length < 5) {
      journal.commit(1);
      house.settle();
      for (const packet of sub.all()) if (packet.type === 'pubrel') released.push(packet.packetId);
    }
    assert.deepEqual(released, order);
  });

  test('[MQTT3-4.6.0-5] a topic keeps its order over all its publishers', () => {
    const house = createHarness();
    const sub = house.client('sub');
    sub.subscribe('t', { qos: 0 });
    const publishers = ['a', 'b', 'c'].map((id) => house.client(id));
    for (const text of numbers(30)) publishers[Number(text) % 3]?.publish('t', text, { qos: 0 });
    assert.deepEqual(
      sub.publishes().map(({ text }) => text),
      numbers(30),
    );
  });

  for (const qos of [0, 1, 2] as const) {
    test(`[MQTT3-4.6.0-6] messages of QoS ${qos} arrive in the order their client sent them, past a full window too`, () => {
      const house = createHarness();
      const sub = house.client('sub');
      sub.subscribe('t/+', { qos });
      const pub = house.client('pub');
      pub.send(joined(...numbers(100).map((text) => pub.publishBytes(`t/${Number(text) % 2}`, text, { qos }))));
      const texts: string[] = [];
      for (let packets = sub.all(); packets.length > 0; packets = sub.all()) {
        for (const packet of packets) {
          if (packet.type === 'publish') texts.push(packet.text);
          answer(sub, packet.type, 'packetId' in packet ? packet.packetId : 0, qos);
        }
      }
      assert.deepEqual(texts, numbers(100));
    });
  }

  test('[MQTT3-4.6.0-6] order holds while a reader is slow, for each QoS', () => {
    for (const qos of [0, 1, 2] as const) {
      const house = createHarness({ settings: { outboxHighBytes: 1000, maxInflightMessages: 0 } });
      const sub = house.client('sub');
      sub.subscribe('t', { qos });
      sub.link.block(500);
      const pub = house.client('pub');
      for (const text of numbers(200)) pub.publish('t', text.padStart(20, ' '), { qos });
      const texts: string[] = [];
      for (let round = 0; round < 200; round += 1) {
        sub.link.release(100);
        house.settle();
        texts.push(...sub.all().flatMap((packet) => (packet.type === 'publish' ? [packet.text.trim()] : [])));
      }
      assert.deepEqual(texts, numbers(200), `QoS ${qos}`);
    }
  });
});

function answer(sub: Peer, type: string, packetId: number, qos: 0 | 1 | 2): void {
  if (type === 'publish' && qos === 1) sub.ack('puback', packetId);
  if (type === 'publish' && qos === 2) sub.ack('pubrec', packetId);
  if (type === 'pubrel') sub.ack('pubcomp', packetId);
}
