import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import type { FromStore, ToStore } from '../thread-messages.ts';
import { bytes, linesOf, opsOf, optionsFor, row, withFolder } from './store.fixture.ts';
import { Store } from './store.ts';
import { openDatabase } from './store-database.ts';
import { StoreServer } from './store-server.ts';

/** A server with its answers and timers in the hand of the test. */
class House {
  readonly answers: FromStore[] = [];
  readonly #timers: { readonly ms: number; readonly run: () => void }[] = [];
  readonly #server: StoreServer;

  constructor() {
    this.#server = new StoreServer(
      (message, transfer) => this.answers.push(structuredClone(message, { transfer })),
      (ms, run) => this.#timers.push({ ms, run }),
    );
  }

  /** @returns what was answered at once. */
  tell(message: ToStore): readonly FromStore[] {
    const before = this.answers.length;
    this.#server.handle(message);
    return this.answers.slice(before);
  }

  /** Runs the timers that are due. @returns what was answered, and after how long. */
  wait(): { readonly ms: readonly number[]; readonly answers: readonly FromStore[] } {
    const before = this.answers.length;
    const due = this.#timers.splice(0);
    for (const timer of due) timer.run();
    return { ms: due.map(({ ms }) => ms), answers: this.answers.slice(before) };
  }

  open(folder: string, isDamageRefused = false): readonly FromStore[] {
    return this.tell({ kind: 'open', options: optionsFor(folder, { isDamageRefused }) });
  }

  /** All lines of a load. */
  load(): string[] {
    const lines: string[] = [];
    let answers = this.tell({ kind: 'load', headMax: 10 });
    for (let answer = answers[0]; answer?.kind === 'loaded'; answer = answers[0]) {
      lines.push(...linesOf(answer.ops));
      answers = this.tell({ kind: 'more' });
    }
    assert.equal(answers[0]?.kind, 'load-ended');
    return lines;
  }
}

function commit(write: Parameters<typeof opsOf>[0]): ToStore {
  return { kind: 'commit', ops: opsOf(write) };
}

function kinds(answers: readonly FromStore[]): string[] {
  return answers.map(({ kind }) => kind);
}

/** A lock in the way of every commit, as a full disk would be. */
function blockWrites(folder: string): () => void {
  const database = openDatabase(join(folder, 'zanzara.db'));
  database.exec('BEGIN IMMEDIATE');
  return () => database.close();
}

test('server: opens, loads, commits, reads, tidies, closes', () => {
  withFolder((folder) => {
    const house = new House();
    assert.deepEqual(kinds(house.open(folder)), ['opened']);
    assert.deepEqual(house.load(), []);
    const [committed] = house.tell(commit((w) => w.queued(row(1, 1), bytes('m'))));
    assert.ok(committed?.kind === 'committed');
    assert.ok(committed.room.byteLength > 1000, 'the buffer comes back');
    assert.ok(committed.tookMs > 0 && committed.fileBytes > 0 && committed.logBytes > 0);
    const [read] = house.tell({ kind: 'read', id: 7, session: 1, after: 0, limit: 5 });
    assert.ok(read?.kind === 'read' && read.id === 7 && read.lost === 0);
    assert.deepEqual(linesOf(read.ops), ['queued 1 1 queued 0 1 m']);
    assert.deepEqual(house.tell({ kind: 'tidy' }), [{ kind: 'tidied', fault: null }]);
    assert.deepEqual(house.tell({ kind: 'close' }), [{ kind: 'closed' }]);
  });
});

test('server: a load comes in chunks, each after it was asked for', () => {
  withFolder((folder) => {
    const house = new House();
    house.open(folder);
    const body = new Uint8Array(50_000);
    house.tell(commit((w) => [...'abcdefghijklmnop'].map((topic) => w.retained(bytes(topic), body))));
    house.tell({ kind: 'close' });
    house.open(folder);
    assert.deepEqual(kinds(house.tell({ kind: 'load', headMax: 1 })), ['loaded']);
    const seen = [];
    while (seen.at(-1) !== 'load-ended') seen.push(...kinds(house.tell({ kind: 'more' })));
    assert.ok(seen.length > 2);
    assert.deepEqual(house.answers.at(-1), {
      kind: 'load-ended',
      counts: { sessions: 0, subscriptions: 0, rows: 0, retained: 16, wills: 0 },
    });
    house.tell({ kind: 'close' });
  });
});

test('server: a folder that is in use', () => {
  withFolder((folder) => {
    const first = new House();
    first.open(folder);
    const second = new House();
    const [answer] = second.open(folder);
    assert.ok(answer?.kind === 'open-failed');
    assert.match(answer.lines.join(' '), /Another broker/);
    assert.deepEqual(kinds(second.tell({ kind: 'load', headMax: 1 })), ['load-failed']);
    assert.deepEqual(kinds(second.tell({ kind: 'close' })), ['closed']);
    first.tell({ kind: 'close' });
  });
});

