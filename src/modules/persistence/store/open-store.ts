/**
 * Opening a store, whatever lies in its folder. In this order: the folder, the lock, a staged restore, the file as it is
 * (foreign, damaged, newer, older, good), or a new one, with the state of a Mosquitto in it where there is one.
 *
 * A file that is not good is set aside whole and never written to again; a new one is made under another name, of all that is
 * sound in a damaged one, and gets its own only when it is whole. So what ends in the middle of it ends before or after, at
 * any step.
 */
import { accessSync, constants, copyFileSync, existsSync, renameSync, rmSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { MosquittoDbError } from '../mosquitto/mosquitto-source.ts';
import type { StoreOpened, StoreOptions } from '../thread-messages.ts';
import { cutOffOf, type LogState, logStateOf } from './log-file.ts';
import { clearLogMark, hasLogMark, setLogMark } from './log-mark.ts';
import { cannotReplaceLines, makeStore, replaceDamaged } from './make-store.ts';
import { OpApplier } from './op-applier.ts';
import { MIGRATIONS, type Migration, SCHEMA_VERSION } from './schema.ts';
import {
  applyOps,
  checkShape,
  checkWhole,
  closeUnchanged,
  headerOf,
  inTransaction,
  logFramesOf,
  nextSessionOf,
  openDatabase,
  readableVersionOf,
  restartLog,
  setVersion,
  timeOf,
  versionOf,
} from './store-database.ts';
import { faultText, isDamage, isReadFault, StoreDamage, StoreRefusal } from './store-faults.ts';
import { StoreFiles, sizeOf, syncFile } from './store-files.ts';
import { lockFolder, type StoreLock } from './store-lock.ts';

/** What cannot be read is tried again this often, after a pause. */
const READ_ATTEMPTS = 3;
const READ_PAUSE_MS = 100;

type Notes = StoreOpened['notes'];
type Note = Notes[number];

/** Reads a file of Mosquitto's and gives what is in it as operations, each call one transaction. */
export type Importer = (file: string, apply: (ops: Uint8Array) => void, wallMs: number) => { readonly notes: Notes };

/** What is put into opening from outside. */
export interface OpenParts {
  /** Null: nothing is imported. */
  readonly importer?: Importer | null;
  readonly migrations?: readonly Migration[];
}

export interface OpenedStore {
  readonly files: StoreFiles;
  readonly lock: StoreLock;
  readonly database: DatabaseSync;
  readonly opened: StoreOpened;
  /** The file says that a log belongs to it, see log-mark.ts; false: the disk is full. */
  readonly isMarked: boolean;
}

type Run = Pick<OpenedStore, 'database' | 'opened' | 'isMarked'>;

/** @throws StoreRefusal; the folder is as it was then, but for what the lines say */
export function openStore(options: StoreOptions, parts: OpenParts = {}): OpenedStore {
  const files = new StoreFiles(options.folder, options.wallMs);
  files.makeFolder();
  files.requirePlain();
  const lock = lockFolder(files);
  try {
    return { files, lock, ...openPatiently(() => new Opening(files, options, parts).run()) };
  } catch (error) {
    lock.release();
    if (error instanceof StoreRefusal) throw error;
    throw new StoreRefusal([
      `Error: The store ${files.store} cannot be opened: ${faultText(error)}.`,
      'Error: The file was left as it is. Mend the cause and start the broker again.',
    ]);
  }
}

/** An error that the disk reports once may be none a moment later. */
function openPatiently<T>(open: () => T): T {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return open();
    } catch (error) {
      if (attempt === READ_ATTEMPTS || !isReadFault(error)) throw error;
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, READ_PAUSE_MS);
  }
}

class Opening {
  readonly #files: StoreFiles;
  readonly #options: StoreOptions;
  readonly #parts: OpenParts;
  readonly #notes: Note[] = [];

  constructor(files: StoreFiles, options: StoreOptions, parts: OpenParts) {
    this.#files = files;
    this.#options = options;
    this.#parts = parts;
  }

