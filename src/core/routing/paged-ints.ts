/** Rows of whole numbers in pages: growing copies nothing, and there is no object for each row. */
import { assert } from '../../base/assert.ts';

const PAGE_BITS = 10;
const PAGE_ROWS = 1 << PAGE_BITS;
const ROW_MASK = PAGE_ROWS - 1;

/** `width` numbers of 32 bits in each row, all 0 at first. */
export class PagedInts {
  readonly #pages: Int32Array[] = [];
  readonly #width: number;

  constructor(width: number) {
    this.#width = width;
  }

  /** Makes room for a row; rows come in order or have been there. */
  reach(row: number): void {
    if (row >>> PAGE_BITS === this.#pages.length) this.#pages.push(new Int32Array(PAGE_ROWS * this.#width));
    assert(row >>> PAGE_BITS < this.#pages.length, 'rows come in order');
  }

  get(row: number, column: number): number {
    return this.#page(row)[(row & ROW_MASK) * this.#width + column] ?? 0;
  }

  set(row: number, column: number, value: number): void {
    this.#page(row)[(row & ROW_MASK) * this.#width + column] = value;
  }

  #page(row: number): Int32Array {
    const page = this.#pages[row >>> PAGE_BITS];
    assert(page !== undefined, 'room was made for a row');
    return page;
  }
}
