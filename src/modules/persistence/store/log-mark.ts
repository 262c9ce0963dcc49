/**
 * A mark in the store's file that says: a log belongs to me. Without it nothing tells a store whose log was deleted from one
 * that has none. It is moved from the log into the file at once, so that the file says it by itself, and only when the log
 * has its header on the disk; from then on the log is used anew but never emptied, until a close in order takes the mark away.
 *
 * The mark holds the number of the schema as SQLite counts it. SQLite gives each copy that it makes (`VACUUM INTO`, the
 * backup that `zanzara backup` uses) another one: such a copy is whole by itself, and the mark in it says nothing.
 */
import type { DatabaseSync } from 'node:sqlite';
import { metaCheck } from './op-applier.ts';
import { inTransaction, metaOf, numberOf } from './store-database.ts';
import { StoreDamage } from './store-faults.ts';

const NAME = 'log';
const MARK_BYTES = 4;

/** A mark that is damaged is none. */
export function hasLogMark(database: DatabaseSync): boolean {
  try {
    return metaOf(database, NAME, MARK_BYTES)?.getUint32(0, true) === schemaNumberOf(database);
  } catch (error) {
    if (error instanceof StoreDamage) return false;
    throw error;
  }
}

/** @throws an error of SQLite: it is not set, or not in the file yet */
export function setLogMark(database: DatabaseSync): void {
  const body = new Uint8Array(MARK_BYTES);
  new DataView(body.buffer).setUint32(0, schemaNumberOf(database), true);
  inTransaction(database, () => {
    database.prepare('INSERT OR REPLACE INTO meta VALUES (?, ?, ?)').run(NAME, body, metaCheck(NAME, body));
  });
  database.exec('PRAGMA wal_checkpoint(PASSIVE)');
}

/** In the log: the file has it as long as the log is not moved into it, and SQLite does not remove a log before that. */
export function clearLogMark(database: DatabaseSync): void {
  inTransaction(database, () => {
    database.prepare('DELETE FROM meta WHERE name = ?').run(NAME);
  });
}

function schemaNumberOf(database: DatabaseSync): number {
  return numberOf(database, 'PRAGMA schema_version');
}
