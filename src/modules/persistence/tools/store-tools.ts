/**
 * What `zanzara backup`, `restore`, `export` and `import` do. Each makes its file or its store beside, reads it back, and only
 * then gives it its name: what ends in the middle changes nothing. Faults are those that `storeFaultLines` has words for.
 */
import { existsSync, mkdtempSync, renameSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { importMosquitto } from '../mosquitto/import-mosquitto.ts';
import { MosquittoDbError } from '../mosquitto/mosquitto-source.ts';
import { writeMosquittoDb } from '../mosquitto/write-mosquitto-db.ts';
import { TIME_LOST } from '../store/make-store.ts';
import { countWords, type Rebuilt } from '../store/rebuild-store.ts';
import { Store } from '../store/store.ts';
import { faultText } from '../store/store-faults.ts';
import { STORE_NAME, StoreFiles, sizeOf } from '../store/store-files.ts';
import type { StoreLock } from '../store/store-lock.ts';
import { type Account, fillFolder } from './fill-folder.ts';
import {
  closeFile,
  closeToOthers,
  giveName,
  type OpenFile,
  openLogOf,
  openToRead,
  takeOver,
  writeFrom,
} from './hand-over.ts';
import { type Place, placeOf, runAt, StoreToolError, sourcePlaceOf, targetPlaceOf } from './run-as-owner.ts';
import { salvageStore } from './salvage-store.ts';
import {
  copyStore,
  isSystemFault,
  openChecked,
  requireAlone,
  requireFile,
  requireFreeTarget,
  requireSame,
  requireStore,
  tryLock,
  withWorkFolder,
} from './store-copy.ts';

export { storeFaultLines } from './store-copy.ts';

/** A data folder, and a file that is read or written. */
export interface FolderAndFile {
  readonly folder: string;
  readonly file: string;
  /** What is there may be replaced. */
  readonly isForced: boolean;
}

/** A file that a data folder is filled from. */
export interface FileAndFolder extends FolderAndFile {
  /** Whom a broker that root starts becomes, for a folder that is new; null: it is left to who made it. */
  readonly brokerUser: Account | null;
}

/** Takes a line for the user. */
export type Say = (line: string) => void;

/** A file that was made beside, whole. */
interface Made {
  readonly path: string;
  /** What is said when it has got its name. */
  readonly lines: readonly string[];
}

/** Writes a copy of the store in `folder` to `file`, whether a broker runs on it or not. */
export async function backupStore(given: FolderAndFile, say: Say): Promise<void> {
  await writeOut(given, say, async (folder, work) => {
    const expected = await copyStore(folder, work);
    const { store, counts } = openChecked(work, 'The copy');
    store.close();
    if (expected !== null) requireSame(counts, expected, 'The copy');
    const path = join(work, STORE_NAME);
    requireAlone(path);
    const lines = [
      `Backup of ${given.folder} written to ${given.file}, ${sizeOf(path)} bytes: ${countWords(counts)}.`,
      'It was read back: every row is there and whole.',
    ];
    return { path, lines };
  });
}

/** Writes what the store in `folder` holds to `file` as a mosquitto.db, whether a broker runs on it or not. */
export async function exportStore(given: FolderAndFile, say: Say): Promise<void> {
  await writeOut(given, say, async (folder, work) => {
    await copyStore(folder, work);
    const { store, opened } = openChecked(work, 'The store');
    try {
      const path = join(work, 'mosquitto.db');
      const pieces = store.load(Number.POSITIVE_INFINITY);
      const counts = writeMosquittoDb({ file: path, pieces, time: opened.time, wallMs: Date.now() });
      return { path, lines: exportLines(given, counts) };
    } finally {
      store.close();
    }
  });
}

function exportLines({ folder, file }: FolderAndFile, counts: ReturnType<typeof writeMosquittoDb>): readonly string[] {
  const { sessions, subscriptions, rows, retained, leftWills, leftReceived } = counts;
  const lines = [
    `Exported ${folder} to ${file} (mosquitto.db, format 6): ${sessions} sessions, ${subscriptions} subscriptions, ` +
      `${rows} messages queued or in flight, ${retained} retained messages.`,
  ];
  if (leftWills > 0) lines.push(`Not exported, the format has no place for them: ${leftWills} wills.`);
  if (leftReceived > 0) lines.push(`Not exported: packet ids of ${leftReceived} QoS 2 messages that wait for PUBREL.`);
  return lines;
}

/**
 * Has `make` make a file of what is in `folder`, in a work folder beside `file`, and gives it its name. Where other rights
 * count at the one than at the other, or others could move the work folder, it is made in the data folder and handed over as
 * an open file.
 */
async function writeOut(
  { folder, file, isForced }: FolderAndFile,
  say: Say,
  make: (folder: string, work: string) => Promise<Made>,
): Promise<void> {
  const [from, to] = [placeOf(folder), targetPlaceOf(file)];
  await runAt(to, () => {
    requireFreeTarget(to.path, from.path, isForced);
  });
  const isBeside = from.userId === to.userId && to.isSafe;
  const beside = dirname(to.path);
  const { lines, made } = await runAt(from, async () => {
    return await withWorkFolder(isBeside ? beside : from.path, async (work) => {
      const { path, lines: toSay } = await make(from.path, work);
      if (!isBeside) return { lines: toSay, made: openToRead(path) };
      closeToOthers(path);
      giveName(path, { path: to.path, name: file, isForced });
      new StoreFiles(beside, 0).sync();
      return { lines: toSay, made: null };
    });
  });
  try {
    if (made !== null) await runAt(to, () => takeOver(made, to, isForced));
  } finally {
    closeFile(made);
  }
  for (const line of lines) say(line);
}

/** Says what would be imported from `file`. */
export async function tryImport({ file }: Pick<FolderAndFile, 'file'>, say: Say): Promise<void> {
  const from = readablePlaceOf(file);
  await runAt(from, () => {
    requireFile(from.path);
    for (const line of importLines({ path: from.path, name: file }, () => undefined)) say(line);
  });
  say('This was a dry run: nothing was written.');
}

/** Makes a store in `folder` of what Mosquitto has kept in `file`. */
export async function importStore({ folder, file, isForced, brokerUser }: FileAndFolder, say: Say): Promise<void> {
  const [from, to] = [readablePlaceOf(file), placeOf(folder)];
  await withSource(from, file, async (source) => {
    await fillFolder({ place: to, brokerUser, say }, async (files) => {
      await importInto(files, isForced, say, (work) => {
        // The copy is in a folder of its own, for the store is made in an empty one.
        const path = from.userId === to.userId ? from.path : copyInto(source, mkdtempSync(join(work, 'source-')));
        return { path, name: file };
      });
    });
  });
}

/** What is read, and what it is called. */
interface Source {
  readonly path: string;
  readonly name: string;
}

async function importInto(
  files: StoreFiles,
  isForced: boolean,
  say: Say,
  sourceIn: (work: string) => Source,
): Promise<void> {
  requireIdle(files, isForced);
  await withWorkFolder(files.folder, (work) => {
    const made = mkdtempSync(join(work, 'store-'));
    makeStore(sourceIn(work), made, say);
    // Only now: a lock that is not there yet is made by taking it, and nothing is to be left when the rest fails.
    const lock = lockIdle(files, isForced);
    try {
      putInPlace(files, join(made, STORE_NAME), say);
    } finally {
      lock.release();
    }
  });
  say(`${files.store} is ready: start the broker.`);
}

/** Looks whether a store can be put into the folder. @throws StoreToolError */
function requireIdle(files: StoreFiles, isForced: boolean): void {
  if (existsSync(files.lock)) lockIdle(files, isForced).release();
  else requireFree(files, isForced);
}

/** @throws StoreToolError when a broker runs there, or there is a store that may not be replaced */
function lockIdle(files: StoreFiles, isForced: boolean): StoreLock {
  const lock = tryLock(files);
  if (lock === null) throw new StoreToolError(`A broker runs on ${files.folder}. Stop it first.`);
  try {
    requireFree(files, isForced);
    return lock;
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** A restore that waits for the next start counts as well. */
function requireFree({ folder, store, incoming }: StoreFiles, isForced: boolean): void {
  if (isForced || (sizeOf(store) === 0 && sizeOf(incoming) === 0)) return;
  throw new StoreToolError(`${folder} has a store already. --force puts the imported one in its place and keeps it.`);
}

/** Makes a store in the empty folder `work`, and reads it back. */
function makeStore(source: Source, work: string, say: Say): void {
  for (const line of fillStore(work, (apply) => importLines(source, apply))) say(line);
  const { store, counts } = openChecked(work, 'What was imported');
  store.close();
  say(`It was read back: ${countWords(counts)}.`);
}

/** Makes a store in the empty folder `work` of what `fill` applies to it. */
function fillStore<T>(work: string, fill: (apply: (ops: Uint8Array) => void) => T): T {
  const { store } = Store.open({ folder: work, isDamageRefused: true, mosquittoFile: null, wallMs: Date.now() });
  try {
    return fill((ops) => store.apply(ops));
  } finally {
    store.close();
  }
}

/** Imports, and gives what is to be said of it. @throws StoreToolError, which names the file, whatever the cause */
function importLines({ path, name }: Source, apply: (ops: Uint8Array) => void): readonly string[] {
  try {
    return importMosquitto(path, apply, Date.now()).notes.map(({ text }) => text.replaceAll(path, name));
  } catch (error) {
    if (error instanceof MosquittoDbError) throw new StoreToolError(`${name} cannot be imported: ${error.message}.`);
    // Of the disk, a lock or the rights, on either side: that says nothing about what is in the file.
    if (isSystemFault(error)) throw new StoreToolError(`${name} was not imported: ${faultText(error)}.`);
    throw error;
  }
}

export interface RestoreOptions extends FileAndFolder {
  /** What is damaged in the file is left out, where it is refused otherwise. */
  readonly isSalvage: boolean;
}

/** Puts the backup `file` in the place of the store in `folder`, or has the broker that runs there do it when it starts again. */
export async function restoreStore({ folder, file, isSalvage, brokerUser }: RestoreOptions, say: Say): Promise<void> {
  const [from, to] = [readablePlaceOf(file), placeOf(folder)];
  await runAt(from, () => {
    requireFile(from.path);
    requireStore(from.path);
  });
  await withSource(from, file, async (source) => {
    await fillFolder({ place: to, brokerUser, say }, async (files) => {
      await withWorkFolder(files.folder, (work) => {
        const copy = copyInto(source, work);
        if (isSalvage) putIn(files, salvaged(copy, mkdtempSync(join(work, 'store-')), file, say), say);
        else putIn(files, checked(copy, file, say), say);
      });
    });
  });
}

function checked(copy: string, name: string, say: Say): string {
  const { store, counts } = openChecked(dirname(copy), name);
  store.close();
  say(`${name} is whole: ${countWords(counts)}.`);
  return copy;
}

/** @returns a store that was made of what can be read of `copy` in the empty folder `work` */
function salvaged(copy: string, work: string, name: string, say: Say): string {
  const { lostWords, unreadWords, isTimeLost } = salvageIn(copy, name, new StoreFiles(work, Date.now()));
  const { store, counts } = openChecked(work, 'What was salvaged');
  store.close();
  say(`Salvaged of ${name}: ${countWords(counts)}. It was read back.`);
  if (lostWords !== '') say(`Left out, for their bytes are damaged: ${lostWords}.`);
  if (unreadWords !== '') say(`Parts of the file cannot be read. Nobody knows how much is missing of: ${unreadWords}.`);
  if (isTimeLost) say(TIME_LOST);
  return join(work, STORE_NAME);
}

function salvageIn(copy: string, name: string, into: StoreFiles): Rebuilt {
  try {
    return salvageStore(copy, into);
  } catch (error) {
    if (error instanceof StoreToolError) throw new StoreToolError(`${name} cannot be salvaged. ${error.message}`);
    if (isSystemFault(error)) throw new StoreToolError(`${name} was not salvaged: ${faultText(error)}.`);
    throw error;
  }
}

/** Puts a store that is whole into its place, or beside the one of a broker that runs. */
function putIn(files: StoreFiles, copy: string, say: Say): void {
  const lock = tryLock(files);
  if (lock === null) {
    stage(files, copy, say);
    return;
  }
  try {
    putInPlace(files, copy, say);
  } finally {
    lock.release();
  }
  say(`${files.store} is restored: start the broker.`);
}

/** A database, or another file, and the log of changes that SQLite keeps beside it. */
interface OpenSource {
  readonly file: OpenFile;
  readonly log: OpenFile | null;
}

/** Opens `file` with the rights that count where it is, for work that is done with others. */
async function withSource(from: Place, file: string, work: (source: OpenSource) => Promise<void>): Promise<void> {
  const opened: OpenFile[] = [];
  try {
    const source = await runAt(from, () => {
      requireFile(from.path);
      const main = openToRead(from.path);
      if (main === null) throw new StoreToolError(`${file} is not there.`);
      opened.push(main);
      const log = openLogOf(main, from.path);
      if (log !== null) opened.push(log);
      return { file: main, log };
    });
    await work(source);
  } finally {
    for (const each of opened) closeFile(each);
  }
}

/** @returns the path of the copy, which has a store's name */
function copyInto({ file, log }: OpenSource, folder: string): string {
  const copy = join(folder, STORE_NAME);
  writeFrom(file, copy);
  if (log !== null && log.size > 0) writeFrom(log, `${copy}-wal`);
  return copy;
}

function readablePlaceOf(file: string): Place {
  requireFile(file);
  return sourcePlaceOf(file);
}

function stage(files: StoreFiles, copy: string, say: Say): void {
  finish(copy);
  renameSync(copy, files.incoming);
  files.sync();
  say(
    `A broker runs on ${files.folder}: it takes the store at its next start, and keeps the one it has under another name.`,
  );
}

/** To be called with the lock held. */
function putInPlace(files: StoreFiles, copy: string, say: Say): void {
  finish(copy);
  if (sizeOf(files.store) > 0) say(`The store before is kept as ${files.moveAway(files.store, 'replaced')}.`);
  files.remove(files.store);
  // What was staged before would take the place of this one.
  files.remove(files.incoming);
  renameSync(copy, files.store);
  files.sync();
}

/** Makes a closed store ready to be the broker's. */
function finish(copy: string): void {
  requireAlone(copy);
  closeToOthers(copy);
}
