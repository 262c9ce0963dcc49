/**
 * What is stored, as operations again. Every row is checked, and the order of the keys too, because a page that a flipped
 * bit points to may hold rows that are right in themselves. Loading holds one chunk at a time, whatever the size of the
 * store; the rows of one table are read with a single statement, beside the sessions they belong to.
 */
import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import { OpWriter, RowState } from '../ops.ts';
import type { StoreCounts } from '../thread-messages.ts';
import { bytesIn, cellsOf, countIn, integerIn } from './cells.ts';
import { CheckedTable, decodeSent, keyCheck, queueCheck } from './row-check.ts';
import { SESSION_MAX } from './store-database.ts';
import { StoreDamage } from './store-faults.ts';

const CHUNK_BYTES = 256 * 1024;
/** A reading of a queue ends early when it has this much, with one row at least. */
const READ_BYTES_MAX = 8 * 1024 * 1024;

/** Of a queue's row; the field has 32 bits. */
const PAYLOAD_BYTES_MAX = 0xffffffff;

const QUEUE_ROWS = rowsOf('session = ? AND position > ?', 'ASC');

/** Prepares statements that give arrays, and keeps them. */
class Statements {
  readonly #database: DatabaseSync;
  readonly #kept = new Map<string, StatementSync>();

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  rows(sql: string, ...values: SQLInputValue[]): NodeJS.Iterator<unknown> {
    return this.#get(sql).iterate(...values);
  }

  row(sql: string, ...values: SQLInputValue[]): readonly unknown[] | null {
    const row = this.#get(sql).get(...values);
    return row === undefined ? null : cellsOf(row);
  }

  #get(sql: string): StatementSync {
    let statement = this.#kept.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql);
      statement.setReturnArrays(true);
      this.#kept.set(sql, statement);
    }
    return statement;
  }
}

/** One row ahead in a table whose rows are in order of their sessions. */
class SessionCursor {
  readonly #rows: NodeJS.Iterator<unknown>;
  readonly #onPassed: (row: readonly unknown[]) => void;
  #row: readonly unknown[] | null = null;
  #session = Number.NEGATIVE_INFINITY;

  constructor(rows: NodeJS.Iterator<unknown>, onPassed: (row: readonly unknown[]) => void) {
    this.#rows = rows;
    this.#onPassed = onPassed;
    this.#advance();
  }

