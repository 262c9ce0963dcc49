/** Frames that come in parts, and messages that outlive them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createHarness } from '../../../test/fixtures/broker-harness.ts';

test('messages that wait are what was sent, however their frames were cut', () => {
  const size = fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 4000, max: 40_000 }));
  const cuts = fc.array(fc.integer({ min: 1, max: 30_000 }), { minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(fc.array(size, { minLength: 1, maxLength: 8 }), cuts, (sizes, pieces) => {
      const house = createHarness();
      const away = house.client('away', { cleanStart: false });
      away.subscribe('t', { qos: 1 });
      away.cut();
      const here = house.client('here');
      here.subscribe('t', { qos: 0 });
      const publisher = house.client('publisher');
      const payloads = sizes.map((byteCount, index) => new Uint8Array(byteCount).fill(index + 1));
      const input = new Uint8Array(
        Buffer.concat(payloads.map((payload) => publisher.publishBytes('t', payload, { qos: 1 }))),
      );
      for (let at = 0, count = 0; at < input.length; count += 1) {
        const end = Math.min(input.length, at + (pieces[count % pieces.length] ?? 1));
        publisher.send(input.subarray(at, end));
        at = end;
      }
      const isSame = (seen: readonly { readonly payload: Uint8Array }[]): void => {
        assert.deepEqual(
          seen.map(({ payload }) => Buffer.from(payload).toString('latin1')),
          payloads.map((payload) => Buffer.from(payload).toString('latin1')),
        );
      };
      isSame(here.publishes());
      isSame(house.client('away', { cleanStart: false }).publishes());
    }),
    { numRuns: 60 },
  );
});
