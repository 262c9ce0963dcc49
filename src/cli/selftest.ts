/** `zanzara selftest durability`: the crash campaign on the machine and the disk of whoever asks. */
import { tmpdir } from 'node:os';
import { parseArgs } from 'node:util';
import { type DurabilityRunPlan, type SelftestDurability, startDurabilityRun } from '../selftest/durability-run.ts';
import { reportLines } from '../selftest/report-text.ts';
import { memoryFileSystem } from '../selftest/selftest-folder.ts';
import { ArgumentError, integerOf } from './argument-error.ts';
import type { ToolIo } from './tool-io.ts';

const CYCLES_DEFAULT = 100;
const CYCLES_MAX = 1_000_000;
const SEED_MAX = 2 ** 32 - 1;
const WINDOW_MS_MAX = 3_600_000;
/** A line of progress each so many cycles. */
const PROGRESS_CYCLES = 10;
const BAD_ARGUMENTS = 3;

const USAGE = `Usage: zanzara selftest durability [--cycles N] [--dir FOLDER] [--seed N] [--durability MODE] [--json]

Starts a broker of its own in a temporary folder, loads it with messages of QoS 1 and 2, retained messages, sessions,
subscriptions and wills, kills it with SIGKILL at random moments, at the moment of each kind of acknowledgement and while
it starts again, and accounts for everything that was acknowledged. Ends with 0 when nothing was lost, else with 1.

     --cycles N          Kills with traffic (default ${CYCLES_DEFAULT}); each takes about a second.
     --dir FOLDER        Where the broker keeps its state: a folder on the disk in question. Default: the system's folder for
                         temporary files. What is made there is removed at the end.
     --seed N            The choices of an earlier run, again. Default: others each time.
     --durability MODE   strict (the default), or "relaxed N": there it is killed only after N milliseconds of rest, because
                         that is what is promised.
     --json              One object instead of text.
 -h, --help              Show this help.
`;

interface SelftestArguments extends Omit<DurabilityRunPlan, 'program'> {
  readonly isJson: boolean;
}

/** Runs the command. @returns the exit code */
export async function runSelftest(argv: readonly string[], io: ToolIo): Promise<number> {
  if (argv.includes('-h') || argv.includes('--help')) {
    io.stdout.write(USAGE);
    return 0;
  }
  try {
    const parsed = parseArguments(argv);
    return await runDurability(parsed, io);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const isOurs = error instanceof ArgumentError;
    io.stderr.write(`Error: ${error.message}\n${isOurs ? "\nUse 'zanzara selftest --help' to see usage.\n" : ''}`);
    return isOurs ? BAD_ARGUMENTS : 1;
  }
}

async function runDurability({ isJson, ...plan }: SelftestArguments, io: ToolIo): Promise<number> {
  const say = (line: string): void => {
    (isJson ? io.stderr : io.stdout).write(`${line}\n`);
  };
  const inMemory = memoryFileSystem(plan.parentFolder);
  if (inMemory !== null) {
    say(
      `Warning: ${plan.parentFolder} is ${inMemory}, which is memory: this says nothing of a disk. Give one with --dir.`,
    );
  }
  say(`Crash campaign of ${plan.cycles} cycles in ${plan.parentFolder}, seed ${plan.seed}`);
  const test = startDurabilityRun({ ...plan, program: ownProgram() }, (cycle, faults) => {
    if (cycle % PROGRESS_CYCLES === 0) say(`${cycle} cycles, ${faults} faults`);
  });
  const stop = (): void => test.stop();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) io.on(signal, stop);
  try {
    const report = await test.report;
    if (isJson) io.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
    else for (const line of ['', ...reportLines(report)]) say(line);
    return report.hasPassed ? 0 : 1;
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) io.off(signal, stop);
  }
}

/** What runs here runs the broker too: the same Node with the same flags and the same file, without a script in between. */
function ownProgram(): readonly string[] {
  const [node = process.execPath, main = ''] = process.argv;
  return [node, ...process.execArgv, main];
}

/** @throws ArgumentError */
function parseArguments(argv: readonly string[]): SelftestArguments {
  const [subject, ...rest] = argv;
  if (subject !== 'durability')
    throw new ArgumentError(`selftest of what? Known: durability; given: ${subject ?? 'nothing'}.`);
  const values = readValues(rest);
  return {
    cycles: readNumber('--cycles', values.cycles ?? String(CYCLES_DEFAULT), { min: 1, max: CYCLES_MAX }),
    seed: readNumber('--seed', values.seed ?? String(Date.now() % SEED_MAX), { min: 0, max: SEED_MAX }),
    parentFolder: values.dir ?? tmpdir(),
    durability: readDurability(values.durability ?? 'strict'),
    isJson: values.json === true,
  };
}

function readValues(args: readonly string[]) {
  const text = { type: 'string' } as const;
  const options = { cycles: text, dir: text, seed: text, durability: text, json: { type: 'boolean' } } as const;
  try {
    return parseArgs({ args: [...args], options }).values;
  } catch (error) {
    throw new ArgumentError(error instanceof Error ? error.message : String(error));
  }
}

function readNumber(name: string, text: string, { min, max }: { readonly min: number; readonly max: number }): number {
  const value = integerOf(text);
  if (value === null || value < min || value > max) {
    throw new ArgumentError(`${name} must be a whole number from ${min} to ${max}, not '${text}'.`);
  }
  return value;
}

function readDurability(text: string): SelftestDurability {
  if (text === 'strict') return { kind: 'strict' };
  const [word, number = '', ...more] = text.trim().split(/\s+/);
  const windowMs = integerOf(number);
  if (word !== 'relaxed' || more.length > 0 || windowMs === null || windowMs < 1 || windowMs > WINDOW_MS_MAX) {
    throw new ArgumentError(
      `--durability must be strict or "relaxed N" with N from 1 to ${WINDOW_MS_MAX}, not '${text}'.`,
    );
  }
  return { kind: 'relaxed', windowMs };
}
