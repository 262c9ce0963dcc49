/** The store's log: deleted, emptied, spoilt after it was safe, and all the cases in which that must not be said. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { backup } from 'node:sqlite';
import { test } from 'node:test';
import { cutOffOf, logStateOf } from './log-file.ts';
import { bytes, modelOf, opsOf, optionsFor, withFolder } from './store.fixture.ts';
import { Store } from './store.ts';
import { openDatabase } from './store-database.ts';
import { StoreRefusal } from './store-faults.ts';

const NAME = 'zanzara.db';
const LOG = `${NAME}-wal`;
const KEPT = `${LOG}.damaged-20261124-120000`;
const HEADER_BYTES = 32;
const FRAME_BYTES = 24 + 4096;

/** Where commits end in the log, in bytes, and what the store holds then. */
interface Commit {
  readonly end: number;
  readonly lines: readonly string[];
}

/** Leaves in `folder` what a broker leaves that is killed after `count` commits. */
function crashed(folder: string, count = 3): readonly Commit[] {
  return withFolder((other) => {
    const { store } = Store.open(optionsFor(other));
    const commits: Commit[] = [];
    for (let number = 1; number <= count; number += 1) {
      // Several pages, the next commit's among them.
      store.apply(opsOf((w) => w.retained(bytes(`t${number}`), new Uint8Array(9000).fill(0x61))));
      commits.push({ end: store.sizes().logBytes, lines: modelOf(store).lines() });
    }
    for (const name of [NAME, LOG]) copyFileSync(join(other, name), join(folder, name));
    store.close();
    return commits;
  });
}

/** Opens, gives what it holds and what was said, and leaves it as after a crash. */
function look(folder: string) {
  const { store, opened } = Store.open(optionsFor(folder));
  const lines = modelOf(store).lines();
  store.closeUnchanged();
  return { lines, said: opened.notes.map(({ text }) => text).join('\n') };
}

function refusalOf(folder: string): string {
  try {
    Store.open(optionsFor(folder, { isDamageRefused: true })).store.close();
  } catch (error) {
    if (error instanceof StoreRefusal) return error.lines.join('\n');
    throw error;
  }
  throw new assert.AssertionError({ message: 'it was opened' });
}

function spoil(path: string, at: number): void {
  const file = readFileSync(path);
  file[at] = (file[at] ?? 0) ^ 1;
  writeFileSync(path, file);
}

const FAULTS: readonly (readonly [string, (log: string) => void, RegExp])[] = [
  ['was deleted', (log) => rmSync(log), /zanzara.db-wal is not there/],
  ['was emptied', (log) => truncateSync(log, 0), /zanzara.db-wal is empty/],
  ['has a damaged header', (log) => spoil(log, 17), /zanzara.db-wal is damaged at its beginning/],
  ['is something else', (log) => writeFileSync(log, 'x'.repeat(5000)), /zanzara.db-wal is damaged at its beginning/],
];

for (const [title, damage, reason] of FAULTS) {
  test(`log: one that ${title} is told, once, and the broker goes on`, () => {
    withFolder((folder) => {
      crashed(folder);
      damage(join(folder, LOG));
      const left = existsSync(join(folder, LOG)) ? readFileSync(join(folder, LOG)) : Buffer.alloc(0);
      const before = readFileSync(join(folder, NAME));
      const refused = refusalOf(folder);
      assert.match(refused, reason);
      assert.match(refused, /because of --refuse-damaged/);
      assert.deepEqual(readFileSync(join(folder, NAME)), before);
      // What was empty may have gone.
      if (left.length > 0) assert.deepEqual(readFileSync(join(folder, LOG)), left);
      const { said, lines } = look(folder);
      assert.match(said, /^Error: The store .* may lack its newest changes/);
      assert.match(said, left.length > 0 ? reason : /is not there|is empty/);
      assert.deepEqual(lines, []);
      if (left.length > 0) assert.deepEqual(readFileSync(join(folder, KEPT)), left);
      assert.equal(existsSync(join(folder, KEPT)), left.length > 0);
      assert.equal(look(folder).said, '', 'after another crash nothing is said');
      rmSync(join(folder, LOG));
      assert.match(look(folder).said, /may lack its newest changes/, 'the new log counts as much');
    });
  });
}

