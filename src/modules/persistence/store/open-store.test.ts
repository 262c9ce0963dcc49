import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { MosquittoDbError } from '../mosquitto/mosquitto-source.ts';
import type { StoreOptions } from '../thread-messages.ts';
import type { OpenParts } from './open-store.ts';
import { bytes, modelOf, opsOf, optionsFor, WALL_MS, withFolder } from './store.fixture.ts';
import { Store } from './store.ts';
import { inTransaction, openDatabase, setVersion } from './store-database.ts';
import { StoreRefusal } from './store-faults.ts';

const NAME = 'zanzara.db';
const STAMP = '20261124-120000';

/** Makes a store with one session in it. */
function makeStore(folder: string, body = 's'): void {
  const { store } = Store.open(optionsFor(folder));
  store.apply(opsOf((w) => w.session(1, bytes(body))));
  store.close();
}

function namesIn(folder: string): string[] {
  return readdirSync(folder).sort();
}

/** Opens, gives what it holds and what was said, and closes. */
function look(folder: string, more: Partial<StoreOptions> = {}, parts: OpenParts = {}) {
  const { store, opened } = Store.open(optionsFor(folder, more), parts);
  const lines = modelOf(store).lines();
  store.close();
  return { lines, opened, said: opened.notes.map(({ text }) => text).join('\n') };
}

function refusalOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof StoreRefusal) return error.lines.join('\n');
    throw error;
  }
  throw new assert.AssertionError({ message: 'it was opened' });
}

test('open: a new store is whole, private, and leaves nothing else behind', () => {
  withFolder((parent) => {
    const folder = join(parent, 'a', 'b');
    const { store, opened } = Store.open(optionsFor(folder));
    assert.deepEqual(opened, { isNew: true, notes: [], time: null, nextSession: 1 });
    assert.equal(statSync(folder).mode & 0o777, 0o750);
    store.apply(opsOf((w) => w.session(1, bytes('s'))));
    for (const name of [NAME, `${NAME}-wal`, `${NAME}-shm`, 'zanzara.lock']) {
      assert.equal(statSync(join(folder, name)).mode & 0o777, 0o600, name);
    }
    store.close();
    assert.deepEqual(namesIn(folder), [NAME, 'zanzara.lock']);
  });
});

test('open: a second one on the same folder is refused, until the first has closed', () => {
  withFolder((folder) => {
    const { store } = Store.open(optionsFor(folder));
    const text = refusalOf(() => Store.open(optionsFor(folder)));
    assert.match(text, /Another broker runs on the data folder/);
    assert.ok(text.includes(folder));
    store.close();
    Store.open(optionsFor(folder)).store.close();
  });
});

test('open: the lock holds between processes, and a killed process leaves none', () => {
  withFolder((folder) => {
    const source = `
      import { Store } from '${new URL('./store.ts', import.meta.url).href}';
      const { store } = Store.open({ folder: ${JSON.stringify(folder)}, isDamageRefused: false, mosquittoFile: null, wallMs: 0 });
      store.apply(new Uint8Array(0));
      process.kill(process.pid, 'SIGKILL');`;
    const child = spawnSync(process.execPath, ['--input-type=module', '-e', source]);
    assert.equal(child.signal, 'SIGKILL', String(child.stderr));
    const { store } = Store.open(optionsFor(folder));
    const second = spawnSync(process.execPath, ['--input-type=module', '-e', source], { encoding: 'utf8' });
    assert.equal(second.status, 1);
    assert.match(second.stderr, /Another broker runs/);
    store.close();
  });
});

test('open: what lies in the lock file does not matter', () => {
  withFolder((folder) => {
    writeFileSync(join(folder, 'zanzara.lock'), 'something else, longer than a header of SQLite '.repeat(20));
    makeStore(folder);
    assert.deepEqual(look(folder).lines, ['session 1 s']);
  });
});

/** Title, what is done to a folder with a store in it, what is said; of these nothing can be taken over. */
const DAMAGES: readonly (readonly [string, (file: string) => void, RegExp])[] = [
  ['nothing at all', (file) => truncateSync(file, 0), /it is empty/],
  ['a text', (file) => writeFileSync(file, 'hello'), /it is not a database/],
  ['noise', (file) => writeFileSync(file, Buffer.alloc(9000, 0x9c)), /it is not a database/],
  ['a database of somebody else', (file) => foreign(file), /it belongs to another program/],
  ['the header only', (file) => truncateSync(file, 100), /damaged|not readable|not a database/],
  [
    'no version, twice',
    (file) => change(file, "DELETE FROM meta WHERE name = 'schema'; PRAGMA user_version = 7"),
    /its version is not readable/,
  ],
];

