/**
 * The broker with its journal: the store is opened, and what it holds is put back before anybody comes. A store that turns
 * out to be damaged while it is read has been set aside by then; the broker that was half filled from it is dropped, and
 * another one begins with a new store.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Broker, type BrokerParts, createBroker } from '../core/broker.ts';
import {
  createMemoryJournal,
  loadStoreJournal,
  StoreFailure,
  type StoreJournal,
} from '../modules/persistence/index.ts';
import { StartFailure } from './start-failure.ts';
import { restoredLines, type StoreSettings, storeLine } from './store-settings.ts';
import { PACKAGE_ROOT } from './version.ts';

export interface OpenBrokerParts extends Omit<BrokerParts, 'journal'> {
  /** Null: all state is in memory. */
  readonly store: StoreSettings | null;
  readonly names: { nameOf(listenerId: number): string; idOf(name: string): number };
}

export interface OpenBroker {
  readonly broker: Broker;
  /** Null: all state is in memory. */
  readonly journal: StoreJournal | null;
  /** Starts the clocks of what was put back: once the rules are in force. */
  begin(): void;
  /** After the broker has stopped. */
  close(): Promise<void>;
}

type StoreSide = Awaited<ReturnType<typeof loadStoreJournal>>;

/** @throws StartFailure when the store cannot be used */
export async function openBroker(parts: OpenBrokerParts): Promise<OpenBroker> {
  const { store } = parts;
  if (store === null) {
    const journal = createMemoryJournal();
    const broker = createBroker({ ...parts, journal });
    return { broker, journal: null, begin: () => undefined, close: () => journal.close() };
  }
  const storeSide = await loadStoreJournal();
  const open = (): Promise<OpenBroker | null> => openStored(parts, store, storeSide);
  try {
    return (await open()) ?? (await open()) ?? raiseTwice(store);
  } catch (error) {
    throw error instanceof StoreFailure ? new StartFailure(error.message, error.lines) : error;
  }
}

/** @returns null when what was stored is damaged and has been set aside: the next try begins with a new store */
async function openStored(
  parts: OpenBrokerParts,
  store: StoreSettings,
  { openStoreJournal, createThreadPort }: StoreSide,
): Promise<OpenBroker | null> {
  const { clock, turn, log, names } = parts;
  const { folder, mode, mosquittoFile, isDamageRefused } = store;
  const journal = await openStoreJournal({
    clock,
    turn,
    log,
    mode,
    names,
    port: createThreadPort(threadFile()),
    options: { folder, isDamageRefused, mosquittoFile, wallMs: clock.wallMs() },
  });
  const broker = createBroker({ ...parts, journal });
  try {
    const begin = await broker.restore();
    log.write('information', storeLine(store));
    for (const line of journal.counts === null ? [] : restoredLines(journal.counts)) log.write('information', line);
    return { broker, journal, begin, close: () => journal.close() };
  } catch (error) {
    await journal.close();
    if (!(error instanceof StoreFailure) || !error.isSetAside) throw error;
    for (const line of error.lines) log.write('error', line);
    return null;
  }
}

function raiseTwice({ folder }: StoreSettings): never {
  throw new StartFailure('the store is damaged', [
    `Error: The store in ${folder} is damaged, and so was the new one that was begun in its place.`,
    'The disk does not give back what was written to it: look at its health, or choose another with persistence_location.',
  ]);
}

/** The code of the store's thread: bundled beside the program, or the source. */
function threadFile(): string {
  const bundled = join(import.meta.dirname, 'store-thread.cjs');
  return existsSync(bundled) ? bundled : join(PACKAGE_ROOT, 'src/modules/persistence/store/store-thread.ts');
}
