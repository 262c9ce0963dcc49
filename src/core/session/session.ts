/**
 * A session: what the broker knows of one client id between its connections.
 *
 *      online --detach--> offline --attach--> online
 *        \                   \
 *         expiry 0            expiry passed, clean start by the next connection, taken by another user
 *          `------------------`-------------------------------------------------------------> ended
 *
 * The will is published when its delay is over or the session ends, whichever comes first [MQTT-3.1.2-8], unless the
 * client returned before [MQTT-3.1.3-9] or said DISCONNECT with 0x00 [MQTT-3.14.4-3]. A session routes nothing itself: it
 * reports through the callbacks of SessionParts.
 */
import { Timer } from '../../base/timer-queue.ts';
import type { ReasonCode } from '../../protocol/reasons.ts';
import type { Channel } from '../delivery/channel.ts';
import type { Delivery } from '../model/delivery.ts';
import type { DeliveryTarget } from '../model/delivery-target.ts';
import type { Message } from '../model/message.ts';
import type { Subscription } from '../model/subscription.ts';
import type { Will } from '../model/will.ts';
import type { Identity, JournalRecord, Ticket } from '../ports.ts';
import { moveTail, sharedOf } from './move-tail.ts';
import { Outgoing } from './outgoing.ts';
import type { SessionParts } from './session-parts.ts';
import { Subscriptions } from './subscriptions.ts';

/** Session Expiry Interval that means never [MQTT 5.0, 3.1.2.11.2]. */
export const NEVER_EXPIRES = 0xffff_ffff;

/** The client whose connection a session has. */
export interface SessionHolder {
  readonly channel: Channel;
  /** Ends the connection: v5 clients are told `reason`. `words` go to the log. */
  disconnect(reason: ReasonCode, words: string): void;
}

export class Session implements DeliveryTarget {
  #identity: Identity;
  /** By the filter as the client sent it, `$share/…` included. */
  readonly subscriptions = new Subscriptions();
  readonly outgoing: Outgoing;
  readonly #parts: SessionParts;
  /** QoS 2 packet ids taken in and not yet released by PUBREL [MQTT-4.3.3-10]; null = none. */
  #receivedIds: Set<number> | null = null;
  #holder: SessionHolder | null = null;
  #will: Will | null = null;
  /** Made when the client goes, for the delay of the will and the end of the session. */
  #willTimer: Timer | null = null;
  #expiryTimer: Timer | null = null;
  #expirySeconds: number;
  #isEnded = false;
  #isStored = false;
  /** Since when its client is away, of a session that was put back after a restart and that nobody has come for yet. */
  #putBackMs: number | null = null;

  constructor(identity: Identity, expirySeconds: number, parts: SessionParts) {
    this.#identity = identity;
    this.#expirySeconds = expirySeconds;
    this.#parts = parts;
    this.outgoing = new Outgoing(identity, expirySeconds > 0, this.subscriptions, parts);
  }

  /** Of the last connection: it may have come through another listener than the one before. */
  get identity(): Identity {
    return this.#identity;
  }

  get clientId(): string {
    return this.#identity.clientId;
  }

  /** The client that is connected; null: the session is offline. */
  get holder(): SessionHolder | null {
    return this.#holder;
  }

  get isOnline(): boolean {
    return this.#holder !== null;
  }

  get isDurable(): boolean {
    return this.#expirySeconds > 0 && !this.#isEnded;
  }

