import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NumberPool } from './number-pool.ts';

test('numbers are given out once, and again when they came back', () => {
  const pool = new NumberPool(5);
  const first = Array.from({ length: 20_000 }, () => pool.take());
  assert.deepEqual(
    first,
    Array.from({ length: 20_000 }, (_, index) => index + 5),
  );
  assert.equal(pool.inUse, 20_005);
  for (const number of first.slice(0, 15_000)) pool.giveBack(number);
  assert.equal(pool.inUse, 5005);
  const again = Array.from({ length: 15_000 }, () => pool.take());
  assert.deepEqual(new Set(again), new Set(first.slice(0, 15_000)));
  assert.equal(pool.take(), 20_005);
});
