/** `zanzara backup`, `restore`, `export` and `import` as a user runs them, on a broker that runs and on one that does not. */
import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { runBackup } from '../../src/cli/backup.ts';
import { runExport } from '../../src/cli/export.ts';
import { runImport } from '../../src/cli/import.ts';
import { runRestore } from '../../src/cli/restore.ts';
import {
  HandFile,
  makeSqlite,
  oneOfEverything,
} from '../../src/modules/persistence/mosquitto/mosquitto-files.fixture.ts';
import { setVersion } from '../../src/modules/persistence/store/store-database.ts';
import { FakeIo } from '../fixtures/fake-io.ts';
import { configFile, freePort, runToEnd, startOnFreePort } from './broker-process.ts';

const EXIT_USAGE = 3;
const ONE_OF_EVERYTHING = '2 sessions, 1 subscriptions, 2 messages queued or in flight, 1 retained messages, 0 wills';

/** A folder for the data of a broker, and one for what the tools write. */
function foldersFor(context: TestContext): { readonly data: string; readonly out: string } {
  const folder = mkdtempSync(join(tmpdir(), 'zanzara-store-'));
  context.after(() => rmSync(folder, { recursive: true }));
  const out = mkdtempSync(join(folder, 'out-'));
  return { data: join(folder, 'data'), out };
}

type Run = (...args: readonly string[]) => Promise<{ code: number | null; stdout: string; stderr: string }>;

/** Runs a command line as a process of its own. */
function programOf(context: TestContext): Run {
  return async (...args) => {
    const { code, stdout, stderr } = await runToEnd(context, args);
    return { code, stdout, stderr };
  };
}

const TOOLS = { import: runImport, export: runExport, backup: runBackup, restore: runRestore };
type Tool = keyof typeof TOOLS;

/** Runs one of the tools inside of this process, which is quicker. */
async function run(tool: Tool, ...args: readonly string[]): ReturnType<Run> {
  const io = new FakeIo();
  const code = await TOOLS[tool](args, io);
  return { code, stdout: io.out, stderr: io.errors };
}

/** Runs a tool that must succeed. @returns what it said */
async function done(tool: Tool, ...args: readonly string[]): Promise<string> {
  return succeeded(await run(tool, ...args));
}

function succeeded({ code, stdout, stderr }: Awaited<ReturnType<Run>>): string {
  assert.equal(code, 0, stderr);
  return stdout;
}

/** Runs a tool that must fail. @returns what it said */
async function failed(tool: Tool, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await run(tool, ...args);
  assert.equal(code, 1, stdout);
  return stderr;
}

async function startBroker(context: TestContext, data: string) {
  const config = configFile(
    context,
    `user root\nallow_anonymous true\npersistence true\npersistence_location ${data}\n`,
  );
  return await startOnFreePort(context, (port) => ['-c', config, '-p', String(port)]);
}

/** A store with one of everything, made by `zanzara import`. */
async function importedInto(data: string, out: string): Promise<string> {
  const file = join(out, 'mosquitto.db');
  writeFileSync(file, oneOfEverything(6));
  return await done('import', file, data);
}

test('a running broker: backed up, written on, restored at its next start', { timeout: 60_000 }, async (t) => {
  const { data, out } = foldersFor(t);
  const [backup, exported] = [join(out, 'backup'), join(out, 'mosquitto.db')];
  const program = programOf(t);
  const zanzara = async (...args: readonly string[]) => succeeded(await program(...args));
  const first = await startBroker(t, data);
  const at = ['-p', String(first.port), '-h', '127.0.0.1'];
  await zanzara('sub', ...at, '-i', 'keeper', '-c', '-q', '1', '-t', 'd/#', '-E');
  await zanzara('pub', ...at, '-q', '1', '-t', 'd/1', '-m', 'before', '-r');
  const said = await zanzara('backup', data, backup);
  assert.match(said, /: 1 sessions, 1 subscriptions, 1 messages queued or in flight, 1 retained messages, 0 wills\.\n/);
  assert.match(said, /read back/);
  assert.equal(statSync(backup).mode & 0o777, 0o600);
  await zanzara('pub', ...at, '-q', '1', '-t', 'd/2', '-m', 'after');
  assert.match(await zanzara('export', data, exported), /1 sessions, 1 subscriptions, 2 messages queued/);
  const refused = await program('import', '--force', exported, data);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /A broker runs on .*Stop it first/);
  assert.match(await zanzara('restore', backup, data), /takes the store at its next start/);
  assert.deepEqual(readdirSync(out).sort(), ['backup', 'mosquitto.db'], 'nothing else was left');
  await first.broker.stop('SIGTERM');

  const second = await startBroker(t, data);
  assert.match(second.broker.stderr, /staged restore/);
  const again = ['-p', String(second.port), '-h', '127.0.0.1'];
  // What came after the backup is not there: one message, and then the one that comes now.
  await zanzara('pub', ...again, '-q', '1', '-t', 'd/3', '-m', 'new');
  const session = ['-i', 'keeper', '-c', '-q', '1', '-t', 'd/#', '-C', '2', '-W', '20', '-R'];
  assert.equal(await zanzara('sub', ...again, ...session), 'before\nnew\n');
  await second.broker.stop('SIGTERM');
  assert.ok(readdirSync(data).some((name) => name.startsWith('zanzara.db.replaced-')));
});

