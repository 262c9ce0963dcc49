/**
 * The lines of password, ACL and PSK files, as Mosquitto takes them: a line that begins with `#` is a comment and may
 * hold any bytes, blanks at the end of a line count for nothing (and with them the CR of CRLF), empty lines are skipped.
 * Everything else must be UTF-8: a rule in another encoding would never match, and nobody would notice.
 */
import { type FilePlace, SecurityFileError, wrongLine } from './security-file-error.ts';

/** Larger files are refused: about half a million users. */
const FILE_BYTES_MAX = 64 * 1024 * 1024;
/** Warnings of one file that are told one by one; of the others the number. */
const WARNINGS_MAX = 20;

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const TAB = 0x09;
const SPACE = 0x20;
const HASH = 0x23;
const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf] as const;

/** One line that says something: not empty, and its last character is no blank. */
export interface FileLine extends FilePlace {
  readonly text: string;
}

/**
 * The lines of a file, in order, without comments and empty lines.
 * @throws SecurityFileError when the file is too large or a line is not UTF-8.
 */
export function* readFileLines(source: Uint8Array, path: string): Generator<FileLine> {
  if (source.length > FILE_BYTES_MAX) {
    const what = `Error: The file "${path}" has ${source.length} bytes, ${FILE_BYTES_MAX} are the limit.`;
    throw new SecurityFileError([what, 'Is it the right file? If so, spread it over several listeners.']);
  }
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  let line = 0;
  for (let start = startsWithMark(source) ? BYTE_ORDER_MARK.length : 0; start < source.length; ) {
    line++;
    const lineFeed = source.indexOf(LINE_FEED, start);
    const next = lineFeed < 0 ? source.length : lineFeed + 1;
    const bytes = source.subarray(start, withoutBlanks(source, start, next));
    start = next;
    if (bytes.length === 0 || bytes[0] === HASH) continue;
    yield { path, line, text: decodeLine(decoder, bytes, { path, line }) };
  }
}

/** Takes spaces and tabs away from both ends. */
export function trimBlanks(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isBlank(text.charCodeAt(start))) start++;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

/** Collects what a file has that is odd but not wrong; bounded, so that a strange file does not flood the log. */
export class FileWarnings {
  readonly #path: string;
  readonly #told: string[] = [];
  #untoldCount = 0;

  constructor(path: string) {
    this.#path = path;
  }

  add(text: string): void {
    if (this.#told.length < WARNINGS_MAX) this.#told.push(text);
    else this.#untoldCount++;
  }

  get lines(): readonly string[] {
    if (this.#untoldCount === 0) return this.#told;
    return [...this.#told, `Warning: ${this.#untoldCount} more of such warnings for the file "${this.#path}".`];
  }
}

/** Some editors put a byte order mark in front of a file; it is no part of the first line. */
function startsWithMark(source: Uint8Array): boolean {
  return BYTE_ORDER_MARK.every((byte, index) => source[index] === byte);
}

function withoutBlanks(source: Uint8Array, start: number, next: number): number {
  let end = next;
  while (end > start && isBlank(source[end - 1] ?? 0)) end--;
  return end;
}

function isBlank(code: number): boolean {
  return code === SPACE || (code >= TAB && code <= CARRIAGE_RETURN);
}

function decodeLine(decoder: TextDecoder, bytes: Uint8Array, place: FilePlace): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw wrongLine(
      place,
      'Malformed UTF-8.',
      'Save the file in UTF-8: names and topics in another encoding never match.',
    );
  }
}
