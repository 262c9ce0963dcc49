/**
 * The grammar of mosquitto.conf, as Mosquitto's own reader takes it: one `name value` per line.
 *
 *   # comment          only when '#' is the first byte of the line
 *   name value rest    spaces separate, and only spaces: a tab belongs to the word it stands in
 *
 * Lines end with LF or CRLF. A comment may hold any bytes, so it is skipped before UTF-8 is asked for: old files
 * have comments in Latin-1.
 */
import { ConfigError, type Place } from './config-error.ts';

/** One line that says something. */
export interface Line extends Place {
  readonly name: string;
  /** All that follows the name and its spaces; may be empty. */
  readonly rest: string;
  /** Part of `rest` came from the environment and may be a secret: no message may show it. */
  readonly isExpanded?: boolean;
}

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const HASH = 0x23;
const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf] as const;

/**
 * The lines of a file, in order, without comments and empty lines.
 * @throws ConfigError at a line that is not UTF-8.
 */
export function* readLines(source: Uint8Array, file: string): Generator<Line> {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  let line = 0;
  for (let start = startsWithMark(source) ? BYTE_ORDER_MARK.length : 0; start < source.length; ) {
    line++;
    const lineFeed = source.indexOf(LINE_FEED, start);
    const next = lineFeed < 0 ? source.length : lineFeed + 1;
    const bytes = source.subarray(start, withoutLineEnd(source, start, next));
    start = next;
    if (bytes.length === 0 || bytes[0] === HASH) continue;
    const text = decodeLine(decoder, bytes, { file, line });
    const name = firstWord(text);
    if (name !== '') yield { file, line, name, rest: afterFirstWord(text) };
  }
}

/** Some editors put a byte order mark in front of a file; it is no part of the first name. */
function startsWithMark(source: Uint8Array): boolean {
  return BYTE_ORDER_MARK.every((byte, index) => source[index] === byte);
}

/** The words of a text; spaces separate. */
export function wordsOf(text: string): string[] {
  return text.split(' ').filter((word) => word !== '');
}

/** What follows the first word of a text and its spaces. */
export function afterFirstWord(text: string): string {
  return text.replace(/^ *[^ ]* */, '');
}

/** True when a text holds a character that would forge a line of a log or end a path. */
export function hasControlCharacter(text: string): boolean {
  return /\p{Cc}/u.test(text);
}

function withoutLineEnd(source: Uint8Array, start: number, next: number): number {
  let end = next;
  while (end > start && (source[end - 1] === LINE_FEED || source[end - 1] === CARRIAGE_RETURN)) end--;
  return end;
}

function decodeLine(decoder: TextDecoder, bytes: Uint8Array, place: Place): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw new ConfigError(place, 'Malformed UTF-8 in configuration.');
  }
}

function firstWord(text: string): string {
  return wordsOf(text)[0] ?? '';
}
