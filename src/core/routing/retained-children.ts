/**
 * The children of each retained topic's node in order of birth.
 *
 * A child is only ever added at the end, so "the first child born after n" says where a cursor goes on that was laid
 * aside, whatever was added or removed meanwhile, and the cursor holds on to nothing. Few children are a chain through
 * their rows, which is searched from its beginning; many stand in runs of at most `RUN_MAX`, found by halving, so that
 * no removal moves more than that. (Cursors that hold a position would have to be told of each removal.)
 */
import { assert } from '../../base/assert.ts';
import { NumberPool } from './number-pool.ts';
import { PagedArray } from './paged-array.ts';
import { NONE, type RetainedNodes, ROOT } from './retained-nodes.ts';

/** Above this the children of a node stand in runs, and at `FEW_MAX` again in a chain. */
const CHAIN_MAX = 32;
const FEW_MAX = 8;
const RUN_MAX = 1024;

export class RetainedChildren {
  readonly #nodes: RetainedNodes;
  readonly #wide = new PagedArray<Siblings>();
  readonly #wideNumbers = new NumberPool(0);

  constructor(nodes: RetainedNodes) {
    this.#nodes = nodes;
  }

  /** Adds a child that is younger than all present ones. */
  add(parent: number, child: number): void {
    const nodes = this.#nodes;
    const count = nodes.childCountOf(parent);
    nodes.setChildCount(parent, count + 1);
    const wide = nodes.wideOf(parent);
    if (wide !== NONE) this.#siblings(wide).add(child);
    else if (count < CHAIN_MAX) this.#link(parent, child);
    else this.#widen(parent, child);
  }

  remove(parent: number, child: number): void {
    const nodes = this.#nodes;
    const count = nodes.childCountOf(parent) - 1;
    nodes.setChildCount(parent, count);
    const wide = nodes.wideOf(parent);
    if (wide === NONE) {
      this.#unlink(parent, child);
      return;
    }
    this.#siblings(wide).remove(child);
    if (count <= FEW_MAX) this.#narrow(parent, wide);
  }

  /** Appends the children born after `birth` and up to `lastBirth` to `into`, oldest first, `limit` at most. */
  collect(parent: number, birth: number, lastBirth: number, limit: number, into: number[]): void {
    const nodes = this.#nodes;
    const wide = nodes.wideOf(parent);
    if (wide !== NONE) {
      this.#siblings(wide).collect(birth, lastBirth, limit, into);
      return;
    }
    for (let child = nodes.firstChildOf(parent); child !== NONE; child = nodes.nextSiblingOf(child)) {
      const born = nodes.birthOf(child);
      if (born > lastBirth) return;
      if (born > birth) into.push(child);
    }
  }

  #siblings(wide: number): Siblings {
    const siblings = this.#wide.get(wide);
    assert(siblings !== undefined, 'a wide node has siblings');
    return siblings;
  }

  #link(parent: number, child: number): void {
    const nodes = this.#nodes;
    const last = nodes.lastChildOf(parent);
    if (last === NONE) nodes.setFirstChild(parent, child);
    else nodes.setNextSibling(last, child);
    nodes.setNextSibling(child, NONE);
    nodes.setLastChild(parent, child);
  }

  #unlink(parent: number, child: number): void {
    const nodes = this.#nodes;
    let previous = NONE;
    for (let one = nodes.firstChildOf(parent); one !== child; one = nodes.nextSiblingOf(one)) {
      assert(one !== NONE, 'a child that is removed is there');
      previous = one;
    }
    const next = nodes.nextSiblingOf(child);
    if (previous === NONE) nodes.setFirstChild(parent, next);
    else nodes.setNextSibling(previous, next);
    if (next === NONE) nodes.setLastChild(parent, previous);
  }

  #widen(parent: number, child: number): void {
    const nodes = this.#nodes;
    const siblings = new Siblings(nodes);
    for (let one = nodes.firstChildOf(parent); one !== NONE; one = nodes.nextSiblingOf(one)) siblings.add(one);
    siblings.add(child);
    nodes.setFirstChild(parent, NONE);
    nodes.setLastChild(parent, NONE);
    const wide = this.#wideNumbers.take();
    this.#wide.set(wide, siblings);
    nodes.setWide(parent, wide);
  }

  #narrow(parent: number, wide: number): void {
    const left: number[] = [];
    this.#siblings(wide).collect(0, Number.POSITIVE_INFINITY, CHAIN_MAX, left);
    this.#wide.set(wide, undefined);
    this.#wideNumbers.giveBack(wide);
    this.#nodes.setWide(parent, NONE);
    for (const child of left) this.#link(parent, child);
  }
}

/** Many children of one node. */
class Siblings {
  readonly #nodes: RetainedNodes;
  /** In order of birth; no run is empty. */
  readonly #runs: number[][] = [];

  constructor(nodes: RetainedNodes) {
    this.#nodes = nodes;
  }

  add(child: number): void {
    const last = this.#runs.at(-1);
    if (last === undefined || last.length >= RUN_MAX) this.#runs.push([child]);
    else last.push(child);
  }

  remove(child: number): void {
    const birth = this.#nodes.birthOf(child);
    const runIndex = this.#runIndexOf(birth);
    const run = this.#runs[runIndex];
    const index = run === undefined ? -1 : this.#firstAfter(run, birth - 1);
    assert(run !== undefined && run[index] === child, 'a child that is removed is among its siblings');
    run.splice(index, 1);
    if (run.length === 0) this.#runs.splice(runIndex, 1);
  }

  collect(birth: number, lastBirth: number, limit: number, into: number[]): void {
    let runIndex = this.#runIndexOf(birth);
    let index = this.#firstAfter(this.#runs[runIndex] ?? [], birth);
    for (; runIndex < this.#runs.length; runIndex += 1, index = 0) {
      const run = this.#runs[runIndex] ?? [];
      for (; index < run.length; index += 1) {
        const child = run[index] ?? NONE;
        if (into.length >= limit || this.#nodes.birthOf(child) > lastBirth) return;
        into.push(child);
      }
    }
  }

  /** The last run that begins at `birth` or before; the first one when none does. */
  #runIndexOf(birth: number): number {
    let low = 0;
    let high = this.#runs.length;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      const oldest = this.#runs[middle]?.[0];
      if (oldest !== undefined && this.#nodes.birthOf(oldest) <= birth) low = middle;
      else high = middle;
    }
    return low;
  }

  /** The index of the first child born after `birth`; the length when there is none. */
  #firstAfter(run: readonly number[], birth: number): number {
    let low = 0;
    let high = run.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#nodes.birthOf(run[middle] ?? ROOT) > birth) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
