/**
 * The head of an HTTP/1.1 request, strictly (RFC 9112): lines end with CR LF, no line is folded, no control character is
 * anywhere. It is found in one pass, byte by byte over all chunks, so that what can never become a head is refused with
 * its first wrong byte: an MQTT client on the wrong port, or a TLS handshake, does not wait for a deadline.
 */

const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const DELETE = 0x7f;

/** Room for a head that comes in parts, at first. */
const FIRST_BYTES = 512;

export type HeadProgress =
  | { readonly kind: 'incomplete' }
  /** `end` is where the head ends in the last chunk: behind its empty line. */
  | { readonly kind: 'complete'; readonly text: string; readonly end: number }
  | { readonly kind: 'too-long' }
  | { readonly kind: 'malformed'; readonly text: string };

const INCOMPLETE: HeadProgress = { kind: 'incomplete' };

type Place = 'line' | 'after-cr' | 'line-start' | 'last-cr';

/** Gathers a head until its empty line. */
export class HeadReader {
  readonly #bytesMax: number;
  #kept = new Uint8Array(0);
  #keptBytes = 0;
  #place: Place = 'line';

  /** @param bytesMax the most that a head may have, its empty line included */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Not to be called again after another answer than `incomplete`. */
  read(bytes: Uint8Array, start: number, end: number): HeadProgress {
    const stop = Math.min(end, start + this.#bytesMax - this.#keptBytes);
    for (let at = start; at < stop; at++) {
      const wrong = this.#step(bytes[at]!);
      if (wrong !== null) return { kind: 'malformed', text: wrong };
      if (this.#place === 'last-cr' && bytes[at] === LF) {
        return { kind: 'complete', text: this.#textUntil(bytes, start, at + 1), end: at + 1 };
      }
    }
    if (stop < end) return { kind: 'too-long' };
    this.#keep(bytes, start, end);
    return this.#keptBytes < this.#bytesMax ? INCOMPLETE : { kind: 'too-long' };
  }

  /** @returns what is wrong with the next byte, or null */
  #step(byte: number): string | null {
    if (this.#place === 'after-cr' || this.#place === 'last-cr') {
      if (byte !== LF) return 'CR without LF';
      if (this.#place === 'after-cr') this.#place = 'line-start';
      return null;
    }
    if (byte === LF) return 'LF without CR';
    if (byte === CR) {
      this.#place = this.#place === 'line-start' ? 'last-cr' : 'after-cr';
      return null;
    }
    if (this.#place === 'line-start' && (byte === SPACE || byte === TAB)) return 'a folded line';
    if ((byte < SPACE && byte !== TAB) || byte === DELETE) return 'a control character';
    this.#place = 'line';
    return null;
  }

  #textUntil(bytes: Uint8Array, start: number, end: number): string {
    const text = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1');
    return this.#keptBytes === 0 ? text : Buffer.from(this.#kept.buffer, 0, this.#keptBytes).toString('latin1') + text;
  }

  #keep(bytes: Uint8Array, start: number, end: number): void {
    const byteCount = this.#keptBytes + end - start;
    if (byteCount > this.#kept.length) {
      const roomBytes = Math.min(this.#bytesMax, Math.max(FIRST_BYTES, 2 * byteCount));
      const kept = new Uint8Array(roomBytes);
      kept.set(this.#kept.subarray(0, this.#keptBytes));
      this.#kept = kept;
    }
    this.#kept.set(bytes.subarray(start, end), this.#keptBytes);
    this.#keptBytes = byteCount;
  }
}

/** What of a request counts for an upgrade. A field that was not sent is ''. */
export interface Request {
  readonly method: string;
  readonly version: string;
  /** Values by name in lower case: of the fields in LIST_FIELDS and SINGLE_FIELDS. */
  readonly fields: ReadonlyMap<string, string>;
}

/** Fields that are lists: sent twice, they are one list. */
const LIST_FIELDS: ReadonlySet<string> = new Set(['connection', 'upgrade', 'sec-websocket-protocol']);
/** Fields that have one value: sent twice, it would depend on the reader which counts. */
const SINGLE_FIELDS: ReadonlySet<string> = new Set(['host', 'origin', 'sec-websocket-key', 'sec-websocket-version']);

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** Reads a head that HeadReader has found. A string says what is wrong with it. */
export function parseRequest(head: string): Request | string {
  const [requestLine = '', ...lines] = head.slice(0, -4).split('\r\n');
  const words = requestLine.split(' ');
  const [method = '', target = '', version = ''] = words;
  if (words.length !== 3 || !TOKEN.test(method) || target === '') return 'no request line';
  const fields = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(colon, 0)).toLowerCase();
    if (!TOKEN.test(name)) return 'a header line without a name';
    const value = trimmed(line.slice(colon + 1));
    const before = fields.get(name);
    if (SINGLE_FIELDS.has(name) && before !== undefined) return `${name} is there twice`;
    if (SINGLE_FIELDS.has(name)) fields.set(name, value);
    else if (LIST_FIELDS.has(name)) fields.set(name, before === undefined ? value : `${before},${value}`);
  }
  return { method, version, fields };
}

/** The members of a list field. */
export function listOf(request: Request, name: string): readonly string[] {
  return (request.fields.get(name) ?? '').split(',').map(trimmed);
}

/**
 * Without the blanks and tabs around it. Not by a pattern, which needs the square of the length where many blanks stand
 * in the middle, and not by `trim`, which takes other characters away as well.
 */
function trimmed(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isBlank(text, start)) start++;
  while (end > start && isBlank(text, end - 1)) end--;
  return text.slice(start, end);
}

function isBlank(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code === SPACE || code === TAB;
}
