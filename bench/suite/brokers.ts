/** The brokers that are compared: how each is started, on which version, and ended again. */
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  cpSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { freePort } from '../../src/selftest/free-port.ts';
import { endChild, startChild } from './children.ts';
import { findProgram } from './programs.ts';

const PROJECT = join(import.meta.dirname, '..', '..');
const START_LIMIT_MS = 30_000;
const RETRY_MS = 20;
const LOG_TAIL_LINES = 5;

export const BROKER_NAMES = ['zanzara', 'mosquitto', 'aedes'] as const;
export type BrokerName = (typeof BROKER_NAMES)[number];

/** A broker that can be started. */
export interface BrokerKind {
  readonly name: BrokerName;
  readonly version: string;
  /** Program and arguments for a port, with the configuration in `folder`. */
  command(port: number, folder: string): readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** Removes what the broker keeps of earlier starts: the next one is a first. Null where there is no such thing. */
  readonly forget: (() => void) | null;
}

export interface RunningBroker {
  readonly pid: number;
  readonly port: number;
  stop(): Promise<void>;
}

/**
 * The broker under its name. `folder` is for files of the whole run. `transport` is handed to Zanzara; empty leaves the
 * choice to it. Throws with what to install when it is not there.
 */
export function prepareBroker(name: BrokerName, folder: string, transport: string): BrokerKind {
  switch (name) {
    case 'zanzara':
      return prepareZanzara(folder, transport);
    case 'mosquitto':
      return prepareMosquitto();
    case 'aedes':
      return prepareAedes();
  }
}

/** What of the project a start of Zanzara may need; packages are linked. */
const SOURCES = ['bin', 'src', 'scripts', 'package.json', 'tsconfig.json'];

/**
 * Zanzara is started from a copy of its sources, so that what it keeps for its next start (the bundle, the compile cache)
 * is the benchmark's own: it may be removed, and nobody else's work changes it in between.
 */
function prepareZanzara(folder: string, transport: string): BrokerKind {
  const copy = join(folder, 'zanzara');
  const packages = join(copy, 'node_modules');
  const kept = [join(packages, '.cache'), join(copy, 'dist')];
  mkdirSync(packages, { recursive: true });
  for (const entry of SOURCES) cpSync(join(PROJECT, entry), join(copy, entry), { recursive: true });
  for (const entry of readdirSync(join(PROJECT, 'node_modules')).filter((name) => name !== '.cache'))
    symlinkSync(join(PROJECT, 'node_modules', entry), join(packages, entry));
  const program = join(copy, 'bin', 'zanzara');
  const run = spawnSync(program, ['--version'], { encoding: 'utf8' });
  return {
    name: 'zanzara',
    version: run.stdout.split('\n')[0]?.replace(/^zanzara /, '') ?? '',
    command: (port, ownFolder) => [program, '-c', writeConfig(port, ownFolder)],
    environment: transport === '' ? {} : { ZANZARA_TRANSPORT: transport },
    forget: () => {
      for (const path of kept) rmSync(path, { recursive: true, force: true });
    },
  };
}

function prepareMosquitto(): BrokerKind {
  const program = findProgram('mosquitto');
  if (program === null) throw new Error('mosquitto is not installed: apt-get install mosquitto, or --brokers zanzara');
  const run = spawnSync(program, ['-h'], { encoding: 'utf8' });
  return {
    name: 'mosquitto',
    version: /mosquitto version (\S+)/.exec(run.stdout)?.[1] ?? 'unknown',
    command: (port, folder) => [program, '-c', writeConfig(port, folder)],
    environment: {},
    forget: null,
  };
}

function prepareAedes(): BrokerKind {
  const manifest: unknown = JSON.parse(readFileSync(join(PROJECT, 'node_modules', 'aedes', 'package.json'), 'utf8'));
  const hasVersion = typeof manifest === 'object' && manifest !== null && 'version' in manifest;
  return {
    name: 'aedes',
    version: hasVersion ? String(manifest.version) : 'unknown',
    command: (port) => [process.execPath, join(import.meta.dirname, 'aedes-broker.ts'), String(port)],
    environment: {},
    forget: null,
  };
}

/** The same file for Mosquitto and Zanzara; without limits, so that nothing is dropped. */
function writeConfig(port: number, folder: string): string {
  const path = join(folder, `broker-${port}.conf`);
  writeFileSync(
    path,
    `listener ${port} 127.0.0.1\nallow_anonymous true\nmax_inflight_messages 0\nmax_queued_messages 0\n`,
  );
  return path;
}

/** Starts a broker on a free port and waits until it takes connections. */
export async function startBroker(kind: BrokerKind, folder: string): Promise<RunningBroker> {
  const port = await freePort();
  const logPath = join(folder, `${kind.name}-${port}.log`);
  const log = openSync(logPath, 'w');
  const child = startChild({
    command: kind.command(port, folder),
    environment: kind.environment,
    output: [log, log],
  });
  closeSync(log);
  const endMs = performance.now() + START_LIMIT_MS;
  while (!(await takesConnections(port))) {
    const hasEnded = child.exitCode !== null || child.signalCode !== null;
    if (!hasEnded && performance.now() < endMs) {
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      continue;
    }
    await endChild(child);
    throw new Error(`${kind.name} did not start: ${tailOf(logPath)}`);
  }
  return {
    pid: child.pid ?? 0,
    port,
    stop: async () => {
      const isGone = child.exitCode !== null || child.signalCode !== null;
      await endChild(child);
      const last = tailOf(logPath);
      rmSync(logPath, { force: true });
      if (isGone) throw new Error(`${kind.name} ended by itself (${child.exitCode ?? child.signalCode}): ${last}`);
    },
  };
}

function tailOf(path: string): string {
  return readFileSync(path, 'utf8').trim().split('\n').slice(-LOG_TAIL_LINES).join(' | ');
}

/** Whether somebody takes connections on that port of 127.0.0.1 now. */
export function takesConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
