/** `zanzara import`: a new store with what a Mosquitto left, made beside and put in place whole. */
import { brokerUser, OWNER_USAGE, RIGHTS_USAGE, runStoreCommand, type StoreCommand } from './backup-tool.ts';
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
${OWNER_USAGE}
${RIGHTS_USAGE}
Exit codes: 0 done, 1 it could not be done and FOLDER is as it was, 3 the arguments cannot be used.
`,
};

/** Runs `zanzara import`. @returns the exit code */
export async function runImport(argv: readonly string[], io: Pick<ToolIo, 'stdout' | 'stderr'>): Promise<number> {
  return await runStoreCommand(COMMAND, argv, io, async ({ first, second, options }, tools, say) => {
    const given = { file: first, folder: second, isForced: options.has('--force'), brokerUser: brokerUser() };
    if (options.has('--dry-run')) await tools.tryImport(given, say);
    else await tools.importStore(given, say);
  });
}
