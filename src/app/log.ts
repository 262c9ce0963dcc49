/**
 * The log: lines in Mosquitto's form, `<seconds since 1970>: text`.
 *
 * Client ids, user names and topics get into the text, and they may hold anything. So whatever could end a line, steer
 * a terminal or turn the reading direction around is shown by its number, and a line has a limit.
 */
import { LOG_LEVELS, type Log, type LogLevel } from '../base/log.ts';
import type { LogType } from '../config/options.ts';

/** Bytes of a line, time stamp included, line end not. */
export const LOG_LINE_BYTES_MAX = 1000;

export interface LogOptions {
  readonly levels: ReadonlySet<LogLevel>;
  wallMs(): number;
  /** Takes a whole line, line end included. */
  write(line: string): void;
}

export function createLog({ levels, wallMs, write }: LogOptions): Log {
  return {
    has: (level) => levels.has(level),
    write(level, text) {
      if (!levels.has(level)) return;
      const line = `${Math.floor(wallMs() / 1000)}: ${withoutControl(text)}`;
      write(`${cutToBytes(line, LOG_LINE_BYTES_MAX)}\n`);
    },
  };
}

/** The levels that a list of `log_type` values turns on. `none` forgets what stands before it. */
export function levelsOf(types: readonly LogType[]): ReadonlySet<LogLevel> {
  const levels = new Set<LogLevel>();
  for (const type of types) {
    if (type === 'none') levels.clear();
    for (const level of LOG_LEVELS) {
      if (type === level || type === 'all') levels.add(level);
    }
  }
  return levels;
}

// C0 without tab (Mosquitto's own lines are indented with it), DEL and C1, the two line separators of Unicode, what
// turns the writing direction, and halves of surrogate pairs.
const UNSAFE = /[^\P{Cc}\t]|[\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]|\p{Cs}/gu;
const SHORT_FORMS: ReadonlyMap<string, string> = new Map([
  ['\n', '\\n'],
  ['\r', '\\r'],
]);

/** Text that stays on one line and leaves a terminal alone: `\n`, `\r`, `\x1b`, `\u202e`. */
export function withoutControl(text: string): string {
  return text.replace(UNSAFE, (character) => SHORT_FORMS.get(character) ?? byNumber(character.charCodeAt(0)));
}

function byNumber(code: number): string {
  return code > 0xff ? `\\u${code.toString(16)}` : `\\x${code.toString(16).padStart(2, '0')}`;
}

const CUT_MARK = '...';

function cutToBytes(line: string, bytesMax: number): string {
  if (line.length * 3 <= bytesMax) return line;
  const bytes = Buffer.from(line);
  if (bytes.length <= bytesMax) return line;
  let end = bytesMax - CUT_MARK.length;
  while ((bytes[end] ?? 0) >> 6 === 0b10) end--;
  return bytes.toString('utf8', 0, end) + CUT_MARK;
}
