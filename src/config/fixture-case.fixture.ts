/**
 * The form of a fixture: NAME.conf is the input, NAME.json what reading it gives. A .conf may hold several
 * configurations with a line `####` between them; then the .json is a list. An expectation lists what matters:
 *
 *   { "given": { "compat", "environment", "files", "isEnvironmentExpanded", "persistFolder" }, optional
 *     "options": { ... }, "listeners": [ ... ], ...,     a part of the Config
 *     "notes": [ "warning: text", ... ] }                all of them, none when it is not there
 *   { "error": "text", "line": 2, "file": "..." }        without a file it is the main one
 */
import { readdirSync, readFileSync } from 'node:fs';
import type { Config, ConfigHost } from './config.ts';
import { ConfigError } from './config-error.ts';
import { type Line, readLines } from './lines.ts';
import { COMPAT_VERSIONS } from './option.ts';
import { type ReadOptions, readConfig } from './read-config.ts';

const FOLDER = new URL('fixtures/', import.meta.url);
const SEPARATOR = /^####\r?\n/m;
/** The name that the main file of a fixture has. */
export const MAIN_FILE = 'test.conf';

export interface FixtureCase {
  readonly title: string;
  readonly source: Uint8Array;
  readonly host: ConfigHost;
  readonly options: ReadOptions;
  /** The .json, without what is given. */
  readonly expected: Readonly<Record<string, unknown>>;
}

/** All cases of all fixtures. */
export function fixtureCases(): readonly FixtureCase[] {
  const names = readdirSync(FOLDER, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.conf'));
  return names.sort().flatMap(casesOf);
}

function casesOf(name: string): readonly FixtureCase[] {
  // As Latin-1 every byte is a character: some fixtures are not UTF-8 on purpose.
  const sources = readFileSync(new URL(name, FOLDER), 'latin1').split(SEPARATOR);
  const parsed: unknown = JSON.parse(readFileSync(new URL(name.replace(/conf$/, 'json'), FOLDER), 'utf8'));
  const expectations: readonly unknown[] = Array.isArray(parsed) ? parsed : [parsed];
  if (expectations.length !== sources.length) {
    throw new Error(`${name} has ${sources.length} configurations and ${expectations.length} expectations`);
  }
  return sources.map((source, index) => {
    const { given, ...expected } = recordOf(expectations[index]);
    return {
      title: sources.length === 1 ? name : `${name} ${index + 1}`,
      source: new Uint8Array(Buffer.from(source, 'latin1')),
      host: hostOf(recordOf(given)),
      options: optionsOf(recordOf(given)),
      expected,
    };
  });
}

function hostOf(given: Readonly<Record<string, unknown>>): ConfigHost {
  const files = textsOf(given.files);
  return {
    environment: textsOf(given.environment),
    readFile: (path) => {
      const text = files[path];
      if (text === undefined) throw new Error(`ENOENT: no such file or directory, open '${path}'`);
      return new TextEncoder().encode(text);
    },
    listFolder: (path) => {
      const start = path.endsWith('/') ? path : `${path}/`;
      const names = Object.keys(files).filter((file) => file.startsWith(start));
      if (names.length === 0) throw new Error(`ENOENT: no such file or directory, scandir '${path}'`);
      return names.map((file) => file.slice(start.length));
    },
  };
}

function optionsOf(given: Readonly<Record<string, unknown>>): ReadOptions {
  const compat = COMPAT_VERSIONS.find((version) => version === given.compat) ?? '2.1';
  const persistFolder = typeof given.persistFolder === 'string' ? given.persistFolder : null;
  return { compat, isEnvironmentExpanded: given.isEnvironmentExpanded === true, persistFolder };
}

/** What reading gives, in the form of an expectation. */
export function outcomeOf({ source, host, options }: FixtureCase): Readonly<Record<string, unknown>> {
  try {
    return shown(readConfig(source, MAIN_FILE, host, options));
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const { file, line } = error.place;
    return { error: error.message, line, ...(file === MAIN_FILE ? {} : { file }) };
  }
}

/** The part of `actual` that `expected` speaks of. */
export function partOf(actual: unknown, expected: unknown): unknown {
  if (Array.isArray(expected)) {
    return Array.isArray(actual) ? actual.map((entry, index) => partOf(entry, expected[index])) : actual;
  }
  if (typeof expected !== 'object' || expected === null || typeof actual !== 'object' || actual === null) return actual;
  const values = new Map<string, unknown>(Object.entries(actual));
  const wanted = Object.entries(expected).filter(([key]) => values.has(key));
  return Object.fromEntries(wanted.map(([key, value]) => [key, partOf(values.get(key), value)]));
}

/** The names of the options that a case uses, its included files too; of a refused one only the refused line. */
export function namesUsedIn({ source, host, expected }: FixtureCase): readonly string[] {
  const lines = [...linesOf(source)];
  const folder = lines.find((line) => line.name === 'include_dir')?.rest.trim();
  const included = folder === undefined || expected.error !== undefined ? [] : linesIn(host, folder);
  const refusedLine = expected.line;
  if (refusedLine === undefined) return [...lines, ...included].map((line) => line.name);
  return expected.file === undefined ? lines.filter((line) => line.line === refusedLine).map((line) => line.name) : [];
}

function linesIn(host: ConfigHost, folder: string): readonly Line[] {
  const start = folder.endsWith('/') ? folder : `${folder}/`;
  return host.listFolder(folder).flatMap((name) => linesOf(host.readFile(start + name)));
}

function linesOf(source: Uint8Array): readonly Line[] {
  try {
    return [...readLines(source, MAIN_FILE)];
  } catch (error) {
    if (error instanceof ConfigError) return [];
    throw error;
  }
}

function shown({ notes, ...config }: Config): Readonly<Record<string, unknown>> {
  return { ...config, notes: notes.map(({ level, text }) => `${level}: ${text}`) };
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value)) : {};
}

function textsOf(value: unknown): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(recordOf(value)).map(([key, text]) => [key, String(text)]));
}
