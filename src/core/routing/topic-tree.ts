/**
 * All subscriptions, found by topic name in a time that grows with what matches and not with how many there are.
 *
 * A tree by filter level. A match goes down level by level with the set of nodes reached so far; it reaches no more nodes
 * than there are different beginnings of filters that agree with the topic. The tree is made of numbers: levels
 * (level-table), nodes (node-table, node-ref), edges (edge-table). A match mostly waits for memory, and so it waits once per
 * step; objects with a Map each took more than twice the time. No recursion: depth is the client's choice.
 *
 *   Plant1/+/state     root --Plant1--> o --+--> o --state--> o.here
 *   Plant1/#           root --Plant1--> o.below                         found on reaching `Plant1`, even as the last level
 *
 * Invariant: a node other than the root has a child or an entry. Nothing is normalised [MQTT-4.7.3-4].
 */
import type { TopicFilter } from '../../protocol/topic.ts';
import type { DeliveryTarget } from '../model/delivery-target.ts';
import type { Subscription } from '../model/subscription.ts';
import { NO_EDGE } from './edge-table.ts';
import { FilterTree } from './filter-tree.ts';
import { levelEnd } from './level.ts';
import { NO_LEVEL, PLUS } from './level-table.ts';
import {
  BELOW_IS_LONE,
  HAS_BELOW,
  HAS_CHILDREN,
  HAS_HERE,
  HAS_LITERAL,
  HAS_PLUS,
  HERE_IS_LONE,
  type NodeRef,
  nodeOf,
} from './node-ref.ts';
import type { SharedGroup } from './shared-group.ts';
import {
  collect,
  collectLone,
  countIn,
  type FilterEntry,
  groupIn,
  type MatchResult,
  withoutSubscription,
  withSubscription,
} from './subscribers.ts';

export type { MatchResult };

const DOLLAR = 0x24;
/** Room for reached nodes that is kept from one match to the next. */
const REACHED_KEPT_MAX = 4096;

export class TopicTree {
  readonly #tree: FilterTree;
  #version = 0;
  #subscriptionCount = 0;
  #sharedCount = 0;
  /** What is reached at the present level of a match, and at the next one: used again by every match. */
  #reached: NodeRef[] = [];
  #reachedNext: NodeRef[] = [];
  /** The marks of all that is reached at the present level. */
  #reachedMarks = 0;

  /** `seed`: any number that clients cannot know, so that they cannot choose filters that slow the tree down. */
  constructor(seed = 0) {
    this.#tree = new FilterTree(seed);
  }

  /** Grows with every change: what was matched at another version may be out of date. */
  get version(): number {
    return this.#version;
  }

  /** All subscriptions, shared ones included. */
  get subscriptionCount(): number {
    return this.#subscriptionCount;
  }

  get sharedCount(): number {
    return this.#sharedCount;
  }

