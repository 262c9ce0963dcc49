/**
 * All subscriptions, found by topic name in a time that grows with what matches and not with how many there are.
 *
 * Two parts. A filter without wildcards matches exactly one topic, so all of those stand in one map by their text: most
 * subscriptions of a plant are such, and each costs one look-up and one entry. Filters with wildcards stand in a tree by
 * level. A match goes down that tree level by level with the set of nodes reached so far; a topic of n levels can reach
 * a node only along literal and `+` edges, so it visits no more than the filters that agree with a beginning of it.
 * Rejected: everything in the tree (three times the memory), and recursion (depth is the client's choice).
 *
 *   Plant1/+/state     root --Plant1--> o --plus--> o --state--> o.here
 *   Plant1/#           root --Plant1--> o.below                          also matches `Plant1` itself
 *
 * Invariant: a node other than the root has a child or a subscription. Nothing is normalised [MQTT-4.7.3-4].
 */
import type { TopicFilter } from '../../protocol/topic.ts';
import type { DeliveryTarget } from '../model/delivery-target.ts';
import type { Subscription } from '../model/subscription.ts';
import { FilterNode, type FilterPath, findPath, makeNode, pruneEmpty } from './filter-node.ts';
import { levelEnd } from './level.ts';
import type { SharedGroup } from './shared-group.ts';
import {
  collect,
  countIn,
  type FilterEntry,
  groupIn,
  type MatchResult,
  withoutSubscription,
  withSubscription,
} from './subscribers.ts';
import { WideMap } from './wide-map.ts';

export type { MatchResult };

const DOLLAR = 0x24;
/** Filters without wildcards stand at no node. */
const EXACT_PATH: FilterPath = { nodes: [], levels: [] };
/** Room for reached nodes that is kept from one match to the next. */
const REACHED_KEPT_MAX = 4096;

export class TopicTree {
  readonly #exact = new WideMap<FilterEntry>();
  readonly #root = new FilterNode();
  #version = 0;
  #subscriptionCount = 0;
  #sharedCount = 0;
  /** The nodes reached at the present level of a match, and those at the next one: used again by every match. */
  #reached: FilterNode[] = [];
  #reachedNext: FilterNode[] = [];

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

  /** Adds a subscription. One of the same target to the same filter is replaced in its place [MQTT-3.8.4-3]. */
  add(subscription: Subscription): void {
    const { filter } = subscription.filter;
    const node = hasWildcard(filter) ? makeNode(this.#root, filter) : null;
    const before = this.#entryAt(node, filter);
    const countBefore = countIn(before, subscription.filter);
    // A map keeps its first key: without this, the text of a subscription that is gone.
    if (node === null && before !== undefined) this.#exact.delete(filter);
    const after = withSubscription(before, subscription);
    this.#setEntry(node, filter, after);
    this.#changed(countIn(after, subscription.filter) - countBefore, subscription.filter);
  }

  /** Removes the subscription with this filter text, its share name included. @returns false when there is none. */
  remove(target: DeliveryTarget, filter: TopicFilter): boolean {
    const path = hasWildcard(filter.filter) ? findPath(this.#root, filter.filter) : EXACT_PATH;
    if (path === null) return false;
    const node = path.nodes.at(-1) ?? null;
    const before = this.#entryAt(node, filter.filter);
    if (before === undefined) return false;
    const countBefore = countIn(before, filter);
    const after = withoutSubscription(before, target, filter);
    const countChange = countIn(after, filter) - countBefore;
    if (countChange === 0) return false;
    this.#setEntry(node, filter.filter, after);
    pruneEmpty(path);
    this.#changed(countChange, filter);
    return true;
  }

  /** The group a shared subscription with this filter belongs to; null when it has no members. */
  findGroup(filter: TopicFilter): SharedGroup | null {
    if (filter.shareName === null) return null;
    const path = hasWildcard(filter.filter) ? findPath(this.#root, filter.filter) : EXACT_PATH;
    const entry = path === null ? undefined : this.#entryAt(path.nodes.at(-1) ?? null, filter.filter);
    return entry === undefined ? null : groupIn(entry, filter.text);
  }

  /**
   * Appends to `into` whatever is subscribed to a topic name, in an order that stays while nothing is subscribed anew.
   * A filter that begins with a wildcard does not match a topic that begins with `$` [MQTT-4.7.2-1].
   */
  match(topic: string, into: MatchResult): void {
    const exact = this.#exact.get(topic);
    if (exact !== undefined) collect(exact, into);
    const isSystem = topic.charCodeAt(0) === DOLLAR;
    if (!isSystem && this.#root.below !== undefined) collect(this.#root.below, into);
    this.#reached[0] = this.#root;
    let reachedCount = 1;
    for (let start = 0; start <= topic.length && reachedCount > 0; ) {
      const end = levelEnd(topic, start);
      reachedCount = this.#advance(topic, start, end, reachedCount, into);
      start = end + 1;
    }
    // After an unusual match, give the room back.
    if (this.#reached.length > REACHED_KEPT_MAX) this.#reached = [];
    if (this.#reachedNext.length > REACHED_KEPT_MAX) this.#reachedNext = [];
  }

  #advance(topic: string, start: number, end: number, reachedCount: number, into: MatchResult): number {
    const reached = this.#reached;
    const reachedNext = this.#reachedNext;
    const isLast = end === topic.length;
    const skipsPlus = start === 0 && topic.charCodeAt(0) === DOLLAR;
    let level: string | null = null;
    let nextCount = 0;
    for (let index = 0; index < reachedCount; index += 1) {
      const node = reached[index];
      if (node === undefined) break;
      const plus = skipsPlus ? null : node.plus;
      if (plus !== null) {
        arrive(plus, isLast, into);
        reachedNext[nextCount++] = plus;
      }
      if (!node.hasLiteralChildren) continue;
      level ??= topic.slice(start, end);
      const child = node.literal(level);
      if (child !== null) {
        arrive(child, isLast, into);
        reachedNext[nextCount++] = child;
      }
    }
    this.#reached = reachedNext;
    this.#reachedNext = reached;
    return nextCount;
  }

  #entryAt(node: FilterNode | null, filter: string): FilterEntry | undefined {
    if (node === null) return this.#exact.get(filter);
    return filter.endsWith('#') ? node.below : node.here;
  }

  #setEntry(node: FilterNode | null, filter: string, entry: FilterEntry | undefined): void {
    if (node === null) {
      if (entry === undefined) this.#exact.delete(filter);
      else this.#exact.set(filter, entry);
    } else if (filter.endsWith('#')) node.below = entry;
    else node.here = entry;
  }

  #changed(countChange: number, filter: TopicFilter): void {
    this.#version += 1;
    this.#subscriptionCount += countChange;
    if (filter.shareName !== null) this.#sharedCount += countChange;
  }
}

/** What a match finds on reaching a node: `#` matches the node itself too, the rest only if the topic ends here. */
function arrive(node: FilterNode, isLast: boolean, into: MatchResult): void {
  if (node.below !== undefined) collect(node.below, into);
  if (isLast && node.here !== undefined) collect(node.here, into);
}

function hasWildcard(filter: string): boolean {
  return filter.includes('+') || filter.includes('#');
}
