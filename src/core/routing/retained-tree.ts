/**
 * The tree of retained topics by level: nodes are objects, since cursors hold them; the edges between them stand in one
 * table of numbers, so that a step costs neither a text nor a Map.
 *
 * Invariant: a node other than the root has a message or a child.
 */
import { EdgeTable, NO_EDGE } from './edge-table.ts';
import { levelEnd } from './level.ts';
import { LevelTable, NO_LEVEL } from './level-table.ts';
import { NumberPool } from './number-pool.ts';
import { PagedArray } from './paged-array.ts';
import { RetainedNode } from './retained-node.ts';

const ROOT = 0;

export class RetainedTree {
  readonly root = new RetainedNode(ROOT, NO_LEVEL, 0);
  readonly #levels = new LevelTable();
  readonly #edges: EdgeTable;
  readonly #numbers = new NumberPool(ROOT + 1);
  readonly #nodes = new PagedArray<RetainedNode>();
  #births = 0;

  constructor(seed: number) {
    this.#edges = new EdgeTable(seed);
  }

  /** The birth number of the youngest node. */
  get births(): number {
    return this.#births;
  }

  /** Nodes in use, the root included. */
  get nodeCount(): number {
    return this.#numbers.inUse;
  }

  /** The text of the level that leads to a node other than the root. */
  levelOf(node: RetainedNode): string {
    return this.#levels.textOf(node.level);
  }

  /** The child of a node in the tree, or of one that has left it, by the level `text[start, end)`. */
  child(parent: RetainedNode, text: string, start: number, end: number): RetainedNode | null {
    // A node that has left has none: its number is not asked, it may be another's.
    if (!parent.hasChildren) return null;
    const level = this.#levels.findIn(text, start, end);
    const number = level === NO_LEVEL ? NO_EDGE : this.#edges.find(parent.number, level);
    return number === NO_EDGE ? null : (this.#nodes.get(number) ?? null);
  }

  /** The node of a topic; makes what is missing on the way, so that a message must follow. */
  makeNode(topic: string): RetainedNode {
    let node = this.root;
    for (let start = 0; start <= topic.length; ) {
      const end = levelEnd(topic, start);
      node = this.child(node, topic, start, end) ?? this.#addChild(node, topic.slice(start, end));
      start = end + 1;
    }
    return node;
  }

  findNode(topic: string): RetainedNode | null {
    let node: RetainedNode | null = this.root;
    for (let start = 0; start <= topic.length && node !== null; ) {
      const end = levelEnd(topic, start);
      node = this.child(node, topic, start, end);
      start = end + 1;
    }
    return node;
  }

  /** Removes the nodes at the end of a topic's way that hold nothing any more. */
  prune(topic: string): void {
    const path = [this.root];
    for (const level of topic.split('/')) {
      const child = this.child(path.at(-1) ?? this.root, level, 0, level.length);
      if (child === null) break;
      path.push(child);
    }
    for (let depth = path.length - 1; depth > 0; depth -= 1) {
      const node = path[depth] ?? this.root;
      if (!node.isEmpty) return;
      this.#removeChild(path[depth - 1] ?? this.root, node);
    }
  }

  #addChild(parent: RetainedNode, text: string): RetainedNode {
    const level = this.#levels.use(text);
    const number = this.#numbers.take();
    this.#births += 1;
    const child = new RetainedNode(number, level, this.#births);
    this.#nodes.set(number, child);
    this.#edges.add(parent.number, level, number);
    parent.addChild(child);
    return child;
  }

  #removeChild(parent: RetainedNode, child: RetainedNode): void {
    parent.removeChild(child);
    this.#edges.remove(parent.number, child.level);
    this.#levels.release(child.level);
    this.#nodes.set(child.number, undefined);
    this.#numbers.giveBack(child.number);
  }
}
