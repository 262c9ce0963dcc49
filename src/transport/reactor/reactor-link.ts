/**
 * A Link over one non-blocking socket of the reactor.
 *
 * Out: what is sent goes to the kernel at once, straight from the user's buffer. What the kernel does not take waits, as
 * ranges that are still lent, for EPOLLOUT, which is asked for only then. Small ranges that wait are put together.
 *
 * In: epoll tells once when input has come (EPOLLET), and the link reads once per batch, so that a busy socket takes its
 * turn like every other. When there may be more (the read was full, or an end stands behind it) it asks for another turn;
 * so a pause costs no call, only the memory that something was not looked at. While paused an orderly end is told at once
 * when nothing unread precedes it, a reset always; an end behind unread input is seen after `resume`.
 *
 *            close()                     peer's FIN and our FIN sent, linger over, error
 *   open ───────────────▶ ending ─────────────────────────────▶ ended (onEnd at the end of the batch)
 *     │  peer's FIN, and    │ sends what waits, then FIN;              ▲
 *     │  the turn's end     │ throws input away                        │
 *     └─────────────────────┴──── destroy(), fault, error ─────────────┘
 */
import type { Link, LinkEnd, LinkEvents } from '../../base/link.ts';
import { RingQueue } from '../../base/ring-queue.ts';
import { Timer, type TimerQueue } from '../../base/timer-queue.ts';
import { toError } from '../transport-options.ts';
import { EAGAIN, EINTR, EPOLLERR, EPOLLET, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP, RECEIVE_BYTES } from './native.ts';
import type { Deferred, Eager, Reactor, Source } from './reactor.ts';
import { systemError } from './system-error.ts';

/** The most that is handed to the kernel at once: the others have their turn, and `onSent` reports at least so often. */
const WRITE_BYTES_MAX = 256 * 1024;
/** Room for ranges that are put together. */
const GATHER_BYTES = 64 * 1024;
/** How long a peer that has ended its side may take for what it was sent before. */
const FLUSH_AFTER_PEER_END_MS = 5_000;

const READABLE = EPOLLIN | EPOLLRDHUP | EPOLLET;
const WRITABLE = READABLE | EPOLLOUT;
/** More than input: the peer's end, or a fault. */
const END = EPOLLRDHUP | EPOLLHUP | EPOLLERR;

/** What the links of one transport share. */
export interface LinkContext {
  readonly reactor: Reactor;
  readonly timers: TimerQueue;
  /** Told of an exception out of the user's code. */
  readonly onFault: (error: Error) => void;
  /** True: each chunk is overwritten after `onBytes`, so that a test notices a kept borrow. */
  readonly isInputSpoiled: boolean;
}

/** Where a link's two ends are. */
export type Addresses = Pick<Link, 'remoteAddress' | 'remotePort' | 'localPort'>;

interface Range {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
}

type Phase = 'open' | 'ending' | 'ended';

/** Hears the events of a link whose `Accept` has not returned, or failed. */
const NOBODY: LinkEvents = { onBytes() {}, onSent() {}, onEnd() {} };

const NO_BYTES = new Uint8Array(0);
/** Bytes on their way to the kernel. Only used within one call. */
const gathered = new Uint8Array(new ArrayBuffer(GATHER_BYTES));

export class ReactorLink implements Link, Source, Eager, Deferred {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localPort: number;
  pendingBytes = 0;
  readonly #context: LinkContext;
  readonly #fd: number;
  #slot = -1;
  /** Epoll was asked to report that the socket takes bytes again. */
  #isAwaitingRoom = false;
  #events: LinkEvents = NOBODY;
  #phase: Phase = 'open';
  /** Why the link ends: the first reason stays. */
  #end: LinkEnd | null = null;
  #isPaused = false;
  /** Something was reported that was not looked at: there may be input, or an end. */
  #isUnread = false;
  /** An end or a fault was reported: reading goes on until it is reached. */
  #isEndAhead = false;
  /** The reactor was asked for another turn. */
  #hasTurn = false;
  /** The peer's FIN was read. */
  #isInputOver = false;
  #isFinSent = false;
  #isReporting = false;
  #linger: Timer | null = null;
  /** The first range that waits, `#bytes` being NO_BYTES when none does; further ones stand in `#rest`. */
  #bytes: Uint8Array = NO_BYTES;
  #start = 0;
  #stop = 0;
  #rest: RingQueue<Range> | null = null;

