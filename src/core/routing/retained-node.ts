/**
 * One level of a retained topic, and its children in order of birth.
 *
 * Birth numbers grow, and a child is only ever added at the end, so "the first child born after n" is a binary search: a
 * cursor that was laid aside goes on from there, whatever was added or removed meanwhile, and holds on to nothing. (The
 * iterator of a Map would be simpler, but it keeps every older copy of the map alive that was replaced since: a client
 * that never reads on, and another that keeps adding and removing, would fill the memory.)
 *
 * A lone child stands in the node itself; more stand in runs of at most `RUN_MAX`, so that no removal moves more than
 * that. To find a child by its level is the matter of the tree, which has one table for all edges.
 */
import { assert } from '../../base/assert.ts';
import type { OwnedMessage } from '../model/message.ts';

const RUN_MAX = 1024;

export class RetainedNode {
  /** Names it in the tree's table of edges while it is in the tree; then another node may have it. */
  readonly number: number;
  /** The number of its level. */
  readonly level: number;
  /** Its place in the order of all nodes ever made by the store. */
  readonly birth: number;
  /** What is retained at the topic that ends here. */
  message: OwnedMessage | null = null;
  #children: RetainedNode | Siblings | null = null;

  constructor(number: number, level: number, birth: number) {
    this.number = number;
    this.level = level;
    this.birth = birth;
  }

  /** A node that has left the tree is empty for ever. */
  get isEmpty(): boolean {
    return this.message === null && this.#children === null;
  }

  get hasChildren(): boolean {
    return this.#children !== null;
  }

  /** Adds a child that is younger than all present ones. */
  addChild(child: RetainedNode): void {
    const children = this.#children;
    if (children === null) this.#children = child;
    else if (children instanceof Siblings) children.add(child);
    else this.#children = new Siblings(children, child);
  }

  removeChild(child: RetainedNode): void {
    const children = this.#children;
    if (children instanceof Siblings) this.#children = children.remove(child);
    else if (children === child) this.#children = null;
  }

  /** Some of the children born after `birth`, oldest first, `limit` at most; none only when there are none. */
  childrenAfter(birth: number, limit: number): readonly RetainedNode[] {
    const children = this.#children;
    if (children === null) return [];
    if (children instanceof Siblings) return children.after(birth, limit);
    return children.birth > birth ? [children] : [];
  }
}

/** Two children or more. */
class Siblings {
  /** In order of birth; no run is empty. */
  readonly #runs: RetainedNode[][];

  constructor(first: RetainedNode, second: RetainedNode) {
    this.#runs = [[first, second]];
  }

  add(node: RetainedNode): void {
    const last = this.#runs.at(-1);
    if (last === undefined || last.length >= RUN_MAX) this.#runs.push([node]);
    else last.push(node);
  }

  /** @returns what is left: a lone child stands for itself again. */
  remove(node: RetainedNode): RetainedNode | Siblings {
    const runIndex = this.#runIndexOf(node.birth);
    const run = this.#runs[runIndex];
    const index = run === undefined ? -1 : firstAfter(run, node.birth - 1);
    assert(run !== undefined && run[index] === node, 'a retained node is among its siblings');
    run.splice(index, 1);
    if (run.length === 0) this.#runs.splice(runIndex, 1);
    const first = this.#runs[0];
    const only = this.#runs.length === 1 && first?.length === 1 ? first[0] : undefined;
    return only ?? this;
  }

  after(birth: number, limit: number): readonly RetainedNode[] {
    const runIndex = this.#runIndexOf(birth);
    const run = this.#runs[runIndex] ?? [];
    const index = firstAfter(run, birth);
    if (index < run.length) return run.slice(index, index + limit);
    return (this.#runs[runIndex + 1] ?? []).slice(0, limit);
  }

  /** The last run that begins at `birth` or before; the first one when none does. */
  #runIndexOf(birth: number): number {
    let low = 0;
    let high = this.#runs.length;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      const oldest = this.#runs[middle]?.[0];
      if (oldest !== undefined && oldest.birth <= birth) low = middle;
      else high = middle;
    }
    return low;
  }
}

/** The index of the first node born after `birth`; the length when there is none. */
function firstAfter(nodes: readonly RetainedNode[], birth: number): number {
  let low = 0;
  let high = nodes.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const node = nodes[middle];
    if (node !== undefined && node.birth > birth) high = middle;
    else low = middle + 1;
  }
  return low;
}
