/**
 * The broker under a mixed load with much coming and going, for a long time: does its memory or the number of its
 * descriptors grow, is anything lost or doubled, is everything given back at the end?
 *
 *     node test/soak/soak.ts --minutes 30 [--seed 1] [--sample-seconds 5] [--left-behind 0]
 *
 * `--left-behind N` leaves N retained messages a second under ever new topics: a leak on purpose, to see that the soak
 * fails. ZANZARA_TRANSPORT reaches the broker. How growth is judged stands in growth.ts and judge.ts.
 */
import { parseArgs } from 'node:util';
import { mebibytes } from '../fixtures/figures.ts';
import { endOnSignals, transportName } from '../fixtures/measured-broker.ts';
import { judgeSoak, LONG_LIMITS, soakGrowth } from './judge.ts';
import { runSoak, type SoakLoad, type SoakPlan, type SoakResult, type SoakSample } from './run-soak.ts';

const LONG_PLAN = {
  flows: 40,
  flowPerSecond: 15,
  breaksPerSecond: 8,
  passersByPerSecond: 40,
  largePerSecond: 4,
  slowReaders: 6,
  slowReaderHoldMsMax: 30_000,
};
const LINE_MS = 30_000;

function showSample(sample: SoakSample, load: SoakLoad): void {
  const { sent, lost, duplicated, disordered } = load.counts();
  const { connected, received } = load.passersBy.counts;
  console.log(
    `${(sample.atMs / 60_000).toFixed(1).padStart(6)} min  own ${mebibytes(sample.ownBytes)}, ` +
      `resident ${mebibytes(sample.residentBytes)}, ${sample.descriptors} descriptors, ${sample.threads} threads, ` +
      `CPU ${(sample.cpuMs / sample.atMs).toFixed(2)}; ${connected} passers-by, ${received} received; ` +
      `flows: ${sent} sent, ${lost} lost, ${duplicated} doubled, ${disordered} out of order`,
  );
}

function showResult(result: SoakResult): void {
  const growth = soakGrowth(result, LONG_LIMITS);
  const { flows, passersBy, descriptors } = result;
  console.log(`\nown memory, medians of quarters: ${growth.ownBytes.medians.map(mebibytes).join(', ')}`);
  console.log(`descriptors, the same: ${growth.descriptors.medians.join(', ')}`);
  console.log(`threads, the same: ${growth.threads.medians.join(', ')}`);
  console.log(`descriptors before the first client and after the last: ${descriptors.atStart}, ${descriptors.atEnd}`);
  console.log(`flows: ${JSON.stringify(flows)}`);
  console.log(`passers-by: ${JSON.stringify(passersBy)}; slow readers: ${result.slowReadersCome}`);
}

async function main(): Promise<void> {
  endOnSignals();
  const options = {
    minutes: { type: 'string', default: '30' },
    seed: { type: 'string', default: '1' },
    'sample-seconds': { type: 'string', default: '5' },
    'left-behind': { type: 'string', default: '0' },
  } as const;
  const { values } = parseArgs({ options });
  const plan: SoakPlan = {
    ...LONG_PLAN,
    seed: Number(values.seed),
    seconds: Number(values.minutes) * 60,
    sampleMs: Number(values['sample-seconds']) * 1000,
    leftBehindPerSecond: Number(values['left-behind']),
  };
  console.log(`soak of ${values.minutes} minutes, seed ${plan.seed}, transport: ${transportName()}`);
  let lineDueMs = 0;
  const result = await runSoak(plan, (sample, load) => {
    if (sample.atMs < lineDueMs) return;
    lineDueMs = sample.atMs + LINE_MS;
    showSample(sample, load);
  });
  showResult(result);
  const faults = judgeSoak(result, LONG_LIMITS);
  console.log(faults.length === 0 ? '\npassed' : `\nFAILED\n${faults.join('\n')}`);
  process.exitCode = faults.length === 0 ? 0 : 1;
}

if (import.meta.main) await main();
