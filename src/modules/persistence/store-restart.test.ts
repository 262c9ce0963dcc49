/** The journal and the real store together, over restarts: in order, or killed at any commit. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { FakeClock } from '../../../test/fixtures/fake-clock.ts';
import { FakeTurn } from '../../../test/fixtures/fake-turn.ts';
import { HeldStore } from '../../../test/fixtures/held-store.ts';
import { rowFacts } from '../../../test/fixtures/journal-suite.ts';
import { MemoryLog } from '../../../test/fixtures/memory-log.ts';
import type { JournalRecord, StoredRecord } from '../../core/ports.ts';
import { NAMES, OPTIONS } from './journal-scene.fixture.ts';
import { KeyHistory, loadedValues } from './key-history.fixture.ts';
import {
  deliveryOf,
  messageOf,
  payloadOf,
  queuedRecord,
  rowOf,
  sessionRecord,
  subscriptionOf,
  topicOf,
} from './records.fixture.ts';
import { StoreServer } from './store/store-server.ts';
import { LATER_MS, openStoreJournal, type StoreJournal } from './store-journal.ts';

interface Run {
  readonly journal: StoreJournal;
  readonly store: HeldStore;
  readonly clock: FakeClock;
  readonly turn: FakeTurn;
  readonly log: MemoryLog;
  readonly loaded: readonly StoredRecord[];
}

/** Starts on the folder, loads, and answers everything until then. */
async function start(folder: string, clock = new FakeClock(), headMax = 1000): Promise<Run> {
  const turn = new FakeTurn();
  const log = new MemoryLog();
  const after = (ms: number, run: () => void): void => void clock.after(ms, run);
  const store = new HeldStore({ side: (post) => new StoreServer((message) => post(message), after) });
  const options = { ...OPTIONS, folder, wallMs: clock.wallMs() };
  const opening = openStoreJournal({ clock, turn, log, mode: { kind: 'strict' }, port: store, options, names: NAMES });
  store.release();
  const journal = await opening;
  const loaded: StoredRecord[] = [];
  const loading = journal.load(headMax, (record) => loaded.push(record));
  for (let left = 100; journal.counts === null && left > 0; left -= 1) {
    store.release();
    turn.end();
  }
  await loading;
  return { journal, store, clock, turn, log, loaded };
}

async function stop({ journal, store }: Run): Promise<void> {
  const closing = journal.close();
  store.release();
  await closing;
}

async function save({ journal, store }: Run): Promise<void> {
  const saving = journal.save();
  store.release();
  assert.equal(await saving, null);
}

/** The clock of a process that starts `laterMs` after the other one showed this time. */
function nextClock(clock: FakeClock, laterMs = 0): FakeClock {
  const next = new FakeClock();
  next.jumpWall(clock.wallMs() + laterMs - next.wallMs());
  return next;
}

