/** Out of descriptors: a client is refused and not left hanging. In a process of its own, whose limit is set low. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { NODE_COMMAND } from '../../../test/fixtures/node-command.ts';

/** Descriptors of the process; it needs about 25 itself. */
const LIMIT = 64;
const PEERS = 100;

const SCRIPT = `
  import { createReactor } from ${JSON.stringify(fileURLToPath(new URL('./reactor.ts', import.meta.url)))};
  import { createReactorTransport } from ${JSON.stringify(fileURLToPath(new URL('./reactor-transport.ts', import.meta.url)))};
  const codes = new Set();
  const transport = createReactorTransport(createReactor(), { onAcceptError: (error) => codes.add(error.code) });
  const accept = (link) => {
    link.send(Buffer.from('welcome'), 0, 7);
    return { onBytes() {}, onSent() {}, onEnd() {} };
  };
  const listening = await transport.listen({ host: '127.0.0.1', port: 0, isIpv6Only: false }, accept);
  console.log(listening.port);
  process.on('SIGUSR2', () => console.log([...codes].join(',')));
`;

/** Resolves when the peer was welcomed (true) or refused (false). */
async function outcome(socket: Socket): Promise<boolean> {
  const welcomed = once(socket, 'data').then(() => true);
  const refused = once(socket, 'close').then(() => false);
  return Promise.race([welcomed, refused]);
}

function start(): ChildProcess {
  const args = ['--disable-warning=ExperimentalWarning', '--input-type=module', '--eval', SCRIPT];
  return spawn('/bin/sh', ['-c', `ulimit -n ${LIMIT}; exec "$0" "$@"`, ...NODE_COMMAND, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

test('out of descriptors connections are refused, and served again when there are some', {
  timeout: 60_000,
}, async (t) => {
  const child = start();
  t.after(() => child.kill('SIGKILL'));
  assert.ok(child.stdout !== null);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const port = Number((await lines.next()).value);

  const sockets = Array.from({ length: PEERS }, () => connect({ host: '127.0.0.1', port }).on('error', () => {}));
  t.after(() => sockets.map((socket) => socket.destroy()));
  const outcomes = await Promise.all(sockets.map(outcome));
  const welcomed = sockets.filter((_, index) => outcomes[index]);
  assert.ok(welcomed.length > 10, `${welcomed.length} were served`);
  assert.ok(welcomed.length < LIMIT, `${welcomed.length} were served with ${LIMIT} descriptors`);

  child.kill('SIGUSR2');
  assert.equal((await lines.next()).value, 'EMFILE');

  for (const socket of welcomed.slice(0, 5)) {
    socket.end();
    // The other side has closed too: its descriptor is free.
    socket.resume();
    await once(socket, 'close');
  }
  const late = connect({ host: '127.0.0.1', port });
  t.after(() => late.destroy());
  assert.equal(await outcome(late), true);
});
