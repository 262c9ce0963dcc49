/**
 * The messages that wait for one session: a head in memory and, for a durable session, a tail that only the journal
 * holds. Once there is a tail, new rows join it, so that order is kept; when the head runs empty the next part of the
 * tail is read, asynchronously.
 *
 *      oldest  [ head: RingQueue, at most queueHeadMax ] [ tail: count rows in the journal ]  newest
 *
 * A row that the journal was told of carries its position and must be reported as done; position 0 = it was not.
 */
import { RingQueue } from '../../base/ring-queue.ts';
import type { Delivery } from '../model/delivery.ts';
import type { Journal, QueueRow, Ticket } from '../ports.ts';

export class SessionQueue {
  readonly #clientId: string;
  readonly #journal: Journal;
  readonly #headMax: number;
  readonly #head = new RingQueue<QueueRow>();
  #tailCount = 0;
  /** Position of the last row before the tail. */
  #tailAfter = 0;
  #lastPosition = 0;
  #payloadBytes = 0;
  #qos0Count = 0;
  #isReading = false;
  #isEnded = false;

  constructor(clientId: string, journal: Journal, headMax: number) {
    this.#clientId = clientId;
    this.#journal = journal;
    this.#headMax = headMax;
  }

  get count(): number {
    return this.#head.length + this.#tailCount;
  }

  /** True while rows wait that only the journal holds. */
  get hasTail(): boolean {
    return this.#tailCount > 0;
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
  peek(): QueueRow | undefined {
    return this.#head.peek();
  }

  /** Adds a row. `isDurable`: the journal is to know it. @returns the ticket to wait for, 0 = none. */
  push(delivery: Delivery, isDurable: boolean): Ticket {
    this.#count(delivery, 1);
    if (!isDurable) {
      this.#head.push({ position: 0, delivery });
      return 0;
    }
    const position = ++this.#lastPosition;
    const isHeld = this.#tailCount === 0 && this.#head.length < this.#headMax;
    if (isHeld && this.#journal.isVolatile) {
      this.#head.push({ position: 0, delivery });
      return 0;
    }
    const row = { position, delivery };
    if (isHeld) this.#head.push(row);
    else {
      if (this.#tailCount === 0) this.#tailAfter = position - 1;
      this.#tailCount += 1;
    }
    return this.#journal.append({ kind: 'queued', clientId: this.#clientId, row, isHeld });
  }

  /** Gives a number to a message that goes in flight without having waited. @returns [position or 0, ticket]. */
  passThrough(delivery: Delivery, isDurable: boolean): { readonly position: number; readonly ticket: Ticket } {
    if (!isDurable || this.#journal.isVolatile) return NOT_TOLD;
    const row = { position: ++this.#lastPosition, delivery };
    const ticket = this.#journal.append({ kind: 'queued', clientId: this.#clientId, row, isHeld: true });
    return { position: row.position, ticket };
  }

  /** Takes the oldest row off the head. */
  shift(): QueueRow | undefined {
    const row = this.#head.shift();
    if (row !== undefined) this.#count(row.delivery, -1);
    return row;
  }

  /** Tells the journal that a row is finished. */
  done(position: number): Ticket {
    if (position === 0) return 0;
    return this.#journal.append({ kind: 'done', clientId: this.#clientId, position });
  }

  /**
   * When the head is empty and there is a tail: reads its next part, then calls `onReady`. Does nothing while a read is
   * under way. @throws nothing; a failed read is reported to `onFailed` and tried again by the next call.
   */
  refill(onReady: () => void, onFailed: (error: unknown) => void): void {
    if (this.#head.length > 0 || this.#tailCount === 0 || this.#isReading) return;
    this.#isReading = true;
    this.#journal.readQueue(this.#clientId, this.#tailAfter, this.#headMax).then(
      (rows) => {
        this.#isReading = false;
        if (this.#isEnded) return;
        this.#takeRead(rows);
        onReady();
      },
      (error: unknown) => {
        this.#isReading = false;
        if (!this.#isEnded) onFailed(error);
      },
    );
  }

  /** Removes from the head what `move` takes; the order of the rest is kept. */
  moveOut(move: (row: QueueRow) => boolean): void {
    for (let left = this.#head.length; left > 0; left -= 1) {
      const row = this.#head.shift();
      if (row === undefined) return;
      if (move(row)) this.#count(row.delivery, -1);
      else this.#head.push(row);
    }
  }

  /** The session is gone. */
  end(): void {
    this.#isEnded = true;
    this.#head.clear();
    this.#tailCount = 0;
    this.#payloadBytes = 0;
    this.#qos0Count = 0;
  }

  #takeRead(rows: readonly QueueRow[]): void {
    for (const row of rows) {
      this.#head.push(row);
      this.#tailAfter = row.position;
    }
    if (rows.length > 0) {
      this.#tailCount = Math.max(0, this.#tailCount - rows.length);
      return;
    }
    // The journal is the truth: a tail of which it knows nothing does not exist.
    this.#tailCount = 0;
    this.#payloadBytes = 0;
    this.#qos0Count = 0;
    for (let index = 0; index < this.#head.length; index += 1) {
      const row = this.#head.at(index);
      if (row !== undefined) this.#count(row.delivery, 1);
    }
  }

  #count(delivery: Delivery, sign: 1 | -1): void {
    this.#payloadBytes += sign * delivery.message.bytes.length;
    if (delivery.qos === 0) this.#qos0Count += sign;
  }
}

const NOT_TOLD = { position: 0, ticket: 0 } as const;
