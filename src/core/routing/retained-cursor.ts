/**
 * Reads the retained messages that match a filter in slices, while the store may change between them.
 *
 * It walks the tree with a stack of its own. Each frame has a few children in hand and asks its node for those born
 * after the last one when they are used up. A node that was removed meanwhile is empty and yields nothing; one that was
 * added, or removed and added again, is born after the cursor and is left out: so no topic comes twice.
 */
import type { OwnedMessage } from '../model/message.ts';
import type { RetainedNode } from './retained-node.ts';
import type { RetainedTree } from './retained-tree.ts';

/** Nodes visited by one call, whether they match or not: about half a millisecond. */
const VISITS_MAX = 4096;
/** Children taken in hand at a time. Small, because a client may let many cursors lie. */
const BATCH_MAX = 64;

const DOLLAR = 0x24;

/** Children of `node`, to be matched from filter level `levelIndex` on. */
interface Frame {
  readonly node: RetainedNode;
  readonly levelIndex: number;
  batch: readonly RetainedNode[];
  position: number;
}

export class RetainedCursor {
  readonly #tree: RetainedTree;
  readonly #levels: readonly string[];
  readonly #bornUpTo: number;
  readonly #frames: Frame[] = [];
  #isStarted = false;
  #visits = 0;

  constructor(tree: RetainedTree, filter: string) {
    this.#tree = tree;
    this.#levels = filter.split('/');
    this.#bornUpTo = tree.births;
  }

  /** Everything was delivered. */
  get isDone(): boolean {
    return this.#isStarted && this.#frames.length === 0;
  }

  /** At most `limit` more messages; fewer, or none at all, also while it is not done: the work of a call is bounded. */
  next(limit: number): readonly OwnedMessage[] {
    const found: OwnedMessage[] = [];
    this.#visits = 0;
    if (!this.#isStarted && limit > 0) {
      this.#isStarted = true;
      this.#visit(this.#tree.root, 0, found);
    }
    while (this.#visits < VISITS_MAX && found.length < limit) {
      const frame = this.#frames.at(-1);
      if (frame === undefined) break;
      this.#advance(frame, found);
    }
    return found;
  }

  #advance(frame: Frame, found: OwnedMessage[]): void {
    const child = this.#nextChild(frame);
    if (child === null) {
      this.#frames.pop();
      return;
    }
    // [MQTT-4.7.2-1]: only a wildcard makes a frame of the root.
    if (frame.node === this.#tree.root && this.#tree.levelOf(child).charCodeAt(0) === DOLLAR) return;
    const isBelow = this.#levels[frame.levelIndex] === '#';
    this.#visit(child, isBelow ? frame.levelIndex : frame.levelIndex + 1, found);
  }

  #nextChild(frame: Frame): RetainedNode | null {
    this.#visits += 1;
    if (frame.position === frame.batch.length) {
      const last = frame.batch.at(-1);
      frame.batch = frame.node.childrenAfter(last === undefined ? 0 : last.birth, BATCH_MAX);
      frame.position = 0;
    }
    const child = frame.batch[frame.position];
    frame.position += 1;
    return child === undefined || child.birth > this.#bornUpTo ? null : child;
  }

  /** Goes on from a node that the filter's levels before `levelIndex` have led to: takes its message, or goes deeper. */
  #visit(from: RetainedNode, levelIndex: number, found: OwnedMessage[]): void {
    let node = from;
    for (let index = levelIndex; index < this.#levels.length; index += 1) {
      const level = this.#levels[index] ?? '';
      if (level === '+' || level === '#') {
        if (node.hasChildren) this.#frames.push({ node, levelIndex: index, batch: [], position: 0 });
        // `#` stands for the parent level too, so what has come so far is matched.
        if (level === '+') return;
        break;
      }
      const child = this.#tree.child(node, level, 0, level.length);
      if (child === null) return;
      node = child;
      this.#visits += 1;
    }
    if (node.message !== null) found.push(node.message);
  }
}
