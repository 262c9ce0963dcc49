/**
 * The last retained message of each topic, in a tree by level, so that a filter with wildcards visits only the branches
 * that agree with it. Rejected: a map by topic beside the tree, which would find a topic in one step and double what the
 * store needs per message.
 *
 * Invariant: a node other than the root has a message or a child. Whether a message has expired is the caller's matter.
 */
import type { OwnedMessage } from '../model/message.ts';
import { RetainedCursor } from './retained-cursor.ts';
import { RetainedTree } from './retained-tree.ts';

export type { RetainedCursor };

export class RetainedStore {
  readonly #tree: RetainedTree;
  #count = 0;
  #bytes = 0;

  /** `seed`: any number that clients cannot know, so that they cannot choose topics that slow the store down. */
  constructor(seed = 0) {
    this.#tree = new RetainedTree(seed);
  }

  get count(): number {
    return this.#count;
  }

  /** Nodes in use: shows that nothing is left behind. */
  get nodeCount(): number {
    return this.#tree.nodeCount;
  }

  /** Payload bytes of all retained messages. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Keeps the message for its topic [MQTT-3.3.1-5]; one with an empty payload removes instead [MQTT-3.3.1-6] and is never
   * kept [MQTT-3.3.1-7]. @returns the message that was kept there before, or null.
   */
  set(message: OwnedMessage): OwnedMessage | null {
    if (payloadBytes(message) === 0) return this.remove(message.topic.text);
    const node = this.#tree.makeNode(message.topic.text);
    const replaced = node.message;
    node.message = message;
    if (replaced === null) this.#count += 1;
    else this.#bytes -= payloadBytes(replaced);
    this.#bytes += payloadBytes(message);
    return replaced;
  }

  /** @returns the message that was kept there, or null. */
  remove(topic: string): OwnedMessage | null {
    const node = this.#tree.findNode(topic);
    const removed = node?.message ?? null;
    if (node === null || removed === null) return null;
    node.message = null;
    this.#count -= 1;
    this.#bytes -= payloadBytes(removed);
    this.#tree.prune(topic);
    return removed;
  }

  get(topic: string): OwnedMessage | null {
    return this.#tree.findNode(topic)?.message ?? null;
  }

  /** The messages whose topics match a filter (without its share prefix), to be read in slices. */
  cursor(filter: string): RetainedCursor {
    return new RetainedCursor(this.#tree, filter);
  }
}

function payloadBytes(message: OwnedMessage): number {
  return message.payloadEnd - message.payloadStart;
}
