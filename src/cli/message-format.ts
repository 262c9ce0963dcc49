/**
 * `-F FORMAT` of `zanzara sub`. The format is read once into pieces; each makes its part of the output from a message.
 *
 *   %[-|0][width][.precision[separator]]LETTER    a field of the message
 *   @LETTER                                       a field of its time, as strftime; @N nanoseconds, @@ an @
 *   \LETTER                                       an escape
 */
import { timeField } from '../base/strftime.ts';
import type { IncomingMessage } from '../client/client-types.ts';
import { ArgumentError } from './argument-error.ts';
import { epochTime, isoTime } from './format-time.ts';
import { messageJson } from './message-json.ts';
import type { MessagePrinter } from './message-printer.ts';

export interface FormatOptions {
  readonly hasLineEnds: boolean;
  readonly isPretty: boolean;
  /** The time of a message: when it is printed. */
  readonly wallMs: () => number;
  /** Told when %J meets a payload that is no JSON. */
  readonly onNoJson: (topic: string) => void;
}

/** How a field is laid out. */
interface Layout {
  readonly isLeft: boolean;
  readonly isZeroed: boolean;
  readonly width: number;
  /** Null: as long as it is. */
  readonly precision: number | null;
  /** For hex: between groups of `precision` digits. */
  readonly separator: string;
}

type Piece = (message: IncomingMessage, at: Date) => string | Uint8Array;
type TextField = (message: IncomingMessage, at: Date) => string;

const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['\\', '\\'],
  ['0', '\0'],
  ['a', '\x07'],
  ['e', '\x1b'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
  ['v', '\v'],
]);

/** Texts: a width fills up with spaces, a precision cuts. */
const TEXTS: ReadonlyMap<string, TextField> = new Map<string, TextField>([
  ['A', ({ properties }) => textOf(properties.topicAlias)],
  ['C', ({ properties }) => properties.contentType ?? ''],
  ['D', ({ properties }) => Buffer.from(properties.correlationData ?? []).toString()],
  ['E', ({ properties }) => textOf(properties.messageExpiryInterval)],
  ['F', ({ properties }) => textOf(properties.payloadFormatIndicator)],
  ['I', (_message, at) => isoTime(at)],
  ['P', ({ properties }) => (properties.userProperties ?? []).map(({ name, value }) => `${name}:${value}`).join(' ')],
  ['R', ({ properties }) => properties.responseTopic ?? ''],
  ['S', ({ properties }) => textOf(properties.subscriptionIdentifiers?.[0] ?? null)],
  ['t', ({ topic }) => topic],
  ['U', (_message, at) => epochTime(at)],
]);

/** Numbers: a width fills up with spaces or zeros. */
const NUMBERS: ReadonlyMap<string, (message: IncomingMessage) => number> = new Map([
  ['l', ({ payload }: IncomingMessage) => payload.length],
  ['m', ({ packetId }: IncomingMessage) => packetId],
  ['q', ({ qos }: IncomingMessage) => qos],
  ['r', ({ retain }: IncomingMessage) => (retain ? 1 : 0)],
]);

const NOT_YET = ['d', 'f'];

/** Reads a format. @throws ArgumentError when it is none */
export function createFormatPrinter(format: string, options: FormatOptions): MessagePrinter {
  const pieces = new FormatReader(format, options).read();
  const end = options.hasLineEnds ? '\n' : '';
  return (message) => {
    const at = new Date(options.wallMs());
    const parts = pieces.map((piece) => bytesOf(piece(message, at)));
    return Buffer.concat([...parts, Buffer.from(end)]);
  };
}

class FormatReader {
  readonly #format: string;
  readonly #options: FormatOptions;
  #at = 0;

  constructor(format: string, options: FormatOptions) {
    this.#format = format;
    this.#options = options;
  }

  read(): readonly Piece[] {
    const pieces: Piece[] = [];
    let literal = '';
    while (this.#at < this.#format.length) {
      const letter = this.#format[this.#at++] ?? '';
      if (letter === '\\') literal += this.#escape();
      else if (letter !== '%' && letter !== '@') literal += letter;
      else {
        if (literal !== '') pieces.push(constant(literal));
        literal = '';
        pieces.push(letter === '%' ? this.#field() : this.#timeField());
      }
    }
    if (literal !== '') pieces.push(constant(literal));
    return pieces;
  }

  /** The next character. */
  #next(kind: 'format' | 'escape'): string {
    const letter = this.#format[this.#at++];
    if (letter === undefined) throw new ArgumentError(`Incomplete ${kind} specifier.`);
    return letter;
  }

