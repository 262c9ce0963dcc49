import { test } from 'node:test';
import { runSequence } from './sequence.ts';

const RUNS = 120;

test(`T53 T37 ${RUNS} random sequences of packets from several clients break no promise`, async () => {
  for (let seed = 1; seed <= RUNS; seed += 1) await runSequence(seed);
});
