/**
 * Reads the retained messages that match a filter in slices, while the store may change between them.
 *
 * It walks the tree with a stack of its own. Each frame has a few children in hand and asks for those born after the
 * last one when they are used up. A node is known by its birth: one that was removed, or whose number another node has now,
 * was born after the cursor, and is left out, as is one that was added: so no topic comes twice. The bytes of the topic are
 * put together on the way.
 */
import { assert } from '../../base/assert.ts';
import { type Message, NO_BYTES } from '../model/message.ts';
import type { RetainedSource } from '../model/retained-source.ts';
import { HAND_OUT_UNITS, type HandOutBudget } from './hand-out-budget.ts';
import { NONE, ROOT } from './retained-nodes.ts';
import type { RetainedTree } from './retained-tree.ts';

/** Nodes visited by one call, whether they match or not: about a fifth of a millisecond. */
const VISITS_MAX = 1024;
/** Children taken in hand at a time. Small, because a client may let many cursors lie. */
const BATCH_MAX = 64;
const PATH_BYTES_MIN = 128;

const SLASH = 0x2f;
const DOLLAR = 0x24;

const encoder = new TextEncoder();

/** Children of `node`, to be matched from filter level `levelIndex` on. */
interface Frame {
  node: number;
  levelIndex: number;
  /** Where a child's level begins in the path. */
  pathEnd: number;
  readonly batch: number[];
  position: number;
  /** Of the last child that was in the batch. */
  lastBirth: number;
  /** No children after the batch. */
  isLast: boolean;
}

/** Whether a message is to be handed out. `sinceMs`: monotonic time of its arrival, or SINCE_UNKNOWN. */
export type IsWanted = (message: Message, sinceMs: number) => boolean;

/** What a cursor reads. */
export interface RetainedReader {
  readonly tree: RetainedTree;
  /** What all cursors share; null = each call has its bound, and that is all. */
  readonly budget: HandOutBudget | null;
  /** The message at a node that has one, whose topic is `topic[0, topicEnd)`; valid until the next call. */
  read(node: number, topic: Uint8Array, topicEnd: number): Message;
  /** Of the message that was read last. */
  lastSinceMs: number;
}

