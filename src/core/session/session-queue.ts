/**
 * The messages that wait for one session: a head in memory and, for a durable session, a tail that only the journal
 * holds. Once there is a tail, new rows join it, so that order is kept; when the head runs empty the next part of the
 * tail is read, asynchronously. A session has a queue only while something waits, or while its rows are numbered.
 *
 *      oldest  [ head: RingQueue, at most queueHeadMax ] [ tail: count rows in the journal ]  newest
 *
 * A row of the head costs a reference to its delivery, which other queues share. A row that the journal was told of has a
 * position as well, and must be reported as done; position 0 = it was not told.
 */
import { RingQueue } from '../../base/ring-queue.ts';
import { Timer } from '../../base/timer-queue.ts';
import type { Delivery } from '../model/delivery.ts';
import type { QueueRow, Ticket } from '../ports.ts';
import type { SessionParts } from './session-parts.ts';
import type { Subscriptions } from './subscriptions.ts';

/** Milliseconds until a read of the queue that failed is tried again. */
const READ_RETRY_MS = 1000;

/** What a queue needs of the house. */
export type QueueParts = Pick<SessionParts, 'settings' | 'durability' | 'reads' | 'stored' | 'timers' | 'log'>;

export class SessionQueue {
  readonly #clientId: string;
  readonly #subscriptions: Subscriptions;
  readonly #parts: QueueParts;
  readonly #head = new RingQueue<Delivery>();
  /** The positions of the rows of the head; null while all of them are 0. */
  #positions: RingQueue<number> | null = null;
  #tailCount = 0;
  #tailBytes = 0;
  /** Position of the last row before the tail. */
  #tailAfter = 0;
  #lastPosition = 0;
  #payloadBytes = 0;
  #qos0Count = 0;
  #isReading = false;
  /** What has joined the tail since the read began. */
  #joinedCount = 0;
  #joinedBytes = 0;
  /** Payload bytes of the head, when it was read: the reads of all sessions are told of them. */
  #readBytes = 0;
  #isEnded = false;
  #retry: Timer | null = null;
  #saidReadFailed = false;

  /** `subscriptions`: those of the session. */
  constructor(clientId: string, subscriptions: Subscriptions, parts: QueueParts) {
    this.#clientId = clientId;
    this.#subscriptions = subscriptions;
    this.#parts = parts;
  }

  get count(): number {
    return this.#head.length + this.#tailCount;
  }

  /** True: nothing is lost when it is given up. */
  get isSpare(): boolean {
    return this.count === 0 && this.#lastPosition === 0;
  }

  /** True while rows wait that only the journal holds. */
  get hasTail(): boolean {
    return this.#tailCount > 0;
  }

  /** Position of the last row before the tail. */
  get tailAfter(): number {
    return this.#tailAfter;
  }

  /** Payload bytes of all rows. */
  get payloadBytes(): number {
    return this.#payloadBytes;
  }

  /** QoS 0 rows: while there are any, a new QoS 0 message must not overtake them. */
  get qos0Count(): number {
    return this.#qos0Count;
  }

  /** The oldest row, or undefined when the head is empty (the tail may not be: see `refill`). */
  peek(): Delivery | undefined {
    return this.#head.peek();
  }

  /** The position of the oldest row. */
  get firstPosition(): number {
    return this.#positions?.peek() ?? 0;
  }