test('a folder without a broker: import, backup, restore, export', { timeout: 60_000 }, async (t) => {
  const { data, out } = foldersFor(t);
  const said = await importedInto(data, out);
  assert.match(said, new RegExp(`It was read back: ${ONE_OF_EVERYTHING}\\.`));
  assert.deepEqual(readdirSync(data).sort(), ['zanzara.db', 'zanzara.lock']);
  const backup = join(out, 'backup');
  assert.match(await done('backup', data, backup), new RegExp(ONE_OF_EVERYTHING));
  const elsewhere = `${data}-2`;
  assert.match(await done('restore', backup, elsewhere), new RegExp(`is whole: ${ONE_OF_EVERYTHING}`));
  const exported = join(out, 'exported.db');
  const told = await done('export', elsewhere, exported);
  assert.match(told, /packet ids of 1 QoS 2 messages/);
  assert.match(await done('import', '--dry-run', exported, `${data}-3`), new RegExp(ONE_OF_EVERYTHING));
  assert.ok(!readdirSync(join(data, '..')).includes('data-3'), 'a dry run writes nothing');
});

test('a store that is there is not lost', { timeout: 60_000 }, async (t) => {
  const { data, out } = foldersFor(t);
  await importedInto(data, out);
  const file = join(out, 'mosquitto.db');
  const before = readFileSync(join(data, 'zanzara.db'));
  assert.match(await failed('import', file, data), /has a store already\. --force/);
  assert.ok(readFileSync(join(data, 'zanzara.db')).equals(before));
  writeFileSync(file, new HandFile(6).client({ clientId: 'another' }).bytes);
  assert.match(await done('import', '--force', file, data), /The store before is kept as /);
  const kept = readdirSync(data).find((name) => name.startsWith('zanzara.db.replaced-'));
  assert.ok(kept !== undefined && readFileSync(join(data, kept)).equals(before));
  // And back.
  assert.match(await done('restore', join(data, kept), data), new RegExp(ONE_OF_EVERYTHING));
});

test('a file is replaced only when asked to', { timeout: 60_000 }, async (t) => {
  const { data, out } = foldersFor(t);
  await importedInto(data, out);
  const file = join(out, 'there');
  for (const tool of ['backup', 'export'] as const) {
    writeFileSync(file, 'precious');
    assert.match(await failed(tool, data, file), /is there already\. --force replaces it/);
    assert.equal(readFileSync(file, 'utf8'), 'precious');
    await done(tool, '--force', data, file);
    assert.notEqual(readFileSync(file, 'utf8'), 'precious');
    assert.match(await failed(tool, '--force', data, join(data, 'zanzara.db')), /a name that the store itself uses/);
    assert.match(await failed(tool, '--force', data, out), /is not a file/);
    assert.match(await failed(tool, data, join(out, 'no', 'file')), /The folder .* is not there\. Make it first/);
  }
});

