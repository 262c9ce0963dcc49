/**
 * The outgoing bytes of one connection. Packets are encoded straight into a pooled chunk, which is handed to the link
 * once per turn; a payload that is large leaves by reference, shared by all its receivers.
 *
 *      chunk  |  sent  |  handed over  |  appended  |  free  |
 *                      ^ #handedEnd    ^ #end
 *
 * A chunk belongs to the link until all its bytes were reported as sent; then it goes back to its pool. An idle
 * connection holds none. The first chunk of a burst is small, because a thousand connections may get one packet each in
 * the same turn; the next ones are large, because then it is a stream.
 */
import { BufferPool } from '../../base/buffer-pool.ts';
import type { Link } from '../../base/link.ts';
import { RingQueue } from '../../base/ring-queue.ts';
import type { Flusher } from './flusher.ts';

const SMALL_CHUNK_BYTES = 2048;
const LARGE_CHUNK_BYTES = 32 * 1024;
const NO_CHUNK = new Uint8Array(0);
const doNothing = (): void => undefined;

/** The chunks of all outboxes of a broker. */
export class OutboxPools {
  readonly small = new BufferPool(SMALL_CHUNK_BYTES, 256);
  readonly large = new BufferPool(LARGE_CHUNK_BYTES, 128);
  #takenCount = 0;

  /** Chunks that outboxes hold now: an idle connection holds none. */
  get takenCount(): number {
    return this.#takenCount;
  }

  /** A chunk with room for `byteCount` bytes; one larger than the large ones is made for this once. */
  take(byteCount: number, wantsLarge: boolean): Uint8Array {
    this.#takenCount += 1;
    if (byteCount > LARGE_CHUNK_BYTES) return new Uint8Array(byteCount);
    return wantsLarge || byteCount > SMALL_CHUNK_BYTES ? this.large.take() : this.small.take();
  }

  give(chunk: Uint8Array): void {
    this.#takenCount -= 1;
    if (chunk.length === SMALL_CHUNK_BYTES) this.small.give(chunk);
    else if (chunk.length === LARGE_CHUNK_BYTES) this.large.give(chunk);
  }
}

interface LentChunk {
  readonly chunk: Uint8Array;
  /** Value of #handedBytes up to which its bytes reach. */
  readonly end: number;
}

export class Outbox {
  readonly #link: Link;
  readonly #flusher: Flusher;
  readonly #pools: OutboxPools;
  readonly #lent = new RingQueue<LentChunk>();
  /** The chunk that `reserve` gave room in. Valid until the next call. */
  chunk: Uint8Array = NO_CHUNK;
  /** Called after a flush when the link still has bytes to pass on. Set by intake. */
  onUnsent: () => void = doNothing;
  #handedEnd = 0;
  #end = 0;
  #handedBytes = 0;
  #sentBytes = 0;
  #isDirty = false;
  #isClosed = false;

  constructor(link: Link, flusher: Flusher, pools: OutboxPools) {
    this.#link = link;
    this.#flusher = flusher;
    this.#pools = pools;
  }

  /** Bytes appended or handed over that the peer's socket has not taken. */
  get pendingBytes(): number {
    return this.#handedBytes - this.#sentBytes + (this.#end - this.#handedEnd);
  }

  /** Bytes handed to the link that it could not pass on yet: the peer reads more slowly than we write. */
  get stuckBytes(): number {
    return this.#handedBytes - this.#sentBytes;
  }

  /** All bytes that left this connection so far. */
  get sentBytes(): number {
    return this.#sentBytes;
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
      this.#flusher.add(this);
    }
    return at;
  }

  /** Appends a copy. */
  append(bytes: Uint8Array): void {
    const at = this.reserve(bytes.length);
    this.chunk.set(bytes, at);
  }

  /** Appends owned, immutable bytes by reference. */
  appendShared(bytes: Uint8Array, start: number, end: number): void {
    this.#handOver();
    if (this.#isClosed || end <= start) return;
    this.#handedBytes += end - start;
    this.#link.send(bytes, start, end);
  }

  /** Hands everything that was appended to the link. */
  flush(): void {
    this.#isDirty = false;
    this.#handOver();
    this.#recycle();
    if (this.#sentBytes !== this.#handedBytes) this.onUnsent();
  }

  #handOver(): void {
    const start = this.#handedEnd;
    const end = this.#end;
    if (end === start) return;
    this.#handedEnd = end;
    if (this.#isClosed) return;
    this.#handedBytes += end - start;
    this.#link.send(this.chunk, start, end);
  }

  /** The link's report that `byteCount` more bytes were taken. */
  onSent(byteCount: number): void {
    this.#sentBytes += byteCount;
    this.#recycle();
  }

  /** No more output: what is appended from now on is thrown away. */
  close(): void {
    this.#isClosed = true;
  }

  /** The link has ended and keeps nothing: every chunk goes back, whether its bytes were sent or not. */
  end(): void {
    this.#isClosed = true;
    for (let lent = this.#lent.shift(); lent !== undefined; lent = this.#lent.shift()) this.#pools.give(lent.chunk);
    this.#giveChunk();
    this.#sentBytes = this.#handedBytes;
  }

  #nextChunk(byteCount: number): void {
    const wantsLarge = this.#isDirty || this.#lent.length > 0;
    this.#handOver();
    this.#retireChunk();
    this.chunk = this.#pools.take(byteCount, wantsLarge);
    this.#end = 0;
    this.#handedEnd = 0;
  }

  /** Lets go of the present chunk: lent until its last byte was sent. */
  #retireChunk(): void {
    if (this.chunk.length === 0) return;
    this.#lent.push({ chunk: this.chunk, end: this.#handedBytes });
    this.chunk = NO_CHUNK;
    this.#end = 0;
    this.#handedEnd = 0;
    this.#giveBackSent();
  }

  /** Gives back what was sent; an outbox with nothing left to send keeps no chunk. */
  #recycle(): void {
    this.#giveBackSent();
    if (this.#sentBytes !== this.#handedBytes || this.#end !== this.#handedEnd || this.#isDirty) return;
    this.#giveChunk();
  }

  #giveChunk(): void {
    if (this.chunk.length === 0) return;
    this.#pools.give(this.chunk);
    this.chunk = NO_CHUNK;
    this.#end = 0;
    this.#handedEnd = 0;
  }

  #giveBackSent(): void {
    for (
      let first = this.#lent.peek();
      first !== undefined && first.end <= this.#sentBytes;
      first = this.#lent.peek()
    ) {
      this.#lent.shift();
      this.#pools.give(first.chunk);
    }
  }
}
