import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HeldStore } from '../../../test/fixtures/held-store.ts';
import type { StoredRecord } from '../../core/ports.ts';
import { encodeMessage, encodeRetained, encodeRowShared, encodeSession, keyOf } from './bodies.ts';
import { type JournalScene, NAMES, OPTIONS, openScene, type SceneOptions } from './journal-scene.fixture.ts';
import { type OpWriter, RowState } from './ops.ts';
import { deliveryOf, messageOf, payloadOf } from './records.fixture.ts';
import { StoreFailure } from './store-failure.ts';
import { openStoreJournal } from './store-journal.ts';
import { PROGRESS_MS } from './store-load.ts';

const scale = { ...NAMES, toStored: (ms: number) => ms, fromStored: (ms: number) => ms };
const delivery = deliveryOf(messageOf('m'));

function session(ops: OpWriter, number: number, clientId: string): void {
  const fields = { clientId, userName: null, listenerId: 0, expirySeconds: 60, offlineSinceMs: null };
  ops.session(number, encodeSession(fields, scale));
}

function row(ops: OpWriter, session: number, position: number, message: number): void {
  const place = { session, position, state: RowState.Queued, packetId: 0, payloadBytes: 1 };
  ops.queuedShared(place, message, encodeRowShared(delivery));
}

interface Loading extends JournalScene {
  readonly records: StoredRecord[];
  readonly loading: Promise<void>;
}

async function beginLoading(options: SceneOptions): Promise<Loading> {
  const scene = await openScene(options);
  const records: StoredRecord[] = [];
  const loading = scene.journal.load(10, (record) => records.push(record));
  return { ...scene, records, loading };
}

test('a chunk in each turn; messages are shared across chunks', async () => {
  const { store, turn, records, loading, journal } = await beginLoading({
    chunks: [
      (ops) => {
        session(ops, 1, 'a');
        ops.message(5, encodeMessage(delivery.message, scale));
        row(ops, 1, 1, 5);
      },
      (ops) => {
        row(ops, 1, 2, 5);
        session(ops, 2, 'b');
        row(ops, 2, 1, 5);
      },
    ],
  });
  store.release();
  assert.equal(records.length, 0);
  turn.end();
  assert.deepEqual(
    records.map(({ kind }) => kind),
    ['session', 'queued'],
  );
  assert.deepEqual(
    store.waiting.map(({ kind }) => kind),
    ['more'],
  );
  store.release();
  turn.end();
  store.release();
  assert.equal(journal.counts, null);
  turn.end();
  await loading;
  assert.notEqual(journal.counts, null);
  const messages = records.flatMap((record) => (record.kind === 'queued' ? [record.row.delivery.message] : []));
  assert.equal(new Set(messages).size, 1);
  assert.equal(messages.length, 3);
});

const wrong: readonly { readonly name: string; readonly chunk: (ops: OpWriter) => void; readonly words: RegExp }[] = [
  { name: 'a body that is none', chunk: (ops) => ops.session(1, Uint8Array.of(1, 2)), words: /cannot be understood/ },
  { name: 'a body of a later program', chunk: (ops) => ops.session(1, Uint8Array.of(9)), words: /form is 9/ },
  {
    name: 'a row without its session',
    chunk: (ops) => row(ops, 3, 1, 5),
    words: /session that is not there|message that/,
  },
  {
    name: 'a row without its message',
    chunk: (ops) => {
      session(ops, 1, 'a');
      row(ops, 1, 1, 5);
    },
    words: /message that is not there/,
  },
  {
    name: 'a message in flight without a packet id',
    chunk: (ops) => {
      session(ops, 1, 'a');
      ops.message(5, encodeMessage(delivery.message, scale));
      const place = { session: 1, position: 1, state: RowState.Sent, packetId: 0, payloadBytes: 1 };
      ops.queuedShared(place, 5, encodeRowShared(delivery));
    },
    words: /no packet id/,
  },
];
for (const { name, chunk, words } of wrong) {
  test(`what cannot be understood is a StoreFailure: ${name}`, async () => {
    const { store, turn, loading, journal } = await beginLoading({ chunks: [chunk] });
    const failure = assert.rejects(loading, (error) => {
      assert.ok(error instanceof StoreFailure && !error.isRenewed);
      assert.match(error.lines.join('\n'), words);
      return true;
    });
    store.release();
    turn.end();
    await failure;
    // It is left as it is.
    const closing = journal.close();
    store.release();
    await closing;
    assert.deepEqual(store.commits, []);
  });
}

