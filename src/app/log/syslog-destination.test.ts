import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { cannotReceiveDatagrams, receiveDatagrams } from '../../../test/fixtures/datagram-receiver.ts';
import { FakeClock } from '../../../test/fixtures/fake-clock.ts';
import { LOG_LEVELS } from '../../base/log.ts';
import { DatagramSender } from '../process/datagram-sender.ts';
import { loadLibc } from '../process/libc.ts';
import { StandIn } from './stand-in.ts';
import { SyslogDestination } from './syslog-destination.ts';

const onFfi = { skip: cannotReceiveDatagrams };

function setUp(context: TestContext, facility: number | null) {
  const folder = mkdtempSync(join(tmpdir(), 'zanzara-syslog-'));
  context.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'log');
  const stderr: string[] = [];
  const clock = new FakeClock();
  const standIn = new StandIn({ clock, writeLines: (lines) => stderr.push(lines), say: (text) => stderr.push(text) });
  const sender = new DatagramSender(loadLibc(), path);
  const syslog = new SyslogDestination({ sender, facility, processId: 4711, clock, standIn });
  context.after(() => syslog.close());
  const listen = () => {
    const receiver = receiveDatagrams(path);
    context.after(() => receiver.close());
    return receiver;
  };
  const write = (level: (typeof LOG_LEVELS)[number], text: string) => syslog.write({ level, text, line: 'other form' });
  return { path, stderr, listen, write };
}

const MESSAGE = /^<([0-9]+)>Jan {2}1 [0-9]{2}:[0-9]{2}:[0-9]{2} zanzara\[4711\]: (.*)$/;

for (const [facility, code] of [
  [null, 3],
  [0, 16],
  [7, 23],
] as const) {
  test(`facility ${facility ?? 'daemon'}: each level has its severity`, onFfi, (context) => {
    const { listen, write } = setUp(context, facility);
    const receiver = listen();
    for (const level of LOG_LEVELS) write(level, `a line of ${level}`);
    const seen = receiver.take().map((text) => {
      const [, priority, message] = MESSAGE.exec(text) ?? assert.fail(text);
      return [Math.floor(Number(priority) / 8), Number(priority) % 8, message];
    });
    const severities = [3, 4, 5, 6, 7, 5, 5];
    assert.deepEqual(
      seen,
      LOG_LEVELS.map((level, index) => [code, severities[index], `a line of ${level}`]),
    );
  });
}

test('T54 what looks like a directive of printf is text', onFfi, (context) => {
  const { listen, write } = setUp(context, null);
  const receiver = listen();
  write('notice', '%n%n%s%s 100%m ü');
  assert.match(receiver.take()[0] ?? '', /: %n%n%s%s 100%m ü$/);
});

test('a log that does not read blocks nothing: lines are dropped and counted', onFfi, (context) => {
  const { listen, write, stderr } = setUp(context, null);
  const receiver = listen();
  const count = 5000;
  for (let index = 0; index < count; index++) write('notice', `${index}`);
  const kept = receiver.take().length;
  assert.ok(kept > 0 && kept < count, `${kept}`);
  write('notice', 'after');
  const texts = receiver.take().map((text) => MESSAGE.exec(text)?.[2]);
  assert.deepEqual(texts, [`(${count - kept} log lines were dropped: syslog did not take them fast enough)`, 'after']);
  assert.deepEqual(stderr, []);
});

test('a log that comes later, or comes back, gets the lines', onFfi, (context) => {
  const { path, listen, write, stderr } = setUp(context, null);
  write('notice', 'nobody there');
  assert.deepEqual(stderr, [
    'Error: Unable to reach syslog: no such file or directory. Its lines go to stderr.',
    'other form\n',
  ]);
  assert.equal(listen().take().length, 0);
  rmSync(path);
  const receiver = listen();
  write('notice', 'somebody there');
  assert.match(receiver.take()[0] ?? '', /: somebody there$/);
});
