/** `zanzara backup`: a copy of a store, of a running broker's too, that was read back before it is called one. */
import { RIGHTS_USAGE, runStoreCommand, type StoreCommand } from './backup-tool.ts';
import type { ToolIo } from './tool-io.ts';

const COMMAND: StoreCommand = {
  name: 'backup',
  operands: ['FOLDER', 'FILE'],
  options: ['--force'],
  usage: `Usage: zanzara backup [--force] FOLDER FILE

Writes what the data folder FOLDER of a broker holds to FILE: sessions, subscriptions, queues, retained messages, wills.
The broker may be running: the copy is of one moment, and nobody waits for it. FILE is read back and checked before it
gets its name, and only its owner may read it. For a moment there is room needed for one copy.

     --force              Replace FILE when it is there.
 -h, --help               Show this help.

To use it: zanzara restore FILE FOLDER
${RIGHTS_USAGE}
Exit codes: 0 done, 1 it could not be done and FILE is as it was, 3 the arguments cannot be used.
`,
};

/** Runs `zanzara backup`. @returns the exit code */
export async function runBackup(argv: readonly string[], io: Pick<ToolIo, 'stdout' | 'stderr'>): Promise<number> {
  return await runStoreCommand(COMMAND, argv, io, async ({ first, second, options }, tools, say) => {
    await tools.backupStore({ folder: first, file: second, isForced: options.has('--force') }, say);
  });
}
