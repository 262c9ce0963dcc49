import type { Delivery } from '../../core/model/delivery.ts';
import type { OwnedMessage } from '../../core/model/message.ts';
import { lendMessage, lendRow, lendRowShared, type StoreScale } from './bodies.ts';
import { type OpWriter, type RowPlace, RowState } from './ops.ts';

/** Something that the pending batch may leave out again, because something later takes its place. */
export interface PendingChange {
  isCancelled: boolean;
  /** Somebody waits for it. */
  isAwaited: boolean;
  /** What it takes in memory, in bytes: an estimate. */
  readonly byteCount: number;
}

/** A message of the pending batch, and how many of its rows are still to be written. */
export class PendingMessage {
  readonly message: OwnedMessage;
  rowCount = 0;
  /** Its number in the batch, from 1, once it was written; 0 = not yet. */
  number = 0;

  constructor(message: OwnedMessage) {
    this.message = message;
  }
}

/**
 * What the pending batch does to one row of a queue: writes it, in the state that it has come to meanwhile, or, when it was
 * written before (`delivery` null), moves or removes it.
 */
export class PendingRow implements RowPlace {
  readonly kind = 'row';
  readonly session: number;
  readonly position: number;
  delivery: Delivery | null;
  /** Null when `delivery` is. */
  message: PendingMessage | null;
  state: RowState = RowState.Queued;
  packetId = 0;
  readonly payloadBytes: number;
  isDone = false;
  /** Somebody waits until this, or what has become of it, is stored. */
  isAwaited = false;
  /** Nothing is written: it has ended before. */
  isCancelled = false;

  constructor(session: number, position: number, delivery: Delivery | null, message: PendingMessage | null) {
    this.session = session;
    this.position = position;
    this.delivery = delivery;
    this.message = message;
    this.payloadBytes = delivery === null ? 0 : delivery.message.payloadEnd;
  }

  cancel(): void {
    this.isCancelled = true;
    this.delivery = null;
    this.message = null;
  }

  /** `nextMessage`: the number for its message, if it is the first row of one that others share. @returns the next one. */
  writeTo(ops: OpWriter, scale: StoreScale, nextMessage: number): number {
    if (this.isCancelled) return nextMessage;
    const { delivery, message, session, position } = this;
    let next = nextMessage;
    if (delivery === null || message === null) {
      if (!this.isDone) ops.moved(session, position, this.state, this.packetId);
    } else if (message.rowCount === 1) ops.queued(this, lendRow(delivery, scale));
    else {
      if (message.number === 0) {
        message.number = next;
        next += 1;
        ops.message(message.number, lendMessage(message.message, scale));
      }
      ops.queuedShared(this, message.number, lendRowShared(delivery));
    }
    if (this.isDone) ops.done(session, position);
    return next;
  }
}
