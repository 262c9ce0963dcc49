/**
 * The store on SQLite, as one thread sees it: operations in, operations out, each call done when it returns. A row's own
 * content is bytes to it. Whoever is told that `apply` is done may say so to the world.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { StoreCounts, StoreOpened, StoreOptions } from '../thread-messages.ts';
import { cellsOf } from './cells.ts';
import { GarbagePurge } from './garbage-purge.ts';
import { clearLogMark, setLogMark } from './log-mark.ts';
import { replaceDamaged } from './make-store.ts';
import { OpApplier } from './op-applier.ts';
import { type OpenedStore, type OpenParts, openStore } from './open-store.ts';
import { applyOps, closeUnchanged, numberOf, restartLog } from './store-database.ts';
import { type StoreFiles, sizeOf } from './store-files.ts';
import type { StoreLock } from './store-lock.ts';
import { loadAll, QueueReader } from './store-reader.ts';

/** Pages in the write-ahead log that are not in the file yet, above which they are moved there. */
const LOG_PAGES_MAX = 4000;

export class Store {
  readonly #database: DatabaseSync;
  readonly #files: StoreFiles;
  readonly #lock: StoreLock;
  readonly #applier: OpApplier;
  readonly #reader: QueueReader;
  readonly #garbage: GarbagePurge;
  readonly #logState: StatementSync;
  #sizes = { fileBytes: 0, logBytes: 0 };
  /** The file says that a log belongs to it. */
  #isMarked: boolean;

  /** @throws StoreRefusal */
  static open(options: StoreOptions, parts: OpenParts = {}): { readonly store: Store; readonly opened: StoreOpened } {
    const opened = openStore(options, parts);
    return { store: new Store(opened), opened: opened.opened };
  }

  constructor({ database, files, lock, isMarked }: OpenedStore) {
    this.#isMarked = isMarked;
    this.#database = database;
    this.#files = files;
    this.#lock = lock;
    this.#applier = new OpApplier(database);
    this.#reader = new QueueReader(database);
    this.#garbage = new GarbagePurge(database);
    this.#logState = database.prepare('PRAGMA wal_checkpoint(NOOP)');
    this.#logState.setReturnArrays(true);
  }

  /** The store's file. */
  get path(): string {
    return this.#files.store;
  }

  /** Rows of sessions that have gone are still there. */
  get hasGarbage(): boolean {
    return this.#garbage.isThere;
  }

  /** Makes the operations durable, all or none. They may come a second time. @throws after rolling back */
  apply(ops: Uint8Array): void {
    applyOps(this.#database, this.#applier, ops);
    if (this.#applier.hasRemoved) this.#garbage.isThere = true;
  }

  /**
   * Everything that is stored, in chunks of about 256 KB, in the order that `Journal.load` promises; what the generator
   * returns is how many there were. Nothing may be applied before it has ended. The first row that is damaged ends it, see
   * `replace`. @throws StoreDamage, or an error of SQLite
   */
  load(headMax: number): Generator<Uint8Array<ArrayBuffer>, StoreCounts, undefined> {
    return loadAll(this.#database, headMax);
  }

  /**
   * Rows of the session's queue above position `after`, oldest first, `limit` at most; none: there are no more. Rows that
   * are damaged are left out and counted. They stay until a start finds them: where keys are damaged nothing may be removed
   * by its key. @throws an error of SQLite
   */
  read(
    session: number,
    after: number,
    limit: number,
  ): { readonly ops: Uint8Array<ArrayBuffer>; readonly lost: number } {
    return this.#reader.read(session, after, limit);
  }

  /** How many there are of each, counted one by one. */
  counts(): StoreCounts {
    const count = (from: string) => numberOf(this.#database, `SELECT count(*) FROM ${from}`);
    const ofLiving = 'WHERE session IN (SELECT id FROM sessions)';
    return {
      sessions: count('sessions'),
      subscriptions: count(`subscriptions ${ofLiving}`),
      rows: count(`queue ${ofLiving}`),
      retained: count('retained'),
      wills: count('wills'),
    };
  }

  /** Removes rows of sessions that have gone, about `limit` of them. @returns whether there are more. */
  purge(limit: number): boolean {
    return this.#garbage.purge(limit);
  }

  /** To be called after each commit: moves the log into the file when there is much in it. */
  keepUp(): void {
    if (!this.#isMarked) {
      // The disk was full when the store was opened.
      setLogMark(this.#database);
      this.#isMarked = true;
    }
    const cells = cellsOf(this.#logState.get());
    const logged = Number(cells[1]);
    const moved = Number(cells[2]);
    if (logged - moved >= LOG_PAGES_MAX) this.#database.exec('PRAGMA wal_checkpoint(PASSIVE)');
  }

  /** Moves all of the log into the file, see `restartLog`. @throws when it cannot be done now */
  tidy(): void {
    if (!restartLog(this.#database)) throw new Error('another program is reading the store');
  }

  /** The last ones known when the system does not tell. */
  sizes(): { readonly fileBytes: number; readonly logBytes: number } {
    try {
      this.#sizes = { fileBytes: sizeOf(this.#files.store), logBytes: sizeOf(`${this.#files.store}-wal`) };
    } catch {
      // They are for people to look at: nothing hangs on them.
    }
    return this.#sizes;
  }

  /** Makes the index anew, which mends one that is damaged. @throws an error of SQLite */
  reindex(): void {
    this.#database.exec('REINDEX');
  }

  /**
   * Sets the store, which is damaged, aside as it is, puts one in its place that holds all that is sound in it, and closes.
   * @returns what is to be said in the log. @throws when that cannot be made: the store is as it was, and open
   */
  replace(reason: string): readonly string[] {
    const lines = replaceDamaged(this.#files, this.#database, reason);
    this.#lock.release();
    return lines;
  }

  /** Leaves nothing in the log, if that can be done, and gives the folder free. */
  close(): void {
    try {
      // The disk may be full: then there is room at the beginning of the log only.
      restartLog(this.#database);
      clearLogMark(this.#database);
      this.#database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    } catch {
      // What is in the log is safe there, and stays beside the file, which says that a log belongs to it.
      this.closeUnchanged();
      return;
    }
    this.#end();
  }

  /** Closes without moving the log into the file: for a store that is to stay as it is. */
  closeUnchanged(): void {
    closeUnchanged(this.#database, this.#files.store);
    this.#lock.release();
  }

  #end(): void {
    this.#database.close();
    this.#lock.release();
  }
}