test('what is damaged or foreign is refused, and nothing is changed', { timeout: 60_000 }, async (t) => {
  const { data, out } = foldersFor(t);
  await importedInto(data, out);
  const backup = join(out, 'backup');
  await done('backup', data, backup);
  const good = readFileSync(backup);
  const state = () => readdirSync(data).sort().join();
  const before = state();
  const cases: readonly [string, Uint8Array, RegExp][] = [
    ['foreign', Buffer.from('nothing of this kind'), /is not a store of Zanzara: it is not a database/],
    ['empty', new Uint8Array(0), /empty/],
    ['cut off', good.subarray(0, good.length - 5000), /damaged/],
    ['a flipped bit in a body', flipped(good), /damaged: the checksum/],
  ];
  for (const [name, bytes, expected] of cases) {
    const file = join(out, 'damaged');
    writeFileSync(file, bytes);
    assert.match(await failed('restore', file, data), expected, name);
    assert.equal(state(), before, name);
  }
  writeFileSync(join(data, 'zanzara.db'), flipped(good));
  assert.match(await failed('backup', '--force', data, backup), /damaged: the checksum/);
  assert.ok(readFileSync(backup).equals(good), 'the good backup is still there');
  assert.match(await failed('export', data, join(out, 'x.db')), /damaged: the checksum/);
  const cut = join(out, 'cut.db');
  writeFileSync(cut, oneOfEverything(6).subarray(0, 100));
  assert.match(
    await failed('import', '--force', cut, data),
    /^Error: .*\/cut\.db cannot be imported: at byte \d+: expected /,
  );
  assert.match(await failed('import', '--dry-run', join(out, 'none'), data), /none is not there/);
  assert.match(await failed('backup', join(out, 'none'), join(out, 'y')), /The folder .* is not there/);
  assert.match(await failed('backup', out, join(out, 'y')), /There is no store: .* not there, or empty/);
});

/** A store in which one bit of a message's text is another one. */
function flipped(store: Uint8Array): Uint8Array {
  const copy = Buffer.from(store);
  const at = copy.indexOf('second');
  assert.ok(at > 0);
  copy[at] = 0x53;
  return copy;
}

test('of a damaged store what can be read is restored when asked for', { timeout: 60_000 }, async (t) => {
  const { data, out } = foldersFor(t);
  await importedInto(data, out);
  const aside = join(data, 'zanzara.db.damaged-20260101-000000');
  const bytes = flipped(readFileSync(join(data, 'zanzara.db')));
  writeFileSync(aside, bytes);
  assert.match(await failed('restore', aside, `${data}-2`), /damaged: the checksum/);
  const said = await done('restore', '--salvage', aside, data);
  assert.match(said, /: 2 sessions, 1 subscriptions, 1 messages queued or in flight, 1 retained .*It was read back/);
  assert.match(said, /^Left out, for their bytes are damaged: 1 queued messages\.$/m);
  assert.match(said, /The store before is kept as /);
  assert.ok(readFileSync(aside).equals(bytes), 'it is as it was');
  assert.match(await done('export', data, join(out, 'exported')), /2 sessions, 1 subscriptions, 1 messages/);
  const foreign = join(out, 'foreign');
  writeFileSync(foreign, 'nothing of this kind');
  assert.match(await failed('restore', '--salvage', foreign, data), /is not a store of Zanzara/);
});

