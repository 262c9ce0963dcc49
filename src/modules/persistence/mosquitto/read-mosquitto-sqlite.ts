/**
 * Reads the store of Mosquitto's plugin persist-sqlite, schema 1. The file is left as it is: without a write-ahead log it is
 * opened as one that nobody changes, which makes no files beside it; with one, the log has to be read, and SQLite makes the
 * file of shared memory that it needs.
 */
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { DatabaseSync, type SQLOutputValue } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { isDamage, sqliteCodeOf } from '../store/store-faults.ts';
import { textProperties } from './mosquitto-properties.ts';
import {
  type MosquittoClient,
  MosquittoDbError,
  type MosquittoMessage,
  type MosquittoRow,
  type MosquittoSource,
  type MosquittoSubscription,
  type MosquittoWill,
  type StoreId,
} from './mosquitto-source.ts';
import { asStoreId, wentAt } from './read-mosquitto-db.ts';

const SQLITE_MAGIC = Buffer.from('SQLite format 3\0');
const SCHEMA_MAJOR = 1;
const EMPTY = new Uint8Array(0);
const encoder = new TextEncoder();

/** True when the file begins as files of SQLite do. @throws the error of the file system */
export function isSqliteFile(file: string): boolean {
  const descriptor = openSync(file, 'r');
  try {
    const head = Buffer.alloc(SQLITE_MAGIC.length);
    return readSync(descriptor, head, 0, head.length, 0) === head.length && head.equals(SQLITE_MAGIC);
  } finally {
    closeSync(descriptor);
  }
}

/** @throws MosquittoDbError when it is no such store or of another schema */
export function openMosquittoSqlite(file: string): MosquittoSource {
  return guarded(() => {
    const location = pathToFileURL(file);
    if (!hasLog(file)) location.searchParams.set('immutable', '1');
    const database = new DatabaseSync(location, { readOnly: true, readBigInts: true });
    try {
      return new MosquittoSqlite(database, readVersion(database));
    } catch (error) {
      database.close();
      throw error;
    }
  });
}

function hasLog(file: string): boolean {
  return (statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0) > 0;
}

function readVersion(database: DatabaseSync): string {
  const query = "SELECT major, minor, patch FROM version_info WHERE component = 'database_schema'";
  const row = database.prepare(query).get();
  if (row === undefined) throw new MosquittoDbError('expected the version of the schema in version_info', null);
  const version = [row.major, row.minor, row.patch].map(numberOf).join('.');
  if (numberOf(row.major) === SCHEMA_MAJOR) return version;
  throw new MosquittoDbError(`expected schema ${SCHEMA_MAJOR}, found ${version}`, null);
}

type Row = Record<string, SQLOutputValue>;

class MosquittoSqlite implements MosquittoSource {
  readonly description: string;
  readonly hasUserNames = true;
  readonly #database: DatabaseSync;

  constructor(database: DatabaseSync, version: string) {
    this.description = `SQLite store, schema ${version}`;
    this.#database = database;
  }

  close(): void {
    this.#database.close();
  }

  *clients(): Generator<MosquittoClient> {
    for (const row of this.#rows('SELECT * FROM clients')) {
      // -1 stands for 'never'.
      const expirySeconds = numberOf(row.session_expiry_interval) >>> 0;
      const willDueAt = numberOf(row.will_delay_time);
      const willSaysAt = willDueAt > 0 ? willDueAt - (numberOf(row.will_delay_interval) >>> 0) : 0;
      yield {
        clientId: bytesOf(row.client_id),
        userName: row.username == null || row.username === '' ? null : bytesOf(row.username),
        listenerPort: numberOf(row.listener_port),
        goneAt: wentAt(numberOf(row.session_expiry_time), expirySeconds) || willSaysAt,
        expirySeconds,
      };
    }
  }

  *subscriptions(): Generator<MosquittoSubscription> {
    for (const row of this.#rows('SELECT * FROM subscriptions')) {
      const options = numberOf(row.subscription_options);
      yield {
        clientId: bytesOf(row.client_id),
        filter: bytesOf(row.topic),
        qos: options & 3,
        options: options & 0x3c,
        identifier: numberOf(row.subscription_identifier),
      };
    }
  }

  *rows(): Generator<MosquittoRow> {
    for (const row of this.#rows('SELECT * FROM client_msgs ORDER BY client_id, cmsg_id')) {
      yield {
        clientId: bytesOf(row.client_id),
        storeId: idOf(row.store_id),
        packetId: numberOf(row.mid),
        qos: numberOf(row.qos),
        state: numberOf(row.state),
        isRetained: numberOf(row.retain) !== 0,
        isOutgoing: numberOf(row.direction) === 1,
        identifier: numberOf(row.subscription_identifier),
      };
    }
  }

  *retained(): Generator<StoreId> {
    for (const row of this.#rows('SELECT store_id FROM retains')) yield idOf(row.store_id);
  }

  *wills(): Generator<MosquittoWill> {
    const query =
      'SELECT wills.*, clients.will_delay_interval FROM wills LEFT JOIN clients ON clients.client_id = wills.client_id';
    for (const row of this.#rows(query)) {
      const { properties, expirySeconds } = textProperties(textOf(row.properties));
      yield {
        clientId: bytesOf(row.client_id),
        topic: bytesOf(row.topic),
        payload: bytesOf(row.payload),
        qos: numberOf(row.qos),
        isRetained: numberOf(row.retain) !== 0,
        delaySeconds: numberOf(row.will_delay_interval) >>> 0,
        expirySeconds,
        properties,
      };
    }
  }

  *messages(): Generator<MosquittoMessage> {
    for (const row of this.#rows('SELECT * FROM base_msgs')) yield messageOf(row);
  }

  *#rows(query: string): Generator<Row> {
    const rows = guarded(() => this.#database.prepare(query).iterate());
    for (;;) {
      const next = guarded(() => rows.next());
      if (next.done === true) return;
      yield next.value;
    }
  }
}

function messageOf(row: Row): MosquittoMessage {
  return {
    storeId: idOf(row.store_id),
    topic: bytesOf(row.topic),
    payload: bytesOf(row.payload),
    qos: numberOf(row.qos),
    isRetained: numberOf(row.retain) !== 0,
    expiresAt: numberOf(row.expiry_time),
    sourceId: bytesOf(row.source_id),
    sourceUserName: bytesOf(row.source_username),
    sourcePort: numberOf(row.source_port),
    properties: textProperties(textOf(row.properties)).properties,
  };
}

/** What SQLite says against the file becomes a MosquittoDbError; what the disk, a lock or a missing right is, stays that. */
function guarded<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof Error) || sqliteCodeOf(error) === null || !isDamage(error)) throw error;
    throw new MosquittoDbError(`expected a store of Mosquitto's plugin persist-sqlite: ${error.message}`, null);
  }
}

function idOf(value: SQLOutputValue | undefined): StoreId {
  return typeof value === 'bigint' ? asStoreId(value) : -1;
}

/** Columns may hold anything: what is no number is 0. */
function numberOf(value: SQLOutputValue | undefined): number {
  if (typeof value === 'bigint') return Number(value);
  return typeof value === 'number' && Number.isFinite(value) ? Math.trunc(value) : 0;
}

function bytesOf(value: SQLOutputValue | undefined): Uint8Array {
  if (value instanceof Uint8Array) return value;
  return typeof value === 'string' ? encoder.encode(value) : EMPTY;
}

function textOf(value: SQLOutputValue | undefined): string {
  return typeof value === 'string' ? value : '';
}
