/**
 * What `zanzara backup`, `restore`, `export` and `import` do. Each makes its file or its store beside, reads it back, and only
 * then gives it its name: what ends in the middle changes nothing. Faults are those that `storeFaultLines` has words for.
 */
import { chmodSync, mkdtempSync, renameSync, statSync, utimesSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { importMosquitto } from '../mosquitto/import-mosquitto.ts';
import { writeMosquittoDb } from '../mosquitto/write-mosquitto-db.ts';
import { Store } from '../store/store.ts';
import { STORE_NAME, StoreFiles, sizeOf, syncFile } from '../store/store-files.ts';
import { closeFile, type OpenFile, openToRead, writeFrom } from './hand-over.ts';
import { type Place, placeOf, runAt, StoreToolError, targetPlaceOf } from './run-as-owner.ts';
import {
  copyStore,
  openChecked,
  requireAlone,
  requireFile,
  requireFreeTarget,
  requireSame,
  requireStore,
  syncInto,
  tryLock,
  withWorkFolder,
  wordsOf,
} from './store-copy.ts';

export { storeFaultLines } from './store-copy.ts';

/** A data folder, and a file that is read or written. */
export interface FolderAndFile {
  readonly folder: string;
  readonly file: string;
  /** What is there may be replaced. */
  readonly isForced: boolean;
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
    chmodSync(path, 0o600);
    const lines = [
      `Backup of ${given.folder} written to ${given.file}, ${sizeOf(path)} bytes: ${wordsOf(counts)}.`,
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
 * count at the one than at the other, it is made in the data folder and handed over as an open file.
 */
async function writeOut(
  { folder, file, isForced }: FolderAndFile,
  say: Say,
  make: (folder: string, work: string) => Promise<Made>,
): Promise<void> {
  const [from, to] = [placeOf(folder), targetPlaceOf(file)];
  const beside = dirname(to.path);
  await runAt(to, () => {
    requireFreeTarget(to.path, from.path, isForced);
  });
  const isOneUser = from.userId === to.userId;
  const work = isOneUser ? beside : from.path;
  const { lines, made } = await runAt(from, async () => {
    return await withWorkFolder(work, async (inside) => {
      const { path, lines: toSay } = await make(from.path, inside);
      if (!isOneUser) return { lines: toSay, made: openToRead(path) };
      syncFile(path);
      renameSync(path, to.path);
      syncInto(to.path);
      return { lines: toSay, made: null };
    });
  });
  try {
    if (made !== null) await runAt(to, () => takeOver(made, to));
  } finally {
    closeFile(made);
  }
  for (const line of lines) say(line);
}

async function takeOver(made: OpenFile, { path }: Place): Promise<void> {
  await withWorkFolder(dirname(path), (work) => {
    const copy = join(work, basename(path));
    writeFrom(made, copy);
    renameSync(copy, path);
    syncInto(path);
  });
}

/** Says what would be imported from `file`. */
export async function tryImport({ file }: FolderAndFile, say: Say): Promise<void> {
  const from = readablePlaceOf(file);
  await runAt(from, () => {
    requireFile(from.path);
    for (const { text } of importMosquitto(from.path, () => undefined, Date.now()).notes) {
      say(text.replaceAll(from.path, file));
    }
  });
  say('This was a dry run: nothing was written.');
}

/** Makes a store in `folder` of what Mosquitto has kept in `file`. */
export async function importStore({ folder, file, isForced }: FolderAndFile, say: Say): Promise<void> {
  const [from, to] = [readablePlaceOf(file), placeOf(folder)];
  await withSource(from, file, async (source) => {
    await runAt(to, async () => {
      await importInto(to.path, isForced, say, (work) => {
        // The copy is in a folder of its own, for the store is made in an empty one.
        const path = from.userId === to.userId ? from.path : copyInto(source, mkdtempSync(join(work, 'source-')));
        return { path, name: file };
      });
    });
  });
}

function makeFolder(files: StoreFiles): void {
  // Whether it may be reached at all is told in other words than that it cannot be made.
  if (statSync(files.folder, { throwIfNoEntry: false }) === undefined) files.makeFolder();
}

/** What is read, and what it is called. */
interface Source {
  readonly path: string;
  readonly name: string;
}

async function importInto(
  folder: string,
  isForced: boolean,
  say: Say,
  sourceIn: (work: string) => Source,
): Promise<void> {
  const files = new StoreFiles(folder, Date.now());
  makeFolder(files);
  const lock = tryLock(files);
  if (lock === null) throw new StoreToolError(`A broker runs on ${folder}. Stop it first.`);
  try {
    // A restore that waits for the next start counts as well.
    if ((sizeOf(files.store) > 0 || sizeOf(files.incoming) > 0) && !isForced) {
      throw new StoreToolError(
        `${folder} has a store already. --force puts the imported one in its place and keeps it.`,
      );
    }
    await withWorkFolder(folder, (work) => {
      const made = mkdtempSync(join(work, 'store-'));
      makeStore(sourceIn(work), made, say);
      putInPlace(files, join(made, STORE_NAME), say);
    });
    say(`${files.store} is ready: start the broker.`);
  } finally {
    lock.release();
  }
}

/** Makes a store in the empty folder `work`, and reads it back. */
function makeStore({ path, name }: Source, work: string, say: Say): void {
  const wallMs = Date.now();
  const { store } = Store.open({ folder: work, isDamageRefused: true, mosquittoFile: null, wallMs });
  try {
    const { notes } = importMosquitto(path, (ops) => store.apply(ops), wallMs);
    for (const { text } of notes) say(text.replaceAll(path, name));
  } finally {
    store.close();
  }
  const checked = openChecked(work, 'What was imported');
  checked.store.close();
  say(`It was read back: ${wordsOf(checked.counts)}.`);
}

/** Puts the backup `file` in the place of the store in `folder`, or has the broker that runs there do it when it starts again. */
export async function restoreStore({ folder, file }: FolderAndFile, say: Say): Promise<void> {
  const [from, to] = [readablePlaceOf(file), placeOf(folder)];
  await runAt(from, () => {
    requireFile(from.path);
    requireStore(from.path);
  });
  await withSource(from, file, async (source) => {
    await runAt(to, async () => {
      const files = new StoreFiles(to.path, Date.now());
      makeFolder(files);
      await withWorkFolder(to.path, (work) => {
        restoreFrom(source, work, files, say, file);
      });
    });
  });
}

function restoreFrom(source: OpenSource, work: string, files: StoreFiles, say: Say, name: string): void {
  const copy = copyInto(source, work);
  const { store, counts } = openChecked(work, name);
  store.close();
  say(`${name} is whole: ${wordsOf(counts)}.`);
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
  const open = (path: string) => {
    const found = openToRead(path);
    if (found !== null) opened.push(found);
    return found;
  };
  try {
    const source = await runAt(from, () => {
      requireFile(from.path);
      const main = open(from.path);
      if (main === null) throw new StoreToolError(`${file} is not there.`);
      return { file: main, log: open(`${from.path}-wal`) };
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
  // An import counts from when it was written.
  utimesSync(copy, file.mtimeMs / 1000, file.mtimeMs / 1000);
  if (log !== null && log.size > 0) writeFrom(log, `${copy}-wal`);
  return copy;
}

function readablePlaceOf(file: string): Place {
  requireFile(file);
  return placeOf(file);
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
  chmodSync(copy, 0o600);
  syncFile(copy);
}
