/** The load generators: compiled when they are needed, run, and their line of figures read. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { startChild } from './children.ts';
import { type Figures, parseFigures } from './figures.ts';
import { findProgram } from './programs.ts';

const SOURCES = join(import.meta.dirname, '..', 'load');

/** What is compiled is kept here, and results that nobody gave a name. npm removes it with node_modules. */
export const CACHE_FOLDER = join(import.meta.dirname, '..', '..', 'node_modules', '.cache', 'zanzara-bench');

/** The program's name and the beginning of the hash of its sources. */
const BINARY = /^(\w+)-[0-9a-f]{16}$/;

/** Compiles bench/load/*.c unless that was done before; the path of the program. */
export function compileZload(): string {
  const names = readdirSync(SOURCES).filter((name) => name.endsWith('.c') || name.endsWith('.h'));
  return compile(
    'zload',
    names.map((name) => join(SOURCES, name)),
  );
}

/** Compiles a load generator that is one C file. */
export function compileFile(path: string): string {
  if (!existsSync(path)) throw new Error(`${path}: no such file; give the C source of the other load generator`);
  return compile(basename(path, '.c'), [path]);
}

function compile(name: string, sources: readonly string[]): string {
  const compiler = findProgram('cc');
  if (compiler === null) throw new Error('the load generator needs a C compiler: apt-get install gcc libc6-dev');
  const hash = createHash('sha256');
  for (const path of sources.toSorted()) hash.update(readFileSync(path));
  const program = join(CACHE_FOLDER, `${name}-${hash.digest('hex').slice(0, 16)}`);
  if (existsSync(program)) return program;
  mkdirSync(CACHE_FOLDER, { recursive: true });
  // Under another name first: somebody else may want it at the same time.
  const unfinished = `${program}.${process.pid}`;
  const files = sources.filter((path) => path.endsWith('.c'));
  const run = spawnSync(compiler, ['-std=gnu11', '-O2', '-o', unfinished, ...files, '-lm'], { encoding: 'utf8' });
  if (run.status !== 0) throw new Error(`${compiler} could not compile ${name}:\n${run.stderr}`);
  for (const old of readdirSync(CACHE_FOLDER).filter((entry) => BINARY.exec(entry)?.[1] === name))
    rmSync(join(CACHE_FOLDER, old), { force: true });
  renameSync(unfinished, program);
  return program;
}

/** Runs a load generator to its end and reads its figures. Throws with what it said when it fails. */
export async function runLoad(
  program: string,
  given: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<Figures> {
  const child = startChild({ command: [program, ...given], environment, output: ['pipe', 'pipe'] });
  let printed = '';
  let said = '';
  child.stdout?.on('data', (chunk) => (printed += String(chunk)));
  child.stderr?.on('data', (chunk) => (said += String(chunk)));
  const end = await new Promise<number | string>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (exitCode, signal) => resolve(exitCode ?? signal ?? 'unknown'));
  });
  if (end === 0) return parseFigures(printed);
  // A broker that `start` ran has written there as well: the last lines are the load generator's own.
  throw new Error(said.trim().split('\n').slice(-3).join(' | ') || `${program} ended: ${end}`);
}
