/**
 * The sessions that the store knows, by client id: the number under which each is stored, what its body holds, and what of
 * it waits in the pending batch. A session that was removed and comes again gets a new number, so that what is still on its
 * way for the old one cannot touch the new one.
 */
import { assert } from '../../base/assert.ts';
import type { StoredSessionFields } from './bodies.ts';
import type { PendingChange, PendingRow } from './pending-row.ts';

/** The store keeps session numbers in 32 bits, and each is given out once. */
export const SESSION_NUMBER_MAX = 0xffff_ffff;

export class StoredSession {
  readonly number: number;
  /** What its body holds. */
  fields: StoredSessionFields;
  /** The highest position of a QoS 2 row that was seen: what is above it is known to be QoS 0 or 1. */
  #lastQos2Position = 0;
  /** Packet ids of rows in flight that may be of QoS 2, by position; null = none. */
  #sentIds: Map<number, number> | null = null;
  /** Rows that the pending batch changes, by position; null = none. */
  pendingRows: Map<number, PendingRow> | null = null;
  /** What else the pending batch changes of it: subscriptions by filter, received packet ids by number; null = none. */
  pendingChanges: Map<string | number, PendingChange> | null = null;
  /** The pending batch writes its body; null = it does not. */
  pendingBody: PendingChange | null = null;
  /** No group that has left knows of it. */
  isUnwritten: boolean;

  constructor(number: number, fields: StoredSessionFields, isUnwritten = false) {
    this.number = number;
    this.fields = fields;
    this.isUnwritten = isUnwritten;
  }

  /** A row of this session was seen. */
  see(position: number, qos: number): void {
    if (qos === 2 && position > this.#lastQos2Position) this.#lastQos2Position = position;
  }

  /** Whether the row may be one of QoS 2, so that somebody may wait until its packet id is stored. */
  mayBeQos2(position: number): boolean {
    return position <= this.#lastQos2Position;
  }

  /** The packet id of a row that may be of QoS 2: PUBREC, which comes for it, is stored with it. */
  rememberSent(position: number, packetId: number): void {
    this.#sentIds ??= new Map();
    this.#sentIds.set(position, packetId);
  }

  /** 0 = it is not known. */
  sentId(position: number): number {
    return this.#sentIds?.get(position) ?? 0;
  }

  forgetSent(position: number): void {
    if (this.#sentIds === null) return;
    this.#sentIds.delete(position);
    if (this.#sentIds.size === 0) this.#sentIds = null;
  }
}

export class SessionTable {
  readonly #sessions = new Map<string, StoredSession>();
  #nextNumber: number;

  /** `nextNumber`: the lowest that was never given out. */
  constructor(nextNumber: number) {
    this.#nextNumber = nextNumber;
  }

  find(clientId: string): StoredSession | undefined {
    return this.#sessions.get(clientId);
  }

  /**
   * The session of that client with these fields; a new one when there was none.
   * @throws AssertionError when every number was given out: one that comes again would mix up two sessions
   */
  put(fields: StoredSessionFields): StoredSession {
    const known = this.#sessions.get(fields.clientId);
    if (known !== undefined) {
      known.fields = fields;
      return known;
    }
    const number = this.#nextNumber;
    assert(
      number <= SESSION_NUMBER_MAX,
      `the store has given out all of its ${SESSION_NUMBER_MAX} session numbers: move its state into a new store with export and import`,
    );
    return this.#add(new StoredSession(number, fields, true));
  }

  /** One that was stored before this run. */
  restore(number: number, fields: StoredSessionFields): StoredSession {
    return this.#add(new StoredSession(number, fields));
  }

  remove(clientId: string): StoredSession | undefined {
    const session = this.#sessions.get(clientId);
    if (session !== undefined) this.#sessions.delete(clientId);
    return session;
  }

  #add(session: StoredSession): StoredSession {
    this.#sessions.set(session.fields.clientId, session);
    this.#nextNumber = Math.max(this.#nextNumber, session.number + 1);
    return session;
  }
}
