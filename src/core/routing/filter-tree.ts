/**
 * The tree of filters, made of numbers: levels, nodes, and edges that carry a NodeRef. It knows how to lay out, find and
 * take back the way of a filter; `TopicTree` reads it.
 *
 * Invariant: a node other than the root has a child or an entry.
 */
import { EdgeTable, NO_EDGE } from './edge-table.ts';
import { levelEnd } from './level.ts';
import { LevelTable, NO_LEVEL, PLUS } from './level-table.ts';
import {
  BELOW_IS_LONE,
  HAS_BELOW,
  HAS_HERE,
  HAS_LITERAL,
  HAS_PLUS,
  HERE_IS_LONE,
  isBare,
  type NodeRef,
  nodeOf,
  refTo,
} from './node-ref.ts';
import { NodeTable, ROOT } from './node-table.ts';
import { type FilterEntry, isLone } from './subscribers.ts';

/** The way to where the subscriptions of a filter stand. */
export interface FilterPath {
  /** From the root on. */
  readonly nodes: number[];
  /** The level that leads from each node to the next one. */
  readonly levels: number[];
  /** The filter ends with `#`, which is no node of its own: its entry stands below the last node. */
  isBelow: boolean;
}

export class FilterTree {
  readonly levels = new LevelTable();
  readonly nodes = new NodeTable();
  readonly edges: EdgeTable;
  #rootRef: NodeRef = refTo(ROOT);

  constructor(seed: number) {
    this.edges = new EdgeTable(seed);
  }

  get rootRef(): NodeRef {
    return this.#rootRef;
  }

  /** The way of a filter; makes what is missing of it, so that an entry must follow. */
  makePath(filter: string): FilterPath {
    const path: FilterPath = { nodes: [ROOT], levels: [], isBelow: false };
    let node = ROOT;
    for (let start = 0; start <= filter.length; ) {
      const end = levelEnd(filter, start);
      const text = filter.slice(start, end);
      if (text === '#') {
        path.isBelow = true;
        break;
      }
      const level = this.levels.findInFilter(text);
      const ref = level === NO_LEVEL ? NO_EDGE : this.edges.find(node, level);
      if (ref === NO_EDGE) node = this.#addChild(path, node, text);
      else {
        node = nodeOf(ref);
        path.nodes.push(node);
        path.levels.push(level);
      }
      start = end + 1;
    }
    return path;
  }

  /** The way of a filter, or null when nothing has a beginning of that kind. */
  findPath(filter: string): FilterPath | null {
    const path: FilterPath = { nodes: [ROOT], levels: [], isBelow: false };
    let node = ROOT;
    for (let start = 0; start <= filter.length; ) {
      const end = levelEnd(filter, start);
      const text = filter.slice(start, end);
      if (text === '#') {
        path.isBelow = true;
        break;
      }
      const level = this.levels.findInFilter(text);
      const ref = level === NO_LEVEL ? NO_EDGE : this.edges.find(node, level);
      if (ref === NO_EDGE) return null;
      node = nodeOf(ref);
      path.nodes.push(node);
      path.levels.push(level);
      start = end + 1;
    }
    return path;
  }

  entryAt(path: FilterPath): FilterEntry | undefined {
    const node = path.nodes.at(-1) ?? ROOT;
    return path.isBelow ? this.nodes.below.get(node) : this.nodes.here.get(node);
  }

  /** Sets or, with undefined, removes the entry; nodes that become empty by that are taken back. */
  setEntryAt(path: FilterPath, entry: FilterEntry | undefined): void {
    const node = path.nodes.at(-1) ?? ROOT;
    const entries = path.isBelow ? this.nodes.below : this.nodes.here;
    entries.set(node, entry);
    const has = path.isBelow ? HAS_BELOW : HAS_HERE;
    const lone = path.isBelow ? BELOW_IS_LONE : HERE_IS_LONE;
    const depth = path.levels.length;
    if (entry === undefined) {
      this.#mark(path, depth, 0, has | lone);
      this.#prune(path);
    } else if (isLone(entry)) this.#mark(path, depth, has | lone, 0);
    else this.#mark(path, depth, has, lone);
  }

  #addChild(path: FilterPath, parent: number, text: string): number {
    const level = this.levels.use(text);
    const child = this.nodes.create();
    this.edges.add(parent, level, refTo(child));
    if (level === PLUS) this.#mark(path, path.levels.length, HAS_PLUS, 0);
    else if (this.nodes.countLiteral(parent, 1) === 1) this.#mark(path, path.levels.length, HAS_LITERAL, 0);
    path.nodes.push(child);
    path.levels.push(level);
    return child;
  }

  #prune(path: FilterPath): void {
    for (let depth = path.levels.length; depth > 0; depth -= 1) {
      const parent = path.nodes[depth - 1] ?? ROOT;
      const level = path.levels[depth - 1] ?? PLUS;
      const ref = this.edges.find(parent, level);
      if (!isBare(ref)) return;
      this.edges.remove(parent, level);
      this.nodes.release(nodeOf(ref));
      this.levels.release(level);
      if (level === PLUS) this.#mark(path, depth - 1, 0, HAS_PLUS);
      else if (this.nodes.countLiteral(parent, -1) === 0) this.#mark(path, depth - 1, 0, HAS_LITERAL);
    }
  }

  /** Sets and clears marks of the node at `depth` of the path, which stand on the edge that leads to it. */
  #mark(path: FilterPath, depth: number, set: number, clear: number): void {
    if (depth === 0) {
      this.#rootRef = (this.#rootRef & ~clear) | set;
      return;
    }
    const parent = path.nodes[depth - 1] ?? ROOT;
    const level = path.levels[depth - 1] ?? PLUS;
    this.edges.update(parent, level, (this.edges.find(parent, level) & ~clear) | set);
  }
}
