/**
 * A small computer, made of the limits that Linux can put on a process: memory and a share of one processor.
 *
 * Tried in this order, because each is closer to what an edge box is than the next: version 2 of the cgroups, version 1,
 * and systemd-run, which asks the system's own service for it. Where none works the answer says what was missing. (There
 * is no other way that would do: RLIMIT_AS counts addresses, of which a runtime with a garbage collector reserves
 * gigabytes, and RLIMIT_DATA does not end a process but fails its allocations.)
 *
 * A cgroup is entered by a shell that then becomes the broker, so that all its memory is counted from the start.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const PERIOD_MICROSECONDS = 100_000;
const CGROUPS = '/sys/fs/cgroup';

export interface BoxLimits {
  readonly memoryBytes: number;
  /** 1 = one whole processor. */
  readonly processors: number;
}

export interface Box {
  /** What makes it, for people. */
  readonly kind: string;
  /** What to put in front of a command line. */
  readonly wrapper: readonly string[];
  /** How often the limits were felt; null when this kind of box does not tell. */
  readonly felt: () => BoxFelt | null;
  /** Takes it away; the process must have ended. */
  readonly remove: () => void;
}

export interface BoxFelt {
  /** Processes that were killed because there was no memory. */
  readonly kills: number;
  /** The most memory that was charged to the box, its part of the page cache included. */
  readonly peakBytes: number;
  /** Time for which the processor was refused. */
  readonly throttledMs: number;
}

/** The first box that can be made here, or why there is none. */
export function makeBox(limits: BoxLimits): Box | { readonly missing: readonly string[] } {
  const missing: string[] = [];
  for (const make of [makeVersion2, makeVersion1, makeSystemdScope]) {
    try {
      return make(limits);
    } catch (error) {
      missing.push(`${make.name.replace('make', '')}: ${error instanceof Error ? error.message : error}`);
    }
  }
  return { missing };
}

function makeVersion2({ memoryBytes, processors }: BoxLimits): Box {
  const root = [CGROUPS, join(CGROUPS, 'unified')].find((folder) => existsSync(join(folder, 'cgroup.controllers')));
  if (root === undefined) throw new Error('no cgroup of version 2 is mounted');
  const controllers = readFileSync(join(root, 'cgroup.controllers'), 'utf8').trim().split(' ');
  for (const name of ['memory', 'cpu']) {
    if (!controllers.includes(name)) throw new Error(`version 2 has no controller ${name} here`);
  }
  writeFileSync(join(root, 'cgroup.subtree_control'), '+memory +cpu');
  const [folder = ''] = newFolders([root]);
  writeIn(folder, [
    ['memory.max', memoryBytes],
    ['cpu.max', `${processors * PERIOD_MICROSECONDS} ${PERIOD_MICROSECONDS}`],
  ]);
  const swap = join(folder, 'memory.swap.max');
  if (existsSync(swap)) writeFileSync(swap, '0');
  return {
    kind: 'cgroup version 2',
    wrapper: enter([folder]),
    felt: () => ({
      kills: figure(folder, 'memory.events', 'oom_kill'),
      peakBytes: peakOf(folder, 'memory.peak'),
      throttledMs: figure(folder, 'cpu.stat', 'throttled_usec') / 1000,
    }),
    remove: () => rmdirSync(folder),
  };
}

function makeVersion1({ memoryBytes, processors }: BoxLimits): Box {
  const [memory = '', cpu = ''] = newFolders(['memory', 'cpu'].map((name) => join(CGROUPS, name)));
  writeIn(memory, [['memory.limit_in_bytes', memoryBytes]]);
  writeIn(cpu, [
    ['cpu.cfs_period_us', PERIOD_MICROSECONDS],
    ['cpu.cfs_quota_us', processors * PERIOD_MICROSECONDS],
  ]);
  return {
    kind: 'cgroup version 1',
    wrapper: enter([memory, cpu]),
    felt: () => ({
      kills: figure(memory, 'memory.oom_control', 'oom_kill'),
      peakBytes: peakOf(memory, 'memory.max_usage_in_bytes'),
      throttledMs: figure(cpu, 'cpu.stat', 'throttled_time') / 1e6,
    }),
    remove: () => {
      rmdirSync(memory);
      rmdirSync(cpu);
    },
  };
}

function makeSystemdScope({ memoryBytes, processors }: BoxLimits): Box {
  const properties = [`MemoryMax=${memoryBytes}`, 'MemorySwapMax=0', `CPUQuota=${processors * 100}%`];
  const wrapper = ['systemd-run', '--scope', '--quiet', ...properties.flatMap((property) => ['-p', property]), '--'];
  const [command = '', ...args] = [...wrapper, 'true'];
  const trial = spawnSync(command, args, { encoding: 'utf8' });
  if (trial.error !== undefined) throw trial.error;
  if (trial.status !== 0) throw new Error(trial.stderr.trim());
  return { kind: 'systemd-run', wrapper, felt: () => null, remove: () => {} };
}

/** A folder in each of these. @throws Error when this user may not, or a controller is not there; then none is left. */
function newFolders(parents: readonly string[]): string[] {
  const folders: string[] = [];
  try {
    for (const parent of parents) {
      if (!existsSync(parent)) throw new Error(`${parent} does not exist`);
      const folder = join(parent, `zanzara-edge-${process.pid}`);
      mkdirSync(folder);
      folders.push(folder);
    }
    return folders;
  } catch (error) {
    for (const folder of folders) rmdirSync(folder);
    throw error;
  }
}

function writeIn(folder: string, values: readonly (readonly [name: string, value: string | number])[]): void {
  for (const [name, value] of values) writeFileSync(join(folder, name), String(value));
}

/** A shell that moves itself into the folders and becomes what follows. */
function enter(folders: readonly string[]): readonly string[] {
  const moves = folders.map((folder) => `echo $$ > '${join(folder, 'cgroup.procs')}'`);
  return ['sh', '-c', `${moves.join(' && ')} && exec "$@"`, 'sh'];
}

/** A number in a file of lines `name number`. 0 when it is not told. */
function figure(folder: string, file: string, name: string): number {
  const value = new RegExp(`^${name} (\\d+)`, 'm').exec(readFileSync(join(folder, file), 'utf8'))?.[1];
  return Number(value ?? 0);
}

function peakOf(folder: string, file: string): number {
  const path = join(folder, file);
  return existsSync(path) ? Number(readFileSync(path, 'utf8')) : Number.NaN;
}
