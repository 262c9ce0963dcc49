/** What a destination cannot take goes to stderr, and from time to time why. */
import type { Clock } from '../../base/clock.ts';

/** While a destination fails it fails for every line: why is said once in this many milliseconds. */
export const REASON_EVERY_MS = 60_000;

export interface StandInParts {
  readonly clock: Clock;
  /** Writes lines, their ends included, to stderr, unless they go there anyway. */
  readonly writeLines: (lines: string) => void;
  /** Tells on stderr what is wrong. */
  readonly say: (text: string) => void;
}

export class StandIn {
  readonly #parts: StandInParts;
  #quietUntilMs = -Infinity;

  constructor(parts: StandInParts) {
    this.#parts = parts;
  }

  /** @param lines what could not be written, line ends included */
  take(lines: string, reason: string): void {
    const { clock, writeLines, say } = this.#parts;
    const now = clock.monotonicMs();
    if (now >= this.#quietUntilMs) {
      this.#quietUntilMs = now + REASON_EVERY_MS;
      say(reason);
    }
    writeLines(lines);
  }
}
