/** A store's file as a database: opened with the settings that durability hangs on, made, judged, and changed in transactions. */
import { closeSync, openSync, readSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { readOps } from '../ops.ts';
import { bytesIn, cellsOf, countIn, integerIn } from './cells.ts';
import { metaCheck, type OpApplier, TIME_BYTES } from './op-applier.ts';
import { APPLICATION_ID, createTables, SCHEMA_VERSION, shapeOf } from './schema.ts';
import { isDamage, StoreDamage } from './store-faults.ts';
import { sizeOf } from './store-files.ts';

/** How long a backup or a tool may hold a lock before a commit fails, and is tried again. */
const BUSY_MS = 250;
const HEADER_BYTES = 100;
const APPLICATION_ID_AT = 68;
const MAGIC = 'SQLite format 3\0';
const VERSION_BYTES = 4;
export const SESSION_MAX = 0xffffffff;

/**
 * `synchronous = FULL`: a commit returns when the log is on the disk. Checkpoints are the store's own business, so that no
 * acknowledgement waits for one. No memory mapping: a bad sector would be a signal instead of an error.
 */
const SETTINGS = `
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA wal_autocheckpoint = 0;
PRAGMA journal_size_limit = 67108864;
PRAGMA cache_size = -8192;
PRAGMA mmap_size = 0;
PRAGMA temp_store = MEMORY;
PRAGMA cell_size_check = ON;
PRAGMA trusted_schema = OFF;
PRAGMA recursive_triggers = ON;
`;

/** Opens a file, which must be there. */
export function openDatabase(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { enableForeignKeyConstraints: false, timeout: BUSY_MS });
  try {
    database.exec(SETTINGS);
  } catch (error) {
    closeUnchanged(database, path);
    throw error;
  }
  return database;
}

/**
 * Closes a database and leaves its files as they are: SQLite moves the log into the file when the last one closes it, but
 * not when that one may only read.
 */
export function closeUnchanged(database: DatabaseSync, path: string): void {
  let reader: DatabaseSync | null = null;
  try {
    if (sizeOf(`${path}-wal`) > 0) reader = new DatabaseSync(path, { readOnly: true });
    reader?.exec('PRAGMA schema_version');
  } catch {
    // What is no database has no log that could be moved into it.
  }
  database.close();
  reader?.close();
}

/** What a file is by its first bytes; SQLite is let at it only when it is ours, because it may write to what it opens. */
export function headerOf(path: string): 'absent' | 'ours' | { readonly foreign: string } {
  const header = Buffer.alloc(HEADER_BYTES);
  const count = readStart(path, header);
  if (count === null) return 'absent';
  // A store is never empty: it gets its name when it is whole.
  if (count === 0) return { foreign: 'it is empty' };
  if (count < HEADER_BYTES || header.toString('latin1', 0, MAGIC.length) !== MAGIC) {
    return { foreign: 'it is not a database' };
  }
  if (header.readUInt32BE(APPLICATION_ID_AT) !== APPLICATION_ID) return { foreign: 'it belongs to another program' };
  return 'ours';
}

/** @returns how many bytes were read; null: the file is not there. */
function readStart(path: string, into: Uint8Array): number | null {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
  try {
    return readSync(file, into, 0, into.length, 0);
  } finally {
    closeSync(file);
  }
}

/** Makes the tables of a store in an empty file that was opened with `openDatabase`. */
export function initialise(database: DatabaseSync): void {
  database.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
  inTransaction(database, () => {
    createTables(database);
    setVersion(database, SCHEMA_VERSION);
  });
}

/** To be called in a transaction. */
export function setVersion(database: DatabaseSync, version: number): void {
  database.exec(`PRAGMA user_version = ${version}`);
  const body = new Uint8Array(VERSION_BYTES);
  new DataView(body.buffer).setUint32(0, version, true);
  database.prepare('INSERT OR REPLACE INTO meta VALUES (?, ?, ?)').run('schema', body, metaCheck('schema', body));
}

/**
 * The version of the tables. The file says it twice; the one with a checksum counts, the one in the header is only shown by
 * tools, and has changed by itself when the two do not agree. @throws StoreDamage when it is not readable
 */
export function versionOf(database: DatabaseSync): { readonly version: number; readonly inHeader: number } {
  const body = metaOf(database, 'schema', VERSION_BYTES);
  if (body === null) throw new StoreDamage('its version is not readable');
  return { version: body.getUint32(0, true), inHeader: integerOf(database, 'PRAGMA user_version') };
}

/** The same of a store that is damaged; null: it cannot be read. */
export function readableVersionOf(database: DatabaseSync): number | null {
  for (const read of [() => versionOf(database).version, () => integerOf(database, 'PRAGMA user_version')]) {
    try {
      return read();
    } catch (error) {
      if (!isDamage(error)) throw error;
    }
  }
  return null;
}

