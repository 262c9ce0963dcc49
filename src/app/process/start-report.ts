/**
 * The broker's half of `-d`. bin/zanzara starts Node in the background and reads its stderr through a pipe until one of
 * these lines says how the start went; then nobody reads that pipe any more, and what is written to it is gone, as it is
 * with Mosquitto, which closes it.
 */
import { writeSync } from 'node:fs';
import type { Writable } from 'node:stream';
import type { Environment } from './open-carefully.ts';

/** Set by bin/zanzara; with any value somebody waits for the report. */
export const DAEMON_VARIABLE = 'ZANZARA_DAEMON';

const PREFIX = 'zanzara-start: ';
const STDERR = 2;

export interface StartReport {
  /** True when the process was started by `-d`. */
  readonly isDaemon: boolean;
  /** The broker runs: the command that started it may end, with exit code 0. */
  running(): void;
}

/**
 * To be made before anything else: what ends the process from then on is told with its exit code.
 * @param stderr takes `running` behind all lines before it
 */
export function createStartReport(environment: Environment, stderr: Writable = process.stderr): StartReport {
  if (environment[DAEMON_VARIABLE] === undefined) return { isDaemon: false, running() {} };
  const onExit = (code: number): void => {
    try {
      writeSync(STDERR, `${PREFIX}ended ${code}\n`);
    } catch {
      // Whoever waits sees the pipe end, and takes that for a failure.
    }
  };
  process.once('exit', onExit);
  return {
    isDaemon: true,
    running() {
      process.off('exit', onExit);
      stderr.write(`${PREFIX}running\n`);
    },
  };
}
