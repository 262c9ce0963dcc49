/** Clients that read slowly: what waits, what is dropped and counted, what stays bounded, and when they are ended. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createHarness, fromHex, type Harness, type Peer } from '../../fixtures/broker-harness.ts';
import { joined } from '../../fixtures/raw-packets.ts';
import { comeBack, enter, enterDurable, numbers, takeAll, texts } from './clients.ts';

const HIGH_BYTES = 4_096;
const PAYLOAD = 'x'.repeat(1_000);

/** A subscriber of `t` with QoS 2 that takes no byte, and a publisher. */
function blocked(settings = {}): { readonly house: Harness; readonly sub: Peer; readonly pub: Peer } {
  const house = createHarness({ settings: { outboxHighBytes: HIGH_BYTES, maxQueuedMessages: 20, ...settings } });
  const sub = enterDurable(house, 'sub', { properties: { receiveMaximum: 500 } });
  sub.subscribe('t', { qos: 2 });
  sub.link.block();
  return { house, sub, pub: enter(house, 'pub') };
}

/** Publishes `count` numbered messages of a thousand bytes, each in a turn of its own. */
function flood(pub: Peer, count: number, qos: 0 | 1 | 2, start = 0): void {
  for (const text of numbers(count)) {
    pub.publish('t', String(start + Number(text)).padEnd(PAYLOAD.length, ' '), { qos });
    pub.all();
  }
}

function taken(seen: readonly { readonly text: string }[]): readonly number[] {
  return seen.map(({ text }) => Number(text));
}

/** Lets the reader take everything, as long as something comes. */
function release(house: Harness, sub: Peer): void {
  sub.link.release();
  for (let round = 0; round < 10; round += 1) house.settle();
}

function upTo(count: number): readonly number[] {
  return numbers(count).map(Number);
}