  /** Takes over a connected socket; `open` must follow. */
  constructor(fd: number, context: LinkContext, addresses: Addresses) {
    this.#fd = fd;
    this.#context = context;
    this.remoteAddress = addresses.remoteAddress;
    this.remotePort = addresses.remotePort;
    this.localPort = addresses.localPort;
  }

  /**
   * Puts the socket into the reactor and says who hears the events from now on.
   * @returns 0, or -errno: the socket is closed then and nobody is told
   */
  open(): number {
    const slot = this.#context.reactor.add(this.#fd, READABLE, this);
    if (slot < 0) {
      this.#phase = 'ended';
      this.#context.reactor.native.close(this.#fd);
      return slot;
    }
    this.#slot = slot;
    return 0;
  }

  /** Says who hears the events from now on. */
  setEvents(events: LinkEvents): void {
    this.#events = events;
  }

  // -------------------------------------------------------------------------------------------------------- Link

  send(bytes: Uint8Array, start: number, end: number): void {
    if (this.#phase !== 'open' || start >= end) return;
    this.pendingBytes += end - start;
    if (this.#hasWaiting) {
      this.#rest ??= new RingQueue();
      this.#rest.push({ bytes, start, end });
    } else if (this.#isReporting) {
      // Written later, or a report that causes a send that causes a report could go on without end.
      this.#keep(bytes, start, end);
    } else {
      this.#write(bytes, start, end);
    }
  }

  pause(): void {
    if (this.#phase !== 'open') return;
    this.#isPaused = true;
    this.#context.reactor.leaveSoon();
  }

  resume(): void {
    if (this.#phase !== 'open' || !this.#isPaused) return;
    this.#isPaused = false;
    if (this.#isUnread) this.#askAgain();
  }

  close(lingerMs: number): void {
    if (this.#phase === 'open') this.#startEnding({ kind: 'local' }, lingerMs);
  }

  destroy(): void {
    if (this.#phase !== 'ended') this.#finish({ kind: 'local' });
  }

  // ------------------------------------------------------------------------------------------------------- Source

  onReady(mask: number): void {
    if ((mask & END) !== 0) this.#isEndAhead = true;
    if ((mask & EPOLLOUT) !== 0 && this.#hasWaiting) this.#writeWaiting();
    if ((mask & ~EPOLLOUT) === 0 || this.#phase === 'ended') return;
    // It has a turn coming: a socket that is filled all the time gets no second one for that.
    if (this.#hasTurn && !this.#isPaused) return;
    this.#onInput(mask);
  }

  onAgain(): void {
    this.#hasTurn = false;
    if (this.#phase !== 'ended') this.#onInput(EPOLLIN);
  }

  #askAgain(): void {
    if (this.#hasTurn) return;
    this.#hasTurn = true;
    this.#context.reactor.again(this);
  }

  #onInput(mask: number): void {
    if (this.#isInputOver) this.#onEventAfterFin(mask);
    else if (this.#phase === 'ending') this.#discard();
    else if (this.#isPaused) this.#onEventWhilePaused(mask);
    else this.#read();
  }

  /** The end of the batch: the link's own end is told. The end of the turn: what the peer's end has caused was sent. */
  runDeferred(): void {
    if (this.#phase === 'open') {
      this.#startEnding({ kind: 'peer' }, FLUSH_AFTER_PEER_END_MS);
      return;
    }
    if (this.#phase !== 'ended') return;
    const events = this.#events;
    this.#events = NOBODY;
    try {
      events.onEnd(this.#end ?? { kind: 'local' });
    } catch (error) {
      this.#context.onFault(toError(error));
    }
  }

  // -------------------------------------------------------------------------------------------------------- input

  #read(): void {
    const { reactor, isInputSpoiled } = this.#context;
    const { native } = reactor;
    const byteCount = native.receive(this.#fd);
    if (byteCount <= 0) {
      this.#onNoInput(byteCount);
      return;
    }
    // A read that was not full has taken all there was, but for an end behind it.
    this.#isUnread = byteCount === RECEIVE_BYTES || this.#isEndAhead;
    try {
      this.#events.onBytes(native.received, 0, byteCount);
    } catch (error) {
      this.#fault(error);
    }
    if (isInputSpoiled) native.received.fill(0xaa, 0, byteCount);
    if (this.#isUnread && !this.#isPaused && !this.#isEnded) this.#askAgain();
  }

  #onNoInput(result: number): void {
    if (result === 0) {
      this.#isInputOver = true;
      this.#end ??= { kind: 'peer' };
      // What the input causes is sent at the end of this turn: wait for that.
      if (this.#phase === 'open') this.#context.reactor.deferToNextTurn(this);
    } else if (result === -EAGAIN) {
      this.#isUnread = false;
    } else if (result !== -EINTR) {
      this.#finish({ kind: 'error', error: systemError('read', -result) });
    }
  }

  #onEventWhilePaused(mask: number): void {
    this.#isUnread = true;
    if ((mask & END) === 0) return;
    const { native } = this.#context.reactor;
    const error = (mask & EPOLLERR) === 0 ? 0 : native.takeError(this.#fd);
    if (error < 0) {
      this.#finish({ kind: 'error', error: systemError('read', -error) });
      return;
    }
    const next = native.peek(this.#fd);
    if (next <= 0) this.#onNoInput(next);
  }

  /** Closing a socket with unread input resets the connection, and the peer may lose what it was sent last: read on. */
  #discard(): void {
    const { reactor } = this.#context;
    const result = reactor.native.receive(this.#fd);
    if (result > 0) {
      if (result === RECEIVE_BYTES || this.#isEndAhead) this.#askAgain();
      return;
    }
    this.#onNoInput(result);
    if (this.#phase === 'ending') this.#endWhenWritten();
  }

  #onEventAfterFin(mask: number): void {
    if ((mask & (EPOLLERR | EPOLLHUP)) === 0) return;
    // Reset after its FIN, or both sides have ended: nothing more can be sent or come.
    const error = this.#context.reactor.native.takeError(this.#fd);
    if (error < 0 || this.#phase === 'ending') this.#finish({ kind: 'peer' });
  }

  // ------------------------------------------------------------------------------------------------------- output

  get #hasWaiting(): boolean {
    return this.#bytes !== NO_BYTES;
  }

  #write(bytes: Uint8Array, start: number, end: number): void {
    const taken = this.#hand(bytes, start, end);
    if (taken < 0) return;
    if (start + taken < end) this.#keep(bytes, start + taken, end);
    if (taken > 0) this.#report(taken);
  }

  /** @returns the number of bytes that the kernel has taken, or -1: the link has ended */
  #hand(bytes: Uint8Array, start: number, end: number): number {
    const { native } = this.#context.reactor;
    const stop = Math.min(end, start + WRITE_BYTES_MAX);
    const taken = native.sendRange(this.#fd, bytes, start, stop);
    if (taken >= 0) return taken;
    if (taken === -EAGAIN || taken === -EINTR) return 0;
    this.#finish({ kind: 'error', error: systemError('write', -taken) });
    return -1;
  }

  /** What the kernel has not taken waits for EPOLLOUT. */
  #keep(bytes: Uint8Array, start: number, end: number): void {
    this.#bytes = bytes;
    this.#start = start;
    this.#stop = end;
    this.#awaitRoom(true);
  }

  #writeWaiting(): void {
    const rest = this.#rest;
    const isTogether = rest !== null && rest.length > 0 && this.#stop - this.#start < GATHER_BYTES;
    const bytes = isTogether ? gathered : this.#bytes;
    const start = isTogether ? 0 : this.#start;
    const stop = isTogether ? this.#gather(rest) : Math.min(this.#stop, this.#start + WRITE_BYTES_MAX);
    const taken = this.#hand(bytes, start, stop);
    if (taken < 0) return;
    this.#drop(taken);
    if (taken > 0) this.#report(taken);
    if (this.#isEnded) return;
    if (this.#hasWaiting) {
      // The kernel has taken all: it may have room for more, and will say so only when it is asked anew.
      if (start + taken === stop) this.#watch(WRITABLE);
      return;
    }
    this.#awaitRoom(false);
    if (this.#phase === 'ending') this.#endWhenWritten();
  }

  /** Copies what waits into `gathered`, as much as there is room for. @returns the number of bytes */
  #gather(rest: RingQueue<Range>): number {
    gathered.set(this.#bytes.subarray(this.#start, this.#stop));
    let at = this.#stop - this.#start;
    for (let index = 0; index < rest.length && at < GATHER_BYTES; index++) {
      const range = rest.at(index);
      if (range === undefined) break;
      const end = Math.min(range.end, range.start + GATHER_BYTES - at);
      gathered.set(range.bytes.subarray(range.start, end), at);
      at += end - range.start;
    }
    return at;
  }

  /** Lets go of the first `byteCount` bytes of what waits. */
  #drop(byteCount: number): void {
    let left = byteCount;
    while (this.#hasWaiting && left >= this.#stop - this.#start) {
      left -= this.#stop - this.#start;
      const next = this.#rest?.shift();
      this.#bytes = next?.bytes ?? NO_BYTES;
      this.#start = next?.start ?? 0;
      this.#stop = next?.end ?? 0;
    }
    this.#start += left;
  }

  #report(byteCount: number): void {
    this.pendingBytes -= byteCount;
    this.#isReporting = true;
    try {
      this.#events.onSent(byteCount);
    } catch (error) {
      this.#fault(error);
    }
    this.#isReporting = false;
  }

  // --------------------------------------------------------------------------------------------------------- end

  /** From here on nothing is read or taken in; what was sent goes out, then our FIN, then the peer's is awaited. */
  #startEnding(end: LinkEnd, lingerMs: number): void {
    this.#phase = 'ending';
    this.#end ??= end;
    this.#isPaused = false;
    // The peer is not waited for.
    if (lingerMs === 0 && !this.#hasWaiting) this.#finish(end);
    else this.#endWhenWritten();
    if (this.#isEnded) return;
    const { timers } = this.#context;
    this.#linger = new Timer(() => this.destroy());
    timers.add(this.#linger, timers.now + lingerMs);
    if (this.#isUnread && !this.#isInputOver) this.#askAgain();
  }

  /** Sends our FIN once everything else has gone; with the peer's FIN there as well it is over. */
  #endWhenWritten(): void {
    if (this.#hasWaiting) return;
    if (this.#isInputOver) {
      this.#finish({ kind: 'local' });
      return;
    }
    if (this.#isFinSent) return;
    this.#isFinSent = true;
    if (this.#context.reactor.native.shutdown(this.#fd) < 0) this.#finish({ kind: 'local' });
  }

  get #isEnded(): boolean {
    return this.#phase === 'ended';
  }

  #awaitRoom(isAwaiting: boolean): void {
    if (this.#isAwaitingRoom === isAwaiting) return;
    this.#isAwaitingRoom = isAwaiting;
    this.#watch(isAwaiting ? WRITABLE : READABLE);
  }

  /** What holds of the mask now is reported once more. */
  #watch(mask: number): void {
    const result = this.#context.reactor.change(this.#slot, this.#fd, mask);
    // Only for want of memory: a link that is not watched would hang for ever.
    if (result < 0) this.#finish({ kind: 'error', error: systemError('epoll_ctl', -result) });
  }

  /** Closes the socket; nothing but `onEnd` is reported from here on, at the end of the batch. */
  #finish(end: LinkEnd): void {
    if (this.#phase === 'ended') return;
    this.#phase = 'ended';
    this.#end ??= end;
    const { reactor, timers } = this.#context;
    if (this.#linger !== null) timers.remove(this.#linger);
    this.#bytes = NO_BYTES;
    this.#rest = null;
    if (this.#slot >= 0) reactor.remove(this.#slot);
    reactor.native.close(this.#fd);
    reactor.defer(this);
  }

  /** The user's code threw, which it must not: this link goes, all others stay. */
  #fault(thrown: unknown): void {
    const error = toError(thrown);
    this.#finish({ kind: 'error', error });
    this.#context.onFault(error);
  }
}
