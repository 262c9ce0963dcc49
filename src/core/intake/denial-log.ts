import type { Log } from '../../base/log.ts';
import { Timer, type TimerQueue } from '../../base/timer-queue.ts';

/** Milliseconds in which one line is written at most. */
const QUIET_MS = 1000;

/** Says that connections are denied: the first one at once, of those that follow how many, once in a second. */
export class DenialLog {
  readonly #log: Log;
  readonly #timers: TimerQueue;
  readonly #timer = new Timer(() => this.#sayMore());
  #unsaidCount = 0;
  /** The limit that was exceeded last. */
  #limit = '';

  constructor(log: Log, timers: TimerQueue) {
    this.#log = log;
    this.#timers = timers;
  }

  /** `limit`: the option that denies it. */
  say(remoteAddress: string, limit: string): void {
    this.#limit = limit;
    if (this.#timer.isSet) {
      this.#unsaidCount += 1;
      return;
    }
    this.#log.write('notice', `Client connection from ${remoteAddress} denied: ${limit} exceeded.`);
    this.#timers.add(this.#timer, this.#timers.now + QUIET_MS);
  }

  #sayMore(): void {
    const count = this.#unsaidCount;
    if (count === 0) return;
    this.#unsaidCount = 0;
    this.#log.write('notice', `${count} more client connections denied: ${this.#limit} exceeded.`);
    this.#timers.add(this.#timer, this.#timers.now + QUIET_MS);
  }
}
