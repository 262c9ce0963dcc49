import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDamage, isReadFault, StoreDamage } from './store-faults.ts';

function sqlite(errcode: number): Error {
  return Object.assign(new Error('it failed'), { errcode });
}

test('faults: only what is listed is damage', () => {
  const damages = [11, 267, 523, 779, 26, 522, 8458, 1, 18].map(sqlite);
  const outOfRange = Object.assign(new RangeError('too large'), { code: 'ERR_OUT_OF_RANGE' });
  for (const error of [...damages, outOfRange, new StoreDamage('x')])
    assert.equal(isDamage(error), true, String(error));
  // Busy, out of memory, read-only, read error, full, protocol, misuse.
  const others = [5, 7, 8, 266, 13, 15, 21].map(sqlite);
  for (const error of [...others, new RangeError('Array buffer allocation failed'), new Error('x')]) {
    assert.equal(isDamage(error), false, String(error));
  }
  assert.deepEqual([266, 522, 11].map(sqlite).map(isReadFault), [true, false, false]);
});
