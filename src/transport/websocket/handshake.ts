/**
 * The opening handshake of a WebSocket (RFC 6455, section 4.2): a request comes in, an HTTP answer goes out. The answer to
 * a good one has the lines, and the order, of Mosquitto's. A bad one gets a short answer that says what was wrong, because
 * a browser's developer tools show it.
 */
import { createHash } from 'node:crypto';
import { HeadReader, listOf, parseRequest, type Request } from './request.ts';

export interface WebSocketOptions {
  /** `websockets_origin`: the Origin must be one of these exactly. Empty: anything goes, and none. */
  readonly origins: readonly string[];
  /** `packet_buffer_size`: the most that the head of a request may have. */
  readonly headerBytesMax: number;
}

/** The answer to a request. */
export interface HandshakeAnswer {
  readonly reply: Buffer;
  /** Why there will be no WebSocket; null: there is one now. */
  readonly refusal: string | null;
}

/** The subprotocols that we speak [MQTT-6.0.0-4]; `mqttv3.1` is what clients of MQTT 3.1 ask for. */
const SUBPROTOCOLS: readonly string[] = ['mqtt', 'mqttv3.1'];

/** Of the sixteen random bytes that a client sends in base64. */
const KEY = /^[A-Za-z0-9+/]{22}==$/;
/** Section 1.3 of RFC 6455. */
const ACCEPT_SUFFIX = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
/** Of a value that was sent, in the log. */
const SHOWN_CHARACTERS_MAX = 100;

/** One client's handshake. */
export class Handshake {
  readonly #options: WebSocketOptions;
  readonly #head: HeadReader;

  constructor(options: WebSocketOptions) {
    this.#options = options;
    this.#head = new HeadReader(options.headerBytesMax);
  }

  /** @returns the answer, or null while the head is not complete. Not to be called again after an answer. */
  read(bytes: Uint8Array, start: number, end: number): HandshakeAnswer | null {
    const head = this.#head.read(bytes, start, end);
    switch (head.kind) {
      case 'incomplete':
        return null;
      case 'malformed':
        return refuse(400, `this is no HTTP request: ${head.text}`);
      case 'too-long':
        return refuse(431, `the header has more than ${this.#options.headerBytesMax} bytes (packet_buffer_size)`);
      case 'complete':
        if (head.end < end) return refuse(400, 'bytes were sent before the answer to the request');
        return answerRequest(head.text, this.#options.origins);
    }
  }
}

function answerRequest(head: string, origins: readonly string[]): HandshakeAnswer {
  const request = parseRequest(head);
  if (typeof request === 'string') return refuse(400, `this is no HTTP request: ${request}`);
  const refusal = checkUpgrade(request) ?? checkOrigin(request, origins);
  if (refusal !== null) return refusal;
  const subprotocol = listOf(request, 'sec-websocket-protocol').find((name) => SUBPROTOCOLS.includes(name));
  if (subprotocol === undefined) return refuse(400, `Sec-WebSocket-Protocol must offer ${SUBPROTOCOLS.join(' or ')}`);
  const lines = [
    'HTTP/1.1 101 Switching Protocols',
    'Upgrade: WebSocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Accept: ${acceptOf(request.fields.get('sec-websocket-key') ?? '')}`,
    `Sec-WebSocket-Protocol: ${subprotocol}`,
  ];
  return { reply: toReply(lines, ''), refusal: null };
}

function checkUpgrade(request: Request): HandshakeAnswer | null {
  const { method, version, fields } = request;
  if (method !== 'GET') return refuse(405, `the method must be GET, got ${shown(method)}`);
  if (version !== 'HTTP/1.1') return refuse(400, `HTTP/1.1 is needed, got ${shown(version)}`);
  if (!listOf(request, 'upgrade').some((name) => name.toLowerCase() === 'websocket')) {
    return refuse(426, 'MQTT over WebSocket is spoken here: Upgrade must be websocket');
  }
  if (!listOf(request, 'connection').some((name) => name.toLowerCase() === 'upgrade')) {
    return refuse(400, 'Connection must contain upgrade');
  }
  const wanted = fields.get('sec-websocket-version') ?? '';
  if (wanted !== '13') return refuse(426, `Sec-WebSocket-Version must be 13, got '${shown(wanted)}'`);
  return KEY.test(fields.get('sec-websocket-key') ?? '')
    ? null
    : refuse(400, 'Sec-WebSocket-Key must be 16 bytes in base64');
}

function checkOrigin({ fields }: Request, origins: readonly string[]): HandshakeAnswer | null {
  const origin = fields.get('origin');
  if (origins.length === 0 || (origin !== undefined && origins.includes(origin))) return null;
  const given = origin === undefined ? 'none was sent' : `got '${shown(origin)}'`;
  return refuse(403, `Origin must be one of websockets_origin, ${given}`);
}

function shown(value: string): string {
  return value.length <= SHOWN_CHARACTERS_MAX ? value : `${value.slice(0, SHOWN_CHARACTERS_MAX)}...`;
}

/** Section 4.2.2 of RFC 6455, step 5.4. */
function acceptOf(key: string): string {
  return createHash('sha1').update(`${key}${ACCEPT_SUFFIX}`, 'latin1').digest('base64');
}

/** What the answers other than 101 say in their first line, and lines that must come with them. */
const REFUSALS = {
  400: ['Bad Request'],
  403: ['Forbidden'],
  405: ['Method Not Allowed', 'Allow: GET'],
  426: ['Upgrade Required', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13'],
  431: ['Request Header Fields Too Large'],
} as const;

function refuse(status: keyof typeof REFUSALS, text: string): HandshakeAnswer {
  const [reason, ...lines] = REFUSALS[status];
  const body = `${text}\n`;
  const head = [
    `HTTP/1.1 ${status} ${reason}`,
    ...lines,
    'Content-Type: text/plain; charset=iso-8859-1',
    `Content-Length: ${body.length}`,
    // Who names a protocol to change to must say so here as well (RFC 9110, section 7.8).
    `Connection: close${status === 426 ? ', Upgrade' : ''}`,
  ];
  return { reply: toReply(head, body), refusal: text };
}

function toReply(lines: readonly string[], body: string): Buffer {
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n${body}`, 'latin1');
}