test('what a newer program wrote is not restored', { timeout: 60_000 }, async (t) => {
  const { data, out } = foldersFor(t);
  await importedInto(data, out);
  const backup = join(out, 'backup');
  await done('backup', data, backup);
  const database = new DatabaseSync(backup);
  setVersion(database, 99);
  database.close();
  assert.match(
    await failed('restore', backup, `${data}-2`),
    /backup cannot be used\. .* written by a newer Zanzara \(schema 99,/,
  );
  const said = await failed('restore', '--salvage', backup, `${data}-2`);
  assert.match(said, /backup cannot be salvaged\. .* newer Zanzara \(schema 99\)/);
});

const SOMEBODY = 65_534;
const asRoot = {
  timeout: 60_000,
  skip: process.getuid?.() !== 0 && 'only root gives up its rights in a folder of others',
};

/** A store in a folder of somebody else's, what root writes, and a file of root's that nobody may change. */
async function othersFolder(context: TestContext) {
  const { data, out } = foldersFor(context);
  await importedInto(data, out);
  await done('backup', data, join(out, 'backup'));
  chmodSync(join(data, '..'), 0o755);
  for (const name of readdirSync(data)) chownSync(join(data, name), SOMEBODY, SOMEBODY);
  chownSync(data, SOMEBODY, SOMEBODY);
  const secret = join(out, 'secret');
  writeFileSync(secret, 'of root', { mode: 0o644 });
  return { data, out, secret };
}

test("root's tools in a folder of somebody else's: done with the rights of its owner", asRoot, async (t) => {
  const { data, out } = await othersFolder(t);
  const file = join(out, 'again');
  assert.match(await done('backup', data, file), new RegExp(ONE_OF_EVERYTHING));
  assert.deepEqual([statSync(file).uid, statSync(file).mode & 0o777], [0, 0o600]);
  await done('export', data, join(out, 'exported'));
  await done('restore', file, data);
  assert.match(await done('import', '--force', join(out, 'exported'), data), /^Imported .*\/exported \(/);
  await done('import', join(out, 'mosquitto.db'), join(data, 'new'));
  for (const name of readdirSync(data)) assert.equal(statSync(join(data, name)).uid, SOMEBODY, name);
  assert.ok(!readdirSync(data).some((name) => name.startsWith('.')), 'no work folder is left');
  assert.equal(process.geteuid?.(), 0);
  assert.match(await failed('backup', join(data, '..', 'none'), file), /is there already/);
  // Where the owner may not go, neither does root on its behalf.
  const inner = join(out, 'inner');
  mkdirSync(inner);
  chownSync(inner, SOMEBODY, SOMEBODY);
  assert.match(await failed('restore', file, inner), /^Error: EACCES.*root has no more rights than the user 'nobody'/);
});

/** Numbers that no account has. */
const [USER, GROUP] = [4711, 4712];

test("a folder that root has made is the broker's user's", asRoot, async (t) => {
  const { data, out } = foldersFor(t);
  for (const [name, value] of Object.entries({ PUID: USER, PGID: GROUP })) {
    process.env[name] = String(value);
    t.after(() => delete process.env[name]);
  }
  const file = join(out, 'mosquitto.db');
  writeFileSync(file, oneOfEverything(6));
  // Above it is root's own folder, which that user may not enter: nothing is given where it is no use.
  const hint = `^${data} is root's\\. A broker becomes the user ${USER}, .*As root: chown -R ${USER}:${GROUP} ${data}$`;
  assert.match(await done('import', file, data), new RegExp(hint, 'm'));
  assert.equal(statSync(data).uid, 0);
  const backup = join(out, 'backup');
  await done('backup', data, backup);
  chmodSync(join(data, '..'), 0o755);
  const empty = `${data}-empty`;
  mkdirSync(empty, { mode: 0o755 });
  for (const folder of [`${data}-2`, empty]) {
    const said = await done('restore', backup, folder);
    assert.match(said, new RegExp(`^${folder} belongs to the user ${USER} now`, 'm'));
    for (const path of [folder, ...readdirSync(folder).map((name) => join(folder, name))]) {
      assert.deepEqual([statSync(path).uid, statSync(path).gid], [USER, GROUP], path);
    }
    // And what comes later is that user's as well.
    await done('import', '--force', file, folder);
    for (const name of readdirSync(folder)) assert.equal(statSync(join(folder, name)).uid, USER, name);
  }
  // What has a store of root's is root's business.
  assert.doesNotMatch(await done('restore', backup, data), /root/);
  assert.equal(statSync(data).uid, 0);
  const full = `${data}-full`;
  mkdirSync(full);
  writeFileSync(join(full, 'note'), '');
  assert.match(await done('restore', backup, full), new RegExp(`chown -R ${USER}:${GROUP} ${full}`));
  assert.equal(statSync(full).uid, 0);
});

test(
  "root's tools where others may make files: what lies there says nothing of whose rights count",
  asRoot,
  async (t) => {
    const { data, out } = await othersFolder(t);
    const shared = join(out, '..', 'shared');
    mkdirSync(shared);
    writeFileSync(join(shared, 'zanzara.db'), '');
    chownSync(join(shared, 'zanzara.db'), SOMEBODY, SOMEBODY);
    const roots = join(out, 'roots');
    await done('restore', join(out, 'backup'), roots);
    chownSync(roots, 0, 0);
    for (const mode of [0o1777, 0o777, 0o770]) {
      chmodSync(shared, mode);
      for (const [from, tool] of [data, roots].flatMap((folder) => [
        [folder, 'backup'] as const,
        [folder, 'export'] as const,
      ])) {
        const file = join(shared, 'file');
        await done(tool, from, file);
        assert.deepEqual([statSync(file).uid, statSync(file).mode & 0o777], [0, 0o600], `${tool} ${mode.toString(8)}`);
        assert.match(await failed(tool, from, file), /is there already/);
        rmSync(file);
      }
    }
    assert.deepEqual(readdirSync(shared), ['zanzara.db'], 'nothing else is left');
    chmodSync(shared, 0o1777);
    for (const tool of ['restore', 'import'] as const) {
      const file = join(out, tool === 'restore' ? 'backup' : 'mosquitto.db');
      assert.match(
        await failed(tool, file, shared),
        /^Error: Root does not work in .*\/shared: other users may change/,
      );
    }
    assert.match(await failed('backup', shared, join(out, 'b')), /Root does not work in/);
    assert.equal(statSync(join(shared, 'zanzara.db')).size, 0);
  },
);

test('a log that somebody else has put beside a file is not taken for a part of it', asRoot, async (t) => {
  const { data, out } = foldersFor(t);
  await importedInto(data, out);
  const backup = join(out, 'backup');
  await done('backup', data, backup);
  writeFileSync(`${backup}-wal`, 'changes');
  chownSync(`${backup}-wal`, SOMEBODY, SOMEBODY);
  assert.match(await failed('restore', backup, `${data}-2`), /backup-wal does not belong to the owner of/);
  assert.ok(!existsSync(`${data}-2`));
});

test('a link in the place of the lock is not followed', asRoot, async (t) => {
  const { data, out, secret } = await othersFolder(t);
  const lock = join(data, 'zanzara.lock');
  const dangling = join(out, '..', 'planted');
  const before = lstatSync(secret);
  for (const target of [secret, dangling]) {
    rmSync(lock);
    symlinkSync(target, lock);
    const backup = join(out, 'backup');
    assert.match(await failed('backup', data, join(out, 'b')), /zanzara\.lock is a symbolic link/);
    assert.match(await failed('export', data, join(out, 'e')), /is a symbolic link/);
    assert.match(await failed('restore', backup, data), /is a symbolic link/);
    assert.match(await failed('import', '--force', join(out, 'mosquitto.db'), data), /is a symbolic link/);
    for (const user of ['root', 'nobody']) {
      const config = `user ${user}\npersistence true\npersistence_location ${data}\n`;
      const port = String(await freePort());
      const broker = await runToEnd(t, ['-c', configFile(t, config), '-p', port]);
      assert.notEqual(broker.code, 0, broker.stderr);
      // As somebody else it finds that it may not write there, before it comes to the lock.
      assert.match(broker.stderr, /is a (symbolic )?link|State cannot be kept in/);
    }
    assert.ok(!existsSync(dangling));
    const { uid, mode, mtimeMs, ctimeMs } = lstatSync(secret);
    assert.deepEqual([uid, mode, mtimeMs, ctimeMs], [before.uid, before.mode, before.mtimeMs, before.ctimeMs]);
    assert.equal(readFileSync(secret, 'utf8'), 'of root');
    assert.ok(lstatSync(lock).isSymbolicLink());
  }
});

test('a link in the place of a store gives nothing of others away', asRoot, async (t) => {
  const { data, out } = await othersFolder(t);
  renameSync(join(data, 'zanzara.db'), join(data, 'mine'));
  symlinkSync(join(out, 'backup'), join(data, 'zanzara.db'));
  const said = await failed('backup', data, join(out, 'b'));
  assert.match(said, /zanzara\.db is a symbolic link/);
  assert.ok(!existsSync(join(out, 'b')));
});

test('links in the place of files of a store are refused before anything is done', { timeout: 60_000 }, async (t) => {
  const { data, out } = foldersFor(t);
  await importedInto(data, out);
  const [backup, file] = [join(out, 'backup'), join(out, 'mosquitto.db')];
  await done('backup', data, backup);
  for (const name of ['zanzara.db', 'zanzara.db-wal', 'zanzara.db.incoming', 'zanzara.db.moving']) {
    const folder = join(out, `with-${name}`);
    mkdirSync(folder);
    const target = join(out, 'elsewhere');
    writeFileSync(target, 'precious');
    symlinkSync(target, join(folder, name));
    const expected = new RegExp(`/${name} is a symbolic link, to .*/elsewhere\\.`);
    assert.match(await failed('restore', backup, folder), expected);
    assert.match(await failed('import', '--force', file, folder), expected);
    assert.match(await failed('backup', folder, join(out, 'b')), expected);
    assert.match(await failed('export', folder, join(out, 'e')), expected);
    assert.deepEqual(readdirSync(folder), [name]);
    assert.equal(readFileSync(target, 'utf8'), 'precious');
  }
  // The folder itself may be one.
  const linked = join(out, 'linked');
  symlinkSync(data, linked);
  assert.match(await done('restore', backup, linked), /is restored/);
  assert.ok(lstatSync(linked).isSymbolicLink());
});

test('what fails leaves the folder as it was, and names the file', { timeout: 60_000 }, async (t) => {
  const { data, out } = foldersFor(t);
  const cut = join(out, 'cut.db');
  writeFileSync(cut, oneOfEverything(6).subarray(0, 100));
  const foreign = join(out, 'foreign.db');
  writeFileSync(foreign, 'nothing of this kind');
  const other = join(out, 'other.sqlite3');
  const database = new DatabaseSync(other);
  database.exec('CREATE TABLE other(x)');
  database.close();
  const empty = join(out, 'empty');
  mkdirSync(empty);
  for (const file of [cut, foreign, other]) {
    for (const folder of [data, empty]) {
      const said = await failed('import', file, folder);
      assert.ok(said.startsWith(`Error: ${file} cannot be imported: `), said);
    }
    assert.match(await failed('import', '--dry-run', file, data), new RegExp(`^Error: ${file} cannot be imported: `));
    assert.match(await failed('restore', file, data), new RegExp(`^Error: ${file} is not a store`));
    assert.ok(!existsSync(data));
    assert.deepEqual(readdirSync(empty), []);
  }
  const good = join(out, 'good');
  await importedInto(good, out);
  const damaged = join(out, 'damaged');
  writeFileSync(damaged, flipped(readFileSync(join(good, 'zanzara.db'))));
  assert.match(await failed('restore', damaged, data), /damaged: the checksum/);
  assert.ok(!existsSync(data));
  assert.match(await failed('restore', damaged, join(data, 'deep')), /The folder .*data is not there\. Make it first/);
  assert.ok(!existsSync(data));
});

test('a database that is locked or cannot be opened is not called damaged', { timeout: 60_000 }, async (t) => {
  const { data, out } = foldersFor(t);
  const file = join(out, 'mosquitto.sqlite3');
  makeSqlite(file, '');
  const holder = new DatabaseSync(file);
  t.after(() => holder.close());
  holder.exec(
    'PRAGMA journal_mode = WAL; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; CREATE TABLE held(x); COMMIT',
  );
  const said = await failed('import', file, data);
  assert.equal(said, `Error: ${file} was not imported: another program holds a lock on the file (SQLite 5).\n`);
  assert.ok(!existsSync(data));
});

const OPERANDS = [
  ['import', 'FILE', 'FOLDER'],
  ['export', 'FOLDER', 'FILE'],
  ['backup', 'FOLDER', 'FILE'],
  ['restore', 'FILE', 'FOLDER'],
] as const;

test('command lines', async () => {
  for (const [tool, first, second] of OPERANDS) {
    const help = await run(tool, '--help');
    assert.equal(help.code, 0);
    assert.match(help.stdout, new RegExp(`^Usage: zanzara ${tool} .*${first} ${second}\n`));
    assert.match(help.stdout, /root works with the rights of that user only/);
    const wrong: readonly [readonly string[], string][] = [
      [[], `${first} is missing`],
      [['a'], `${second} is missing`],
      [['a', 'b', 'c'], `'c' is one too many`],
      [['--what', 'a', 'b'], `Unknown option '--what'`],
    ];
    for (const [args, message] of wrong) {
      const { code, stderr } = await run(tool, ...args);
      assert.equal(code, EXIT_USAGE);
      assert.ok(stderr.startsWith(`Error: ${message}`), stderr);
      assert.match(stderr, new RegExp(`Use 'zanzara ${tool} --help'`));
    }
  }
});
