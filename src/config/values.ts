/**
 * Readers of values, one per kind of option: a line in, out what it gives. Words beyond those an option takes are
 * ignored as Mosquitto does, but not in silence: a line such as `log_type error warning` does not do what it says.
 */
import { assertNever } from '../base/assert.ts';
import { readAddresses, readBridgeTopic, readRestartTimeout, readTcpKeepalive } from './bridge-values.ts';
import { ConfigError } from './config-error.ts';
import { afterFirstWord, type Line, wordsOf } from './lines.ts';
import type { Durability, GivenValue, LogDestination, OptionType, StructureKind } from './option.ts';
import { isTopicName } from './topic-check.ts';
import {
  emptyValue,
  invalidValue,
  parseInteger,
  shown,
  takeRest,
  takeWords,
  type ValueContext,
} from './value-context.ts';

/** The kinds that give a value. */
export type ValueType = Exclude<OptionType, { readonly kind: StructureKind | 'refused' | 'without-effect' }>;
type TypeOf<Kind extends ValueType['kind']> = Extract<ValueType, { readonly kind: Kind }>;

const NO_SUCH_LOG: ReadonlyMap<string, string> = new Map([
  ['dlt', 'Zanzara has no log to automotive DLT. Use stderr, syslog or file.'],
  ['android', 'Zanzara has no log to Android. Use stderr or file.'],
]);
const SIMPLE_DESTINATIONS = ['none', 'stderr', 'stdout', 'syslog', 'topic'] as const;

const DAY_SECONDS = 86_400;
const UNIT_SECONDS: ReadonlyMap<string, number> = new Map([
  ['s', 1],
  ['h', 3600],
  ['d', DAY_SECONDS],
  ['w', 7 * DAY_SECONDS],
  ['m', 30 * DAY_SECONDS],
  ['y', 365 * DAY_SECONDS],
]);
/** The longest session expiry interval of MQTT 5 that is not `never`. */
const DURATION_SECONDS_MAX = 0xffff_fffe;
/** An hour: the most that may be lost with `durability relaxed`. */
const WINDOW_MS_MAX = 3_600_000;

/** Reads the value of one line. @throws ConfigError */
export function readValue(context: ValueContext, type: ValueType): GivenValue {
  switch (type.kind) {
    case 'boolean':
      return readBoolean(context);
    case 'number':
      return readNumber(context, type);
    case 'text':
      return readText(context, type.lengthMax ?? Infinity);
    case 'texts':
      return takeRest(context.line);
    case 'choice':
      return readChoice(context, type);
    case 'choices':
      return readWord(context, type.words);
    case 'numbers':
      return readNumbers(context.line, type.numbers);
    case 'duration':
      return readDuration(context);
    case 'mount-point':
      return readMountPoint(context);
    case 'log-destination':
      return readLogDestination(context);
    case 'addresses':
      return readAddresses(context);
    case 'topic':
      return readBridgeTopic(context);
    case 'restart-timeout':
      return readRestartTimeout(context);
    case 'tcp-keepalive':
      return readTcpKeepalive(context);
    case 'durability':
      return readDurability(context);
    default:
      return assertNever(type);
  }
}

/** true, false, 1 or 0. @throws ConfigError */
export function readBoolean(context: ValueContext): boolean {
  const [word] = takeWords(context, 1);
  if (word === 'true' || word === '1') return true;
  if (word === 'false' || word === '0') return false;
  throw invalidValue(context.line, word, 'Expected true or false.');
}

function readNumber(context: ValueContext, type: TypeOf<'number'>): number {
  const { line } = context;
  const [word] = takeWords(context, 1);
  const number = parseInteger(word);
  if (number === null) throw invalidValue(line, word, 'Expected a whole number.');
  if (number > type.max || (number < type.min && type.below !== 'raise')) throw outOfRange(line, word, type);
  if (number >= type.min) return number;
  const text = type.raised ?? `Warning: '${line.name} ${shown(line, word)}' counts as ${type.min}.`;
  context.note(type.raised === undefined ? 'warning' : 'notice', text);
  return type.min;
}

function outOfRange(line: Line, word: string, type: TypeOf<'number'>): ConfigError {
  if (type.refusal !== undefined) return new ConfigError(line, type.refusal.replace('{name}', line.name));
  if (type.below === 'raise') return new ConfigError(line, `'${line.name}' must be <= ${type.max}.`);
  return invalidValue(line, word, `Expected a number from ${type.min} to ${type.max}.`);
}

