/**
 * How many messages wait in queues or are in flight, and their payload bytes, for `$SYS/broker/store/messages/...`. As in
 * Mosquitto a message counts once, however many sessions hold it: each message knows how many times it is held. Rows that
 * only the journal holds count for themselves. Retained messages are counted by their store.
 */
import type { OwnedMessage } from './message.ts';

export class StoredMessages {
  #count = 0;
  #bytes = 0;

  get count(): number {
    return this.#count;
  }

  /** Payload bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** A queue or a window has taken the message in. */
  hold(message: OwnedMessage): void {
    if (message.holdCount === 0) this.addRows(1, message.payloadEnd);
    message.holdCount += 1;
  }

  /** One of those that hold it does so no longer. */
  release(message: OwnedMessage): void {
    message.holdCount -= 1;
    if (message.holdCount === 0) this.addRows(-1, -message.payloadEnd);
  }

  /** Rows that are not in memory come, or go with negative numbers. */
  addRows(count: number, payloadBytes: number): void {
    this.#count += count;
    this.#bytes += payloadBytes;
  }
}