describe('slow readers', () => {
  test('QoS 0 beyond max_queued_messages is dropped and counted, the rest comes in order', () => {
    const { house, sub, pub } = blocked();
    flood(pub, 100, 0);
    const { publishesDropped } = house.broker.counters;
    assert.ok(publishesDropped > 60, `${publishesDropped} were dropped`);
    release(house, sub);
    const seen = taken(sub.publishes());
    assert.deepEqual(seen, upTo(100 - publishesDropped), 'the newest should be dropped');
    assert.equal(
      house.log.texts('notice').filter((line) => line.includes('are being dropped for client sub')).length,
      1,
    );
    flood(pub, 3, 0, 100);
    assert.deepEqual(taken(sub.publishes()), [100, 101, 102], 'once it reads again nothing is dropped');
    assert.equal(house.broker.counters.publishesDropped, publishesDropped);
  });

  for (const qos of [1, 2] as const) {
    test(`QoS ${qos} is queued, in order, and nothing is lost while the queue has room`, () => {
      const { house, sub, pub } = blocked({ maxQueuedMessages: 200, maxInflightMessages: 500 });
      for (const text of numbers(100)) {
        pub.send(
          joined(
            pub.publishBytes('t', text.padEnd(1_000, ' '), { qos, packetId: Number(text) + 1 }),
            qos === 2 ? fromHex(`6202${(Number(text) + 1).toString(16).padStart(4, '0')}`) : joined(),
          ),
        );
      }
      assert.equal(house.broker.counters.publishesDropped, 0);
      assert.ok(sub.link.pendingBytes <= HIGH_BYTES + 2 * 1_100);
      release(house, sub);
      assert.deepEqual(taken(takeAll(sub)), upTo(100));
    });
  }

  test('the outbox stays bounded however much is published', async () => {
    const { sub, pub, house } = blocked({ maxQueuedMessages: 10_000, outboxHighBytes: 64 * 1024 });
    for (let round = 0; round < 20; round += 1) {
      pub.send(joined(...Array.from({ length: 500 }, () => pub.publishBytes('t', PAYLOAD))));
    }
    assert.ok(sub.link.pendingBytes < 200 * 1024, `${sub.link.pendingBytes} bytes wait at the link`);
    sub.link.release();
    for (let round = 0; round < 20; round += 1) await house.settleLater();
    assert.equal(sub.publishes().length, 10_000);
  });

  test('QoS 0 does not overtake QoS 0 that waits, nor QoS 1 that came before it', () => {
    const { house, sub, pub } = blocked({ maxQueuedMessages: 0 });
    for (const text of numbers(60)) {
      pub.publish('t', text.padEnd(500, ' '), { qos: Number(text) % 2 === 0 ? 0 : 1 });
      pub.all();
    }
    sub.link.release(3_000);
    house.settle();
    flood(pub, 10, 0, 60);
    release(house, sub);
    assert.deepEqual(taken(takeAll(sub)), upTo(70));
  });

  test('[MQTT5-4.6.0-5] QoS 0 that waits behind a full window is not overtaken by later QoS 0', () => {
    const { house, sub, pub } = blocked({ maxQueuedMessages: 0 });
    const narrow = enter(house, 'narrow', { properties: { receiveMaximum: 1 } });
    narrow.subscribe('t', { qos: 1 });
    narrow.link.block();
    flood(pub, 10, 1);
    flood(pub, 5, 0, 10);
    release(house, narrow);
    const [first, ...ahead] = narrow.publishes();
    assert.ok(ahead.length < 5, 'some of QoS 0 should wait behind QoS 1');
    flood(pub, 5, 0, 15);
    narrow.expectNothing();
    narrow.ack('puback', first?.packetId ?? 0);
    const ofQos0 = [...ahead, ...takeAll(narrow)].filter(({ qos }) => qos === 0);
    assert.deepEqual(taken(ofQos0), upTo(20).slice(10));
    assert.equal(sub.isClosed, false);
  });

  test('the publisher is not slowed, nor any other reader', () => {
    const { house, pub } = blocked();
    const other = enter(house, 'other');
    other.subscribe('t', { qos: 1 });
    for (const text of numbers(100)) {
      pub.publish('t', text.padEnd(1_000, ' '), { qos: 1 });
      assert.equal(pub.expect('puback').reason, 0);
      const seen = other.expect('publish');
      assert.equal(Number(seen.text), Number(text));
      other.ack('puback', seen.packetId);
    }
    assert.equal(pub.link.isPaused, false);
  });

  test('a reader that takes a little goes on, in parts of any size', () => {
    const { house, sub, pub } = blocked({ maxQueuedMessages: 0 });
    flood(pub, 50, 1);
    const seen: number[] = [];
    for (let round = 0; round < 2_000 && seen.length < 50; round += 1) {
      sub.link.release(1 + ((round * 37) % 90));
      house.settle();
      for (const { text, packetId } of sub.publishes()) {
        seen.push(Number(text));
        sub.ack('puback', packetId);
      }
    }
    assert.deepEqual(seen, upTo(50));
  });

  test('what waited is kept for a durable session whose connection is lost: QoS 1, not QoS 0', () => {
    const { house, sub, pub } = blocked({ maxQueuedMessages: 0 });
    flood(pub, 30, 0);
    flood(pub, 30, 1, 30);
    sub.link.fail();
    house.settle();
    const back = comeBack(house, 'sub');
    assert.deepEqual(
      taken(takeAll(back)).filter((number) => number >= 30),
      upTo(60).slice(30),
    );
    assert.equal(house.broker.counters.internalErrors, 0);
  });

  test('limits in messages and in bytes: the first that is reached counts', () => {
    for (const [settings, expected] of [
      [{ maxQueuedMessages: 7, maxQueuedBytes: 0 }, 7],
      [{ maxQueuedMessages: 0, maxQueuedBytes: 5_000 }, 5],
      [{ maxQueuedMessages: 3, maxQueuedBytes: 5_000 }, 3],
      [{ maxQueuedMessages: 50, maxQueuedBytes: 5_001 }, 6],
    ] as const) {
      const house = createHarness({ settings });
      const sub = enterDurable(house, 'sub');
      sub.subscribe('t', { qos: 1 });
      sub.cut();
      const pub = enter(house, 'pub');
      flood(pub, 20, 1);
      assert.equal(house.broker.counters.publishesDropped, 20 - expected);
      assert.deepEqual(taken(takeAll(comeBack(house, 'sub'))), upTo(expected), 'the newest should be dropped');
    }
  });

  test('T44: while one queue is full the others take on', () => {
    const house = createHarness({ settings: { maxQueuedMessages: 2 } });
    for (const clientId of ['a', 'b']) {
      const client = enterDurable(house, clientId);
      client.subscribe(clientId === 'a' ? '#' : 't', { qos: 1 });
      client.cut();
    }
    const pub = enter(house, 'pub');
    for (const text of numbers(2)) pub.publish('other', text, { qos: 1 });
    for (const text of ['1', '2', '3']) pub.publish('t', text, { qos: 1 });
    assert.deepEqual(
      takeAll(comeBack(house, 'a')).map(({ text }) => text),
      ['0', '1'],
    );
    assert.deepEqual(
      takeAll(comeBack(house, 'b')).map(({ text }) => text),
      ['1', '2'],
    );
  });

  test('a connection that takes no byte for the stated time is ended, a subscriber that never sends too', () => {
    const { house, sub, pub } = blocked({ stalledWriteMs: 10_000 });
    flood(pub, 1, 0);
    house.advance(9_999);
    assert.equal(sub.link.isDestroyed, false);
    house.advance(1);
    assert.equal(sub.link.isDestroyed, true);
    assert.ok(house.log.texts('notice').some((line) => line.includes('disconnected: it takes no bytes')));
  });

  test('one that takes some bytes now and then is not', () => {
    const { house, sub, pub } = blocked({ stalledWriteMs: 10_000, maxQueuedMessages: 0 });
    flood(pub, 100, 0);
    for (let round = 0; round < 20; round += 1) {
      sub.link.release(10);
      house.advance(9_000);
    }
    assert.equal(sub.link.isDestroyed, false);
  });

  test('a client that asks and does not take the answers is not read any more, and goes on when it takes them', () => {
    const house = createHarness({ settings: { outboxHighBytes: 1_000 } });
    const client = enter(house, 'client');
    client.link.block();
    const pings = joined(...Array.from({ length: 2_000 }, () => fromHex('c000')));
    for (let round = 0; round < 5; round += 1) client.send(pings);
    assert.equal(client.link.isPaused, true);
    assert.ok(client.link.pendingBytes < 10_000);
    release(house, client);
    assert.equal(client.link.isPaused, false);
    assert.equal(client.all().length, 10_000);
  });

  test('T40: answers that pile up beyond the byte limit end the connection', () => {
    const house = createHarness({ settings: { outboxHighBytes: 1_000, outboxBytesMax: 5_000 } });
    const client = enter(house, 'client');
    client.link.block();
    client.send(joined(...Array.from({ length: 5_000 }, () => fromHex('c000'))));
    assert.equal(client.link.isDestroyed, true);
  });

  test('messages larger than the whole limit pass one after the other, through links of both kinds', () => {
    for (const isSentLater of [false, true]) {
      const house = createHarness({ settings: { outboxHighBytes: HIGH_BYTES, maxQueuedMessages: 0 } });
      const sub = house.peer({ isSentLater });
      sub.connect({ version: 5, clientId: 'sub' });
      sub.subscribe('t', { qos: 1 });
      const pub = enter(house, 'pub');
      for (const text of numbers(40)) pub.publish('t', text.padEnd(50_000, ' '), { qos: 1 });
      assert.deepEqual(taken(takeAll(sub)), upTo(40));
      sub.subscribe('u');
      for (const text of numbers(40)) pub.publish('u', text.padEnd(50_000, ' '));
      assert.deepEqual(taken(takeAll(sub)), upTo(40));
    }
  });

  test('a queue of thousands of large messages is emptied without deep recursion', async () => {
    const house = createHarness({
      settings: { outboxHighBytes: HIGH_BYTES, maxQueuedMessages: 0, queueQos0Messages: true },
    });
    const sub = enterDurable(house, 'sub');
    sub.subscribe('t', { qos: 0 });
    sub.cut();
    const pub = enter(house, 'pub');
    for (const text of numbers(3_000)) pub.publish('t', text.padEnd(5_000, ' '));
    const back = comeBack(house, 'sub');
    for (let round = 0; round < 10; round += 1) await house.settleLater();
    assert.deepEqual(taken(back.publishes()), upTo(3_000));
    assert.equal(house.broker.counters.internalErrors, 0);
  });
});

