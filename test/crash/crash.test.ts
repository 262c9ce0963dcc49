import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import {
  type DurabilityReport,
  type DurabilityRunPlan,
  startDurabilityRun,
} from '../../src/selftest/durability-run.ts';
import { reportLines } from '../../src/selftest/report-text.ts';
import { bundledProgram } from './bundled-program.ts';

const CYCLES = 20;
/** Each cycle starts a broker, which takes its time where everything is slow. */
const limit = { timeout: 600_000 };
const SEED = Number(process.env.CRASH_SEED ?? Date.now() % 1_000_000);

async function campaign(plan: Partial<DurabilityRunPlan>): Promise<DurabilityReport> {
  const strict: DurabilityRunPlan = {
    cycles: CYCLES,
    seed: SEED,
    parentFolder: tmpdir(),
    durability: { kind: 'strict' },
    program: bundledProgram(),
  };
  return await startDurabilityRun({ ...strict, ...plan }, () => {}).report;
}

function assertPassed(report: DurabilityReport): void {
  assert.ok(report.hasPassed, reportLines(report).join('\n'));
}

test(
  `killed ${CYCLES} times under load, durability strict: nothing acknowledged is lost (seed ${SEED})`,
  limit,
  async () => {
    const report = await campaign({});
    assertPassed(report);
    assert.equal(report.cycles, CYCLES);
    for (const name of ['acknowledged', 'retainedChecked', 'willsCame', 'sessionsChecked', 'subscriptionsChecked']) {
      assert.ok((report.messages[name] ?? 0) > 0, `nothing was counted as ${name}`);
    }
  },
);

test(
  `killed 5 times at rest, durability relaxed: what is as old as the window is not lost (seed ${SEED})`,
  limit,
  async () => {
    assertPassed(await campaign({ cycles: 5, durability: { kind: 'relaxed', windowMs: 200 } }));
  },
);

test('a broker that keeps everything in memory does not pass', limit, async () => {
  const report = await campaign({ cycles: 3, isPersistent: false, patienceMs: 200 });
  assert.equal(report.hasPassed, false);
  for (const kind of ['lost', 'session-lost'] as const) {
    assert.ok((report.faultCounts[kind] ?? 0) > 0, `${kind} was not found`);
  }
});
