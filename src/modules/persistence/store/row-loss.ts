/**
 * Single rows that loading finds damaged. One flipped bit must not cost more than its row: what is whole is used, and what
 * is not is left out, counted and removed.
 */
import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import { CheckedTable, keyCheck } from './row-check.ts';
import { inTransaction, SESSION_MAX } from './store-database.ts';
import { StoreDamage } from './store-faults.ts';

/** Rows that are remembered to be removed; those above it come up again at the next start. */
const REMEMBERED_MAX = 100_000;

/** What is left out, for the log, and how it is removed by its key. */
const KINDS = {
  session: { words: 'sessions', sql: 'DELETE FROM sessions WHERE id = ?' },
  subscription: { words: 'subscriptions', sql: 'DELETE FROM subscriptions WHERE session = ? AND filter = ?' },
  received: { words: 'packet ids of QoS 2', sql: 'DELETE FROM received WHERE session = ? AND packet_id = ?' },
  row: { words: 'queued messages', sql: 'DELETE FROM queue WHERE session = ? AND position = ?' },
  retained: { words: 'retained messages', sql: 'DELETE FROM retained WHERE topic = ?' },
  will: { words: 'wills', sql: 'DELETE FROM wills WHERE client_id = ?' },
} as const;

export type LostKind = keyof typeof KINDS;

export class RowLoss {
  readonly #isRefused: boolean;
  readonly #counts = new Map<LostKind, number>();
  #remembered: { readonly kind: LostKind; readonly key: readonly SQLInputValue[] }[] = [];
  #count = 0;

  /** `isRefused`: the first damaged row is thrown. */
  constructor(isRefused: boolean) {
    this.#isRefused = isRefused;
  }

  /** Rows that were left out; what belongs to a session does not count. */
  get count(): number {
    return this.#count;
  }

  get hasSessions(): boolean {
    return this.#counts.has('session');
  }

  /** Takes down a damaged row by its key. @throws `error` when it is not damage, or when damage is refused */
  add(kind: LostKind, key: readonly SQLInputValue[], error: unknown): void {
    if (this.#isRefused || !(error instanceof StoreDamage)) throw error;
    this.#count += 1;
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + 1);
    if (this.#remembered.length < REMEMBERED_MAX) this.#remembered.push({ kind, key });
  }

  /** Such as '1 sessions, 2 wills'. */
  words(): string {
    return [...this.#counts].map(([kind, count]) => `${count} ${KINDS[kind].words}`).join(', ');
  }

  /** Removes them, in one transaction; what belongs to a session is left to be purged. @throws after rolling back */
  remove(database: DatabaseSync): void {
    const remembered = this.#remembered;
    this.#remembered = [];
    if (remembered.length === 0) return;
    const mark = database.prepare('INSERT OR REPLACE INTO removed VALUES (?, ?)');
    const statements = new Map<LostKind, ReturnType<DatabaseSync['prepare']>>();
    inTransaction(database, () => {
      for (const { kind, key } of remembered) {
        let statement = statements.get(kind);
        if (statement === undefined) {
          statement = database.prepare(KINDS[kind].sql);
          statements.set(kind, statement);
        }
        statement.run(...key);
        const [session] = key;
        if (kind !== 'session' || typeof session !== 'number' || session <= 0 || session > SESSION_MAX) continue;
        mark.run(session, keyCheck(CheckedTable.Removed, session));
      }
    });
  }
}
