/** A StoreJournal whose clock, turn and store are the test's. */
import { FakeClock } from '../../../test/fixtures/fake-clock.ts';
import { FakeTurn } from '../../../test/fixtures/fake-turn.ts';
import { HeldStore, type HeldStoreOptions } from '../../../test/fixtures/held-store.ts';
import { MemoryLog } from '../../../test/fixtures/memory-log.ts';
import type { Ticket } from '../../core/ports.ts';
import { queuedRecord, rowOf, sessionRecord } from './records.fixture.ts';
import { type DurabilityMode, openStoreJournal, type StoreJournal } from './store-journal.ts';
import type { StoreOptions } from './thread-messages.ts';

export const OPTIONS: StoreOptions = { folder: 'folder', isDamageRefused: false, mosquittoFile: null, wallMs: 0 };
export const NAMES = {
  nameOf: (id: number) => `port ${id}`,
  idOf: (name: string) => Number(name.slice('port '.length)),
};

export interface JournalScene {
  readonly journal: StoreJournal;
  readonly store: HeldStore;
  readonly clock: FakeClock;
  readonly turn: FakeTurn;
  readonly log: MemoryLog;
  /** What `durable` was at each call of onProgress. */
  readonly told: Ticket[];
}

export interface SceneOptions extends HeldStoreOptions {
  readonly mode?: DurabilityMode;
  readonly clock?: FakeClock;
}

export async function openScene(options: SceneOptions = {}): Promise<JournalScene> {
  const { mode = { kind: 'strict' }, clock = new FakeClock(), ...storeOptions } = options;
  const store = new HeldStore(storeOptions);
  const turn = new FakeTurn();
  const log = new MemoryLog();
  const opening = openStoreJournal({ clock, turn, log, mode, port: store, options: OPTIONS, names: NAMES });
  store.release();
  const journal = await opening;
  const told: Ticket[] = [];
  journal.onProgress = () => void told.push(journal.durable);
  return { journal, store, clock, turn, log, told };
}

/** The same with the session `a`, number 1, already stored, and the clocks. */
export async function openSceneWithSession(options: SceneOptions = {}): Promise<JournalScene> {
  const scene = await openScene(options);
  scene.journal.append(sessionRecord('a'));
  await storeAll(scene);
  scene.store.commits.length = 0;
  scene.told.length = 0;
  return scene;
}

/** Everything that is pending is stored, whatever it waits for. */
export async function storeAll({ journal, store }: JournalScene): Promise<void> {
  const saving = journal.save();
  store.release();
  await saving;
}

/** A row of session `a`. */
export function queue(scene: JournalScene, position: number, qos: 0 | 1 | 2 = 1): Ticket {
  return scene.journal.append(queuedRecord('a', rowOf(position, `m${position}`, { qos })));
}

export function sent(scene: JournalScene, position: number, packetId = position): Ticket {
  return scene.journal.append({ kind: 'sent', clientId: 'a', position, packetId });
}

export function done(scene: JournalScene, position: number): Ticket {
  return scene.journal.append({ kind: 'done', clientId: 'a', position });
}
