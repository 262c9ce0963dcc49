import { test } from 'node:test';
import { runSimulation } from './simulation.ts';

const RUNS = 60;

test(`${RUNS} simulated plants on a bad network lose nothing, repeat nothing and keep their order`, async () => {
  for (let seed = 1; seed <= RUNS; seed += 1) await runSimulation(seed);
});
