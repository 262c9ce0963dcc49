/**
 * What one session sends: decides for each message whether it leaves at once, waits, or is dropped, and lets the waiting
 * ones go when acknowledgements or the socket make room.
 *
 *      offer --> [no right, expired, too large: dropped]
 *            --> online, nothing before it, room: the channel
 *            --> else: the queue (bounded; the newest is dropped when it is full)
 *      pump  --> again (after a reconnect) --> queue --> retained messages of new subscriptions
 */
import { Timer } from '../../base/timer-queue.ts';
import { Reason, type ReasonCode } from '../../protocol/reasons.ts';
import { lowerQos, type Qos } from '../../protocol/version.ts';
import type { Channel } from '../delivery/channel.ts';
import type { Delivery } from '../model/delivery.ts';
import type { Message } from '../model/message.ts';
import type { RetainedSource } from '../model/retained-source.ts';
import type { Subscription } from '../model/subscription.ts';
import type { Identity, QueueRow, Ticket } from '../ports.ts';
import { type InflightEntry, InflightWindow } from './inflight-window.ts';
import type { SessionParts } from './session-parts.ts';
import { SessionQueue } from './session-queue.ts';

/** Retained messages asked for in one step, and handed out in one turn. */
const RETAINED_SLICE = 64;
const RETAINED_PER_TURN = 1024;
/** Retained messages looked at when a client leaves before it was handed all of them. */
const RETAINED_KEPT_MAX = 2048;
/** Milliseconds until a read of the queue that failed is tried again. */
const READ_RETRY_MS = 1000;
/** Rows of the queue let go in one turn. */
const QUEUED_PER_TURN = 4096;

interface RetainedFeed {
  readonly source: RetainedSource;
  readonly subscription: Subscription;
}

export class Outgoing {
  readonly window = new InflightWindow();
  readonly queue: SessionQueue;
  readonly #clientId: string;
  readonly #parts: SessionParts;
  /** By filter, in order of subscribing: there are no more of them than subscriptions. */
  readonly #feeds = new Map<string, RetainedFeed>();
  readonly #identity: Identity;
  #isDurable: boolean;
  #channel: Channel | null = null;
  #isPumpDue = false;
  #isPumping = false;
  #saidDropping = false;
  #saidReadFailed = false;
  #readRetry: Timer | null = null;

  constructor(identity: Identity, isDurable: boolean, parts: SessionParts) {
    this.#clientId = identity.clientId;
    this.#identity = identity;
    this.#isDurable = isDurable;
    this.#parts = parts;
    this.queue = new SessionQueue(identity.clientId, parts.durability.journal, parts.settings.queueHeadMax);
  }

  /** A connection for this session: everything unfinished is sent again, then the queue. */
  attach(channel: Channel, windowMax: number, isDurable: boolean): void {
    this.#channel = channel;
    this.#isDurable ||= isDurable;
    this.#saidDropping = false;
    this.window.restart(windowMax);
    this.pump();
  }

