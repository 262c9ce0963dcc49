/**
 * What `zanzara backup`, `restore`, `export` and `import` do. Each makes its file or its store beside, reads it back, and only
 * then gives it its name: what ends in the middle changes nothing. Faults are those that `storeFaultLines` has words for.
 */
import { chmodSync, renameSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { importMosquitto } from '../mosquitto/import-mosquitto.ts';
import { writeMosquittoDb } from '../mosquitto/write-mosquitto-db.ts';
import { Store } from '../store/store.ts';
import { STORE_NAME, StoreFiles, sizeOf, syncFile } from '../store/store-files.ts';
import {
  copyStore,
  copyWithLog,
  giveToOwner,
  openChecked,
  requireAlone,
  requireFile,
  requireFreeTarget,
  requireSame,
  requireStore,
  StoreToolError,
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

/** Writes a copy of the store in `folder` to `file`, whether a broker runs on it or not. */
export async function backupStore({ folder, file, isForced }: FolderAndFile, say: Say): Promise<void> {
  requireFreeTarget(file, folder, isForced);
  await withWorkFolder(dirname(resolve(file)), async (work) => {
    const expected = await copyStore(folder, work);
    const { store, counts } = openChecked(work, 'The copy');
    store.close();
    if (expected !== null) requireSame(counts, expected, 'The copy');
    const copy = join(work, STORE_NAME);
    requireAlone(copy);
    chmodSync(copy, 0o600);
    syncFile(copy);
    renameSync(copy, file);
    syncInto(file);
    say(`Backup of ${folder} written to ${file}, ${sizeOf(file)} bytes: ${wordsOf(counts)}.`);
    say('It was read back: every row is there and whole.');
  });
}

/** Writes what the store in `folder` holds to `file` as a mosquitto.db, whether a broker runs on it or not. */
export async function exportStore({ folder, file, isForced }: FolderAndFile, say: Say): Promise<void> {
  requireFreeTarget(file, folder, isForced);
  await withWorkFolder(dirname(resolve(file)), async (work) => {
    await copyStore(folder, work);
    const { store, opened } = openChecked(work, 'The store');
    const written = join(work, 'mosquitto.db');
    try {
      const pieces = store.load(Number.POSITIVE_INFINITY);
      const counts = writeMosquittoDb({ file: written, pieces, time: opened.time, wallMs: Date.now() });
      renameSync(written, file);
      syncInto(file);
      const { sessions, subscriptions, rows, retained, leftWills, leftReceived } = counts;
      say(
        `Exported ${folder} to ${file} (mosquitto.db, format 6): ${sessions} sessions, ${subscriptions} subscriptions, ` +
          `${rows} messages queued or in flight, ${retained} retained messages.`,
      );
      if (leftWills > 0) say(`Not exported, the format has no place for them: ${leftWills} wills.`);
      if (leftReceived > 0) say(`Not exported: packet ids of ${leftReceived} QoS 2 messages that wait for PUBREL.`);
    } finally {
      store.close();
    }
  });
}

/** Says what would be imported from `file`. */
export function tryImport({ file }: FolderAndFile, say: Say): void {
  requireFile(file);
  for (const { text } of importMosquitto(file, () => undefined, Date.now()).notes) say(text);
  say('This was a dry run: nothing was written.');
}

/** Makes a store in `folder` of what Mosquitto has kept in `file`. */
export async function importStore({ folder, file, isForced }: FolderAndFile, say: Say): Promise<void> {
  requireFile(file);
  const files = new StoreFiles(folder, Date.now());
  files.makeFolder();
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
      makeStore(file, work, say);
      putInPlace(files, join(work, STORE_NAME), say);
    });
    say(`${files.store} is ready: start the broker.`);
  } finally {
    lock.release();
  }
}

/** Makes a store in the empty folder `work`, and reads it back. */
function makeStore(file: string, work: string, say: Say): void {
  const wallMs = Date.now();
  const { store } = Store.open({ folder: work, isDamageRefused: true, mosquittoFile: null, wallMs });
  try {
    for (const { text } of importMosquitto(file, (ops) => store.apply(ops), wallMs).notes) say(text);
  } finally {
    store.close();
  }
  const checked = openChecked(work, 'What was imported');
  checked.store.close();
  say(`It was read back: ${wordsOf(checked.counts)}.`);
}

/** Puts the backup `file` in the place of the store in `folder`, or has the broker that runs there do it when it starts again. */
export async function restoreStore({ folder, file }: FolderAndFile, say: Say): Promise<void> {
  requireFile(file);
  requireStore(file);
  const files = new StoreFiles(folder, Date.now());
  files.makeFolder();
  await withWorkFolder(folder, (work) => {
    const copy = join(work, STORE_NAME);
    copyWithLog(file, copy);
    const { store, counts } = openChecked(work, file);
    store.close();
    say(`${file} is whole: ${wordsOf(counts)}.`);
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
  });
}

function stage(files: StoreFiles, copy: string, say: Say): void {
  finish(files, copy);
  renameSync(copy, files.incoming);
  files.sync();
  say(
    `A broker runs on ${files.folder}: it takes the store at its next start, and keeps the one it has under another name.`,
  );
}

/** To be called with the lock held. */
function putInPlace(files: StoreFiles, copy: string, say: Say): void {
  finish(files, copy);
  if (sizeOf(files.store) > 0) say(`The store before is kept as ${files.moveAway(files.store, 'replaced')}.`);
  files.remove(files.store);
  // What was staged before would take the place of this one.
  files.remove(files.incoming);
  renameSync(copy, files.store);
  files.sync();
}

/** Makes a closed store ready to be the broker's. */
function finish(files: StoreFiles, copy: string): void {
  requireAlone(copy);
  chmodSync(copy, 0o600);
  syncFile(copy);
  giveToOwner(copy, files.folder);
}
