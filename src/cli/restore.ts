/** `zanzara restore`: puts a backup in the place of a store, or has a running broker do it at its next start. */
import { brokerUser, OWNER_USAGE, RIGHTS_USAGE, runStoreCommand, type StoreCommand } from './backup-tool.ts';
import type { ToolIo } from './tool-io.ts';

const COMMAND: StoreCommand = {
  name: 'restore',
  operands: ['FILE', 'FOLDER'],
  options: ['--salvage'],
  usage: `Usage: zanzara restore [--salvage] FILE FOLDER

Puts FILE, which zanzara backup has written, into the data folder FOLDER of a broker. FILE is read and checked first, and
left as it is. The store that is there is kept under another name. Where a broker runs on FOLDER, it takes the restored
store at its next start; what it stores until then stays in the one that is replaced.

     --salvage            FILE is damaged, such as zanzara.db.damaged-DATE-TIME: take over what can be read of it, and say what
                          is left out. What the broker has stored since is not in it, but in the store that is replaced.
 -h, --help               Show this help.

${OWNER_USAGE}
${RIGHTS_USAGE}
Exit codes: 0 done, 1 it could not be done and FOLDER is as it was, 3 the arguments cannot be used.
`,
};

/** Runs `zanzara restore`. @returns the exit code */
export async function runRestore(argv: readonly string[], io: Pick<ToolIo, 'stdout' | 'stderr'>): Promise<number> {
  return await runStoreCommand(COMMAND, argv, io, async ({ first, second, options }, tools, say) => {
    const isSalvage = options.has('--salvage');
    await tools.restoreStore({ file: first, folder: second, isForced: true, isSalvage, brokerUser: brokerUser() }, say);
  });
}
