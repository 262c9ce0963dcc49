/**
 * Output of a tool: gathered and written once per turn of the event loop, so that a million messages are some thousand
 * writes, and with back-pressure, so that a slow reader slows the tool down instead of filling its memory.
 */
import type { Writable } from 'node:stream';

/** Gathered bytes that are written without waiting for the end of the turn. */
const BATCH_BYTES = 64 * 1024;

interface Flush {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
}

export class OutputWriter {
  /** Fulfilled when writing failed: mostly because nobody reads any more (EPIPE). */
  readonly broken: Promise<Error>;
  readonly #stream: Writable;
  #parts: Uint8Array[] = [];
  #gatheredBytes = 0;
  #isScheduled = false;
  #isBroken = false;
  /** What whoever waits for the gathered bytes waits for. */
  #flush: Flush | null = null;

  constructor(stream: Writable) {
    this.#stream = stream;
    this.broken = new Promise((resolve) => {
      stream.on('error', (error: Error) => {
        this.#isBroken = true;
        resolve(error);
      });
    });
  }

  /** True while more than a few batches wait for their reader. */
  get isFull(): boolean {
    return this.#stream.writableLength > 2 * BATCH_BYTES;
  }

  /** Appends `bytes`, which must not change any more. */
  write(bytes: Uint8Array): void {
    if (this.#isBroken) return;
    this.#parts.push(bytes);
    this.#gatheredBytes += bytes.length;
    if (this.#gatheredBytes >= BATCH_BYTES) this.#writeOut();
    else this.#schedule();
  }

  writeText(text: string): void {
    this.write(Buffer.from(text));
  }

  /** Fulfilled when the system has all that was written up to now; never when writing failed. */
  flushed(): Promise<void> {
    this.#flush ??= createFlush();
    this.#schedule();
    return this.#flush.promise;
  }

  /** Fulfilled when the system has everything, or never will. */
  async end(): Promise<void> {
    await Promise.race([this.flushed(), this.broken]);
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#writeOut();
    });
  }

  #writeOut(): void {
    if (this.#gatheredBytes === 0 && this.#flush === null) return;
    const bytes = Buffer.concat(this.#parts, this.#gatheredBytes);
    const flush = this.#flush;
    this.#parts = [];
    this.#gatheredBytes = 0;
    this.#flush = null;
    this.#stream.write(bytes, (error) => {
      if (!error) flush?.resolve();
    });
  }
}

function createFlush(): Flush {
  let resolve: () => void = () => {};
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
