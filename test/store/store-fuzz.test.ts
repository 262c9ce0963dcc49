import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeFuzzBase, runFuzz } from './store-fuzz.ts';

const RUNS = 60;

/** The long form is `node test/store/store-fuzz.ts --count 10000`. */
test('a damaged store never stops the opening, and never gives what was not stored', () => {
  for (const [seed, inLog] of [
    [1, 0],
    [2, 10],
  ] as const) {
    const base = makeFuzzBase(seed, inLog);
    assert.ok(base.everStored.size > 100 && base.file.length > 20 * 4096);
    const seen = { untouched: 0, noticed: 0 };
    for (let run = 0; run < RUNS; run += 1) seen[runFuzz(base, seed * 1000 + run)] += 1;
    assert.ok(seen.noticed > RUNS / 4, 'most damage hits something');
  }
});
