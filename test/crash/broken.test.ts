/** Deliberately broken brokers are caught by the campaign. */
import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import { type DurabilityRun, startDurabilityRun } from '../../src/selftest/durability-run.ts';
import type { FaultKind } from '../../src/selftest/ledger/faults.ts';
import { reportLines } from '../../src/selftest/report-text.ts';
import { MAIN } from '../app/broker-process.ts';

const CYCLES_MAX = 40;
/** Each cycle starts a broker, which takes its time where everything is slow. */
const limit = { timeout: 600_000 };
const PATIENCE_MS = 1000;

const BREAKS: readonly { readonly name: string; readonly found: readonly FaultKind[] }[] = [
  { name: 'acknowledges-before-commit', found: ['lost', 'session-lost', 'retained-missing', 'retained-old', 'twice'] },
  { name: 'forgets-received-ids', found: ['twice'] },
  { name: 'forgets-wills', found: ['will-missing'] },
  { name: 'mixes-packet-ids', found: ['twice', 'lost'] },
  { name: 'forgets-pubrec', found: ['twice'] },
  { name: 'forgets-unsubscribe', found: ['subscription-back'] },
  { name: 'forgets-clears', found: ['retained-back', 'retained-old'] },
];

function programOf(name: string): readonly string[] {
  const [node, ...rest] = MAIN;
  const file = new URL('broken-journal.ts', import.meta.url);
  file.searchParams.set('break', name);
  return [node, `--import=${file.href}`, ...rest];
}

for (const { name, found } of BREAKS) {
  test(`a broker that ${name.replaceAll('-', ' ')} does not pass`, limit, async (t) => {
    const run: DurabilityRun = startDurabilityRun(
      {
        cycles: CYCLES_MAX,
        seed: 1,
        parentFolder: tmpdir(),
        durability: { kind: 'strict' },
        program: programOf(name),
        patienceMs: PATIENCE_MS,
      },
      (_cycle, faults) => {
        if (faults > 0) run.stop();
      },
    );
    const report = await run.report;
    t.diagnostic(`found in cycle ${report.cycles}: ${JSON.stringify(report.faultCounts)}`);
    assert.equal(report.hasPassed, false, reportLines(report).join('\n'));
    assert.ok(
      found.some((kind) => (report.faultCounts[kind] ?? 0) > 0),
      reportLines(report).join('\n'),
    );
  });
}
