/** Gives out small numbers, those first that were given back. */
import { assert } from '../../base/assert.ts';

const CHUNK_BITS = 12;
const CHUNK_SIZE = 1 << CHUNK_BITS;

export class NumberPool {
  /** A stack of the numbers that were given back, in chunks: growing copies nothing. */
  readonly #free: Int32Array[] = [];
  #freeCount = 0;
  #end: number;

  /** `first` is the lowest number that is given out. */
  constructor(first: number) {
    this.#end = first;
  }

  /** One more than the highest number ever given out, less those that are free. */
  get inUse(): number {
    return this.#end - this.#freeCount;
  }

  /** All that was ever given out is below it. */
  get end(): number {
    return this.#end;
  }

  take(): number {
    if (this.#freeCount === 0) {
      this.#end += 1;
      return this.#end - 1;
    }
    this.#freeCount -= 1;
    const chunk = this.#free[this.#freeCount >>> CHUNK_BITS];
    const number = chunk?.[this.#freeCount & (CHUNK_SIZE - 1)];
    assert(number !== undefined, 'a number that was given back is kept');
    return number;
  }

  giveBack(number: number): void {
    const chunkIndex = this.#freeCount >>> CHUNK_BITS;
    if (chunkIndex === this.#free.length) this.#free.push(new Int32Array(CHUNK_SIZE));
    const chunk = this.#free[chunkIndex];
    assert(chunk !== undefined, 'there is room for a number that is given back');
    chunk[this.#freeCount & (CHUNK_SIZE - 1)] = number;
    this.#freeCount += 1;
  }
}
