/** Sorts what the core tells into the pending batch: which session it belongs to, and whether somebody may wait for it. */
import { assert } from '../../base/assert.ts';
import type { JournalRecord } from '../../core/ports.ts';
import type { PendingBatch } from './pending-batch.ts';
import type { SessionTable } from './session-table.ts';

export class RecordIntake {
  readonly #sessions: SessionTable;
  readonly #batch: PendingBatch;
  /** False: relaxed, a message of QoS 2 is sent before its packet id is stored. */
  isPacketIdAwaited = true;

  constructor(sessions: SessionTable, batch: PendingBatch) {
    this.#sessions = sessions;
    this.#batch = batch;
  }

  /** @returns whether somebody may wait for it. */
  take(record: JournalRecord): boolean {
    switch (record.kind) {
      case 'queued':
      case 'sent':
      case 'released':
      case 'done':
        return this.#takeRow(record);
      case 'retained':
        return this.#takeRetained(record);
      case 'retained-removed':
        this.#batch.retainedRemoved(record.topic.text);
        return true;
      case 'will':
        this.#batch.will(record);
        return true;
      case 'will-removed':
        this.#batch.willRemoved(record.clientId);
        return true;
      case 'session': {
        const { clientId, userName, listenerId, expirySeconds } = record;
        const fields = { clientId, userName, listenerId, expirySeconds, offlineSinceMs: null };
        this.#batch.session(this.#sessions.put(fields), true);
        return true;
      }
      case 'session-removed': {
        const removed = this.#sessions.remove(record.clientId);
        if (removed !== undefined) this.#batch.sessionRemoved(removed);
        return removed !== undefined;
      }
      default:
        return this.#takeOfSession(record);
    }
  }

  #takeRow(record: JournalRecord & { readonly kind: 'queued' | 'sent' | 'released' | 'done' }): boolean {
    const session = this.#sessions.find(record.clientId);
    const { kind } = record;
    // It would be acknowledged, and lost.
    assert(
      session !== undefined || kind !== 'queued',
      'a message is stored for a session that the store was not told of',
    );
    if (session === undefined) return false;
    if (kind === 'queued') {
      const { position, delivery } = record.row;
      session.see(position, delivery.qos);
      this.#batch.queued(session, position, delivery);
      return delivery.qos > 0;
    }
    const { position } = record;
    if (kind === 'done') {
      session.forgetSent(position);
      this.#batch.done(session, position, this.isPacketIdAwaited);
      return false;
    }
    if (kind === 'released') {
      this.#batch.released(session, position, session.sentId(position));
      return true;
    }
    const mayBeQos2 = session.mayBeQos2(position);
    if (mayBeQos2) session.rememberSent(position, record.packetId);
    this.#batch.sent(session, position, record.packetId, mayBeQos2);
    return mayBeQos2;
  }

  #takeRetained({ message, sinceMs }: JournalRecord & { readonly kind: 'retained' }): boolean {
    // What the broker says of itself is said anew after the start.
    if (message.publisher === null && message.topic.text.startsWith('$SYS/')) return false;
    const isAwaited = message.qos > 0;
    this.#batch.retained(message, sinceMs, isAwaited);
    return isAwaited;
  }

  #takeOfSession(
    record: JournalRecord & {
      readonly kind: 'session-offline' | 'subscribed' | 'unsubscribed' | 'received' | 'received-done';
    },
  ): boolean {
    const session = this.#sessions.find(record.clientId);
    if (session === undefined) return false;
    switch (record.kind) {
      case 'session-offline':
        session.fields = { ...session.fields, offlineSinceMs: record.atMs };
        this.#batch.session(session, false);
        return false;
      case 'subscribed':
        this.#batch.subscribed(session, record);
        return true;
      case 'unsubscribed':
        this.#batch.unsubscribed(session, record.filter);
        return true;
      case 'received':
      case 'received-done':
        this.#batch.received(session, record.kind, record.packetId);
        return true;
    }
  }
}