  /** Adds a row. `isDurable`: the journal is to know it. @returns the ticket to wait for, 0 = none. */
  push(delivery: Delivery, isDurable: boolean): Ticket {
    this.#count(delivery, 1);
    const { settings, durability } = this.#parts;
    const isHeld = this.#tailCount === 0 && this.#head.length < settings.queueHeadMax;
    if (!isDurable || (isHeld && durability.journal.isVolatile)) {
      this.#pushHead(delivery, 0);
      return 0;
    }
    const position = ++this.#lastPosition;
    if (isHeld) this.#pushHead(delivery, position);
    else {
      if (this.#tailCount === 0) this.#tailAfter = position - 1;
      this.#setTail(this.#tailCount + 1, this.#tailBytes + delivery.message.payloadEnd);
      this.#joinedCount += 1;
      this.#joinedBytes += delivery.message.payloadEnd;
    }
    return this.#tell({ position, delivery }, isHeld);
  }

  /** Puts back a row that waited before a restart. They come in order, before `restoreTail`. */
  restore(row: QueueRow): void {
    const delivery = this.#deliveryOf(row);
    this.#count(delivery, 1);
    this.#pushHead(delivery, row.position);
    this.restorePosition(row.position);
  }

  /** Rows that only the journal holds. */
  restoreTail(after: number, count: number, payloadBytes: number, lastPosition: number): void {
    this.restorePosition(lastPosition);
    this.#tailAfter = after;
    this.#payloadBytes += payloadBytes;
    this.#setTail(count, payloadBytes);
  }

  /** The position is taken, by a row that is in flight or waits. */
  restorePosition(position: number): void {
    this.#lastPosition = Math.max(this.#lastPosition, position);
  }

  /** Gives a number to a message that goes in flight without having waited. @returns [position, ticket]. */
  passThrough(delivery: Delivery): { readonly position: number; readonly ticket: Ticket } {
    const position = ++this.#lastPosition;
    return { position, ticket: this.#tell({ position, delivery }, true) };
  }

  /** Takes the oldest row off the head. */
  shift(): void {
    const delivery = this.#shiftHead();
    if (delivery !== undefined) this.#count(delivery, -1);
  }

  /**
   * When the head is empty and there is a tail: reads its next part, then calls `onReady`. Does nothing while a read is
   * under way. A read that failed is logged once, and `onReady` is called when it is time to try again.
   */
  refill(onReady: () => void): void {
    if (this.#head.length > 0 || this.#tailCount === 0 || this.#isReading) return;
    this.#isReading = true;
    this.#joinedCount = 0;
    this.#joinedBytes = 0;
    const { reads, settings } = this.#parts;
    reads.read(this.#clientId, this.#tailAfter, settings.queueHeadMax).then(
      (rows) => {
        this.#isReading = false;
        if (this.#isEnded) return;
        this.#saidReadFailed = false;
        this.#takeRead(rows);
        onReady();
      },
      (error: unknown) => {
        this.#isReading = false;
        if (!this.#isEnded) this.#onReadFailed(error, onReady);
      },
    );
  }

  /** Removes from the head what `move` takes; the order of the rest is kept. */
  moveOut(move: (delivery: Delivery, position: number) => boolean): void {
    for (let left = this.#head.length; left > 0; left -= 1) {
      const position = this.firstPosition;
      const delivery = this.#shiftHead();
      if (delivery === undefined) return;
      if (move(delivery, position)) this.#count(delivery, -1);
      else this.#pushHead(delivery, position);
    }
  }

  /** The session is gone. */
  end(): void {
    this.#isEnded = true;
    if (this.#retry !== null) this.#parts.timers.remove(this.#retry);
    for (let index = 0; index < this.#head.length; index += 1) {
      const delivery = this.#head.at(index);
      if (delivery !== undefined) this.#parts.stored.release(delivery.message);
    }
    this.#head.clear();
    this.#positions = null;
    this.#holdRead(0);
    this.#setTail(0, 0);
    this.#payloadBytes = 0;
    this.#qos0Count = 0;
  }

  #pushHead(delivery: Delivery, position: number): void {
    if (position > 0 && this.#positions === null) {
      this.#positions = new RingQueue();
      for (let left = this.#head.length; left > 0; left -= 1) this.#positions.push(0);
    }
    this.#parts.stored.hold(delivery.message);
    this.#head.push(delivery);
    this.#positions?.push(position);
  }

  #shiftHead(): Delivery | undefined {
    this.#positions?.shift();
    const delivery = this.#head.shift();
    if (delivery !== undefined) this.#parts.stored.release(delivery.message);
    if (this.#head.length > 0) return delivery;
    this.#positions = null;
    this.#holdRead(0);
    return delivery;
  }

  #holdRead(bytes: number): void {
    this.#parts.reads.hold(bytes - this.#readBytes);
    this.#readBytes = bytes;
  }

  #tell(row: QueueRow, isHeld: boolean): Ticket {
    return this.#parts.durability.journal.append({ kind: 'queued', clientId: this.#clientId, row, isHeld });
  }

  #onReadFailed(error: unknown, onReady: () => void): void {
    const { log, timers } = this.#parts;
    if (!this.#saidReadFailed) {
      log.write('error', `Error: Reading the queue of ${this.#clientId} failed and is tried again: ${String(error)}.`);
    }
    this.#saidReadFailed = true;
    this.#retry ??= new Timer(onReady);
    timers.add(this.#retry, timers.now + READ_RETRY_MS);
  }

  #takeRead(rows: readonly QueueRow[]): void {
    let readBytes = 0;
    for (const row of rows) {
      const delivery = this.#deliveryOf(row);
      this.#pushHead(delivery, row.position);
      this.#tailAfter = row.position;
      readBytes += delivery.message.payloadEnd;
    }
    this.#holdRead(readBytes);
    if (rows.length > 0) {
      const count = Math.max(0, this.#tailCount - rows.length);
      this.#setTail(count, count === 0 ? 0 : Math.max(0, this.#tailBytes - readBytes));
      return;
    }
    // The journal is the truth: rows of which it knows nothing do not exist. Those that have come meanwhile do.
    this.#setTail(this.#joinedCount, this.#joinedBytes);
    this.#payloadBytes = this.#joinedBytes;
    this.#qos0Count = 0;
    for (let index = 0; index < this.#head.length; index += 1) {
      const delivery = this.#head.at(index);
      if (delivery !== undefined) this.#count(delivery, 1);
    }
  }

  /** A row that was stored knows its shared subscription by the filter only. */
  #deliveryOf({ delivery, sharedFilter }: QueueRow): Delivery {
    const shared = sharedFilter == null ? null : this.#subscriptions.get(sharedFilter);
    return shared === null ? delivery : { ...delivery, shared };
  }

  #setTail(count: number, bytes: number): void {
    this.#parts.stored.addRows(count - this.#tailCount, bytes - this.#tailBytes);
    this.#tailCount = count;
    this.#tailBytes = bytes;
  }

  #count(delivery: Delivery, sign: 1 | -1): void {
    this.#payloadBytes += sign * delivery.message.payloadEnd;
    // Those of a tail that was put back were not counted.
    if (delivery.qos === 0) this.#qos0Count = Math.max(0, this.#qos0Count + sign);
  }
}
