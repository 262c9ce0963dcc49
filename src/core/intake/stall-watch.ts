import { NOT_SET, type Timed, type TimerQueue } from '../../base/timer-queue.ts';

/**
 * Watches a socket that bytes wait for: it must take some within the stated time. While it takes some, the timer is not
 * moved but looks, when it runs, at the last time it did.
 */
export class StallWatch implements Timed {
  readonly #timers: TimerQueue;
  readonly #limitMs: number;
  readonly #onOver: (isStalled: boolean) => void;
  #lastSentMs = 0;
  /** The link has bytes that the socket has not taken. */
  #hasUnsent = false;
  dueMs = 0;
  timerIndex = NOT_SET;
  timerOrder = 0;

  /** `onOver` is called once, some time after the bytes have gone (false), or when none went for `limitMs` (true). */
  constructor(timers: TimerQueue, limitMs: number, onOver: (isStalled: boolean) => void) {
    this.#timers = timers;
    this.#limitMs = limitMs;
    this.#onOver = onOver;
  }

  /** Bytes wait. */
  start(): void {
    if (this.#hasUnsent) return;
    this.#hasUnsent = true;
    this.#lastSentMs = this.#timers.now;
    if (this.timerIndex === NOT_SET) this.#timers.add(this, this.#lastSentMs + this.#limitMs);
  }

  /** The socket has taken some, and `leftBytes` still wait. */
  onSent(leftBytes: number): void {
    this.#lastSentMs = this.#timers.now;
    this.#hasUnsent = leftBytes > 0;
  }

  end(): void {
    this.#timers.remove(this);
  }

  onDue(): void {
    const dueMs = this.#lastSentMs + this.#limitMs;
    if (this.#hasUnsent && dueMs > this.#timers.now) this.#timers.add(this, dueMs);
    else this.#onOver(this.#hasUnsent);
  }
}
