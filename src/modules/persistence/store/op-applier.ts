/**
 * Operations as statements, inside a transaction that the store has begun. Each of them may come a second time and
 * changes nothing then. Rows with their message come by the thousand, and one statement for sixteen of them takes half
 * the time (2.3 instead of 5.4 us a row).
 */
import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import type { OpVisitor, RowPlace, RowState } from '../ops.ts';
import { CheckedTable, encodeSent, keyCheck, queueCheck } from './row-check.ts';
import { StoreDamage } from './store-faults.ts';

const BATCH_ROWS = 16;
const ROW_CELLS = 7;
export const TIME_BYTES = 16;

/** A row whose message is not there, for it was damaged, must never come to name another one. */
const HIGHEST_MESSAGE = `SELECT max(ifnull((SELECT max(id) FROM messages), 0),
  ifnull((SELECT max(message) FROM queue WHERE message IS NOT NULL), 0)) AS highest`;

/** A message of this run of operations. `id` 0: no row has needed it yet, so it is not stored. */
interface SharedMessage {
  readonly body: Uint8Array;
  id: number;
  crc: number;
}

export class OpApplier implements OpVisitor {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  readonly #queueRow: StatementSync;
  readonly #queueRows: StatementSync;
  readonly #moved: StatementSync;
  readonly #done: StatementSync;
  /** Cells of rows that wait for their statement. */
  #pending: SQLInputValue[] = [];
  readonly #shared = new Map<number, SharedMessage>();
  readonly #stored: SharedMessage[] = [];
  /** 0: not yet known in this run. */
  #lastMessage = 0;
  #hasRemoved = false;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#queueRow = database.prepare(queueInsert(1));
    this.#queueRows = database.prepare(queueInsert(BATCH_ROWS));
    this.#moved = database.prepare('UPDATE queue SET sent = ? WHERE session = ? AND position = ?');
    this.#done = database.prepare('DELETE FROM queue WHERE session = ? AND position = ?');
  }

  /** A session was removed since `begin`: its rows are to be purged. */
  get hasRemoved(): boolean {
    return this.#hasRemoved;
  }

  /** Forgets what a run before has left. */
  begin(): void {
    this.#pending = [];
    this.#shared.clear();
    this.#stored.length = 0;
    this.#lastMessage = 0;
    this.#hasRemoved = false;
  }

  /** Writes what still waits; to be called before the commit. */
  end(): void {
    this.#flush();
    for (const { id, body, crc } of this.#stored) {
      // Its rows may have ended, and other rows of it may have come after that, all within this run.
      const sql = 'INSERT OR IGNORE INTO messages SELECT ?, ?, ? WHERE EXISTS (SELECT 1 FROM queue WHERE message = ?)';
      this.#run(sql, id, body, crc, id);
    }
    this.#shared.clear();
    this.#stored.length = 0;
  }

  session(session: number, body: Uint8Array): void {
    this.#run(
      'INSERT INTO sessions VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET body = excluded.body, crc = excluded.crc',
      session,
      body,
      keyCheck(CheckedTable.Session, session, undefined, body),
    );
  }

  sessionRemoved(session: number): void {
    this.#flush();
    this.#run('DELETE FROM sessions WHERE id = ?', session);
    this.#run('INSERT OR REPLACE INTO removed VALUES (?, ?)', session, keyCheck(CheckedTable.Removed, session));
    this.#hasRemoved = true;
  }

  subscribed(session: number, filter: Uint8Array, body: Uint8Array): void {
    const crc = keyCheck(CheckedTable.Subscription, session, filter, body);
    this.#run(
      'INSERT INTO subscriptions VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET body = excluded.body, crc = excluded.crc',
      session,
      filter,
      body,
      crc,
    );
  }

  unsubscribed(session: number, filter: Uint8Array): void {
    this.#run('DELETE FROM subscriptions WHERE session = ? AND filter = ?', session, filter);
  }

  queued(place: RowPlace, body: Uint8Array): void {
    this.#row(place, 0, body);
  }

  message(message: number, body: Uint8Array): void {
    this.#shared.set(message, { body, id: 0, crc: 0 });
  }

  queuedShared(place: RowPlace, message: number, body: Uint8Array): void {
    const shared = this.#shared.get(message);
    if (shared === undefined) throw new TypeError(`a row needs the message ${message}, which did not come before it`);
    if (shared.id === 0) this.#store(shared);
    this.#row(place, shared.id, body);
  }

  moved(session: number, position: number, state: RowState, packetId: number): void {
    this.#flush();
    this.#moved.run(encodeSent(state, packetId), session, position);
  }

  done(session: number, position: number): void {
    this.#flush();
    this.#done.run(session, position);
  }

  received(session: number, packetId: number): void {
    const crc = keyCheck(CheckedTable.Received, session * 65536 + packetId);
    this.#run('INSERT OR REPLACE INTO received VALUES (?, ?, ?)', session, packetId, crc);
  }

  receivedDone(session: number, packetId: number): void {
    this.#run('DELETE FROM received WHERE session = ? AND packet_id = ?', session, packetId);
  }

  retained(topic: Uint8Array, body: Uint8Array): void {
    this.#run(
      'INSERT INTO retained VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET body = excluded.body, crc = excluded.crc',
      topic,
      body,
      keyCheck(CheckedTable.Retained, 0, topic, body),
    );
  }

  retainedRemoved(topic: Uint8Array): void {
    this.#run('DELETE FROM retained WHERE topic = ?', topic);
  }

  will(clientId: Uint8Array, body: Uint8Array): void {
    this.#run(
      'INSERT INTO wills VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET body = excluded.body, crc = excluded.crc',
      clientId,
      body,
      keyCheck(CheckedTable.Will, 0, clientId, body),
    );
  }

  willRemoved(clientId: Uint8Array): void {
    this.#run('DELETE FROM wills WHERE client_id = ?', clientId);
  }

  time(storeMs: number, wallMs: number): void {
    const body = new Uint8Array(TIME_BYTES);
    const view = new DataView(body.buffer);
    view.setFloat64(0, storeMs, true);
    view.setFloat64(8, wallMs, true);
    this.#run('INSERT OR REPLACE INTO meta VALUES (?, ?, ?)', 'time', body, metaCheck('time', body));
  }

  tail(): void {
    throw new TypeError('the tail of a queue is told when loading, and cannot be stored');
  }

  #row(place: RowPlace, message: number, body: Uint8Array): void {
    const { session, position, payloadBytes } = place;
    const sent = encodeSent(place.state, place.packetId);
    const crc = queueCheck(place, message, body);
    this.#pending.push(session, position, sent, payloadBytes, message === 0 ? null : message, body, crc);
    if (this.#pending.length < BATCH_ROWS * ROW_CELLS) return;
    this.#queueRows.run(...this.#pending);
    this.#pending = [];
  }

  #flush(): void {
    const cells = this.#pending;
    if (cells.length === 0) return;
    for (let at = 0; at < cells.length; at += ROW_CELLS) this.#queueRow.run(...cells.slice(at, at + ROW_CELLS));
    this.#pending = [];
  }

  /**
   * Gives the message its number and stores it. Numbers are given here and not by SQLite, because the checksum holds
   * them; nobody else writes. Within a run none is given twice.
   */
  #store(shared: SharedMessage): void {
    if (this.#lastMessage === 0) this.#lastMessage = this.#highestMessage();
    this.#lastMessage += 1;
    shared.id = this.#lastMessage;
    shared.crc = keyCheck(CheckedTable.Message, shared.id, undefined, shared.body);
    this.#run('INSERT INTO messages VALUES (?, ?, ?)', shared.id, shared.body, shared.crc);
    this.#stored.push(shared);
  }

  #highestMessage(): number {
    const highest = this.#statement(HIGHEST_MESSAGE).get()?.highest;
    if (typeof highest === 'number') return highest;
    throw new StoreDamage('the messages have no numbers');
  }

  #run(sql: string, ...values: SQLInputValue[]): void {
    this.#statement(sql).run(...values);
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}

/** Checksum of a row of `meta`. */
export function metaCheck(name: string, body: Uint8Array): number {
  return keyCheck(CheckedTable.Meta, 0, new TextEncoder().encode(name), body);
}

function queueInsert(rows: number): string {
  const row = '(?, ?, ?, ?, ?, ?, ?)';
  const values = new Array(rows).fill(row).join(', ');
  // REPLACE removes the row before, and with it, by the trigger, a message that nobody else needs.
  return `INSERT OR REPLACE INTO queue VALUES ${values}`;
}