/** The same of stores whose rows are sound. */
const PART_DAMAGES: typeof DAMAGES = [
  ['no version', (file) => change(file, "DELETE FROM meta WHERE name = 'schema'"), /its version is not readable/],
  ['no table', (file) => change(file, 'DROP TABLE retained'), /its tables are not those of a store/],
  ['half a version', (file) => change(file, "UPDATE meta SET crc = 0 WHERE name = 'schema'"), /checksum of its schema/],
  [
    'a trigger more',
    (file) => change(file, 'CREATE TRIGGER t AFTER DELETE ON wills BEGIN SELECT 1; END'),
    /its tables/,
  ],
  [
    'a clock that was changed',
    (file) => change(file, "INSERT INTO meta VALUES ('time', x'00112233445566778899aabbccddeeff', 5)"),
    /checksum of its time/,
  ],
];

function foreign(file: string): void {
  writeFileSync(file, '');
  change(file, 'CREATE TABLE theirs(a)');
}

function change(file: string, sql: string): void {
  const database = new DatabaseSync(file);
  database.exec(sql);
  database.close();
}

for (const [title, damage, reason] of PART_DAMAGES) {
  test(`open: ${title} is set aside whole, and what is sound taken over`, () => {
    withFolder((folder) => {
      makeStore(folder);
      damage(join(folder, NAME));
      const before = readFileSync(join(folder, NAME));
      const { lines, opened, said } = look(folder);
      assert.deepEqual([lines, opened.isNew], [['session 1 s'], false]);
      assert.match(said, reason);
      assert.match(said, /^Error: Taken over: 1 sessions, /m);
      const aside = join(folder, `${NAME}.damaged-${STAMP}`);
      assert.ok(said.includes(aside));
      assert.deepEqual(readFileSync(aside), before);
      assert.equal(look(folder).said, '', 'the next start says nothing');
    });
  });
}

for (const [title, damage, reason] of DAMAGES) {
  test(`open: ${title} is set aside whole, and a new store begun`, () => {
    withFolder((folder) => {
      makeStore(folder);
      damage(join(folder, NAME));
      const before = readFileSync(join(folder, NAME));
      const { lines, opened, said } = look(folder);
      assert.deepEqual([lines, opened.isNew], [[], true]);
      assert.match(said, reason);
      const aside = join(folder, `${NAME}.damaged-${STAMP}`);
      assert.ok(said.includes(aside));
      assert.deepEqual(readFileSync(aside), before);
      assert.equal(look(folder).said, '', 'the next start says nothing');
    });
  });
}

for (const [title, damage, reason] of [...DAMAGES, ...PART_DAMAGES]) {
  test(`open: ${title} ends the start with --refuse-damaged`, () => {
    withFolder((folder) => {
      makeStore(folder);
      damage(join(folder, NAME));
      const before = readFileSync(join(folder, NAME));
      const text = refusalOf(() => Store.open(optionsFor(folder, { isDamageRefused: true })));
      assert.match(text, reason);
      assert.match(text, /--refuse-damaged/);
      assert.deepEqual(readFileSync(join(folder, NAME)), before);
      assert.deepEqual(namesIn(folder), [NAME, 'zanzara.lock']);
    });
  });
}

test('open: a store set aside keeps its log, unmoved into the file', () => {
  withFolder((folder) => {
    const { store } = Store.open(optionsFor(folder));
    store.apply(opsOf((w) => w.retained(bytes('only in the log'), bytes('x'))));
    const file = readFileSync(join(folder, NAME));
    const log = readFileSync(join(folder, `${NAME}-wal`));
    store.replace('a reason');
    const moved = join(folder, `${NAME}.damaged-${STAMP}`);
    assert.deepEqual(readFileSync(moved), file);
    assert.deepEqual(readFileSync(`${moved}-wal`), log);
    assert.deepEqual(look(folder).lines, ['retained only in the log x']);
    const kept = openDatabase(moved);
    assert.equal(kept.prepare('SELECT count(*) AS count FROM retained').get()?.count, 1);
    kept.close();
  });
});