  /** The next row of the session, whose cells begin with its number; rows of sessions before it are passed over. */
  take(session: number): readonly unknown[] | null {
    this.passTo(session);
    const row = this.#row;
    if (row === null || this.#session !== session) return null;
    this.#advance();
    return row;
  }

  /** Passes over the rows of sessions below this one. */
  passTo(session: number): void {
    while (this.#row !== null && this.#session < session) {
      this.#onPassed(this.#row);
      this.#advance();
    }
  }

  end(): void {
    this.#rows.return?.();
  }

  #advance(): void {
    const next = this.#rows.next();
    if (next.done === true) {
      this.#row = null;
      return;
    }
    this.#row = cellsOf(next.value);
    const session = integerIn(this.#row, 0);
    if (session < this.#session) throw outOfOrder('rows of sessions');
    this.#session = session;
  }
}

/** Tables whose key is bytes, and what is in them. */
const KEYED = {
  retained: { table: CheckedTable.Retained, what: 'a retained message' },
  will: { table: CheckedTable.Will, what: 'a will' },
} as const;

/** A row of a queue as it is stored. */
interface StoredRow {
  readonly session: number;
  readonly position: number;
  readonly state: RowState;
  readonly packetId: number;
  readonly payloadBytes: number;
  /** 0: the body holds the message. */
  readonly message: number;
  readonly body: Uint8Array;
}

/** @throws StoreDamage */
function checkedRow(session: number, cells: readonly unknown[]): StoredRow {
  const sent = decodeSent(countIn(cells, 1));
  const position = countIn(cells, 0);
  const payloadBytes = countIn(cells, 2);
  const message = cells[3] === null ? 0 : countIn(cells, 3);
  const body = bytesIn(cells, 4);
  const row = { session, position, payloadBytes };
  if (sent === null || queueCheck(row, message, body) !== integerIn(cells, 5)) throw wrongCheck('a queued message');
  return { ...row, ...sent, message, body };
}

/** Whether a row must be told whatever the head; one whose state is damaged is looked at when it is read. */
function isInFlight(cells: readonly unknown[]): boolean {
  const sent = decodeSent(integerIn(cells, 1));
  return sent !== null && sent.state !== RowState.Queued;
}

/** Messages that several rows share, each told once, before its first row. */
class MessageTeller {
  readonly #statements: Statements;
  readonly #told = new Set<number>();

  constructor(statements: Statements) {
    this.#statements = statements;
  }

  /** @throws StoreDamage when the message is not there or not whole */
  tell(message: number, writer: OpWriter): void {
    if (this.#told.has(message)) return;
    const cells = this.#statements.row('SELECT body, crc FROM messages WHERE id = ?', message);
    if (cells === null) throw new StoreDamage('a queued message has no text');
    const body = bytesIn(cells, 0);
    if (keyCheck(CheckedTable.Message, message, undefined, body) !== integerIn(cells, 1)) throw wrongCheck('a message');
    this.#told.add(message);
    writer.message(message, body);
  }
}

function tellRow(row: StoredRow, messages: MessageTeller, writer: OpWriter): void {
  if (row.message === 0) {
    writer.queued(row, row.body);
    return;
  }
  messages.tell(row.message, writer);
  writer.queuedShared(row, row.message, row.body);
}

/**
 * Everything that is stored, in chunks, in the order that `Journal.load` promises. Rows of sessions that are not there are
 * passed over. @throws StoreDamage at the first row that is damaged, or an error of SQLite
 */
export function* loadAll(
  database: DatabaseSync,
  headMax: number,
): Generator<Uint8Array<ArrayBuffer>, StoreCounts, undefined> {
  database.exec('BEGIN');
  const run = new LoadRun(database, headMax);
  try {
    yield* run.sessions();
    yield* run.retained();
    yield* run.wills();
    if (run.writer.byteLength > 0) yield run.take();
    return run.counts;
  } finally {
    run.end();
    if (database.isOpen && database.isTransaction) database.exec('ROLLBACK');
  }
}

type Chunks = Generator<Uint8Array<ArrayBuffer>, void, undefined>;

class LoadRun {
  writer = new OpWriter();
  readonly counts = { sessions: 0, subscriptions: 0, rows: 0, retained: 0, wills: 0 };
  readonly #headMax: number;
  readonly #statements: Statements;
  readonly #messages: MessageTeller;
  readonly #subscriptions: SessionCursor;
  readonly #received: SessionCursor;

  constructor(database: DatabaseSync, headMax: number) {
    this.#headMax = headMax;
    const statements = new Statements(database);
    this.#statements = statements;
    this.#messages = new MessageTeller(statements);
    this.#subscriptions = new SessionCursor(
      statements.rows('SELECT session, filter, body, crc FROM subscriptions ORDER BY session, filter'),
      (row) => void this.#subscription(row),
    );
    this.#received = new SessionCursor(
      statements.rows('SELECT session, packet_id, crc FROM received ORDER BY session, packet_id'),
      (row) => void this.#packetId(row),
    );
  }

  /** Gives up the statements. */
  end(): void {
    this.#subscriptions.end();
    this.#received.end();
  }

  take(): Uint8Array<ArrayBuffer> {
    const chunk = this.writer.finish();
    this.writer = new OpWriter(new ArrayBuffer(CHUNK_BYTES + CHUNK_BYTES / 4));
    return chunk;
  }

  *sessions(): Chunks {
    this.#checkRemoved();
    let last = 0;
    let withRows = this.#sessionWithRows(Number.MIN_SAFE_INTEGER);
    for (const row of this.#statements.rows('SELECT id, body, crc FROM sessions ORDER BY id')) {
      const session = this.#session(cellsOf(row), last);
      last = session;
      yield* this.#subscriptionsOf(session);
      this.#receivedOf(session);
      withRows = this.#passTo(session, withRows);
      if (withRows === session) {
        yield* this.#rowsOf(session);
        withRows = this.#sessionWithRows(session);
      }
      if (this.#isFull) yield this.take();
    }
    this.#passTo(Number.POSITIVE_INFINITY, withRows);
    this.#subscriptions.passTo(Number.POSITIVE_INFINITY);
    this.#received.passTo(Number.POSITIVE_INFINITY);
  }

  *retained(): Chunks {
    const sql = 'SELECT topic, body, crc FROM retained ORDER BY topic';
    for (const { key, body } of this.#keyed(sql, 'retained')) {
      this.writer.retained(key, body);
      this.counts.retained += 1;
      if (this.#isFull) yield this.take();
    }
  }

  *wills(): Chunks {
    const sql = 'SELECT client_id, body, crc FROM wills ORDER BY client_id';
    for (const { key, body } of this.#keyed(sql, 'will')) {
      this.writer.will(key, body);
      this.counts.wills += 1;
      if (this.#isFull) yield this.take();
    }
  }

  get #isFull(): boolean {
    return this.writer.byteLength >= CHUNK_BYTES;
  }

  /** Rows of a table whose key is bytes. */
  *#keyed(sql: string, kind: 'retained' | 'will'): Generator<{ key: Uint8Array; body: Uint8Array }, void> {
    const { table, what } = KEYED[kind];
    let last: Uint8Array | null = null;
    for (const row of this.#statements.rows(sql)) {
      const cells = cellsOf(row);
      const key = bytesIn(cells, 0);
      const body = bytesIn(cells, 1);
      if (keyCheck(table, 0, key, body) !== integerIn(cells, 2)) throw wrongCheck(what);
      if (last !== null && Buffer.compare(last, key) >= 0) throw outOfOrder(what);
      last = key;
      yield { key, body };
    }
  }

  #session(cells: readonly unknown[], last: number): number {
    const session = integerIn(cells, 0);
    const body = bytesIn(cells, 1);
    if (keyCheck(CheckedTable.Session, session, undefined, body) !== integerIn(cells, 2)) throw wrongCheck('a session');
    if (session <= last || session > SESSION_MAX) throw outOfOrder('sessions');
    this.writer.session(session, body);
    this.counts.sessions += 1;
    return session;
  }

  *#subscriptionsOf(session: number): Chunks {
    let last: Uint8Array | null = null;
    for (let row = this.#subscriptions.take(session); row !== null; row = this.#subscriptions.take(session)) {
      const { filter, body } = this.#subscription(row);
      if (last !== null && Buffer.compare(last, filter) >= 0) throw outOfOrder('subscriptions');
      last = filter;
      this.writer.subscribed(session, filter, body);
      this.counts.subscriptions += 1;
      if (this.#isFull) yield this.take();
    }
  }

  #subscription(row: readonly unknown[]): { readonly filter: Uint8Array; readonly body: Uint8Array } {
    const session = integerIn(row, 0);
    const filter = bytesIn(row, 1);
    const body = bytesIn(row, 2);
    if (keyCheck(CheckedTable.Subscription, session, filter, body) === integerIn(row, 3)) return { filter, body };
    throw wrongCheck('a subscription');
  }

