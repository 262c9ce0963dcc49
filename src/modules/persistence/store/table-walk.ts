/**
 * Every row of a table of a damaged store that can be reached. A search for a key goes wrong in a tree whose order a flipped
 * bit has broken, so the table is gone through page by page, without a search: from its beginning, and where a page cannot
 * be read, from its end back as well. Only what then lies between two such pages is searched for.
 *
 * Rows may come more than once, and in any order: whoever takes them sorts that out.
 */
import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import { bytesIn, cellsOf, integerIn } from './cells.ts';
import { numberOf } from './store-database.ts';
import { isDamage, StoreDamage } from './store-faults.ts';

/** Attempts to find where damage ends, in all; some ten for each damaged page. */
const PROBES_MAX = 50_000;
/** No row takes less room in a page. Pages that lead to each other again and again end the walk by it. */
const ROW_BYTES_MIN = 4;
/** Before and behind all keys that are bytes: those are UTF-8. */
const BEFORE_TEXTS = new Uint8Array(0);
const BEHIND_TEXTS = Uint8Array.of(0xff);

export type Cells = readonly unknown[];
type Key = number | Uint8Array;

export interface WalkedTable {
  readonly name: string;
  /** The columns of its key, in order: with two the first is the session. */
  readonly key: readonly [string] | readonly [session: string, key: string];
  readonly isKeyText: boolean;
  /** The other columns. */
  readonly columns: string;
}

/** A part of a table: the rows of one session, or all. */
interface Part {
  readonly table: WalkedTable;
  readonly session: number | null;
  readonly key: string;
}

type Take = (cells: Cells) => void;

export class TableWalk {
  readonly #database: DatabaseSync;
  readonly #rowsMax: number;
  #probesLeft = PROBES_MAX;

  /** `database` gives up a page for one bad cell no more. */
  constructor(database: DatabaseSync) {
    this.#database = database;
    database.exec('PRAGMA cell_size_check = OFF');
    this.#rowsMax = numberOf(database, 'PRAGMA page_count') * (numberOf(database, 'PRAGMA page_size') / ROW_BYTES_MIN);
  }

  /**
   * Gives `take` the rows of the table, key first. `sessions`: those whose rows are looked for by their key, where there
   * is no other way. @returns false: a part of it cannot be read. @throws what is no damage; what `take` throws
   */
  run(table: WalkedTable, sessions: Iterable<number>, take: Take): boolean {
    if (this.#goThrough(table, 'ASC', take)) return true;
    if (this.#goThrough(table, 'DESC', take)) return false;
    const [first, second] = table.key;
    if (second === undefined) this.#search({ table, session: null, key: first }, take);
    else for (const session of sessions) this.#search({ table, session, key: second }, take);
    return false;
  }

  /** @returns whether it came to the end */
  #goThrough({ name, key, columns }: WalkedTable, order: 'ASC' | 'DESC', take: Take): boolean {
    const ordered = order === 'ASC' ? '' : ` ORDER BY ${key.map((column) => `${column} DESC`).join(', ')}`;
    const sql = `SELECT ${key.join(', ')}, ${columns} FROM ${name} NOT INDEXED${ordered}`;
    let rowsLeft = this.#rowsMax;
    const rows = this.#reading(() => this.#iterate(sql)[Symbol.iterator]());
    if (rows === null) return false;
    for (;;) {
      const next = this.#reading(() => rows.next());
      if (next === null || rowsLeft <= 0) return false;
      if (next.done === true) return true;
      rowsLeft -= 1;
      take(cellsOf(next.value));
    }
  }

  /** Rows of a part in the order of their keys; where numbers are keys, also from behind each page that cannot be read. */
  #search(part: Part, take: Take): void {
    const [low, high]: [Key, Key] = part.table.isKeyText ? [BEFORE_TEXTS, BEHIND_TEXTS] : [-1, Number.MAX_SAFE_INTEGER];
    for (let from: Key | null = low; from !== null; ) {
      const stop = this.#scan(part, { low: from, high, order: 'ASC' }, take);
      if (stop === null) return;
      if (typeof stop !== 'number' || typeof high !== 'number') {
        this.#scan(part, { low: stop, high, order: 'DESC' }, take);
        return;
      }
      from = this.#behindDamage(part, stop, high);
    }
  }

  /** @returns the lowest key behind `stop` after which rows can be read again; null: none was found */
  #behindDamage(part: Part, stop: number, high: number): number | null {
    let bad = stop;
    let good = stop + 1;
    for (let step = 1; !this.#canReadAfter(part, good, high); good = stop + step) {
      bad = good;
      step *= 2;
      if (stop + step >= high || this.#probesLeft <= 0) return null;
    }
    while (good - bad > 1) {
      const middle = Math.floor((bad + good) / 2);
      if (this.#canReadAfter(part, middle, high)) good = middle;
      else bad = middle;
    }
    return good;
  }

  #canReadAfter(part: Part, key: number, high: number): boolean {
    this.#probesLeft -= 1;
    const found = this.#reading(() => {
      for (const row of this.#rows(part, { low: key, high, order: 'ASC' })) {
        const first = integerIn(cellsOf(row), part.session === null ? 0 : 1);
        return key < first && first < high;
      }
      return true;
    });
    return found === true;
  }

  /** @returns the last key that could be read, one of the limits when there was none; null: all of it could be */
  #scan(part: Part, range: Range, take: Take): Key | null {
    let { low: from, high: to } = range;
    const rows = this.#reading(() => this.#rows(part, range)[Symbol.iterator]());
    for (;;) {
      const next = this.#reading(() => {
        const { done, value } = rows?.next() ?? {};
        if (done === true) return { cells: null };
        const cells = cellsOf(value);
        const key = keyIn(cells, part);
        // A page in a wrong place could lead around in circles.
        if (!isBefore(from, key) || !isBefore(key, to)) throw new StoreDamage('the order of rows is wrong');
        if (range.order === 'ASC') from = key;
        else to = key;
        return { cells };
      });
      if (next === null) return range.order === 'ASC' ? from : to;
      if (next.cells === null) return null;
      take(next.cells);
    }
  }

  #rows({ table, session, key }: Part, { low, high, order }: Range): Iterable<unknown> {
    const own = session === null ? '' : `${table.key[0]} = ? AND `;
    const values: SQLInputValue[] = session === null ? [low, high] : [session, low, high];
    const sql = `SELECT ${table.key.join(', ')}, ${table.columns} FROM ${table.name} NOT INDEXED WHERE ${own}${key} > ? AND ${key} < ? ORDER BY ${key} ${order}`;
    return this.#iterate(sql, ...values);
  }

  #iterate(sql: string, ...values: SQLInputValue[]): Iterable<unknown> {
    const statement = this.#database.prepare(sql);
    statement.setReturnArrays(true);
    return statement.iterate(...values);
  }

  /** Null: what is to be read is damaged. */
  #reading<T>(read: () => T): T | null {
    try {
      return read();
    } catch (error) {
      if (!isDamage(error)) throw error;
      return null;
    }
  }
}

/** Keys between two, both of them excluded. */
interface Range {
  readonly low: Key;
  readonly high: Key;
  readonly order: 'ASC' | 'DESC';
}

function keyIn(cells: Cells, { table, session }: Part): Key {
  const index = session === null ? 0 : 1;
  return table.isKeyText ? bytesIn(cells, index) : integerIn(cells, index);
}

function isBefore(one: Key, other: Key): boolean {
  if (typeof one === 'number' || typeof other === 'number') return one < other;
  return Buffer.compare(one, other) < 0;
}
