import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryLog } from '../../test/fixtures/memory-log.ts';
import type { Accept, ListenAt, Listening, Transport } from '../base/link.ts';
import { readConfig } from '../config/read-config.ts';
import { planListeners } from './listen-plan.ts';
import { openListeners } from './open-listeners.ts';
import { StartFailure } from './start-failure.ts';

const accept: Accept = () => ({ onBytes() {}, onSent() {}, onEnd() {} });

/** A transport whose sockets open unless the table says a code for `host port`. */
class FakeTransport implements Transport {
  readonly open = new Set<string>();
  readonly #failures: Readonly<Record<string, string>>;

  constructor(failures: Readonly<Record<string, string>>) {
    this.#failures = failures;
  }

  async listen({ host, port }: ListenAt): Promise<Listening> {
    const key = `${host} ${port}`;
    const code = this.#failures[key];
    if (code !== undefined) throw Object.assign(new Error(code), { code });
    this.open.add(key);
    return {
      host,
      port,
      close: async () => {
        this.open.delete(key);
      },
    };
  }

  async connect(): Promise<void> {}
}

interface Outcome {
  readonly open: readonly string[];
  readonly lines: readonly string[];
  readonly failure: StartFailure | null;
}

async function openWith(config: string, ports: readonly number[], failures: Record<string, string>): Promise<Outcome> {
  const parsed = readConfig(new TextEncoder().encode(config), 'plant.conf');
  const transport = new FakeTransport(failures);
  const log = new MemoryLog();
  const outcome = (failure: StartFailure | null) => {
    return { open: [...transport.open], lines: log.lines.map(({ level, text }) => `${level} ${text}`), failure };
  };
  try {
    const groups = await planListeners(parsed, ports);
    await openListeners(groups, { transport, accept, log, command: 'zanzara', file: parsed.file });
    return outcome(null);
  } catch (error) {
    if (!(error instanceof StartFailure)) throw error;
    return outcome(error);
  }
}

test('without a listener both loopback addresses are opened, on 1883', async () => {
  const { open, lines } = await openWith('', [], {});
  assert.deepEqual(open, ['127.0.0.1 1883', '::1 1883']);
  assert.deepEqual(lines, [
    'information Opening ipv4 listen socket on port 1883.',
    'information Opening ipv6 listen socket on port 1883.',
  ]);
});

test('without a listener each -p is opened on loopback', async () => {
  const { open } = await openWith('', [1884, 1885], {});
  assert.deepEqual(open, ['127.0.0.1 1884', '::1 1884', '127.0.0.1 1885', '::1 1885']);
});

test('a listener without an address has a socket per family, and -p does not count', async () => {
  const { open } = await openWith('listener 1883\n', [1884], {});
  assert.deepEqual(open, ['0.0.0.0 1883', ':: 1883']);
});

test('a listener with an address has that one', async () => {
  const { open } = await openWith('listener 1883 127.0.0.1\nlistener 1884 ::1\n', [], {});
  assert.deepEqual(open, ['127.0.0.1 1883', '::1 1884']);
});

test('in local only mode one family is enough, whatever is wrong with the other', async () => {
  const { open, lines, failure } = await openWith('', [], { '127.0.0.1 1883': 'EADDRINUSE' });
  assert.equal(failure, null);
  assert.deepEqual(open, ['::1 1883']);
  assert.equal(lines[1], 'error Error: Address already in use');
  assert.match(lines[3] ?? '', /^warning Warning: Port 1883 is open on ::1 only\. Port 1883 is held by/);
});

test('when both families fail it is a failure that says what to do', async () => {
  const { failure } = await openWith('', [], { '127.0.0.1 1883': 'EADDRINUSE', '::1 1883': 'EADDRINUSE' });
  assert.match(failure?.lines[0] ?? '', /^Port 1883 is held by/);
  assert.match(failure?.lines[1] ?? '', /^Use another port: zanzara -p [0-9]+\. Or stop/);
});

test('a port that fails closes those that were open', async () => {
  const failures = { '127.0.0.1 1884': 'EADDRINUSE', '::1 1884': 'EADDRINUSE' };
  const { open, failure } = await openWith('', [1883, 1884], failures);
  assert.deepEqual(open, []);
  assert.notEqual(failure, null);
});

for (const code of ['EAFNOSUPPORT', 'EADDRNOTAVAIL']) {
  test(`a listener goes without IPv6 on a machine that has none (${code})`, async () => {
    const { open, failure } = await openWith('listener 1883\n', [], { ':: 1883': code });
    assert.equal(failure, null);
    assert.deepEqual(open, ['0.0.0.0 1883']);
  });
}

test('a listener whose port is taken in one family fails, and names its line', async () => {
  const { open, failure } = await openWith('\nlistener 1883\n', [], { ':: 1883': 'EADDRINUSE' });
  assert.deepEqual(open, []);
  assert.match(failure?.lines[1] ?? '', /^Use another port, such as [0-9]+, in plant\.conf:2\./);
});

test('a port without the right to it', async () => {
  const { lines, failure } = await openWith('', [80], { '127.0.0.1 80': 'EACCES', '::1 80': 'EACCES' });
  assert.equal(lines[1], 'error Error: Permission denied');
  assert.match(failure?.lines.join(' ') ?? '', /Ports below 1024, such as 80.*zanzara -p 1883.*AmbientCapabilities/);
});

test('an address that this machine does not have', async () => {
  const { lines, failure } = await openWith('listener 1883 192.0.2.7\n', [], { '192.0.2.7 1883': 'EADDRNOTAVAIL' });
  assert.equal(lines[1], 'error Error: Cannot assign requested address');
  assert.match(failure?.lines[0] ?? '', /^192\.0\.2\.7 is not an address of this machine \(plant\.conf:1\)\. It has: /);
});

test('a listener with a name has every address of that name', async () => {
  const { open } = await openWith('listener 1883 localhost\n', [], {});
  assert.ok(open.length > 0);
  for (const address of open) assert.match(address, /^(127\.0\.0\.1|::1) 1883$/);
});

test('a name that nobody knows', async () => {
  // A label longer than 63 bytes cannot exist: no name server is asked.
  const { open, failure } = await openWith(`listener 1883 ${'x'.repeat(64)}\n`, [], {});
  assert.deepEqual(open, []);
  assert.equal(failure?.lines[0], 'Error creating listener: Name or service not known.');
  assert.match(failure?.lines[1] ?? '', /\(plant\.conf:1\) is neither an address nor a name/);
});
