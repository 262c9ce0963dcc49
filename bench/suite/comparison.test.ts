/** The benchmark works at all: the load generator compiles, and two rows come out of it, at the least load. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { toolOrSkip } from '../../test/fixtures/debian.ts';
import { groupRuns, type Run } from './comparison.ts';

const COMPARE = join(import.meta.dirname, '..', 'compare.ts');

test('runs are grouped by row and broker, failed ones are left out', () => {
  const run = { row: 'a', broker: 'zanzara', round: 1, figures: new Map([['x', 1]]), error: null };
  const runs: Run[] = [run, { ...run, round: 2 }, { ...run, broker: 'aedes', figures: null, error: 'gone' }];
  const groups = groupRuns(runs);
  assert.deepEqual([...groups.keys()], ['a']);
  assert.deepEqual([...(groups.get('a')?.keys() ?? [])], ['zanzara']);
  assert.equal(groups.get('a')?.get('zanzara')?.length, 2);
});

test('npm run bench: two rows on Zanzara alone give a table and a file of figures', (t) => {
  if (toolOrSkip(t, 'cc', 'gcc') === null) return;
  const folder = mkdtempSync(join(tmpdir(), 'zanzara-bench-test-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'figures.json');
  const line = `--quick --secs 0.2 --brokers zanzara --only qos1-1to1,connects --json ${path}`;
  const run = spawnSync(process.execPath, [COMPARE, ...line.split(' ')], { encoding: 'utf8' });
  assert.equal(run.status, 0, run.stderr);
  assert.match(run.stdout, /QoS 1, 64 B, 1 to 1: delivered[ ~]+\| +- \| +[\d,]+ \|/);
  assert.match(run.stdout, /connects, 64 at once: connects +\| +- \| +[\d,]+ \|/);
  const written: { runs: { row: string; figures: Record<string, number> }[] } = JSON.parse(readFileSync(path, 'utf8'));
  assert.deepEqual(
    written.runs.map((entry) => entry.row),
    ['qos1-1to1', 'connects'],
  );
  const [flow] = written.runs;
  assert.equal(flow?.figures.lost, 0);
  assert.ok((flow?.figures.cpu_us_per_message ?? 0) > 0);
});
