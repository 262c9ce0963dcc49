/**
 * The last retained message of each topic, in a tree by level, so that a filter with wildcards visits only the branches
 * that agree with it. Rejected: a map by topic beside the tree, which would find a topic in one step and double what the
 * store needs per message.
 *
 * A message is bytes in a page that many share, and its topic is the way to its node: a million of them are a few
 * thousand objects, so that the garbage collector has nothing to walk. Messages of more than 4 KiB are objects.
 *
 * Invariant: a node other than the root has a message or a child. Whether a message has expired is the caller's matter.
 */
import { assert } from '../../base/assert.ts';
import { TopicLoan, type TopicName } from '../../protocol/topic.ts';
import { type Message, NO_BYTES, type OwnedMessage } from '../model/message.ts';
import type { HandOutBudget } from './hand-out-budget.ts';
import { PagedArray } from './paged-array.ts';
import { type IsWanted, RetainedCursor, type RetainedReader } from './retained-cursor.ts';
import { LARGE, NONE } from './retained-nodes.ts';
import { isSmall, RetainedRecords, RetainedView, SINCE_UNKNOWN } from './retained-records.ts';
import { RetainedTree } from './retained-tree.ts';

export { type RetainedCursor, SINCE_UNKNOWN };

/** What the removal of a message costs, in places that are looked at. */
const SWEEP_REMOVAL_PLACES = 16;

interface LargeMessage {
  readonly message: OwnedMessage;
  readonly sinceMs: number;
}

export class RetainedStore {
  readonly #tree: RetainedTree;
  readonly #records = new RetainedRecords((node, ref) => this.#tree.nodes.setRecord(node, ref));
  /** By node: messages that are too large for a record. */
  readonly #large = new PagedArray<LargeMessage>();
  readonly #view = new RetainedView();
  readonly #reader: RetainedReader;
  readonly #sweptTopic = new TopicLoan();
  #count = 0;
  #bytes = 0;

  /**
   * `seed`: any number that clients cannot know, so that they cannot choose topics that slow the store down. `budget`:
   * what all its cursors together may do in one turn; null = no bound.
   */
  constructor(seed = 0, budget: HandOutBudget | null = null) {
    const tree = new RetainedTree(seed);
    const read = (node: number, topic: Uint8Array, topicEnd: number): Message => this.#read(node, topic, topicEnd);
    this.#tree = tree;
    this.#reader = { tree, budget, read, lastSinceMs: SINCE_UNKNOWN };
  }

  get count(): number {
    return this.#count;
  }

  /** Nodes in use: shows that nothing is left behind. */
  get nodeCount(): number {
    return this.#tree.nodes.count;
  }

  /** Payload bytes of all retained messages. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Keeps a copy of the message for its topic [MQTT-3.3.1-5]; one with an empty payload removes instead [MQTT-3.3.1-6] and
   * is never kept [MQTT-3.3.1-7]. `sinceMs`: what `isWanted` of a cursor is to be told of its age.
   * @returns false when it removed, or there was nothing to remove.
   */
  set(message: Message, sinceMs = SINCE_UNKNOWN): boolean {
    const payloadBytes = message.payloadEnd - message.payloadStart;
    if (payloadBytes === 0) {
      this.remove(message.topic);
      return false;
    }
    const { nodes } = this.#tree;
    const node = this.#tree.makeNode(message.topic.bytes);
    const present = nodes.recordOf(node);
    if (present === NONE) this.#count += 1;
    else this.#bytes -= this.#payloadBytes(node);
    this.#bytes += payloadBytes;
    if (isSmall(message, sinceMs)) {
      if (present === LARGE) this.#large.set(node, undefined);
      nodes.setRecord(node, this.#records.put(node, message, sinceMs, present === LARGE ? NONE : present));
      return true;
    }
    if (present !== NONE && present !== LARGE) this.#records.remove(present);
    this.#large.set(node, { message: message.own(), sinceMs });
    nodes.setRecord(node, LARGE);
    return true;
  }

  /** @returns false when nothing was kept there. */
  remove(topic: TopicName): boolean {
    const { nodes } = this.#tree;
    const node = this.#tree.findNode(topic.bytes);
    const ref = node === NONE ? NONE : nodes.recordOf(node);
    if (ref === NONE) return false;
    this.#count -= 1;
    this.#bytes -= this.#payloadBytes(node);
    nodes.setRecord(node, NONE);
    if (ref === LARGE) this.#large.set(node, undefined);
    else this.#records.remove(ref);
    this.#tree.prune(node);
    return true;
  }

  /** A copy of what is kept for a topic, or null. */
  get(topic: TopicName): OwnedMessage | null {
    const node = this.#tree.findNode(topic.bytes);
    if (node === NONE || this.#tree.nodes.recordOf(node) === NONE) return null;
    return this.#read(node, topic.bytes, topic.bytes.length).own();
  }

  /** The messages whose topics match a filter (without its share prefix) and that are wanted, to be read in slices. */
  cursor(filter: string, isWanted: IsWanted = () => true): RetainedCursor {
    return new RetainedCursor(this.#reader, filter, isWanted);
  }

  /**
   * Looks at places for messages, from place `from` on, and removes those that may expire and that `isWanted` does not want;
   * it is not told the topic, `onRemoved` is. `limit`: places to look at; a removal counts for SWEEP_REMOVAL_PLACES of them.
   * @returns the place to go on from, 0 = that was all.
   */
  sweep(from: number, limit: number, isWanted: IsWanted, onRemoved: (topic: TopicName) => void): number {
    const { nodes } = this.#tree;
    let node = from;
    for (let left = limit; left > 0 && node < nodes.end; left -= 1, node += 1) {
      if (!this.#mayExpire(node)) continue;
      const message = this.#read(node, NO_BYTES, 0);
      if (isWanted(message, this.#reader.lastSinceMs)) continue;
      const topic = this.#tree.topicOf(node);
      this.#sweptTopic.lend(topic, 0, topic.length);
      const name = this.#sweptTopic.own();
      this.remove(name);
      onRemoved(name);
      left -= SWEEP_REMOVAL_PLACES;
    }
    return node < nodes.end ? node : 0;
  }

  #read(node: number, topic: Uint8Array, topicEnd: number): Message {
    const ref = this.#tree.nodes.recordOf(node);
    if (ref === LARGE) {
      const { message, sinceMs } = this.#largeAt(node);
      this.#reader.lastSinceMs = sinceMs;
      return message;
    }
    this.#records.read(ref, topic, topicEnd, this.#view);
    this.#reader.lastSinceMs = this.#view.sinceMs;
    return this.#view;
  }

  #mayExpire(node: number): boolean {
    const ref = this.#tree.nodes.recordOf(node);
    if (ref === NONE) return false;
    if (ref !== LARGE) return this.#records.mayExpire(ref);
    const { message, sinceMs } = this.#largeAt(node);
    return message.expiresAtMs !== Number.POSITIVE_INFINITY || sinceMs !== SINCE_UNKNOWN;
  }

  #payloadBytes(node: number): number {
    const ref = this.#tree.nodes.recordOf(node);
    return ref === LARGE ? this.#largeAt(node).message.payloadEnd : this.#records.payloadBytes(ref);
  }

  #largeAt(node: number): LargeMessage {
    const large = this.#large.get(node);
    assert(large !== undefined, 'a message that is too large for a record is kept');
    return large;
  }
}
