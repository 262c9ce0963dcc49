import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judgeSoak, SHORT_LIMITS } from './judge.ts';
import { runSoak } from './run-soak.ts';

const PLAN = {
  seed: 1,
  seconds: 12,
  sampleMs: 250,
  flows: 20,
  flowPerSecond: 10,
  breaksPerSecond: 6,
  passersByPerSecond: 30,
  largePerSecond: 4,
  slowReaders: 4,
  slowReaderHoldMsMax: 4000,
  leftBehindPerSecond: 0,
};

test(`a plant with much coming and going for ${PLAN.seconds} seconds: nothing lost, all given back`, async () => {
  const result = await runSoak(PLAN, () => {});
  assert.deepEqual(judgeSoak(result, SHORT_LIMITS), []);
});