  /** The connection is gone. What is queued stays; shared messages that were not sent go to other members by `move`. */
  detach(move: (delivery: Delivery) => boolean, isKept: boolean): void {
    this.#channel = null;
    for (const entry of this.window.entries()) {
      // It waited for the journal until the end: it never left.
      if (entry.qos === 2 && !this.#parts.durability.isDurable(entry.ticket)) entry.wasSent = false;
    }
    if (this.#isDurable && isKept) this.#keepFeeds();
    this.#feeds.clear();
    this.queue.moveOut(({ delivery, position }) => {
      const isMoved = delivery.shared !== null && move(delivery);
      if (!isMoved && this.#keepsOffline(delivery.qos)) return false;
      this.queue.done(position);
      return true;
    });
  }

  end(): void {
    this.#channel = null;
    if (this.#readRetry !== null) this.#parts.timers.remove(this.#readRetry);
    this.#feeds.clear();
    this.queue.end();
    this.window.clear();
  }

  get hasRoom(): boolean {
    const channel = this.#channel;
    return channel !== null && !channel.isCongested && this.window.hasRoom && this.queue.count === 0;
  }

  /** See DeliveryTarget.offer. */
  offer(message: Message, subscription: Subscription, isRetained: boolean): Ticket {
    const qos = lowerQos(message.qos, subscription.qos);
    const retain = isRetained || (subscription.retainAsPublished && message.retain);
    const channel = this.#channel;
    // [MQTT-3.8.3-3], also for what the client has retained itself.
    if (subscription.noLocal && message.publisherId === this.#clientId) return 0;
    if (channel === null && !this.#keepsOffline(qos)) return 0;
    if (!this.#mayReceive(message)) return this.#drop();
    if (this.#isExpired(message)) return this.#expire();
    if (qos === 0) return this.#offerQos0(message, subscription, retain);
    const delivery = this.#delivery(message, subscription, qos, retain);
    if (channel !== null && this.hasRoom) return this.#start(channel, delivery, null);
    return this.#enqueue(delivery);
  }

  /** Hands out the retained messages of a new subscription, as fast as the client takes them. */
  feed(source: RetainedSource, subscription: Subscription): void {
    this.#feeds.delete(subscription.filter.text);
    this.#feeds.set(subscription.filter.text, { source, subscription });
    this.pump();
  }

  /** The subscription is gone or replaced: no more of its retained messages [MQTT-3.10.4-2]. */
  stopFeed(filterText: string): void {
    if (this.#feeds.delete(filterText) && this.#feeds.size > 0) this.pumpLater();
  }

  /** The client has subscribed anew without asking for retained messages: those on their way follow the new options. */
  replaceFeed(subscription: Subscription): void {
    const feed = this.#feeds.get(subscription.filter.text);
    if (feed !== undefined) this.#feeds.set(subscription.filter.text, { source: feed.source, subscription });
  }

  /** PUBACK. @returns false: it belongs to nothing that was sent with QoS 1. */
  onPuback(packetId: number): boolean {
    const entry = this.window.get(packetId);
    if (entry === undefined || entry.qos !== 1) return false;
    this.#finish(entry);
    return true;
  }

  /** PUBREC [MQTT-4.3.3-4]. @returns false: the packet id is not in use for a QoS 2 message. */
  onPubrec(packetId: number, reason: ReasonCode): boolean {
    const entry = this.window.get(packetId);
    if (entry === undefined || entry.qos !== 2) return false;
    if (reason >= Reason.UnspecifiedError) {
      this.#finish(entry);
      return true;
    }
    entry.state = 'released';
    entry.delivery = null;
    const ticket = this.#tell({ kind: 'released', clientId: this.#clientId, position: entry.position }, entry);
    this.#channel?.ack(ticket, 'pubrel', packetId, Reason.Success);
    return true;
  }

  /** PUBCOMP. @returns false: unknown packet id. */
  onPubcomp(packetId: number): boolean {
    const entry = this.window.get(packetId);
    if (entry === undefined || entry.state !== 'released') return false;
    this.#finish(entry);
    return true;
  }

  /** Sends what may be sent now; called when acknowledgements or the socket made room. Bounded per turn. */
  pump(): void {
    const channel = this.#channel;
    if (channel === null) return;
    if (this.#isPumping) {
      // A link may report what it sent from inside `send`: what that made room for has its turn later.
      this.pumpLater();
      return;
    }
    this.#isPumping = true;
    try {
      this.#pumpAgain(channel);
      if (this.#pumpQueue(channel) || this.#pumpFeeds(channel)) this.pumpLater();
    } finally {
      this.#isPumping = false;
    }
  }

  #pumpAgain(channel: Channel): void {
    while (!channel.isCongested) {
      const entry = this.window.nextAgain();
      if (entry === undefined) return;
      this.#sendAgain(channel, entry);
    }
  }

  #sendAgain(channel: Channel, entry: InflightEntry): void {
    const { delivery, packetId } = entry;
    if (delivery === null) {
      channel.ack(0, 'pubrel', packetId, Reason.Success);
      return;
    }
    if (
      !this.#mayReceive(delivery.message) ||
      !channel.publishFits(delivery.message, entry.qos, delivery.subscriptionIdentifiers)
    ) {
      this.#drop();
      this.#forget(entry);
      return;
    }
    this.#write(channel, entry, delivery, 0);
  }

  /** @returns true when there is more to do in the next turn. */
  #pumpQueue(channel: Channel): boolean {
    for (let left = QUEUED_PER_TURN; left > 0; left -= 1) {
      const row = this.queue.peek();
      if (row === undefined) {
        this.#refill();
        return false;
      }
      if (channel.isCongested || (row.delivery.qos > 0 && !this.window.hasRoom)) return false;
      this.queue.shift();
      this.#sendRow(channel, row);
    }
    return true;
  }

  #sendRow(channel: Channel, row: QueueRow): void {
    const { delivery } = row;
    const { message } = delivery;
    if (this.#isExpired(message)) this.#expire();
    else if (!this.#mayReceive(message)) this.#drop();
    else if (delivery.qos > 0) {
      this.#start(channel, delivery, row);
      return;
    } else if (channel.publishFits(message, 0, delivery.subscriptionIdentifiers)) {
      channel.publish(message, { ...delivery, dup: false, packetId: 0 });
    } else this.#drop();
    this.queue.done(row.position);
  }

  /** @returns true when there is more to do in the next turn. */
  #pumpFeeds(channel: Channel): boolean {
    for (let left = RETAINED_PER_TURN; left > 0; left -= RETAINED_SLICE) {
      const feed = this.#firstFeed();
      if (feed === undefined || channel.isCongested || this.queue.count > 0) return false;
      const limit = feed.subscription.qos === 0 ? RETAINED_SLICE : Math.min(RETAINED_SLICE, this.window.roomCount);
      if (limit === 0) return false;
      this.#takeSlice(feed, this.#isQueueShort() ? 1 : limit);
    }
    return true;
  }

  #firstFeed(): RetainedFeed | undefined {
    for (const feed of this.#feeds.values()) return feed;
    return undefined;
  }

  #takeSlice(feed: RetainedFeed, limit: number): void {
    for (const message of feed.source.next(limit)) this.offer(message, feed.subscription, true);
    if (feed.source.isDone) this.#feeds.delete(feed.subscription.filter.text);
  }

  /** The rest of a slice whose beginning has filled the socket might not fit in the queue. */
  #isQueueShort(): boolean {
    const { maxQueuedMessages, maxQueuedBytes } = this.#parts.settings;
    return maxQueuedBytes > 0 || (maxQueuedMessages > 0 && maxQueuedMessages < RETAINED_SLICE);
  }

  /** The client left while retained messages were still owed to its durable session: they join its queue, if it has room. */
  #keepFeeds(): void {
    let left = RETAINED_KEPT_MAX;
    for (let feed = this.#firstFeed(); feed !== undefined && left > 0 && !this.#isFull(); feed = this.#firstFeed()) {
      left -= RETAINED_SLICE;
      if (this.#keepsOffline(feed.subscription.qos)) this.#takeSlice(feed, RETAINED_SLICE);
      else this.#feeds.delete(feed.subscription.filter.text);
    }
  }

  /** The same at the end of the turn: for whoever may be called from inside a send. */
  pumpLater(): void {
    if (this.#isPumpDue || this.#channel === null) return;
    this.#isPumpDue = true;
    this.#parts.turn.atEnd(() => {
      this.#isPumpDue = false;
      this.pump();
    });
  }

  #refill(): void {
    this.queue.refill(
      () => {
        this.#saidReadFailed = false;
        this.pump();
      },
      (error) => this.#onReadFailed(error),
    );
  }

  #onReadFailed(error: unknown): void {
    const { log, timers } = this.#parts;
    if (!this.#saidReadFailed) {
      log.write('error', `Error: Reading the queue of ${this.#clientId} failed and is tried again: ${String(error)}.`);
    }
    this.#saidReadFailed = true;
    this.#readRetry ??= new Timer(() => this.pump());
    timers.add(this.#readRetry, timers.now + READ_RETRY_MS);
  }

  #offerQos0(message: Message, subscription: Subscription, retain: boolean): Ticket {
    const channel = this.#channel;
    if (channel === null || channel.isCongested || this.queue.qos0Count > 0) {
      return this.#enqueue(this.#delivery(message, subscription, 0, retain));
    }
    const subscriptionIdentifiers = subscription.identifiers;
    if (!channel.publishFits(message, 0, subscriptionIdentifiers)) return this.#drop();
    channel.publish(message, { qos: 0, retain, dup: false, packetId: 0, subscriptionIdentifiers });
    return 0;
  }

  /** Gives the message a packet id and sends it: QoS 1 at once, QoS 2 when its id is durable. */
  #start(channel: Channel, delivery: Delivery, row: QueueRow | null): Ticket {
    const { message, qos, subscriptionIdentifiers } = delivery;
    // Treated as if delivery had completed [MQTT-3.1.2-25].
    if (!channel.publishFits(message, qos, subscriptionIdentifiers)) {
      if (row !== null) this.queue.done(row.position);
      return this.#drop();
    }
    const told =
      row === null ? this.queue.passThrough(delivery, this.#isDurable) : { position: row.position, ticket: 0 };
    const entry = this.window.add(delivery, told.position);
    const { position } = told;
    const sent = this.#tell({ kind: 'sent', clientId: this.#clientId, position, packetId: entry.packetId }, entry);
    entry.ticket = sent;
    this.#write(channel, entry, delivery, sent);
    return Math.max(told.ticket, sent);
  }

  #write(channel: Channel, entry: InflightEntry, delivery: Delivery, ticket: Ticket): void {
    const { qos, retain, message, subscriptionIdentifiers } = delivery;
    const options = { qos, retain, dup: entry.wasSent, packetId: entry.packetId, subscriptionIdentifiers };
    entry.wasSent = true;
    if (qos === 2) channel.publishAfter(ticket, message, options);
    else channel.publish(message, options);
  }

  #enqueue(delivery: Delivery): Ticket {
    // QoS 0 does not outlive the connection: it never joins what only the journal holds.
    const isKept = this.#keepsOffline(delivery.qos);
    if (this.#isFull() || (!isKept && this.queue.hasTail)) {
      this.#sayDropping();
      return this.#drop();
    }
    return this.queue.push(delivery, this.#isDurable && isKept);
  }

  #isFull(): boolean {
    const { maxQueuedMessages, maxQueuedBytes } = this.#parts.settings;
    if (maxQueuedMessages > 0 && this.queue.count >= maxQueuedMessages) return true;
    return maxQueuedBytes > 0 && this.queue.payloadBytes >= maxQueuedBytes;
  }

