/**
 * What stands at one filter: most often a single subscription, so that is stored as itself; a lone shared group likewise.
 * Only more than one of either becomes a `Subscribers`. All functions are pure but for the objects they are given.
 */
import type { TopicFilter } from '../../protocol/topic.ts';
import type { DeliveryTarget } from '../model/delivery-target.ts';
import type { Subscription } from '../model/subscription.ts';
import { SharedGroup } from './shared-group.ts';

/** What a topic matched. `match` appends to it. */
export interface MatchResult {
  readonly subscriptions: Subscription[];
  readonly groups: SharedGroup[];
}

/** Everything at one filter; absent = nothing. */
export type FilterEntry = Subscription | SharedGroup | Subscribers;

class Subscribers {
  /** In order of subscribing: a Map keeps the place of a key whose value is replaced. */
  readonly plain = new Map<DeliveryTarget, Subscription>();
  /** By the filter text of their members. */
  readonly groups = new Map<string, SharedGroup>();

  constructor(only: Subscription | SharedGroup) {
    if (only instanceof SharedGroup) this.groups.set(only.filterText, only);
    else this.plain.set(only.target, only);
  }
}

/** @returns what stands at the filter with `subscription` added, or in the place of the same target's older one. */
export function withSubscription(entry: FilterEntry | undefined, subscription: Subscription): FilterEntry {
  return subscription.filter.shareName === null ? withPlain(entry, subscription) : withShared(entry, subscription);
}

function withPlain(entry: FilterEntry | undefined, subscription: Subscription): FilterEntry {
  if (entry === undefined) return subscription;
  if (isLone(entry) && entry.target === subscription.target) return subscription;
  const subscribers = entry instanceof Subscribers ? entry : new Subscribers(entry);
  subscribers.plain.set(subscription.target, subscription);
  return subscribers;
}

function withShared(entry: FilterEntry | undefined, subscription: Subscription): FilterEntry {
  const key = subscription.filter.text;
  const present = entry === undefined ? null : groupIn(entry, key);
  if (present !== null && entry !== undefined) {
    present.add(subscription);
    return entry;
  }
  const group = new SharedGroup(key);
  group.add(subscription);
  if (entry === undefined) return group;
  const subscribers = entry instanceof Subscribers ? entry : new Subscribers(entry);
  subscribers.groups.set(group.filterText, group);
  return subscribers;
}

/** @returns what stands at the filter without that subscription; undefined = nothing. Absent ones are no error. */
export function withoutSubscription(
  entry: FilterEntry,
  target: DeliveryTarget,
  filter: TopicFilter,
): FilterEntry | undefined {
  if (filter.shareName !== null) return withoutShared(entry, target, filter.text);
  if (entry instanceof SharedGroup) return entry;
  if (!(entry instanceof Subscribers)) return entry.target === target ? undefined : entry;
  entry.plain.delete(target);
  return reduced(entry);
}

function withoutShared(entry: FilterEntry, target: DeliveryTarget, key: string): FilterEntry | undefined {
  const group = groupIn(entry, key);
  if (group === null || !group.remove(target) || !group.isEmpty) return entry;
  if (!(entry instanceof Subscribers)) return undefined;
  entry.groups.delete(key);
  return reduced(entry);
}

/** A lone subscription or group stands for itself again. */
function reduced(subscribers: Subscribers): FilterEntry | undefined {
  if (subscribers.plain.size + subscribers.groups.size > 1) return subscribers;
  for (const subscription of subscribers.plain.values()) return subscription;
  for (const group of subscribers.groups.values()) return group;
  return undefined;
}

/** The group whose members have that filter text, or null. */
export function groupIn(entry: FilterEntry, key: string): SharedGroup | null {
  if (entry instanceof SharedGroup) return entry.filterText === key ? entry : null;
  return entry instanceof Subscribers ? (entry.groups.get(key) ?? null) : null;
}

/** How many subscriptions stand there of those that a change of one with `filter` can change in number. */
export function countIn(entry: FilterEntry | undefined, filter: TopicFilter): number {
  if (entry === undefined) return 0;
  if (filter.shareName !== null) return groupIn(entry, filter.text)?.memberCount ?? 0;
  if (entry instanceof SharedGroup) return 0;
  return entry instanceof Subscribers ? entry.plain.size : 1;
}

/** A single ordinary subscription, that is: not a group and not several. */
export function isLone(entry: FilterEntry): entry is Subscription {
  return !(entry instanceof Subscribers) && !(entry instanceof SharedGroup);
}

/**
 * Appends an entry that is known to be a single ordinary subscription. To ask the object itself would be a wait for memory
 * per match, which is why the tree's marks say it.
 */
export function collectLone(entry: FilterEntry, into: MatchResult): void {
  into.subscriptions.push(entry as Subscription);
}

/** Appends everything at the filter to `into`. */
export function collect(entry: FilterEntry, into: MatchResult): void {
  if (entry instanceof Subscribers) {
    for (const subscription of entry.plain.values()) into.subscriptions.push(subscription);
    for (const group of entry.groups.values()) into.groups.push(group);
    return;
  }
  if (entry instanceof SharedGroup) into.groups.push(entry);
  else into.subscriptions.push(entry);
}
