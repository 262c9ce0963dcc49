/**
 * Removes what sessions that ended have left. Removing a session must not take longer the more it had, and it may have had a
 * million rows; so only its own row goes at once, and the rest in slices when there is nothing else to do.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { cellsOf, integerIn } from './cells.ts';
import { CheckedTable, keyCheck } from './row-check.ts';
import { inTransaction } from './store-database.ts';

export class GarbagePurge {
  /** Rows of sessions that have gone may be there. */
  isThere: boolean;
  readonly #database: DatabaseSync;
  readonly #next: StatementSync;
  readonly #slices: readonly StatementSync[];
  readonly #living: StatementSync;
  readonly #finished: StatementSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#next = database.prepare('SELECT session, crc FROM removed LIMIT 1');
    this.#next.setReturnArrays(true);
    this.#slices = [slice('queue', 'position'), slice('subscriptions', 'filter'), slice('received', 'packet_id')].map(
      (sql) => database.prepare(sql),
    );
    this.#living = database.prepare('SELECT 1 FROM sessions WHERE id = ?');
    this.#finished = database.prepare('DELETE FROM removed WHERE session = ?');
    this.isThere = this.#next.get() !== undefined;
  }

  /** Removes about `limit` rows, in one transaction. @returns whether there are more. */
  purge(limit: number): boolean {
    if (!this.isThere) return false;
    try {
      inTransaction(this.#database, () => {
        let left = limit;
        while (left > 0 && this.isThere) left -= this.#purgeNext(left);
      });
    } catch (error) {
      this.isThere = true;
      throw error;
    }
    return this.isThere;
  }

  /** @returns how many rows it took, the session itself as one. */
  #purgeNext(limit: number): number {
    const row = this.#next.get();
    if (row === undefined) {
      this.isThere = false;
      return 0;
    }
    const cells = cellsOf(row);
    const session = integerIn(cells, 0);
    // A flipped bit must not end a session that lives.
    const isTrue = keyCheck(CheckedTable.Removed, session) === integerIn(cells, 1);
    let removed = 0;
    if (isTrue && this.#living.get(session) === undefined) {
      for (const statement of this.#slices) removed += Number(statement.run(session, limit - removed).changes);
    }
    if (removed < limit) this.#finished.run(session);
    return removed + 1;
  }
}

function slice(table: string, key: string): string {
  return `DELETE FROM ${table} WHERE session = ?1 AND ${key} IN (SELECT ${key} FROM ${table} WHERE session = ?1 LIMIT ?2)`;
}