  /** No more than there are packet ids. */
  #receivedOf(session: number): void {
    let last = -1;
    for (let row = this.#received.take(session); row !== null; row = this.#received.take(session)) {
      const packetId = this.#packetId(row);
      if (packetId <= last || packetId > 0xffff) throw outOfOrder('packet ids');
      last = packetId;
      this.writer.received(session, packetId);
    }
  }

  #packetId(row: readonly unknown[]): number {
    const session = integerIn(row, 0);
    const packetId = integerIn(row, 1);
    if (keyCheck(CheckedTable.Received, session * 65536 + packetId) === integerIn(row, 2)) return packetId;
    throw wrongCheck('a packet id');
  }

  /** The first session above `session` that has rows; Infinity = none. */
  #sessionWithRows(session: number): number {
    const cells = this.#statements.row('SELECT session FROM queue WHERE session > ? ORDER BY session LIMIT 1', session);
    return cells === null ? Number.POSITIVE_INFINITY : integerIn(cells, 0);
  }

  /**
   * Passes over the rows of sessions below this one, which are not there. A row that a flipped bit has brought among them
   * is the first of a session or the last: the order of all keys has been checked. @returns the next session with rows
   */
  #passTo(session: number, withRows: number): number {
    let next = withRows;
    while (next < session) {
      for (const order of ['ASC', 'DESC']) {
        const cells = this.#statements.row(`${rowsOf('session = ?', order)} LIMIT 1`, next);
        if (cells !== null) checkedRow(next, cells);
      }
      next = this.#sessionWithRows(next);
    }
    return next;
  }

  /** Without its mark what a session has left would stay for ever. */
  #checkRemoved(): void {
    for (const row of this.#statements.rows('SELECT session, crc FROM removed')) {
      const cells = cellsOf(row);
      const isTrue = keyCheck(CheckedTable.Removed, integerIn(cells, 0)) === integerIn(cells, 1);
      if (!isTrue) throw wrongCheck('the mark of a session that has ended');
    }
  }

  *#rowsOf(session: number): Chunks {
    let last = 0;
    let waiting = 0;
    for (const row of this.#statements.rows(QUEUE_ROWS, session, Number.MIN_SAFE_INTEGER)) {
      const cells = cellsOf(row);
      const position = countIn(cells, 0);
      if (position <= last) throw outOfOrder('queued messages');
      if (waiting === this.#headMax && !isInFlight(cells)) break;
      last = position;
      const stored = checkedRow(session, cells);
      tellRow(stored, this.#messages, this.writer);
      if (stored.state === RowState.Queued) waiting += 1;
      this.counts.rows += 1;
      if (this.#isFull) yield this.take();
    }
    this.#tail(session, last);
  }

  #tail(session: number, after: number): void {
    const sql =
      'SELECT count(*), ifnull(sum(bytes), 0), ifnull(max(position), ?2), ifnull(min(bytes), 0), ifnull(max(bytes), 0) ' +
      'FROM queue WHERE session = ?1 AND position > ?2';
    const cells = this.#statements.row(sql, session, after) ?? [];
    const count = countIn(cells, 0);
    if (integerIn(cells, 3) < 0 || integerIn(cells, 4) > PAYLOAD_BYTES_MAX) throw wrongCheck('a queued message');
    this.writer.tail(session, after, count, countIn(cells, 1), countIn(cells, 2));
    this.counts.rows += count;
  }
}

