import type { Destination } from './destination.ts';

/** stdout or stderr, through a line writer. */
export function createStreamDestination(writeLine: (line: string) => void): Destination {
  return {
    takes: () => true,
    write: ({ line }) => writeLine(`${line}\n`),
    close() {},
  };
}
