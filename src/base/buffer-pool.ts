/**
 * Chunks of one size that are used again, so that output does not make garbage. What is given back beyond `keptMax` is
 * left to the garbage collector: a burst does not hold its memory for ever.
 *
 * A chunk given twice would carry the bytes of two connections at once, one client's messages to another. So `give`
 * looks for the chunk among those it has: 0.1 to 0.3 us while it keeps up to 256, little beside the system call that
 * each chunk stands for. Measured, a Set beside the array only wins beyond that, so keep a few hundred at most.
 */
import { assert } from './assert.ts';

/** Chunks for outboxes. A chunk belongs to whoever took it until it is given back; its content is undefined. */
export class BufferPool {
  readonly chunkBytes: number;
  readonly #keptMax: number;
  readonly #kept: Uint8Array[] = [];

  /** Chunks of `chunkBytes` bytes each, of which `keptMax` at most are kept while nobody uses them. */
  constructor(chunkBytes: number, keptMax: number) {
    assert(chunkBytes > 0, `a chunk needs at least one byte, got ${chunkBytes}`);
    this.chunkBytes = chunkBytes;
    this.#keptMax = keptMax;
  }

  /** Chunks that lie unused in the pool. */
  get keptCount(): number {
    return this.#kept.length;
  }

  /** A chunk that nobody else has. Its bytes are what the last user left: send only what was written. */
  take(): Uint8Array {
    return this.#kept.pop() ?? new Uint8Array(this.chunkBytes);
  }

  /** Gives back a chunk that was taken here and is in nobody's hands any more. */
  give(chunk: Uint8Array): void {
    // Not as an argument: the text would be made each time.
    if (chunk.length !== this.chunkBytes) assert(false, `a chunk has ${this.chunkBytes} bytes, got ${chunk.length}`);
    assert(!this.#kept.includes(chunk), 'a chunk was given back twice');
    if (this.#kept.length < this.#keptMax) this.#kept.push(chunk);
  }
}
