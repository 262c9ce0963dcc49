/**
 * One node of the tree of filters with wildcards, and the ways along it. Most nodes have no literal child or one, so
 * the first stands in the node itself and a map comes with the second.
 */
import { internLevel, levelEnd } from './level.ts';
import type { FilterEntry } from './subscribers.ts';
import { WideMap } from './wide-map.ts';

export class FilterNode {
  /** What is subscribed at exactly this place. */
  here: FilterEntry | undefined = undefined;
  /** What is subscribed with `#` under this place, which matches the place itself too. */
  below: FilterEntry | undefined = undefined;
  /** The child by `+`. */
  plus: FilterNode | null = null;
  #key = '';
  #child: FilterNode | null = null;
  #children: WideMap<FilterNode> | null = null;

  get hasLiteralChildren(): boolean {
    return this.#child !== null || this.#children !== null;
  }

  get isEmpty(): boolean {
    return !this.hasLiteralChildren && this.plus === null && this.here === undefined && this.below === undefined;
  }

  /** The child whose level is this text, taken literally. */
  literal(level: string): FilterNode | null {
    if (this.#child !== null) return this.#key === level ? this.#child : null;
    return this.#children?.get(level) ?? null;
  }

  makeChild(level: string): FilterNode {
    if (level === '+') {
      this.plus ??= new FilterNode();
      return this.plus;
    }
    const present = this.literal(level);
    if (present !== null) return present;
    const child = new FilterNode();
    this.#addLiteral(internLevel(level), child);
    return child;
  }

  #addLiteral(key: string, child: FilterNode): void {
    if (this.#children === null && this.#child === null) {
      this.#key = key;
      this.#child = child;
      return;
    }
    this.#children ??= new WideMap();
    if (this.#child !== null) this.#children.set(this.#key, this.#child);
    this.#child = null;
    this.#key = '';
    this.#children.set(key, child);
  }

  removeChild(level: string): void {
    if (level === '+') this.plus = null;
    else if (this.#child !== null) {
      this.#child = null;
      this.#key = '';
    } else if (this.#children !== null) {
      this.#children.delete(level);
      if (this.#children.size === 0) this.#children = null;
    }
  }
}

/** The nodes from the root to where a filter's subscriptions stand, and the level that leads to each but the first. */
export interface FilterPath {
  readonly nodes: FilterNode[];
  readonly levels: string[];
}

/** The node where the subscriptions of `filter` stand: that of its levels without a final `#`. Makes what is missing. */
export function makeNode(root: FilterNode, filter: string): FilterNode {
  let node = root;
  for (let start = 0; start <= filter.length; ) {
    const end = levelEnd(filter, start);
    const level = filter.slice(start, end);
    if (level === '#') return node;
    node = node.makeChild(level);
    start = end + 1;
  }
  return node;
}

/** The way to where the subscriptions of `filter` stand, or null when nothing is there. */
export function findPath(root: FilterNode, filter: string): FilterPath | null {
  const path: FilterPath = { nodes: [root], levels: [] };
  let node = root;
  for (let start = 0; start <= filter.length; ) {
    const end = levelEnd(filter, start);
    const level = filter.slice(start, end);
    if (level === '#') return path;
    const child = level === '+' ? node.plus : node.literal(level);
    if (child === null) return null;
    path.nodes.push(child);
    path.levels.push(level);
    node = child;
    start = end + 1;
  }
  return path;
}

/** Removes the nodes at the end of the path that hold nothing any more. */
export function pruneEmpty(path: FilterPath): void {
  for (let depth = path.levels.length; depth > 0; depth -= 1) {
    const node = path.nodes[depth];
    const level = path.levels[depth - 1];
    if (node === undefined || level === undefined || !node.isEmpty) return;
    path.nodes[depth - 1]?.removeChild(level);
  }
}