/** Damages a row behind the back of SQLite's own checks. */
function damageRow(folder: string): void {
  const house = new House();
  house.open(folder);
  house.tell(commit((w) => w.retained(bytes('topic'), bytes('right'))));
  house.tell(commit((w) => w.retained(bytes('sound'), bytes('right'))));
  house.tell({ kind: 'close' });
  const database = openDatabase(join(folder, 'zanzara.db'));
  database.exec("UPDATE retained SET body = CAST('wrong' AS BLOB) WHERE topic = CAST('topic' AS BLOB)");
  database.close();
}

test('server: a damaged row ends the load; the store that is opened then has all but that', () => {
  withFolder((folder) => {
    damageRow(folder);
    const house = new House();
    assert.deepEqual(kinds(house.open(folder)), ['opened']);
    const [answer] = house.tell({ kind: 'load', headMax: 10 });
    assert.ok(answer?.kind === 'load-failed' && answer.isRenewed);
    assert.match(
      answer.lines.join(' '),
      /checksum of a retained message is wrong\. It was set aside.* 1 retained messages\./,
    );
    assert.deepEqual(house.tell({ kind: 'close' }), [{ kind: 'closed' }]);
    const [opened] = house.open(folder);
    assert.ok(opened?.kind === 'opened' && opened.opened.notes.length === 0);
    assert.deepEqual(house.load(), ['retained sound right']);
    house.tell({ kind: 'close' });
  });
});

test('server: where no new store can be made of a damaged one, it stays as it is until one can', () => {
  withFolder((folder) => {
    damageRow(folder);
    const house = new House();
    house.open(folder);
    // What stands in the way of a new file.
    const inTheWay = join(folder, 'zanzara.db.making-journal');
    mkdirSync(inTheWay);
    const [answer] = house.tell({ kind: 'load', headMax: 10 });
    assert.ok(answer?.kind === 'load-failed' && !answer.isRenewed);
    assert.match(answer.lines.join(' '), /wrong\), and no new one can be made .* The file was left as it is/);
    rmdirSync(inTheWay);
    house.open(folder);
    const [again] = house.tell({ kind: 'load', headMax: 10 });
    assert.ok(again?.kind === 'load-failed' && again.isRenewed);
    house.open(folder);
    assert.deepEqual(house.load(), ['retained sound right']);
    house.tell({ kind: 'close' });
  });
});

/** Runs statements as one who knows what they do to the tables of SQLite's own. */
function change(folder: string, ...statements: readonly string[]): void {
  const database = new DatabaseSync(join(folder, 'zanzara.db'), { defensive: false });
  database.exec('PRAGMA writable_schema = ON');
  for (const sql of statements) database.exec(sql);
  database.close();
}

/** Puts a row into the queue of session 1 that is missing in the index. */
function spoilIndex(folder: string): void {
  const database = openDatabase(join(folder, 'zanzara.db'));
  const index = database.prepare("SELECT rootpage, sql FROM sqlite_schema WHERE name = 'queue_message'").get();
  database.close();
  assert.ok(index !== undefined);
  change(folder, "DELETE FROM sqlite_schema WHERE name = 'queue_message'");
  change(folder, "INSERT INTO queue VALUES (1, 1, 4099, 1, 1, x'00', 0)");
  change(
    folder,
    `INSERT INTO sqlite_schema VALUES ('index', 'queue_message', 'queue', ${index.rootpage}, '${index.sql}')`,
  );
}

test('server: a commit that a damaged index stops is made after the index was made anew', () => {
  withFolder((folder) => {
    const house = new House();
    house.open(folder);
    house.load();
    house.tell(commit((w) => w.session(1, bytes('s'))));
    spoilIndex(folder);
    assert.deepEqual(kinds(house.tell(commit((w) => w.done(1, 1)))), ['committed']);
    house.tell({ kind: 'close' });
    const [opened] = house.open(folder);
    assert.ok(opened?.kind === 'opened' && opened.opened.notes.length === 0, 'the index is as it must be');
    house.tell({ kind: 'close' });
  });
});

test('server: an index that is damaged is found at the start', () => {
  withFolder((folder) => {
    const house = new House();
    const { store } = Store.open(optionsFor(folder));
    store.apply(opsOf((w) => w.session(1, bytes('s'))));
    store.close();
    spoilIndex(folder);
    const [opened] = house.open(folder);
    assert.ok(opened?.kind === 'opened');
    assert.match(opened.opened.notes[0]?.text ?? '', /missing from index queue_message\. It was set aside/);
    assert.deepEqual(house.load(), ['session 1 s']);
    house.tell({ kind: 'close' });
  });
});

test('server: damage found by loading stays with --refuse-damaged', () => {
  withFolder((folder) => {
    damageRow(folder);
    for (let count = 0; count < 2; count += 1) {
      const house = new House();
      assert.deepEqual(kinds(house.open(folder, true)), ['opened']);
      const [answer] = house.tell({ kind: 'load', headMax: 10 });
      assert.ok(answer?.kind === 'load-failed' && !answer.isRenewed);
      house.tell({ kind: 'close' });
    }
  });
});

