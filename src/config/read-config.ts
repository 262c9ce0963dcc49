/**
 * mosquitto.conf as bytes -> one frozen object with every option's value. The first error ends it, as in Mosquitto.
 * Reading is driven by the table alone; what depends on several options is settled at the end, in `readConfig`.
 */
import { ConfigError } from './config-error.ts';
import { type Line, readLines } from './lines.ts';
import { isMosquittoOption, MOSQUITTO_OPTION_NAMES } from './mosquitto-options.ts';
import { nearestName } from './nearest-name.ts';
import { type GivenValue, type Option, REPEATABLE_KINDS, type ValueOf } from './option.ts';
import { OPTIONS } from './options.ts';
import { readValue } from './values.ts';

/** Every option's value, by the `key` of its row. */
export type ConfigValues = {
  readonly [Row in (typeof OPTIONS)[number] as Row['key']]: ValueOf<Row['type']>;
};

/** The configuration of a broker: frozen, complete. */
export interface Config extends ConfigValues {
  /** Where it was read from; null = the default configuration. */
  readonly file: string | null;
  /** Lines that work, but perhaps not as meant. */
  readonly warnings: readonly string[];
}

/** What the lines of a file give, by key, in order, without defaults. */
export interface GivenOptions {
  readonly given: ReadonlyMap<string, readonly GivenValue[]>;
  readonly warnings: readonly string[];
}

/** The configuration of a broker that was started without a file. */
export function defaultConfig(): Config {
  return complete(null, { given: new Map(), warnings: [] });
}

/**
 * Reads the content of a configuration file.
 * @param file its name, for messages
 * @throws ConfigError at the first line that is wrong
 */
export function readConfig(source: Uint8Array, file: string): Config {
  return complete(file, readOptions(source, file, OPTIONS));
}

/** Reads a file against a table of options. @throws ConfigError */
export function readOptions(source: Uint8Array, file: string, rows: readonly Option[]): GivenOptions {
  const given = new Map<string, GivenValue[]>();
  const warnings: string[] = [];
  for (const line of readLines(source, file)) {
    const warn = (text: string) => warnings.push(`Warning: ${text} (${file}:${line.line})`);
    const option = rows.find((row) => row.name === line.name);
    if (option === undefined) throw unknownOption(line, rows);
    if (option.isDeprecated) {
      warn(`The '${option.name}' option is now deprecated and will be removed in version 3.0.`);
    }
    const earlier = given.get(option.key) ?? [];
    earlier.push(readValue({ line, option, isRepeated: earlier.length > 0, warn }));
    given.set(option.key, earlier);
  }
  return { given, warnings };
}

function complete(file: string | null, { given, warnings }: GivenOptions): Config {
  const rows: readonly Option[] = OPTIONS;
  const entries = rows.map((row) => [row.key, settledValue(row, given.get(row.key))]);
  // Justified by the table: it gives both the types of ConfigValues and the readers that made these values.
  const values = Object.fromEntries(entries) as ConfigValues;
  // Who opens the broker to a network has to say who may come in; a broker for this machine alone need not.
  const allowAnonymous = values.allowAnonymous ?? values.listeners.length === 0;
  return Object.freeze({ ...values, allowAnonymous, file, warnings: Object.freeze([...warnings]) });
}

function settledValue(row: Option, given: readonly GivenValue[] | undefined): unknown {
  if (given === undefined) return row.default;
  return REPEATABLE_KINDS.has(row.type.kind) ? Object.freeze([...given]) : given.at(-1);
}

function unknownOption(line: Line, rows: readonly Option[]): ConfigError {
  if (isMosquittoOption(line.name)) return new ConfigError(line, notSupported(line.name));
  const text = `Unknown configuration variable '${line.name}'.${hintFor(line.name, rows)}`;
  return new ConfigError(line, text);
}

function notSupported(name: string): string {
  return `'${name}' is a Mosquitto option that Zanzara does not support yet.`;
}

function hintFor(name: string, rows: readonly Option[]): string {
  const [word = ''] = name.split(/[\t=:]/);
  const meant = nearestName(
    word,
    rows.map((row) => row.name),
  );
  if (meant !== null && word !== name) return ` Did you mean '${meant}'? One space separates the name from its value.`;
  if (meant !== null) return ` Did you mean '${meant}'?`;
  if (name.startsWith('#')) return ` A comment has its '#' at the start of the line.`;
  const known = nearestName(word, MOSQUITTO_OPTION_NAMES);
  return known === null ? '' : ` Did you mean '${known}'? ${notSupported(known)}`;
}
