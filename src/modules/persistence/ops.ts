/**
 * Changes of the store as bytes, the form in which they cross between the broker's thread and the store's: what one commit
 * is to hold, and the other way what is loaded and read back. One buffer costs a tenth of what objects do.
 *
 *      | kind | fields ... | kind | fields ... |
 *
 * Numbers have their low byte first. A bytes field has its length in front, in four bytes. Session numbers are given out by
 * the journal, from 1, and never again. What a `body` holds is the matter of bodies.ts: the store keeps it as it is.
 */
import { copyInto } from '../../protocol/write.ts';

/** How far a row of a queue has come. */
export const RowState = { Queued: 0, Sent: 1, Released: 2 } as const;
export type RowState = (typeof RowState)[keyof typeof RowState];

/** The place of a queue's row, and its state. */
export interface RowPlace {
  readonly session: number;
  readonly position: number;
  readonly state: RowState;
  /** 0 while it is queued. */
  readonly packetId: number;
  /** Of the message. */
  readonly payloadBytes: number;
}

/**
 * Hears operations in order. Bytes are borrowed: valid during the call. Fields that come in most calls are arguments, not
 * objects, because a commit has thousands.
 */
export interface OpVisitor {
  /** Puts a session in place, or another in its place. */
  session(session: number, body: Uint8Array): void;
  /** The session goes with all that belongs to it. */
  sessionRemoved(session: number): void;
  /** `filter`: the key, as UTF-8, `$share/…` included. */
  subscribed(session: number, filter: Uint8Array, body: Uint8Array): void;
  unsubscribed(session: number, filter: Uint8Array): void;
  /** A row with its message. */
  queued(place: RowPlace, body: Uint8Array): void;
  /** A message that several rows share; `message` is a number that only this run of operations knows. */
  message(message: number, body: Uint8Array): void;
  /** A row whose message came before, as `message`; `body` is only what is the row's own. */
  queuedShared(place: RowPlace, message: number, body: Uint8Array): void;
  /** The row has another state. A row that is not there is passed over. */
  moved(session: number, position: number, state: RowState, packetId: number): void;
  done(session: number, position: number): void;
  received(session: number, packetId: number): void;
  receivedDone(session: number, packetId: number): void;
  retained(topic: Uint8Array, body: Uint8Array): void;
  retainedRemoved(topic: Uint8Array): void;
  will(clientId: Uint8Array, body: Uint8Array): void;
  willRemoved(clientId: Uint8Array): void;
  /** The two clocks at one moment, see store-time.ts. */
  time(storeMs: number, wallMs: number): void;
  /** Only when loading: `count` rows of the session with `payloadBytes` in all lie above position `after`. */
  tail(session: number, after: number, count: number, payloadBytes: number, lastPosition: number): void;
}

const Kind = {
  Session: 1,
  SessionRemoved: 2,
  Subscribed: 3,
  Unsubscribed: 4,
  Queued: 5,
  Message: 6,
  QueuedShared: 7,
  Moved: 8,
  Done: 9,
  Received: 10,
  ReceivedDone: 11,
  Retained: 12,
  RetainedRemoved: 13,
  Will: 14,
  WillRemoved: 15,
  Time: 16,
  Tail: 17,
} as const;

const START_BYTES = 64 * 1024;

/** Writes operations one behind the other into a buffer that grows. */
export class OpWriter implements OpVisitor {
  #bytes: Uint8Array<ArrayBuffer>;
  #view: DataView;
  #end = 0;

  /** `room`: a buffer to begin with; it is the writer's from now on. */
  constructor(room: ArrayBuffer = new ArrayBuffer(START_BYTES)) {
    this.#bytes = new Uint8Array(room);
    this.#view = new DataView(room);
  }

  get byteLength(): number {
    return this.#end;
  }

