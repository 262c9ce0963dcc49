/**
 * The one way in for every message: PUBLISH, wills and the broker's own. Keeps the retained message, finds who
 * subscribed, picks the member of each shared group and offers the message to each. Who gets it how is the target's
 * matter.
 */
import type { TimerQueue } from '../../base/timer-queue.ts';
import type { Turn } from '../../base/turn.ts';
import type { TopicFilter, TopicName } from '../../protocol/topic.ts';
import { higherQos } from '../../protocol/version.ts';
import type { Delivery } from '../model/delivery.ts';
import type { DeliveryTarget } from '../model/delivery-target.ts';
import type { Message, Publisher } from '../model/message.ts';
import type { RetainedSource } from '../model/retained-source.ts';
import type { BrokerSettings } from '../model/settings.ts';
import type { Subscription } from '../model/subscription.ts';
import type { Journal, Ticket } from '../ports.ts';
import { HandOutBudget } from './hand-out-budget.ts';
import { MatchCache, type MatchResult } from './match-cache.ts';
import { RetainedStore, SINCE_UNKNOWN } from './retained-store.ts';
import { RetainedSweep } from './retained-sweep.ts';
import { TopicTree } from './topic-tree.ts';

export interface RouterParts {
  readonly journal: Journal;
  /** Those in force now: a reload exchanges them, so they are read at each use. */
  readonly settings: BrokerSettings;
  readonly timers: TimerQueue;
  readonly monotonicMs: () => number;
  readonly turn: Turn;
  /** Whether a publisher still has the right to a topic, for `check_retain_source`. */
  readonly mayHavePublished: (publisher: Publisher, topic: TopicName) => boolean;
  /** A number that clients cannot know, so that they cannot choose topics whose hashes collide. */
  readonly seed: number;
}

export class Router {
  readonly tree: TopicTree;
  readonly retained: RetainedStore;
  readonly #cache: MatchCache;
  readonly #sweep: RetainedSweep;
  readonly #parts: RouterParts;
  /** Removes a retained message that has expired. */
  readonly #isAlive = (message: Message, sinceMs: number): boolean => {
    const dueMs = this.#dueMs(message, sinceMs);
    if (dueMs === Number.POSITIVE_INFINITY || dueMs > this.#parts.monotonicMs()) return true;
    const { topic } = message.own();
    if (this.retained.remove(topic)) this.#tellRemoved(topic);
    return false;
  };
  /** Whether a retained message may be handed out: alive, and of somebody who might publish it today. */
  readonly #isWanted = (message: Message, sinceMs: number): boolean => {
    if (!this.#isAlive(message, sinceMs)) return false;
    const { settings, mayHavePublished } = this.#parts;
    if (!settings.checkRetainSource) return true;
    const { publisher } = message;
    return publisher === null || mayHavePublished(publisher, message.topic);
  };
  /** The ticket of the last removal from the retained store. */
  #lastRemoved: Ticket = 0;
  /** Whether the last message had any matching subscription. */
  hadMatch = false;

