/**
 * A Link behind a proxy: first the PROXY header is read, then the one it is for is told of a link that has the client's
 * own address. From there on everything passes straight through.
 *
 *            good header                        bad header, LOCAL, deadline
 *   header ──────────────▶ open            header ──────────────────────────▶ closed, and nobody was told
 *
 * What comes behind the header in one chunk is handed on at once. Only a user that pauses while it is told of the link
 * makes us keep it: until `resume`, and an orderly end that comes meanwhile is told after it.
 */
import type { Clock } from '../../base/clock.ts';
import type { Accept, Link, LinkEnd, LinkEvents, PeerSecurity } from '../../base/link.ts';
import type { Log } from '../../base/log.ts';
import { toError } from '../transport-options.ts';
import { parseProxyV1 } from './parse-proxy-v1.ts';
import { parseProxyV2 } from './parse-proxy-v2.ts';
import { HEADER_BYTES_MAX, type ProxySource } from './proxy-header.ts';

export interface ProxyOptions {
  /** `enable_proxy_protocol`: the one version that is taken. */
  readonly version: 1 | 2;
  /** `proxy_protocol_v2_require_tls`: the proxy must say that the client uses TLS. */
  readonly requiresTls: boolean;
  /** `require_certificate`: the proxy must say that the client has sent a certificate, and that it is good. */
  readonly requiresCertificate: boolean;
  readonly log: Log;
  readonly clock: Clock;
  /** How long a header may take to come. */
  readonly headerDeadlineMs: number;
}

export class ProxiedLink implements Link, LinkEvents {
  remoteAddress: string;
  remotePort: number;
  readonly localPort: number;
  security?: PeerSecurity;
  readonly #link: Link;
  readonly #accept: Accept;
  readonly #options: ProxyOptions;
  /** Null until the header was read. */
  #events: LinkEvents | null = null;
  #cancelDeadline: (() => void) | null;
  /** A header that comes in parts. */
  #head: Uint8Array | null = null;
  #headBytes = 0;
  #isPaused = false;
  /** The user has closed or destroyed it, or we have. */
  #isClosed = false;
  /** What was reported as sent while the user was told of the link. */
  #earlySentBytes = 0;
  /** Input that came with the header to a user that does not read. */
  #kept: Uint8Array | null = null;
  /** The end of the link below, behind what is kept. */
  #keptEnd: LinkEnd | null = null;

  constructor(link: Link, accept: Accept, options: ProxyOptions) {
    this.#link = link;
    this.#accept = accept;
    this.#options = options;
    this.remoteAddress = link.remoteAddress;
    this.remotePort = link.remotePort;
    this.localPort = link.localPort;
    if (link.security !== undefined) this.security = link.security;
    this.#cancelDeadline = options.clock.after(options.headerDeadlineMs, () => this.#onDeadline());
  }

  // -------------------------------------------------------------------------------------------------------- Link

  get pendingBytes(): number {
    return this.#link.pendingBytes;
  }

  send(bytes: Uint8Array, start: number, end: number): void {
    this.#link.send(bytes, start, end);
  }

