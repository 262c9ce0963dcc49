/**
 * The nodes of the tree of filters as numbers, and what is subscribed at each. A number is used again when its node has
 * gone. A node costs 4 bytes, and 8 for each kind of entry that it or its neighbours by number have.
 */
import { assert } from '../../base/assert.ts';
import type { FilterEntry } from './subscribers.ts';

export const ROOT = 0;

/** What `NodeRef` has room for, without the one that would look like NO_EDGE. Memory ends long before. */
const NODES_MAX = (1 << 26) - 1;
const CHILD_COUNTS_MIN = 1024;

export class NodeTable {
  /** What filters that end at the node have. */
  readonly here = new EntryPages();
  /** What filters that end with `#` below the node have. */
  readonly below = new EntryPages();
  #childCounts = new Int32Array(CHILD_COUNTS_MIN);
  readonly #free: number[] = [];
  /** The numbers below it have been given out; the root is there from the start. */
  #end = ROOT + 1;

  /** Nodes in use, the root included. */
  get count(): number {
    return this.#end - this.#free.length;
  }

  create(): number {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    const node = this.#end;
    assert(node < NODES_MAX, 'the tree of filters has room for a node');
    this.#end += 1;
    if (node === this.#childCounts.length) {
      const grown = new Int32Array(node * 2);
      grown.set(this.#childCounts);
      this.#childCounts = grown;
    }
    return node;
  }

  /** Gives the number of a node without children and entries back. */
  release(node: number): void {
    this.#free.push(node);
  }

  /** Counts a literal child more or less. @returns how many there are now. */
  countLiteral(node: number, change: 1 | -1): number {
    const count = (this.#childCounts[node] ?? 0) + change;
    this.#childCounts[node] = count;
    return count;
  }
}

const PAGE_BITS = 10;
const PAGE_SIZE = 1 << PAGE_BITS;

/** An array of entries by node number in pages: growing copies nothing, and pages that nobody needs are not made. */
class EntryPages {
  readonly #pages: (FilterEntry | undefined)[][] = [];

  get(node: number): FilterEntry | undefined {
    return this.#pages[node >>> PAGE_BITS]?.[node & (PAGE_SIZE - 1)];
  }

  set(node: number, entry: FilterEntry | undefined): void {
    const pageIndex = node >>> PAGE_BITS;
    while (this.#pages.length <= pageIndex) this.#pages.push(NO_PAGE);
    if (this.#pages[pageIndex] === NO_PAGE) this.#pages[pageIndex] = new Array(PAGE_SIZE).fill(undefined);
    const page = this.#pages[pageIndex];
    assert(page !== undefined, 'the page of an entry has been made');
    page[node & (PAGE_SIZE - 1)] = entry;
  }
}

const NO_PAGE: undefined[] = [];
