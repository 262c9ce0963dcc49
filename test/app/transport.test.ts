/** Which transport the broker runs on, and what it says of it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BrokerProcess, connectMqtt, freePort, MAIN, startOnFreePort } from './broker-process.ts';

const limit = { timeout: 60_000 };

/** `env NAME=VALUE ... node ARGUMENTS src/cli/main.ts` */
function program(transport: string, nodeArguments: readonly string[] = []): readonly string[] {
  const [node, flag, main] = MAIN;
  return ['/usr/bin/env', `ZANZARA_TRANSPORT=${transport}`, node, flag, ...nodeArguments, main];
}

/** Makes node believe that it runs elsewhere. */
function on(what: 'platform' | 'arch', value: string): readonly string[] {
  const code = `Object.defineProperty(process,${JSON.stringify(what)},{value:${JSON.stringify(value)}})`;
  return ['--import', `data:text/javascript,${encodeURIComponent(code)}`];
}

const fallBackLine = 'Using the sockets of node, which are slower than the reactor: ';
const hasReactor = process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch);

for (const [what, value, reason] of [
  ['platform', 'sunos', 'it needs Linux, this is sunos.'],
  ['arch', 'mips', 'it does not know the processor mips.'],
] as const) {
  test(`${what} ${value}: the sockets of node serve, and one line says why`, limit, async (t) => {
    const command = program('', on(what, value));
    const { broker, port } = await startOnFreePort(t, (free) => ['-p', `${free}`], command);
    assert.deepEqual(
      broker.lines.filter((line) => line.startsWith(fallBackLine)),
      [`${fallBackLine}${reason}`],
    );
    assert.equal((await connectMqtt(t, port)).returnCode, 0);
  });
}

for (const transport of hasReactor ? ['', 'node', 'reactor'] : ['node']) {
  test(`ZANZARA_TRANSPORT=${transport}: serves, and says nothing of it`, limit, async (t) => {
    const { broker, port } = await startOnFreePort(t, (free) => ['-p', `${free}`], program(transport));
    assert.equal((await connectMqtt(t, port)).returnCode, 0);
    assert.ok(!broker.stderr.includes(fallBackLine), broker.stderr);
  });
}

test('ZANZARA_TRANSPORT=reactor where it cannot run is an error that says why', limit, async (t) => {
  const broker = new BrokerProcess(t, ['-p', `${await freePort()}`], program('reactor', on('platform', 'sunos')));
  assert.equal((await broker.ended).code, 1);
  assert.ok(
    broker.lines.includes('Error: ZANZARA_TRANSPORT=reactor cannot be used: it needs Linux, this is sunos.'),
    broker.stderr,
  );
});

test('a transport that does not exist is an error that names those that do', limit, async (t) => {
  const broker = new BrokerProcess(t, ['-p', `${await freePort()}`], program('carrier-pigeon'));
  assert.equal((await broker.ended).code, 1);
  assert.ok(
    broker.lines.includes(
      "Error: ZANZARA_TRANSPORT=carrier-pigeon cannot be used: must be reactor or node, not 'carrier-pigeon'.",
    ),
    broker.stderr,
  );
});
