import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { cpuMsOf } from '../../../test/fixtures/cpu-time.ts';
import { parseTopicName } from '../../protocol/topic.ts';
import type { Delivery } from '../model/delivery.ts';
import { NO_BYTES, OwnedMessage } from '../model/message.ts';
import { StoredMessages } from '../model/stored-messages.ts';
import { type InflightEntry, InflightWindow, PACKET_ID_MAX } from './inflight-window.ts';

function deliveryOf(qos: 1 | 2, byteCount = 0): Delivery {
  const topic = parseTopicName('t');
  assert(topic !== null);
  const message = new OwnedMessage({
    topic,
    qos,
    retain: false,
    expiresAtMs: Number.POSITIVE_INFINITY,
    forwardedProperties: NO_BYTES,
    publisherId: '',
    bytes: new Uint8Array(byteCount),
  });
  return { message, qos, retain: false, subscriptionIdentifiers: null, shared: null };
}

const ONE = deliveryOf(1);

function windowOf(max: number, lastPacketId = 0, stored = new StoredMessages()): InflightWindow {
  return new InflightWindow(max, lastPacketId, stored);
}

/** A window with that many entries, and those in order. */
function filled(count: number, max = PACKET_ID_MAX): { window: InflightWindow; entries: InflightEntry[] } {
  const window = windowOf(max);
  return { window, entries: Array.from({ length: count }, () => window.add(ONE, 0)) };
}

function taken(window: InflightWindow): InflightEntry[] {
  const entries: InflightEntry[] = [];
  for (let entry = window.nextAgain(); entry !== undefined; entry = window.nextAgain()) entries.push(entry);
  return entries;
}

describe('packet ids', () => {
  test('after a restart they go on above all that are in flight, in whatever order those come', () => {
    const window = windowOf(PACKET_ID_MAX);
    for (const packetId of [7, 2]) window.restore(ONE, packetId, packetId, false);
    assert.equal(window.add(ONE, 0).packetId, 8);
    const full = windowOf(PACKET_ID_MAX);
    for (const packetId of [PACKET_ID_MAX, 1]) full.restore(ONE, packetId, packetId, true);
    assert.equal(full.add(ONE, 0).packetId, 2);
  });

  test('[MQTT5-2.2.1-4] all 65,535 are given out once, from 1 up, then the one that is free again', () => {
    const { window, entries } = filled(PACKET_ID_MAX);
    entries.forEach((entry, index) => {
      assert.equal(entry.packetId, index + 1);
    });
    assert.equal(window.roomCount, 0);
    for (const id of [777, 1, PACKET_ID_MAX, 31, 32, 33, 65_504, 256, 257]) {
      const entry = window.get(id);
      assert(entry !== undefined);
      window.remove(entry);
      assert.equal(window.get(id), undefined);
      assert.equal(window.add(ONE, 0).packetId, id);
    }
    assert.throws(() => window.add(ONE, 0), /all packet ids are in use/);
  });

  test('a window goes on after the id that the one before it gave out last', () => {
    assert.equal(windowOf(10, 41).add(ONE, 0).packetId, 42);
    assert.equal(windowOf(10, PACKET_ID_MAX).add(ONE, 0).packetId, 1);
  });

  test('while nothing lies long, they come in turn, around the end', () => {
    const window = windowOf(PACKET_ID_MAX);
    for (let count = 0; count < 70_000; count += 1) {
      const entry = window.add(ONE, 0);
      assert.equal(entry.packetId, (count % PACKET_ID_MAX) + 1);
      window.remove(entry);
    }
  });

  for (const inUse of [20_000, 32_768, 50_000, PACKET_ID_MAX - 1]) {
    test(`with ${inUse} in use a free one is found at once`, () => {
      const { window } = filled(inUse);
      const tookMs = cpuMsOf(() => {
        for (let round = 0; round < 10_000; round += 1) {
          // The next one is freed, so that a search of one after the other would pass over all the others.
          window.remove(window.add(ONE, 0));
          const freed = window.get(((round * 7919) % inUse) + 1);
          if (freed === undefined) continue;
          window.remove(freed);
          window.add(ONE, 0);
        }
      });
      // Some 10 ms; a search looks at 330 million.
      assert.ok(tookMs < 1000, `${tookMs} ms`);
    });
  }

  test('whatever is added and removed, each is in use once and is found by its id', () => {
    const step = fc.record({
      kind: fc.constantFrom('add', 'add', 'remove oldest', 'remove newest'),
      count: fc.integer({ min: 1, max: 400 }),
    });
    fc.assert(
      fc.property(fc.nat({ max: PACKET_ID_MAX }), fc.array(step, { maxLength: 20 }), (lastPacketId, steps) => {
        const window = windowOf(PACKET_ID_MAX, lastPacketId);
        const model = new Map<number, InflightEntry>();
        const add = (): void => {
          const entry = window.add(ONE, 0);
          assert.ok(entry.packetId >= 1 && entry.packetId <= PACKET_ID_MAX);
          assert.equal(model.has(entry.packetId), false, `${entry.packetId} is in use`);
          model.set(entry.packetId, entry);
        };
        for (const { kind, count } of steps) {
          const entries = kind === 'remove newest' ? [...model.values()].reverse() : [...model.values()];
          if (kind === 'add') for (let left = count; left > 0; left -= 1) add();
          else {
            for (const entry of entries.slice(0, count)) {
              window.remove(entry);
              model.delete(entry.packetId);
            }
          }
          assert.equal(window.count, model.size);
          for (const [id, entry] of model) assert.equal(window.get(id), entry);
        }
        window.restart(PACKET_ID_MAX);
        assert.deepEqual(taken(window), [...model.values()], 'sent again in order of sending');
      }),
      { numRuns: 40 },
    );
  });
});