  #escape(): string {
    const letter = this.#next('escape');
    const known = ESCAPES.get(letter);
    if (known === undefined) throw new ArgumentError(`Invalid escape specifier '${letter}'.`);
    return known;
  }

  #timeField(): Piece {
    const letter = this.#next('format');
    if (letter === '@') return constant('@');
    const field = timeField(letter);
    return field === null ? constant(`%${letter}`) : (_message, at) => field(at);
  }

  #field(): Piece {
    const layout = this.#layout();
    const letter = this.#next('format');
    const text = TEXTS.get(letter);
    if (text !== undefined) return (message, at) => laidOutText(text(message, at), layout);
    const number = NUMBERS.get(letter);
    if (number !== undefined) return (message) => laidOutNumber(number(message), layout);
    switch (letter) {
      case '%':
        return constant('%');
      case 'p':
        return ({ payload }) => laidOutPayload(payload, layout);
      case 'x':
        return ({ payload }) => laidOutHex(Buffer.from(payload).toString('hex'), layout);
      case 'X':
        return ({ payload }) => laidOutHex(Buffer.from(payload).toString('hex').toUpperCase(), layout);
      case 'j':
        return this.#json('text');
      case 'J':
        return this.#json('json');
      default: {
        if (!NOT_YET.includes(letter)) throw new ArgumentError(`Invalid format specifier '${letter}'.`);
        throw new ArgumentError(`format '%${letter}' is not supported by zanzara sub yet.`, false);
      }
    }
  }

  #json(payload: 'text' | 'json'): Piece {
    const { isPretty, onNoJson } = this.#options;
    return (message, at) => {
      const json = messageJson(message, at, { payload, isPretty });
      if (json === null) onNoJson(message.topic);
      return json ?? '';
    };
  }

  #layout(): Layout {
    let flags = '';
    while ('-0'.includes(this.#format[this.#at] ?? '?')) flags += this.#format[this.#at++];
    const width = this.#digits() ?? 0;
    let precision: number | null = null;
    let separator = '';
    if (this.#format[this.#at] === '.') {
      this.#at++;
      precision = this.#digits() ?? 0;
      // A character in front of x that is no field of its own.
      const following = this.#format[this.#at + 1] ?? '';
      if ('xX'.includes(following) && following !== '') separator = this.#next('format');
    }
    return { isLeft: flags.includes('-'), isZeroed: flags.includes('0'), width, precision, separator };
  }

  #digits(): number | null {
    const start = this.#at;
    while (/\d/.test(this.#format[this.#at] ?? '') && this.#at - start < 4) this.#at++;
    return start === this.#at ? null : Number(this.#format.slice(start, this.#at));
  }
}

function constant(text: string): Piece {
  const bytes = Buffer.from(text);
  return () => bytes;
}

function bytesOf(part: string | Uint8Array): Uint8Array {
  return typeof part === 'string' ? Buffer.from(part) : part;
}

function textOf(value: number | null): string {
  return value === null ? '' : String(value);
}

function laidOutText(text: string, { width, precision, isLeft }: Layout): string {
  const cut = precision === null ? text : text.slice(0, precision);
  return isLeft ? cut.padEnd(width) : cut.padStart(width);
}

function laidOutNumber(value: number, { width, isLeft, isZeroed }: Layout): string {
  if (isLeft) return String(value).padEnd(width);
  return String(value).padStart(width, isZeroed ? '0' : ' ');
}

/** Bytes, so what is not text stays as it is. */
function laidOutPayload(payload: Uint8Array, { width, isLeft, isZeroed }: Layout): Uint8Array {
  const missing = width - payload.length;
  if (missing <= 0) return payload;
  const filler = Buffer.alloc(missing, isZeroed && !isLeft ? '0' : ' ');
  return Buffer.concat(isLeft ? [payload, filler] : [filler, payload]);
}

function laidOutHex(digits: string, layout: Layout): string {
  const { separator, precision, width, isLeft, isZeroed } = layout;
  const shown = separator === '' || !precision ? digits : grouped(digits, precision).join(separator);
  if (isLeft) return shown.padEnd(width);
  return shown.padStart(width, isZeroed ? '0' : ' ');
}

function grouped(digits: string, size: number): readonly string[] {
  const groups: string[] = [];
  for (let at = 0; at < digits.length; at += size) groups.push(digits.slice(at, at + size));
  return groups;
}
