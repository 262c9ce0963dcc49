/**
 * A new store out of all that is sound in a damaged one. Rows are taken over as they are, each by its own checksum, and put in
 * by their keys, so that the order in which they are found does not matter. What is damaged, and what belongs to a session
 * that is not there any more, is left out and counted. Nothing is written to the damaged store.
 */
import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import { RowState } from '../ops.ts';
import type { StoreCounts } from '../thread-messages.ts';
import { bytesIn, cellsOf, countIn, integerIn } from './cells.ts';
import { metaCheck } from './op-applier.ts';
import { CheckedTable, decodeSent, encodeSent, keyCheck, queueCheck } from './row-check.ts';
import { mayBeQos2, standInBody } from './stand-in.ts';
import { restartLog, SESSION_MAX } from './store-database.ts';
import { isDamage, StoreDamage } from './store-faults.ts';
import { type Cells, TableWalk, type WalkedTable } from './table-walk.ts';

/** Rows that are written in one transaction. */
const BATCH_ROWS = 20_000;
/** Damaged rows that are remembered by their keys, so that none counts twice. */
const REMEMBERED_MAX = 100_000;
/** Packet ids of damaged rows that are kept from being given out again. */
const STAND_INS_MAX = 10_000;
/** A position above it was not given by us. */
const POSITION_MAX = 2 ** 48;
const PACKET_ID_MAX = 0xffff;

/** A table, what is in it in the plural, and whether a row of it is to be taken over. */
interface Source extends WalkedTable {
  readonly words: string;
  /** What the new store counts it as; null = nothing. */
  readonly countAs: keyof StoreCounts | null;
  /** False: it is garbage. @throws StoreDamage when it is damaged, or belongs to nothing */
  readonly judge: (cells: Cells) => boolean;
}

export interface Rebuilt {
  /** What the new store has. */
  readonly counts: StoreCounts;
  /** Such as '2 queued messages, 1 wills': what is left out; '' = nothing. */
  readonly lostWords: string;
  /** Such as 'sessions, wills': of what a part cannot be read, so that nobody knows how many there were; '' = nothing. */
  readonly unreadWords: string;
  /** The clocks of the last run cannot be read: what expires does so later than it should. */
  readonly isTimeLost: boolean;
}

/**
 * Fills `into`, a new store without rows, and commits.
 * @throws what is no damage: an error of the disk, on either side
 */
export function rebuildStore(from: DatabaseSync, into: DatabaseSync): Rebuilt {
  return new Rebuild(from, into).run();
}

/** Such as '3 sessions, 5 subscriptions, ...'. */
export function countWords({ sessions, subscriptions, rows, retained, wills }: StoreCounts): string {
  return (
    `${sessions} sessions, ${subscriptions} subscriptions, ${rows} messages queued or in flight, ` +
    `${retained} retained messages, ${wills} wills`
  );
}

interface StandIn {
  readonly position: number;
  readonly packetId: number;
}

class Rebuild {
  readonly #into: DatabaseSync;
  readonly #walk: TableWalk;
  readonly #counts = { sessions: 0, subscriptions: 0, rows: 0, retained: 0, wills: 0 };
  readonly #lost = new Map<string, number>();
  readonly #lostKeys = new Set<string>();
  readonly #unread = new Set<string>();
  readonly #living = new Set<number>();
  readonly #removed = new Set<number>();
  /** For each session. */
  readonly #standIns = new Map<number, StandIn[]>();
  #standInCount = 0;
  readonly #hasMessage: StatementSync;
  #batchRows = 0;

  constructor(from: DatabaseSync, into: DatabaseSync) {
    this.#into = into;
    this.#walk = new TableWalk(from);
    this.#hasMessage = into.prepare('SELECT 1 FROM messages WHERE id = ?');
  }