  /** Nodes and different levels in use: shows that nothing is left behind. */
  get size(): { readonly nodes: number; readonly levels: number } {
    return { nodes: this.#tree.nodes.count, levels: this.#tree.levels.count };
  }

  /** Adds a subscription. One of the same target to the same filter is replaced in its place [MQTT-3.8.4-3]. */
  add(subscription: Subscription): void {
    const { filter } = subscription;
    const path = this.#tree.makePath(filter.filter);
    const before = this.#tree.entryAt(path);
    const countBefore = countIn(before, filter);
    const after = withSubscription(before, subscription);
    this.#tree.setEntryAt(path, after);
    this.#changed(countIn(after, filter) - countBefore, filter);
  }

  /** Removes the subscription with this filter text, its share name included. @returns false when there is none. */
  remove(target: DeliveryTarget, filter: TopicFilter): boolean {
    const path = this.#tree.findPath(filter.filter);
    const before = path === null ? undefined : this.#tree.entryAt(path);
    if (path === null || before === undefined) return false;
    const countBefore = countIn(before, filter);
    const after = withoutSubscription(before, target, filter);
    const countChange = countIn(after, filter) - countBefore;
    if (countChange === 0) return false;
    this.#tree.setEntryAt(path, after);
    this.#changed(countChange, filter);
    return true;
  }

  /** The group a shared subscription with this filter belongs to; null when it has no members. */
  findGroup(filter: TopicFilter): SharedGroup | null {
    const path = filter.shareName === null ? null : this.#tree.findPath(filter.filter);
    const entry = path === null ? undefined : this.#tree.entryAt(path);
    return entry === undefined ? null : groupIn(entry, filter.text);
  }

  /**
   * Appends to `into` whatever is subscribed to a topic name, in an order that stays while nothing is subscribed anew.
   * A filter that begins with a wildcard does not match a topic that begins with `$` [MQTT-4.7.2-1].
   */
  match(topic: string, into: MatchResult): void {
    const { levels, rootRef } = this.#tree;
    const isSystem = topic.charCodeAt(0) === DOLLAR;
    if (!isSystem) this.#arrive(rootRef, false, into);
    this.#reachedMarks = isSystem ? rootRef & ~HAS_PLUS : rootRef;
    this.#reached[0] = this.#reachedMarks;
    let reachedCount = 1;
    for (let start = 0; start <= topic.length && reachedCount > 0; ) {
      const end = levelEnd(topic, start);
      const level = (this.#reachedMarks & HAS_LITERAL) === 0 ? NO_LEVEL : levels.findIn(topic, start, end);
      reachedCount = this.#step(level, reachedCount, end === topic.length, into);
      start = end + 1;
    }
    // After an unusual match, give the room back.
    if (this.#reached.length > REACHED_KEPT_MAX) this.#reached = [];
    if (this.#reachedNext.length > REACHED_KEPT_MAX) this.#reachedNext = [];
  }

  /** From the nodes reached so far to those one level further. @returns from how many of those there is a way on. */
  #step(level: number, reachedCount: number, isLast: boolean, into: MatchResult): number {
    const { edges } = this.#tree;
    const reached = this.#reached;
    const reachedNext = this.#reachedNext;
    let nextCount = 0;
    let marks = 0;
    for (let index = 0; index < reachedCount; index += 1) {
      const ref = reached[index] ?? 0;
      if ((ref & HAS_PLUS) !== 0) {
        const child = edges.find(nodeOf(ref), PLUS);
        this.#arrive(child, isLast, into);
        if ((child & HAS_CHILDREN) !== 0) reachedNext[nextCount++] = child;
        marks |= child;
      }
      if ((ref & HAS_LITERAL) === 0 || level === NO_LEVEL) continue;
      const child = edges.find(nodeOf(ref), level);
      if (child === NO_EDGE) continue;
      this.#arrive(child, isLast, into);
      if ((child & HAS_CHILDREN) !== 0) reachedNext[nextCount++] = child;
      marks |= child;
    }
    this.#reachedMarks = marks;
    this.#reached = reachedNext;
    this.#reachedNext = reached;
    return nextCount;
  }

  /** Takes what a match finds at a node: `#` below it matches the node itself too, the rest only if the topic ends here. */
  #arrive(ref: NodeRef, isLast: boolean, into: MatchResult): void {
    if ((ref & HAS_BELOW) !== 0) {
      take(this.#tree.nodes.below.get(nodeOf(ref)), (ref & BELOW_IS_LONE) !== 0, into);
    }
    if (isLast && (ref & HAS_HERE) !== 0) {
      take(this.#tree.nodes.here.get(nodeOf(ref)), (ref & HERE_IS_LONE) !== 0, into);
    }
  }

  #changed(countChange: number, filter: TopicFilter): void {
    this.#version += 1;
    this.#subscriptionCount += countChange;
    if (filter.shareName !== null) this.#sharedCount += countChange;
  }
}

function take(entry: FilterEntry | undefined, isLone: boolean, into: MatchResult): void {
  if (entry === undefined) return;
  if (isLone) collectLone(entry, into);
  else collect(entry, into);
}
