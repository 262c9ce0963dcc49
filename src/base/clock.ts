/**
 * Time as the core sees it. Timers run on the monotonic clock; the wall clock serves only deadlines that are stored
 * and timestamps that are shown, so that a jump of the wall clock never fires a timer early.
 */
export interface Clock {
  /** Milliseconds since an arbitrary start, never going back. */
  monotonicMs(): number;
  /** Milliseconds since 1970-01-01 UTC; may jump. */
  wallMs(): number;
  /** Runs `run` once after `delayMs` on the monotonic clock. Returns the function that cancels it. */
  after(delayMs: number, run: () => void): () => void;
}