  run(): Rebuilt {
    this.#into.exec('BEGIN IMMEDIATE');
    const isTimeLost = this.#isTimeLost();
    for (const source of this.#sources()) this.#take(source);
    for (const [session, standIns] of this.#standIns) this.#standInsOf(session, standIns);
    this.#into.exec('DELETE FROM messages WHERE id NOT IN (SELECT message FROM queue WHERE message IS NOT NULL)');
    this.#into.exec('COMMIT');
    const lostWords = [...this.#lost].map(([words, count]) => `${count} ${words}`).join(', ');
    return { counts: this.#counts, lostWords, unreadWords: [...this.#unread].join(', '), isTimeLost };
  }

  /** Sessions and messages come before what belongs to them. */
  #sources(): readonly Source[] {
    const numbered = { isKeyText: false, countAs: null };
    const columns = 'body, crc';
    return [
      {
        ...numbered,
        name: 'sessions',
        key: ['id'],
        columns,
        words: 'sessions',
        countAs: 'sessions',
        judge: (cells) => this.#session(cells),
      },
      {
        ...numbered,
        name: 'removed',
        key: ['session'],
        columns: 'crc',
        words: '',
        judge: (cells) => this.#gone(cells),
      },
      { ...numbered, name: 'messages', key: ['id'], columns, words: '', judge: (cells) => isMessage(cells) },
      {
        name: 'subscriptions',
        key: ['session', 'filter'],
        isKeyText: true,
        columns,
        words: 'subscriptions',
        countAs: 'subscriptions',
        judge: (cells) => this.#subscription(cells),
      },
      {
        ...numbered,
        name: 'received',
        key: ['session', 'packet_id'],
        columns: 'crc',
        words: 'packet ids of QoS 2',
        judge: (cells) => this.#packetId(cells),
      },
      {
        ...numbered,
        name: 'queue',
        key: ['session', 'position'],
        columns: 'sent, bytes, message, body, crc',
        words: 'queued messages',
        countAs: 'rows',
        judge: (cells) => this.#row(cells),
      },
      keyed('retained', 'topic', 'retained messages', CheckedTable.Retained),
      keyed('wills', 'client_id', 'wills', CheckedTable.Will),
    ];
  }

  #take(source: Source): void {
    const { name, key, columns, words, countAs } = source;
    const cellCount = key.length + columns.split(',').length;
    const insert = this.#into.prepare(
      `INSERT OR IGNORE INTO ${name} VALUES (${Array(cellCount).fill('?').join(', ')})`,
    );
    const isWhole = this.#walk.run(source, this.#living, (cells) => {
      if (!this.#isGood(source, cells)) return;
      const { changes } = insert.run(...cells.map(soundCell));
      if (changes === 0) return;
      if (countAs !== null) this.#counts[countAs] += 1;
      this.#breathe();
    });
    if (!isWhole && name !== 'removed') this.#unread.add(words === '' ? 'queued messages' : words);
  }