  run(): Run {
    const moved = this.#files.finishMove();
    if (moved !== null)
      this.#note('warning', `Warning: ${moved.from} was moved to ${moved.to}, as a start before began to do.`);
    this.#files.remove(this.#files.making);
    this.#takeIncoming();
    const existing = this.#openExisting();
    const database = existing ?? this.#makeNew();
    const isNew = existing === null;
    const notes = this.#notes;
    const opened = { isNew, notes, time: timeOf(database), nextSession: nextSessionOf(database) };
    return { database, opened, isMarked: mark(database) };
  }

  /** Puts a staged restore in the place of the store, when it is good. */
  #takeIncoming(): void {
    const { incoming, store } = this.#files;
    if (!existsSync(incoming)) return;
    const reason = this.#faultOf(incoming);
    if (reason !== null) {
      if (this.#options.isDamageRefused) throw damageRefusal(incoming, reason);
      const moved = this.#files.moveAway(incoming, 'refused');
      this.#note('error', `Error: The staged restore is not used: ${reason}. It was moved to ${moved}.`);
      return;
    }
    if (sizeOf(store) > 0 || this.#files.hasOrphans(store)) {
      const moved = this.#files.moveAway(store, 'replaced');
      this.#note('notice', `The store was replaced by the staged restore; the one before was moved to ${moved}.`);
    } else {
      this.#note('notice', 'The staged restore is the store now.');
    }
    syncFile(incoming);
    this.#files.remove(store);
    renameSync(incoming, store);
    this.#files.sync();
  }

