/**
 * The end of the process without its threads. `process.exit` waits for them, and a thread of the store that hangs in a sync
 * of a dead disk never ends.
 *
 * A signal to itself would do for most; process 1 of a container gets none, so the system is asked to end the process first.
 */
import { loadLibc } from './libc.ts';

/** Ends the process at once with an exit code; where node:ffi cannot be had, as SIGKILL does. */
export function leaveNow(code: number): never {
  // As `process.exit` does: lines of the log that wait are written by those who listen to it.
  process.emit('exit', code);
  try {
    loadLibc().exit(code);
  } catch {
    process.kill(process.pid, 'SIGKILL');
  }
  process.exit(code);
}
