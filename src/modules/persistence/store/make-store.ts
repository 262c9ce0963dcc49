/** Making a store's file, whole before it gets its name, and putting one in the place of a store that is damaged. */
import type { DatabaseSync } from 'node:sqlite';
import { countWords, type Rebuilt, rebuildStore } from './rebuild-store.ts';
import { initialise, openDatabase } from './store-database.ts';
import { faultText } from './store-faults.ts';
import { type StoreFiles, syncFile } from './store-files.ts';

/** Makes a store at `path` of what `fill` puts into it, closes it, and makes it safe. Nothing is left of it when that fails. */
export function makeStore<T>(files: StoreFiles, path: string, fill: (database: DatabaseSync) => T): T {
  files.remove(path);
  files.makeEmpty(path);
  const database = openDatabase(path);
  try {
    initialise(database);
    const result = fill(database);
    database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    database.close();
    syncFile(path);
    return result;
  } catch (error) {
    if (database.isOpen) database.close();
    files.remove(path);
    throw error;
  }
}

/**
 * Sets the store aside whole and puts a new one in its place, made of all that is sound in it. The new one is whole before
 * anything is moved: whenever it ends, the next start finds the one or the other. Closes `database`, the damaged store.
 * @returns what is to be said in the log. @throws when there is no room for it, or the disk fails; all is as it was then
 */
export function replaceDamaged(files: StoreFiles, database: DatabaseSync, reason: string): readonly string[] {
  const rebuilt = makeStore(files, files.making, (into) => rebuildStore(database, into));
  // Moved before it is closed: SQLite writes nothing more to a file that has moved.
  const moved = files.moveAway(files.store, 'damaged', true);
  database.close();
  return rebuiltLines(files.store, reason, moved, rebuilt);
}

/** What is said of a store whose clocks are not known. */
export const TIME_LOST = 'It is not known when it was last in use: what expires does so later than it should.';

/** What is said of a damaged store that `replaceDamaged` could not replace. */
export function cannotReplaceLines(store: string, reason: string, error: unknown): readonly string[] {
  return [
    `Error: The store ${store} is damaged (${reason}), and no new one can be made of what is sound in it: ${faultText(error)}.`,
    'Error: The file was left as it is. Mend the cause, such as a full disk, and start the broker again.',
  ];
}

function rebuiltLines(store: string, reason: string, moved: string, rebuilt: Rebuilt): readonly string[] {
  const { counts, lostWords, unreadWords, isTimeLost } = rebuilt;
  const lost = lostWords === '' ? '' : ` Left out, for their bytes are damaged: ${lostWords}.`;
  const unread =
    unreadWords === '' ? '' : ` Parts of it cannot be read. Nobody knows how much is missing of: ${unreadWords}.`;
  const time = isTimeLost ? ` ${TIME_LOST}` : '';
  return [
    `Error: The store ${store} is damaged: ${reason}. It was set aside as ${moved}, and a new one made of what is sound in it.`,
    `Error: Taken over: ${countWords(counts)}.${lost}${unread}${lost + unread === '' ? ' Nothing was left out.' : ''}${time}`,
    'Error: A disk or memory that fails is a likely cause. To use a backup instead, stop the broker and run zanzara restore. ' +
      '--refuse-damaged ends the start in such a case.',
  ];
}