  /** Why the file cannot be a store; null = it can, and has nothing beside it. */
  #faultOf(path: string): string | null {
    const header = headerOf(path);
    if (header === 'absent') return 'it is not there';
    if (header !== 'ours') return header.foreign;
    let database: DatabaseSync | null = null;
    try {
      const state = logStateOf(`${path}-wal`);
      database = openDatabase(path);
      const { version } = versionOf(database);
      if (version > SCHEMA_VERSION) throw new StoreDamage(`a newer Zanzara wrote it (schema ${version})`);
      if (state !== 'readable' && hasLogMark(database)) throw new StoreDamage('it was copied without its log');
      checkWhole(database);
      // It is closed in order now, and its log moved into it.
      clearLogMark(database);
      database.close();
      return null;
    } catch (error) {
      if (database !== null) closeUnchanged(database, path);
      if (isDamage(error)) return faultText(error);
      throw error;
    }
  }

  /** @returns null when there is no store, or none any more. */
  #openExisting(): DatabaseSync | null {
    const { store } = this.#files;
    if (this.#files.hasOrphans(store)) return this.#setAside('its log is there, but not the file itself', null);
    const header = headerOf(store);
    if (header === 'absent') return null;
    if (header !== 'ours') return this.#setAside(header.foreign, null);
    accessSync(store, constants.R_OK | constants.W_OK);
    let database: DatabaseSync | null = null;
    try {
      const state = logStateOf(`${store}-wal`);
      database = openDatabase(store);
      const { version, inHeader } = versionOf(database);
      if (version > SCHEMA_VERSION) throw newerRefusal(store, version);
      this.#judgeLog(database, state);
      checkWhole(database);
      if (inHeader !== version) this.#mendHeader(database, version, inHeader);
      if (version < SCHEMA_VERSION) {
        clearLogMark(database);
        // Closed for the copy: whoever closes a file ends all locks that the process has on it.
        database.close();
        this.#copy(version);
        database = openDatabase(store);
        this.#migrate(database, version);
      }
      checkShape(database);
      timeOf(database);
      nextSessionOf(database);
      return database;
    } catch (error) {
      try {
        if (isDamage(error)) return this.#replace(faultText(error), database);
      } catch (failure) {
        if (database?.isOpen === true) closeUnchanged(database, store);
        throw failure;
      }
      if (database?.isOpen === true) closeUnchanged(database, store);
      throw error;
    }
  }

  /** @returns a new store that holds what is sound in the damaged one; null: nothing of it can be taken over */
  #replace(reason: string, database: DatabaseSync | null): DatabaseSync | null {
    const isReadable = database?.isOpen === true && readableVersionOf(database) === SCHEMA_VERSION;
    if (!isReadable) return this.#setAside(reason, database);
    if (this.#options.isDamageRefused) throw damageRefusal(this.#files.store, reason);
    try {
      this.#noteAll(replaceDamaged(this.#files, database, reason));
    } catch (error) {
      if (isReadFault(error)) throw error;
      throw new StoreRefusal(cannotReplaceLines(this.#files.store, reason, error));
    }
    return openDatabase(this.#files.store);
  }

  /** Whether the log holds all that it must. What it holds is copied before SQLite writes over it. @throws StoreRefusal */
  #judgeLog(database: DatabaseSync, state: LogState): void {
    const { store } = this.#files;
    const log = `${store}-wal`;
    const reason = logFaultOf(database, state, log);
    if (reason === null) return;
    if (this.#options.isDamageRefused) throw damageRefusal(store, reason);
    const copy = state === 'readable' || state === 'unreadable' ? this.#keepLog(log) : null;
    const verb = state === 'readable' ? 'lacks' : 'may lack';
    this.#noteAll(lostChangesLines(`${store} ${verb}`, reason, copy));
    beginLogAnew(database);
  }

  /** @returns the path of the copy. @throws an error of the system, and then there is none */
  #keepLog(log: string): string {
    const copy = this.#files.copyName('damaged', '-wal');
    try {
      copyFileSync(log, copy, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
      syncFile(copy);
      this.#files.sync();
      return copy;
    } catch (error) {
      rmSync(copy, { force: true });
      throw error;
    }
  }

  /** One bit of the header that flips must not cost the store. */
  #mendHeader(database: DatabaseSync, version: number, inHeader: number): void {
    const { store } = this.#files;
    const reason = `its header says schema ${inHeader}, its checksummed row ${version}`;
    if (this.#options.isDamageRefused) throw damageRefusal(store, reason);
    inTransaction(database, () => setVersion(database, version));
    this.#note(
      'warning',
      `Warning: In the store ${store} a number was changed: ${reason}, which is right. It was put right.`,
    );
  }

  /** Keeps the store as it is before it is migrated. */
  #copy(version: number): void {
    const copy = this.#files.copyName(`version-${version}`);
    copyFileSync(this.#files.store, copy, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    syncFile(copy);
    this.#files.sync();
    this.#note(
      'notice',
      `The store has schema ${version}, and is brought to ${SCHEMA_VERSION}; a copy of it is ${copy}.`,
    );
  }

  #migrate(database: DatabaseSync, from: number): void {
    const migrations = this.#parts.migrations ?? MIGRATIONS;
    inTransaction(database, () => {
      for (let version = from; version < SCHEMA_VERSION; version += 1) {
        const step = migrations.find((migration) => migration.from === version);
        if (step === undefined) throw new StoreDamage(`there is no way from its schema ${version} to the next`);
        step.run(database);
        setVersion(database, version + 1);
      }
    });
  }

  #setAside(reason: string, database: DatabaseSync | null): null {
    const { store } = this.#files;
    if (this.#options.isDamageRefused) {
      if (database?.isOpen === true) closeUnchanged(database, store);
      throw damageRefusal(store, reason);
    }
    // Moved before it is closed: SQLite writes nothing more to a file that has moved.
    const moved = this.#files.moveAway(store, 'damaged');
    if (database?.isOpen === true) database.close();
    this.#noteAll(setAsideLines(store, reason, moved));
    return null;
  }

  #makeNew(): DatabaseSync {
    const { making, store } = this.#files;
    const file = this.#options.mosquittoFile;
    const importer = this.#parts.importer ?? null;
    // Where a store was before, the file of Mosquitto is a thing of the past.
    const hasImport = file !== null && existsSync(file) && importer !== null && !this.#files.hasFormerStore();
    if (!hasImport || !this.#importInto(file, importer)) makeStore(this.#files, making, () => undefined);
    this.#files.remove(store);
    renameSync(making, store);
    this.#files.sync();
    return openDatabase(store);
  }

  /** @returns false: it failed, and the new store is to be made without it. */
  #importInto(file: string, importer: Importer): boolean {
    try {
      makeStore(this.#files, this.#files.making, (database) => {
        const applier = new OpApplier(database);
        const { notes } = importer(file, (ops) => applyOps(database, applier, ops), this.#options.wallMs);
        this.#notes.push(...notes);
      });
      return true;
    } catch (error) {
      // Only what the file says itself is a reason to go on without it; after all else the next start tries again.
      if (!(error instanceof MosquittoDbError)) throw importRefusal(file, error);
      if (this.#options.isDamageRefused) throw new StoreRefusal([importFault(file, error)]);
      this.#note('error', importFault(file, error));
      return false;
    }
  }

  #noteAll(lines: readonly string[]): void {
    for (const text of lines) this.#note('error', text);
  }

  #note(level: Note['level'], text: string): void {
    this.#notes.push({ level, text });
  }
}

