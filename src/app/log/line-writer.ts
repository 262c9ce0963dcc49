/**
 * Writes lines to stdout or stderr and lives with whatever becomes of it. A pipe that nobody reads any more must not end the
 * broker (EPIPE), and one that is read too slowly must not fill its memory: Node keeps what a pipe does not take.
 */
import type { Writable } from 'node:stream';

/** Bytes that may wait to be taken; lines beyond are dropped and counted. */
export const WAITING_BYTES_MAX = 1024 * 1024;

/** Makes the function that writes a line, its end included, to `stream`. */
export function createLineWriter(stream: Writable): (line: string) => void {
  let isGone = false;
  let droppedCount = 0;
  stream.on('error', () => {
    // There is no place left to tell it.
    isGone = true;
  });

  return (line) => {
    if (isGone) return;
    if (stream.writableLength + line.length > WAITING_BYTES_MAX) {
      droppedCount++;
      return;
    }
    if (droppedCount > 0) {
      stream.write(`(${droppedCount} log lines were dropped: they were not read fast enough)\n`);
      droppedCount = 0;
    }
    stream.write(line);
  };
}