  /** The journal keeps it beyond the process, and is told of its changes. */
  get isStored(): boolean {
    return (this.#isStored || this.isDurable) && !this.#parts.durability.journal.isVolatile;
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  get hasRoom(): boolean {
    return this.outgoing.hasRoom;
  }

  get hasWill(): boolean {
    return this.#will !== null;
  }

  get expirySeconds(): number {
    return this.#expirySeconds;
  }

  /** Whether a QoS 2 message with this packet id was taken in and not released. */
  hasReceived(packetId: number): boolean {
    return this.#receivedIds?.has(packetId) === true;
  }

  /** A QoS 2 message was taken in: one with the same packet id is the same message until `release`. */
  takeIn(packetId: number): void {
    this.#receivedIds ??= new Set();
    this.#receivedIds.add(packetId);
  }

  /** PUBREL. @returns false when the packet id is not in use. */
  release(packetId: number): boolean {
    const ids = this.#receivedIds;
    if (ids === null || !ids.delete(packetId)) return false;
    if (ids.size === 0) this.#receivedIds = null;
    return true;
  }

  offer(message: Message, subscription: Subscription, isRetained: boolean): Ticket {
    if (this.#isEnded) return 0;
    return this.outgoing.offer(message, subscription, isRetained);
  }

  /** Appends a record when this session is one that survives, or was: its end has to be told as well. */
  tell(record: JournalRecord): Ticket {
    const { journal } = this.#parts.durability;
    this.#isStored ||= this.isDurable;
    // A volatile journal has the tails of queues: it must hear of the end.
    const isHeard = !journal.isVolatile || record.kind === 'session-removed';
    return this.#isStored && isHeard ? journal.append(record) : 0;
  }

  /**
   * The client has come (back): its identity, will and expiry replace the old ones. Nothing is sent yet, see `start`.
   * @returns the ticket of what must be durable before CONNACK.
   */
  claim(identity: Identity, expirySeconds: number, will: Will | null): Ticket {
    this.#identity = identity;
    this.#putBackMs = null;
    this.outgoing.setIdentity(identity);
    this.#expirySeconds = expirySeconds;
    this.#stopTimers();
    const isWillTold = this.#will !== null || will !== null;
    this.#will = will;
    const stored = this.#tellSession();
    return isWillTold ? Math.max(stored, this.#tellWill()) : stored;
  }

  /** The client went away between its claim and CONNACK: as if it had been connected and lost its link. */
  abandonClaim(): void {
    if (this.#expirySeconds === 0) this.end();
    else this.#goOffline();
  }

  /**
   * Tells the journal that the client has gone, of a session that was put back as if it were connected: it went when it was
   * put back, so that the delay of its will is not counted anew after another crash.
   */
  tellOffline(): void {
    if (this.#putBackMs === null || this.#isEnded) return;
    this.tell({ kind: 'session-offline', clientId: this.clientId, atMs: this.#putBackMs });
  }

  /** CONNACK is on its way: unfinished messages are sent again, then the queue. */
  start(holder: SessionHolder, windowMax: number): void {
    this.#holder = holder;
    this.outgoing.attach(holder.channel, windowMax, this.isDurable);
  }

  /** DISCONNECT with 0x00 [MQTT-3.14.4-3] [MQTT-3.1.2-10]. */
  dropWill(): void {
    if (this.#will === null) return;
    this.#will = null;
    this.#tellWill();
  }

  /** v5 DISCONNECT may change the expiry. */
  setExpiry(expirySeconds: number): void {
    if (expirySeconds === this.#expirySeconds) return;
    this.#expirySeconds = expirySeconds;
    this.#tellSession();
  }

  /** The connection is gone. May end the session. */
  detach(): void {
    if (this.#holder === null) return;
    this.#holder = null;
    if (this.#expirySeconds === 0) {
      this.end();
      return;
    }
    this.outgoing.detach((delivery) => this.#parts.moveShared(delivery, this), true);
    this.#goOffline();
  }

  /**
   * Ends the session now: a pending will is published, everything else is forgotten. Where messages of shared subscriptions
   * have to be read for others first, the journal is told of the end after that, see SessionParts.endingSessions.
   * @returns the ticket of its end, 0 when it is not told yet.
   */
  end(): Ticket {
    if (this.#isEnded) return 0;
    this.#isEnded = true;
    this.#stopTimers();
    this.#holder = null;
    const move = (delivery: Delivery): boolean => this.#parts.moveShared(delivery, this);
    const after = this.outgoing.tailAfter;
    const shared = after === null ? null : sharedOf(this.subscriptions);
    // First the subscriptions: what goes to another member must not come back here.
    this.#parts.onEnded(this);
    this.outgoing.detach(move, false);
    this.#publishWill();
    this.outgoing.end();
    this.#receivedIds = null;
    if (after === null || shared === null || shared.size === 0) return this.#tellEnd();
    const { clientId } = this;
    const moved = moveTail({ clientId, after, shared, move }, this.#parts).catch((error: unknown) => {
      this.#parts.counters.internalErrors += 1;
      this.#parts.log.write('error', `Error: Messages of ${clientId} did not go to others: ${String(error)}.`);
    });
    this.#parts.endingSessions.add(
      clientId,
      moved.then(() => void this.#tellEnd()),
    );
    return 0;
  }

  #tellEnd(): Ticket {
    const ticket = this.tell({ kind: 'session-removed', clientId: this.clientId });
    this.#parts.durability.noteEnd(this.clientId, ticket);
    return ticket;
  }

  /**
   * The broker stops: publishes the will now, whatever its delay. Where the journal outlives the process one that has a delay
   * stays, and is due after the restart.
   */
  publishWillAtStop(): void {
    if (!this.#parts.durability.journal.isVolatile && this.isDurable && (this.#will?.delaySeconds ?? 0) > 0) return;
    this.#publishWill();
  }

  /** As it was before a restart; `sinceMs`: when its client went. */
  restore(sinceMs: number): void {
    this.#isStored = true;
    this.#putBackMs = sinceMs;
    this.#armExpiry(sinceMs);
  }

  /** A will that waited for its delay since `sinceMs`. */
  restoreWill(will: Will, sinceMs: number): void {
    this.#will = will;
    this.#armWill(will, sinceMs);
  }

  #goOffline(): void {
    const { now } = this.#parts.timers;
    this.tell({ kind: 'session-offline', clientId: this.clientId, atMs: now });
    this.#armExpiry(now);
    if (this.#will === null) return;
    if (this.#will.delaySeconds === 0) this.#publishWill();
    else this.#armWill(this.#will, now);
  }

  #armExpiry(sinceMs: number): void {
    const { timers, settings } = this.#parts;
    const bound = settings.persistentClientExpirationSeconds ?? NEVER_EXPIRES;
    const expirySeconds = Math.min(this.#expirySeconds, bound);
    if (expirySeconds < NEVER_EXPIRES) {
      this.#expiryTimer = new Timer(() => this.#expire());
      timers.add(this.#expiryTimer, sinceMs + expirySeconds * 1000);
    }
  }

  #armWill({ delaySeconds }: Will, sinceMs: number): void {
    this.#willTimer = new Timer(() => this.#publishWill());
    this.#parts.timers.add(this.#willTimer, sinceMs + delaySeconds * 1000);
  }

  #tellSession(): Ticket {
    const { userName, listenerId } = this.#identity;
    return this.tell({
      kind: 'session',
      clientId: this.clientId,
      userName,
      listenerId,
      expirySeconds: this.#expirySeconds,
    });
  }

  #stopTimers(): void {
    const { timers } = this.#parts;
    if (this.#expiryTimer !== null) timers.remove(this.#expiryTimer);
    if (this.#willTimer !== null) timers.remove(this.#willTimer);
    this.#expiryTimer = null;
    this.#willTimer = null;
  }

  #expire(): void {
    const { counters, log, settings } = this.#parts;
    counters.clientsExpired += 1;
    if (settings.hasConnectionMessages) log.write('notice', `Expiring client ${this.clientId} due to timeout.`);
    this.end();
  }

  #publishWill(): void {
    if (this.#willTimer !== null) this.#parts.timers.remove(this.#willTimer);
    this.#willTimer = null;
    const will = this.#will;
    if (will === null) return;
    this.#will = null;
    // It is taken off the journal after what it leads to was told.
    this.#parts.onWillDue(this.#identity, will);
  }

  /** Every will is durable, whatever its session. */
  #tellWill(): Ticket {
    const { journal } = this.#parts.durability;
    if (journal.isVolatile) return 0;
    const { clientId, userName, listenerId } = this.#identity;
    const will = this.#will;
    if (will !== null) return journal.append({ kind: 'will', clientId, userName, listenerId, will });
    const ticket = journal.append({ kind: 'will-removed', clientId });
    this.#parts.durability.noteEnd(clientId, ticket);
    return ticket;
  }
}
