import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BROKEN_BUILDS } from './broken-journals.ts';
import { runSimulation } from './simulation.ts';

const RUNS = 60;
/** Each is as long as four of the others. */
const CRASH_RUNS = 40;
/** Within so many seeds a broken build has to be found. */
const SEEDS_MAX = 60;

test(`${RUNS} simulated plants on a bad network lose nothing, repeat nothing and keep their order`, async () => {
  for (let seed = 1; seed <= RUNS; seed += 1) await runSimulation(seed);
});

test(`${CRASH_RUNS} simulated plants whose broker is killed at any moment lose nothing that was acknowledged`, async () => {
  for (let seed = 1; seed <= CRASH_RUNS; seed += 1) await runSimulation(seed, { hasCrashes: true });
});

for (const [name, breakJournal] of BROKEN_BUILDS) {
  test(`a broker that ${name} is found out within ${SEEDS_MAX} seeds`, async () => {
    for (let seed = 1; seed <= SEEDS_MAX; seed += 1) {
      try {
        await runSimulation(seed, { hasCrashes: true, breakJournal });
      } catch {
        return;
      }
    }
    assert.fail(`a broker that ${name} passes all simulations`);
  });
}
