/**
 * What one session sends: decides for each message whether it leaves at once, waits, or is dropped, and lets the waiting
 * ones go when acknowledgements or the socket make room.
 *
 *      offer --> [no right, expired, too large: dropped]
 *            --> online, nothing before it, room: the channel
 *            --> else: the queue (bounded; the newest is dropped when it is full)
 *      pump  --> again (after a reconnect) --> queue --> retained messages of new subscriptions
 */
import { Reason, type ReasonCode } from '../../protocol/reasons.ts';
import type { Qos } from '../../protocol/version.ts';
import type { Channel } from '../delivery/channel.ts';
import type { Delivery } from '../model/delivery.ts';
import type { Message } from '../model/message.ts';
import type { RetainedSource } from '../model/retained-source.ts';
import type { Subscription } from '../model/subscription.ts';
import type { Identity, JournalRecord, QueueRow, Ticket } from '../ports.ts';
import { type InflightEntry, InflightWindow, isQos2, PACKET_ID_MAX } from './inflight-window.ts';
import type { SessionParts } from './session-parts.ts';
import { SessionQueue } from './session-queue.ts';
import type { Subscriptions } from './subscriptions.ts';

/** Retained messages asked for in one step, and handed out in one turn. */
const RETAINED_SLICE = 64;
const RETAINED_PER_TURN = 1024;
/** Retained messages looked at when a client leaves before it was handed all of them. */
const RETAINED_KEPT_MAX = 2048;
/** Rows of the queue let go in one turn. */
const QUEUED_PER_TURN = 4096;

interface RetainedFeed {
  readonly source: RetainedSource;
  readonly subscription: Subscription;
}

/** What only a busy session needs (window, queue, feeds) is there while it needs it: most are idle most of the time. */
export class Outgoing {
  #identity: Identity;
  readonly #subscriptions: Subscriptions;
  readonly #parts: SessionParts;
  #channel: Channel | null = null;
  /** Messages in flight; null = none. */
  #window: InflightWindow | null = null;
  /** Messages in flight that this connection allows. */
  #windowMax = PACKET_ID_MAX;
  /** The packet id that was given out last. */
  #lastPacketId = 0;
  /** Null = nothing waits. */
  #queue: SessionQueue | null = null;
  /** By filter, in order of subscribing: there are no more of them than subscriptions. Null = none. */
  #feeds: Map<string, RetainedFeed> | null = null;
  #isDurable: boolean;
  #isPumpDue = false;
  #isPumping = false;
  #saidDropping = false;

  /** `subscriptions`: those of its session. */
  constructor(identity: Identity, isDurable: boolean, subscriptions: Subscriptions, parts: SessionParts) {
    this.#identity = identity;
    this.#isDurable = isDurable;
    this.#subscriptions = subscriptions;
    this.#parts = parts;
  }

  /** Rights are asked for this one from now on. The client id stays. */
  setIdentity(identity: Identity): void {
    this.#identity = identity;
  }

  /** A connection for this session: everything unfinished is sent again, then the queue. */
  attach(channel: Channel, windowMax: number, isDurable: boolean): void {
    this.#channel = channel;
    this.#isDurable ||= isDurable;
    this.#saidDropping = false;
    this.#windowMax = Math.min(windowMax, PACKET_ID_MAX);
    this.#window?.restart(this.#windowMax);
    this.pump();
  }