function readText(context: ValueContext, lengthMax: number): string {
  const { line, earlier } = context;
  if (earlier.length > 0) throw new ConfigError(line, `Duplicate '${line.name}' value in configuration.`);
  const text = takeRest(line);
  if (text.length <= lengthMax) return text;
  throw new ConfigError(line, `'${line.name}' has ${text.length} characters, ${lengthMax} are the limit.`);
}

function readChoice(context: ValueContext, type: TypeOf<'choice'>): string {
  const [word] = takeWords(context, 1);
  const refusal = new Map(Object.entries(type.refused ?? {})).get(word);
  if (refusal !== undefined) throw new ConfigError(context.line, refusal);
  return known(context, word, type.words);
}

function readWord(context: ValueContext, words: readonly string[]): string {
  return known(context, takeWords(context, 1)[0], words);
}

function known(context: ValueContext, word: string, words: readonly string[]): string {
  if (words.includes(word)) return word;
  throw invalidValue(context.line, word, `Expected one of: ${words.join(', ')}.`);
}

function readNumbers(line: Line, numbers: readonly number[]): readonly number[] {
  const words = wordsOf(line.rest.replaceAll(',', ' '));
  const comment = words.findIndex((word) => word.startsWith('#'));
  const given = comment < 0 ? words : words.slice(0, comment);
  if (given.length === 0) throw emptyValue(line);
  const values = given.map((word) => {
    const number = parseInteger(word);
    if (number !== null && numbers.includes(number)) return number;
    throw invalidValue(line, word, `Expected some of: ${numbers.join(' ')}.`);
  });
  return Object.freeze([...new Set(values)].sort((a, b) => a - b));
}

function readDuration(context: ValueContext): number {
  const [word] = takeWords(context, 1);
  const [, digits = '', unit = ''] = /^([0-9]+)([a-z])$/.exec(word) ?? [];
  const seconds = Number(digits) * (UNIT_SECONDS.get(unit) ?? 0);
  if (seconds > 0) return Math.min(seconds, DURATION_SECONDS_MAX);
  const text = `Invalid '${context.line.name}' duration in configuration. Expected a number and one of s h d w m y: 14d.`;
  throw new ConfigError(context.line, text);
}

function readDurability(context: ValueContext): Durability {
  const { line } = context;
  const [kind, milliseconds] = takeWords(context, wordsOf(line.rest)[0] === 'relaxed' ? 2 : 1);
  if (kind === 'strict' || kind === 'off') return Object.freeze({ kind });
  if (kind !== 'relaxed') throw invalidValue(line, kind, 'Expected strict, relaxed N or off.');
  const expected = `'relaxed' needs the milliseconds that may be lost, from 1 to ${WINDOW_MS_MAX}: relaxed 200.`;
  const windowMs = parseInteger(milliseconds ?? '');
  if (windowMs !== null && windowMs >= 1 && windowMs <= WINDOW_MS_MAX) return Object.freeze({ kind, windowMs });
  throw invalidValue(line, milliseconds === undefined ? kind : `${kind} ${milliseconds}`, expected);
}

function readMountPoint(context: ValueContext): string {
  const text = readText(context, Infinity);
  if (isTopicName(text)) return text;
  const given = shown(context.line, text);
  throw new ConfigError(context.line, `Invalid mount_point '${given}'. Does it contain a wildcard character?`);
}

function readLogDestination(context: ValueContext): LogDestination {
  const { line } = context;
  const [word = ''] = wordsOf(line.rest);
  if (word === 'file') return readLogFile(context);
  takeWords(context, 1);
  const refusal = NO_SUCH_LOG.get(word);
  if (refusal !== undefined) throw invalidValue(line, word, refusal);
  const kind = SIMPLE_DESTINATIONS.find((simple) => simple === word);
  if (kind !== undefined) return Object.freeze({ kind });
  throw invalidValue(line, word, `Expected one of: ${SIMPLE_DESTINATIONS.join(', ')}, file PATH.`);
}

function readLogFile({ line, earlier }: ValueContext): LogDestination {
  if (earlier.some((value) => isLogFile(value))) throw new ConfigError(line, `Duplicate '${line.name} file' value.`);
  const name = `${line.name} file`;
  return Object.freeze({ kind: 'file', path: takeRest({ ...line, name, rest: afterFirstWord(line.rest) }) });
}

function isLogFile(value: GivenValue): boolean {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'file';
}
