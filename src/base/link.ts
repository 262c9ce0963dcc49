/**
 * One connected byte stream, and the one who listens to it. The transport owns the socket, the core owns the rest.
 *
 * Bytes that arrive are borrowed: they are valid only until `onBytes` returns, because the transport reads the next
 * chunk into the same buffer. Bytes that leave are lent: the link keeps a reference until it has reported them with
 * `onSent`, so that a pooled buffer can be used again without a copy. After `onEnd` it keeps none, reported or not.
 */
export interface Link {
  /** Address of the peer as text ('127.0.0.1', '::1'), without brackets; '' for a unix socket. */
  readonly remoteAddress: string;
  /** Ports are 0 for a unix socket. */
  readonly remotePort: number;
  readonly localPort: number;
  /** What is known of the peer by TLS; absent where nothing is encrypted. */
  readonly security?: PeerSecurity;
  /** Bytes handed to `send` that the operating system has not taken yet. */
  readonly pendingBytes: number;
  /**
   * Sends `bytes[start, end)` in order. Ignored after `close` or `destroy`. The range must not change until it was
   * reported by `onSent`, which may happen inside this call.
   */
  send(bytes: Uint8Array, start: number, end: number): void;
  /**
   * Stops reading: no `onBytes` until `resume`. A hang-up by the peer is still reported: a reset at once, an orderly
   * end at once when nothing unread precedes it, otherwise after `resume` and that input. What a transport cannot see
   * of this it says at its head.
   */
  pause(): void;
  /** Reads again. No `onBytes` inside this call. */
  resume(): void;
  /**
   * Sends what was handed over, then ends the connection; after `lingerMs` the rest is given up. 0: the peer, which has
   * said goodbye, is not waited for, and what the system does not take at once is given up. No `onBytes` after
   * this call, what still arrives is thrown away; `onSent` goes on.
   */
  close(lingerMs: number): void;
  /** Ends the connection now; what was not sent is lost. Nothing but `onEnd` is reported after this call. */
  destroy(): void;
}

/** What TLS, or a proxy that ended TLS in front of us, says of the peer. */
export interface PeerSecurity {
  /** 'TLSv1.3'; '' when a proxy did not say. */
  readonly version: string;
  /** The cipher's name in OpenSSL's form; '' when a proxy did not say. */
  readonly cipher: string;
  /** Of the client's certificate, which was verified; null = it sent none. */
  readonly certificate: PeerCertificate | null;
  /** The identity of a pre-shared key; null = none was used. */
  readonly pskIdentity: string | null;
}

/** The names of a certificate. Null: there is none, or it holds NUL or malformed UTF-8 and names nobody. */
export interface PeerCertificate {
  readonly commonName: string | null;
  /** As RFC 2253 writes it: `CN=robot5,O=Plant`. */
  readonly subject: string | null;
}

/**
 * Why a link ended. `peer`: orderly end by the other side, after its input was handled and what had been sent until
 * the end of that turn was flushed, for a bounded time; `local`: close or destroy was called here.
 */
export type LinkEnd = { readonly kind: 'peer' | 'local' } | { readonly kind: 'error'; readonly error: Error };

/** What a link tells its user. No method may throw. */
export interface LinkEvents {
  /** Borrowed bytes `[start, end)`; at least one. Who reads them may overwrite them: a WebSocket unmasks in place. */
  onBytes(bytes: Uint8Array, start: number, end: number): void;
  /** The operating system has taken this many more of the sent bytes, in the order of `send`. */
  onSent(byteCount: number): void;
  /** The last event, exactly once, also after `close` and `destroy`; never inside a call of the link's methods. */
  onEnd(end: LinkEnd): void;
}

/** Where to listen. Port 0 asks for any free port. */
export interface ListenAt {
  readonly host: string;
  readonly port: number;
  /** True: an IPv6 socket that takes no IPv4 connection. */
  readonly isIpv6Only: boolean;
  /** True: small packets may wait for an acknowledgement (Nagle), TCP_NODELAY is not set. */
  readonly isDelayed?: boolean;
}

/** The file of a unix socket. It is made by `listen`, which refuses one that is there, and removed at the end. */
export interface UnixAddress {
  readonly path: string;
}

/** Where to connect to. */
export type ConnectTo = { readonly host: string; readonly port: number } | UnixAddress;

export interface Listening {
  /** The address it is bound to, or the path of its unix socket. */
  readonly host: string;
  /** 0 for a unix socket. */
  readonly port: number;
  /** Stops accepting. Open links live on. */
  close(): Promise<void>;
}

/**
 * Told once for each accepted link; what it returns hears the link's events. The link may be used inside this call,
 * its events come after it.
 */
export type Accept = (link: Link) => LinkEvents;

/** A way to make links. Failures of `listen` and `connect` carry the system's code (EADDRINUSE, ECONNREFUSED, ...). */
export interface Transport {
  listen(at: ListenAt | UnixAddress, accept: Accept): Promise<Listening>;
  connect(to: ConnectTo, accept: Accept): Promise<void>;
}
