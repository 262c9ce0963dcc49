import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { FakeClock } from '../../../test/fixtures/fake-clock.ts';
import { LOG_LEVELS, type LogLevel } from '../../base/log.ts';
import { createBrokerLog } from './broker-log.ts';
import { LogFileError } from './file-destination.ts';
import { DEFAULT_LOG_SETTINGS, type LogDestination, type LogSettings } from './log-settings.ts';

const turn = () => new Promise(setImmediate);

class Kept extends Writable {
  text = '';
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk;
    done();
  }
}

function setUp(context: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'zanzara-log-'));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  const stderr = new Kept();
  const stdout = new Kept();
  const surroundings = {
    clock: new FakeClock(),
    stderr,
    stdout,
    environment: {},
    syslogPath: join(folder, 'no-syslog'),
  };
  const open = (settings: LogSettings) => {
    const log = createBrokerLog(settings, surroundings);
    context.after(() => log.close());
    return log;
  };
  return { folder, stderr, stdout, open };
}

const to = (
  destinations: readonly LogDestination[],
  levels: readonly LogLevel[] = ['error', 'notice'],
): LogSettings => ({
  ...DEFAULT_LOG_SETTINGS,
  destinations,
  levels: new Set(levels),
});

const STAMP = String(Date.UTC(2026, 0, 1) / 1000);

test('a line goes to every destination, and only when its level is on', async (context) => {
  const { folder, stderr, stdout, open } = setUp(context);
  const path = join(folder, 'a.log');
  const log = open(to([{ kind: 'stderr' }, { kind: 'stdout' }, { kind: 'file', path }]));
  log.write('notice', 'seen');
  log.write('debug', 'not seen');
  await turn();
  const expected = `${STAMP}: seen\n`;
  assert.deepEqual([stderr.text, stdout.text, readFileSync(path, 'utf8')], [expected, expected, expected]);
  assert.deepEqual(LOG_LEVELS.filter(log.has.bind(log)), ['error', 'notice']);
});

test('a level that goes nowhere is not on', (context) => {
  const { open } = setUp(context);
  assert.deepEqual(
    LOG_LEVELS.filter((level) => open(to([], LOG_LEVELS)).has(level)),
    [],
  );
  const topics = open(to([{ kind: 'topic' }], LOG_LEVELS));
  assert.deepEqual(
    LOG_LEVELS.filter((level) => !topics.has(level)),
    ['debug'],
  );
});

test('the JSON form is for streams and files; topics have text', async (context) => {
  const { stderr, open } = setUp(context);
  const log = open({ ...to([{ kind: 'stderr' }, { kind: 'topic' }]), format: 'json' });
  const published: string[] = [];
  log.attachTopics((topic, text) => published.push(`${topic} ${text}`));
  log.write('error', 'seen');
  await turn();
  assert.equal(stderr.text, '{"time":"2026-01-01T00:00:00.000Z","level":"error","text":"seen"}\n');
  assert.deepEqual(published, [`$SYS/broker/log/E ${STAMP}: seen`]);
});

test('a change: what stays is not touched, what is new is opened, what is gone gets no line', async (context) => {
  const { folder, stderr, open } = setUp(context);
  const [first, second] = [join(folder, 'a.log'), join(folder, 'b.log')];
  const log = open(to([{ kind: 'file', path: first }, { kind: 'topic' }]));
  const published: string[] = [];
  log.attachTopics((_topic, text) => published.push(text));
  log.write('notice', 'one');
  log.change(to([{ kind: 'stderr' }, { kind: 'file', path: first }], ['error']));
  log.write('notice', 'off now');
  log.write('error', 'two');
  await turn();
  log.change({ ...to([{ kind: 'topic' }, { kind: 'file', path: second }]), hasTimestamp: false });
  log.write('notice', 'three');
  await turn();
  assert.equal(readFileSync(first, 'utf8'), `${STAMP}: one\n${STAMP}: two\n`);
  assert.equal(stderr.text, `${STAMP}: two\n`);
  assert.equal(readFileSync(second, 'utf8'), 'three\n');
  assert.deepEqual(published, ['three']);
});

test('a change to a file that cannot be opened changes nothing', async (context) => {
  const { folder, stdout, open } = setUp(context);
  const path = join(folder, 'a.log');
  const log = open(to([{ kind: 'file', path }]));
  const wrong = to([{ kind: 'stdout' }, { kind: 'file', path: join(folder, 'no', 'folder') }], ['error']);
  assert.throws(() => log.change(wrong), LogFileError);
  log.write('notice', 'still here');
  await turn();
  assert.equal(readFileSync(path, 'utf8'), `${STAMP}: still here\n`);
  assert.equal(stdout.text, '');
});

test('reopen: a name that cannot be opened again is said in the log and on stderr', async (context) => {
  const { folder, stderr, open } = setUp(context);
  const path = join(folder, 'sub.log');
  const log = open(to([{ kind: 'file', path }]));
  renameSync(path, `${path}.1`);
  log.reopen();
  log.write('notice', 'new');
  await turn();
  assert.equal(readFileSync(path, 'utf8'), `${STAMP}: new\n`);
  rmSync(folder, { recursive: true });
  log.reopen();
  assert.match(
    stderr.text,
    /^[0-9]+: Error: Unable to open log file .*sub\.log for writing: no such file or directory\. /,
  );
});

test('no syslog there: its lines go to stderr, and why', (context) => {
  const { stderr, open } = setUp(context);
  const log = open(to([{ kind: 'syslog' }]));
  log.write('notice', 'one');
  log.write('notice', 'two');
  const lines = stderr.text.split('\n').map((line) => line.replace(`${STAMP}: `, ''));
  assert.deepEqual(lines, [
    'Error: Unable to reach syslog: no such file or directory. Its lines go to stderr.',
    'one',
    'two',
    '',
  ]);
});

test('close writes what waits; later lines are dropped', async (context) => {
  const { folder, open } = setUp(context);
  const path = join(folder, 'a.log');
  const log = open(to([{ kind: 'file', path }]));
  log.write('notice', 'last');
  await log.close();
  log.write('notice', 'too late');
  await log.close();
  assert.equal(readFileSync(path, 'utf8'), `${STAMP}: last\n`);
});

test('a file that cannot be opened at the start: the log begins on stderr, and goes over with the next rotation', async (context) => {
  const { folder, stderr, open } = setUp(context);
  const path = join(folder, 'sub', 'a.log');
  const log = open(to([{ kind: 'file', path }]));
  log.write('notice', 'one');
  await turn();
  const fault = `Error: Unable to open log file ${path} for writing: no such file or directory. Its lines go to stderr.`;
  assert.equal(stderr.text, `${STAMP}: ${fault}\n${STAMP}: one\n`);
  stderr.text = '';
  log.reopen();
  await turn();
  assert.equal(stderr.text, `${STAMP}: ${fault.replace(' Its lines go to stderr.', '')}\n`);
  mkdirSync(join(folder, 'sub'));
  log.reopen();
  log.write('notice', 'two');
  await turn();
  assert.equal(readFileSync(path, 'utf8'), `${STAMP}: two\n`);
});
