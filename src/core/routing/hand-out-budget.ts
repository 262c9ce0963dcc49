/**
 * How much work all cursors together may do in one turn of the loop: a hundred clients that subscribe to `#` at the same
 * moment do not keep everybody else waiting a hundred times as long as one of them. Who comes first is served first.
 */
import type { Turn } from '../../base/turn.ts';

/** About two milliseconds, once the runtime has compiled the path: so the clock is asked, too. */
const UNITS_PER_TURN = 8192;
const MS_PER_TURN = 2;
/** Units from one look at the clock to the next. At least as much is done in each turn, whatever else it brings. */
const UNITS_UNWATCHED = 256;
/** What a message that is handed out costs beside a node that is looked at. */
export const HAND_OUT_UNITS = 4;

export class HandOutBudget {
  readonly #turn: Turn;
  readonly #monotonicMs: () => number;
  readonly #renew = (): void => {
    this.#isRenewalDue = false;
    this.#left = UNITS_PER_TURN;
    this.#unwatched = 0;
  };
  #left = UNITS_PER_TURN;
  #unwatched = 0;
  #startMs = 0;
  #isRenewalDue = false;

  constructor(turn: Turn, monotonicMs: () => number) {
    this.#turn = turn;
    this.#monotonicMs = monotonicMs;
  }

  /** False: go on in the next turn. */
  get isLeft(): boolean {
    return this.#left > 0;
  }

  spend(units: number): void {
    if (!this.#isRenewalDue) {
      this.#isRenewalDue = true;
      this.#startMs = this.#monotonicMs();
      this.#turn.atEnd(this.#renew);
    }
    this.#left -= units;
    this.#unwatched += units;
    if (this.#unwatched < UNITS_UNWATCHED) return;
    this.#unwatched = 0;
    if (this.#monotonicMs() - this.#startMs > MS_PER_TURN) this.#left = 0;
  }
}
