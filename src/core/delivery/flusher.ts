import type { Turn } from '../../base/turn.ts';

/** Something with output gathered for the end of the turn. */
export interface Flushable {
  flush(): void;
}

/**
 * Sends the output of a turn at its end. The first append to a clean outbox puts it on the list; the first entry of an
 * empty list asks for the end of the turn. It does not matter who wrote: a packet's handler, a timer, a commit.
 */
export class Flusher {
  readonly #turn: Turn;
  #dirty: Flushable[] = [];
  #spare: Flushable[] = [];
  readonly #run = (): void => this.flushAll();

  constructor(turn: Turn) {
    this.#turn = turn;
  }

  /** `what` must call this once per turn at most: when its first byte since the last flush is appended. */
  add(what: Flushable): void {
    if (this.#dirty.length === 0) this.#turn.atEnd(this.#run);
    this.#dirty.push(what);
  }

  /** Flushes everything on the list; what becomes dirty meanwhile waits for the next turn. */
  flushAll(): void {
    const flushing = this.#dirty;
    this.#dirty = this.#spare;
    let count = 0;
    try {
      for (const what of flushing) {
        count += 1;
        what.flush();
      }
    } finally {
      // After a fault the rest has its turn all the same.
      for (const what of flushing.slice(count)) this.add(what);
      flushing.length = 0;
      this.#spare = flushing;
    }
  }
}