export class RetainedCursor implements RetainedSource {
  readonly #reader: RetainedReader;
  readonly #tree: RetainedTree;
  readonly #isWanted: IsWanted;
  readonly #levels: readonly string[];
  readonly #levelBytes: readonly Uint8Array[];
  readonly #bornUpTo: number;
  /** The first `#depth` are in use. */
  readonly #frames: Frame[] = [];
  #depth = 0;
  #isStarted = false;
  #path: Uint8Array = NO_BYTES;
  #visits = 0;
  #left = 0;
  #isUrgent = false;
  readonly #slice: IterableIterator<Message> = {
    next: () => {
      const message = this.#nextWanted();
      return message === null ? { done: true, value: undefined } : { done: false, value: message };
    },
    [Symbol.iterator]: () => this.#slice,
  };

  constructor(reader: RetainedReader, filter: string, isWanted: IsWanted) {
    this.#reader = reader;
    this.#tree = reader.tree;
    this.#isWanted = isWanted;
    this.#levels = filter.split('/');
    this.#levelBytes = this.#levels.map((level) => encoder.encode(level));
    this.#bornUpTo = this.#tree.nodes.lastBirth;
  }

  /** Everything was delivered. */
  get isDone(): boolean {
    return this.#isStarted && this.#depth === 0;
  }

  /**
   * At most `limit` more messages; fewer, or none at all, also while it is not done: the work of a call is bounded. To be
   * gone through once, before the next call; each message is lent until the next one is asked for.
   */
  next(limit: number, isUrgent = false): Iterable<Message> {
    this.#left = limit;
    this.#isUrgent = isUrgent;
    this.#visits = 0;
    return this.#slice;
  }

  #nextWanted(): Message | null {
    const budget = this.#isUrgent ? null : this.#reader.budget;
    const visitsBefore = this.#visits;
    let found: Message | null = null;
    if (budget !== null && !budget.isLeft) return null;
    while (found === null && this.#left > 0 && this.#visits < VISITS_MAX && !this.isDone) {
      const message = this.#isStarted ? this.#advance() : this.#start();
      if (message !== null && this.#isWanted(message, this.#reader.lastSinceMs)) found = message;
    }
    if (found !== null) this.#left -= 1;
    budget?.spend(this.#visits - visitsBefore + (found === null ? 1 : HAND_OUT_UNITS));
    return found;
  }

  #start(): Message | null {
    this.#isStarted = true;
    return this.#visit(ROOT, 0, 0);
  }

  #advance(): Message | null {
    const frame = this.#frames[this.#depth - 1];
    assert(frame !== undefined, 'a cursor that is not done has a frame');
    const child = this.#nextChild(frame);
    if (child === NONE) {
      this.#depth -= 1;
      return null;
    }
    const pathEnd = this.#appendLabel(child, frame.pathEnd);
    // [MQTT-4.7.2-1]: only a wildcard makes a frame of the root.
    if (frame.node === ROOT && pathEnd > 0 && this.#path[0] === DOLLAR) return null;
    const isBelow = this.#levels[frame.levelIndex] === '#';
    return this.#visit(child, isBelow ? frame.levelIndex : frame.levelIndex + 1, pathEnd);
  }

  /** The next child of a frame, or NONE when there is no more of what the cursor may see. */
  #nextChild(frame: Frame): number {
    for (;;) {
      this.#visits += 1;
      if (frame.position === frame.batch.length && !this.#refill(frame)) return NONE;
      const child = frame.batch[frame.position] ?? NONE;
      frame.position += 1;
      if (this.#isThere(child)) return child;
    }
  }

  /** @returns false when there are no more children. */
  #refill(frame: Frame): boolean {
    if (frame.isLast || !this.#isThere(frame.node)) return false;
    frame.batch.length = 0;
    frame.position = 0;
    this.#tree.children.collect(frame.node, frame.lastBirth, this.#bornUpTo, BATCH_MAX, frame.batch);
    const last = frame.batch.at(-1);
    if (last !== undefined) frame.lastBirth = this.#tree.nodes.birthOf(last);
    frame.isLast = frame.batch.length < BATCH_MAX;
    return last !== undefined;
  }

  /** Whether a number stands for the node that it stood for when the cursor found it. */
  #isThere(node: number): boolean {
    return this.#tree.nodes.birthOf(node) <= this.#bornUpTo;
  }

  /** Goes on from a node that the filter's levels before `levelIndex` have led to: takes its message, or goes deeper. */
  #visit(from: number, levelIndex: number, fromEnd: number): Message | null {
    let node = from;
    let pathEnd = fromEnd;
    for (let index = levelIndex; index < this.#levels.length; index += 1) {
      const level = this.#levels[index];
      if (level === '+' || level === '#') {
        this.#push(node, index, pathEnd);
        // `#` stands for the parent level too, so what has come so far is matched.
        if (level === '+') return null;
        break;
      }
      const bytes = this.#levelBytes[index] ?? NO_BYTES;
      const child = this.#tree.child(node, bytes, 0, bytes.length);
      if (child === NONE) return null;
      pathEnd = this.#appendLabel(child, this.#levelStart(node, pathEnd));
      node = child;
      this.#visits += 1;
    }
    return this.#tree.nodes.recordOf(node) === NONE ? null : this.#reader.read(node, this.#path, pathEnd);
  }

  #push(node: number, levelIndex: number, pathEnd: number): void {
    if (this.#tree.nodes.childCountOf(node) === 0) return;
    const start = this.#levelStart(node, pathEnd);
    const frame = this.#frames[this.#depth];
    this.#depth += 1;
    if (frame === undefined) {
      this.#frames.push({ node, levelIndex, pathEnd: start, batch: [], position: 0, lastBirth: 0, isLast: false });
      return;
    }
    frame.node = node;
    frame.levelIndex = levelIndex;
    frame.pathEnd = start;
    frame.batch.length = 0;
    frame.position = 0;
    frame.lastBirth = 0;
    frame.isLast = false;
  }

  /** Where the level of a child begins: behind a `/`, unless the parent is the root. */
  #levelStart(parent: number, pathEnd: number): number {
    if (parent === ROOT) return 0;
    this.#reserve(pathEnd + 1);
    this.#path[pathEnd] = SLASH;
    return pathEnd + 1;
  }

  /** Puts the level of a node into the path. @returns where it ends. */
  #appendLabel(node: number, at: number): number {
    const { nodes } = this.#tree;
    this.#reserve(at + nodes.labelLength(node));
    return nodes.writeLabel(node, this.#path, at);
  }

  #reserve(byteCount: number): void {
    if (byteCount <= this.#path.length) return;
    const grown = new Uint8Array(Math.max(PATH_BYTES_MIN, this.#path.length * 2, byteCount));
    grown.set(this.#path);
    this.#path = grown;
  }
}
