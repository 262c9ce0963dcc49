/**
 * A Link over one socket of node:net (or node:tls, which offers the same).
 *
 * Out: what is sent waits in a queue of our own and goes to the socket in writes of at most WRITE_BYTES_MAX, one at a
 * time. Handing all of it over at once would be less code, but node reports a write only when the last byte of it has
 * gone, so that a slow reader of a large message would look like one that reads nothing. What is sent within one turn
 * goes out as one write (writev where it is several ranges).
 *
 * In: a paused socket is read until INPUT_BYTES_MAX or more lie in node's buffer, so at most that plus one read of
 * 64 KiB. That reading on is also what notices a hang-up: a reset or, when nothing unread precedes it, the end of the
 * stream. Behind more unread input than that node does not look at the socket, and a hang-up is noticed by the next
 * write that fails or after `resume`.
 *
 *            close()                   peer's FIN and our FIN sent, linger over, error
 *   open ───────────────▶ ending ────────────────────────────▶ ended (onEnd)
 *     │  peer's FIN, and    │ sends what waits, then FIN;            ▲
 *     │  the turn's end     │ throws input away                      │
 *     └─────────────────────┴──── destroy(), fault ─▶ destroyed ─────┘ when node has let go of the buffers
 */
import type { Socket } from 'node:net';
import { DELAY_MS_MAX } from '../../base/clock.ts';
import type { Accept, Link, LinkEnd, LinkEvents, PeerSecurity } from '../../base/link.ts';
import { RingQueue } from '../../base/ring-queue.ts';
import { toError } from '../transport-options.ts';
import type { WriteTurn } from './write-turn.ts';

/** Input of a paused link that node keeps before it stops reading. Node's own default is four times as much. */
export const INPUT_BYTES_MAX = 16 * 1024;

/** The most that is handed to the socket at once, and so the distance between two reports by `onSent`. */
const WRITE_BYTES_MAX = 64 * 1024;

/** How long a peer that has ended its side may take for what it was sent before. */
const FLUSH_AFTER_PEER_END_MS = 5_000;

/** What the links of one transport share. */
export interface LinkContext {
  readonly writeTurn: WriteTurn;
  /** Told of an exception out of the user's code. */
  readonly onFault: (error: Error) => void;
  /** True: each chunk is overwritten after `onBytes`, so that a test notices a kept borrow. */
  readonly isInputSpoiled: boolean;
}

/** Hears the events of a link whose `Accept` has not returned, or failed. */
const NOBODY: LinkEvents = { onBytes() {}, onSent() {}, onEnd() {} };

/**
 * Makes a link of a connected socket and tells `accept`. False when the connection was reset before it was looked at:
 * nobody was told then. `security`: what TLS found out, when it is a TLSSocket. @throws what `accept` threw; the socket is
 * gone then.
 */
export function openLink(
  socket: Socket,
  context: LinkContext,
  accept: Accept,
  isUnix: boolean,
  security: PeerSecurity | null = null,
): boolean {
  const addresses = isUnix ? UNIX_ADDRESSES : addressesOf(socket);
  if (addresses === null) {
    socket.on('error', () => {});
    socket.destroy();
    return false;
  }
  const link = new NodeLink(socket, context, addresses);
  if (security !== null) link.security = security;
  try {
    link.setEvents(accept(link));
    return true;
  } catch (error) {
    link.destroy();
    throw error;
  }
}

/** Null when the connection was reset before it was looked at. */
function addressesOf({ remoteAddress, remotePort, localPort }: Socket): Addresses | null {
  if (remoteAddress === undefined || remotePort === undefined || localPort === undefined) return null;
  return { remoteAddress: withoutIpv4Prefix(remoteAddress), remotePort, localPort };
}

/** The address of an IPv4 peer of an IPv6 socket as everybody writes it: '::ffff:10.0.0.1' is '10.0.0.1'. */
export function withoutIpv4Prefix(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice('::ffff:'.length) : address;
}

type Addresses = Pick<Link, 'remoteAddress' | 'remotePort' | 'localPort'>;

const UNIX_ADDRESSES: Addresses = { remoteAddress: '', remotePort: 0, localPort: 0 };

export class NodeLink implements Link {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localPort: number;
  /** Set before anybody is told of the link. */
  security?: PeerSecurity;
  pendingBytes = 0;
  readonly #socket: Socket;
  readonly #context: LinkContext;
  #events: LinkEvents = NOBODY;
  #phase: 'open' | 'ending' | 'destroyed' | 'ended' = 'open';
  /** Why the link ends: the first reason stays. */
  #end: LinkEnd | null = null;
  #lingerTimer: NodeJS.Timeout | undefined = undefined;
  /** What waits to be handed to the socket. Its limit is the user's, who sees it as `pendingBytes`. */
  readonly #waiting = new RingQueue<Buffer>();
  /** Bytes of the write that the socket is busy with. */
  #writingBytes = 0;
  #isInWriteTurn = false;
  readonly #onWritten: (error?: Error | null) => void;

