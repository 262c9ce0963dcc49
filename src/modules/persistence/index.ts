export { createMemoryJournal } from './memory-journal.ts';
export { StoreFailure } from './store-failure.ts';
export type { DurabilityMode, StoreFigures, StoreJournal } from './store-journal.ts';
export type { StoreCounts } from './thread-messages.ts';

/** The journal on disk. Its code takes time to load, which a broker without a store need not spend. */
export async function loadStoreJournal() {
  const [{ openStoreJournal }, { createThreadPort }] = await Promise.all([
    import('./store-journal.ts'),
    import('./store-port.ts'),
  ]);
  return { openStoreJournal, createThreadPort };
}

/** The commands that move state in and out. */
export async function loadStoreTools() {
  return await import('./tools/store-tools.ts');
}
