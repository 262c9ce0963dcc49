/**
 * A line of the log: Mosquitto's form `<time stamp>: text`, or one JSON object of our own.
 *
 * Client ids, user names and topics get into the text, and they may hold anything. So whatever could end a line, steer
 * a terminal or turn the reading direction around is shown by its number, and a line has a limit.
 */
import type { LogLevel } from '../../base/log.ts';
import { strftime } from '../../base/strftime.ts';
import type { LogSettings } from './log-settings.ts';

/** Bytes of a line, time stamp included, line end not. Of a JSON line: of its text, before it is escaped. */
export const LOG_LINE_BYTES_MAX = 1000;

/** Makes a line, its end not included. */
export type LineForm = (atMs: number, level: LogLevel, text: string) => string;

type Stamped = Pick<LogSettings, 'hasTimestamp' | 'timestampFormat'>;

/** `1700000000: text` */
export function createTextForm({ hasTimestamp, timestampFormat }: Stamped): LineForm {
  const stampOf = hasTimestamp ? createStamp(timestampFormat) : null;
  return (atMs, _level, text) => {
    const line = stampOf === null ? text : `${stampOf(atMs)}: ${text}`;
    return cutToBytes(withoutControl(line), LOG_LINE_BYTES_MAX);
  };
}

/** `{"time":"2026-11-24T13:05:43.123Z","level":"warning","text":"..."}`; with `log_timestamp_format` the time has that form. */
export function createJsonForm({ hasTimestamp, timestampFormat }: Stamped): LineForm {
  const stampOf = timestampFormat === null ? isoUtc : createStamp(timestampFormat);
  return (atMs, level, text) => {
    const time = hasTimestamp ? { time: stampOf(atMs) } : {};
    const object = { ...time, level, text: cutToBytes(text, LOG_LINE_BYTES_MAX) };
    // What JSON itself does not escape; its own escapes are ASCII.
    return JSON.stringify(object).replace(UNSAFE, jsonEscape);
  };
}

/** The same second has the same stamp, and under load many lines come in one. */
function createStamp(format: string | null): (atMs: number) => string {
  if (format === null) return (atMs) => String(Math.floor(atMs / 1000));
  const show = strftime(format);
  if (format.includes('%N')) return (atMs) => show(new Date(atMs));
  let second = Number.NaN;
  let stamp = '';
  return (atMs) => {
    const now = Math.floor(atMs / 1000);
    if (now !== second) {
      second = now;
      stamp = show(new Date(atMs));
    }
    return stamp;
  };
}

function isoUtc(atMs: number): string {
  return new Date(atMs).toISOString();
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

function jsonEscape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
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