test('log: a bit that flips before safe commits is told, and the log is kept', () => {
  withFolder((folder) => {
    const commits = crashed(folder);
    const [first] = commits;
    assert.ok(first !== undefined);
    // In the second of three.
    spoil(join(folder, LOG), first.end + 100);
    const left = readFileSync(join(folder, LOG));
    assert.match(refusalOf(folder), /behind the damage are \d+ pages of 2 groups of changes that were safe/);
    assert.deepEqual(readFileSync(join(folder, LOG)), left);
    const { said, lines } = look(folder);
    assert.match(said, /behind the damage are \d+ pages of 2 groups/);
    assert.ok(said.includes(KEPT));
    assert.deepEqual(lines, first.lines);
    assert.deepEqual(readFileSync(join(folder, KEPT)), left);
    assert.deepEqual(look(folder), { said: '', lines: first.lines }, 'and not again');
  });
});

test('log: wherever a bit flips, it is told when a later commit had begun, and only then', () => {
  withFolder((folder) => {
    const commits = crashed(folder);
    const log = join(folder, LOG);
    const whole = readFileSync(log);
    const ends = [HEADER_BYTES, ...commits.map(({ end }) => end)];
    for (let at = HEADER_BYTES; at < whole.length; at += 509) {
      const spoilt = Buffer.from(whole);
      spoilt[at] = (spoilt[at] ?? 0) ^ 1;
      writeFileSync(log, spoilt);
      const place = ends.findLastIndex((end) => end <= at);
      // The last frame of a transaction says so itself: where that is lost, two of them look like one.
      const isMarkLost = isInHeader(at, commits);
      const taken = ((ends[place] ?? 0) - HEADER_BYTES) / FRAME_BYTES;
      const found = cutOffOf(log, taken) !== null;
      if (!isMarkLost) assert.equal(found, place < commits.length - 1, `a bit at ${at}`);
      if (place === commits.length - 1) assert.equal(found, false, `a bit at ${at}, in the last commit`);
    }
  });
});

function isInHeader(at: number, commits: readonly Commit[]): boolean {
  return commits.some(({ end }) => at >= end - FRAME_BYTES && at < end - 4096);
}

test('log: a torn last commit, cut anywhere or with any frame missing, is no damage', () => {
  withFolder((folder) => {
    const commits = crashed(folder);
    const before = commits.at(-2);
    assert.ok(before !== undefined);
    const [log, file] = [join(folder, LOG), readFileSync(join(folder, NAME))];
    const whole = readFileSync(log);
    for (let start = before.end; start < whole.length; start += FRAME_BYTES) {
      const holed = Buffer.from(whole);
      holed.fill(0, start, start + FRAME_BYTES);
      for (const torn of [holed, whole.subarray(0, start), whole.subarray(0, start + 1000)]) {
        writeFileSync(join(folder, NAME), file);
        writeFileSync(log, torn);
        assert.deepEqual(look(folder), { said: '', lines: before.lines });
      }
    }
  });
});

test('log: what a commit has left that failed and was written over is no damage', () => {
  withFolder((folder) => {
    const commits = crashed(folder);
    const before = commits.at(-2);
    assert.ok(before !== undefined);
    const log = join(folder, LOG);
    const [whole, taken] = [readFileSync(log), (before.end - HEADER_BYTES) / FRAME_BYTES];
    const attempt = Buffer.from(whole.subarray(before.end));
    // As of two attempts, of which the shorter one was the second; then its beginning was written over.
    writeFileSync(log, Buffer.concat([whole.fill(0, before.end, before.end + 24), attempt]));
    assert.equal(cutOffOf(log, taken), null);
  });
});

test('log: frames of an older one behind the newest are no damage', () => {
  withFolder((folder) => {
    const { store } = Store.open(optionsFor(folder));
    const commit = (count: number) => {
      for (let left = count; left > 0; left -= 1) {
        store.apply(opsOf((w) => w.retained(bytes(`t${left}`), new Uint8Array(9000))));
      }
    };
    commit(5);
    store.tidy();
    const { logBytes } = store.sizes();
    commit(1);
    assert.equal(store.sizes().logBytes, logBytes);
    store.closeUnchanged();
    const { said, lines } = look(folder);
    assert.deepEqual([said, lines.length], ['', 5]);
  });
});

