import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { cannotReceiveDatagrams, receiveDatagrams } from '../../../test/fixtures/datagram-receiver.ts';
import { FakeClock } from '../../../test/fixtures/fake-clock.ts';
import type { Environment } from './open-carefully.ts';
import { createSystemdNotifier } from './systemd-notifier.ts';

const onFfi = { skip: cannotReceiveDatagrams };

function socketPath(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'zanzara-notify-'));
  context.after(() => rmSync(folder, { recursive: true }));
  return join(folder, 'notify');
}

function setUp(context: TestContext, name: string, environment: Environment = {}) {
  const receiver = receiveDatagrams(name);
  context.after(() => receiver.close());
  const clock = new FakeClock();
  const warnings: string[] = [];
  const notifier = createSystemdNotifier({
    environment: { NOTIFY_SOCKET: name, ...environment },
    clock,
    processId: 4711,
    monotonicMicroseconds: () => 123_456n,
    warn: (text) => warnings.push(text),
  });
  context.after(() => notifier.close());
  return { receiver, clock, warnings, notifier };
}

for (const kind of ['path', 'abstract name']) {
  test(`states on a socket with a ${kind}`, onFfi, (context) => {
    const path = socketPath(context);
    const { notifier, receiver, warnings } = setUp(context, kind === 'path' ? path : `@${path}`);
    notifier.ready();
    notifier.reloading();
    notifier.ready();
    notifier.status('100 clients\nREADY=0');
    notifier.stopping();
    assert.deepEqual(receiver.take(), [
      'READY=1',
      'RELOADING=1\nMONOTONIC_USEC=123456',
      'READY=1',
      'STATUS=100 clients READY=0',
      'STOPPING=1',
    ]);
    assert.deepEqual(warnings, []);
  });
}

test('a sign of life at half of the time that the watchdog has', onFfi, (context) => {
  const { receiver, clock, notifier } = setUp(context, socketPath(context), {
    WATCHDOG_USEC: '3000000',
    WATCHDOG_PID: '4711',
  });
  clock.advance(1499);
  assert.deepEqual(receiver.take(), []);
  clock.advance(1);
  assert.deepEqual(receiver.take(), ['WATCHDOG=1']);
  clock.advance(3000);
  assert.deepEqual(receiver.take(), ['WATCHDOG=1', 'WATCHDOG=1']);
  notifier.close();
  clock.advance(10_000);
  assert.equal(clock.waitingCount, 0);
});

for (const environment of [
  {},
  { WATCHDOG_USEC: '3000000', WATCHDOG_PID: '4712' },
  { WATCHDOG_USEC: '0' },
  { WATCHDOG_USEC: 'x' },
]) {
  test(`no watchdog for us: ${JSON.stringify(environment)}`, onFfi, (context) => {
    const { clock } = setUp(context, socketPath(context), environment);
    assert.equal(clock.waitingCount, 0);
  });
}

test('what systemd cannot take just now is sent a little later, in order', onFfi, (context) => {
  const { receiver, clock, notifier } = setUp(context, socketPath(context));
  let count = 0;
  while (clock.waitingCount === 0) {
    assert.ok(++count < 10_000, 'its socket takes everything');
    notifier.status(`${count}`);
  }
  notifier.stopping();
  receiver.take();
  clock.advance(100);
  assert.deepEqual(receiver.take(), [`STATUS=${count}`, 'STOPPING=1']);
});

test('not started by systemd: nothing is done', () => {
  const warnings: string[] = [];
  const clock = new FakeClock();
  const environment = { WATCHDOG_USEC: '1000000' };
  const notifier = createSystemdNotifier({ environment, clock, warn: (text) => warnings.push(text) });
  notifier.ready();
  notifier.close();
  assert.deepEqual(warnings, []);
  assert.equal(clock.waitingCount, 0);
});

test('a socket that is not there, or none: one warning', onFfi, (context) => {
  for (const [name, words] of [
    [socketPath(context), 'no such file or directory.'],
    ['vsock:2:1234', "'vsock:2:1234' is no unix socket."],
    [`/${'x'.repeat(200)}`, 'the path of a unix socket has'],
  ] as const) {
    const warnings: string[] = [];
    const environment = { NOTIFY_SOCKET: name };
    const notifier = createSystemdNotifier({
      environment,
      clock: new FakeClock(),
      warn: (text) => warnings.push(text),
    });
    notifier.ready();
    notifier.stopping();
    notifier.close();
    assert.equal(warnings.length, 1);
    assert.equal(warnings[0]?.startsWith(`Warning: systemd cannot be notified: ${words}`), true, String(warnings[0]));
  }
});
