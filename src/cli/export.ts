/** `zanzara export`: a mosquitto.db of what a store holds, to go back to Mosquitto with. */
import { RIGHTS_USAGE, runStoreCommand, type StoreCommand } from './backup-tool.ts';
import type { ToolIo } from './tool-io.ts';

const COMMAND: StoreCommand = {
  name: 'export',
  operands: ['FOLDER', 'FILE'],
  options: ['--force'],
  usage: `Usage: zanzara export [--force] FOLDER FILE

Writes what the data folder FOLDER of a broker holds to FILE as a mosquitto.db (format 6), which Mosquitto 2.0 and 2.1
read: sessions, subscriptions, messages queued and in flight, retained messages. The broker may be running; what comes
after the export is not in it, so stop the broker first when you move.

Not in it, because the format has no place for them: wills, and the packet ids of QoS 2 messages that have come in and
wait for PUBREL. Such a message was handed on already; should its sender send it again, Mosquitto hands it on again.

     --force              Replace FILE when it is there.
 -h, --help               Show this help.

To use it: stop Mosquitto, put FILE at its persistence_location as mosquitto.db, give it to the user that Mosquitto
runs as (chown mosquitto: FILE), and start it with 'persistence true'.
${RIGHTS_USAGE}
Exit codes: 0 done, 1 it could not be done and FILE is as it was, 3 the arguments cannot be used.
`,
};

/** Runs `zanzara export`. @returns the exit code */
export async function runExport(argv: readonly string[], io: Pick<ToolIo, 'stdout' | 'stderr'>): Promise<number> {
  return await runStoreCommand(COMMAND, argv, io, async ({ first, second, options }, tools, say) => {
    await tools.exportStore({ folder: first, file: second, isForced: options.has('--force') }, say);
  });
}
