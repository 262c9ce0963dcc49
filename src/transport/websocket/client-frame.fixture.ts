/** Frames and requests as WebSocket clients send them, good and bad. */

export interface ClientFrame {
  /** Default: 2, binary. */
  readonly opcode?: number;
  readonly payload?: Uint8Array;
  /** Default: true. */
  readonly isFinal?: boolean;
  /** The three reserved bits as a number. */
  readonly reserved?: number;
  /** The bytes of the key, first one highest; null = not masked. */
  readonly key?: number | null;
  /** How long the length is written; default: as short as can be. */
  readonly lengthBytes?: 0 | 2 | 8;
  /** What the length says, when that is not how long the payload is. */
  readonly length?: bigint;
}

const DEFAULT_KEY = 0x37fa213d;

export function clientFrame(frame: ClientFrame = {}): Buffer {
  const { opcode = 2, payload = new Uint8Array(0), isFinal = true, reserved = 0, key = DEFAULT_KEY } = frame;
  const length = frame.length ?? BigInt(payload.length);
  const lengthBytes = frame.lengthBytes ?? (length < 126n ? 0 : length < 65_536n ? 2 : 8);
  const head = Buffer.alloc(2 + lengthBytes + (key === null ? 0 : 4));
  head[0] = (isFinal ? 0x80 : 0) | (reserved << 4) | opcode;
  const short = lengthBytes === 0 ? Number(length) : lengthBytes === 2 ? 126 : 127;
  head[1] = (key === null ? 0 : 0x80) | short;
  if (lengthBytes === 2) head.writeUInt16BE(Number(length), 2);
  if (lengthBytes === 8) head.writeBigUInt64BE(length, 2);
  if (key !== null) head.writeUInt32BE(key >>> 0, head.length - 4);
  return Buffer.concat([head, masked(payload, key ?? 0)]);
}

/** Byte by byte, as the standard has it. */
export function masked(payload: Uint8Array, key: number): Buffer {
  return Buffer.from(payload.map((byte, index) => byte ^ (key >>> (24 - 8 * (index % 4)))));
}

export const REQUEST_LINES: readonly string[] = [
  'GET /mqtt HTTP/1.1',
  'Host: broker.example:9001',
  'Upgrade: websocket',
  'Connection: Upgrade',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Protocol: mqtt',
];

/** A request of REQUEST_LINES; lines that begin like one of `changed` are replaced by it, others are added. */
export function requestOf(...changed: readonly string[]): Buffer {
  const nameOf = (line: string) => line.slice(0, line.indexOf(':')).toLowerCase();
  const added = changed.filter((line) => !REQUEST_LINES.some((known) => nameOf(known) === nameOf(line)));
  const lines = REQUEST_LINES.map((line) => changed.find((other) => nameOf(other) === nameOf(line)) ?? line);
  return requestText([...lines, ...added]);
}

/** The same without the lines that begin with `name`. */
export function requestWithout(name: string): Buffer {
  return requestText(REQUEST_LINES.filter((line) => !line.toLowerCase().startsWith(`${name.toLowerCase()}:`)));
}

export function requestText(lines: readonly string[]): Buffer {
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
}

/** The answer to REQUEST_LINES: the key and what it becomes are the example of RFC 6455, section 1.3. */
export const REPLY = [
  'HTTP/1.1 101 Switching Protocols',
  'Upgrade: WebSocket',
  'Connection: Upgrade',
  'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=',
  'Sec-WebSocket-Protocol: mqtt',
  '',
  '',
].join('\r\n');
