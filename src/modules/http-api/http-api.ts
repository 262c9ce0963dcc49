/**
 * The HTTP API of one listener: GET only, each request with the rights of its user, answers from `/api/v1/` or files of
 * `http_dir`. Section 16 of the reference.
 *
 * Everything that a client can make grow is bounded: connections, bytes of a request's head, requests that wait on one
 * connection, and time: a connection that waits for a request, whole or half-sent, has REQUEST_WAIT_MS, an answer
 * ANSWER_MS. The requests of one connection are answered one after the other. Node's own timeouts are not used: they need
 * a socket of node's, and would not run on the clock of a test.
 */
import type { EventEmitter } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Clock } from '../../base/clock.ts';
import type { Accept, Link, LinkEvents, ListenAt, Listening, UnixAddress } from '../../base/link.ts';
import { systemClock } from '../../transport/node/node-clock.ts';
import { createNodeTransport } from '../../transport/node/node-transport.ts';
import type { TlsContext } from '../../transport/node/tls-context.ts';
import { openLinkStream } from './link-stream.ts';
import { type AnswerOptions, answerRequest } from './request-answers.ts';

export interface HttpApiOptions extends AnswerOptions {
  /** Certificates for new connections, as for TlsTransport.listen; null = without TLS. */
  readonly tls: (() => TlsContext | null) | null;
  /** By default the system's. */
  readonly clock?: Clock;
}

export interface HttpApi {
  /** For a transport of one's own: speaks HTTP on each accepted link. */
  readonly accept: Accept;
  /** Listens on a socket of node's. When what it returns is closed, all connections are ended. */
  listen(at: ListenAt | UnixAddress): Promise<Listening>;
  /** Ends all connections; new ones are turned away. */
  close(): void;
}

const CONNECTIONS_MAX = 64;
/** Bytes of a request's line and headers. */
const HEAD_BYTES_MAX = 8 * 1024;
/** Requests that may wait on a connection behind the one that is being answered; one more ends it. */
const REQUESTS_WAITING_MAX = 16;
/** From the connection, or the last answer, to the end of a request's head. */
const REQUEST_WAIT_MS = 15_000;
const ANSWER_MS = 60_000;
const TURN_AWAY_LINGER_MS = 1_000;

const NOBODY: LinkEvents = { onBytes() {}, onSent() {}, onEnd() {} };

/** Makes the API of one listener; nothing is open yet. */
export function createHttpApi(options: HttpApiOptions): HttpApi {
  return new Api(options);
}

/** One connection and its deadline. */
interface Connection {
  readonly stream: Duplex;
  readonly remoteAddress: string;
  /** By which it was let in: with another one in force it has to come again. */
  readonly context: TlsContext | null;
  /** Requests that are not answered yet. */
  openCount: number;
  /** Ends when the last of them is answered. */
  tail: Promise<void>;
  isEnding: boolean;
  cancelDeadline: () => void;
}

class Api implements HttpApi {
  readonly accept: Accept;
  readonly #options: HttpApiOptions;
  readonly #clock: Clock;
  readonly #server: Server;
  readonly #connections = new Map<Duplex, Connection>();
  #isClosed = false;
  #isFullSaid = false;

  constructor(options: HttpApiOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.accept = (link) => this.#accept(link);
    const onRequest = (request: IncomingMessage, response: ServerResponse): void => this.#enqueue(request, response);
    this.#server = createServer({ maxHeaderSize: HEAD_BYTES_MAX, keepAliveTimeout: REQUEST_WAIT_MS }, onRequest);
    // Whoever asks before it sends a body gets the answer instead.
    this.#server.on('checkContinue', onRequest);
    this.#server.on('connect', (_request, stream) => endWith(stream, METHOD_REFUSED));
    this.#server.on('clientError', (error, stream) => this.#refuseMalformed(error, stream));
  }

  async listen(at: ListenAt | UnixAddress): Promise<Listening> {
    const listening = await this.#open(at);
    return {
      host: listening.host,
      port: listening.port,
      close: async () => {
        await listening.close();
        this.close();
      },
    };
  }

