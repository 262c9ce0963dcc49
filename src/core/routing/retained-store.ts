/**
 * The last retained message of each topic, in a tree by level, so that a filter with wildcards visits only the branches
 * that agree with it. Rejected: a map by topic beside the tree, which would find a topic in one step and double what the
 * store needs per message.
 *
 * Invariant: a node other than the root has a message or a child. Whether a message has expired is the caller's matter.
 */
import type { OwnedMessage } from '../model/message.ts';
import { internLevel, levelEnd } from './level.ts';
import { RetainedCursor } from './retained-cursor.ts';
import { RetainedNode } from './retained-node.ts';

export type { RetainedCursor };

export class RetainedStore {
  readonly #root = new RetainedNode(0, '');
  #births = 0;
  #count = 0;
  #bytes = 0;

  get count(): number {
    return this.#count;
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
    const node = this.#makeNode(message.topic.text);
    const replaced = node.message;
    node.message = message;
    if (replaced === null) this.#count += 1;
    else this.#bytes -= payloadBytes(replaced);
    this.#bytes += payloadBytes(message);
    return replaced;
  }

  /** @returns the message that was kept there, or null. */
  remove(topic: string): OwnedMessage | null {
    const path = this.#findPath(topic);
    const node = path?.at(-1);
    if (path === null || node === undefined || node.message === null) return null;
    const removed = node.message;
    node.message = null;
    this.#count -= 1;
    this.#bytes -= payloadBytes(removed);
    pruneEmpty(path);
    return removed;
  }

  get(topic: string): OwnedMessage | null {
    return this.#findPath(topic)?.at(-1)?.message ?? null;
  }

  /** The messages whose topics match a filter (without its share prefix), to be read in slices. */
  cursor(filter: string): RetainedCursor {
    return new RetainedCursor(this.#root, filter, this.#births);
  }

  #makeNode(topic: string): RetainedNode {
    let node = this.#root;
    for (let start = 0; start <= topic.length; ) {
      const end = levelEnd(topic, start);
      const level = topic.slice(start, end);
      node = node.child(level) ?? this.#addChild(node, level);
      start = end + 1;
    }
    return node;
  }

  #addChild(parent: RetainedNode, level: string): RetainedNode {
    this.#births += 1;
    const child = new RetainedNode(this.#births, internLevel(level));
    parent.addChild(child);
    return child;
  }

  /** The nodes from the root to that of the topic. */
  #findPath(topic: string): RetainedNode[] | null {
    let node = this.#root;
    const path = [node];
    for (let start = 0; start <= topic.length; ) {
      const end = levelEnd(topic, start);
      const child = node.child(topic.slice(start, end));
      if (child === null) return null;
      path.push(child);
      node = child;
      start = end + 1;
    }
    return path;
  }
}

function payloadBytes(message: OwnedMessage): number {
  return message.payloadEnd - message.payloadStart;
}

/** Removes the nodes at the end of the path that hold nothing any more. */
function pruneEmpty(path: readonly RetainedNode[]): void {
  for (let depth = path.length - 1; depth > 0; depth -= 1) {
    const node = path[depth];
    if (node === undefined || !node.isEmpty) return;
    path[depth - 1]?.removeChild(node);
  }
}