/** What reading a part of a queue gave. */
export interface QueuePart {
  readonly ops: Uint8Array<ArrayBuffer>;
  /** How many rows are damaged. */
  readonly lost: number;
}

export class QueueReader {
  readonly #statements: Statements;

  constructor(database: DatabaseSync) {
    this.#statements = new Statements(database);
  }

  /**
   * Rows of the session's queue above position `after`, oldest first, `limit` at most, damaged ones left out. Fewer than
   * that may come; none: there are no more. @throws an error of SQLite
   */
  read(session: number, after: number, limit: number): QueuePart {
    const messages = new MessageTeller(this.#statements);
    const writer = new OpWriter();
    let lost = 0;
    let count = 0;
    for (const row of this.#statements.rows(QUEUE_ROWS, session, after)) {
      const cells = cellsOf(row);
      try {
        tellRow(checkedRow(session, cells), messages, writer);
        count += 1;
      } catch (error) {
        if (!(error instanceof StoreDamage)) throw error;
        lost += 1;
      }
      if (count === limit || writer.byteLength >= READ_BYTES_MAX) break;
    }
    return { ops: writer.finish(), lost };
  }
}

function rowsOf(where: string, order: string): string {
  return `SELECT position, sent, bytes, message, body, crc FROM queue WHERE ${where} ORDER BY position ${order}`;
}

function wrongCheck(what: string): StoreDamage {
  return new StoreDamage(`the checksum of ${what} is wrong`);
}

function outOfOrder(what: string): StoreDamage {
  return new StoreDamage(`the order of ${what} is wrong`);
}
