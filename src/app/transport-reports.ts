import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { TransportOptions } from '../transport/transport-options.ts';
import { writeDefect } from './defect.ts';

/** While accepting fails, it fails for every client that tries: one line in this many milliseconds. */
const ACCEPT_ERROR_EVERY_MS = 10_000;

/** Brings what the transport has to report into the log. */
export function createTransportReports(log: Log, clock: Clock): TransportOptions {
  let quietUntilMs = -Infinity;
  return {
    onFault: (error) => writeDefect(log, error),
    onAcceptError(error) {
      const now = clock.monotonicMs();
      if (now < quietUntilMs) return;
      quietUntilMs = now + ACCEPT_ERROR_EVERY_MS;
      log.write('error', `Error: Unable to accept a connection: ${error.message}`);
    },
  };
}