  constructor(parts: RouterParts) {
    this.#parts = parts;
    this.tree = new TopicTree(parts.seed);
    this.retained = new RetainedStore(parts.seed, new HandOutBudget(parts.turn, parts.monotonicMs));
    this.#cache = new MatchCache(this.tree);
    this.#sweep = new RetainedSweep({
      store: this.retained,
      timers: parts.timers,
      dueMs: (message, sinceMs) => this.#dueMs(message, sinceMs),
      onRemoved: (topic) => this.#tellRemoved(topic),
    });
  }

  /**
   * Takes a message in and offers it to every matching session [MQTT-4.5.0-1].
   * @returns the ticket that must be durable before the publisher is told that the message is safe.
   */
  distribute(message: Message): Ticket {
    const stored = message.retain && this.#parts.settings.retainAvailable ? this.#retain(message) : 0;
    const match = this.#cache.lookup(message.topic);
    this.hadMatch = match.subscriptions.length > 0 || match.groups.length > 0;
    return Math.max(stored, this.#offerAll(message, match));
  }

  /** Puts back what was retained before a restart. One that has expired meanwhile is removed before anybody sees it. */
  restoreRetained(message: Message, sinceMs: number): void {
    this.retained.set(message, sinceMs);
    this.#sweep.expect(this.#dueMs(message, sinceMs));
  }

  /** Whether a message has to be made durable: it is to be retained, or a durable session would get it. */
  isForStore(message: Message): boolean {
    if (message.retain && this.#parts.settings.retainAvailable) return true;
    return this.hasDurableReceiver(message.topic);
  }

  /** Whether a durable session would get a message on this topic. */
  hasDurableReceiver(topic: TopicName): boolean {
    const match = this.#cache.lookup(topic);
    // A group's member is not known before the pick: it counts.
    return match.groups.length > 0 || match.subscriptions.some((subscription) => subscription.target.isDurable);
  }

  /**
   * The retained messages for a new subscription; those that have expired are removed on the way, those whose publisher has
   * lost the right to them stay and are held back (`check_retain_source`).
   */
  retainedFor(filter: TopicFilter): RetainedSource {
    return this.retained.cursor(filter.filter, this.#isWanted);
  }

  /**
   * Offers an unsent message of a shared subscription to another member: one that is online while `from` can keep it,
   * otherwise whoever is next. @returns false: there is none.
   */
  moveShared(delivery: Delivery, from: DeliveryTarget): boolean {
    const { shared, message } = delivery;
    if (shared === null) return false;
    const match = this.#cache.lookup(message.topic);
    const group = match.groups.find((candidate) => candidate.filterText === shared.filter.text);
    // One that has ended may still stand in the group, and keeps nothing.
    const canKeep = from.isDurable && group?.has(from) === true;
    const picked = (canKeep ? group?.pickOnline(from) : group?.pick()) ?? null;
    if (picked === null) return false;
    picked.target.offer(message, picked, false);
    return true;
  }

  /** [MQTT-3.3.1-5] [MQTT-3.3.1-6] [MQTT-3.3.1-7]; what was QoS 0 need not be waited for. */
  #retain(message: Message): Ticket {
    const { journal } = this.#parts;
    const isEmpty = message.payloadEnd === message.payloadStart;
    if (isEmpty) {
      // One that is gone already may not be gone from the disk.
      return this.retained.remove(message.topic) ? this.#tellRemoved(message.topic) : this.#lastRemoved;
    }
    const sinceMs = this.#sinceMs(message);
    this.retained.set(message, sinceMs);
    this.#sweep.expect(this.#dueMs(message, sinceMs));
    if (journal.isVolatile) return 0;
    const ticket = journal.append({ kind: 'retained', message: message.own(), sinceMs });
    return message.qos === 0 ? 0 : ticket;
  }

  /** What `retain_expiry_interval` counts from. The broker's own messages stay: some are published only once. */
  #sinceMs(message: Message): number {
    const isCounted = this.#parts.settings.retainExpirySeconds !== null && message.publisherId !== '';
    return isCounted ? this.#parts.monotonicMs() : SINCE_UNKNOWN;
  }

  /** When a retained message ends: by its own expiry, or by `retain_expiry_interval`, whichever is first. */
  #dueMs(message: Message, sinceMs: number): number {
    const { retainExpirySeconds } = this.#parts.settings;
    if (retainExpirySeconds === null || sinceMs === SINCE_UNKNOWN) return message.expiresAtMs;
    return Math.min(message.expiresAtMs, sinceMs + retainExpirySeconds * 1000);
  }

  #tellRemoved(topic: TopicName): Ticket {
    const { journal } = this.#parts;
    if (journal.isVolatile) return 0;
    this.#lastRemoved = journal.append({ kind: 'retained-removed', topic });
    return this.#lastRemoved;
  }

  #offerAll(message: Message, match: MatchResult): Ticket {
    let ticket = 0;
    const { subscriptions, groups } = match;
    const targets =
      subscriptions.length < 2 || this.#parts.settings.allowDuplicateMessages
        ? subscriptions
        : mergeByTarget(subscriptions, message.publisherId);
    for (let index = 0; index < targets.length; index += 1) {
      const subscription = targets[index]!;
      ticket = Math.max(ticket, subscription.target.offer(message, subscription, false));
    }
    for (let index = 0; index < groups.length; index += 1) {
      const picked = groups[index]!.pick();
      if (picked !== null) ticket = Math.max(ticket, picked.target.offer(message, picked, false));
    }
    return ticket;
  }
}

/**
 * One subscription per target: the highest QoS and the identifiers of all [MQTT-3.3.4-2] [MQTT-3.3.4-4]. Those with No
 * Local do not count for the publisher itself [MQTT-3.8.3-3].
 */
function mergeByTarget(subscriptions: readonly Subscription[], publisherId: string): readonly Subscription[] {
  const merged = new Map<DeliveryTarget, Subscription>();
  for (const subscription of subscriptions) {
    const { target, noLocal } = subscription;
    if (noLocal && target.clientId === publisherId) continue;
    const other = merged.get(target);
    merged.set(target, other === undefined ? subscription : mergeTwo(other, subscription));
  }
  return [...merged.values()];
}

function mergeTwo(one: Subscription, two: Subscription): Subscription {
  return {
    ...one,
    qos: higherQos(one.qos, two.qos),
    noLocal: one.noLocal && two.noLocal,
    retainAsPublished: one.retainAsPublished || two.retainAsPublished,
    identifiers: one.identifiers === null ? two.identifiers : [...one.identifiers, ...(two.identifiers ?? [])],
  };
}
