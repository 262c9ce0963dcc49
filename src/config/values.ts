/**
 * Readers of values, one per kind of option: a line in, out what it gives. Words beyond those an option takes are
 * ignored as Mosquitto does, but not in silence: a line such as `log_type error warning` does not do what it says.
 */
import { assertNever } from '../base/assert.ts';
import { ConfigError } from './config-error.ts';
import { type Line, wordsOf } from './lines.ts';
import type { GivenValue, ListenerConfig, Option } from './option.ts';

/** What reading a value needs to know. */
export interface ValueContext {
  readonly line: Line;
  readonly option: Option;
  /** An earlier line gave this option already. */
  readonly isRepeated: boolean;
  /** Told once per doubtful line. */
  warn(text: string): void;
}

/** Reads the value of one line. @throws ConfigError */
export function readValue(context: ValueContext): GivenValue {
  const { type } = context.option;
  switch (type.kind) {
    case 'boolean':
      return readBoolean(context);
    case 'only-false':
      if (readBoolean(context)) throw new ConfigError(context.line, type.reason);
      return false;
    case 'count':
      return readCount(context, type.max);
    case 'text':
      return readText(context);
    case 'words':
      return readWord(context, type.words);
    case 'listener':
      return readListener(context);
    default:
      return assertNever(type);
  }
}

function readBoolean(context: ValueContext): boolean {
  const [word] = takeWords(context, 1);
  if (word === 'true' || word === '1') return true;
  if (word === 'false' || word === '0') return false;
  throw invalid(context, word, 'Expected true or false.');
}

function readCount(context: ValueContext, max: number): number {
  const { name } = context.option;
  const [word] = takeWords(context, 1);
  const number = parseInteger(word);
  if (number === null) throw invalid(context, word, 'Expected a whole number.');
  if (number > max) throw new ConfigError(context.line, `'${name}' must be <= ${max}.`);
  if (number < 0) context.warn(`'${name} ${word}' counts as 0.`);
  return Math.max(0, number);
}

function readText(context: ValueContext): string {
  const { line, option, isRepeated } = context;
  if (isRepeated) throw new ConfigError(line, `Duplicate '${option.name}' value in configuration.`);
  const text = line.rest.trimEnd();
  if (text === '') throw empty(context);
  if (hasControlCharacter(text)) throw new ConfigError(line, `Control character in the '${option.name}' value.`);
  return text;
}

function readWord(context: ValueContext, words: readonly string[]): string {
  const [word] = takeWords(context, 1);
  if (!words.includes(word)) throw invalid(context, word, `Expected one of: ${words.join(', ')}.`);
  return word;
}

function readListener(context: ValueContext): ListenerConfig {
  const { line } = context;
  const [portWord, addressWord] = takeWords(context, 2);
  const port = parseInteger(portWord);
  if (port === null || port < 0 || port > 65_535) {
    throw new ConfigError(line, `Invalid 'port' value (${portWord}). Expected a number from 1 to 65535.`);
  }
  const address = addressWord === undefined || addressWord.startsWith('#') ? null : addressWord;
  if (port === 0) throw new ConfigError(line, portZero(address));
  if (address !== null && hasControlCharacter(address)) throw invalid(context, address, 'Expected an address.');
  return Object.freeze({ port, address, line: line.line });
}

function portZero(path: string | null): string {
  if (path === null) return 'A listener with port 0 must provide a Unix socket path.';
  return `'listener 0 PATH', a Unix socket, is a Mosquitto listener that Zanzara does not support yet.`;
}

/** The first `limit` words of the value, at least one; warns of others, unless they are a comment. */
function takeWords(context: ValueContext, limit: number): [string, ...string[]] {
  const [first, ...others] = wordsOf(context.line.rest);
  if (first === undefined) throw empty(context);
  const taken = others.slice(0, limit - 1);
  const extra = others[limit - 1];
  const isComment = [...taken, extra].some((word) => word?.startsWith('#'));
  if (extra !== undefined && !isComment) context.warn(`'${extra}' after '${context.option.name}' is ignored.`);
  return [first, ...taken];
}

/** Decimal, 0x..., or octal with a leading 0, as C reads numbers; null when it is not a whole number. */
function parseInteger(word: string): number | null {
  const [, sign, digits = ''] = /^([+-]?)(0x[0-9a-f]+|0[0-7]*|[1-9][0-9]*)$/i.exec(word) ?? [];
  if (digits === '') return null;
  const number = /^0[0-7]/.test(digits) ? Number.parseInt(digits, 8) : Number(digits);
  return sign === '-' ? -number : number;
}

function hasControlCharacter(text: string): boolean {
  return /\p{Cc}/u.test(text);
}

function invalid(context: ValueContext, word: string, expected: string): ConfigError {
  return new ConfigError(context.line, `Invalid '${context.option.name}' value (${word}). ${expected}`);
}

function empty(context: ValueContext): ConfigError {
  return new ConfigError(context.line, `Empty '${context.option.name}' value in configuration.`);
}