  constructor(socket: Socket, context: LinkContext, addresses: Addresses) {
    this.remoteAddress = addresses.remoteAddress;
    this.remotePort = addresses.remotePort;
    this.localPort = addresses.localPort;
    this.#socket = socket;
    this.#context = context;
    this.#onWritten = (error) => {
      if (!error) this.#written();
    };
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.on('end', () => this.#peerEnded());
    socket.on('error', (error: Error) => {
      this.#end ??= { kind: 'error', error };
    });
    socket.on('close', () => this.#closed());
  }

  /** Says who hears the events from now on. */
  setEvents(events: LinkEvents): void {
    this.#events = events;
  }

  send(bytes: Uint8Array, start: number, end: number): void {
    if (this.#phase !== 'open' || start >= end) return;
    this.#waiting.push(Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start));
    this.pendingBytes += end - start;
    if (this.#isInWriteTurn || this.#writingBytes > 0) return;
    this.#isInWriteTurn = true;
    this.#context.writeTurn.add(this);
  }

  pause(): void {
    if (this.#phase === 'open') this.#socket.pause();
  }

  resume(): void {
    if (this.#phase === 'open') this.#socket.resume();
  }

  close(lingerMs: number): void {
    if (this.#phase === 'open') this.#startEnding({ kind: 'local' }, lingerMs);
  }

  destroy(): void {
    if (this.#phase === 'destroyed' || this.#phase === 'ended') return;
    this.#phase = 'destroyed';
    this.#end ??= { kind: 'local' };
    this.#waiting.clear();
    this.#socket.destroy();
  }

  /** Hands the next of what waits to the socket. Called by the write turn. */
  write(): void {
    this.#isInWriteTurn = false;
    if (this.#phase === 'destroyed' || this.#phase === 'ended' || this.#writingBytes > 0) return;
    const isSeveral = this.#waiting.length > 1;
    if (isSeveral) this.#socket.cork();
    let roomBytes = WRITE_BYTES_MAX;
    for (let piece = this.#take(roomBytes); piece !== null; piece = this.#take(roomBytes)) {
      roomBytes -= piece.length;
      this.#writingBytes += piece.length;
      // All pieces go in one write, which is over when its last piece is.
      if (roomBytes > 0 && this.#waiting.length > 0) this.#socket.write(piece);
      else this.#socket.write(piece, this.#onWritten);
    }
    if (isSeveral) this.#socket.uncork();
  }

  /** The first of what waits, cut to `bytesMax`; null when there is nothing or no room. */
  #take(bytesMax: number): Buffer | null {
    const first = this.#waiting.peek();
    if (first === undefined || bytesMax === 0) return null;
    if (first.length <= bytesMax) {
      this.#waiting.shift();
      return first;
    }
    this.#waiting.replaceAt(0, first.subarray(bytesMax));
    return first.subarray(0, bytesMax);
  }

  #written(): void {
    const byteCount = this.#writingBytes;
    this.#writingBytes = 0;
    if (this.#phase === 'destroyed' || this.#phase === 'ended') return;
    this.pendingBytes -= byteCount;
    // What is sent out of `onSent` waits with the rest for the next turn, or the two could go on without end.
    this.#isInWriteTurn = true;
    try {
      this.#events.onSent(byteCount);
    } catch (error) {
      this.#fault(error);
    }
    if (this.#waiting.length > 0) this.#context.writeTurn.addLater(this);
    else this.#isInWriteTurn = false;
    this.#endWhenWritten();
  }

  #read(chunk: Buffer): void {
    if (this.#phase !== 'open') return;
    try {
      this.#events.onBytes(chunk, 0, chunk.length);
    } catch (error) {
      this.#fault(error);
    }
    if (this.#context.isInputSpoiled) chunk.fill(0xaa);
  }

  /** The peer's FIN, after all its input. What that input causes is sent at the end of this turn: wait for that. */
  #peerEnded(): void {
    this.#end ??= { kind: 'peer' };
    setImmediate(() => {
      if (this.#phase === 'open') this.#startEnding({ kind: 'peer' }, FLUSH_AFTER_PEER_END_MS);
    });
  }

  /** From here on nothing is read or taken in; what was sent goes out, then our FIN, then the peer's is awaited. */
  #startEnding(end: LinkEnd, lingerMs: number): void {
    this.#phase = 'ending';
    this.#end ??= end;
    this.#lingerTimer = setTimeout(() => this.destroy(), Math.min(lingerMs, DELAY_MS_MAX));
    this.#lingerTimer.unref();
    // Closing a socket with unread input resets the connection, and the peer may lose what it was sent last: read on.
    this.#socket.resume();
    this.#endWhenWritten();
  }

  /** Sends our FIN once everything else has gone; node closes the socket when the peer's FIN is there as well. */
  #endWhenWritten(): void {
    if (this.#phase === 'ending' && this.#writingBytes === 0 && this.#waiting.length === 0) this.#socket.end();
  }

  /** Node has closed the socket and let go of every buffer. */
  #closed(): void {
    clearTimeout(this.#lingerTimer);
    this.#phase = 'ended';
    this.#waiting.clear();
    const events = this.#events;
    this.#events = NOBODY;
    try {
      events.onEnd(this.#end ?? { kind: 'local' });
    } catch (error) {
      this.#fault(error);
    }
  }

  /** The user's code threw, which it must not: this link goes, all others stay. */
  #fault(thrown: unknown): void {
    const error = toError(thrown);
    this.#end ??= { kind: 'error', error };
    this.destroy();
    this.#context.onFault(error);
  }
}
