import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import {
  BrokerProcess,
  configFile,
  connectMqtt,
  freePort,
  hasIpv6,
  MAIN,
  runToEnd,
  SCRIPT,
  startOnFreePort,
  takePort,
} from './broker-process.ts';

const limit = { timeout: 30_000 };
/** A broker that root starts becomes another user, who cannot look into processes. */
const isRoot = process.getuid?.() === 0;
const onIpv6 = { ...limit, skip: hasIpv6 ? false : 'no IPv6 here' };

test(
  'without a configuration: the lines of the start, and the first minute, and nothing else',
  limit,
  async (context) => {
    const { broker, port } = await startOnFreePort(context, (free) => ['-p', `${free}`]);
    await broker.sees('pub -p');
    // Another broker may have the port of the HTTP API.
    const lines = broker.lines.filter((line) => !/http api/i.test(line));
    const opening = lines.findIndex((line) => line.startsWith('Opening'));
    assert.match(lines[0] ?? '', /^zanzara version [0-9.]+\S* starting$/);
    assert.equal(lines[1], 'Using default config.');
    assert.match(lines[2] ?? '', /^Starting in local only mode\./);
    assert.equal(lines[opening], `Opening ipv4 listen socket on port ${port}.`);
    assert.equal(lines[opening + 1], `Opening ipv6 listen socket on port ${port}.`);
    const running = lines.findIndex((line) => / running$/.test(line));
    if (hasIpv6) assert.equal(running, opening + 2);
    assert.equal(lines[running + 1], '');
    assert.match(lines[running + 2] ?? '', /^Zanzara listens on 127\.0\.0\.1/);
    assert.match(lines.at(-2) ?? '', new RegExp(`zanzara'? sub -p ${port} -t 'hello/#' -v$`));
    assert.doesNotMatch(broker.stderr, /ExperimentalWarning|--trace-warnings/);
    assert.equal(broker.stdout, '');
  },
);

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  for (const [name, program] of [
    ['node src/cli/main.ts', MAIN],
    ['bin/zanzara', SCRIPT],
  ] as const) {
    const options = { ...limit, skip: existsSync(program[program.length - 1] ?? '') ? false : 'not there yet' };
    test(
      `${signal} ends ${name} cleanly: exit 0, clients are let go, the port is free again`,
      options,
      async (context) => {
        const { broker, port } = await startOnFreePort(context, (free) => ['-p', `${free}`], program);
        const { socket, returnCode } = await connectMqtt(context, port);
        assert.equal(returnCode, 0);
        const closed = once(socket, 'end').then(() => socket.end());
        assert.deepEqual(await broker.stop(signal), { code: 0, signal: null });
        await closed;
        assert.match(broker.lines.join('\n'), /^zanzara version \S+ terminating$/m);

        const next = new BrokerProcess(context, ['-p', `${port}`]);
        await next.sees(' running\n');
        assert.deepEqual(await next.stop(signal), { code: 0, signal: null });
      },
    );
  }
}

test('a signal during the start ends it too', limit, async (context) => {
  const broker = new BrokerProcess(context, ['-p', `${await freePort()}`]);
  await broker.sees(' starting\n');
  assert.deepEqual(await broker.stop('SIGTERM'), { code: 0, signal: null });
});

test('a second signal does not wait for a client that does not hang up', limit, async (context) => {
  const { broker, port } = await startOnFreePort(context, (free) => ['-p', `${free}`]);
  await connectMqtt(context, port);
  broker.child.kill('SIGINT');
  await broker.sees(' terminating\n');
  assert.deepEqual(await broker.stop('SIGINT'), { code: 130, signal: null });
});

test('SIGHUP, SIGUSR1 and SIGUSR2 do no harm', limit, async (context) => {
  const { broker, port } = await startOnFreePort(context, (free) => ['-p', `${free}`]);
  for (const [signal, words] of [
    ['SIGHUP', 'There is no configuration file to read again.'],
    ['SIGUSR1', 'SIGUSR1: all state is in memory'],
  ] as const) {
    broker.child.kill(signal);
    await broker.sees(words);
  }
  broker.child.kill('SIGUSR2');
  assert.equal((await connectMqtt(context, port)).returnCode, 0);
});

