/**
 * How long a start takes and what the process then holds: `node bench/start.bench.ts [-n ROUNDS] [-- PROGRAM ARGUMENT...]`.
 * PROGRAM is `bin/zanzara` of this folder unless named; `-p PORT` is added to its arguments.
 *
 * The time runs from the spawn until a client that tries again every millisecond has its CONNACK. `first` is a start as
 * after `npm ci`, without what a start leaves for the next one: the bundle and Node's cache of compiled code (the
 * system's cache of files stays warm). `warm` are those after it. Memory is what /proc says two seconds after the
 * CONNACK, with no client.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as passed } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { freePort } from '../src/selftest/free-port.ts';

const ROOT = join(import.meta.dirname, '..');
/** What bin/zanzara makes when it is not there. */
const MADE_BY_STARTS = ['node_modules/.cache/zanzara', 'dist/cli/main.cjs'];
const DEFAULT_ROUNDS = '15';
const SETTLE_MS = 2000;
const START_MS_MAX = 10_000;
/** The unit of CPU times in /proc. */
const TICK_MS = 10;
/** CONNECT of client `t`, 3.1.1, clean session. */
const CONNECT = Buffer.from('100d00044d51545404020000000174', 'hex');
const CONNACK_TYPE = 0x20;

interface Round {
  /** From the spawn to the CONNACK. */
  readonly ms: number;
  /** What the program and those it started and waited for computed in that time. */
  readonly cpuMs: number;
  /** Kilobytes. */
  readonly memory: { readonly VmRSS: number; readonly RssAnon: number; readonly RssFile: number };
}

/** Connects and waits for the CONNACK. @returns whether it came */
function tryConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true });
    socket.on('error', () => resolve(false));
    socket.on('connect', () => socket.write(CONNECT));
    socket.on('data', (answer) => {
      resolve(answer[0] === CONNACK_TYPE);
      socket.destroy();
    });
  });
}

async function firstConnack(port: number, startMs: number): Promise<number> {
  while (performance.now() - startMs < START_MS_MAX) {
    if (await tryConnect(port)) return performance.now() - startMs;
    await passed(1);
  }
  throw new Error(`no CONNACK within ${START_MS_MAX} ms`);
}

function memoryOf(child: ChildProcess): Round['memory'] {
  const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
  const kilobytes = (name: string) => Number(new RegExp(`^${name}:\\s+([0-9]+) kB`, 'm').exec(status)?.[1]);
  return { VmRSS: kilobytes('VmRSS'), RssAnon: kilobytes('RssAnon'), RssFile: kilobytes('RssFile') };
}

function cpuMsOf(child: ChildProcess): number {
  const [, tail = ''] = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ');
  // utime, stime, cutime and cstime are the fields 14 to 17 of all, 11 of them behind the name.
  const ticks = tail.split(' ').slice(11, 15).map(Number);
  return ticks.reduce((sum, count) => sum + count, 0) * TICK_MS;
}

async function runRound(program: readonly string[], settleMs: number): Promise<Round> {
  const port = await freePort();
  const [command = '', ...args] = program;
  const startMs = performance.now();
  const child = spawn(command, [...args, '-p', `${port}`], { stdio: ['ignore', 'ignore', 'pipe'] });
  child.stderr.resume();
  const ended = once(child, 'exit');
  try {
    const ms = await firstConnack(port, startMs);
    const cpuMs = cpuMsOf(child);
    await passed(settleMs);
    return { ms, cpuMs, memory: memoryOf(child) };
  } finally {
    child.kill('SIGTERM');
    await ended;
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}

function show(name: string, rounds: readonly Round[]): void {
  const times = rounds.map(({ ms }) => ms);
  const range = `${Math.min(...times).toFixed(0)} to ${Math.max(...times).toFixed(0)}`;
  const cpu = median(rounds.map(({ cpuMs }) => cpuMs)).toFixed(0);
  const note = `(${range}, ${rounds.length} starts; ${cpu} ms of CPU)`;
  console.log(`${name.padEnd(8)} ${median(times).toFixed(0).padStart(5)} ms  ${note}`);
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: 'string', short: 'n', default: DEFAULT_ROUNDS } },
});
const program = positionals.length > 0 ? positionals : [join(ROOT, 'bin/zanzara')];

for (const path of MADE_BY_STARTS) rmSync(join(ROOT, path), { recursive: true, force: true });
show('first', [await runRound(program, 0)]);
// The second start still writes: only a process that ended well leaves its cache.
await runRound(program, 0);
const warm: Round[] = [];
for (let round = 0; round < Number(values.rounds); round++) warm.push(await runRound(program, 0));
show('warm', warm);

const settled: Round[] = [];
for (let round = 0; round < 3; round++) settled.push(await runRound(program, SETTLE_MS));
for (const name of ['VmRSS', 'RssAnon', 'RssFile'] as const) {
  console.log(
    `${name.padEnd(8)} ${(median(settled.map(({ memory }) => memory[name])) / 1024).toFixed(1).padStart(5)} MB`,
  );
}
