/**
 * Which of the bytes on their way are the user's and which are our own (headers, control frames, HTTP): the link below
 * reports both together, the user may only hear of its own. As long as what waits in the link below, which the user of
 * this one limits.
 */
import { assert } from '../../base/assert.ts';
import { RingQueue } from '../../base/ring-queue.ts';

export class SentLedger {
  /** Bytes handed to the link below, and those that it has reported. */
  handedBytes = 0;
  sentBytes = 0;
  /** Ranges in the order of sending: a positive number is the length of one of the user's, a negative of one of ours. */
  readonly #ranges = new RingQueue<number>();
  #sentOfFirst = 0;

  addOwn(byteCount: number): void {
    this.handedBytes += byteCount;
    this.#ranges.push(-byteCount);
  }

  addUsers(byteCount: number): void {
    this.handedBytes += byteCount;
    this.#ranges.push(byteCount);
  }

  /** The next `byteCount` bytes were sent. @returns how many of them were the user's */
  take(byteCount: number): number {
    let usersBytes = 0;
    let left = byteCount;
    while (left > 0) {
      const range = this.#ranges.peek();
      if (range === undefined) assert(false, `${left} bytes more were reported as sent than were handed over`);
      const part = Math.min(left, Math.abs(range) - this.#sentOfFirst);
      if (range > 0) usersBytes += part;
      left -= part;
      this.#sentOfFirst += part;
      if (this.#sentOfFirst < Math.abs(range)) break;
      this.#ranges.shift();
      this.#sentOfFirst = 0;
    }
    this.sentBytes += byteCount;
    return usersBytes;
  }
}