describe('retained messages to a slow reader', () => {
  const COUNT = 10_000;

  function withRetained(settings = {}): { readonly house: Harness; readonly sub: Peer } {
    const house = createHarness({ settings: { outboxHighBytes: 16 * 1024, ...settings } });
    const pub = enter(house, 'pub');
    for (let start = 0; start < COUNT; start += 500) {
      const part = upTo(500).map((index) =>
        pub.publishBytes(`r/${start + index}`, String(start + index).padEnd(100, ' '), {
          retain: true,
          qos: 1,
          packetId: index + 1,
        }),
      );
      pub.send(joined(...part));
      pub.all();
    }
    assert.equal(house.broker.sizes().retained, COUNT);
    return { house, sub: enterDurable(house, 'sub') };
  }

  for (const qos of [0, 1] as const) {
    test(`10000 retained messages reach a reader that takes little at a time, memory bounded, nothing lost: QoS ${qos}`, () => {
      const { house, sub } = withRetained();
      sub.link.block(100);
      sub.sendSubscribe('r/#', { qos });
      let most = 0;
      const seen = new Set<number>();
      for (let round = 0; round < 20_000 && seen.size < COUNT; round += 1) {
        sub.link.release(5_000);
        house.settle();
        most = Math.max(most, sub.link.pendingBytes);
        const acks: Uint8Array[] = [];
        for (const packet of sub.all()) {
          if (packet.type !== 'publish') continue;
          assert.equal(seen.has(Number(packet.text)), false, `${packet.text.trim()} came twice`);
          seen.add(Number(packet.text));
          if (packet.qos === 1) acks.push(Uint8Array.of(0x40, 2, packet.packetId >> 8, packet.packetId & 0xff));
        }
        if (acks.length > 0) sub.send(joined(...acks));
      }
      assert.equal(seen.size, COUNT);
      assert.ok(most < 64 * 1024, `${most} bytes waited`);
      assert.equal(house.broker.counters.publishesDropped, 0);
    });
  }

  for (const settings of [{ maxQueuedMessages: 1 }, { maxQueuedMessages: 10 }, { maxQueuedBytes: 50 }]) {
    test(`a short queue loses none of them: ${JSON.stringify(settings)}`, () => {
      for (const qos of [0, 1] as const) {
        const { house, sub } = withRetained(settings);
        sub.link.block(100);
        sub.sendSubscribe('r/+', { qos });
        const seen = new Set<number>();
        for (let round = 0; round < 3_000 && seen.size < COUNT; round += 1) {
          sub.link.release(20_000);
          house.settle();
          const acks: Uint8Array[] = [];
          for (const packet of sub.all()) {
            if (packet.type !== 'publish') continue;
            seen.add(Number(packet.text));
            if (packet.qos === 1) acks.push(Uint8Array.of(0x40, 2, packet.packetId >> 8, packet.packetId & 0xff));
          }
          if (acks.length > 0) sub.send(joined(...acks));
        }
        assert.equal(seen.size, COUNT);
        assert.equal(house.broker.counters.publishesDropped, 0);
      }
    });
  }

  test('others are served while they are handed out', () => {
    const { house, sub } = withRetained();
    sub.sendSubscribe('r/#', { qos: 0 });
    const other = enter(house, 'other');
    other.ping();
    other.expect('pingresp');
    for (let round = 0; round < 30; round += 1) house.settle();
    assert.equal(sub.all().length, COUNT + 1);
  });

  test('large retained messages of two subscriptions at once all come', () => {
    const house = createHarness({ settings: { outboxHighBytes: HIGH_BYTES } });
    const pub = enter(house, 'pub');
    for (const text of numbers(20)) {
      pub.publish(`a/${text}`, text.padEnd(20_000, ' '), { retain: true });
      pub.publish(`b/${text}`, text.padEnd(20_000, ' '), { retain: true });
    }
    const sub = enter(house, 'sub');
    sub.sendSubscribe(['a/#', 'b/#']);
    for (let round = 0; round < 10; round += 1) house.settle();
    const seen = sub.all().flatMap((packet) => (packet.type === 'publish' ? [packet.topic] : []));
    assert.equal(seen.length, 40);
    assert.equal(new Set(seen).size, 40);
  });

  test('[MQTT5-3.10.4-2] after UNSUBSCRIBE no more of them come', () => {
    const { house, sub } = withRetained();
    sub.sendSubscribe('r/#', { qos: 1 });
    const first = sub.all().flatMap((packet) => (packet.type === 'publish' ? [packet] : []));
    assert.equal(first.length, 20, 'the window');
    sub.unsubscribe('r/#');
    for (const { packetId } of first) sub.ack('puback', packetId);
    house.settle();
    sub.expectNothing();
  });

  test('T40: asking for them again and again holds no more than one asking', () => {
    const { house, sub } = withRetained();
    sub.sendSubscribe('r/#', { qos: 1 });
    for (let round = 0; round < 1_000; round += 1) sub.sendSubscribe('r/#', { qos: 1, packetId: 1 });
    const seen = new Map<string, number>();
    const open: Uint8Array[] = [];
    for (let round = 0; round < 3_000; round += 1) {
      for (const packet of sub.all()) {
        if (packet.type !== 'publish') continue;
        seen.set(packet.topic, (seen.get(packet.topic) ?? 0) + 1);
        open.push(Uint8Array.of(0x40, 2, packet.packetId >> 8, packet.packetId & 0xff));
      }
      if (open.length === 0) break;
      sub.send(joined(...open.splice(0)));
    }
    assert.equal(seen.size, COUNT);
    assert.ok(Math.max(...seen.values()) <= 3);
    assert.equal(house.broker.counters.publishesDropped, 0);
  });

  test('a client that leaves while they are handed out finds them in its queue, as far as that goes', () => {
    const { house, sub } = withRetained({ maxQueuedMessages: 300 });
    sub.sendSubscribe('r/#', { qos: 1 });
    assert.equal(sub.all().length, 21);
    sub.cut();
    const back = comeBack(house, 'sub');
    const seen = takeAll(back);
    assert.equal(new Set(seen.map(({ topic }) => topic)).size, seen.length);
    assert.ok(seen.length >= 320 && seen.length < 400, `${seen.length} came`);
    assert.ok(seen.every(({ retain }) => retain));
    assert.deepEqual(texts(back), []);
  });
});