  /** The connection is gone. What is queued stays; shared messages that were not sent go to other members by `move`. */
  detach(move: (delivery: Delivery) => boolean, isKept: boolean): void {
    this.#channel = null;
    for (const entry of this.#window?.entries() ?? []) {
      // It waited for the journal until the end: it never left.
      if (isQos2(entry) && !this.#parts.durability.isDurable(entry.ticket)) entry.wasSent = false;
    }
    if (this.#isDurable && isKept) this.#keepFeeds();
    this.#feeds = null;
    let qos0Left = this.#qos0KeptMax();
    this.#queue?.moveOut((delivery, position) => {
      const isMoved = delivery.shared !== null && move(delivery);
      if (delivery.qos === 0) qos0Left -= 1;
      if (!isMoved && this.#keepsOffline(delivery.qos) && (delivery.qos > 0 || qos0Left >= 0)) return false;
      this.#done(position);
      return true;
    });
    this.#dropSpareQueue();
  }

  end(): void {
    this.#channel = null;
    this.#feeds = null;
    this.#queue?.end();
    this.#queue = null;
    this.#window?.end();
    this.#window = null;
  }

  /** A message that was in flight before a restart, in order; `isReleased`: PUBREC has come for it. */
  restoreSent(row: QueueRow, packetId: number, isReleased: boolean): void {
    this.#window ??= new InflightWindow(PACKET_ID_MAX, 0, this.#parts.stored);
    this.#window.restore(row.delivery, row.position, packetId, isReleased);
    this.#openQueue().restorePosition(row.position);
  }

  /** A message that waited before a restart, in order, after those in flight. */
  restoreQueued(row: QueueRow): void {
    this.#openQueue().restore(row);
  }

  /** How many more wait in the journal only: `payloadBytes` in all, above position `after`. */
  restoreTail(after: number, count: number, payloadBytes: number, lastPosition: number): void {
    this.#openQueue().restoreTail(after, count, payloadBytes, lastPosition);
  }

  /** Position before the first row that only the journal holds; null: there are none. */
  get tailAfter(): number | null {
    return this.#queue?.hasTail === true ? this.#queue.tailAfter : null;
  }

  get hasRoom(): boolean {
    const channel = this.#channel;
    return channel !== null && !channel.isCongested && this.#windowRoom > 0 && this.#queuedCount === 0;
  }

  /** Messages that wait or are in flight. */
  get unfinishedCount(): number {
    return this.#queuedCount + (this.#window === null ? 0 : this.#window.count);
  }

  /** Whether a message with this packet id is not finished yet. */
  isInFlight(packetId: number): boolean {
    return this.#entry(packetId) !== undefined;
  }

  /** See DeliveryTarget.offer. */
  offer(message: Message, subscription: Subscription, isRetained: boolean): Ticket {
    const qos =
      message.qos >= subscription.qos || this.#parts.settings.upgradeOutgoingQos ? subscription.qos : message.qos;
    const retain = isRetained || (subscription.retainAsPublished && message.retain);
    const channel = this.#channel;
    // [MQTT-3.8.3-3], also for what the client has retained itself.
    if (subscription.noLocal && message.publisherId === this.#identity.clientId) return 0;
    if (channel === null && !this.#keepsOffline(qos)) return 0;
    if (!this.#mayReceive(message)) return this.#drop();
    if (this.#isExpired(message)) return this.#expire();
    if (qos === 0) return this.#offerQos0(message, subscription, retain);
    const delivery = this.#parts.deliveries.make(message, subscription, qos, retain);
    if (channel !== null && this.hasRoom) return this.#pass(channel, delivery);
    return this.#enqueue(delivery);
  }

  /** Hands out the retained messages of a new subscription, as fast as the client takes them. */
  feed(source: RetainedSource, subscription: Subscription): void {
    this.#feeds ??= new Map();
    this.#feeds.delete(subscription.filter.text);
    this.#feeds.set(subscription.filter.text, { source, subscription });
    this.pump();
  }

  /** The subscription is gone or replaced: no more of its retained messages [MQTT-3.10.4-2]. */
  stopFeed(filterText: string): void {
    if (this.#feeds?.has(filterText) !== true) return;
    this.#dropFeed(this.#feeds, filterText);
    if (this.#feeds !== null) this.pumpLater();
  }

  /** The client has subscribed anew without asking for retained messages: those on their way follow the new options. */
  replaceFeed(subscription: Subscription): void {
    const feed = this.#feeds?.get(subscription.filter.text);
    if (feed !== undefined) this.#feeds?.set(subscription.filter.text, { source: feed.source, subscription });
  }

  /** PUBACK. @returns false: it belongs to nothing that was sent with QoS 1. */
  onPuback(packetId: number): boolean {
    const entry = this.#entry(packetId);
    if (entry === undefined || isQos2(entry)) return false;
    this.#finish(entry);
    return true;
  }

  /** PUBREC [MQTT-4.3.3-4]. @returns false: the packet id is not in use for a QoS 2 message. */
  onPubrec(packetId: number, reason: ReasonCode): boolean {
    const entry = this.#entry(packetId);
    if (entry === undefined || !isQos2(entry)) return false;
    if (reason >= Reason.UnspecifiedError) {
      this.#finish(entry);
      return true;
    }
    this.#window?.forgetMessage(entry);
    const { clientId } = this.#identity;
    const ticket = this.#tell({ kind: 'released', clientId, position: entry.position }, entry);
    this.#channel?.ack(ticket, 'pubrel', packetId, Reason.Success);
    return true;
  }

  /** PUBCOMP. @returns false: unknown packet id. */
  onPubcomp(packetId: number): boolean {
    const entry = this.#entry(packetId);
    if (entry === undefined || entry.delivery !== null) return false;
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
    while (this.#window !== null && !channel.isCongested) {
      const entry = this.#window.nextAgain();
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
    const { message, qos, subscriptionIdentifiers } = delivery;
    if (!this.#mayReceive(message) || !channel.publishFits(message, qos, subscriptionIdentifiers)) {
      this.#drop();
      this.#forget(entry);
      return;
    }
    this.#write(channel, entry, delivery, 0);
  }

  /** @returns true when there is more to do in the next turn. */
  #pumpQueue(channel: Channel): boolean {
    for (let left = QUEUED_PER_TURN; left > 0; left -= 1) {
      const queue = this.#queue;
      if (queue === null) return false;
      const delivery = queue.peek();
      if (delivery === undefined) {
        if (queue.hasTail) queue.refill(() => this.pump());
        this.#dropSpareQueue();
        return false;
      }
      if (channel.isCongested || (delivery.qos > 0 && this.#windowRoom === 0)) return false;
      const position = queue.firstPosition;
      queue.shift();
      this.#sendQueued(channel, delivery, position);
    }
    return true;
  }

  #sendQueued(channel: Channel, delivery: Delivery, position: number): void {
    const { message, qos, retain, subscriptionIdentifiers } = delivery;
    if (this.#isExpired(message)) this.#expire();
    else if (!this.#mayReceive(message)) this.#drop();
    // Treated as if delivery had completed [MQTT-3.1.2-25].
    else if (!channel.publishFits(message, qos, subscriptionIdentifiers)) this.#drop();
    else if (qos > 0) {
      this.#start(channel, delivery, position);
      return;
    } else channel.publish(message, qos, retain, 0, false, subscriptionIdentifiers);
    this.#done(position);
  }

  /** @returns true when there is more to do in the next turn. */
  #pumpFeeds(channel: Channel): boolean {
    for (let left = RETAINED_PER_TURN; left > 0; left -= RETAINED_SLICE) {
      const feed = this.#firstFeed();
      if (feed === undefined || channel.isCongested || this.#queuedCount > 0) return false;
      const limit = feed.subscription.qos === 0 ? RETAINED_SLICE : Math.min(RETAINED_SLICE, this.#windowRoom);
      if (limit === 0) return false;
      this.#takeSlice(feed, this.#isQueueShort() ? 1 : limit);
    }
    return true;
  }

  #firstFeed(): RetainedFeed | undefined {
    for (const feed of this.#feeds?.values() ?? []) return feed;
    return undefined;
  }

  #takeSlice(feed: RetainedFeed, limit: number, isLast = false): void {
    for (const message of feed.source.next(limit, isLast)) this.offer(message, feed.subscription, true);
    if (feed.source.isDone && this.#feeds !== null) this.#dropFeed(this.#feeds, feed.subscription.filter.text);
  }

  #dropFeed(feeds: Map<string, RetainedFeed>, filterText: string): void {
    feeds.delete(filterText);
    if (feeds.size === 0) this.#feeds = null;
  }

  /** The rest of a slice whose beginning has filled the socket might not fit in the queue. */
  #isQueueShort(): boolean {
    const { maxQueuedMessages, maxQueuedBytes } = this.#parts.settings;
    return maxQueuedBytes > 0 || (maxQueuedMessages > 0 && maxQueuedMessages < RETAINED_SLICE);
  }

  /** The client left while retained messages were still owed to its durable session: they join its queue, if it has room. */
  #keepFeeds(): void {
    let left = RETAINED_KEPT_MAX;
    for (let feed = this.#firstFeed(); feed !== undefined && left > 0; feed = this.#firstFeed()) {
      left -= RETAINED_SLICE;
      if (this.#isFull(feed.subscription.qos)) return;
      if (this.#keepsOffline(feed.subscription.qos)) this.#takeSlice(feed, RETAINED_SLICE, true);
      else this.#feeds?.delete(feed.subscription.filter.text);
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

  #offerQos0(message: Message, subscription: Subscription, retain: boolean): Ticket {
    const channel = this.#channel;
    const hasOlder = this.#queue !== null && this.#queue.qos0Count > 0;
    if (channel === null || channel.isCongested || hasOlder) {
      return this.#enqueue(this.#parts.deliveries.make(message, subscription, 0, retain));
    }
    if (!channel.publishFits(message, 0, subscription.identifiers)) return this.#drop();
    channel.publish(message, 0, retain, 0, false, subscription.identifiers);
    return 0;
  }

  /** A message of QoS 1 or 2 that need not wait. */
  #pass(channel: Channel, delivery: Delivery): Ticket {
    if (!channel.publishFits(delivery.message, delivery.qos, delivery.subscriptionIdentifiers)) return this.#drop();
    if (!this.#isDurable || this.#parts.durability.journal.isVolatile) return this.#start(channel, delivery, 0);
    const { position, ticket } = this.#openQueue().passThrough(delivery);
    return Math.max(ticket, this.#start(channel, delivery, position));
  }

  /** Gives the message a packet id and sends it: QoS 1 at once, QoS 2 when its id is durable. */
  #start(channel: Channel, delivery: Delivery, position: number): Ticket {
    this.#window ??= new InflightWindow(this.#windowMax, this.#lastPacketId, this.#parts.stored);
    const entry = this.#window.add(delivery, position);
    const { packetId } = entry;
    const { clientId } = this.#identity;
    const sent = position === 0 ? 0 : this.#tell({ kind: 'sent', clientId, position, packetId }, entry);
    entry.ticket = sent;
    this.#write(channel, entry, delivery, sent);
    return sent;
  }

  #write(channel: Channel, entry: InflightEntry, delivery: Delivery, ticket: Ticket): void {
    const { qos, retain, message, subscriptionIdentifiers } = delivery;
    const dup = entry.wasSent;
    entry.wasSent = true;
    if (qos === 2) {
      channel.publishAfter(ticket, message, qos, retain, entry.packetId, dup, subscriptionIdentifiers);
    } else channel.publish(message, qos, retain, entry.packetId, dup, subscriptionIdentifiers);
  }

  #enqueue(delivery: Delivery): Ticket {
    // QoS 0 does not outlive the connection: it never joins what only the journal holds.
    const isKept = this.#keepsOffline(delivery.qos);
    const isRefused = this.#isFull(delivery.qos) || this.#parts.memory.isFull;
    if (isRefused || (!isKept && this.#queue?.hasTail === true)) {
      this.#sayDropping();
      return this.#drop();
    }
    return this.#openQueue().push(delivery, this.#isDurable && isKept);
  }

  /**
   * `max_queued_messages` and `max_queued_bytes`, whichever is reached first. Messages of QoS 0 that wait for the socket are
   * counted by themselves, so that neither kind takes the room of the other; for a client that is away all count together.
   */
  #isFull(qos: Qos): boolean {
    const queue = this.#queue;
    if (queue === null) return false;
    const { maxQueuedMessages, maxQueuedBytes } = this.#parts.settings;
    if (maxQueuedBytes > 0 && queue.payloadBytes >= maxQueuedBytes) return true;
    if (maxQueuedMessages === 0) return false;
    if (this.#channel === null) return queue.count >= maxQueuedMessages;
    return (qos === 0 ? queue.qos0Count : queue.count - queue.qos0Count) >= maxQueuedMessages;
  }

  /** How many of the waiting QoS 0 messages may go on waiting when the client goes: they had room of their own until then. */
  #qos0KeptMax(): number {
    const { maxQueuedMessages } = this.#parts.settings;
    if (maxQueuedMessages === 0 || this.#queue === null) return Number.POSITIVE_INFINITY;
    return maxQueuedMessages - (this.#queue.count - this.#queue.qos0Count);
  }

  get #queuedCount(): number {
    return this.#queue === null ? 0 : this.#queue.count;
  }

  #openQueue(): SessionQueue {
    this.#queue ??= new SessionQueue(this.#identity.clientId, this.#subscriptions, this.#parts);
    return this.#queue;
  }

  #dropSpareQueue(): void {
    if (this.#queue?.isSpare === true) this.#queue = null;
  }

  /** How many more messages of QoS 1 and 2 may be sent. */
  get #windowRoom(): number {
    const window = this.#window;
    if (window === null) return this.#windowMax;
    const { maxInflightBytes } = this.#parts.settings;
    // A message that is larger than the limit is sent by itself.
    return maxInflightBytes > 0 && window.payloadBytes >= maxInflightBytes ? 0 : window.roomCount;
  }

  #entry(packetId: number): InflightEntry | undefined {
    return this.#window === null ? undefined : this.#window.get(packetId);
  }

  #finish(entry: InflightEntry): void {
    this.#forget(entry);
    this.pump();
  }

  #forget(entry: InflightEntry): void {
    const window = this.#window;
    if (window === null) return;
    window.remove(entry);
    this.#done(entry.position);
    if (window.count > 0) return;
    this.#lastPacketId = window.lastPacketId;
    this.#window = null;
  }

  /** Tells the journal that a row is finished. */
  #done(position: number): void {
    if (position === 0) return;
    const { clientId } = this.#identity;
    this.#parts.durability.journal.append({ kind: 'done', clientId, position });
  }

  /** Tells the journal about a row that it knows. */
  #tell(record: JournalRecord, entry: InflightEntry): Ticket {
    const { journal } = this.#parts.durability;
    return entry.position === 0 || journal.isVolatile ? 0 : journal.append(record);
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
    const { clientId } = this.#identity;
    this.#parts.log.write('notice', `Outgoing messages are being dropped for client ${clientId}.`);
  }
}
