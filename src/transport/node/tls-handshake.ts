/**
 * One connection from its first byte to a link, or to a line in the log.
 *
 *   unfinished ── handshake over, client welcome ──▶ a NodeLink has the socket
 *       │
 *       └── error, hang-up, deadline, too many others, client refused ──▶ socket destroyed, one line
 *
 * node refuses a client without a certificate inside of the handshake, so that it gets an alert. A bad certificate is
 * refused when the handshake is over: node lets OpenSSL go on and has no way to send an alert after that, so the client
 * sees its connection end, and only our log says why.
 */
import type { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Clock } from '../../base/clock.ts';
import type { Accept, PeerSecurity } from '../../base/link.ts';
import { toError } from '../transport-options.ts';
import { INPUT_BYTES_MAX, type LinkContext, openLink, withoutIpv4Prefix } from './node-link.ts';
import type { TlsContext } from './tls-context.ts';
import { type FailureLog, HUNG_UP } from './tls-failures.ts';
import { peerNames } from './tls-names.ts';
import { judgeClient } from './tls-verify.ts';

/** How long a client may take from its connection to the end of the handshake. */
export const HANDSHAKE_MS = 30_000;

/** What the connections of one transport share. */
export interface HandshakeShared {
  readonly link: LinkContext;
  readonly clock: Clock;
  readonly failures: FailureLog;
  /** Connections whose handshake is not over, the oldest first. */
  readonly unfinished: Set<Handshake>;
}

export interface HandshakeOptions {
  readonly accept: Accept;
  /** That was in force when it came. */
  readonly context: TlsContext;
  /** It still is. */
  readonly isInForce: () => boolean;
  readonly isUnix: boolean;
  readonly shared: HandshakeShared;
  /** Whose connection it is: its own unfinished ones go with a listener. */
  readonly listener: object;
}

interface Failed {
  readonly reason: string;
  readonly code: string;
  readonly certificate: X509Certificate | null;
}

export class Handshake {
  readonly listener: object;
  readonly #options: HandshakeOptions;
  readonly #raw: Socket;
  readonly #socket: TLSSocket;
  readonly #peer: string;
  readonly #cancelDeadline: () => void;
  #pskIdentity: string | null = null;
  #isOver = false;

  constructor(raw: Socket, options: HandshakeOptions) {
    this.#options = options;
    this.#raw = raw;
    this.listener = options.listener;
    this.#peer = options.isUnix ? 'a unix socket' : addressOf(raw);
    const { clock, unfinished } = options.shared;
    const socket = new TLSSocket(raw, this.#socketOptions());
    this.#socket = socket;
    unfinished.add(this);
    this.#cancelDeadline = clock.after(HANDSHAKE_MS, () => this.end(`not finished within ${HANDSHAKE_MS / 1000} s`));
    socket.once('secure', () => this.#secured());
    socket.on('error', (error: Error) => this.#failed(error));
    // Errors of the socket below, and what breaks the encryption later, come by this name only.
    socket.on('_tlsError', (error: Error) => this.#failed(error));
    socket.once('end', () => this.#hungUp());
    socket.once('close', () => this.#hungUp());
    const { onKeyLog } = options.context.settings;
    if (onKeyLog !== null) socket.on('keylog', onKeyLog);
  }

  /** Gives the connection up, with a line in the log. Nothing happens when the handshake is over. */
  end(reason: string): void {
    this.#fail({ reason, code: '', certificate: null });
  }

  /** Gives the connection up without a word. */
  drop(): void {
    this.#finish();
    this.#socket.destroy();
  }

  #socketOptions() {
    const { settings, secureContext, asksForCertificate } = this.#options.context;
    const common = {
      isServer: true,
      secureContext,
      requestCert: asksForCertificate,
      rejectUnauthorized: asksForCertificate,
      highWaterMark: INPUT_BYTES_MAX,
    };
    if (settings.pskHint === null) return common;
    return {
      ...common,
      pskIdentityHint: settings.pskHint,
      pskCallback: (_: TLSSocket, identity: string) => {
        this.#pskIdentity = identity;
        return settings.pskKeyOf?.(identity) ?? null;
      },
    };
  }

  #secured(): void {
    if (this.#isOver) return;
    const { context, isInForce, shared, accept, isUnix } = this.#options;
    if (!isInForce()) {
      this.end('its listener was read anew meanwhile');
      return;
    }
    const { reason, certificate } = judgeClient(this.#socket, context, shared.clock.wallMs());
    if (reason !== null) {
      this.#fail({ reason: `certificate verify failed: ${reason}`, code: '', certificate });
      return;
    }
    this.#finish();
    try {
      openLink(this.#socket, shared.link, accept, isUnix, this.#securityOf(certificate));
    } catch (error) {
      shared.link.onFault(toError(error));
    }
  }

  #securityOf(certificate: X509Certificate | null): PeerSecurity {
    return {
      version: this.#socket.getProtocol() ?? '',
      cipher: this.#socket.getCipher().name,
      certificate: certificate === null ? null : peerNames(certificate),
      pskIdentity: this.#pskIdentity,
    };
  }

  #failed(error: Error): void {
    if (this.#isOver) {
      this.#socket.destroy(error);
      return;
    }
    const code = 'code' in error ? String(error.code) : '';
    if (code === 'ECONNRESET' || code === 'EPIPE') {
      this.#hungUp();
      return;
    }
    const reason = 'reason' in error && typeof error.reason === 'string' ? error.reason : error.message;
    this.#fail({ reason, code, certificate: null });
  }

  /** A client that says nothing at all, such as a look whether the port is open, is not worth a line. */
  #hungUp(): void {
    if (this.#isOver) return;
    if (this.#raw.bytesRead === 0) this.drop();
    else this.end(HUNG_UP);
  }

  #fail({ reason, code, certificate }: Failed): void {
    if (this.#isOver) return;
    this.drop();
    const { context, shared } = this.#options;
    shared.failures.write({ peer: this.#peer, context, reason, code, certificate, pskIdentity: this.#pskIdentity });
  }

  #finish(): void {
    this.#isOver = true;
    this.#cancelDeadline();
    this.#options.shared.unfinished.delete(this);
  }
}

function addressOf({ remoteAddress, remotePort }: Socket): string {
  if (remoteAddress === undefined || remotePort === undefined) return 'a client that has gone';
  return `${withoutIpv4Prefix(remoteAddress)}:${remotePort}`;
}