  #finish(entry: InflightEntry): void {
    this.#forget(entry);
    this.pump();
  }

  #forget(entry: InflightEntry): void {
    this.window.remove(entry);
    this.queue.done(entry.position);
  }

  /** Tells the journal about a row that it knows. */
  #tell(record: Parameters<SessionParts['durability']['journal']['append']>[0], entry: InflightEntry): Ticket {
    const { journal } = this.#parts.durability;
    if (entry.position === 0 || journal.isVolatile) return 0;
    return journal.append(record);
  }

  #delivery(message: Message, subscription: Subscription, qos: Qos, retain: boolean): Delivery {
    const shared = subscription.filter.shareName === null ? null : subscription;
    return { message: message.own(), qos, retain, subscriptionIdentifiers: subscription.identifiers, shared };
  }

  #keepsOffline(qos: Qos): boolean {
    return qos > 0 || this.#parts.settings.queueQos0Messages;
  }

  #mayReceive(message: Message): boolean {
    const { mayReceive } = this.#parts;
    return mayReceive === null || mayReceive(this.#identity, message.topic);
  }

  #isExpired(message: Message): boolean {
    return message.expiresAtMs !== Number.POSITIVE_INFINITY && message.expiresAtMs <= this.#parts.timers.now;
  }

  #drop(): Ticket {
    this.#parts.counters.publishesDropped += 1;
    return 0;
  }

  #expire(): Ticket {
    this.#parts.counters.messagesExpired += 1;
    return 0;
  }

  #sayDropping(): void {
    if (this.#saidDropping) return;
    this.#saidDropping = true;
    const { maxQueuedMessages } = this.#parts.settings;
    const limit = `max_queued_messages is ${maxQueuedMessages}`;
    this.#parts.log.write('notice', `Outgoing messages are being dropped for client ${this.#clientId}: ${limit}.`);
  }
}