async function inFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'restart-'));
  try {
    await run(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('everything comes back as it was, in the order that is promised', () =>
  inFolder(async (folder) => {
    const first = await start(folder);
    assert.deepEqual(first.loaded, []);
    const { journal } = first;
    const nowMs = first.clock.monotonicMs();
    const subscription = subscriptionOf('$share/g/x/#', { qos: 2, noLocal: true, retainHandling: 2, identifiers: [9] });
    const inFlight = { position: 1, delivery: deliveryOf(messageOf('one', { qos: 2, expiresAtMs: nowMs + 60_000 })) };
    const waiting = { position: 2, delivery: deliveryOf(messageOf('two'), { shared: subscription }) };
    const will = { message: messageOf('will'), delaySeconds: 5, expirySeconds: 7 };
    const retainedMessage = messageOf('kept', { topic: topicOf('r'), retain: true, expiresAtMs: nowMs + 90_000 });
    const owner = { clientId: 'a', userName: 'user', listenerId: 3 };
    const records: JournalRecord[] = [
      { kind: 'session', ...owner, expirySeconds: 100 },
      { kind: 'subscribed', clientId: 'a', subscription },
      { kind: 'received', clientId: 'a', packetId: 500 },
      queuedRecord('a', inFlight),
      { kind: 'sent', clientId: 'a', position: 1, packetId: 65_535 },
      { kind: 'released', clientId: 'a', position: 1 },
      queuedRecord('a', waiting),
      { kind: 'session-offline', clientId: 'a', atMs: nowMs - 250 },
      { kind: 'will', ...owner, will },
      { kind: 'retained', message: retainedMessage, sinceMs: nowMs - 500 },
    ];
    for (const record of records) journal.append(record);
    first.clock.advance(10_000);
    await stop(first);

    const second = await start(folder, nextClock(first.clock, 30_000));
    // Moments of the first run lie this much earlier on the clock of the second.
    const agoMs = nowMs + 40_000 - second.clock.monotonicMs();
    const kinds = second.loaded.map(({ kind }) => kind);
    assert.deepEqual(kinds, ['session', 'subscribed', 'received', 'sent', 'queued', 'tail', 'retained', 'will']);
    const [session, subscribed, received, sent, queued, tail, retained, storedWill] = second.loaded;
    assert.deepEqual(session, { kind: 'session', ...owner, expirySeconds: 100, offlineSinceMs: nowMs - 250 - agoMs });
    const { target, ...options } = subscription;
    assert.ok(target !== undefined);
    assert.deepEqual(subscribed, { kind: 'subscribed', clientId: 'a', subscription: options });
    assert.deepEqual(received, { kind: 'received', clientId: 'a', packetId: 500 });
    assert.ok(sent?.kind === 'sent' && sent.isReleased && sent.packetId === 65_535);
    assert.equal(sent.row.delivery.message.expiresAtMs, nowMs + 60_000 - agoMs);
    assert.ok(queued?.kind === 'queued');
    assert.deepEqual(rowFacts(queued.row), rowFacts(waiting));
    assert.ok(tail?.kind === 'tail' && tail.count === 0 && tail.lastPosition === 2);
    assert.ok(retained?.kind === 'retained' && payloadOf(retained.message) === 'kept');
    assert.equal(retained.sinceMs, nowMs - 500 - agoMs);
    assert.ok(storedWill?.kind === 'will' && payloadOf(storedWill.will.message) === 'will');
    assert.deepEqual([storedWill.will.delaySeconds, storedWill.will.expirySeconds], [5, 7]);
    assert.deepEqual(second.journal.counts, { sessions: 1, subscriptions: 1, rows: 2, retained: 1, wills: 1 });
    await stop(second);
  }));

test('what goes on after a restart concerns the same session, row and packet id', () =>
  inFolder(async (folder) => {
    const first = await start(folder);
    for (const clientId of ['a', 'b']) first.journal.append(sessionRecord(clientId));
    first.journal.append(queuedRecord('b', rowOf(1, 'one', { qos: 2 })));
    first.journal.append(queuedRecord('b', rowOf(2, 'two', { qos: 2 })));
    first.journal.append({ kind: 'sent', clientId: 'b', position: 1, packetId: 42 });
    await save(first);
    first.store.crash();

    const second = await start(folder, nextClock(first.clock));
    second.journal.append({ kind: 'released', clientId: 'b', position: 1 });
    const sentTicket = second.journal.append({ kind: 'sent', clientId: 'b', position: 2, packetId: 43 });
    second.journal.append(sessionRecord('c'));
    second.turn.end();
    assert.deepEqual(second.store.nextCommit(), ['moved 2:1 released 42', 'moved 2:2 sent 43', 'session 3', 'time']);
    second.store.release();
    assert.ok(second.journal.durable > sentTicket);
    await stop(second);

    const third = await start(folder, nextClock(first.clock));
    const flights = third.loaded.filter((record) => record.kind === 'sent');
    assert.deepEqual(
      flights.map(({ packetId, isReleased }) => [packetId, isReleased]),
      [
        [42, true],
        [43, false],
      ],
    );
    await stop(third);
  }));

test('a long queue comes back in parts, in order, whatever is done or added meanwhile', () =>
  inFolder(async (folder) => {
    const first = await start(folder);
    first.journal.append(sessionRecord('a'));
    for (let position = 1; position <= 500; position += 1) {
      first.journal.append(queuedRecord('a', rowOf(position, `m${position}`), position <= 20));
    }
    await stop(first);

    const run = await start(folder, nextClock(first.clock), 10);
    const head = run.loaded.filter((record) => record.kind === 'queued');
    assert.equal(head.length, 10);
    const tail = run.loaded.find((record) => record.kind === 'tail');
    assert.ok(tail !== undefined);
    assert.deepEqual([tail.after, tail.count, tail.lastPosition], [10, 490, 500]);
    run.journal.append(queuedRecord('a', rowOf(501, 'm501'), false));
    const seen: number[] = [];
    for (let after = tail.after; ; ) {
      const reading = run.journal.readQueue('a', after, 64);
      run.turn.end();
      run.store.release();
      const rows = await reading;
      if (rows.length === 0) break;
      for (const { position, delivery } of rows) {
        assert.equal(payloadOf(delivery.message), `m${position}`);
        seen.push(position);
        run.journal.append({ kind: 'done', clientId: 'a', position });
        after = position;
      }
    }
    assert.deepEqual(
      seen,
      Array.from({ length: 491 }, (_, index) => index + 11),
    );
    await stop(run);
  }));

describe('clocks that jump between two runs', () => {
  const YEARS_50_MS = 50 * 365.25 * 24 * 3_600_000;
  for (const [words, wallMs] of [
    ['ahead', YEARS_50_MS],
    ['back', -YEARS_50_MS],
  ] as const) {
    test(`fifty years ${words}: nothing expires early, then time goes on`, () =>
      inFolder(async (folder) => {
        const first = await start(folder);
        const leftMs = 3_600_000;
        first.journal.append(sessionRecord('a'));
        const message = messageOf('m', { expiresAtMs: first.clock.monotonicMs() + leftMs });
        first.journal.append(queuedRecord('a', { position: 1, delivery: deliveryOf(message) }));
        await stop(first);

        const second = await start(folder, nextClock(first.clock, wallMs));
        assert.match(second.log.texts('warning').join(), /clock of this machine is implausible.*none early/);
        assert.equal(expiryLeft(second), leftMs);
        second.clock.advance(600_000);
        // The time server answers.
        second.clock.jumpWall(-wallMs);
        await stop(second);

        const third = await start(folder, nextClock(second.clock, 60_000));
        assert.deepEqual(third.log.texts('warning'), []);
        assert.equal(expiryLeft(third), leftMs - 660_000);
        await stop(third);
      }));
  }

  function expiryLeft({ loaded, clock }: Run): number {
    const row = loaded.find((record) => record.kind === 'queued');
    assert.ok(row !== undefined);
    return row.row.delivery.message.expiresAtMs - clock.monotonicMs();
  }
});

const step = fc.record(
  {
    kind: fc.constantFrom(
      ...([
        'connect',
        'offline',
        'remove',
        'queue',
        'queue',
        'queue',
        'queue-all',
        'sent',
        'sent',
        'released',
      ] as const),
      ...(['done', 'done', 'received', 'received-done', 'retained', 'retained0', 'retained-removed', 'will'] as const),
      ...(['will-removed', 'subscribe', 'unsubscribe', 'turn', 'turn', 'turn', 'commit', 'commit', 'second'] as const),
      ...(['restart', 'crash'] as const),
    ),
    clientId: fc.constantFrom('a', 'b', 'c'),
    choice: fc.nat(3),
  },
  { noNullPrototype: true },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

test('after any run of changes everything is back; after a crash at any commit everything that was acknowledged', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 200, size: 'max' }), (steps) =>
      inFolder(async (folder) => {
        const history = new KeyHistory();
        let run = await start(folder);
        for (const clientId of ['a', 'b', 'c'] as const) take(run, { kind: 'connect', clientId, choice: 0 }, history);
        for (const each of steps) {
          if (each.kind === 'restart') {
            await save(run);
            run.store.crash();
            run = await start(folder, nextClock(run.clock, 5));
            history.checkAll(loadedValues(run.loaded));
          } else if (each.kind === 'crash') {
            run.store.crash();
            const { durable } = run.journal;
            run = await start(folder, nextClock(run.clock, 5));
            history.checkAcknowledged(loadedValues(run.loaded), durable);
          } else take(run, each, history);
        }
        await stop(run);
        run = await start(folder, nextClock(run.clock, 5));
        history.checkAll(loadedValues(run.loaded));
        await stop(run);
      }),
    ),
    { numRuns: 25 },
  );
});

function take({ journal, store, turn, clock }: Run, { kind, clientId, choice }: Step, history: KeyHistory): void {
  if (kind === 'turn') turn.end();
  else if (kind === 'commit') store.release(1);
  else if (kind === 'second') clock.advance(LATER_MS);
  // Others connect again now and then; sessions end rarely, so that something gathers in them.
  if (kind === 'remove' && choice > 0) return;
  for (const record of history.recordsFor(kind, clientId, choice)) history.note(record, journal.append(record));
}
