/** What the readers of values share: the line they read, its words, and the words of a refusal. */
import type { ConfigNote } from './config.ts';
import { ConfigError } from './config-error.ts';
import { hasControlCharacter, type Line, wordsOf } from './lines.ts';
import type { GivenValue } from './option.ts';

/** What reading a value needs to know. The option's name is `line.name`: as it is written, which may be an alias. */
export interface ValueContext {
  readonly line: Line;
  /** What earlier lines gave for the same option of the same listener or bridge. */
  readonly earlier: readonly GivenValue[];
  /** Told once per doubtful line, without its place. */
  note(level: ConfigNote['level'], text: string): void;
}

/** The first `limit` words of the value, at least one; warns of others, unless they are a comment. */
export function takeWords(context: ValueContext, limit: number): [string, ...string[]] {
  const [first, ...others] = wordsOf(context.line.rest);
  if (first === undefined) throw emptyValue(context.line);
  const taken = others.slice(0, limit - 1);
  const extra = others[limit - 1];
  const isComment = [...taken, extra].some((word) => word?.startsWith('#'));
  if (extra !== undefined && !isComment) {
    context.note('warning', `Warning: '${shown(context.line, extra)}' after '${context.line.name}' is ignored.`);
  }
  return [first, ...taken];
}

/** All to the end of the line, without spaces around it. @throws ConfigError when there is nothing. */
export function takeRest(line: Line): string {
  const text = line.rest.trimEnd();
  if (text === '') throw emptyValue(line);
  if (hasControlCharacter(text)) throw new ConfigError(line, `Control character in the '${line.name}' value.`);
  return text;
}

/** Decimal, 0x..., or octal with a leading 0, as C reads numbers; null when it is not a whole number. */
export function parseInteger(word: string): number | null {
  const [, sign, digits = ''] = /^([+-]?)(0x[0-9a-f]+|0[0-7]*|[1-9][0-9]*)$/i.exec(word) ?? [];
  if (digits === '') return null;
  const number = /^0[0-7]/.test(digits) ? Number.parseInt(digits, 8) : Number(digits);
  return sign === '-' ? -number : number;
}

/** A word of a line as a message may show it: one that may be a secret is not shown. */
export function shown(line: Line, word: string): string {
  return line.isExpanded === true ? 'from the environment' : word;
}

export function invalidValue(line: Line, word: string, expected: string): ConfigError {
  return new ConfigError(line, `Invalid '${line.name}' value (${shown(line, word)}). ${expected}`);
}

export function emptyValue(line: Line): ConfigError {
  return new ConfigError(line, `Empty '${line.name}' value in configuration.`);
}
