/** `--persist` and `--refuse-damaged`, as a user starts the program: as root a folder is made for the user it becomes. */
import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Visitor } from '../options/visitor.ts';
import { configFile, runToEnd, type Started, startOnFreePort } from './broker-process.ts';

const limit = { timeout: 60_000 };
const isRoot = process.geteuid?.() === 0;
const asRoot = { ...limit, skip: !isRoot && 'only root becomes another user' };

/** A place where everybody may look, and a folder in it that is not there yet. */
function missingFolder(t: TestContext, mode = 0o755): string {
  const place = mkdtempSync(join(tmpdir(), 'zanzara-persist-'));
  chmodSync(place, mode);
  t.after(() => rmSync(place, { recursive: true }));
  return join(place, 'state');
}

async function start(t: TestContext, ...args: readonly string[]): Promise<Started> {
  return await startOnFreePort(t, (port) => ['-p', String(port), ...args]);
}

async function retain(port: number, text: string): Promise<void> {
  const visitor = await Visitor.connect(port);
  await visitor.publish('kept', text, true);
  await visitor.leave();
}

async function retained(port: number): Promise<string> {
  const visitor = await Visitor.connect(port);
  await visitor.publish('end', 'nothing', true);
  await visitor.subscribe('kept');
  await visitor.subscribe('end');
  const text = await visitor.next();
  await visitor.leave();
  return text;
}

test('--persist makes its folder, and what was acknowledged is there after kill -9', limit, async (t) => {
  const folder = missingFolder(t);
  const first = await start(t, '--persist', folder);
  await retain(first.port, 'is there');
  await first.broker.stop('SIGKILL');
  const { uid, mode } = lstatSync(folder);
  assert.equal(mode & 0o777, 0o700);
  if (isRoot) assert.notEqual(uid, 0);
  const second = await start(t, '--persist', folder);
  assert.equal(await retained(second.port), 'is there');
  assert.deepEqual(await second.broker.stop('SIGTERM'), { code: 0, signal: null });
});

test('without --persist nothing is kept', limit, async (t) => {
  const first = await start(t);
  await retain(first.port, 'is there');
  await first.broker.stop('SIGTERM');
  assert.equal(await retained((await start(t)).port), 'nothing');
});

test('--persist does nothing where the file says persistence false', limit, async (t) => {
  const folder = missingFolder(t);
  const { broker } = await start(t, '--persist', folder, '-c', configFile(t, 'persistence false\n'));
  await broker.stop('SIGTERM');
  assert.ok(!existsSync(folder));
});

test('SIGUSR1 saves what durability relaxed has left for later', limit, async (t) => {
  const folder = missingFolder(t);
  const file = configFile(t, 'durability relaxed 3600000\nautosave_interval 0\n');
  const first = await start(t, '--persist', folder, '-c', file);
  await retain(first.port, 'is saved');
  first.broker.child.kill('SIGUSR1');
  await first.broker.sees('saved');
  await retain(first.port, 'came later');
  await first.broker.stop('SIGKILL');
  const second = await start(t, '--persist', folder, '-c', file);
  assert.equal(await retained(second.port), 'is saved');
});

test('a second broker does not start on the same folder', limit, async (t) => {
  const folder = missingFolder(t);
  await start(t, '--persist', folder);
  const second = await runToEnd(t, ['-p', '1', '--persist', folder]);
  assert.equal(second.code, 1);
  assert.ok(second.stderr.includes(folder), second.stderr);
});

/** A folder whose store is none. */
function damagedFolder(t: TestContext): string {
  const folder = missingFolder(t);
  mkdirSync(folder);
  chmodSync(folder, 0o777);
  writeFileSync(join(folder, 'zanzara.db'), 'this is no store\n'.repeat(1000));
  chmodSync(join(folder, 'zanzara.db'), 0o666);
  return folder;
}

test('a damaged store is set aside, and the broker starts with a new one', limit, async (t) => {
  const folder = damagedFolder(t);
  const { broker, port } = await start(t, '--persist', folder);
  assert.equal(await retained(port), 'nothing');
  assert.ok(readdirSync(folder).some((name) => name.startsWith('zanzara.db.damaged-')));
  assert.match(broker.stderr, /Error: .*zanzara\.db/);
});

test('--refuse-damaged ends the start instead', limit, async (t) => {
  const folder = damagedFolder(t);
  const { code, stderr } = await runToEnd(t, ['-p', '1', '--persist', folder, '--refuse-damaged']);
  assert.equal(code, 1);
  assert.match(stderr, /Error: .*zanzara\.db/);
  assert.ok(!readdirSync(folder).some((name) => name.includes('damaged')));
});

test('a folder that the user of the broker may not write ends the start', asRoot, async (t) => {
  const folder = missingFolder(t);
  mkdirSync(folder);
  writeFileSync(join(folder, 'of-root'), '');
  const { code, stderr } = await runToEnd(t, ['-p', '1', '--persist', folder]);
  assert.equal(code, 1);
  assert.match(stderr, /Error: State cannot be kept in .* may not write there\.\n.*As root: chown -R /);
});

test('a broker that stays root says so of a folder that another user may change, and runs', asRoot, async (t) => {
  const folder = missingFolder(t);
  mkdirSync(folder);
  const before = await start(t, '--persist', folder, '-c', configFile(t, 'user root\n'));
  assert.ok(!before.broker.stderr.includes('links put there'), before.broker.stderr);
  await before.broker.stop('SIGTERM');
  chownSync(folder, 4711, 4711);
  const { broker } = await start(t, '--persist', folder, '-c', configFile(t, 'user root\n'));
  assert.match(broker.stderr, /Warning: The broker runs as root and keeps state in .*, which belongs to user 4711: /);
});

test(
  'as root, in a place that is closed to others, --persist has a broker in memory that says so',
  asRoot,
  async (t) => {
    const folder = missingFolder(t, 0o700);
    const { broker, port } = await start(t, '--persist', folder);
    assert.equal(await retained(port), 'nothing');
    assert.match(broker.stderr, /Warning: State cannot be kept in .* may not enter a folder above it\./);
  },
);
