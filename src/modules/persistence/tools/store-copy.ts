/**
 * What the tools for stores have in common (import, export, backup, restore): a copy of a store whatever runs on it, the proof
 * that a copy is whole, and how files get their names.
 */
import { copyFileSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { backup, DatabaseSync } from 'node:sqlite';
import { BodyError } from '../bodies.ts';
import { MosquittoDbError } from '../mosquitto/mosquitto-source.ts';
import { countWords } from '../store/rebuild-store.ts';
import { Store } from '../store/store.ts';
import { headerOf, numberOf } from '../store/store-database.ts';
import { isBusy, StoreDamage, StoreRefusal } from '../store/store-faults.ts';
import { STORE_NAME, StoreFiles, sizeOf } from '../store/store-files.ts';
import { lockFolder, type StoreLock } from '../store/store-lock.ts';
import type { StoreCounts, StoreOpened } from '../thread-messages.ts';
import { StoreToolError } from './run-as-owner.ts';

/** What is said of a fault, in whole lines; null: it is one of ours. */
export function storeFaultLines(error: unknown): readonly string[] | null {
  if (error instanceof StoreRefusal) return error.lines;
  if (error instanceof StoreDamage) return [`Error: The store is damaged: ${error.reason}.`];
  if (error instanceof BodyError) return [`Error: The store is damaged: ${error.message}.`];
  if (error instanceof StoreToolError || error instanceof MosquittoDbError) return [`Error: ${error.message}`];
  return isSystemFault(error) ? [`Error: ${error.message}`] : null;
}

/** Whether the file system or SQLite reports it. */
export function isSystemFault(error: unknown): error is Error {
  return error instanceof Error && ('syscall' in error || 'errcode' in error);
}

/** @throws StoreToolError when there is no file */
export function requireFile(file: string): void {
  const found = statSync(file, { throwIfNoEntry: false });
  if (found === undefined) throw new StoreToolError(`${file} is not there.`);
  if (!found.isFile()) throw new StoreToolError(`${file} is not a file.`);
}

/** @throws StoreToolError when the file is there and may not be replaced, or is one of a store's own */
export function requireFreeTarget(file: string, folder: string, isForced: boolean): void {
  const inStore = dirname(resolve(file)) === resolve(folder) && /^zanzara\.(db|lock)/.test(basename(file));
  if (inStore) throw new StoreToolError(`${file} is a name that the store itself uses. Choose another one.`);
  const parent = dirname(resolve(file));
  if (statSync(parent, { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw new StoreToolError(`The folder ${parent} is not there. Make it first.`);
  }
  const found = statSync(file, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isFile()) throw new StoreToolError(`${file} is not a file. Give the name of the file to be written.`);
  if (!isForced) throw new StoreToolError(`${file} is there already. --force replaces it.`);
}

/** Runs `work` with a folder inside of `parent` that nobody else may look into, and removes it. */
export async function withWorkFolder<T>(parent: string, work: (folder: string) => Promise<T> | T): Promise<T> {
  const folder = mkdtempSync(join(parent, '.zanzara-'));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The lock of a store's folder; null: a broker runs on it. @throws StoreRefusal when it cannot be used */
export function tryLock(files: StoreFiles): StoreLock | null {
  try {
    return lockFolder(files);
  } catch (error) {
    if (isHeld(files.lock)) return null;
    throw error;
  }
}

function isHeld(path: string): boolean {
  try {
    const database = new DatabaseSync(path, { readOnly: true, timeout: 0 });
    try {
      database.exec('SELECT count(*) FROM sqlite_schema');
      return false;
    } finally {
      database.close();
    }
  } catch (error) {
    return isBusy(error);
  }
}

/**
 * Copies the store in `folder` to a new one in the empty folder `target`, whether a broker runs on it or not.
 * @returns how many there are of each, where that can be told of the very state that was copied; null = it was not counted
 * @throws StoreToolError, StoreRefusal, an error of SQLite or of the file system
 */
export async function copyStore(folder: string, target: string): Promise<StoreCounts | null> {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw new StoreToolError(`The folder ${folder} is not there.`);
  }
  const files = new StoreFiles(folder, Date.now());
  const copy = join(target, STORE_NAME);
  files.requirePlain();
  requireStore(files.store);
  const lock = tryLock(files);
  if (lock === null) return await copyBeside(files.store, copy);
  try {
    copyWithLog(files.store, copy);
    return null;
  } finally {
    lock.release();
  }
}

/** Copies a database that nobody writes to. */
function copyWithLog(file: string, copy: string): void {
  copyFileSync(file, copy);
  if (sizeOf(`${file}-wal`) > 0) copyFileSync(`${file}-wal`, `${copy}-wal`);
}

/** @throws StoreToolError when the file is not a store's */
export function requireStore(file: string): void {
  const header = headerOf(file);
  if (header === 'absent') throw new StoreToolError(`There is no store: ${file} is not there, or empty.`);
  if (header !== 'ours') throw new StoreToolError(`${file} is not a store of Zanzara: ${header.foreign}.`);
}

/** Pages in one step: all, since a copy that is taken in steps would begin anew with each change. */
const ALL_PAGES = 2 ** 31 - 1;

/** Copies what is durable at one moment, while the broker goes on writing. */
async function copyBeside(store: string, copy: string): Promise<StoreCounts> {
  const database = new DatabaseSync(store, { readOnly: true, timeout: 5000 });
  try {
    // What is counted in this transaction is what it copies.
    database.exec('BEGIN');
    const counts = countsOf(database);
    await backup(database, copy, { rate: ALL_PAGES });
    return counts;
  } finally {
    database.close();
  }
}

function countsOf(database: DatabaseSync): StoreCounts {
  const count = (from: string) => numberOf(database, `SELECT count(*) FROM ${from}`);
  const ofLiving = 'WHERE session IN (SELECT id FROM sessions)';
  return {
    sessions: count('sessions'),
    subscriptions: count(`subscriptions ${ofLiving}`),
    rows: count(`queue ${ofLiving}`),
    retained: count('retained'),
    wills: count('wills'),
  };
}

export interface CheckedStore {
  readonly store: Store;
  readonly opened: StoreOpened;
  readonly counts: StoreCounts;
}

/**
 * Opens the store in `folder`, whose pages are checked by that, and reads all of it, each checksum included.
 * @throws StoreToolError when it is damaged; the store is closed then
 */
export function openChecked(folder: string, name: string): CheckedStore {
  const options = { folder, isDamageRefused: true, mosquittoFile: null, wallMs: Date.now() };
  try {
    const { store, opened } = Store.open(options);
    try {
      const counts = readAll(store);
      requireSame(counts, store.counts(), name);
      return { store, opened, counts };
    } catch (error) {
      store.close();
      throw error;
    }
  } catch (error) {
    if (error instanceof StoreDamage) throw new StoreToolError(`${name} is damaged: ${error.reason}.`);
    // Its lines name the copy, and a start of the broker.
    if (error instanceof StoreRefusal) {
      const reason = reasonIn(error).replaceAll(join(folder, STORE_NAME), name);
      throw new StoreToolError(`${name} cannot be used. ${reason}`);
    }
    throw error;
  }
}

function reasonIn({ lines }: StoreRefusal): string {
  const reason = /: (.*?)\.? The broker does not start/.exec(lines[0] ?? '')?.[1];
  return reason === undefined ? (lines[0] ?? '').replace(/^Error: /, '') : `It is damaged: ${reason}.`;
}

function readAll(store: Store): StoreCounts {
  const chunks = store.load(Number.POSITIVE_INFINITY);
  for (;;) {
    const next = chunks.next();
    if (next.done === true) return next.value;
  }
}

/** @throws StoreToolError */
export function requireSame(found: StoreCounts, expected: StoreCounts, name: string): void {
  if (countWords(found) === countWords(expected)) return;
  throw new StoreToolError(`${name} is not whole: it has ${countWords(found)} instead of ${countWords(expected)}.`);
}

/** @throws StoreToolError when a closed store has left anything beside its file, which would be missing in the file */
export function requireAlone(file: string): void {
  if (sizeOf(`${file}-wal`) > 0) throw new StoreToolError(`${file} could not be completed: its log is not empty.`);
}
