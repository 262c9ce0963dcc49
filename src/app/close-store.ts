/** The end of the store, which may be on a disk that is slow, or that does not answer any more. */
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { StoreJournal } from '../modules/persistence/index.ts';
import { settledWithin } from './settled-within.ts';

/** Milliseconds until everything is to be saved; the journal then has ten seconds more to close. */
export const SAVE_MS_MAX = 40_000;

export interface ThreadParts {
  readonly clock: Clock;
  readonly log: Log;
  /** `end` resolves when the thread has ended; it may be called again. */
  readonly port: { end(): Promise<void> };
  readonly folder: string;
  /** Told when the thread does not end: `process.exit` would wait for it. */
  readonly onThreadHangs?: (() => void) | undefined;
}

export interface StoreEndParts extends ThreadParts {
  readonly journal: Pick<StoreJournal, 'save' | 'close'>;
}

/** Saves everything, closes the store and ends its thread, all within a minute. */
export async function closeStore({ journal, ...parts }: StoreEndParts): Promise<void> {
  // Closing alone has less patience: what `relaxed` has acknowledged is to reach a slow disk, too.
  await settledWithin(journal.save(), parts.clock, SAVE_MS_MAX);
  await journal.close();
  await endThread(parts, 0);
}

/** Ends the thread, and says so when it has not ended after `waitMs` milliseconds. */
export async function endThread({ clock, log, port, folder, onThreadHangs }: ThreadParts, waitMs: number) {
  if (await settledWithin(port.end(), clock, waitMs)) return;
  log.write('notice', `The thread of the store is still busy with the files in ${folder}: it is not waited for.`);
  onThreadHangs?.();
}