  /** Hands over what was written; the writer must not be used again. */
  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#end);
  }

  session(session: number, body: Uint8Array): void {
    this.#begin(Kind.Session, 8 + body.length);
    this.#u32(session);
    this.#blob(body);
  }

  sessionRemoved(session: number): void {
    this.#begin(Kind.SessionRemoved, 4);
    this.#u32(session);
  }

  subscribed(session: number, filter: Uint8Array, body: Uint8Array): void {
    this.#begin(Kind.Subscribed, 12 + filter.length + body.length);
    this.#u32(session);
    this.#blob(filter);
    this.#blob(body);
  }

  unsubscribed(session: number, filter: Uint8Array): void {
    this.#begin(Kind.Unsubscribed, 8 + filter.length);
    this.#u32(session);
    this.#blob(filter);
  }

  queued(place: RowPlace, body: Uint8Array): void {
    this.#begin(Kind.Queued, PLACE_BYTES + 4 + body.length);
    this.#place(place);
    this.#blob(body);
  }

  message(message: number, body: Uint8Array): void {
    this.#begin(Kind.Message, 12 + body.length);
    this.#f64(message);
    this.#blob(body);
  }

  queuedShared(place: RowPlace, message: number, body: Uint8Array): void {
    this.#begin(Kind.QueuedShared, PLACE_BYTES + 12 + body.length);
    this.#place(place);
    this.#f64(message);
    this.#blob(body);
  }

  moved(session: number, position: number, state: RowState, packetId: number): void {
    this.#begin(Kind.Moved, 15);
    this.#u32(session);
    this.#f64(position);
    this.#u8(state);
    this.#u16(packetId);
  }

  done(session: number, position: number): void {
    this.#begin(Kind.Done, 12);
    this.#u32(session);
    this.#f64(position);
  }

  received(session: number, packetId: number): void {
    this.#begin(Kind.Received, 6);
    this.#u32(session);
    this.#u16(packetId);
  }

  receivedDone(session: number, packetId: number): void {
    this.#begin(Kind.ReceivedDone, 6);
    this.#u32(session);
    this.#u16(packetId);
  }

  retained(topic: Uint8Array, body: Uint8Array): void {
    this.#begin(Kind.Retained, 8 + topic.length + body.length);
    this.#blob(topic);
    this.#blob(body);
  }

  retainedRemoved(topic: Uint8Array): void {
    this.#begin(Kind.RetainedRemoved, 4 + topic.length);
    this.#blob(topic);
  }

  will(clientId: Uint8Array, body: Uint8Array): void {
    this.#begin(Kind.Will, 8 + clientId.length + body.length);
    this.#blob(clientId);
    this.#blob(body);
  }

  willRemoved(clientId: Uint8Array): void {
    this.#begin(Kind.WillRemoved, 4 + clientId.length);
    this.#blob(clientId);
  }

  time(storeMs: number, wallMs: number): void {
    this.#begin(Kind.Time, 16);
    this.#f64(storeMs);
    this.#f64(wallMs);
  }

  tail(session: number, after: number, count: number, payloadBytes: number, lastPosition: number): void {
    this.#begin(Kind.Tail, 36);
    this.#u32(session);
    this.#f64(after);
    this.#f64(count);
    this.#f64(payloadBytes);
    this.#f64(lastPosition);
  }

  #begin(kind: number, fieldBytes: number): void {
    const needed = this.#end + 1 + fieldBytes;
    if (needed > this.#bytes.length) this.#grow(needed);
    this.#u8(kind);
  }

  #grow(needed: number): void {
    const bytes = new Uint8Array(Math.max(2 * this.#bytes.length, needed));
    bytes.set(this.#bytes.subarray(0, this.#end));
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
  }

  #place({ session, position, state, packetId, payloadBytes }: RowPlace): void {
    this.#u32(session);
    this.#f64(position);
    this.#u8(state);
    this.#u16(packetId);
    this.#u32(payloadBytes);
  }

  #blob(bytes: Uint8Array): void {
    this.#u32(bytes.length);
    this.#end = copyInto(bytes, 0, bytes.length, this.#bytes, this.#end);
  }

  #u8(value: number): void {
    this.#bytes[this.#end] = value;
    this.#end += 1;
  }

  #u16(value: number): void {
    this.#view.setUint16(this.#end, value, true);
    this.#end += 2;
  }

  #u32(value: number): void {
    this.#view.setUint32(this.#end, value, true);
    this.#end += 4;
  }

  #f64(value: number): void {
    this.#view.setFloat64(this.#end, value, true);
    this.#end += 8;
  }
}

