/**
 * `npm run bench:durability`: what it costs that acknowledged means durable, against the targets. Prints a table and writes
 * all figures as JSON. The disk is the one of the folder for temporary files: set TMPDIR for another one.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import {
  DURABILITY_ROWS,
  type DurabilityBench,
  type DurabilityLengths,
  type DurabilityLine,
  type DurabilityRow,
} from './durability-rows.ts';
import { prepareBroker } from './suite/brokers.ts';
import { temporaryFolder } from './suite/children.ts';
import { CACHE_FOLDER, compileFile, compileZload } from './suite/load-program.ts';
import { describeMachine } from './suite/machine.ts';

const USAGE = `npm run bench:durability -- [--quick] [--only NAME,...] [--rounds N] [--json FILE] [--list]
  --quick   short runs and fewer messages: shows that all of it works, and says little about the targets`;

const USUAL: DurabilityLengths = {
  rounds: 5,
  seconds: 5,
  warmSeconds: 2,
  kept: 1_000_000,
  single: 500,
  writeSeconds: 120,
};
const QUICK: DurabilityLengths = {
  rounds: 1,
  seconds: 1.5,
  warmSeconds: 0.5,
  kept: 50_000,
  single: 100,
  writeSeconds: 60,
};

interface Measured {
  readonly name: string;
  readonly title: string;
  readonly lines: readonly DurabilityLine[];
  readonly runs: readonly unknown[];
  readonly error: string | null;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string' },
      rounds: { type: 'string' },
      json: { type: 'string' },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return console.log(USAGE);
  const rows = chooseRows(values.only ?? null);
  if (values.list) return console.log(rows.map(({ name, title }) => `${name.padEnd(10)} ${title}`).join('\n'));
  const lengths = {
    ...(values.quick ? QUICK : USUAL),
    ...(values.rounds ? { rounds: wholeNumber(values.rounds) } : {}),
  };
  const bench = prepare(lengths);
  const machine = describeMachine();
  const form = values.quick ? 'quick form; ' : '';
  const counted = `${form}rate, single, quiet: rounds ${lengths.rounds} (medians); all other rows: one run each`;
  const head = `${machine.processor}, ${machine.cores} cores, ${machine.memoryGb} GB; Linux ${machine.kernel}; Node ${machine.node}\n${counted}`;
  console.log(head);
  const measured: Measured[] = [];
  for (const row of rows) measured.push(await measureRow(bench, row));
  const path = values.json ?? defaultPath();
  writeFileSync(path, `${JSON.stringify({ head, machine, lengths, rows: measured }, null, 2)}\n`);
  console.log(`\nAll figures: ${path}`);
  if (measured.some(({ error }) => error !== null)) process.exitCode = 1;
}

function prepare(lengths: DurabilityLengths): DurabilityBench {
  const folder = temporaryFolder();
  return {
    zanzara: prepareBroker('zanzara', folder, ''),
    mosquitto: prepareBroker('mosquitto', folder, ''),
    load: compileFile(join(import.meta.dirname, 'durability-load.c')),
    zload: compileZload(),
    folder,
    lengths,
    progress: (text) => console.error(text),
  };
}

async function measureRow(bench: DurabilityBench, row: DurabilityRow): Promise<Measured> {
  const { name, title } = row;
  console.log(`\n${title}`);
  try {
    const { lines, runs } = await row.measure(bench);
    for (const line of lines) console.log(`  ${formatLine(line)}`);
    return { name, title, lines, runs, error: null };
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    console.log(`  failed: ${text}`);
    return { name, title, lines: [], runs: [], error: text };
  }
}

function formatLine({ title, value, target, isMet }: DurabilityLine): string {
  const verdict = isMet === null ? '' : isMet ? ': met' : ': MISSED';
  return `${title.padEnd(46)} ${value}${target === '' ? '' : `  [${target}${verdict}]`}`;
}

function chooseRows(only: string | null): readonly DurabilityRow[] {
  if (only === null) return DURABILITY_ROWS;
  const names = only.split(',');
  const unknown = names.filter((name) => !DURABILITY_ROWS.some((row) => row.name === name));
  if (unknown.length === 0) return DURABILITY_ROWS.filter(({ name }) => names.includes(name));
  throw new Error(
    `--only ${unknown.join(',')}: no such row; the rows are ${DURABILITY_ROWS.map(({ name }) => name).join(', ')}`,
  );
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new Error(`--rounds ${text}: expected a whole number above 0`);
}

function defaultPath(): string {
  mkdirSync(CACHE_FOLDER, { recursive: true });
  return join(CACHE_FOLDER, `durability-${new Date().toISOString().replaceAll(':', '-').slice(0, 19)}.json`);
}

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