describe('sending again', () => {
  test('[MQTT5-3.3.4-9] no more messages than the new limit; PUBREL does not wait for room', () => {
    const { window, entries } = filled(4);
    const released = window.add(deliveryOf(2), 0);
    window.forgetMessage(released);
    window.restart(2);
    assert.equal(window.roomCount, 0, 'new messages wait for the old ones');
    // A PUBREL counts against the limit: room for one message is left.
    assert.deepEqual(taken(window), [entries[0], released]);
    window.remove(released);
    assert.deepEqual(taken(window), [entries[1]]);
    for (const entry of entries.slice(0, 3)) window.remove(entry);
    assert.deepEqual(taken(window), [entries[3]]);
    assert.equal(window.roomCount, 1);
  });

  test('one that is finished before its turn is not sent again', () => {
    const { window, entries } = filled(3);
    window.restart(1);
    assert.equal(window.nextAgain(), entries[0]);
    assert(entries[1] !== undefined && entries[0] !== undefined);
    window.remove(entries[1]);
    window.remove(entries[0]);
    assert.deepEqual(taken(window), [entries[2]]);
    assert.equal(window.count, 1);
  });

  test('an entry of another time is not taken for one that has its id now', () => {
    const { window, entries } = filled(1);
    const [old] = entries;
    assert(old !== undefined);
    window.remove(old);
    window.remove(old);
    assert.equal(window.count, 0);
  });
});

describe('bytes in flight', () => {
  test('count from the sending to the end of the exchange, for QoS 2 to PUBCOMP', () => {
    const window = windowOf(10);
    const one = window.add(deliveryOf(1, 100), 0);
    const two = window.add(deliveryOf(2, 30), 0);
    assert.equal(window.payloadBytes, 130);
    window.remove(one);
    window.forgetMessage(two);
    assert.equal(window.payloadBytes, 30);
    window.remove(two);
    window.remove(two);
    assert.equal(window.payloadBytes, 0);
  });

  test('a message is stored while the window holds it: to PUBREC, to the end of the exchange, or of the session', () => {
    const stored = new StoredMessages();
    const window = windowOf(10, 0, stored);
    const shared = deliveryOf(1, 100);
    const [one] = [window.add(shared, 0), window.add(shared, 0)];
    const two = window.add(deliveryOf(2, 30), 0);
    assert.deepEqual([stored.count, stored.bytes], [2, 130]);
    window.remove(one);
    window.forgetMessage(two);
    window.forgetMessage(two);
    assert.deepEqual([stored.count, stored.bytes], [1, 100]);
    window.end();
    assert.deepEqual([stored.count, stored.bytes, window.count], [0, 0, 0]);
  });
});
