/**
 * An array in pages: growing copies nothing, so it does not pause at a million items as a plain one does (20 ms), and pages
 * in which nothing was ever set are not made.
 */
import { assert } from '../../base/assert.ts';

const PAGE_BITS = 10;
const PAGE_SIZE = 1 << PAGE_BITS;

export class PagedArray<Item> {
  readonly #pages: (Item | undefined)[][] = [];

  get(index: number): Item | undefined {
    return this.#pages[index >>> PAGE_BITS]?.[index & (PAGE_SIZE - 1)];
  }

  set(index: number, item: Item | undefined): void {
    const pageIndex = index >>> PAGE_BITS;
    while (this.#pages.length <= pageIndex) this.#pages.push(NO_PAGE);
    if (this.#pages[pageIndex] === NO_PAGE) this.#pages[pageIndex] = new Array(PAGE_SIZE).fill(undefined);
    const page = this.#pages[pageIndex];
    assert(page !== undefined, 'the page of an item has been made');
    page[index & (PAGE_SIZE - 1)] = item;
  }
}

const NO_PAGE: undefined[] = [];
