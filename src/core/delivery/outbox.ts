/**
 * The outgoing bytes of one connection. Packets are encoded straight into a chunk, which is handed to the link once per
 * turn; a payload that is large leaves by reference, shared by all its receivers.
 *
 *      chunk  |  sent  |  handed over  |  appended  |  free  |
 *                      ^ #handedEnd    ^ #end
 *
 * A channel has an outbox only while it has something to send: it takes one from the pool of its broker with the first
 * byte, and gives it back when the socket has taken the last. An idle connection has none.
 *
 * An outbox begins with a small chunk of its own, because a thousand connections may get one packet each in the same turn;
 * further chunks are large and pooled, because then it is a stream. A chunk belongs to the link until all its bytes were
 * reported as sent.
 */
import { assert } from '../../base/assert.ts';
import { BufferPool } from '../../base/buffer-pool.ts';
import type { Link } from '../../base/link.ts';
import { RingQueue } from '../../base/ring-queue.ts';
import { copyInto } from '../../protocol/write.ts';
import type { Flusher } from './flusher.ts';

const SMALL_CHUNK_BYTES = 2048;
const LARGE_CHUNK_BYTES = 32 * 1024;
/** Outboxes and large chunks that are kept while nobody uses them. */
const OUTBOXES_KEPT = 256;
const LARGE_CHUNKS_KEPT = 128;

/** Whose bytes they are: a channel. */
export interface OutboxOwner {
  readonly link: Link;
  /** A flush has left bytes with the link that it could not pass on yet. */
  onUnsent(): void;
  /** Everything has left: the outbox goes back to the pool and must not be used any more. */
  dropOutbox(): void;
}

/** The outboxes of all connections of a broker, and their chunks. */
export class OutboxPool {
  readonly flusher: Flusher;
  readonly #large = new BufferPool(LARGE_CHUNK_BYTES, LARGE_CHUNKS_KEPT);
  readonly #kept: Outbox[] = [];
  #takenCount = 0;
  /** Bytes that were handed to links and not taken by their sockets, and how many outboxes have any. Counted by outboxes. */
  unsentBytes = 0;
  unsentCount = 0;

  constructor(flusher: Flusher) {
    this.flusher = flusher;
  }

  /** Outboxes and further chunks in use now: an idle connection has none. */
  get takenCount(): number {
    return this.#takenCount;
  }

  /** Outboxes that lie unused in the pool. */
  get keptCount(): number {
    return this.#kept.length;
  }

  take(owner: OutboxOwner): Outbox {
    this.#takenCount += 1;
    const outbox = this.#kept.pop() ?? new Outbox(this);
    outbox.begin(owner);
    return outbox;
  }

  /** Takes back what has nothing to send any more. */
  give(outbox: Outbox): void {
    this.#takenCount -= 1;
    if (this.#kept.length < OUTBOXES_KEPT) this.#kept.push(outbox);
  }

  /** A chunk with room for `byteCount` bytes; one larger than the large ones is made for this once. */
  takeChunk(byteCount: number): Uint8Array {
    this.#takenCount += 1;
    return byteCount > LARGE_CHUNK_BYTES ? new Uint8Array(byteCount) : this.#large.take();
  }

  giveChunk(chunk: Uint8Array): void {
    this.#takenCount -= 1;
    if (chunk.length === LARGE_CHUNK_BYTES) this.#large.give(chunk);
  }
}

interface LentChunk {
  readonly chunk: Uint8Array;
  /** Value of #handedBytes up to which its bytes reach. */
  readonly end: number;
}

export class Outbox {
  readonly #pool: OutboxPool;
  /** The small chunk, which stays with this outbox. */
  readonly #ownChunk = new Uint8Array(SMALL_CHUNK_BYTES);
  /** Null while it lies in the pool. */
  #owner: OutboxOwner | null = null;
  readonly #lent = new RingQueue<LentChunk>();
  /** The chunk that `reserve` gave room in. Valid until the next call. */
  chunk: Uint8Array = this.#ownChunk;
  #handedEnd = 0;
  #end = 0;
  /** Bytes handed to the link, and those it has passed on, since this outbox was taken. */
  #handedBytes = 0;
  #sentBytes = 0;
  #isDirty = false;
  /** Inside a call of the link, which may report bytes as sent at once. */
  #isHandingOver = false;

  /** `OutboxPool.take` makes them. */
  constructor(pool: OutboxPool) {
    this.#pool = pool;
  }