/** The two clocks when they were stored last; null = never. @throws StoreDamage */
export function timeOf(database: DatabaseSync): { readonly storeMs: number; readonly wallMs: number } | null {
  const body = metaOf(database, 'time', TIME_BYTES);
  return body === null ? null : { storeMs: body.getFloat64(0, true), wallMs: body.getFloat64(8, true) };
}

/** A row of `meta`; null when it is not there. @throws StoreDamage */
export function metaOf(database: DatabaseSync, name: string, byteCount: number): DataView | null {
  const statement = database.prepare('SELECT body, crc FROM meta WHERE name = ?');
  statement.setReturnArrays(true);
  const row = statement.get(name);
  if (row === undefined) return null;
  const cells = cellsOf(row);
  const body = bytesIn(cells, 0);
  if (body.length !== byteCount || metaCheck(name, body) !== integerIn(cells, 1)) {
    throw new StoreDamage(`the checksum of its ${name} is wrong`);
  }
  return new DataView(body.buffer, body.byteOffset, body.byteLength);
}

/**
 * The complete check: pages, the order of all keys, and whether the index agrees with its table. In a tree whose order is
 * broken a search misses sound rows, and with a wrong index every commit may fail. `quick_check` looks at neither, and
 * saves less than a second with two million rows. @throws StoreDamage
 */
export function checkWhole(database: DatabaseSync): void {
  const statement = database.prepare('PRAGMA integrity_check(1)');
  statement.setReturnArrays(true);
  const finding = cellsOf(statement.get())[0];
  if (finding !== 'ok') throw new StoreDamage(`the check found: ${String(finding).replaceAll('\n', ' ')}`);
  const rows = database.prepare('SELECT name, body, crc FROM meta');
  rows.setReturnArrays(true);
  for (const row of rows.iterate()) {
    const cells = cellsOf(row);
    const name = String(cells[0]);
    if (metaCheck(name, bytesIn(cells, 1)) !== integerIn(cells, 2)) {
      throw new StoreDamage(`the checksum of its ${name} is wrong`);
    }
  }
}

/** @throws StoreDamage when the tables are not those of this version */
export function checkShape(database: DatabaseSync): void {
  const model = new DatabaseSync(':memory:');
  createTables(model);
  const expected = shapeOf(model);
  model.close();
  if (shapeOf(database) !== expected) throw new StoreDamage('its tables are not those of a store');
}

/** The lowest session number that no row has, and none below which could come again. */
export function nextSessionOf(database: DatabaseSync): number {
  const sources = [highestOf('sessions', 'id')];
  for (const table of ['removed', 'subscriptions', 'received', 'queue']) sources.push(highestOf(table, 'session'));
  const highest = sources.map((sql) => numberOf(database, sql));
  return Math.max(...highest) + 1;
}

/** The number of a damaged row does not count when no session can have it. */
function highestOf(table: string, key: string): string {
  return `SELECT ifnull(max(${key}), 0) FROM ${table} WHERE ${key} BETWEEN 0 AND ${SESSION_MAX}`;
}

export function numberOf(database: DatabaseSync, sql: string): number {
  const statement = database.prepare(sql);
  statement.setReturnArrays(true);
  return countIn(cellsOf(statement.get()), 0);
}

function integerOf(database: DatabaseSync, sql: string): number {
  const statement = database.prepare(sql);
  statement.setReturnArrays(true);
  return integerIn(cellsOf(statement.get()), 0);
}

/** Frames in the log that count. */
export function logFramesOf(database: DatabaseSync): number {
  const statement = database.prepare('PRAGMA wal_checkpoint(NOOP)');
  statement.setReturnArrays(true);
  return Math.max(0, integerIn(cellsOf(statement.get()), 1));
}

/**
 * Moves all of the log into the file, so that the log is written anew from its beginning. It keeps its length: a log that was
 * in use is never found empty, and on a disk that is full its room is there for the next commit.
 * @returns false: another program is reading
 */
export function restartLog(database: DatabaseSync): boolean {
  const statement = database.prepare('PRAGMA wal_checkpoint(RESTART)');
  statement.setReturnArrays(true);
  return countIn(cellsOf(statement.get()), 0) === 0;
}

/** Applies operations in one transaction, which is durable when this returns. @throws after rolling back */
export function applyOps(database: DatabaseSync, applier: OpApplier, ops: Uint8Array): void {
  inTransaction(database, () => {
    applier.begin();
    readOps(ops, applier);
    applier.end();
  });
}

/** @throws what `run` or the commit throws, after rolling back */
export function inTransaction(database: DatabaseSync, run: () => void): void {
  if (database.isTransaction) database.exec('ROLLBACK');
  database.exec('BEGIN IMMEDIATE');
  try {
    run();
    database.exec('COMMIT');
  } catch (error) {
    rollBack(database);
    throw error;
  }
}

/** SQLite rolls back by itself after some errors, and what it says to a second time is nothing new. */
function rollBack(database: DatabaseSync): void {
  try {
    if (database.isTransaction) database.exec('ROLLBACK');
  } catch {
    // The next transaction begins with another attempt.
  }
}
