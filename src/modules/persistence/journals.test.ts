/** The suite of the port, for each of its implementations. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FakeClock } from '../../../test/fixtures/fake-clock.ts';
import { FakeTurn } from '../../../test/fixtures/fake-turn.ts';
import { HeldStore } from '../../../test/fixtures/held-store.ts';
import { type JournalUnderTest, journalSuite } from '../../../test/fixtures/journal-suite.ts';
import { MemoryLog } from '../../../test/fixtures/memory-log.ts';
import { systemClock } from '../../transport/node/node-clock.ts';
import { createImmediateTurn } from '../../transport/node/node-turn.ts';
import { NAMES, OPTIONS } from './journal-scene.fixture.ts';
import { createMemoryJournal } from './memory-journal.ts';
import { StoreServer } from './store/store-server.ts';
import { type DurabilityMode, LATER_MS, openStoreJournal } from './store-journal.ts';
import { createThreadPort } from './store-port.ts';

async function openMemory(): Promise<JournalUnderTest> {
  const journal = createMemoryJournal();
  return { journal, settle: () => Promise.resolve(), end: () => journal.close() };
}

function makeFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'journal-'));
}

/** The store in the same thread: time and turns are the test's. */
async function openInProcess(mode: DurabilityMode): Promise<JournalUnderTest> {
  const folder = await makeFolder();
  const clock = new FakeClock();
  const turn = new FakeTurn();
  const after = (ms: number, run: () => void): void => void clock.after(ms, run);
  const port = new HeldStore({ side: (post) => new StoreServer((message) => post(message), after) });
  const options = { ...OPTIONS, folder };
  const opening = openStoreJournal({ clock, turn, log: new MemoryLog(), mode, port, options, names: NAMES });
  port.release();
  const journal = await opening;
  const settle = async (): Promise<void> => {
    for (let round = 0; round < 3; round += 1) {
      turn.end();
      port.release();
      clock.advance(LATER_MS);
    }
  };
  const end = async (): Promise<void> => {
    const closing = journal.close();
    port.release();
    await closing;
    await rm(folder, { recursive: true });
  };
  return { journal, settle, end };
}

async function openInThread(): Promise<JournalUnderTest> {
  const folder = await makeFolder();
  const port = createThreadPort(join(import.meta.dirname, 'store', 'store-thread.ts'));
  const journal = await openStoreJournal({
    clock: systemClock,
    turn: createImmediateTurn(),
    log: new MemoryLog(),
    mode: { kind: 'strict' },
    port,
    options: { ...OPTIONS, folder },
    names: NAMES,
  });
  const settle = async (): Promise<void> => void (await journal.save());
  const end = async (): Promise<void> => {
    await journal.close();
    await rm(folder, { recursive: true });
  };
  return { journal, settle, end };
}

journalSuite('memory', openMemory);
journalSuite('SQLite, strict', () => openInProcess({ kind: 'strict' }));
journalSuite('SQLite, relaxed', () => openInProcess({ kind: 'relaxed', windowMs: 100, changesMax: 50 }));
journalSuite('SQLite in its thread', openInThread);
