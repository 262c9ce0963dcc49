import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { findPortHolder, nextFreePort } from './port-holder.ts';

const options = { skip: process.platform === 'linux' ? false : 'reads /proc' };

async function listen(context: TestContext, host: string): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen({ host, port: 0, ipv6Only: true }, resolve));
  context.after(() => server.close());
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  return address.port;
}

for (const host of ['127.0.0.1', '::1', '0.0.0.0', '::']) {
  test(`the holder of ${host} is found`, options, async (context) => {
    const port = await listen(context, host);
    const holder = findPortHolder(host, port);
    assert.ok(holder.kind === 'process');
    assert.equal(holder.pid, process.pid);
    assert.match(holder.name, /^node\b/);
  });
}

test('who listens on every address is in the way of one address, and the reverse', options, async (context) => {
  assert.equal(findPortHolder('127.0.0.1', await listen(context, '0.0.0.0')).kind, 'process');
  assert.equal(findPortHolder('0.0.0.0', await listen(context, '127.0.0.1')).kind, 'process');
});

test('who listens on another address is not in the way', options, async (context) => {
  assert.equal(findPortHolder('127.0.0.2', await listen(context, '127.0.0.1')).kind, 'hidden');
});

test('the next free port is one that nobody listens on', options, async (context) => {
  const port = await listen(context, '127.0.0.1');
  const next = nextFreePort(port - 1);
  assert.ok(next > port);
  assert.equal(findPortHolder('127.0.0.1', next).kind, 'hidden');
  assert.equal(nextFreePort(65_535), 1884);
});
