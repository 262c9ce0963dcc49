/** `zanzara restore`: puts a backup in the place of a store, or has a running broker do it at its next start. */
import { chmodSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { STORE_NAME, StoreFiles, sizeOf, syncFile } from '../modules/persistence/store/store-files.ts';
import {
  copyWithLog,
  giveToOwner,
  openChecked,
  requireAlone,
  requireFile,
  requireStore,
  runStoreCommand,
  type StoreCommand,
  tryLock,
  withWorkFolder,
  wordsOf,
} from './backup-tool.ts';
import type { ToolIo } from './tool-io.ts';

const COMMAND: StoreCommand = {
  name: 'restore',
  operands: ['FILE', 'FOLDER'],
  options: [],
  usage: `Usage: zanzara restore FILE FOLDER

Puts FILE, which zanzara backup has written, into the data folder FOLDER of a broker. FILE is read and checked first, and
left as it is. The store that is there is kept under another name. Where a broker runs on FOLDER, it takes the restored
store at its next start; what it stores until then stays in the one that is replaced.

 -h, --help               Show this help.

Exit codes: 0 done, 1 it could not be done and FOLDER is as it was, 3 the arguments cannot be used.
`,
};

/** Runs `zanzara restore`. @returns the exit code */
export async function runRestore(argv: readonly string[], io: Pick<ToolIo, 'stdout' | 'stderr'>): Promise<number> {
  return await runStoreCommand(COMMAND, argv, io, async ({ first: file, second: folder }, say) => {
    requireFile(file);
    requireStore(file);
    const files = new StoreFiles(folder, Date.now());
    files.makeFolder();
    await withWorkFolder(folder, (work) => {
      const copy = join(work, STORE_NAME);
      copyWithLog(file, copy);
      const { store, counts } = openChecked(work, file);
      store.close();
      requireAlone(copy);
      chmodSync(copy, 0o600);
      syncFile(copy);
      giveToOwner(copy, folder);
      say(`${file} is whole: ${wordsOf(counts)}.`);
      putInPlace(files, copy, say);
    });
  });
}

function putInPlace(files: StoreFiles, copy: string, say: (line: string) => void): void {
  const lock = tryLock(files);
  if (lock === null) {
    renameSync(copy, files.incoming);
    files.sync();
    say(
      `A broker runs on ${files.folder}: it takes the store at its next start, and keeps the one it has under another name.`,
    );
    return;
  }
  try {
    if (sizeOf(files.store) > 0) say(`The store before is kept as ${files.moveAway(files.store, 'replaced')}.`);
    files.remove(files.store);
    files.remove(files.incoming);
    renameSync(copy, files.store);
    files.sync();
    say(`${files.store} is restored: start the broker.`);
  } finally {
    lock.release();
  }
}
