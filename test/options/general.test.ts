/** The process, the files of the configuration, and what concerns all clients. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { BrokerProcess, freePort, startOnFreePort } from '../app/broker-process.ts';
import { makeFolder, OPEN, refusalOf, startOneBroker } from './one-broker.ts';
import { cannotReadOptions, hasNoDelay } from './socket-option.ts';
import { admission, Visitor } from './visitor.ts';

const limit = { timeout: 60_000 };
const isRoot = process.geteuid?.() === 0;
const asRoot = { ...limit, skip: isRoot ? false : 'only root can change its user' };
const onFfi = { skip: cannotReadOptions };

test('option include_dir: its files are read in the order of their names', async (t) => {
  const files = {
    'conf.d/20-limits.conf': 'max_keepalive 20\n',
    'conf.d/10-limits.conf': 'max_keepalive 10\n',
    'conf.d/notes.txt': 'max_keepalive 30\n',
  };
  const broker = await startOneBroker(t, [...OPEN, 'include_dir {FOLDER}/conf.d'], { files });
  assert.equal((await Visitor.connect(broker.port)).client.connack.properties.serverKeepAlive, 20);
  const wrong = { 'conf.d/a.conf': 'max_keepalive 10\nmax_keepalife 10\n' };
  assert.match(await refusalOf(t, ['include_dir {FOLDER}/conf.d'], { files: wrong }), /max_keepalife.*\(line 2\)/);
  assert.match(await refusalOf(t, ['include_dir {FOLDER}/none']), /none/);
});

test('option user: a broker that root starts becomes that user, and stays root with `root`', asRoot, async (t) => {
  assert.equal(await userOfBroker(t, 'user nobody'), idOf('nobody'));
  assert.equal(await userOfBroker(t, 'user root'), '0');
  assert.notEqual(await userOfBroker(t, ''), '0');
  const broker = new BrokerProcess(t, ['-c', writeConfig(t, ['user no-such-user'])]);
  assert.equal((await broker.ended).code, 1);
  assert.match(broker.stderr, /no-such-user/);
});

test('option user: has no effect without root', { ...limit, skip: isRoot ? 'for other users' : false }, async (t) => {
  assert.equal(await userOfBroker(t, 'user nobody'), String(process.getuid?.()));
});

async function userOfBroker(t: TestContext, line: string): Promise<string | undefined> {
  const { broker } = await startOnFreePort(t, (port) => ['-c', writeConfig(t, [`listener ${port} 127.0.0.1`, line])]);
  const status = readFileSync(`/proc/${broker.child.pid}/status`, 'utf8');
  await broker.stop('SIGTERM');
  return /^Uid:\t(\d+)/m.exec(status)?.[1];
}

function idOf(user: string): string | undefined {
  return new RegExp(`^${user}:[^:]*:(\\d+):`, 'm').exec(readFileSync('/etc/passwd', 'utf8'))?.[1];
}

function writeConfig(t: TestContext, lines: readonly string[]): string {
  const file = join(makeFolder(t), 'test.conf');
  writeFileSync(file, `${lines.join('\n')}\n`, { mode: 0o644 });
  return file;
}

test(
  'option pid_file: holds the id of the process while it runs; where it cannot be written nothing starts',
  limit,
  async (t) => {
    const pidFile = join(makeFolder(t), 'z.pid');
    const { broker } = await startOnFreePort(t, (port) => [
      '-c',
      writeConfig(t, [`listener ${port} 127.0.0.1`, `pid_file ${pidFile}`]),
    ]);
    assert.equal(readFileSync(pidFile, 'utf8'), String(broker.child.pid));
    await broker.stop('SIGTERM');
    assert.ok(!existsSync(pidFile));
    const port = await freePort();
    const failed = new BrokerProcess(t, ['-c', writeConfig(t, [`listener ${port} 127.0.0.1`, 'pid_file /none/z.pid'])]);
    assert.equal((await failed.ended).code, 1);
    assert.match(failed.stderr, /\/none\/z\.pid/);
  },
);

test('option allow_duplicate_messages: subscriptions that overlap give one copy each, or one', async (t) => {
  const copies = async (lines: readonly string[], version: 4 | 5) => {
    const { port } = await startOneBroker(t, [...OPEN, ...lines]);
    const visitor = await Visitor.connect(port, { version });
    for (const filter of ['a/#', 'a/b', '#']) await visitor.subscribe(filter);
    await visitor.publish('a/b', 'x');
    await visitor.subscribe('end');
    await visitor.client.unsubscribe('#');
    await visitor.publish('end', 'end');
    let count = 0;
    while ((await visitor.next()) !== 'end') count += 1;
    return count;
  };
  assert.equal(await copies(['allow_duplicate_messages false'], 4), 1);
  assert.equal(await copies(['allow_duplicate_messages true'], 4), 3);
  assert.equal(await copies([], 4), 3);
});

test('option enable_control_api: $CONTROL/broker/v1 is not there yet, and the broker says so', async (t) => {
  const says = async (lines: readonly string[]) =>
    (await startOneBroker(t, [...OPEN, ...lines])).log.hasLine('$CONTROL/broker/v1 is not there yet');
  assert.ok(await says(['enable_control_api true']));
  assert.ok(!(await says(['enable_control_api false'])));
  assert.ok(!(await says([])));
});

test('option set_tcp_nodelay: accepted connections send small packets at once', onFfi, async (t) => {
  for (const { lines, is } of [
    { lines: ['set_tcp_nodelay true'], is: true },
    { lines: ['set_tcp_nodelay false'], is: false },
    { lines: [], is: true },
  ]) {
    const { port } = await startOneBroker(t, [...OPEN, ...lines]);
    await Visitor.connect(port);
    assert.deepEqual(hasNoDelay(port), [is], lines.join());
  }
});

test('option sys_interval: $SYS is published every so many seconds; with 0 there is none', limit, async (t) => {
  const { port } = await startOneBroker(t, [...OPEN, 'sys_interval 1']);
  const visitor = await Visitor.connect(port);
  await visitor.subscribe('$SYS/broker/uptime');
  const secondsOf = async () => Number.parseInt(await visitor.next(), 10);
  const first = await secondsOf();
  const second = await secondsOf();
  const third = await secondsOf();
  // The usual interval is 10 seconds; a machine that has other things to do is late.
  assert.ok(third - second <= 5 && third > first, `${first}, ${second}, ${third}`);
  const silent = await Visitor.connect((await startOneBroker(t, [...OPEN, 'sys_interval 0'])).port);
  assert.deepEqual(await retainedSys(silent), []);
  const usual = await Visitor.connect((await startOneBroker(t, OPEN)).port);
  assert.ok((await retainedSys(usual)).includes('$SYS/broker/version'));
});

/** Topics of $SYS that are there when a client subscribes. */
async function retainedSys(visitor: Visitor): Promise<readonly string[]> {
  await visitor.publish('end', 'end', true);
  await visitor.client.subscribe([
    { filter: '$SYS/#', qos: 1 },
    { filter: 'end', qos: 1 },
  ]);
  const topics: string[] = [];
  for (let { topic } = await visitor.nextMessage(); topic !== 'end'; { topic } = await visitor.nextMessage()) {
    topics.push(topic);
  }
  return topics;
}

test('option upgrade_outgoing_qos: messages leave with the QoS of the subscription', async (t) => {
  const qosOf = async (lines: readonly string[]) => {
    const visitor = await Visitor.connect((await startOneBroker(t, [...OPEN, ...lines])).port);
    await visitor.subscribe('a', { qos: 2 });
    await visitor.client.publish('a', 'x', { qos: 0 });
    return (await visitor.nextMessage()).qos;
  };
  assert.equal(await qosOf(['upgrade_outgoing_qos true']), 2);
  assert.equal(await qosOf([]), 0);
});

test('option retry_interval: is taken with a warning that it is gone', async (t) => {
  const { port, log } = await startOneBroker(t, [...OPEN, 'retry_interval 20']);
  assert.ok(log.hasLine("Warning: The 'retry_interval' option is no longer available."));
  assert.equal(await admission(port), 'in');
});