  close(): void {
    this.#isClosed = true;
    for (const { stream } of this.#connections.values()) stream.destroy();
  }

  async #open(at: ListenAt | UnixAddress): Promise<Listening> {
    const { tls, log, onFault } = this.#options;
    const onAcceptError = (error: Error): void => {
      log.write('error', `Error: The HTTP API could not accept a connection: ${error.message}.`);
    };
    if (tls === null) return await createNodeTransport({ onFault, onAcceptError }).listen(at, this.accept);
    // Loaded only by who needs it.
    const { createTlsTransport } = await import('../../transport/node/tls-transport.ts');
    const transport = createTlsTransport({ onFault, onAcceptError, log, clock: this.#clock });
    return await transport.listen(at, this.accept, tls);
  }

  // ------------------------------------------------------------------------------------------------- connections

  #accept(link: Link): LinkEvents {
    if (this.#isClosed || this.#connections.size >= CONNECTIONS_MAX) {
      if (!this.#isClosed) this.#sayFull();
      link.send(BUSY, 0, BUSY.length);
      link.close(TURN_AWAY_LINGER_MS);
      return NOBODY;
    }
    const { stream, events } = openLinkStream(link);
    const connection: Connection = {
      stream,
      remoteAddress: link.remoteAddress,
      context: this.#context,
      openCount: 0,
      tail: Promise.resolve(),
      isEnding: false,
      cancelDeadline: () => undefined,
    };
    this.#connections.set(stream, connection);
    stream.on('error', () => undefined);
    stream.once('close', () => {
      connection.cancelDeadline();
      this.#connections.delete(stream);
      if (this.#connections.size < CONNECTIONS_MAX / 2) this.#isFullSaid = false;
    });
    this.#setDeadline(connection, REQUEST_WAIT_MS);
    // The documented way to give a server a stream that is no socket of its own, which its type does not know.
    const emitter: EventEmitter = this.#server;
    emitter.emit('connection', stream);
    return events;
  }

  /** Null: without TLS. */
  get #context(): TlsContext | null {
    return this.#options.tls?.() ?? null;
  }

  #setDeadline(connection: Connection, ms: number): void {
    connection.cancelDeadline();
    connection.cancelDeadline = this.#clock.after(ms, () => connection.stream.destroy());
  }

  #sayFull(): void {
    if (this.#isFullSaid) return;
    this.#isFullSaid = true;
    const text = `The HTTP API has ${CONNECTIONS_MAX} connections, its limit; more are answered with 503.`;
    this.#options.log.write('warning', `Warning: ${text}`);
  }

  /** The parser gave up: nothing after this on the connection can be understood. */
  #refuseMalformed(error: Error, stream: Duplex): void {
    const connection = this.#connections.get(stream);
    if (connection?.isEnding === true) return;
    if (connection === undefined || connection.openCount > 0 || !stream.writable) {
      stream.destroy();
      return;
    }
    connection.isEnding = true;
    const isTooLarge = 'code' in error && error.code === 'HPE_HEADER_OVERFLOW';
    endWith(stream, isTooLarge ? HEAD_TOO_LARGE : MALFORMED);
  }

  // ---------------------------------------------------------------------------------------------------- requests

  #enqueue(request: IncomingMessage, response: ServerResponse): void {
    const connection = this.#connections.get(request.socket);
    const isOutdated = connection?.context !== this.#context;
    if (connection === undefined || isOutdated || connection.openCount > REQUESTS_WAITING_MAX) {
      request.socket.destroy();
      return;
    }
    connection.openCount += 1;
    this.#setDeadline(connection, ANSWER_MS);
    const onGone = (): void => {
      response.destroy();
    };
    connection.stream.once('close', onGone);
    const { remoteAddress } = connection;
    connection.tail = connection.tail
      .then(() => answerRequest({ request, response, remoteAddress }, this.#options))
      .finally(() => {
        connection.stream.off('close', onGone);
        connection.openCount -= 1;
        if (!connection.stream.destroyed) {
          this.#setDeadline(connection, connection.openCount === 0 ? REQUEST_WAIT_MS : ANSWER_MS);
        }
      });
  }
}

const BUSY = bareAnswer('503 Service Unavailable', 'Retry-After: 5\r\n');
const MALFORMED = bareAnswer('400 Bad Request');
const HEAD_TOO_LARGE = bareAnswer('431 Request Header Fields Too Large');
const METHOD_REFUSED = bareAnswer('405 Method Not Allowed', 'Allow: GET\r\n');

/** An answer for who is not, or not any more, spoken to through node:http. */
function bareAnswer(status: string, headers = ''): Uint8Array {
  return new TextEncoder().encode(`HTTP/1.1 ${status}\r\n${headers}Connection: close\r\nContent-Length: 0\r\n\r\n`);
}

function endWith(stream: Duplex, answer: Uint8Array): void {
  stream.end(answer);
}
