/**
 * The broker with its journal: the store is opened, and what it holds is put back before anybody comes. A store that turns
 * out to be damaged while it is read has been replaced by a sound one then; the broker that was half filled from it is dropped,
 * and another one begins with that.
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
import { closeStore, endThread } from './close-store.ts';
import { StartBrokenOff } from './start-broken-off.ts';
import { StartFailure } from './start-failure.ts';
import { restoredLines, type StoreSettings, storeLine } from './store-settings.ts';
import { PACKAGE_ROOT } from './version.ts';

export interface OpenBrokerParts extends Omit<BrokerParts, 'journal'> {
  /** Null: all state is in memory. */
  readonly store: StoreSettings | null;
  readonly names: { nameOf(listenerId: number): string; idOf(name: string): number };
  /** Resolves when the process is to end: what is being opened then is closed again. Absent: never. */
  readonly stopAsked?: Promise<void> | undefined;
  /** Told when the thread of the store does not end: `process.exit` would wait for it. */
  readonly onThreadHangs?: (() => void) | undefined;
}

/** Milliseconds that a start which is broken off waits for the store's thread, which may be in a long check of the file. */
const BREAK_OFF_MS_MAX = 1000;

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
type ThreadPort = ReturnType<StoreSide['createThreadPort']>;

/** @throws StartFailure when the store cannot be used, StartBrokenOff when `stopAsked` came first */
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
  storeSide: StoreSide,
): Promise<OpenBroker | null> {
  const { clock, log, onThreadHangs } = parts;
  const port = storeSide.createThreadPort(threadFile());
  const journal = await openJournal(parts, store, storeSide, port);
  const broker = createBroker({ ...parts, journal });
  const ending = { clock, log, port, folder: store.folder, onThreadHangs };
  try {
    const begin = await orBrokenOff(broker.restore(), parts);
    log.write('information', storeLine(store));
    for (const line of journal.counts === null ? [] : restoredLines(journal.counts)) log.write('information', line);
    return { broker, journal, begin, close: () => closeStore({ ...ending, journal }) };
  } catch (error) {
    await journal.close();
    await endThread(ending, 0);
    if (!(error instanceof StoreFailure) || !error.isRenewed) throw error;
    for (const line of error.lines) log.write('error', line);
    return null;
  }
}

async function openJournal(
  parts: OpenBrokerParts,
  store: StoreSettings,
  { openStoreJournal }: StoreSide,
  port: ThreadPort,
): Promise<StoreJournal> {
  const { clock, turn, log, names, onThreadHangs } = parts;
  const { folder, mode, mosquittoFile, isDamageRefused } = store;
  const options = { folder, isDamageRefused, mosquittoFile, wallMs: clock.wallMs() };
  try {
    return await orBrokenOff(openStoreJournal({ clock, turn, log, mode, names, port, options }), parts);
  } catch (error) {
    if (error instanceof StartBrokenOff) await endThread({ clock, log, port, folder, onThreadHangs }, BREAK_OFF_MS_MAX);
    throw error;
  }
}

/** @throws StartBrokenOff when the process is to end before `work` has ended; that goes on, and nobody hears of it */
async function orBrokenOff<Result>(work: Promise<Result>, { stopAsked }: OpenBrokerParts): Promise<Result> {
  if (stopAsked === undefined) return await work;
  const brokenOff = stopAsked.then(() => {
    throw new StartBrokenOff();
  });
  return await Promise.race([brokenOff, work]);
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
