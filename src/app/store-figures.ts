/** The store's figures as the app shows them. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { StoreFigures } from '../modules/persistence/index.ts';
import { STORE_FILE } from './store-settings.ts';

/** The journal hears of the sizes with its first commit: until then they are looked up. */
export function withSizes(figures: StoreFigures, folder: string): StoreFigures {
  if (figures.commits > 0) return figures;
  const file = join(folder, STORE_FILE);
  return { ...figures, fileBytes: sizeOf(file), logBytes: sizeOf(`${file}-wal`) };
}

/** What a stop waits for when the store is all that is left, and what would be lost without it. */
export function storeWaitWords({ pendingChanges, pendingBytes, windowMs }: StoreFigures): string {
  if (pendingChanges === 0) return 'the store to close its files';
  const acknowledged = windowMs === 0 ? 'none of which was acknowledged' : 'some of which may have been acknowledged';
  return `the store to save ${pendingChanges} changes (about ${pendingBytes} bytes), ${acknowledged}`;
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}
