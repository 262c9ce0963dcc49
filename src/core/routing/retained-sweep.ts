/**
 * Takes expired retained messages out of the store. Nobody is ever handed one, since each is looked at before it leaves; the
 * sweep is there so that those which nobody asks for do not stay in memory and in the counts.
 *
 * It wakes up when the first message that it knows of is due, and then goes once over all places of the store, a slice at a
 * time with pauses, so that a million messages do not stop the loop. While nothing can expire it has no timer. Rejected: a
 * timer or a heap entry for each message, which would cost more than most messages do.
 */
import { Timer, type TimerQueue } from '../../base/timer-queue.ts';
import type { TopicName } from '../../protocol/topic.ts';
import type { Message } from '../model/message.ts';
import type { RetainedStore } from './retained-store.ts';

/** Places looked at in one slice: a fifth of a millisecond, also when all are to be removed. */
const PLACES_PER_SLICE = 1024;
const SLICE_PAUSE_MS = 10;
/** From the end of a round to the next one at least. */
const ROUND_PAUSE_MS = 1000;

export interface RetainedSweepParts {
  readonly store: RetainedStore;
  readonly timers: TimerQueue;
  /** The moment from which a message is not there any more; Infinity = never. */
  readonly dueMs: (message: Message, sinceMs: number) => number;
  readonly onRemoved: (topic: TopicName) => void;
}

export class RetainedSweep {
  readonly #parts: RetainedSweepParts;
  readonly #timer = new Timer(() => this.#slice());
  /** The earliest moment at which something is due, as far as the round that is running has seen. */
  #nextDueMs = Number.POSITIVE_INFINITY;
  /** The place where the round goes on; 0 = none is running. */
  #place = 0;
  #lastEndMs = Number.NEGATIVE_INFINITY;
  readonly #isAlive = (message: Message, sinceMs: number): boolean => {
    const { dueMs, timers } = this.#parts;
    const at = dueMs(message, sinceMs);
    if (at <= timers.now) return false;
    this.#nextDueMs = Math.min(this.#nextDueMs, at);
    return true;
  };

  constructor(parts: RetainedSweepParts) {
    this.#parts = parts;
  }

  /** A message that ends at `dueMs` was put into the store; Infinity = never. */
  expect(dueMs: number): void {
    if (dueMs >= this.#nextDueMs) return;
    this.#nextDueMs = dueMs;
    if (this.#place === 0) this.#arm();
  }

  #arm(): void {
    const { timers } = this.#parts;
    timers.add(this.#timer, Math.max(this.#nextDueMs, this.#lastEndMs + ROUND_PAUSE_MS));
  }

  #slice(): void {
    const { store, timers, onRemoved } = this.#parts;
    if (this.#place === 0) this.#nextDueMs = Number.POSITIVE_INFINITY;
    this.#place = store.sweep(this.#place, PLACES_PER_SLICE, this.#isAlive, onRemoved);
    if (this.#place > 0) {
      timers.add(this.#timer, timers.now + SLICE_PAUSE_MS);
      return;
    }
    this.#lastEndMs = timers.now;
    if (this.#nextDueMs !== Number.POSITIVE_INFINITY) this.#arm();
  }
}
