/** The broker as a service: what logrotate, init scripts and systemd see of it. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { loadLibc } from '../../src/app/process/libc.ts';
import { cannotReceiveDatagrams, receiveDatagrams } from '../fixtures/datagram-receiver.ts';
import { BrokerProcess, freePort, MAIN, SCRIPT } from './broker-process.ts';

const limit = { timeout: 30_000 };
const onFfi = { ...limit, skip: cannotReceiveDatagrams };

/** A folder, and a configuration in it that keeps root, so that a test of root's may have its files there. */
async function setUp(context: TestContext, lines: (folder: string) => readonly string[]) {
  const folder = mkdtempSync(join(tmpdir(), 'zanzara-service-'));
  context.after(() => rmSync(folder, { recursive: true }));
  const config = join(folder, 'test.conf');
  const port = await freePort();
  writeFileSync(config, [`listener ${port} 127.0.0.1`, 'user root', ...lines(folder), ''].join('\n'));
  return { folder, config, port };
}

/** Waits until a file holds `text`. */
async function untilFileHolds(path: string, text: string, broker: BrokerProcess): Promise<void> {
  while (!existsSync(path) || !readFileSync(path, 'utf8').includes(text)) {
    assert.equal(broker.child.exitCode, null, `ended without '${text}' in ${path}\n${broker.stderr}`);
    await new Promise(setImmediate);
  }
}

test('a log file is rotated by SIGRTMIN, and by SIGHUP', onFfi, async (context) => {
  const { folder, config } = await setUp(context, (at) => [`log_dest file ${at}/z.log`]);
  const log = join(folder, 'z.log');
  const broker = new BrokerProcess(context, ['-c', config]);
  await untilFileHolds(log, ' running\n', broker);
  for (const [index, signal] of [loadLibc().realTimeSignal(), 'SIGHUP'].entries()) {
    renameSync(log, `${log}.${index}`);
    process.kill(broker.child.pid ?? Number.NaN, signal);
    await untilFileHolds(log, '', broker);
  }
  await untilFileHolds(log, 'Reloading config.\n', broker);
  assert.deepEqual(await broker.stop('SIGTERM'), { code: 0, signal: null });
  assert.match(readFileSync(log, 'utf8'), / terminating\n/);
  assert.equal(broker.stderr, '');
});

test('the pid file is there while the broker runs', limit, async (context) => {
  const { folder, config } = await setUp(context, (at) => [`pid_file ${at}/z.pid`]);
  const pidFile = join(folder, 'z.pid');
  const broker = new BrokerProcess(context, ['-c', config]);
  await broker.sees(' running\n');
  assert.equal(readFileSync(pidFile, 'utf8'), String(broker.child.pid));
  assert.deepEqual(await broker.stop('SIGTERM'), { code: 0, signal: null });
  assert.equal(existsSync(pidFile), false);
});

test('systemd is told of the start, a reload and the stop, in order', onFfi, async (context) => {
  const { folder, config } = await setUp(context, () => []);
  const socket = join(folder, 'notify');
  const receiver = receiveDatagrams(socket);
  context.after(() => receiver.close());
  const told: string[] = [];
  const untilTold = async (count: number) => {
    for (; told.length < count; told.push(...receiver.take())) await new Promise(setImmediate);
  };
  const broker = new BrokerProcess(context, ['-c', config], ['/usr/bin/env', `NOTIFY_SOCKET=${socket}`, ...MAIN]);
  await untilTold(1);
  broker.child.kill('SIGHUP');
  await untilTold(3);
  assert.deepEqual(await broker.stop('SIGTERM'), { code: 0, signal: null });
  await untilTold(4);
  assert.match(told[1] ?? '', /^RELOADING=1\nMONOTONIC_USEC=[0-9]+$/);
  assert.deepEqual([told[0], ...told.slice(2)], ['READY=1', 'READY=1', 'STOPPING=1']);
});

test('zanzara -d runs a broker in the background', limit, async (context) => {
  const { folder, config, port } = await setUp(context, (at) => [`pid_file ${at}/z.pid`, `log_dest file ${at}/z.log`]);
  const start = () => spawnSync(SCRIPT[0], ['-d', '-c', config], { encoding: 'utf8', timeout: 20_000 });
  const first = start();
  const pid = existsSync(join(folder, 'z.pid')) ? Number(readFileSync(join(folder, 'z.pid'), 'utf8')) : null;
  context.after(() => {
    if (pid !== null) process.kill(pid, 'SIGKILL');
  });
  assert.deepEqual([first.status, first.stdout, first.stderr], [0, '', '']);
  assert.match(readFileSync(join(folder, 'z.log'), 'utf8'), / running\n/);

  // The port is taken now.
  writeFileSync(config, `listener ${port} 127.0.0.1\nuser root\n`);
  const second = start();
  assert.equal(second.status, 1);
  assert.match(second.stderr, /Error: Address already in use/);
});

test('zanzara -d with a configuration that is wrong', limit, async (context) => {
  const { config } = await setUp(context, () => ['bogus 1']);
  const { status, stderr } = spawnSync(SCRIPT[0], ['-c', config, '--daemon'], { encoding: 'utf8', timeout: 20_000 });
  assert.equal(status, 3);
  assert.match(stderr, /Error: Unknown configuration variable 'bogus'/);
});
