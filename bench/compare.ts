/**
 * `npm run bench`: Zanzara beside Mosquitto and aedes on this machine. Prints one table with a line for each target and
 * writes the figures of every run as JSON. bench/README.md tells what is measured and how.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type BenchArguments, parseBenchArguments, USAGE } from './suite/arguments.ts';
import { type BrokerKind, prepareBroker, startBroker } from './suite/brokers.ts';
import { temporaryFolder } from './suite/children.ts';
import { compare, groupRuns, type Run } from './suite/comparison.ts';
import { crossCheck } from './suite/cross-check.ts';
import { chooseLengths, type Lengths } from './suite/lengths.ts';
import { CACHE_FOLDER, compileFile, compileZload } from './suite/load-program.ts';
import { describeMachine, type Machine } from './suite/machine.ts';
import { type Row, rowsOf } from './suite/rows.ts';
import { buildLines, formatTable, type TableLine } from './suite/table.ts';

const progress = (text: string): void => console.error(text);

async function main(): Promise<void> {
  const given = parseBenchArguments(process.argv.slice(2));
  if (given === null) {
    console.log(USAGE);
    return;
  }
  const machine = describeMachine();
  const lengths = chooseLengths(given.form, given.seconds, machine.descriptorLimit);
  const rows = chooseRows(rowsOf(lengths, given.form === 'long'), given.only);
  if (given.isList) {
    for (const { name, title } of rows) console.log(`${name.padEnd(20)} ${title}`);
    return;
  }
  const zload = compileZload();
  const folder = temporaryFolder();
  const kinds = given.brokers.map((name) => prepareBroker(name, folder, given.transport));
  // Better now than after the first rows: does each of them start at all?
  for (const kind of kinds) await (await startBroker(kind, folder)).stop();
  if (given.isCheck) {
    await printCheck(given, kinds, { zload, folder, seconds: lengths.seconds });
    return;
  }
  const head = describe(given, machine, kinds, lengths);
  progress(head);
  const runs = await compare({ bench: { zload, folder, lengths }, rows, kinds, rounds: given.rounds, progress });
  const lines = buildLines(rows, groupRuns(runs));
  console.log(`\n${head}\n\n${formatTable(lines)}\n`);
  const path = given.jsonPath ?? defaultPath();
  writeResults(path, { head, machine, kinds, lengths, lines, runs });
  console.log(`All figures: ${path}`);
  const failures = runs.filter(({ error }) => error !== null);
  for (const { row, broker, round, error } of failures) console.error(`${row}, ${broker}, round ${round}: ${error}`);
  if (failures.length > 0) process.exitCode = 1;
}

function chooseRows(rows: readonly Row[], only: readonly string[] | null): readonly Row[] {
  if (only === null) return rows;
  const unknown = only.filter((name) => !rows.some((row) => row.name === name));
  if (unknown.length === 0) return rows.filter((row) => only.includes(row.name));
  throw new Error(`--only ${unknown.join(',')}: no such row; the rows are ${rows.map(({ name }) => name).join(', ')}`);
}

async function printCheck(
  given: BenchArguments,
  kinds: readonly BrokerKind[],
  { zload, folder, seconds }: { zload: string; folder: string; seconds: number },
): Promise<void> {
  if (given.mqloadPath === null) throw new Error('--check needs the other load generator: --mqload FILE.c');
  const other = compileFile(given.mqloadPath);
  for (const kind of kinds)
    console.log(await crossCheck({ zload, other, kind, folder, rounds: given.rounds, seconds, progress }));
}

function describe(
  given: BenchArguments,
  machine: Machine,
  kinds: readonly BrokerKind[],
  { seconds, warmSeconds }: Lengths,
): string {
  const transport = given.transport || process.env.ZANZARA_TRANSPORT || 'its own choice';
  return [
    `${kinds.map(({ name, version }) => `${name} ${version}`).join(', ')}; Zanzara's transport: ${transport}`,
    `${machine.processor}, ${machine.cores} cores, ${machine.memoryGb} GB; Linux ${machine.kernel}; Node ${machine.node}`,
    `${given.rounds === 1 ? 'one round' : `medians of ${given.rounds} interleaved rounds`}, ${seconds} s each after ${warmSeconds} s; a fresh broker for every run`,
  ].join('\n');
}

function defaultPath(): string {
  mkdirSync(CACHE_FOLDER, { recursive: true });
  return join(CACHE_FOLDER, `results-${new Date().toISOString().replaceAll(':', '-').slice(0, 19)}.json`);
}

interface Written {
  readonly head: string;
  readonly machine: Machine;
  readonly kinds: readonly BrokerKind[];
  readonly lengths: Lengths;
  readonly lines: readonly TableLine[];
  readonly runs: readonly Run[];
}

function writeResults(path: string, { kinds, runs, ...rest }: Written): void {
  const brokers = kinds.map(({ name, version }) => ({ name, version }));
  const plainRuns = runs.map((run) => ({ ...run, figures: run.figures && Object.fromEntries(run.figures) }));
  writeFileSync(path, `${JSON.stringify({ ...rest, brokers, runs: plainRuns }, null, 2)}\n`);
}

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
