/**
 * The changes that gather until the next group, as small objects: encoded only when they leave, because what ends before it
 * was written is not written. This is on the path of every QoS 1 message to a durable session.
 *
 *      queued .. sent .. done          nothing is written
 *      queued .. sent                  one row, in flight
 *              | sent .. done          (the row was written before) only `done`
 *      retained a .. retained b        the last of a topic
 *      session .. session-offline      one body
 *      subscribed f .. unsubscribed f  the last of a filter; likewise of a will, and of a packet id that was received
 *      session .. session-removed      nothing, when no group before has written the session
 *
 * A row of QoS 2 that has a packet id does not cancel out: somebody waits for that id to be stored. A message to many
 * receivers is one operation, and a short row for each. What is written stands in the order in which it came. So a client
 * that says the same again and again, while the store fails, takes no more memory than one that says it once.
 *
 * Retained messages of QoS 0 stand aside (`later`), one for each topic that has changed, until `joinLater`: most of a Unified
 * Namespace is that, and flash memory wears.
 *
 * A batch that `isFull` is to leave at the end of the turn, so that no group is too long to encode in one go. What ends
 * after that is written by the next one.
 */
import type { OwnedMessage } from '../../core/model/message.ts';
import type { Delivery, JournalRecord } from '../../core/ports.ts';
import { encodeSession, encodeSubscription, encodeWill, keyOf, lendRetained, type StoreScale } from './bodies.ts';
import { type OpWriter, RowState } from './ops.ts';
import { type PendingChange, PendingMessage, PendingRow } from './pending-row.ts';
import type { StoredSession } from './session-table.ts';
import type { ClockPair } from './store-time.ts';

type RecordOf<K extends JournalRecord['kind']> = JournalRecord & { readonly kind: K };

type Entry = PendingRow | Change;

type Change = PendingChange & What;

type What =
  | { readonly kind: 'session' | 'session-removed'; readonly session: StoredSession }
  | { readonly kind: 'subscribed'; readonly session: number; readonly record: RecordOf<'subscribed'> }
  | { readonly kind: 'unsubscribed'; readonly session: number; readonly filter: string }
  | { readonly kind: 'received' | 'received-done'; readonly session: number; readonly packetId: number }
  | { readonly kind: 'will'; readonly record: RecordOf<'will'> }
  | { readonly kind: 'will-removed'; readonly clientId: string };

interface PendingRetained {
  /** Null: it is removed. */
  readonly message: OwnedMessage | null;
  readonly sinceMs: number;
  readonly byteCount: number;
}

/** What a change costs beside its payload, in bytes of memory: an estimate for the limit of what is not synced. */
const CHANGE_BYTES = 128;
/** Entries that have been cancelled are left in the list up to this many, and up to half of it. */
const CANCELLED_MAX = 1024;
/** A group ends at the first border of turns behind this many bytes or changes. */
export const GROUP_BYTES_MAX = 8 * 1024 * 1024;
export const GROUP_CHANGES_MAX = 20_000;

export class PendingBatch {
  readonly #scale: StoreScale;
  #entries: Entry[] = [];
  #cancelledCount = 0;
  /** Of entries; retained ones are counted by their maps. */
  #liveCount = 0;
  /** Without what stands aside. */
  #byteCount = 0;
  #laterBytes = 0;
  #awaitedCount = 0;
  readonly #retained = new Map<string, PendingRetained>();
  readonly #later = new Map<string, PendingRetained>();
  readonly #wills = new Map<string, Change>();
  /** Sessions that have something in here. */
  readonly #sessions = new Set<StoredSession>();
  #lastMessage: PendingMessage | null = null;

  constructor(scale: StoreScale) {
    this.#scale = scale;
  }

  /** Changes that are to be written, those aside included. */
  get changeCount(): number {
    return this.readyCount + this.#later.size;
  }

  /** Changes that leave with the next group: those aside do not. */
  get readyCount(): number {
    return this.#liveCount + this.#retained.size;
  }

  /** It is to leave at the end of the turn, whatever else is under way. */
  get isFull(): boolean {
    return this.#byteCount >= GROUP_BYTES_MAX || this.readyCount >= GROUP_CHANGES_MAX;
  }

  /** True: there is nothing to write, but for what stands aside. */
  get isEmpty(): boolean {
    return this.readyCount === 0;
  }

  get hasLater(): boolean {
    return this.#later.size > 0;
  }

  /** Changes that somebody waits for, and that are not cancelled. */
  get awaitedCount(): number {
    return this.#awaitedCount;
  }

  /** An estimate of what all of it takes. */
  get byteCount(): number {
    return this.#byteCount + this.#laterBytes;
  }

  /** The body of the session is written, with the fields that it has when the batch leaves. */
  session(session: StoredSession, isAwaited: boolean): void {
    const { pendingBody } = session;
    if (pendingBody !== null) {
      if (isAwaited && !pendingBody.isAwaited) this.#awaitedCount += 1;
      pendingBody.isAwaited ||= isAwaited;
      return;
    }
    const { clientId, userName } = session.fields;
    this.#sessions.add(session);
    session.pendingBody = this.#add({ kind: 'session', session }, clientId.length + (userName?.length ?? 0), isAwaited);
  }

