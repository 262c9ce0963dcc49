/**
 * A stop in order waits for others: for clients that hang up, for the disk. This says in the log what it waits for, and ends
 * the process before systemd would kill it (TimeoutStopSec, 90 s), so that the log tells what was lost.
 */
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';

/** Milliseconds that a stop may take. */
export const END_MS_MAX = 60_000;
const SAY_MS = 10_000;

export interface EndParts {
  readonly clock: Clock;
  readonly log: Log;
  /** What the stop waits for just now, and what is lost without it. */
  readonly waitsFor: () => string;
  /** Ends the process. */
  readonly giveUp: () => void;
}

/** Call it when the stop begins. @returns what ends the watch, once the stop is over */
export function watchEnd({ clock, log, waitsFor, giveUp }: EndParts): () => void {
  const startedMs = clock.monotonicMs();
  let cancel = clock.after(SAY_MS, look);
  function look(): void {
    const passedMs = clock.monotonicMs() - startedMs;
    const seconds = Math.round(passedMs / 1000);
    if (passedMs >= END_MS_MAX) {
      log.write('error', `Error: The stop takes longer than ${seconds} s: the process ends without ${waitsFor()}.`);
      giveUp();
      return;
    }
    log.write('notice', `Stopping, for ${seconds} s now: waiting for ${waitsFor()}.`);
    cancel = clock.after(Math.min(SAY_MS, END_MS_MAX - passedMs), look);
  }
  return () => cancel();
}