const PLACE_BYTES = 19;

/** Tells `visitor` every operation of `bytes`, in order. @throws RangeError, TypeError when they are not what OpWriter wrote */
export function readOps(bytes: Uint8Array, visitor: OpVisitor): void {
  const reader = new OpReader(bytes);
  while (!reader.isAtEnd) reader.tellNext(visitor);
}

class OpReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  tellNext(visitor: OpVisitor): void {
    const kind = this.#u8();
    switch (kind) {
      case Kind.Session:
        visitor.session(this.#u32(), this.#blob());
        return;
      case Kind.SessionRemoved:
        visitor.sessionRemoved(this.#u32());
        return;
      case Kind.Subscribed:
        visitor.subscribed(this.#u32(), this.#blob(), this.#blob());
        return;
      case Kind.Unsubscribed:
        visitor.unsubscribed(this.#u32(), this.#blob());
        return;
      case Kind.Queued:
        visitor.queued(this.#place(), this.#blob());
        return;
      case Kind.Message:
        visitor.message(this.#f64(), this.#blob());
        return;
      case Kind.QueuedShared:
        visitor.queuedShared(this.#place(), this.#f64(), this.#blob());
        return;
      case Kind.Moved:
        visitor.moved(this.#u32(), this.#f64(), this.#state(), this.#u16());
        return;
      case Kind.Done:
        visitor.done(this.#u32(), this.#f64());
        return;
      default:
        this.#tellRare(kind, visitor);
        return;
    }
  }

  #tellRare(kind: number, visitor: OpVisitor): void {
    switch (kind) {
      case Kind.Received:
        visitor.received(this.#u32(), this.#u16());
        return;
      case Kind.ReceivedDone:
        visitor.receivedDone(this.#u32(), this.#u16());
        return;
      case Kind.Retained:
        visitor.retained(this.#blob(), this.#blob());
        return;
      case Kind.RetainedRemoved:
        visitor.retainedRemoved(this.#blob());
        return;
      case Kind.Will:
        visitor.will(this.#blob(), this.#blob());
        return;
      case Kind.WillRemoved:
        visitor.willRemoved(this.#blob());
        return;
      case Kind.Time:
        visitor.time(this.#f64(), this.#f64());
        return;
      case Kind.Tail:
        visitor.tail(this.#u32(), this.#f64(), this.#f64(), this.#f64(), this.#f64());
        return;
      default:
        throw new TypeError(`there is no operation of kind ${kind}`);
    }
  }

  #place(): RowPlace {
    return {
      session: this.#u32(),
      position: this.#f64(),
      state: this.#state(),
      packetId: this.#u16(),
      payloadBytes: this.#u32(),
    };
  }

  #state(): RowState {
    const value = this.#u8();
    if (value === RowState.Sent || value === RowState.Released) return value;
    if (value === RowState.Queued) return value;
    throw new TypeError(`there is no state ${value} of a row`);
  }

  #blob(): Uint8Array {
    const byteCount = this.#u32();
    const start = this.#at;
    if (start + byteCount > this.#bytes.length) throw new RangeError('an operation is cut off');
    this.#at += byteCount;
    return this.#bytes.subarray(start, this.#at);
  }

  #u8(): number {
    this.#at += 1;
    return this.#view.getUint8(this.#at - 1);
  }

  #u16(): number {
    this.#at += 2;
    return this.#view.getUint16(this.#at - 2, true);
  }

  #u32(): number {
    this.#at += 4;
    return this.#view.getUint32(this.#at - 4, true);
  }

  #f64(): number {
    this.#at += 8;
    return this.#view.getFloat64(this.#at - 8, true);
  }
}
