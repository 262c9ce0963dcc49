import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createHarness } from '../../../test/fixtures/broker-harness.ts';
import { cannotReceiveDatagrams, receiveDatagrams } from '../../../test/fixtures/datagram-receiver.ts';
import { gatekeeperWith } from '../../../test/fixtures/fake-gatekeeper.ts';
import { MemoryLog } from '../../../test/fixtures/memory-log.ts';
import type { ListenAt, Listening, UnixAddress } from '../../base/link.ts';
import type { ConfigHost } from '../../config/config.ts';
import { readConfig } from '../../config/read-config.ts';
import { HttpSide } from '../http-side.ts';
import { StartFailure } from '../start-failure.ts';
import { ListenerIds } from './listener-ids.ts';
import { listenersOf } from './listener-list.ts';
import { ListenerSet } from './listener-set.ts';

const NO_FILES: ConfigHost = {
  readFile: (path) => assert.fail(`${path} was read`),
  listFolder: (path) => assert.fail(`${path} was listed`),
  environment: {},
};

/** Sockets that open unless the table says a code for `host port`. */
class FakeSockets {
  readonly open = new Set<string>();
  readonly #failures: Readonly<Record<string, string>>;

  constructor(failures: Readonly<Record<string, string>>) {
    this.#failures = failures;
  }

  async listen(at: ListenAt | UnixAddress): Promise<Listening> {
    const { host, port } = 'path' in at ? { host: at.path, port: 0 } : at;
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
}

interface Outcome {
  readonly open: readonly string[];
  readonly lines: readonly string[];
  readonly failure: StartFailure | null;
}

async function openWith(
  text: string,
  ports: readonly number[],
  failures: Readonly<Record<string, string>>,
): Promise<Outcome> {
  const config = readConfig(new TextEncoder().encode(text), 'plant.conf', NO_FILES);
  const sockets = new FakeSockets(failures);
  const log = new MemoryLog();
  const set = new ListenerSet({
    ids: new ListenerIds(),
    broker: createHarness().broker,
    transport: { listen: (at) => sockets.listen(at), connect: async () => {} },
    listenTls: (at) => sockets.listen(at),
    http: new HttpSide({
      gatekeeper: gatekeeperWith({}),
      log,
      version: '0',
      systree: () => new Map(),
      listeners: () => [],
    }),
    log,
    command: 'zanzara',
    pskKeyOf: () => null,
    onKeyLog: null,
  });
  let failure: StartFailure | null = null;
  try {
    const prepared = await set.prepare(config, listenersOf(config, { ports, compat: '2.1' }));
    await prepared.commit();
  } catch (error) {
    if (!(error instanceof StartFailure)) throw error;
    failure = error;
  }
  return { open: [...sockets.open], lines: log.lines.map(({ level, text: line }) => `${level} ${line}`), failure };
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

test("a unix socket of another kind that is somebody else's is not removed", {
  skip: cannotReceiveDatagrams,
}, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'zanzara-unix-'));
  const path = join(folder, 'log.sock');
  const receiver = receiveDatagrams(path);
  t.after(() => {
    receiver.close();
    rmSync(folder, { recursive: true });
  });
  await openWith(`listener 0 ${path}\n`, [], {});
  assert.ok(existsSync(path));
});
