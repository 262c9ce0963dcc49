/**
 * Keeps a second broker off the folder: an exclusive transaction in a tiny database of its own, never ended. The lock is the
 * kernel's, so the death of the process frees it, and nobody has to clear away what is left of one. A file with a process id
 * in it could not tell whether that process still lives, or is another one.
 */
import { DatabaseSync } from 'node:sqlite';
import { faultText, isBusy, isCorrupt, StoreRefusal } from './store-faults.ts';
import { emptyOwn, type StoreFiles } from './store-files.ts';

export interface StoreLock {
  release(): void;
}

/** @throws StoreRefusal when another broker holds it, or it cannot be taken */
export function lockFolder(files: StoreFiles): StoreLock {
  try {
    files.makeEmpty(files.lock);
    return take(files.lock);
  } catch (error) {
    if (isCorrupt(error)) return takeCleared(files);
    throw refusal(files, error);
  }
}

/** The file has no content of its own: whatever is in it came from elsewhere. It is emptied, not replaced, for locks hang on it. */
function takeCleared(files: StoreFiles): StoreLock {
  try {
    emptyOwn(files.lock);
    return take(files.lock);
  } catch (error) {
    throw refusal(files, error);
  }
}

function take(path: string): StoreLock {
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    throw error;
  }
  return { release: () => database.close() };
}

function refusal(files: StoreFiles, error: unknown): StoreRefusal {
  if (isBusy(error)) {
    return new StoreRefusal([
      `Error: Another broker runs on the data folder ${files.folder}.`,
      'Error: Stop it first, or give this one a folder of its own (persistence_location).',
    ]);
  }
  return new StoreRefusal([
    `Error: The data folder ${files.folder} cannot be used: its lock file ${files.lock} cannot be locked: ${faultText(error)}.`,
    'Error: The folder must be one that the user the broker runs as may write to, on a disk that has room and knows locks.',
  ]);
}