/** @returns false: the disk is full or fails. The next commit tells, and after it another attempt is made. */
function mark(database: DatabaseSync): boolean {
  try {
    if (!hasLogMark(database)) setLogMark(database);
    return true;
  } catch {
    return false;
  }
}

/** What is wrong with a log, half a sentence; null: nothing. `state`: before it was opened. */
function logFaultOf(database: DatabaseSync, state: LogState, log: string): string | null {
  if (state === 'readable') {
    const cutOff = cutOffOf(log, logFramesOf(database));
    if (cutOff === null) return null;
    const { frames, commits } = cutOff;
    return `its log ${log} is damaged, and behind the damage are ${frames} pages of ${commits} groups of changes that were safe`;
  }
  return hasLogMark(database) ? `its log ${log} ${LOG_FAULTS[state]}` : null;
}

const LOG_FAULTS: Readonly<Record<Exclude<LogState, 'readable'>, string>> = {
  absent: 'is not there, though the store was in use: it was deleted, or the store was copied without it',
  empty: 'is empty, though the store was in use',
  unreadable: 'is damaged at its beginning, so that nothing of it can be read',
};

/** So that what is wrong with a log is not found again. Where the disk is full it is. */
function beginLogAnew(database: DatabaseSync): void {
  try {
    restartLog(database);
    clearLogMark(database);
  } catch {
    // The mark still stands, and is right: the next start says the same again.
  }
}

/** What the log says of a store whose log has not all that it must. `subject`: with its verb. `copy`: null = there was nothing to copy. */
function lostChangesLines(subject: string, reason: string, copy: string | null): readonly string[] {
  const kept = copy === null ? '' : ` The log was copied to ${copy}.`;
  return [
    `Error: The store ${subject} its newest changes, acknowledged ones among them: ${reason}.${kept} The rest is used.`,
    'Error: To use a backup instead, stop the broker and run zanzara restore. Nothing is missing if another program, such as ' +
      'sqlite3, has moved the log into the store. --refuse-damaged ends the start in such a case.',
  ];
}

/** What the log says of a store that was set aside. */
function setAsideLines(store: string, reason: string, moved: string): readonly string[] {
  return [
    `Error: The store ${store} cannot be used: ${reason}. It was set aside as ${moved}, and a new one is begun.`,
    'Error: To use a backup instead, stop the broker and run zanzara restore. --refuse-damaged ends the start in such a case.',
  ];
}

/** What the log says of a damaged store that is to stay. */
export function damageLines(path: string, reason: string): readonly string[] {
  return [
    `Error: The store ${path} cannot be used: ${reason}. The broker does not start, because of --refuse-damaged.`,
    'Error: Restore a backup (zanzara restore), move the file away, or start without --refuse-damaged to have it set aside.',
  ];
}

function damageRefusal(path: string, reason: string): StoreRefusal {
  return new StoreRefusal(damageLines(path, reason));
}

function newerRefusal(path: string, version: number): StoreRefusal {
  return new StoreRefusal([
    `Error: The store ${path} was written by a newer Zanzara (schema ${version}, this one knows ${SCHEMA_VERSION}).`,
    'Error: Start that version again, or set persistence_location to another folder. Nothing in the file was changed.',
  ]);
}

function importRefusal(file: string, error: unknown): StoreRefusal {
  return new StoreRefusal([
    `Error: The state of Mosquitto in ${file} was not imported: ${faultText(error)}. The file was left as it is.`,
    'Error: Mend the cause and start the broker again, which tries again; or move the file away to begin with no state.',
  ]);
}

function importFault(file: string, error: unknown): string {
  return `Error: The state of Mosquitto in ${file} cannot be imported: ${faultText(error)}. The file was left as it is; zanzara import tries again.`;
}
