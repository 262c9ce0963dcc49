/** What was stored, out of the bytes in which it is loaded, told as records; sessions are remembered on the way. */
import type { OwnedMessage, StoredRecord } from '../../core/ports.ts';
import {
  BodyError,
  decodeMessage,
  decodeRetained,
  decodeRow,
  decodeSession,
  decodeSubscription,
  decodeWill,
  type StoreScale,
} from './bodies.ts';
import { type OpVisitor, type RowPlace, RowState } from './ops.ts';
import type { SessionTable, StoredSession } from './session-table.ts';

export interface StoreLoadingParts {
  readonly scale: StoreScale;
  readonly sessions: SessionTable;
  readonly apply: (record: StoredRecord) => void;
}

/** @throws BodyError out of any method for what does not fit */
export class StoreLoading implements OpVisitor {
  readonly #parts: StoreLoadingParts;
  /** Those that rows share, however far apart: what is shared in the store is shared in memory. */
  readonly #messages = new Map<number, OwnedMessage>();
  /** What belongs to a session comes behind it. */
  #session: StoredSession | null = null;
  sessionCount = 0;
  rowCount = 0;
  retainedCount = 0;

  constructor(parts: StoreLoadingParts) {
    this.#parts = parts;
  }

  /** Nothing comes any more. */
  end(): void {
    this.#messages.clear();
    this.#session = null;
  }

  session(session: number, body: Uint8Array): void {
    const { sessions, scale, apply } = this.#parts;
    const fields = decodeSession(body, scale);
    this.#session = sessions.restore(session, fields);
    this.sessionCount += 1;
    apply({ kind: 'session', ...fields });
  }

  subscribed(session: number, filter: Uint8Array, body: Uint8Array): void {
    const { clientId } = this.#owner(session).fields;
    this.#parts.apply({ kind: 'subscribed', clientId, subscription: decodeSubscription(filter, body) });
  }

  received(session: number, packetId: number): void {
    this.#parts.apply({ kind: 'received', clientId: this.#owner(session).fields.clientId, packetId });
  }

  message(message: number, body: Uint8Array): void {
    this.#messages.set(message, decodeMessage(body, this.#parts.scale));
  }

  queued(place: RowPlace, body: Uint8Array): void {
    this.#row(place, body, null);
  }

  queuedShared(place: RowPlace, message: number, body: Uint8Array): void {
    const owned = this.#messages.get(message);
    if (owned === undefined) throw new BodyError('a row belongs to a message that is not there');
    this.#row(place, body, owned);
  }

  tail(session: number, after: number, count: number, payloadBytes: number, lastPosition: number): void {
    const { clientId } = this.#owner(session).fields;
    this.#parts.apply({ kind: 'tail', clientId, after, count, payloadBytes, lastPosition });
  }

  retained(topic: Uint8Array, body: Uint8Array): void {
    this.retainedCount += 1;
    this.#parts.apply({ kind: 'retained', ...decodeRetained(topic, body, this.#parts.scale) });
  }

  will(clientId: Uint8Array, body: Uint8Array): void {
    this.#parts.apply({ kind: 'will', ...decodeWill(clientId, body, this.#parts.scale) });
  }

  #row({ session, position, state, packetId }: RowPlace, body: Uint8Array, message: OwnedMessage | null): void {
    const owner = this.#owner(session);
    const { clientId } = owner.fields;
    const row = decodeRow(position, body, message, this.#parts.scale);
    const { qos } = row.delivery;
    owner.see(position, qos);
    this.rowCount += 1;
    if (state === RowState.Queued) {
      this.#parts.apply({ kind: 'queued', clientId, row });
      return;
    }
    if (packetId === 0) throw new BodyError('a message in flight has no packet id');
    if (qos === 2) owner.rememberSent(position, packetId);
    this.#parts.apply({ kind: 'sent', clientId, row, packetId, isReleased: state === RowState.Released });
  }

  #owner(session: number): StoredSession {
    const owner = this.#session;
    if (owner === null || owner.number !== session)
      throw new BodyError('something belongs to a session that is not there');
    return owner;
  }

  sessionRemoved(): void {}
  unsubscribed(): void {}
  moved(): void {}
  done(): void {}
  receivedDone(): void {}
  retainedRemoved(): void {}
  willRemoved(): void {}
  time(): void {}
}