test('open: stores set aside within one second have names of their own', () => {
  withFolder((folder) => {
    for (const count of [1, 2, 3]) {
      writeFileSync(join(folder, NAME), `damage ${count}`);
      look(folder);
    }
    const aside = namesIn(folder).filter((name) => name.includes('damaged'));
    assert.deepEqual(
      aside,
      ['', '-2', '-3'].map((ending) => `${NAME}.damaged-${STAMP}${ending}`),
    );
  });
});

test('open: a log without its file is set aside too', () => {
  withFolder((folder) => {
    writeFileSync(join(folder, `${NAME}-wal`), 'left behind');
    assert.match(look(folder).said, /its log is there/);
    assert.equal(readFileSync(join(folder, `${NAME}.damaged-${STAMP}-wal`), 'utf8'), 'left behind');
  });
});

test('open: a store that was not finished is begun anew, without a word', () => {
  withFolder((folder) => {
    writeFileSync(join(folder, `${NAME}.making`), 'half');
    writeFileSync(join(folder, `${NAME}.making-wal`), 'half');
    const { opened } = look(folder);
    assert.deepEqual([opened.isNew, opened.notes], [true, []]);
    assert.deepEqual(namesIn(folder), [NAME, 'zanzara.lock']);
  });
});

test('open: a newer store is refused in clear words and stays', () => {
  withFolder((folder) => {
    makeStore(folder);
    const database = openDatabase(join(folder, NAME));
    inTransaction(database, () => setVersion(database, 2));
    database.close();
    for (const isDamageRefused of [false, true]) {
      const text = refusalOf(() => Store.open(optionsFor(folder, { isDamageRefused })));
      assert.match(text, /written by a newer Zanzara \(schema 2, this one knows 1\)/);
    }
    assert.deepEqual(namesIn(folder), [NAME, 'zanzara.lock']);
  });
});

test('open: an older store is copied, then migrated', () => {
  withFolder((folder) => {
    makeStore(folder);
    const database = openDatabase(join(folder, NAME));
    const wills = database.prepare("SELECT sql FROM sqlite_schema WHERE name = 'wills'").get()?.sql;
    inTransaction(database, () => {
      database.exec('DROP TABLE wills');
      setVersion(database, 0);
    });
    database.close();
    const migrations = [{ from: 0, run: (older: DatabaseSync) => older.exec(String(wills)) }];
    const { lines, said, opened } = look(folder, {}, { migrations });
    assert.equal(opened.isNew, false);
    assert.deepEqual(lines, ['session 1 s']);
    assert.match(said, /has schema 0, and is brought to 1; a copy of it is/);
    assert.deepEqual(look(folder), { lines, said: '', opened: { ...opened, notes: [] } });
    const copy = new DatabaseSync(join(folder, `${NAME}.version-0-${STAMP}`));
    assert.equal(copy.prepare('PRAGMA user_version').get()?.user_version, 0);
    copy.close();
  });
});

test('open: a migration that fails leaves the store as it was', () => {
  withFolder((folder) => {
    makeStore(folder);
    const database = openDatabase(join(folder, NAME));
    inTransaction(database, () => setVersion(database, 0));
    database.close();
    const run = (older: DatabaseSync) => {
      older.exec('DELETE FROM sessions');
      throw new Error('the step failed');
    };
    const text = refusalOf(() => Store.open(optionsFor(folder), { migrations: [{ from: 0, run }] }));
    assert.match(text, /the step failed/);
    const nothing = { from: 0, run: () => undefined };
    assert.deepEqual(look(folder, {}, { migrations: [nothing] }).lines, ['session 1 s']);
  });
});

test('open: a staged restore takes the place of the store, which is kept', () => {
  withFolder((folder) => {
    withFolder((other) => {
      makeStore(other, 'restored');
      makeStore(folder, 'before');
      writeFileSync(join(folder, `${NAME}.incoming`), readFileSync(join(other, NAME)));
    });
    const { lines, said } = look(folder);
    assert.deepEqual(lines, ['session 1 restored']);
    assert.match(said, /replaced by the staged restore/);
    const replaced = `${NAME}.replaced-${STAMP}`;
    assert.deepEqual(namesIn(folder), [NAME, replaced, 'zanzara.lock']);
    writeFileSync(join(folder, NAME), readFileSync(join(folder, replaced)));
    assert.deepEqual(look(folder).lines, ['session 1 before']);
  });
});