test('both loopback addresses answer', onIpv6, async (context) => {
  const { port } = await startOnFreePort(context, (free) => ['-p', `${free}`]);
  assert.equal((await connectMqtt(context, port, '127.0.0.1')).returnCode, 0);
  assert.equal((await connectMqtt(context, port, '::1')).returnCode, 0);
});

test('a listener with an IPv6 address', onIpv6, async (context) => {
  const { broker, port } = await startOnFreePort(context, (free) => {
    return ['-c', configFile(context, `listener ${free} ::1\nallow_anonymous true\n`)];
  });
  assert.ok(broker.lines.includes(`Opening ipv6 listen socket on port ${port}.`));
  assert.ok(!broker.stderr.includes('Opening ipv4'));
  assert.equal((await connectMqtt(context, port, '::1')).returnCode, 0);
});

test('a taken port: who holds it, what to do, exit 1', limit, async (context) => {
  const port = await takePort(context);
  const { code, lines } = await runToEnd(context, ['-p', `${port}`]);
  assert.equal(code, 1);
  assert.ok(lines.includes('Error: Address already in use'), lines.join('\n'));
  const [holder, mend] = isRoot
    ? ["a process of user 'root'; which one is visible to root only\\.", 'stop the other process\\.']
    : [`.*\\(pid ${process.pid}\\)\\.`, `.*: kill ${process.pid}`];
  assert.match(lines.at(-2) ?? '', new RegExp(`^Port ${port} is held by ${holder}$`));
  assert.match(lines.at(-1) ?? '', new RegExp(`^Use another port: .* -p [0-9]+\\. Or ${mend}$`));
});

test('a broker whose port another Zanzara holds says so', limit, async (context) => {
  const { port } = await startOnFreePort(context, (free) => ['-p', `${free}`]);
  const { code, stderr } = await runToEnd(context, ['-p', `${port}`]);
  assert.equal(code, 1);
  const holder = isRoot ? "a process of user '[a-z]+'" : 'another Zanzara \\(pid [0-9]+\\)';
  assert.match(stderr, new RegExp(`Port ${port} is held by ${holder}`));
});

test('a port that the configuration opens twice', limit, async (context) => {
  const port = await freePort();
  const file = configFile(context, `listener ${port} 127.0.0.1\nlistener ${port} localhost\nsocket_domain ipv4\n`);
  const { code, stderr } = await runToEnd(context, ['-c', file]);
  assert.equal(code, 1);
  assert.match(stderr, /is already open in this broker: it is configured twice \(.*test\.conf:2\)\./);
});

test('nobody reads the log any more: the broker goes on', limit, async (context) => {
  const { broker, port } = await startOnFreePort(context, (free) => ['-v', '-p', `${free}`]);
  broker.child.stderr.destroy();
  for (let count = 0; count < 3; count++) {
    const { socket, returnCode } = await connectMqtt(context, port);
    socket.destroy();
    assert.equal(returnCode, 0);
  }
  broker.child.kill('SIGTERM');
  const [code] = await once(broker.child, 'exit');
  assert.equal(code, 0);
});

for (const [what, statement] of [
  ['an exception that nobody catches', 'throw new Error("boom\\nbang")'],
  ['a rejection that nobody handles', 'Promise.reject(new Error("boom\\nbang"))'],
] as const) {
  test(`${what} is logged and ends the broker with exit code 70`, limit, async (context) => {
    const [node, flag, main] = MAIN;
    const fault = `data:text/javascript,process.on('SIGWINCH', () => { ${statement} })`;
    const program = [node, flag, '--import', fault, main];
    const { broker } = await startOnFreePort(context, (free) => ['-p', `${free}`], program);
    assert.deepEqual(await broker.stop('SIGWINCH'), { code: 70, signal: null });
    const first = broker.lines.indexOf(
      'Error: This is a defect of Zanzara. Please report it with the lines that follow.',
    );
    assert.deepEqual(broker.lines.slice(first + 1, first + 3), ['Error: boom', 'bang']);
    assert.ok(broker.lines.length > first + 3, 'the stack follows');
  });
}
