/** `zanzara import`: a new store with what a Mosquitto left, made beside and put in place whole. */
import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { importMosquitto } from '../modules/persistence/mosquitto/import-mosquitto.ts';
import { Store } from '../modules/persistence/store/store.ts';
import { STORE_NAME, StoreFiles, sizeOf } from '../modules/persistence/store/store-files.ts';
import type { StoreOpened } from '../modules/persistence/thread-messages.ts';
import {
  giveToOwner,
  openChecked,
  requireAlone,
  requireFile,
  runStoreCommand,
  type StoreCommand,
  StoreToolError,
  tryLock,
  withWorkFolder,
  wordsOf,
} from './backup-tool.ts';
import type { ToolIo } from './tool-io.ts';

const COMMAND: StoreCommand = {
  name: 'import',
  operands: ['FILE', 'FOLDER'],
  options: ['--dry-run', '--force'],
  usage: `Usage: zanzara import [--dry-run] [--force] FILE FOLDER

Makes a store in the data folder FOLDER out of what Mosquitto has kept in FILE: its mosquitto.db (formats 2 to 6, that is
Mosquitto 1.0 to 2.1), or the file of its plugin persist-sqlite. Sessions, subscriptions, messages queued and in flight in
both directions and retained messages are carried over; what cannot be is counted and said. FILE is left as it is. No
broker may run on FOLDER, and Mosquitto should be stopped: only then is everything in FILE.

     --dry-run            Read FILE and say what would be imported; write nothing.
     --force              Replace the store that is in FOLDER; it is kept under another name.
 -h, --help               Show this help.

The broker does the same by itself when it starts with a folder that has no store yet and a mosquitto.db.
Exit codes: 0 done, 1 it could not be done and FOLDER is as it was, 3 the arguments cannot be used.
`,
};

/** Runs `zanzara import`. @returns the exit code */
export async function runImport(argv: readonly string[], io: Pick<ToolIo, 'stdout' | 'stderr'>): Promise<number> {
  return await runStoreCommand(COMMAND, argv, io, async ({ first: file, second: folder, options }, say) => {
    requireFile(file);
    if (options.has('--dry-run')) {
      sayNotes(importMosquitto(file, () => undefined, Date.now()).notes, say);
      say('This was a dry run: nothing was written.');
      return;
    }
    await importInto(file, folder, options.has('--force'), say);
  });
}

async function importInto(file: string, folder: string, isForced: boolean, say: (line: string) => void): Promise<void> {
  const files = new StoreFiles(folder, Date.now());
  files.makeFolder();
  const lock = tryLock(files);
  if (lock === null) throw new StoreToolError(`A broker runs on ${folder}. Stop it first.`);
  try {
    if (sizeOf(files.store) > 0 && !isForced) {
      throw new StoreToolError(
        `${folder} has a store already. --force puts the imported one in its place and keeps it.`,
      );
    }
    await withWorkFolder(folder, (work) => {
      makeStore(file, work, say);
      if (sizeOf(files.store) > 0) say(`The store before is kept as ${files.moveAway(files.store, 'replaced')}.`);
      files.remove(files.store);
      giveToOwner(join(work, STORE_NAME), folder);
      renameSync(join(work, STORE_NAME), files.store);
      files.sync();
    });
    say(`${files.store} is ready: start the broker.`);
  } finally {
    lock.release();
  }
}

/** Makes a store in the empty folder `work`, and reads it back. */
function makeStore(file: string, work: string, say: (line: string) => void): void {
  const options = { folder: work, isDamageRefused: true, mosquittoFile: null, wallMs: Date.now() };
  const { store } = Store.open(options);
  try {
    const { notes } = importMosquitto(file, (ops) => store.apply(ops), options.wallMs);
    sayNotes(notes, say);
  } finally {
    store.close();
  }
  const checked = openChecked(work, 'What was imported');
  checked.store.close();
  requireAlone(join(work, STORE_NAME));
  say(`It was read back: ${wordsOf(checked.counts)}.`);
}

function sayNotes(notes: StoreOpened['notes'], say: (line: string) => void): void {
  for (const { text } of notes) say(text);
}