  pause(): void {
    this.#isPaused = true;
    this.#link.pause();
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    if (this.#kept === null) this.#link.resume();
    else queueMicrotask(() => this.#deliverKept());
  }

  close(lingerMs: number): void {
    this.#link.close(lingerMs);
    this.#stopReading();
  }

  destroy(): void {
    this.#link.destroy();
    this.#earlySentBytes = 0;
    this.#stopReading();
  }

  // --------------------------------------------------------------------------------------------------- LinkEvents

  onBytes(bytes: Uint8Array, start: number, end: number): void {
    if (this.#events !== null) this.#events.onBytes(bytes, start, end);
    else if (!this.#isClosed) this.#readHeader(bytes, start, end);
  }

  onSent(byteCount: number): void {
    if (this.#events === null) this.#earlySentBytes += byteCount;
    else this.#events.onSent(byteCount);
  }

  onEnd(end: LinkEnd): void {
    this.#endHeader();
    if (this.#kept === null || end.kind !== 'peer') {
      this.#kept = null;
      this.#events?.onEnd(end);
      return;
    }
    this.#keptEnd = end;
  }

  // ------------------------------------------------------------------------------------------------------- header

  #readHeader(bytes: Uint8Array, start: number, end: number): void {
    const before = this.#headBytes;
    const head = this.#head;
    if (head !== null) {
      const part = bytes.subarray(start, Math.min(end, start + HEADER_BYTES_MAX - before));
      head.set(part, before);
      this.#headBytes += part.length;
    }
    const parse = this.#options.version === 1 ? parseProxyV1 : parseProxyV2;
    const parsed = head === null ? parse(bytes, start, end) : parse(head, 0, this.#headBytes);
    switch (parsed.kind) {
      case 'incomplete':
        if (head === null) this.#keepHead(bytes, start, end);
        return;
      case 'corrupt':
        this.#reject('corrupt PROXY header', parsed.text);
        return;
      case 'complete':
        this.#takeHeader(parsed.source, bytes, start + parsed.byteCount - before, end);
    }
  }

  /** Less than HEADER_BYTES_MAX bytes: as many would not be incomplete. */
  #keepHead(bytes: Uint8Array, start: number, end: number): void {
    this.#head = new Uint8Array(HEADER_BYTES_MAX);
    this.#head.set(bytes.subarray(start, end));
    this.#headBytes = end - start;
  }

  #takeHeader(source: ProxySource, bytes: Uint8Array, restStart: number, end: number): void {
    const { requiresTls, requiresCertificate } = this.#options;
    const security = source.kind === 'client' ? source.security : null;
    if (source.kind === 'local') this.#closeUnheard();
    else if (requiresTls && security === null) this.#reject('client TLS required', 'the header says nothing of TLS');
    else if (requiresCertificate && (security?.certificate ?? null) === null) {
      this.#reject('client certificate required', 'the header says nothing of a certificate that was verified');
    } else {
      if (source.kind === 'client') this.#become(source);
      this.#open(bytes, restStart, end);
    }
  }

  #become(client: Extract<ProxySource, { kind: 'client' }>): void {
    this.remoteAddress = client.remoteAddress;
    this.remotePort = client.remotePort;
    if (client.security !== null) this.security = client.security;
  }

  #open(bytes: Uint8Array, restStart: number, end: number): void {
    this.#endHeader();
    const events = this.#accept(this);
    this.#events = events;
    if (this.#earlySentBytes > 0) events.onSent(this.#earlySentBytes);
    if (restStart === end || this.#isClosed) return;
    // Not `slice`, which does not copy when the bytes are a Buffer.
    if (this.#isPaused) this.#kept = new Uint8Array(bytes.subarray(restStart, end));
    else events.onBytes(bytes, restStart, end);
  }

  #endHeader(): void {
    this.#cancelDeadline?.();
    this.#cancelDeadline = null;
    this.#head = null;
  }

  /** The first line is Mosquitto's for a corrupt header, which people search for. */
  #reject(reason: string, details: string): void {
    const { log, version } = this.#options;
    log.write('notice', `Connection rejected, ${reason}.`);
    const { remoteAddress, remotePort, localPort } = this.#link;
    const from = remoteAddress === '' ? 'a unix socket' : `${remoteAddress}:${remotePort}`;
    log.write('information', `PROXY header (version ${version}) from ${from} to port ${localPort}: ${details}.`);
    this.#closeUnheard();
  }

  #closeUnheard(): void {
    this.#isClosed = true;
    this.#endHeader();
    this.#link.close(0);
  }

  #onDeadline(): void {
    const { headerDeadlineMs } = this.#options;
    this.#cancelDeadline = null;
    this.#reject('no complete PROXY header', `nothing complete in ${headerDeadlineMs / 1000} s`);
    this.#link.destroy();
  }

  // --------------------------------------------------------------------------------------------- what was kept

  #deliverKept(): void {
    const events = this.#events;
    const kept = this.#kept;
    if (events === null || kept === null || this.#isPaused) return;
    this.#kept = null;
    try {
      events.onBytes(kept, 0, kept.length);
    } catch (error) {
      this.#fault(events, toError(error));
      return;
    }
    if (this.#keptEnd !== null) events.onEnd(this.#keptEnd);
    else if (!this.#isPaused && !this.#isClosed) this.#link.resume();
  }

  /** No transport is around to catch what the user's code throws here. */
  #fault(events: LinkEvents, error: Error): void {
    this.#options.log.write('error', `Error: Internal error, please report it: ${error.stack ?? error.message}`);
    const end: LinkEnd = { kind: 'error', error };
    const isOver = this.#keptEnd !== null;
    this.#events = { onBytes() {}, onSent() {}, onEnd: isOver ? () => {} : () => events.onEnd(end) };
    if (isOver) events.onEnd(end);
    else this.#link.destroy();
  }

  /** Nothing of what was kept is told any more; an end that was waits for the call to be over. */
  #stopReading(): void {
    this.#isClosed = true;
    this.#kept = null;
    const end = this.#keptEnd;
    this.#keptEnd = null;
    if (end !== null) queueMicrotask(() => this.#events?.onEnd(end));
  }
}
