import type { Turn } from '../../base/turn.ts';

/** Something with output gathered for the end of the turn. */
export interface Flushable {
  flush(): void;
}

/** A list longer than this is not kept for later turns. */
const LIST_KEPT_MAX = 256;

/**
 * Sends the output of a turn at its end. The first append to a clean outbox puts it on the list; the first entry of an
 * empty list asks for the end of the turn. It does not matter who wrote: a packet's handler, a timer, a commit.
 */
export class Flusher {
  readonly #turn: Turn;
  /** Filled up to `#count`; what stands behind it is of earlier turns, so that a turn needs no new list. */
  #dirty: Flushable[] = [];
  #spare: Flushable[] = [];
  #count = 0;
  readonly #run = (): void => this.flushAll();

  constructor(turn: Turn) {
    this.#turn = turn;
  }

  /** `what` must call this once per turn at most: when its first byte since the last flush is appended. */
  add(what: Flushable): void {
    if (this.#count === 0) this.#turn.atEnd(this.#run);
    this.#dirty[this.#count] = what;
    this.#count += 1;
  }

  /** Flushes everything on the list; what becomes dirty meanwhile waits for the next turn. */
  flushAll(): void {
    const flushing = this.#dirty;
    const count = this.#count;
    this.#dirty = this.#spare;
    this.#count = 0;
    let at = 0;
    try {
      while (at < count) {
        at += 1;
        flushing[at - 1]?.flush();
      }
    } finally {
      // After a fault the rest has its turn all the same.
      if (at < count) for (const what of flushing.slice(at, count)) this.add(what);
      this.#spare = flushing.length > LIST_KEPT_MAX ? [] : flushing;
    }
  }
}
