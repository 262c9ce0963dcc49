/**
 * The reads of all sessions' queues: a few at a time, the others wait in a queue of their own. While sessions hold much that
 * was read and not sent, a read is of a few rows only: nobody waits for a slow client, and a crowd that returns at once
 * does not fill the memory.
 */
import { RingQueue } from '../../base/ring-queue.ts';
import type { Journal, QueueRow } from '../ports.ts';

/** Reads that are under way at a time. */
export const READS_AT_ONCE_MAX = 8;
/** Payload bytes that sessions hold of what was read, from which on a read is small. */
export const READ_HELD_BYTES_MAX = 128 * 1024 * 1024;
/** Rows of a small read. */
export const SMALL_READ_ROWS = 8;

export class QueueReads {
  readonly #journal: Journal;
  #runningCount = 0;
  /** No more than one for each session. */
  readonly #waiting = new RingQueue<() => void>();
  #heldBytes = 0;

  constructor(journal: Journal) {
    this.#journal = journal;
  }

  /** Payload bytes that sessions hold of what was read. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** See Journal.readQueue; may read fewer rows than there are. */
  async read(clientId: string, after: number, limit: number): Promise<readonly QueueRow[]> {
    if (this.#runningCount < READS_AT_ONCE_MAX) this.#runningCount += 1;
    // Whoever has ended leaves its place to the first that waits.
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      const rowsMax = this.#heldBytes >= READ_HELD_BYTES_MAX ? Math.min(limit, SMALL_READ_ROWS) : limit;
      return await this.#journal.readQueue(clientId, after, rowsMax);
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#runningCount -= 1;
      else next();
    }
  }

  /** A session holds payload bytes that were read; it gives them up with a negative number. */
  hold(bytes: number): void {
    this.#heldBytes += bytes;
  }
}
