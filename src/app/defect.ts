import type { Log } from '../base/log.ts';

/** Logs a broken promise of our own code, with all that a report needs. */
export function writeDefect(log: Log, error: unknown): void {
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  log.write('error', 'Error: This is a defect of Zanzara. Please report it with the lines that follow.');
  for (const line of stack.split('\n')) log.write('error', line);
}
