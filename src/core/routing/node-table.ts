/**
 * The nodes of the tree of filters as numbers, and what is subscribed at each. A number is used again when its node has
 * gone. A node costs 4 bytes, and 8 for each kind of entry that it or its neighbours by number have.
 */
import { assert } from '../../base/assert.ts';
import { NumberPool } from './number-pool.ts';
import { PagedArray } from './paged-array.ts';
import { PagedInts } from './paged-ints.ts';
import type { FilterEntry } from './subscribers.ts';

export const ROOT = 0;

/** What `NodeRef` has room for, without the one that would look like NO_EDGE. Memory ends long before. */
const NODES_MAX = (1 << 26) - 1;

export class NodeTable {
  /** What filters that end at the node have. */
  readonly here = new PagedArray<FilterEntry>();
  /** What filters that end with `#` below the node have. */
  readonly below = new PagedArray<FilterEntry>();
  readonly #childCounts = new PagedInts(1);
  readonly #numbers = new NumberPool(ROOT + 1);

  constructor() {
    this.#childCounts.reach(ROOT);
  }

  /** Nodes in use, the root included. */
  get count(): number {
    return this.#numbers.inUse;
  }

  create(): number {
    const node = this.#numbers.take();
    assert(node < NODES_MAX, 'the tree of filters has room for a node');
    this.#childCounts.reach(node);
    return node;
  }

  /** Gives the number of a node without children and entries back. */
  release(node: number): void {
    this.#numbers.giveBack(node);
  }

  /** Counts a literal child more or less. @returns how many there are now. */
  countLiteral(node: number, change: 1 | -1): number {
    const count = this.#childCounts.get(node, 0) + change;
    this.#childCounts.set(node, 0, count);
    return count;
  }
}