  sessionRemoved(session: StoredSession): void {
    // They would only go with the session.
    for (const row of session.pendingRows?.values() ?? []) this.#cancelRow(row);
    for (const change of session.pendingChanges?.values() ?? []) this.#cancel(change);
    if (session.pendingBody !== null) this.#cancel(session.pendingBody);
    const { isUnwritten } = session;
    this.#forget(session);
    this.#sessions.delete(session);
    if (!isUnwritten) this.#add({ kind: 'session-removed', session }, 0);
    this.#compact();
  }

  subscribed(session: StoredSession, record: RecordOf<'subscribed'>): void {
    const { text } = record.subscription.filter;
    this.#replace(session, text, { kind: 'subscribed', session: session.number, record });
  }

  unsubscribed(session: StoredSession, filter: string): void {
    this.#replace(session, filter, { kind: 'unsubscribed', session: session.number, filter });
  }

  received(session: StoredSession, kind: 'received' | 'received-done', packetId: number): void {
    this.#replace(session, packetId, { kind, session: session.number, packetId });
  }

  will(record: RecordOf<'will'>): void {
    this.#putWill(record.clientId, { kind: 'will', record }, messageBytes(record.will.message));
  }

  willRemoved(clientId: string): void {
    this.#putWill(clientId, { kind: 'will-removed', clientId }, 0);
  }

  queued(session: StoredSession, position: number, delivery: Delivery): void {
    let message = this.#lastMessage;
    let byteCount = CHANGE_BYTES;
    if (message === null || message.message !== delivery.message || message.rowCount === 0) {
      message = new PendingMessage(delivery.message);
      this.#lastMessage = message;
      byteCount += messageBytes(delivery.message);
    }
    message.rowCount += 1;
    const row = new PendingRow(session.number, position, delivery, message);
    this.#rowsOf(session).set(position, row);
    row.isAwaited = delivery.qos > 0;
    this.#push(row, byteCount);
  }

  /** The row is in flight. `isAwaited`: somebody waits for that to be stored. */
  sent(session: StoredSession, position: number, packetId: number, isAwaited: boolean): void {
    this.#move(session, position, RowState.Sent, packetId, isAwaited);
  }

  released(session: StoredSession, position: number, packetId: number): void {
    this.#move(session, position, RowState.Released, packetId, true);
  }

  /** `isPacketIdAwaited`: somebody may wait for the packet id of a QoS 2 row to be stored. */
  done(session: StoredSession, position: number, isPacketIdAwaited: boolean): void {
    const row = session.pendingRows?.get(position);
    if (row === undefined) {
      const ended = new PendingRow(session.number, position, null, null);
      ended.isDone = true;
      this.#push(ended, CHANGE_BYTES);
      return;
    }
    const { delivery } = row;
    const isKept = delivery === null || (isPacketIdAwaited && delivery.qos === 2 && row.state !== RowState.Queued);
    row.isDone = true;
    if (isKept) return;
    session.pendingRows?.delete(position);
    this.#cancelRow(row);
    this.#compact();
  }

  /** `isAwaited` false: of QoS 0, it may stand aside. */
  retained(message: OwnedMessage, sinceMs: number, isAwaited: boolean): void {
    const { text } = message.topic;
    if (isAwaited) this.#awaitedCount += 1;
    const isLater = !isAwaited && !this.#retained.has(text);
    this.#putRetained(text, { message, sinceMs, byteCount: CHANGE_BYTES + messageBytes(message) }, isLater);
  }

  retainedRemoved(topic: string): void {
    this.#awaitedCount += 1;
    this.#putRetained(topic, { message: null, sinceMs: 0, byteCount: CHANGE_BYTES + topic.length }, false);
  }

  /** What stands aside leaves with the next group, as far as that has room for it. */
  joinLater(): void {
    for (const [topic, entry] of this.#later) {
      if (this.isFull) return;
      this.#retained.set(topic, entry);
      this.#later.delete(topic);
      this.#byteCount += entry.byteCount;
      this.#laterBytes -= entry.byteCount;
    }
  }

