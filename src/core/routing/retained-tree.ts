/**
 * The tree of retained topics by level, made of numbers: rows for the nodes, one table that finds children by their level,
 * and the order of siblings. Nothing in it is an object for each topic.
 *
 * Invariant: a node other than the root has a record or a child.
 */
import { ChildTable } from './child-table.ts';
import { RetainedChildren } from './retained-children.ts';
import { NONE, RetainedNodes, ROOT } from './retained-nodes.ts';

const SLASH = 0x2f;

export class RetainedTree {
  readonly nodes = new RetainedNodes();
  readonly children = new RetainedChildren(this.nodes);
  readonly #table: ChildTable;

  constructor(seed: number) {
    this.#table = new ChildTable(this.nodes, seed);
  }

  /** The child of a node that is in the tree by the level `bytes[start, end)`, or NONE. */
  child(parent: number, bytes: Uint8Array, start: number, end: number): number {
    return this.#table.find(parent, bytes, start, end);
  }

  /** The node of a topic; makes what is missing on the way, so that a record must follow. */
  makeNode(topic: Uint8Array): number {
    let node = ROOT;
    for (let start = 0; start <= topic.length; ) {
      const end = levelEnd(topic, start);
      const child = this.#table.find(node, topic, start, end);
      node = child === NONE ? this.#addChild(node, topic, start, end) : child;
      start = end + 1;
    }
    return node;
  }

  /** The node of a topic, or NONE. */
  findNode(topic: Uint8Array): number {
    let node = ROOT;
    for (let start = 0; start <= topic.length && node !== NONE; ) {
      const end = levelEnd(topic, start);
      node = this.#table.find(node, topic, start, end);
      start = end + 1;
    }
    return node;
  }

  /** The topic of a node, put together from the levels that lead to it. */
  topicOf(node: number): Uint8Array {
    const { nodes } = this;
    let byteCount = -1;
    for (let at = node; at !== ROOT; at = nodes.parentOf(at)) byteCount += nodes.labelLength(at) + 1;
    const topic = new Uint8Array(byteCount);
    let end = byteCount;
    for (let at = node; at !== ROOT; at = nodes.parentOf(at)) {
      const start = end - nodes.labelLength(at);
      nodes.writeLabel(at, topic, start);
      if (start > 0) topic[start - 1] = SLASH;
      end = start - 1;
    }
    return topic;
  }

  /** Removes a node whose record has gone, and those above it, as far as they hold nothing any more. */
  prune(from: number): void {
    const { nodes } = this;
    let node = from;
    while (node !== ROOT && nodes.recordOf(node) === NONE && nodes.childCountOf(node) === 0) {
      const parent = nodes.parentOf(node);
      this.children.remove(parent, node);
      this.#table.remove(node);
      nodes.release(node);
      node = parent;
    }
  }

  #addChild(parent: number, topic: Uint8Array, start: number, end: number): number {
    const child = this.nodes.create(parent, topic, start, end);
    this.#table.add(child);
    this.children.add(parent, child);
    return child;
  }
}

/** The place where the level that begins at `start` ends: at a `/` or with the topic. */
function levelEnd(topic: Uint8Array, start: number): number {
  let end = start;
  while (end < topic.length && topic[end] !== SLASH) end += 1;
  return end;
}
