/**
 * The programs that a benchmark starts, and its folder of temporary files: whatever ends the benchmark (its own end, an
 * error, Ctrl-C), they end with it. Each is ended by the id it was started under.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const END_GRACE_MS = 10_000;
const running = new Set<ChildProcess>();
const folders = new Set<string>();
let isWatching = false;

export interface ChildOptions {
  readonly command: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** What the child's stdout and stderr are. */
  readonly output: readonly ['pipe' | 'ignore' | number, 'pipe' | 'ignore' | number];
}

/**
 * Starts a program with as many descriptors as it may have: 15,000 clients need more than the usual soft limit. The
 * shell in between replaces itself, so that the process id is that of the program.
 */
export function startChild({ command, environment = {}, output }: ChildOptions): ChildProcess {
  watchEnd();
  const child = spawn('/bin/sh', ['-c', 'ulimit -n "$(ulimit -Hn)"; exec "$@"', 'sh', ...command], {
    stdio: ['ignore', ...output],
    env: { ...process.env, ...environment },
  });
  running.add(child);
  child.once('exit', () => running.delete(child));
  child.once('error', () => running.delete(child));
  return child;
}

/** Asks the program to end, and forces it when it does not within ten seconds. Resolves when it has ended. */
export async function endChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill('SIGTERM');
  const force = setTimeout(() => child.kill('SIGKILL'), END_GRACE_MS);
  await ended;
  clearTimeout(force);
}

/** A folder that is removed at the end. */
export function temporaryFolder(): string {
  watchEnd();
  const folder = mkdtempSync(join(tmpdir(), 'zanzara-bench-'));
  folders.add(folder);
  return folder;
}

function watchEnd(): void {
  if (isWatching) return;
  isWatching = true;
  process.on('exit', cleanUp);
  for (const [signal, exitCode] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)
    process.on(signal, () => process.exit(exitCode));
}

function cleanUp(): void {
  for (const child of running) child.kill('SIGKILL');
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
}