test('nothing is stored while it is loaded', async () => {
  const { journal, store, turn, clock, loading } = await beginLoading({ chunks: [(ops) => session(ops, 1, 'a')] });
  clock.jumpWall(3_600_000);
  clock.advance(60_000);
  journal.setMode({ kind: 'relaxed', windowMs: 10, changesMax: null });
  assert.equal(await journal.save(), 'the store is being loaded');
  assert.deepEqual(
    store.waiting.map(({ kind }) => kind),
    ['load'],
  );
  for (let step = 0; step < 2; step += 1) {
    store.release();
    turn.end();
  }
  await loading;
  const saving = journal.save();
  store.release();
  assert.equal(await saving, null);
  assert.deepEqual(store.commits, [['time']]);
});

test('an end in the middle of it stores nothing', async () => {
  const { journal, store, loading } = await beginLoading({ chunks: [(ops) => session(ops, 1, 'a')] });
  const failure = assert.rejects(loading, /broken off/);
  const closing = journal.close();
  store.release();
  await closing;
  await failure;
  assert.deepEqual(store.commits, []);
});

test('what the store says of damage is handed on', async () => {
  const { store, loading } = await beginLoading({});
  const failure = assert.rejects(loading, { name: 'StoreFailure', isRenewed: true, lines: ['it is damaged'] });
  store.onMessage({ kind: 'load-failed', lines: ['it is damaged'], isRenewed: true });
  await failure;
});

test('a thread that ends meanwhile is a StoreFailure', async () => {
  const { store, loading } = await beginLoading({});
  const failure = assert.rejects(loading, { name: 'StoreFailure', isRenewed: false, message: /out of memory/ });
  store.die(new Error('out of memory'));
  await failure;
});

test('the log tells how far it is, every two seconds, and nothing when it is fast', async () => {
  const chunk = (ops: OpWriter): void => {
    session(ops, 1, 'a');
    ops.retained(keyOf('r'), encodeRetained(delivery.message, Number.POSITIVE_INFINITY, scale));
  };
  const slow = await beginLoading({ chunks: [chunk, chunk, chunk] });
  for (let step = 0; step < 4; step += 1) {
    slow.store.release();
    slow.clock.advance(PROGRESS_MS / 2);
    slow.turn.end();
  }
  await slow.loading;
  assert.deepEqual(slow.log.texts('information'), [
    'Loading the store, for 2 s now: 2 sessions, 0 messages for them, 2 retained messages so far.',
    'The store is loaded, in 4.0 s.',
  ]);
  const fast = await beginLoading({ chunks: [chunk] });
  for (let step = 0; step < 2; step += 1) {
    fast.store.release();
    fast.turn.end();
  }
  await fast.loading;
  assert.deepEqual(fast.log.texts('information'), []);
  const [first] = fast.records.filter((record) => record.kind === 'retained');
  assert.equal(first === undefined ? null : payloadOf(first.message), 'm');
});

test('a store that cannot be opened is a StoreFailure, and its thread is ended', async () => {
  const { clock, turn, log } = await openScene();
  for (const failed of [true, false]) {
    const port = new HeldStore();
    const mode = { kind: 'strict' } as const;
    const opening = openStoreJournal({ clock, turn, log, mode, port, options: OPTIONS, names: NAMES });
    const failure = assert.rejects(opening, { name: 'StoreFailure', isRenewed: false, message: /it is locked/ });
    if (failed) port.onMessage({ kind: 'open-failed', lines: ['it is locked'] });
    else port.die(new Error('it is locked'));
    await failure;
    assert.ok(port.isEnded);
  }
});

test('what opening has found is said in the log', async () => {
  const { log } = await openScene({ opened: { notes: [{ level: 'notice', text: 'set aside' }] } });
  assert.deepEqual(log.texts('notice'), ['set aside']);
});