test('open: a staged restore that is damaged is moved away, and the store stays', () => {
  withFolder((folder) => {
    makeStore(folder);
    writeFileSync(join(folder, `${NAME}.incoming`), readFileSync(join(folder, NAME)).subarray(0, 9000));
    assert.match(
      refusalOf(() => Store.open(optionsFor(folder, { isDamageRefused: true }))),
      /incoming cannot be used/,
    );
    const { lines, said } = look(folder);
    assert.deepEqual(lines, ['session 1 s']);
    assert.match(said, /The staged restore is not used/);
    assert.ok(existsSync(join(folder, `${NAME}.incoming.refused-${STAMP}`)));
  });
});

test('open: the state of a Mosquitto is taken over by a new store, and by no other', () => {
  withFolder((folder) => {
    const mosquittoFile = join(folder, 'mosquitto.db');
    writeFileSync(mosquittoFile, 'state');
    const asked: string[] = [];
    const importer: OpenParts['importer'] = (file, apply, wallMs) => {
      asked.push(file);
      assert.equal(wallMs, WALL_MS);
      apply(opsOf((w) => w.session(1, bytes('of Mosquitto'))));
      return { notes: [{ level: 'notice', text: 'imported' }] };
    };
    const first = look(folder, { mosquittoFile }, { importer });
    assert.deepEqual([first.lines, first.said, first.opened.nextSession], [['session 1 of Mosquitto'], 'imported', 2]);
    assert.equal(look(folder, { mosquittoFile }, { importer }).said, '');
    writeFileSync(join(folder, NAME), 'damaged');
    const third = look(folder, { mosquittoFile }, { importer });
    assert.deepEqual(third.lines, [], 'years may lie between');
    assert.deepEqual(asked, [mosquittoFile]);
    assert.equal(readFileSync(mosquittoFile, 'utf8'), 'state');
  });
});

test('open: an import that fails half way leaves an empty store and says so', () => {
  withFolder((folder) => {
    const mosquittoFile = join(folder, 'mosquitto.db');
    writeFileSync(mosquittoFile, 'state');
    const importer: OpenParts['importer'] = (_file, apply) => {
      apply(opsOf((w) => w.session(1, bytes('half'))));
      throw new MosquittoDbError('the rest is damaged', null);
    };
    const refused = refusalOf(() =>
      Store.open(optionsFor(folder, { mosquittoFile, isDamageRefused: true }), { importer }),
    );
    assert.match(refused, /the rest is damaged/);
    const { lines, said } = look(folder, { mosquittoFile }, { importer });
    assert.deepEqual(lines, []);
    assert.match(said, /cannot be imported: the rest is damaged/);
  });
});

test('open: an import that fails for another reason ends the start, and the next one tries again', () => {
  withFolder((folder) => {
    const mosquittoFile = join(folder, 'mosquitto.db');
    writeFileSync(mosquittoFile, 'state');
    let fault: Error | null = Object.assign(new Error('no space'), { code: 'ENOSPC' });
    const importer: OpenParts['importer'] = (_file, apply) => {
      if (fault !== null) throw fault;
      apply(opsOf((w) => w.session(1, bytes('of Mosquitto'))));
      return { notes: [] };
    };
    assert.match(
      refusalOf(() => Store.open(optionsFor(folder, { mosquittoFile }), { importer })),
      /was not imported: the disk is full/,
    );
    fault = null;
    assert.deepEqual(look(folder, { mosquittoFile }, { importer }).lines, ['session 1 of Mosquitto']);
  });
});

test('open: a move that was cut off is ended, with the log under the name of its database', () => {
  withFolder((folder) => {
    const target = `${NAME}.replaced-20261124-110000`;
    writeFileSync(join(folder, `${NAME}.moving`), `${NAME}\n${target}\n`);
    writeFileSync(join(folder, target), 'moved');
    writeFileSync(join(folder, `${NAME}-wal`), 'its log');
    assert.match(look(folder).said, /was moved to/);
    assert.equal(readFileSync(join(folder, `${target}-wal`), 'utf8'), 'its log');
    assert.equal(existsSync(join(folder, `${NAME}.moving`)), false);
  });
});

