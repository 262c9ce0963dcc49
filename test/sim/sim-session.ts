/**
 * What the model knows of one session. What a client was not told yet may be undone by a crash: such a part keeps all its
 * versions from the last one that is known to be safe, and after a crash any of them may be the true one.
 */
import assert from 'node:assert/strict';
import type { Qos } from '../../src/protocol/version.ts';
import type { Delivered, Owed, SimMessage } from './owed.ts';

/** Session Expiry Interval of a session that never ends. */
export const NEVER = 0xffff_ffff;

export interface SimWill {
  readonly message: SimMessage;
  readonly delaySeconds: number;
}

/** One change of a subscription; `qos` null: it is gone. */
export interface SubscriptionChange {
  readonly qos: Qos | null;
}

export class SimSubscription {
  /** Without the share prefix. */
  readonly filter: string;
  readonly isShared: boolean;
  #possible: readonly (Qos | null)[] = [null];
  #ifCrash: SubscriptionChange[] = [{ qos: null }];

  constructor(filter: string, isShared: boolean) {
    this.filter = filter;
    this.isShared = isShared;
  }

  /** What it may be now. One entry: it is known. */
  get possible(): readonly (Qos | null)[] {
    return this.#possible;
  }

  change(change: SubscriptionChange): void {
    this.#possible = [change.qos];
    this.#ifCrash.push(change);
  }

  acknowledge(change: SubscriptionChange): void {
    const index = this.#ifCrash.indexOf(change);
    if (index > 0) this.#ifCrash = this.#ifCrash.slice(index);
  }

  settle(): void {
    this.#ifCrash = this.#possible.map((qos) => ({ qos }));
  }

  crash(): void {
    this.#possible = [...new Set(this.#ifCrash.map(({ qos }) => qos))];
  }
}

/** How long a session lives, as the disk may know it. */
export type Life =
  | { readonly kind: 'absent' }
  | { readonly kind: 'connected'; readonly expirySeconds: number }
  | { readonly kind: 'offline'; readonly expirySeconds: number; readonly sinceMs: number };

export class SimSession {
  readonly clientId: string;
  expirySeconds = 0;
  isOnline = false;
  /** Its client was told that it is connected. Only means something while it is online. */
  isWelcome = false;
  isEnded = false;
  will: SimWill | null = null;
  /** False: the disk may know of another will, or of none. */
  isWillSafe = true;
  /** Infinity: not at all. */
  willAtMs = Number.POSITIVE_INFINITY;
  /** From when on it may have ended; the same as `endsAtMs` when that is known. -Infinity: perhaps it is not there at all. */
  mayEndAtMs = Number.POSITIVE_INFINITY;
  endsAtMs = Number.POSITIVE_INFINITY;
  /** Which loss of a connection its deadlines come from: of deadlines at one moment the older goes first. */
  lostAs = 0;
  /** The last one is how it is; the others are what a crash may bring back. */
  lives: readonly Life[] = [{ kind: 'absent' }];
  /** By the text of the filter. */
  readonly subscriptions = new Map<string, SimSubscription>();
  /** Filters ever subscribed to, with the order of messages at that time: retained messages may come for them. */
  readonly asked: { readonly filter: string; readonly from: number }[] = [];
  /** QoS 2 identifiers taken in and not released. */
  readonly receivedIds = new Map<number, SimMessage>();
  readonly owed = new Map<string, Owed>();
  /** Place of the last message that came first, by publisher, topic and QoS. */
  readonly #lastOrders = new Map<string, number>();

  constructor(clientId: string) {
    this.clientId = clientId;
  }

  /** Another life begins; what was before may come back. */
  live(life: Life): void {
    this.lives = [...this.lives, life];
  }

  subscription(text: string): SimSubscription {
    let subscription = this.subscriptions.get(text);
    if (subscription === undefined) {
      const isShared = text.startsWith('$share/');
      subscription = new SimSubscription(isShared ? text.split('/').slice(2).join('/') : text, isShared);
      this.subscriptions.set(text, subscription);
    }
    return subscription;
  }

  /** A message has come that was not retained before it was asked for. */
  take(seen: Delivered): void {
    const owed = this.owed.get(seen.text);
    assert.ok(owed !== undefined, `${this.clientId} got ${seen.text} on ${seen.topic}, which it was not owed`);
    if (!owed.wasSeen && !owed.story.isRepeated) this.#checkOrder(owed, seen);
    owed.take(seen);
  }

  /** Messages of one publisher on one topic with one QoS come in the order in which they were taken in. */
  #checkOrder({ story: { message }, order }: Owed, { qos }: Delivered): void {
    const key = `${message.publisher} ${message.topic} ${qos}`;
    const last = this.#lastOrders.get(key) ?? -1;
    assert.ok(order > last, `${this.clientId} got ${message.text} after a later message of ${key}`);
    this.#lastOrders.set(key, order);
  }
}
