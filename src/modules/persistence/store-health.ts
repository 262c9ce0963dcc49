/**
 * Whether the store can be written, and what the log says of it: once when it fails, once when it works again, and when the
 * reason changes meanwhile, but not more often than once a minute.
 */
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';

/** Reasons that alternate do not fill the log. */
export const REASON_MS = 60_000;

export class StoreHealth {
  readonly #clock: Clock;
  readonly #log: Log;
  #failure: string | null = null;
  #failedAtMs = 0;
  #saidAtMs = 0;
  #lost: Error | null = null;

  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
  }

  /** Why nothing can be stored now; null while it can. */
  get failure(): string | null {
    return this.#failure;
  }

  /** The other side is gone: it stays like this. */
  get lost(): Error | null {
    return this.#lost;
  }

  /** `windowMs`: of relaxed durability, 0 = strict. */
  onFailing(reason: string, windowMs: number): void {
    if (this.#lost !== null || this.#failure === reason) return;
    const nowMs = this.#clock.monotonicMs();
    const isFirst = this.#failure === null;
    this.#failure = reason;
    if (isFirst) this.#failedAtMs = nowMs;
    else if (nowMs - this.#saidAtMs < REASON_MS) return;
    this.#saidAtMs = nowMs;
    const atRisk = windowMs === 0 ? 'Nothing that was acknowledged is lost' : 'What waits is kept in memory';
    this.#log.write('error', `Error: The store cannot be written: ${reason}. ${atRisk}. ${REFUSED}, until it can.`);
  }

  onCommitted(): void {
    if (this.#failure === null || this.#lost !== null) return;
    this.#failure = null;
    const tookMs = this.#clock.monotonicMs() - this.#failedAtMs;
    this.#log.write(
      'notice',
      `The store is written again, after ${(tookMs / 1000).toFixed(1)} s. What has waited is safe, and clients are served again.`,
    );
  }

  onLost(error: Error): void {
    if (this.#lost !== null) return;
    this.#lost = error;
    this.#failure = `the store's thread is gone: ${error.message}`;
    this.#log.write(
      'error',
      `Error: Nothing can be stored any more, ${this.#failure}. ${REFUSED}, until the broker is started again.`,
    );
  }
}

const REFUSED =
  'QoS 1 and 2 messages for sessions that last, and retained ones, are refused (MQTT 5) or their publishers are not read ' +
  '(MQTT 3), and clients whose session lasts get no answer';