  /** From now on it is this owner's. */
  begin(owner: OutboxOwner): void {
    assert(this.#owner === null, 'an outbox was given to two connections');
    this.#owner = owner;
  }

  /** Bytes appended or handed over that the peer's socket has not taken. */
  get pendingBytes(): number {
    return this.#handedBytes - this.#sentBytes + (this.#end - this.#handedEnd);
  }

  /** Bytes handed to the link that it could not pass on yet: the peer reads more slowly than we write. */
  get stuckBytes(): number {
    return this.#handedBytes - this.#sentBytes;
  }

  /**
   * Makes room for a packet of exactly `byteCount` bytes, which the caller then writes to `chunk` at the returned
   * offset, all of them, before anything else is appended.
   */
  reserve(byteCount: number): number {
    if (this.chunk.length - this.#end < byteCount) this.#nextChunk(byteCount);
    const at = this.#end;
    this.#end += byteCount;
    if (!this.#isDirty) {
      this.#isDirty = true;
      this.#pool.flusher.add(this);
    }
    return at;
  }

  /** Appends a copy. */
  append(bytes: Uint8Array): void {
    const at = this.reserve(bytes.length);
    this.chunk.set(bytes, at);
  }

  /** Appends owned, immutable bytes by reference, behind what was reserved in this turn. */
  appendShared(bytes: Uint8Array, start: number, end: number): void {
    this.#handOver();
    if (end > start) this.#lend(bytes, start, end);
  }

  /** Hands everything that was appended to the link. May end the use of this outbox. */
  flush(): void {
    // It went back meanwhile: the connection was closed, and flushed it before its turn came.
    if (this.#owner === null) return;
    this.#isDirty = false;
    this.#handOver();
    this.#settle();
    if (this.stuckBytes > 0) this.#owner?.onUnsent();
  }

  /** The link's report that `byteCount` more bytes were taken. May end the use of this outbox. */
  onSent(byteCount: number): void {
    this.#countSent(byteCount);
    if (!this.#isHandingOver) this.#settle();
  }

  /** The link has ended and keeps nothing: ends the use of this outbox, whether its bytes were sent or not. */
  end(): void {
    if (this.stuckBytes > 0) this.#countSent(this.stuckBytes);
    this.#handedEnd = this.#end;
    this.#isDirty = false;
    this.#settle();
  }

  #handOver(): void {
    const start = this.#handedEnd;
    const end = this.#end;
    if (end === start) return;
    this.#handedEnd = end;
    this.#lend(this.chunk, start, end);
  }

  #countSent(byteCount: number): void {
    this.#sentBytes += byteCount;
    this.#pool.unsentBytes -= byteCount;
    if (this.stuckBytes === 0) this.#pool.unsentCount -= 1;
  }

  #lend(bytes: Uint8Array, start: number, end: number): void {
    if (this.stuckBytes === 0) this.#pool.unsentCount += 1;
    this.#pool.unsentBytes += end - start;
    this.#handedBytes += end - start;
    this.#isHandingOver = true;
    this.#owner?.link.send(bytes, start, end);
    this.#isHandingOver = false;
  }

  #nextChunk(byteCount: number): void {
    if (this.chunk === this.#ownChunk && this.#handedEnd === 0 && this.#end + byteCount <= LARGE_CHUNK_BYTES) {
      // What is in the small chunk moves, so that the turn's output is still one send.
      this.chunk = this.#pool.takeChunk(LARGE_CHUNK_BYTES);
      copyInto(this.#ownChunk, 0, this.#end, this.chunk, 0);
      return;
    }
    this.#handOver();
    this.#lent.push({ chunk: this.chunk, end: this.#handedBytes });
    this.#giveBackSent();
    this.chunk = this.#pool.takeChunk(byteCount);
    this.#end = 0;
    this.#handedEnd = 0;
  }

  /** Gives back what was sent; with nothing left to send, all of it. */
  #settle(): void {
    this.#giveBackSent();
    if (this.#isDirty || this.#sentBytes !== this.#handedBytes) return;
    this.#giveBack(this.chunk);
    this.chunk = this.#ownChunk;
    this.#end = 0;
    this.#handedEnd = 0;
    this.#handedBytes = 0;
    this.#sentBytes = 0;
    const owner = this.#owner;
    this.#owner = null;
    owner?.dropOutbox();
    this.#pool.give(this);
  }

  #giveBackSent(): void {
    for (
      let first = this.#lent.peek();
      first !== undefined && first.end <= this.#sentBytes;
      first = this.#lent.peek()
    ) {
      this.#lent.shift();
      this.#giveBack(first.chunk);
    }
  }

  #giveBack(chunk: Uint8Array): void {
    if (chunk !== this.#ownChunk) this.#pool.giveChunk(chunk);
  }
}