test('server: a commit that fails is said once, tried again each second, and nothing overtakes it', () => {
  withFolder((folder) => {
    const house = new House();
    house.open(folder);
    house.load();
    const unblock = blockWrites(folder);
    const answers = house.tell(commit((w) => w.queued(row(1, 1), bytes('first'))));
    assert.deepEqual(answers, [{ kind: 'failing', reason: 'another program holds a lock on the file (SQLite 5)' }]);
    assert.deepEqual(house.tell(commit((w) => w.done(1, 1))), []);
    assert.deepEqual(house.tell(commit((w) => w.queued(row(1, 2), bytes('second')))), []);
    assert.deepEqual(kinds(house.tell({ kind: 'read', id: 1, session: 1, after: 0, limit: 1 })), ['read-failed']);
    assert.deepEqual(kinds(house.tell({ kind: 'tidy' })), ['tidied']);
    assert.deepEqual(house.wait(), { ms: [1000], answers: [] }, 'the same reason is not said again');
    unblock();
    const { ms, answers: mended } = house.wait();
    assert.deepEqual([ms, kinds(mended)], [[1000], ['committed', 'committed', 'committed']]);
    assert.deepEqual(house.wait().ms, []);
    const [read] = house.tell({ kind: 'read', id: 2, session: 1, after: 0, limit: 5 });
    assert.deepEqual(read?.kind === 'read' ? linesOf(read.ops) : [], ['queued 1 2 queued 0 1 second']);
    house.tell({ kind: 'close' });
  });
});

test('server: closing gives up a commit that fails', () => {
  withFolder((folder) => {
    const house = new House();
    house.open(folder);
    const unblock = blockWrites(folder);
    house.tell(commit((w) => w.session(1, bytes('s'))));
    assert.deepEqual(kinds(house.tell({ kind: 'close' })), ['closed']);
    unblock();
    assert.deepEqual(house.wait().answers, []);
    house.open(folder);
    assert.deepEqual(house.load(), []);
    house.tell({ kind: 'close' });
  });
});

test('server: closing tries what waits once more, in order', () => {
  withFolder((folder) => {
    const house = new House();
    house.open(folder);
    const unblock = blockWrites(folder);
    house.tell(commit((w) => w.session(1, bytes('s'))));
    house.tell(commit((w) => w.session(1, bytes('t'))));
    unblock();
    assert.deepEqual(kinds(house.tell({ kind: 'close' })), ['committed', 'committed', 'closed']);
    house.open(folder);
    assert.deepEqual(house.load(), ['session 1 t']);
    house.tell({ kind: 'close' });
  });
});

test('server: what ended sessions have left is purged when there is time, and waits while a commit fails', () => {
  withFolder((folder) => {
    const house = new House();
    house.open(folder);
    house.tell(
      commit((w) => {
        w.session(1, bytes('s'));
        for (let position = 1; position <= 2500; position += 1) w.queued(row(1, position), bytes('m'));
      }),
    );
    house.tell(commit((w) => w.sessionRemoved(1)));
    const unblock = blockWrites(folder);
    house.tell(commit((w) => w.session(2, bytes('t'))));
    house.wait();
    unblock();
    let rounds = 0;
    while (house.wait().ms.length > 0) {
      rounds += 1;
      assert.ok(rounds < 20, 'it ends');
    }
    const [read] = house.tell({ kind: 'read', id: 2, session: 1, after: 0, limit: 5 });
    assert.deepEqual(read?.kind === 'read' ? linesOf(read.ops) : ['?'], []);
    house.tell({ kind: 'close' });
    house.open(folder);
    assert.deepEqual(house.load(), ['session 2 t']);
    house.tell({ kind: 'close' });
  });
});

test('server: a foreign file is told with the opening', () => {
  withFolder((folder) => {
    writeFileSync(join(folder, 'zanzara.db'), 'a text');
    const house = new House();
    const [answer] = house.open(folder);
    assert.ok(answer?.kind === 'opened');
    assert.match(answer.opened.notes[0]?.text ?? '', /it is not a database/);
    house.tell({ kind: 'close' });
  });
});

test('the thread of the store answers in order and moves buffers', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'zanzara-thread-'));
  const worker = new Worker(new URL('./store-thread.ts', import.meta.url));
  const closed = new Promise<string[]>((resolve) => {
    const seen: string[] = [];
    worker.on('message', ({ kind }: FromStore) => {
      seen.push(kind);
      if (kind === 'closed') resolve(seen);
    });
  });
  try {
    const ops = opsOf((w) => w.session(1, bytes('s')));
    const messages: ToStore[] = [
      { kind: 'open', options: optionsFor(folder) },
      { kind: 'commit', ops },
      { kind: 'close' },
    ];
    for (const message of messages) worker.postMessage(message, message.kind === 'commit' ? [message.ops.buffer] : []);
    assert.equal(ops.length, 0, "the bytes are the other side's now");
    assert.deepEqual(await closed, ['opened', 'committed', 'closed']);
  } finally {
    await worker.terminate();
    rmSync(folder, { recursive: true, force: true });
  }
});