  /** Writes everything that does not stand aside; the batch begins anew. `pair`: the two clocks, null = not now. */
  writeTo(ops: OpWriter, pair: ClockPair | null): void {
    let nextMessage = 1;
    for (const entry of this.#entries) {
      if (entry.kind === 'row') nextMessage = entry.writeTo(ops, this.#scale, nextMessage);
      else if (!entry.isCancelled) this.#write(entry, ops);
    }
    for (const [topic, { message, sinceMs }] of this.#retained) {
      if (message === null) ops.retainedRemoved(keyOf(topic));
      else ops.retained(message.topic.bytes, lendRetained(message, sinceMs, this.#scale));
    }
    if (pair !== null) ops.time(pair.storeMs, pair.wallMs);
    this.clear();
  }

  /** Begins anew. What stands aside stays. */
  clear(): void {
    for (const session of this.#sessions) this.#forget(session);
    this.#sessions.clear();
    this.#entries = [];
    this.#retained.clear();
    this.#wills.clear();
    this.#lastMessage = null;
    this.#cancelledCount = 0;
    this.#liveCount = 0;
    this.#awaitedCount = 0;
    this.#byteCount = 0;
  }

  #forget(session: StoredSession): void {
    session.pendingRows = null;
    session.pendingChanges = null;
    session.pendingBody = null;
    session.isUnwritten = false;
  }

  #write(entry: Change, ops: OpWriter): void {
    switch (entry.kind) {
      case 'session':
        ops.session(entry.session.number, encodeSession(entry.session.fields, this.#scale));
        break;
      case 'session-removed':
        ops.sessionRemoved(entry.session.number);
        break;
      case 'subscribed': {
        const { subscription } = entry.record;
        ops.subscribed(entry.session, keyOf(subscription.filter.text), encodeSubscription(subscription));
        break;
      }
      case 'unsubscribed':
        ops.unsubscribed(entry.session, keyOf(entry.filter));
        break;
      case 'received':
        ops.received(entry.session, entry.packetId);
        break;
      case 'received-done':
        ops.receivedDone(entry.session, entry.packetId);
        break;
      case 'will':
        ops.will(keyOf(entry.record.clientId), encodeWill(entry.record, entry.record.will, this.#scale));
        break;
      case 'will-removed':
        ops.willRemoved(keyOf(entry.clientId));
        break;
    }
  }

  #move(session: StoredSession, position: number, state: RowState, packetId: number, isAwaited: boolean): void {
    let row = session.pendingRows?.get(position);
    if (row === undefined) {
      row = new PendingRow(session.number, position, null, null);
      this.#rowsOf(session).set(position, row);
      this.#push(row, CHANGE_BYTES);
    }
    if (isAwaited && !row.isAwaited) {
      row.isAwaited = true;
      this.#awaitedCount += 1;
    }
    row.state = state;
    row.packetId = packetId;
  }

  #putRetained(topic: string, entry: PendingRetained, isLater: boolean): void {
    this.#byteCount -= this.#retained.get(topic)?.byteCount ?? 0;
    this.#retained.delete(topic);
    this.#laterBytes -= this.#later.get(topic)?.byteCount ?? 0;
    this.#later.delete(topic);
    if (isLater) {
      this.#later.set(topic, entry);
      this.#laterBytes += entry.byteCount;
    } else {
      this.#retained.set(topic, entry);
      this.#byteCount += entry.byteCount;
    }
  }

  /** Takes the place of what the batch has of that session under `key`, a filter or a packet id. */
  #replace(session: StoredSession, key: string | number, what: What): void {
    const before = session.pendingChanges?.get(key);
    if (before !== undefined) this.#cancel(before);
    this.#sessions.add(session);
    session.pendingChanges ??= new Map();
    session.pendingChanges.set(key, this.#add(what, typeof key === 'string' ? key.length : 0));
    this.#compact();
  }

  #putWill(clientId: string, what: What, byteCount: number): void {
    const before = this.#wills.get(clientId);
    if (before !== undefined) this.#cancel(before);
    this.#wills.set(clientId, this.#add(what, clientId.length + byteCount));
    this.#compact();
  }

  /** `textBytes`: what it takes beside its object. */
  #add(what: What, textBytes: number, isAwaited = true): Change {
    const change: Change = { ...what, isAwaited, isCancelled: false, byteCount: CHANGE_BYTES + textBytes };
    this.#push(change, change.byteCount);
    return change;
  }

  #push(entry: Entry, byteCount: number): void {
    this.#entries.push(entry);
    this.#liveCount += 1;
    if (entry.isAwaited) this.#awaitedCount += 1;
    this.#byteCount += byteCount;
  }

  #rowsOf(session: StoredSession): Map<number, PendingRow> {
    if (session.pendingRows !== null) return session.pendingRows;
    this.#sessions.add(session);
    session.pendingRows = new Map();
    return session.pendingRows;
  }

  #cancel(change: PendingChange): void {
    change.isCancelled = true;
    this.#byteCount -= change.byteCount;
    this.#countCancelled(change.isAwaited);
  }

  #cancelRow(row: PendingRow): void {
    const { message } = row;
    this.#byteCount -= CHANGE_BYTES;
    if (message !== null) {
      message.rowCount -= 1;
      if (message.rowCount === 0) this.#byteCount -= messageBytes(message.message);
    }
    row.cancel();
    this.#countCancelled(row.isAwaited);
  }

  #countCancelled(isAwaited: boolean): void {
    this.#liveCount -= 1;
    this.#cancelledCount += 1;
    if (isAwaited) this.#awaitedCount -= 1;
  }

  /** While a group takes long, or a window is open, messages may come and go without end. */
  #compact(): void {
    if (this.#cancelledCount <= CANCELLED_MAX || 2 * this.#cancelledCount <= this.#entries.length) return;
    this.#entries = this.#entries.filter((entry) => !entry.isCancelled);
    this.#cancelledCount = 0;
  }
}

function messageBytes(message: OwnedMessage): number {
  return message.payloadEnd + message.topic.bytes.length + message.forwardedProperties.length + CHANGE_BYTES;
}
