import assert from 'node:assert/strict';
import { renameSync, symlinkSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { type OpWriter, RowState } from '../ops.ts';
import {
  bytes,
  linesOf,
  loadedLines,
  modelOf,
  opsOf,
  optionsFor,
  PlainStore,
  row,
  withFolder,
} from './store.fixture.ts';
import { Store } from './store.ts';
import { openDatabase } from './store-database.ts';
import { StoreDamage } from './store-faults.ts';

type Write = (writer: OpWriter) => void;

function withStore(use: (store: Store, folder: string) => void): void {
  withFolder((folder) => {
    const { store } = Store.open(optionsFor(folder));
    try {
      use(store, folder);
    } finally {
      store.close();
    }
  });
}

const one: Write = (w) => w.session(1, bytes('s'));

/** Title, what is applied, what is loaded with a head of two. */
const CASES: readonly (readonly [string, readonly Write[], readonly string[]])[] = [
  ['nothing', [], []],
  ['a session', [one], ['session 1 s']],
  ['a session put in the place of another', [one, (w) => w.session(1, bytes('t'))], ['session 1 t']],
  ['sessions in order', [(w) => w.session(9, bytes('n')), one], ['session 1 s', 'session 9 n']],
  ['a session removed with all that it had', [full, (w) => w.sessionRemoved(1)], []],
  [
    'a subscription, and another in its place',
    [one, (w) => w.subscribed(1, bytes('a/#'), bytes('x')), (w) => w.subscribed(1, bytes('a/#'), bytes('y'))],
    ['session 1 s', 'subscribed 1 a/# y'],
  ],
  [
    'a subscription ended',
    [one, (w) => w.subscribed(1, bytes('a'), bytes('x')), (w) => w.unsubscribed(1, bytes('a'))],
    ['session 1 s'],
  ],
  [
    'a queue and its tail',
    [one, (w) => queueAll(w, [1, 2, 3, 5], (at) => at * 10)],
    ['session 1 s', 'queued 1 1 queued 0 10 m1', 'queued 1 2 queued 0 20 m2', 'tail 1 2 2 80 5'],
  ],
  [
    'rows in flight come whole, whatever the head',
    [
      one,
      (w) => queueAll(w, [1, 2, 3, 4, 5]),
      (w) => w.moved(1, 1, RowState.Released, 65535),
      (w) => w.moved(1, 2, RowState.Sent, 1),
    ],
    [
      'session 1 s',
      'queued 1 1 released 65535 1 m1',
      'queued 1 2 sent 1 1 m2',
      'queued 1 3 queued 0 1 m3',
      'queued 1 4 queued 0 1 m4',
      'tail 1 4 1 1 5',
    ],
  ],
  [
    'a row done',
    [one, (w) => w.queued(row(1, 7), bytes('m')), (w) => w.queued(row(1, 8), bytes('n')), (w) => w.done(1, 7)],
    ['session 1 s', 'queued 1 8 queued 0 1 n', 'tail 1 8 0 0 8'],
  ],
  ['a row moved that is not there', [one, (w) => w.moved(1, 7, RowState.Sent, 3)], ['session 1 s']],
  [
    'a message that two share, told once',
    [
      (w) => {
        w.session(1, bytes('s'));
        w.session(2, bytes('t'));
        w.message(77, bytes('text'));
        w.queuedShared(row(1, 1), 77, bytes('a'));
        w.queuedShared(row(2, 1), 77, bytes('b'));
      },
    ],
    [
      'session 1 s',
      'message 1 text',
      'queuedShared 1 1 queued 0 1 1 a',
      'tail 1 1 0 0 1',
      'session 2 t',
      'queuedShared 2 1 queued 0 1 1 b',
      'tail 2 1 0 0 1',
    ],
  ],
  [
    'packet ids taken in',
    [one, (w) => w.received(1, 65535), (w) => w.received(1, 2), (w) => w.received(1, 3), (w) => w.receivedDone(1, 2)],
    ['session 1 s', 'received 1 3', 'received 1 65535'],
  ],
  [
    'retained messages',
    [
      (w) => w.retained(bytes('b'), bytes('1')),
      (w) => w.retained(bytes('a'), bytes('2')),
      (w) => w.retained(bytes('b'), bytes('3')),
      (w) => w.retained(bytes('c'), bytes('4')),
      (w) => w.retainedRemoved(bytes('c')),
    ],
    ['retained a 2', 'retained b 3'],
  ],
  [
    'wills',
    [
      (w) => w.will(bytes('c1'), bytes('w')),
      (w) => w.will(bytes('c1'), bytes('v')),
      (w) => w.will(bytes('c2'), bytes('x')),
      (w) => w.willRemoved(bytes('c2')),
    ],
    ['will c1 v'],
  ],
  [
    'empty bodies',
    [(w) => w.retained(bytes('b'), bytes('')), (w) => w.session(4, bytes(''))],
    ['session 4 ', 'retained b '],
  ],
];

/** Rows of session 1. */
function queueAll(
  writer: OpWriter,
  positions: readonly number[],
  bytesAt: (position: number) => number = () => 1,
): void {
  for (const at of positions) writer.queued(row(1, at, { payloadBytes: bytesAt(at) }), bytes(`m${at}`));
}

function full(writer: OpWriter): void {
  writer.session(1, bytes('s'));
  writer.subscribed(1, bytes('a'), bytes('x'));
  writer.received(1, 5);
  writer.message(1, bytes('text'));
  writer.queuedShared(row(1, 1), 1, bytes('a'));
  for (let position = 2; position < 40; position += 1) writer.queued(row(1, position), bytes('m'));
}

for (const [title, writes, expected] of CASES) {
  test(`store: ${title}`, () => {
    withFolder((folder) => {
      const first = Store.open(optionsFor(folder)).store;
      for (const write of writes) first.apply(opsOf(write));
      assert.deepEqual(loadedLines(first, 2), expected);
      first.close();
      const { store, opened } = Store.open(optionsFor(folder));
      assert.equal(opened.isNew, false);
      assert.deepEqual(loadedLines(store, 2), expected, 'after it was opened again');
      store.close();
    });
  });
}

test('store: all operations of a case in one commit, twice, make the same', () => {
  for (const [title, writes, expected] of CASES) {
    withStore((store) => {
      const all = opsOf((writer) => {
        for (const write of writes) write(writer);
      });
      store.apply(all);
      store.apply(all);
      const lines = loadedLines(store, 2).filter((line) => !line.startsWith('message'));
      const wanted = expected.filter((line) => !line.startsWith('message'));
      const withoutNumber = (line: string) => line.replace(/^(queuedShared .*) \d+ (\S+)$/, '$1 $2');
      assert.deepEqual(lines.map(withoutNumber), wanted.map(withoutNumber), title);
    });
  }
});

test('store: the clock and the next session number come with opening', () => {
  withFolder((folder) => {
    const first = Store.open(optionsFor(folder));
    assert.deepEqual([first.opened.isNew, first.opened.time, first.opened.nextSession], [true, null, 1]);
    first.store.apply(opsOf((w) => w.time(1.5, -3e11)));
    first.store.apply(opsOf((w) => w.session(41, bytes('s'))));
    first.store.apply(opsOf((w) => w.sessionRemoved(41)));
    first.store.close();
    const second = Store.open(optionsFor(folder));
    assert.deepEqual(second.opened.time, { storeMs: 1.5, wallMs: -3e11 });
    assert.equal(second.opened.nextSession, 42, 'the number of a session that is still being purged is not given out');
    second.store.close();
  });
});

test('store: a message goes with its last row, whatever ends it', () => {
  withStore((store, folder) => {
    const messages = () => {
      const database = openDatabase(`${folder}/zanzara.db`);
      const count = database.prepare('SELECT count(*) AS count FROM messages').get()?.count;
      database.close();
      return count;
    };
    const share: Write = (w) => {
      w.message(5, bytes('text'));
      for (const session of [1, 2, 3]) w.queuedShared(row(session, 1), 5, bytes('r'));
    };
    store.apply(opsOf(share));
    assert.equal(messages(), 1);
    store.apply(opsOf((w) => w.done(1, 1)));
    assert.equal(messages(), 1, 'two rows need it');
    store.apply(opsOf((w) => w.queued(row(2, 1), bytes('another'))));
    store.apply(opsOf((w) => w.sessionRemoved(3)));
    assert.equal(messages(), 1, 'the row of the session that ended is still there');
    while (store.purge(10));
    assert.equal(messages(), 0);
    store.apply(opsOf(share));
    store.apply(opsOf(share));
    assert.equal(messages(), 1, 'applied twice');
  });
});

test('store: a shared message survives that its first rows end within the same commit', () => {
  withStore((store) => {
    store.apply(
      opsOf((w) => {
        w.session(1, bytes('s'));
        w.message(1, bytes('text'));
        w.queuedShared(row(1, 1), 1, bytes('a'));
        w.done(1, 1);
        w.message(2, bytes('other'));
        w.queuedShared(row(1, 2), 2, bytes('b'));
        w.queuedShared(row(1, 3), 1, bytes('c'));
      }),
    );
    assert.deepEqual(modelOf(store).lines(), [
      'row 1 2 queued 0 1 b of other',
      'row 1 3 queued 0 1 c of text',
      'session 1 s',
    ]);
  });
});

test('store: reading a queue goes on where it ended, and over gaps', () => {
  withStore((store) => {
    store.apply(
      opsOf((w) => {
        w.session(1, bytes('s'));
        w.session(2, bytes('t'));
        for (let position = 1; position <= 100; position += 3) w.queued(row(1, position), bytes(`m${position}`));
        w.queued(row(2, 1), bytes('not mine'));
      }),
    );
    const seen: string[] = [];
    let after = 4;
    for (;;) {
      const { ops, lost } = store.read(1, after, 10);
      assert.equal(lost, 0);
      const lines = linesOf(ops);
      if (lines.length === 0) break;
      assert.ok(lines.length <= 10);
      seen.push(...lines.map((line) => line.split(' ').at(-1) ?? ''));
      after = Number(lines.at(-1)?.split(' ')[2]);
    }
    assert.deepEqual(
      seen,
      Array.from({ length: 32 }, (_, index) => `m${7 + 3 * index}`),
    );
  });
});

test('store: a reading of large messages ends early and can be gone on with', () => {
  withStore((store) => {
    const large = new Uint8Array(3 * 1024 * 1024);
    for (const position of [1, 2, 3, 4]) store.apply(opsOf((w) => w.queued(row(1, position), large)));
    assert.equal(linesOf(store.read(1, 0, 100).ops).length, 3);
    assert.equal(linesOf(store.read(1, 3, 100).ops).length, 1);
  });
});

test('store: damaged rows are left out of a reading and counted', () => {
  withStore((store, folder) => {
    store.apply(opsOf((w) => queueAll(w, [1, 2, 3, 4])));
    store.apply(opsOf((w) => w.message(1, bytes('text'))));
    const database = openDatabase(`${folder}/zanzara.db`);
    database.exec("UPDATE queue SET body = CAST('m9' AS BLOB) WHERE position = 2");
    database.exec('UPDATE queue SET sent = sent + 1 WHERE position = 4');
    database.close();
    const { ops, lost } = store.read(1, 0, 2);
    assert.equal(lost, 1);
    assert.deepEqual(linesOf(ops), ['queued 1 1 queued 0 1 m1', 'queued 1 3 queued 0 1 m3']);
    assert.deepEqual(store.read(1, 3, 2).lost, 1);
    assert.deepEqual(store.read(1, 0, 10).lost, 2, 'nothing is removed by a key that may be damaged');
  });
});

const SPOILT: readonly (readonly [table: string, words: string])[] = [
  ['sessions', '1 sessions, 1 subscriptions, 1 packet ids of QoS 2, 39 queued messages'],
  ['subscriptions', '1 subscriptions'],
  ['received', '1 packet ids of QoS 2'],
  ['messages', '1 queued messages'],
  ['retained', '1 retained messages'],
  ['wills', '1 wills'],
];

test('store: a damaged row of any kind ends a load; the store is replaced by one of all that is sound', () => {
  for (const [table, words] of SPOILT) {
    withFolder((folder) => {
      const { store } = Store.open(optionsFor(folder));
      store.apply(opsOf(full));
      store.apply(opsOf((w) => w.will(bytes('c'), bytes('w'))));
      store.apply(opsOf((w) => w.retained(bytes('t'), bytes('r'))));
      store.apply(opsOf((w) => w.time(3, 4)));
      const database = openDatabase(`${folder}/zanzara.db`);
      database.exec(`UPDATE ${table} SET crc = crc + 1`);
      database.close();
      assert.throws(() => loadedLines(store, 2), StoreDamage);
      const said = store.replace('a reason').join('\n');
      assert.match(said, /is damaged: a reason\. It was set aside as .*\.damaged-\d/);
      assert.ok(said.includes(`Left out, for their bytes are damaged: ${words}.`), said);
      const { store: made, opened } = Store.open(optionsFor(folder));
      assert.deepEqual([opened.notes, opened.time], [[], { storeMs: 3, wallMs: 4 }]);
      const { sessions, subscriptions, rows, retained, wills } = made.counts();
      const counts = `${sessions} sessions, ${subscriptions} subscriptions, ${rows} messages queued or in flight, ${retained} retained messages, ${wills} wills`;
      assert.ok(said.includes(`Taken over: ${counts}.`), said);
      made.load(2);
      made.close();
    });
  }
});

test('store: a number of payload bytes that cannot be ends a load, in a tail too', () => {
  withStore((store, folder) => {
    store.apply(opsOf(full));
    const database = openDatabase(`${folder}/zanzara.db`);
    database.exec('UPDATE queue SET bytes = bytes - 32768 WHERE position = 30');
    database.close();
    assert.throws(() => loadedLines(store, 2), StoreDamage);
  });
});

/** What a flipped bit makes of a key, where the order of all keys is as it must be afterwards. */
const HIDDEN = [
  ['before the first row of its session', 'UPDATE queue SET position = 0 WHERE session = 3 AND position = 1'],
  ['below zero', 'UPDATE queue SET position = -127 WHERE session = 3 AND position = 1'],
  ['in a session that is not there', 'UPDATE queue SET session = 4 WHERE session = 3 AND position = 39'],
  ['in a session below all', 'UPDATE queue SET session = -1 WHERE session = 3 AND position = 1'],
  ['in one that has gone, first', 'UPDATE queue SET session = 7 WHERE session = 3 AND position = 39'],
  ['in one that has gone, last', 'UPDATE queue SET session = 7 WHERE session = 9 AND position = 201'],
  ['among subscriptions of nobody', 'UPDATE subscriptions SET session = 4'],
  ['among packet ids of nobody', 'UPDATE received SET session = 4'],
  ['the mark of one that has gone', 'UPDATE removed SET session = 8'],
] as const;

for (const [title, damage] of HIDDEN) {
  test(`store: a damaged row is not passed over: ${title}`, () => {
    withStore((store, folder) => {
      store.apply(opsOf(full));
      store.apply(opsOf((w) => w.sessionRemoved(1)));
      while (store.purge(1000));
      store.apply(
        opsOf((w) => {
          for (const [session, before] of [
            [3, 0],
            [7, 100],
            [9, 200],
          ] as const) {
            w.session(session, bytes('s'));
            for (let at = 1; at < 40; at += 1) w.queued(row(session, before + at), bytes('m'));
          }
          w.subscribed(3, bytes('a'), bytes('x'));
          w.received(3, 1);
          w.sessionRemoved(7);
        }),
      );
      assert.equal(loadedLines(store, 100).filter((line) => line.startsWith('queued')).length, 78);
      const database = openDatabase(`${folder}/zanzara.db`);
      database.exec(damage);
      database.close();
      assert.throws(() => loadedLines(store, 100), StoreDamage);
    });
  });
}

test('store: a message gets no number that a row still names whose own message is damaged', () => {
  withStore((store, folder) => {
    store.apply(opsOf(full));
    const database = openDatabase(`${folder}/zanzara.db`);
    database.exec('DELETE FROM messages');
    database.close();
    store.apply(
      opsOf((w) => {
        w.session(2, bytes('t'));
        w.message(1, bytes('secret'));
        w.queuedShared(row(2, 1), 1, bytes('a'));
      }),
    );
    assert.equal(store.read(1, 0, 1).lost, 1);
    assert.ok(
      !linesOf(store.read(1, 0, 100).ops)
        .join()
        .includes('secret'),
    );
    assert.deepEqual(linesOf(store.read(2, 0, 1).ops), ['message 2 secret', 'queuedShared 2 1 queued 0 1 2 a']);
  });
});

test('store: sizes are the last known when the system does not tell', () => {
  withFolder((parent) => {
    const folder = `${parent}/data`;
    const { store } = Store.open(optionsFor(folder));
    const sizes = store.sizes();
    renameSync(folder, `${parent}/away`);
    // A link to itself: looking is an error, not an absence.
    symlinkSync(folder, folder);
    assert.deepEqual(store.sizes(), sizes);
    store.close();
  });
});

test('store: operations that are not whole change nothing', () => {
  withStore((store) => {
    const good = opsOf((w) => {
      w.session(1, bytes('s'));
      w.retained(bytes('a'), bytes('long enough to be cut'));
    });
    assert.throws(() => store.apply(good.subarray(0, good.length - 3)), RangeError);
    assert.throws(() => store.apply(Uint8Array.of(99)), TypeError);
    assert.throws(() => store.apply(opsOf((w) => w.queuedShared(row(1, 1), 8, bytes('r')))), TypeError);
    assert.deepEqual(modelOf(store).lines(), []);
    store.apply(good);
    assert.equal(modelOf(store).lines().length, 2);
  });
});

test('store: counts', () => {
  withStore((store) => {
    store.apply(opsOf(full));
    store.apply(opsOf((w) => w.sessionRemoved(1)));
    assert.deepEqual(store.counts(), { sessions: 0, subscriptions: 0, rows: 0, retained: 0, wills: 0 });
    store.apply(
      opsOf((w) => {
        w.session(2, bytes('s'));
        w.subscribed(2, bytes('a'), bytes('x'));
        for (let position = 1; position <= 50; position += 1) w.queued(row(2, position), bytes('m'));
        w.retained(bytes('a'), bytes('x'));
        w.will(bytes('a'), bytes('x'));
      }),
    );
    const expected = { sessions: 1, subscriptions: 1, rows: 50, retained: 1, wills: 1 };
    assert.deepEqual(store.counts(), expected);
    const loading = store.load(10);
    let last = loading.next();
    while (last.done !== true) last = loading.next();
    assert.deepEqual(last.value, expected);
  });
});

test('store: what a session has left is purged in slices, and the purge goes on after a restart', () => {
  withFolder((folder) => {
    let { store } = Store.open(optionsFor(folder));
    store.apply(
      opsOf((w) => {
        for (const session of [1, 2]) {
          w.session(session, bytes('s'));
          for (let position = 1; position <= 100; position += 1) w.queued(row(session, position), bytes('m'));
          w.subscribed(session, bytes('a'), bytes('x'));
          w.received(session, 1);
        }
      }),
    );
    assert.equal(store.hasGarbage, false);
    store.apply(opsOf((w) => w.sessionRemoved(1)));
    assert.equal(store.hasGarbage, true);
    assert.equal(store.purge(30), true);
    store.close();
    ({ store } = Store.open(optionsFor(folder)));
    assert.equal(store.hasGarbage, true);
    assert.equal(store.read(1, 0, 1000).ops.length > 0, true);
    while (store.purge(30));
    assert.equal(store.hasGarbage, false);
    assert.equal(store.read(1, 0, 1000).ops.length, 0);
    assert.equal(modelOf(store).lines().length, 103);
    store.close();
  });
});

test('store: the log is moved into the file when there is much in it, and used anew after tidy', () => {
  withStore((store) => {
    const body = new Uint8Array(100_000);
    let logMax = 0;
    for (let count = 0; count < 600; count += 1) {
      store.apply(opsOf((w) => w.retained(bytes(`t${count % 300}`), body)));
      store.keepUp();
      logMax = Math.max(logMax, store.sizes().logBytes);
    }
    assert.ok(logMax < 20_000_000, `the log had ${logMax} bytes`);
    store.tidy();
    const { fileBytes, logBytes } = store.sizes();
    assert.ok(fileBytes > 30_000_000);
    store.apply(opsOf((w) => w.retained(bytes('t0'), bytes('small'))));
    assert.equal(store.sizes().logBytes, logBytes);
  });
});

// ------------------------------------------------------------------------------------------------ against the model

const sessions = fc.integer({ min: 1, max: 4 });
const positions = fc.integer({ min: 1, max: 12 });
const texts = fc.string({ unit: fc.constantFrom('a', 'b', '/'), maxLength: 3 }).map((value) => bytes(value));
const states = fc.constantFrom(RowState.Queued, RowState.Sent, RowState.Released);
const places = fc.record({
  session: sessions,
  position: positions,
  state: states,
  packetId: fc.integer({ min: 0, max: 0xffff }),
  payloadBytes: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
});

const write: fc.Arbitrary<Write> = fc.oneof(
  fc.tuple(sessions, texts).map(
    ([session, body]): Write =>
      (w) =>
        w.session(session, body),
  ),
  sessions.map(
    (session): Write =>
      (w) =>
        w.sessionRemoved(session),
  ),
  fc.tuple(sessions, texts, texts).map(
    ([session, filter, body]): Write =>
      (w) =>
        w.subscribed(session, filter, body),
  ),
  fc.tuple(sessions, texts).map(
    ([session, filter]): Write =>
      (w) =>
        w.unsubscribed(session, filter),
  ),
  fc.tuple(places, texts).map(
    ([place, body]): Write =>
      (w) =>
        w.queued(place, body),
  ),
  fc.tuple(fc.array(places, { minLength: 1, maxLength: 3 }), texts, texts).map(([all, body, text]): Write => {
    return (w) => {
      w.message(1, text);
      for (const place of all) w.queuedShared(place, 1, body);
    };
  }),
  fc.tuple(places).map(
    ([place]): Write =>
      (w) =>
        w.moved(place.session, place.position, place.state, place.packetId),
  ),
  fc.tuple(sessions, positions).map(
    ([session, position]): Write =>
      (w) =>
        w.done(session, position),
  ),
  fc.tuple(sessions, positions).map(
    ([session, packetId]): Write =>
      (w) =>
        w.received(session, packetId),
  ),
  fc.tuple(sessions, positions).map(
    ([session, packetId]): Write =>
      (w) =>
        w.receivedDone(session, packetId),
  ),
  fc.tuple(texts, texts).map(
    ([topic, body]): Write =>
      (w) =>
        w.retained(topic, body),
  ),
  texts.map(
    (topic): Write =>
      (w) =>
        w.retainedRemoved(topic),
  ),
  fc.tuple(texts, texts).map(
    ([clientId, body]): Write =>
      (w) =>
        w.will(clientId, body),
  ),
  texts.map(
    (clientId): Write =>
      (w) =>
        w.willRemoved(clientId),
  ),
);

test('store: any operations, in any groups, make what plain maps make', () => {
  withFolder((folder) => {
    fc.assert(
      fc.property(fc.array(fc.array(write, { maxLength: 12 }), { maxLength: 8 }), (groups) => {
        let { store } = Store.open(optionsFor(folder));
        const model = new PlainStore();
        // Numbers of sessions are never given out twice; here they are, so what is left of one is purged at once.
        const purgeAll = () => {
          while (store.purge(3));
        };
        for (const group of groups) {
          const ops = opsOf((w) => {
            for (const step of group) step(w);
          });
          store.apply(ops);
          model.apply(ops);
        }
        assert.deepEqual(modelOf(store).lines(), model.lines());
        store.close();
        ({ store } = Store.open(optionsFor(folder)));
        assert.deepEqual(modelOf(store).lines(), model.lines(), 'opened again');
        purgeAll();
        assert.deepEqual(modelOf(store).lines(), model.lines(), 'purged');
        store.apply(opsOf(wipe));
        purgeAll();
        store.close();
      }),
      { numRuns: 60 },
    );
  });
});

/** Takes away what the runs before have left. */
function wipe(writer: OpWriter): void {
  for (const session of [1, 2, 3, 4]) {
    writer.sessionRemoved(session);
    for (let number = 1; number <= 12; number += 1) {
      writer.done(session, number);
      writer.receivedDone(session, number);
    }
    for (const text of everyText()) writer.unsubscribed(session, text);
  }
  for (const text of everyText()) {
    writer.retainedRemoved(text);
    writer.willRemoved(text);
  }
}

function everyText(): Uint8Array[] {
  const letters = ['', 'a', 'b', '/'];
  return letters.flatMap((x) => letters.flatMap((y) => letters.map((z) => bytes(x + y + z))));
}
