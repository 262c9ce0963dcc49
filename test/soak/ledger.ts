/**
 * What one flow of numbered messages must bring: every number once and in order. A number that comes again is excused
 * only with QoS 1, and only if it was sent before a break of one of the two connections.
 */
import type { Qos } from '../../src/protocol/version.ts';

export class Ledger {
  readonly qos: Qos;
  /** Numbers 1 to `sent` were sent. */
  sent = 0;
  /** The highest number that came. */
  received = 0;
  /** Came again without an excuse. */
  duplicated = 0;
  /** Came again after a break, QoS 1. */
  repeated = 0;
  /** Came after a higher one. */
  disordered = 0;
  /** Numbers up to here may come again. */
  #repeatsUpTo = 0;
  /** Skipped and not yet come: at most a queue of the broker in a run that is fine. */
  readonly #missing = new Set<number>();

  constructor(qos: Qos) {
    this.qos = qos;
  }

  /** The number of the next message. */
  next(): number {
    this.sent += 1;
    return this.sent;
  }

  /** One of the two connections broke. */
  noteBreak(): void {
    if (this.qos === 1) this.#repeatsUpTo = this.sent;
  }

  take(number: number): void {
    if (this.#missing.delete(number)) {
      this.disordered += 1;
      return;
    }
    if (number <= this.received) {
      if (number <= this.#repeatsUpTo) this.repeated += 1;
      else this.duplicated += 1;
      return;
    }
    for (let skipped = this.received + 1; skipped < number; skipped += 1) this.#missing.add(skipped);
    this.received = number;
  }

  /** Sent and not come: those on their way, and while the flow stands still those that are lost. */
  get missing(): number {
    return this.sent - this.received + this.#missing.size;
  }

  /** Skipped by what came later. */
  get skipped(): number {
    return this.#missing.size;
  }
}
