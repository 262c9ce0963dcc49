import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import {
  BrokerProcess,
  configFile,
  connectMqtt,
  freePort,
  runToEnd,
  startOnFreePort,
  takePort,
} from './broker-process.ts';

const limit = { timeout: 30_000 };

test('an unknown option: the error, the usage, exit 3', limit, async (context) => {
  for (const args of [['--foo'], ['broker', '--foo']]) {
    const { code, stderr, stdout } = await runToEnd(context, args);
    assert.equal(code, 3);
    assert.match(stderr, /^Error: Unknown option '--foo'\.\n\nUsage: zanzara /);
    assert.equal(stdout, '');
  }
});

test('--help on stdout, exit 0, with pub and sub', limit, async (context) => {
  const { code, stderr, stdout } = await runToEnd(context, ['--help']);
  assert.equal(code, 0);
  assert.match(stdout, /^zanzara [0-9.]+[\s\S]*Usage: zanzara [\s\S]*zanzara pub [\s\S]*zanzara sub /);
  assert.equal(stderr, '');
});

test('--version: the version and the licence, exit 0', limit, async (context) => {
  const { code, stdout } = await runToEnd(context, ['--version']);
  assert.equal(code, 0);
  assert.match(stdout, /^zanzara [0-9]+\.[0-9]+\.[0-9]+\S*\nLicence: Apache-2\.0\n$/);
});

test('a wrong line in the configuration: the error, where, exit 3', limit, async (context) => {
  const file = configFile(context, '# plant\nlistner 1883\n');
  const { code, lines } = await runToEnd(context, ['-c', file]);
  assert.equal(code, 3);
  assert.equal(lines[0], "Error: Unknown configuration variable 'listner'. Did you mean 'listener'?");
  assert.equal(lines[1], `Error found at ${file}:2.`);
  assert.match(lines[2] ?? '', /^zanzara version \S+ terminating$/);
});

test('a configuration that is not there, or is a folder', limit, async (context) => {
  const file = configFile(context, '');
  const missing = await runToEnd(context, ['-c', `${file}.old`]);
  assert.equal(missing.code, 3);
  assert.match(
    missing.lines[0] ?? '',
    /^Error: Unable to open config file .*\.old\. \(ENOENT: no such file or directory\)$/,
  );
  const folder = await runToEnd(context, ['-c', file.replace(/\/[^/]*$/, '')]);
  assert.equal(folder.code, 3);
  assert.match(folder.lines[0] ?? '', /^Error: Config file .* is a directory\.$/);
});

test('--test-config says whether the file is right, and opens nothing', limit, async (context) => {
  const right = await runToEnd(context, [
    '--test-config',
    '-c',
    configFile(context, `listener ${await takePort(context)}\n`),
  ]);
  assert.deepEqual([right.code, right.lines], [0, ['Configuration file is OK.']]);
  const wrong = await runToEnd(context, ['--test-config', '-c', configFile(context, 'persistense true\n')]);
  assert.equal(wrong.code, 3);
  assert.match(
    wrong.lines[0] ?? '',
    /^Error: Unknown configuration variable 'persistense'\. Did you mean 'persistence'\?$/,
  );
  const bridge = configFile(context, 'connection cloud\naddress 192.0.2.7\ntopic #\n');
  const missing = await runToEnd(context, ['--test-config', '-c', bridge]);
  assert.equal(missing.code, 1);
  assert.match(missing.lines.join('\n'), /^Error: Bridge 'cloud' is configured, and bridges are not there yet\./);
  const none = await runToEnd(context, ['--test-config']);
  assert.deepEqual([none.code, none.stderr], [3, 'Error: Please provide a configuration file to test.\n']);
});

test('-q says nothing at all, whatever happens, and beats -v', limit, async (context) => {
  const broken = await runToEnd(context, ['-q', '-c', configFile(context, 'nonsense\n')]);
  assert.deepEqual([broken.code, broken.stderr], [3, '']);
  const taken = await runToEnd(context, ['-q', '-p', `${await takePort(context)}`]);
  assert.deepEqual([taken.code, taken.stderr], [1, '']);

  const port = await freePort();
  const broker = new BrokerProcess(context, ['-v', '-q', '-p', `${port}`]);
  await answers(context, port);
  const { socket, returnCode } = await connectMqtt(context, port);
  socket.destroy();
  assert.equal(returnCode, 0);
  await broker.stop('SIGTERM');
  assert.equal(broker.stderr + broker.stdout, '');
});

/** Waits until somebody listens on the port. */
async function answers(context: TestContext, port: number): Promise<void> {
  const socket = connect({ host: '127.0.0.1', port });
  context.after(() => socket.destroy());
  const isOpen = await new Promise<boolean>((resolve) => {
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
  });
  socket.destroy();
  if (!isOpen) await answers(context, port);
}

test('-v logs what log_type leaves out', limit, async (context) => {
  const logged = async (...flags: string[]) => {
    const { broker, port } = await startOnFreePort(context, (free) => {
      const file = configFile(context, `listener ${free} 127.0.0.1\nallow_anonymous true\nlog_type information\n`);
      return [...flags, '-c', file];
    });
    (await connectMqtt(context, port)).socket.destroy();
    await broker.stop('SIGTERM');
    return broker.stderr;
  };
  const connection = /New connection from 127\.0\.0\.1:[0-9]+ on port [0-9]+\./;
  assert.match(await logged('-v'), connection);
  assert.doesNotMatch(await logged(), connection);
});

test('a configuration with a listener: its lines, no first minute, -p does not count', limit, async (context) => {
  const { broker, port } = await startOnFreePort(context, (free) => {
    return ['-p', '1883', '-c', configFile(context, `listener ${free} 127.0.0.1\nallow_anonymous true\n`)];
  });
  await broker.stop('SIGTERM');
  const [starting, loaded, ignored, ...others] = broker.lines;
  assert.match(starting ?? '', / starting$/);
  assert.match(loaded ?? '', /^Config loaded from .*test\.conf\.$/);
  assert.match(ignored ?? '', /^Warning: -p is ignored: .*test\.conf defines listeners\.$/);
  assert.equal(others[0], `Opening ipv4 listen socket on port ${port}.`);
  assert.match(others[1] ?? '', / running$/);
  assert.match(others[2] ?? '', / terminating$/);
  assert.equal(others.length, 3);
});

test('a listener without allow_anonymous refuses clients that nobody vouches for', limit, async (context) => {
  const { port } = await startOnFreePort(context, (free) => [
    '-c',
    configFile(context, `listener ${free} 127.0.0.1\n`),
  ]);
  assert.equal((await connectMqtt(context, port)).returnCode, 5);
});

test('allow_anonymous false holds in local only mode too', limit, async (context) => {
  const { port } = await startOnFreePort(context, (free) => {
    return ['-p', `${free}`, '-c', configFile(context, 'allow_anonymous false\n')];
  });
  assert.equal((await connectMqtt(context, port)).returnCode, 5);
});
