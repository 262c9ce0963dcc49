/** The longest delay that a clock takes: 24.8 days, the limit of the runtime's timers. TimerQueue waits longer in parts. */
export const DELAY_MS_MAX = 2 ** 31 - 1;

/**
 * Time as the core sees it. Timers run on the monotonic clock; the wall clock serves only deadlines that are stored
 * and timestamps that are shown, so that a jump of the wall clock never fires a timer early.
 */
export interface Clock {
  /** Milliseconds since an arbitrary start, never going back. */
  monotonicMs(): number;
  /** Milliseconds since 1970-01-01 UTC; may jump. */
  wallMs(): number;
  /**
   * Runs `run` once after `delayMs` (0 to DELAY_MS_MAX) on the monotonic clock, never inside this call. Returns the
   * function that cancels it.
   */
  after(delayMs: number, run: () => void): () => void;
}