test('log: after a stop in order none is missed', () => {
  withFolder((folder) => {
    for (const round of [1, 2]) {
      const { store, opened } = Store.open(optionsFor(folder));
      assert.deepEqual(opened.notes, []);
      store.apply(opsOf((w) => w.session(round, bytes('s'))));
      if (round === 2) store.tidy();
      store.close();
      assert.deepEqual(readdirSync(folder).sort(), [NAME, 'zanzara.lock']);
    }
    assert.equal(look(folder).said, '');
  });
});

test('log: a process that is killed at once after opening leaves one that is missed when it goes', () => {
  withFolder((folder) => {
    const source = `
      import { Store } from '${new URL('./store.ts', import.meta.url).href}';
      Store.open({ folder: ${JSON.stringify(folder)}, isDamageRefused: false, mosquittoFile: null, wallMs: 0 });
      process.kill(process.pid, 'SIGKILL');`;
    const child = spawnSync(process.execPath, ['--input-type=module', '-e', source]);
    assert.equal(child.signal, 'SIGKILL', String(child.stderr));
    assert.equal(logStateOf(join(folder, LOG)), 'readable');
    assert.equal(look(folder).said, '');
    rmSync(join(folder, LOG));
    assert.match(look(folder).said, /is not there/);
  });
});

test('log: a store that is closed while the mark cannot be taken away keeps its log', () => {
  withFolder((folder) => {
    const { store } = Store.open(optionsFor(folder));
    store.apply(opsOf((w) => w.session(1, bytes('s'))));
    const other = openDatabase(join(folder, NAME));
    other.exec("CREATE TRIGGER held BEFORE DELETE ON meta BEGIN SELECT RAISE(ABORT, 'held'); END");
    other.close();
    store.close();
    assert.equal(logStateOf(join(folder, LOG)), 'readable');
  });
});

test('log: what could not be said when the store was opened is said after a commit', () => {
  withFolder((folder) => {
    Store.open(optionsFor(folder)).store.close();
    const other = openDatabase(join(folder, NAME));
    other.exec('BEGIN IMMEDIATE');
    const { store } = Store.open(optionsFor(folder));
    other.exec('ROLLBACK');
    other.close();
    const isMissed = () =>
      withFolder((empty) => {
        copyFileSync(join(folder, NAME), join(empty, NAME));
        return look(empty).said !== '';
      });
    assert.equal(isMissed(), false);
    store.apply(opsOf((w) => w.session(1, bytes('s'))));
    store.keepUp();
    assert.equal(isMissed(), true);
    store.close();
  });
});

test('log: a copy that SQLite makes of a store in use needs none', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'zanzara-store-'));
  try {
    const { store } = Store.open(optionsFor(folder));
    store.apply(opsOf((w) => w.session(1, bytes('s'))));
    const reader = openDatabase(join(folder, NAME));
    const [one, other] = ['one', 'other'].map((name) => join(folder, name));
    assert.ok(one !== undefined && other !== undefined);
    await backup(reader, one);
    reader.prepare('VACUUM INTO ?').run(other);
    reader.close();
    for (const copy of [one, other]) {
      withFolder((empty) => {
        copyFileSync(copy, join(empty, NAME));
        assert.deepEqual(look(empty), { said: '', lines: ['session 1 s'] });
      });
    }
    withFolder((empty) => {
      copyFileSync(join(folder, NAME), join(empty, NAME));
      assert.match(look(empty).said, /is not there.*copied without it/, 'a copy of the file alone does');
    });
    store.close();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('log: a staged restore that was copied without its log is refused', () => {
  withFolder((folder) => {
    const { lines } = crashed(folder)[2] ?? {};
    copyFileSync(join(folder, NAME), join(folder, `${NAME}.incoming`));
    const { said, lines: kept } = look(folder);
    assert.match(said, /The staged restore is not used: it was copied without its log/);
    assert.deepEqual(kept, lines);
  });
});

test('log: a store of an older build, without the mark, is opened without a word', () => {
  withFolder((folder) => {
    Store.open(optionsFor(folder)).store.close();
    const database = openDatabase(join(folder, NAME));
    assert.equal(database.prepare("SELECT count(*) AS count FROM meta WHERE name = 'log'").get()?.count, 0);
    database.close();
    writeFileSync(join(folder, LOG), '');
    assert.equal(look(folder).said, '');
  });
});
