import { assert } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import { DELAY_MS_MAX } from '../../base/clock.ts';

/** The clocks of this machine. A timer that waits does not keep the process alive: its listeners do. */
export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  after,
};

function after(delayMs: number, run: () => void): () => void {
  // Node turns a longer delay, or none at all, into 1 ms without a word.
  assert(delayMs >= 0 && delayMs <= DELAY_MS_MAX, `a delay is 0 to ${DELAY_MS_MAX} ms, got ${delayMs}`);
  // Node cuts the fraction off: rounded up, the timer is not early.
  const timer = setTimeout(run, Math.ceil(delayMs));
  timer.unref();
  return () => clearTimeout(timer);
}
