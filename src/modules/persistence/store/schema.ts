/**
 * The tables of the store, and how an older form of them becomes this one.
 *
 * Every row has `crc`, see row-check.ts. A message that several rows share stands once, in `messages`, and goes with its
 * last row: the trigger sees to it, whoever removes the row. The rows of a session that ended are garbage, which is told by
 * `removed` and purged in slices.
 *
 * In `meta`, the row `schema` must stay as it is in all versions to come: by it a newer store is told from a damaged one.
 * `user_version` says the same for tools; it has no checksum, and the row beats it. The row `log`: see log-mark.ts.
 */
import type { DatabaseSync } from 'node:sqlite';
import { cellsOf } from './cells.ts';

/** "Zanz" in the header of the file: what is not so marked is not ours. */
export const APPLICATION_ID = 0x5a616e7a;

/** Grows with every change of the tables or of what stands in them. */
export const SCHEMA_VERSION = 1;

const TABLES = `
CREATE TABLE meta(name TEXT PRIMARY KEY, body BLOB NOT NULL, crc INTEGER NOT NULL) WITHOUT ROWID, STRICT;
CREATE TABLE sessions(id INTEGER PRIMARY KEY, body BLOB NOT NULL, crc INTEGER NOT NULL) STRICT;
CREATE TABLE removed(session INTEGER PRIMARY KEY, crc INTEGER NOT NULL) STRICT;
CREATE TABLE subscriptions(session INTEGER NOT NULL, filter BLOB NOT NULL, body BLOB NOT NULL, crc INTEGER NOT NULL,
  PRIMARY KEY(session, filter)) WITHOUT ROWID, STRICT;
CREATE TABLE received(session INTEGER NOT NULL, packet_id INTEGER NOT NULL, crc INTEGER NOT NULL,
  PRIMARY KEY(session, packet_id)) WITHOUT ROWID, STRICT;
CREATE TABLE queue(session INTEGER NOT NULL, position INTEGER NOT NULL, sent INTEGER NOT NULL, bytes INTEGER NOT NULL,
  message INTEGER, body BLOB NOT NULL, crc INTEGER NOT NULL, PRIMARY KEY(session, position)) WITHOUT ROWID, STRICT;
CREATE TABLE messages(id INTEGER PRIMARY KEY, body BLOB NOT NULL, crc INTEGER NOT NULL) STRICT;
CREATE TABLE retained(topic BLOB PRIMARY KEY, body BLOB NOT NULL, crc INTEGER NOT NULL) WITHOUT ROWID, STRICT;
CREATE TABLE wills(client_id BLOB PRIMARY KEY, body BLOB NOT NULL, crc INTEGER NOT NULL) WITHOUT ROWID, STRICT;
CREATE INDEX queue_message ON queue(message) WHERE message IS NOT NULL;
CREATE TRIGGER message_released AFTER DELETE ON queue WHEN old.message IS NOT NULL BEGIN
  DELETE FROM messages WHERE id = old.message AND NOT EXISTS (SELECT 1 FROM queue WHERE message = old.message);
END;
`;

/** Makes the tables in an empty database. */
export function createTables(database: DatabaseSync): void {
  database.exec(TABLES);
}

/** What the database consists of, as text: two that are alike have the same. Tables of SQLite's own do not count. */
export function shapeOf(database: DatabaseSync): string {
  const statement = database.prepare(
    "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY type, name",
  );
  statement.setReturnArrays(true);
  const rows = statement.all().map((row) => cellsOf(row).map(String).join('|'));
  // A table that was renamed by a migration has quotes around its name.
  return rows.join('\n').replaceAll('"', '').replaceAll(/\s+/g, ' ');
}

/** One step from a version to the next. It runs in a transaction; `user_version` and `meta` are set for it. */
export interface Migration {
  readonly from: number;
  readonly run: (database: DatabaseSync) => void;
}

/** In the order of their versions, one for each version before this one. */
export const MIGRATIONS: readonly Migration[] = [];
