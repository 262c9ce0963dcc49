import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { FakeClock } from '../../../test/fixtures/fake-clock.ts';
import { FileDestination, LogFileError, PENDING_CHARACTERS_MAX } from './file-destination.ts';
import { REASON_EVERY_MS, StandIn } from './stand-in.ts';

const turn = () => new Promise(setImmediate);

/** A log file in a folder that lives as long as the test; `stderr` has what went there instead. */
function setUp(context: TestContext, path?: string, mayFollowLinks = false, mayBeShut = false) {
  const folder = mkdtempSync(join(tmpdir(), 'zanzara-log-'));
  context.after(() => rmSync(folder, { recursive: true }));
  const stderr: string[] = [];
  const clock = new FakeClock();
  const standIn = new StandIn({
    clock,
    writeLines: (lines) => stderr.push(lines),
    say: (text) => stderr.push(`[${text}]`),
  });
  const open = (at: string) => {
    const file = new FileDestination({ path: at, mayFollowLinks, standIn, mayBeShut });
    context.after(() => file.close());
    return file;
  };
  return { folder, path: path ?? join(folder, 'test.log'), stderr, clock, open };
}

const write = (file: FileDestination, line: string) => file.write({ level: 'notice', line, text: '' });

test('lines of a turn are there in the next one, behind what was there', async (context) => {
  const { path, open } = setUp(context);
  writeFileSync(path, 'before\n');
  const file = open(path);
  write(file, 'one');
  write(file, 'zwei ü');
  assert.equal(readFileSync(path, 'utf8'), 'before\n');
  await turn();
  assert.equal(readFileSync(path, 'utf8'), 'before\none\nzwei ü\n');
});

test('T07 a new log file is for its owner only', (context) => {
  const { path, open } = setUp(context);
  open(path);
  assert.equal(statSync(path).mode & 0o777, 0o600);
});

test('more than may wait in a turn is written at once', (context) => {
  const { path, open } = setUp(context);
  const file = open(path);
  const line = 'x'.repeat(1023);
  for (let length = 0; length < PENDING_CHARACTERS_MAX; length += line.length + 1) write(file, line);
  assert.equal(statSync(path).size, PENDING_CHARACTERS_MAX);
});

test('rotation: lines before it are in the renamed file, lines after it in a new one', async (context) => {
  const { path, open } = setUp(context);
  const file = open(path);
  write(file, 'old');
  renameSync(path, `${path}.1`);
  assert.equal(file.reopen(), null);
  write(file, 'new');
  await turn();
  assert.equal(readFileSync(`${path}.1`, 'utf8'), 'old\n');
  assert.equal(readFileSync(path, 'utf8'), 'new\n');
});

test('a file that cannot be opened again: the log goes on in the old one', async (context) => {
  const { path, open } = setUp(context);
  const file = open(path);
  renameSync(path, `${path}.1`);
  symlinkSync('elsewhere', path);
  assert.match(file.reopen() ?? '', /^Error: Unable to open log file .*test\.log for writing: it is a symbolic link/);
  write(file, 'kept');
  await turn();
  assert.equal(readFileSync(`${path}.1`, 'utf8'), 'kept\n');
});

test('close writes what waits', (context) => {
  const { path, open } = setUp(context);
  const file = open(path);
  write(file, 'last');
  file.close();
  assert.equal(readFileSync(path, 'utf8'), 'last\n');
});

const isFullThere = existsSync('/dev/full');
test('a full disk: lines go to stderr, why is said once a minute', {
  skip: !isFullThere && 'no /dev/full',
}, async (context) => {
  const { stderr, clock, open } = setUp(context);
  const file = open('/dev/full');
  write(file, 'one');
  write(file, 'two');
  await turn();
  const reason = '[Error: Unable to write to log file /dev/full: no space left on device. Its lines go to stderr.]';
  assert.deepEqual(stderr, [reason, 'one\ntwo\n']);
  clock.advance(REASON_EVERY_MS - 1);
  write(file, 'three');
  await turn();
  assert.deepEqual(stderr.splice(0), [reason, 'one\ntwo\n', 'three\n']);
  clock.advance(1);
  write(file, 'four');
  await turn();
  assert.deepEqual(stderr, [reason, 'four\n']);
});

test('T33 a symbolic link is opened only where the environment says so', (context) => {
  const { folder, path, open } = setUp(context);
  symlinkSync(join(folder, 'target'), path);
  assert.throws(() => open(path), {
    name: 'LogFileError',
    message: `Error: Unable to open log file ${path} for writing: it is a symbolic link, which only MOSQUITTO_UNSAFE_ALLOW_SYMLINKS in the environment of the broker allows.`,
  });
  assert.equal(existsSync(join(folder, 'target')), false);
  const allowed = setUp(context, path, true);
  allowed.open(path);
  assert.equal(existsSync(join(folder, 'target')), true);
});

test('what cannot be a log says why', (context) => {
  const { folder, open } = setUp(context);
  assert.throws(() => open(folder), LogFileError);
  const missing = join(folder, 'no', 'folder');
  assert.throws(() => open(missing), {
    message: `Error: Unable to open log file ${missing} for writing: no such file or directory.`,
  });
});

test('a file that may be shut: its lines go to stderr until it can be opened', async (context) => {
  const { folder, stderr, open } = setUp(context, undefined, false, true);
  const path = join(folder, 'sub', 'test.log');
  const file = open(path);
  write(file, 'one');
  await turn();
  const fault = `Error: Unable to open log file ${path} for writing: no such file or directory.`;
  assert.deepEqual(stderr.splice(0), [`[${fault} Its lines go to stderr.]`, 'one\n']);
  assert.equal(file.reopen(), fault);
  mkdirSync(join(folder, 'sub'));
  assert.equal(file.reopen(), null);
  write(file, 'two');
  await turn();
  assert.equal(readFileSync(path, 'utf8'), 'two\n');
  assert.deepEqual(stderr, []);
});
