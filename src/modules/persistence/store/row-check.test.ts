import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RowState } from '../ops.ts';
import { CheckedTable, decodeSent, encodeSent, keyCheck, queueCheck } from './row-check.ts';

const states = fc.constantFrom(RowState.Queued, RowState.Sent, RowState.Released);
const packetIds = fc.integer({ min: 0, max: 0xffff });

test('state and packet id come back as they were', () => {
  fc.assert(
    fc.property(states, packetIds, (state, packetId) => {
      assert.deepEqual(decodeSent(encodeSent(state, packetId)), { state, packetId });
    }),
  );
});

test('a flipped bit of the state is seen, whichever', () => {
  fc.assert(
    fc.property(states, packetIds, fc.integer({ min: 0, max: 52 }), (state, packetId, bit) => {
      const value = encodeSent(state, packetId);
      const power = 2 ** bit;
      const flipped = Math.floor(value / power) % 2 === 1 ? value - power : value + power;
      assert.equal(decodeSent(flipped), null);
    }),
  );
});

test('the checksum tells apart what belongs to another key, table, length or message', () => {
  const body = Uint8Array.of(1, 2, 3);
  const place = { session: 1, position: 2, payloadBytes: 3 };
  const checks = [
    queueCheck(place, 0, body),
    queueCheck(place, 1, body),
    queueCheck({ ...place, session: 2 }, 0, body),
    queueCheck({ ...place, position: 3 }, 0, body),
    queueCheck({ ...place, payloadBytes: 4 }, 0, body),
    queueCheck(place, 0, Uint8Array.of(1, 2, 2)),
    keyCheck(CheckedTable.Session, 1, undefined, body),
    keyCheck(CheckedTable.Message, 1, undefined, body),
    keyCheck(CheckedTable.Subscription, 1, body, Uint8Array.of(9)),
    keyCheck(CheckedTable.Subscription, 1, body.subarray(0, 2), Uint8Array.of(3, 9)),
    keyCheck(CheckedTable.Subscription, 2, body, Uint8Array.of(9)),
  ];
  assert.equal(new Set(checks).size, checks.length);
});