for (const step of ['before the damaged one is moved', 'half way', 'when both are moved']) {
  test(`open: a new store in the place of a damaged one is put there by the next start, ended ${step}`, () => {
    withFolder((folder) => {
      makeStore(folder, 'sound');
      const target = `${NAME}.damaged-20261124-110000`;
      const sound = readFileSync(join(folder, NAME));
      writeFileSync(join(folder, `${NAME}.moving`), `${NAME}.making\n${NAME}\n${target}\n`);
      if (step !== 'when both are moved') writeFileSync(join(folder, `${NAME}.making`), sound);
      writeFileSync(join(folder, step.startsWith('before') ? NAME : target), 'damaged');
      if (step === 'half way') rmSync(join(folder, NAME));
      assert.deepEqual(look(folder).lines, ['session 1 sound']);
      assert.equal(readFileSync(join(folder, target), 'utf8'), 'damaged');
      assert.deepEqual(namesIn(folder), [NAME, target, 'zanzara.lock']);
    });
  });
}

test('open: a refusal leaves the log where it is', () => {
  withFolder((folder) => {
    const { store } = Store.open(optionsFor(folder));
    store.apply(opsOf((w) => w.retained(bytes('a'), bytes('x'))));
    const database = openDatabase(join(folder, NAME));
    database.exec('DROP TABLE wills');
    database.close();
    const before = ['', '-wal'].map((ending) => readFileSync(join(folder, NAME + ending)));
    store.closeUnchanged();
    assert.match(
      refusalOf(() => Store.open(optionsFor(folder, { isDamageRefused: true }))),
      /its tables/,
    );
    assert.deepEqual(
      ['', '-wal'].map((ending) => readFileSync(join(folder, NAME + ending))),
      before,
    );
  });
});

test('open: a folder that cannot be made or used is told with the reason', () => {
  withFolder((folder) => {
    writeFileSync(join(folder, 'file'), '');
    assert.match(
      refusalOf(() => Store.open(optionsFor(join(folder, 'file')))),
      /cannot be made: there is a file of that name/,
    );
    assert.match(
      refusalOf(() => Store.open(optionsFor(join(folder, 'file', 'x')))),
      /cannot be made: .*ENOTDIR/,
    );
    mkdirSync(join(folder, 'zanzara.lock'));
    assert.match(
      refusalOf(() => Store.open(optionsFor(folder))),
      /lock file .* cannot be locked: it is a folder/,
    );
  });
});

for (const name of [NAME, `${NAME}-wal`, `${NAME}-shm`, `${NAME}.incoming`, 'zanzara.lock']) {
  test(`open: ${name} as a link is refused, wherever it leads, before anything is made`, () => {
    withFolder((parent) => {
      const [folder, target] = [join(parent, 'data'), join(parent, 'target')];
      mkdirSync(folder);
      symlinkSync(target, join(folder, name));
      for (const isThere of [false, true]) {
        if (isThere) writeFileSync(target, 'somebody');
        const text = refusalOf(() => Store.open(optionsFor(folder)));
        assert.ok(text.includes(`${join(folder, name)} is a symbolic link, to ${target}.`), text);
        assert.match(text, /Set persistence_location to the folder that holds the file/);
        assert.deepEqual(namesIn(folder), [name]);
      }
      assert.equal(readFileSync(target, 'utf8'), 'somebody');
    });
  });
}

test('open: the folder may be a link', () => {
  withFolder((parent) => {
    mkdirSync(join(parent, 'real'));
    symlinkSync('real', join(parent, 'link'));
    makeStore(join(parent, 'link'));
    assert.deepEqual(look(join(parent, 'link')).lines, ['session 1 s']);
    assert.deepEqual(namesIn(join(parent, 'real')), [NAME, 'zanzara.lock']);
  });
});

test('open: a folder in the place of the store is called one, and stays', () => {
  withFolder((folder) => {
    mkdirSync(join(folder, NAME));
    const text = refusalOf(() => Store.open(optionsFor(folder)));
    assert.match(text, /zanzara.db is a folder; it must be a file of the store/);
    assert.match(text, /Move it away/);
    assert.deepEqual(namesIn(folder), [NAME]);
  });
});

test('open: a version that was changed in the header only is put right', () => {
  for (const number of [9, 0, -5]) {
    withFolder((folder) => {
      makeStore(folder);
      change(join(folder, NAME), `PRAGMA user_version = ${number}`);
      assert.match(
        refusalOf(() => Store.open(optionsFor(folder, { isDamageRefused: true }))),
        /its header says schema -?\d, its checksummed row 1/,
      );
      const { lines, said } = look(folder);
      assert.deepEqual(lines, ['session 1 s']);
      assert.match(said, /^Warning: .* It was put right\.$/);
      assert.equal(look(folder).said, '');
    });
  }
});