  #isGood({ name, key, words, judge }: Source, cells: Cells): boolean {
    try {
      return judge(cells);
    } catch (error) {
      if (!isDamage(error)) throw error;
      if (words !== '') this.#lose(words, `${name} ${keyText(cells.slice(0, key.length))}`);
      return false;
    }
  }

  #lose(words: string, key: string): void {
    if (this.#lostKeys.has(key)) return;
    if (this.#lostKeys.size < REMEMBERED_MAX) this.#lostKeys.add(key);
    this.#lost.set(words, (this.#lost.get(words) ?? 0) + 1);
  }

  /** So that neither a transaction nor the log grows without an end. */
  #breathe(): void {
    this.#batchRows += 1;
    if (this.#batchRows < BATCH_ROWS) return;
    this.#batchRows = 0;
    this.#into.exec('COMMIT');
    restartLog(this.#into);
    this.#into.exec('BEGIN IMMEDIATE');
  }

  /** Takes over the row that tells the clocks; the others of its table are the new store's own. */
  #isTimeLost(): boolean {
    let isDamaged = false;
    const table: WalkedTable = { name: 'meta', key: ['name'], isKeyText: true, columns: 'body, crc' };
    const isWhole = this.#walk.run(table, [], ([name, body, crc]) => {
      if (typeof name === 'string' && body instanceof Uint8Array && metaCheck(name, body) === crc) {
        if (name === 'time') this.#into.prepare('INSERT OR IGNORE INTO meta VALUES (?, ?, ?)').run(name, body, crc);
      } else if (name !== 'schema' && name !== 'log') {
        isDamaged = true;
      }
    });
    return isDamaged || !isWhole;
  }

  #session(cells: Cells): boolean {
    const [session, body] = [countIn(cells, 0), bytesIn(cells, 1)];
    requireCheck(keyCheck(CheckedTable.Session, session, undefined, body), cells, 2);
    if (session === 0 || session > SESSION_MAX) throw new StoreDamage('the number of a session is none');
    this.#living.add(session);
    return true;
  }

  /** What has gone is not taken over, and what belongs to it neither. */
  #gone(cells: Cells): boolean {
    const session = countIn(cells, 0);
    requireCheck(keyCheck(CheckedTable.Removed, session), cells, 1);
    this.#removed.add(session);
    return false;
  }

  /** @returns false: it has gone with its session. @throws StoreDamage: there is no such session */
  #isOfLiving(session: number): boolean {
    if (this.#living.has(session)) return true;
    if (this.#removed.has(session)) return false;
    throw new StoreDamage('it belongs to a session that is not there');
  }

  #subscription(cells: Cells): boolean {
    const session = countIn(cells, 0);
    const isOfLiving = this.#isOfLiving(session);
    requireCheck(keyCheck(CheckedTable.Subscription, session, bytesIn(cells, 1), bytesIn(cells, 2)), cells, 3);
    return isOfLiving;
  }

  #packetId(cells: Cells): boolean {
    const [session, packetId] = [countIn(cells, 0), countIn(cells, 1)];
    const isOfLiving = this.#isOfLiving(session);
    requireCheck(keyCheck(CheckedTable.Received, session * 65536 + packetId), cells, 2);
    if (packetId > PACKET_ID_MAX) throw new StoreDamage('a packet id is none');
    return isOfLiving;
  }

  #row(cells: Cells): boolean {
    const session = countIn(cells, 0);
    if (!this.#isOfLiving(session)) return false;
    try {
      const position = countIn(cells, 1);
      const message = cells[4] === null ? 0 : countIn(cells, 4);
      const key = { session, position, payloadBytes: countIn(cells, 3) };
      requireCheck(queueCheck(key, message, bytesIn(cells, 5)), cells, 6);
      if (decodeSent(integerIn(cells, 2)) === null) throw new StoreDamage('the state of a queued message is none');
      if (message !== 0 && this.#hasMessage.get(message) === undefined) throw new StoreDamage('its message is damaged');
      return true;
    } catch (error) {
      this.#noteStandIn(session, cells);
      throw error;
    }
  }

  #noteStandIn(session: number, [, position, sent, , , body]: Cells): void {
    if (typeof position !== 'number' || typeof sent !== 'number' || this.#standInCount >= STAND_INS_MAX) return;
    const state = decodeSent(sent);
    if (state === null || state.state === RowState.Queued || state.packetId === 0 || !mayBeQos2(body)) return;
    if (position <= 0 || position > POSITION_MAX) return;
    const ofSession = this.#standIns.get(session) ?? [];
    ofSession.push({ position, packetId: state.packetId });
    this.#standIns.set(session, ofSession);
    this.#standInCount += 1;
  }

  /** What is on its way stands before what waits, and a packet id belongs to one row: what does not fit is left out. */
  #standInsOf(session: number, standIns: readonly StandIn[]): void {
    const used = new Set<number>();
    let firstQueued = Number.POSITIVE_INFINITY;
    const rows = this.#into.prepare('SELECT position, sent FROM queue WHERE session = ? ORDER BY position');
    rows.setReturnArrays(true);
    for (const row of rows.iterate(session)) {
      const cells = cellsOf(row);
      const sent = decodeSent(integerIn(cells, 1));
      if (sent?.state === RowState.Queued) firstQueued = Math.min(firstQueued, integerIn(cells, 0));
      else if (sent !== null) used.add(sent.packetId);
    }
    const body = standInBody();
    const insert = this.#into.prepare('INSERT OR IGNORE INTO queue VALUES (?, ?, ?, 0, NULL, ?, ?)');
    for (const { position, packetId } of standIns) {
      if (position >= firstQueued || used.has(packetId)) continue;
      used.add(packetId);
      const crc = queueCheck({ session, position, payloadBytes: 0 }, 0, body);
      const { changes } = insert.run(session, position, encodeSent(RowState.Released, packetId), body, crc);
      this.#counts.rows += Number(changes);
    }
  }
}

function keyed(name: 'retained' | 'wills', key: string, words: string, table: CheckedTable): Source {
  const judge = (cells: Cells) => {
    requireCheck(keyCheck(table, 0, bytesIn(cells, 0), bytesIn(cells, 1)), cells, 2);
    return true;
  };
  return { name, key: [key], isKeyText: true, columns: 'body, crc', words, countAs: name, judge };
}

function isMessage(cells: Cells): boolean {
  const id = countIn(cells, 0);
  requireCheck(keyCheck(CheckedTable.Message, id, undefined, bytesIn(cells, 1)), cells, 2);
  return id !== 0;
}

/** @throws StoreDamage when the checksum in the row is another one */
function requireCheck(check: number, cells: Cells, index: number): void {
  if (check !== integerIn(cells, index)) throw new StoreDamage('a checksum is wrong');
}

/** A cell that was judged to be sound. */
function soundCell(cell: unknown): SQLInputValue {
  if (cell === null || typeof cell === 'number' || cell instanceof Uint8Array) return cell;
  throw new TypeError('a row that is sound holds only numbers and bytes');
}

function keyText(key: Cells): string {
  return key.map((cell) => (cell instanceof Uint8Array ? Buffer.from(cell).toString('hex') : String(cell))).join(' ');
}
