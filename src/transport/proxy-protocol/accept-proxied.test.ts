import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { connectBytes, createHarness } from '../../../test/fixtures/broker-harness.ts';
import { FakeClock } from '../../../test/fixtures/fake-clock.ts';
import { FakeLink, type FakeLinkOptions } from '../../../test/fixtures/fake-link.ts';
import { LinkRecorder } from '../../../test/fixtures/link-parties.ts';
import { MemoryLog } from '../../../test/fixtures/memory-log.ts';
import type { Link } from '../../base/link.ts';
import { acceptWebSocket } from '../websocket/accept-websocket.ts';
import { clientFrame, requestOf } from '../websocket/client-frame.fixture.ts';
import { acceptProxied } from './accept-proxied.ts';
import type { ProxyOptions } from './proxied-link.ts';
import { proxyV2, TLS_PARTS, tlsTlv, tlv } from './proxy-header.fixture.ts';

const CORRUPT = 'Connection rejected, corrupt PROXY header.';
const V1 = Buffer.from('PROXY TCP4 192.0.2.7 192.0.2.1 56324 1883\r\n');
const CONNECT = Buffer.from(connectBytes());
const SOCKET: FakeLinkOptions = { remoteAddress: '10.0.0.1', remotePort: 4242, localPort: 1884 };

interface Setting {
  readonly raw: FakeLink;
  readonly users: LinkRecorder[];
  readonly log: MemoryLog;
  readonly clock: FakeClock;
}

function accepted(options: Partial<ProxyOptions> = {}, onAccept: (link: Link) => void = () => {}): Setting {
  const users: LinkRecorder[] = [];
  const [log, clock] = [new MemoryLog(), new FakeClock()];
  const all = {
    version: 1,
    requiresTls: false,
    requiresCertificate: false,
    headerDeadlineMs: 30_000,
    log,
    clock,
  } as const;
  const accept = acceptProxied(
    (link) => {
      const user = new LinkRecorder(link);
      users.push(user);
      onAccept(link);
      return user;
    },
    { ...all, ...options },
  );
  return { raw: FakeLink.open(accept, SOCKET), users, log, clock };
}

/** The one who was told of the link. */
function userOf({ users }: Setting): LinkRecorder {
  const [user] = users;
  assert.ok(user !== undefined && users.length === 1);
  return user;
}

function assertRejected(setting: Setting, line: string): void {
  assert.deepEqual(setting.log.texts('notice'), [line]);
  assertClosedUnheard(setting);
}

function assertClosedUnheard({ raw, users, clock }: Setting): void {
  assert.equal(raw.closeLingerMs, 0);
  raw.settle();
  assert.deepEqual(raw.ended, { kind: 'local' });
  assert.equal(users.length, 0);
  assert.equal(clock.waitingCount, 0);
}

describe('acceptProxied', () => {
  test('the user is told of the link after the header, with the address in it', () => {
    const setting = accepted();
    setting.raw.deliver(V1.subarray(0, 20));
    assert.equal(setting.users.length, 0);
    setting.raw.deliver(V1.subarray(20));
    const { link } = userOf(setting);
    assert.deepEqual([link.remoteAddress, link.remotePort, link.localPort], ['192.0.2.7', 56324, 1884]);
    assert.equal(link.security, undefined);
    assert.equal(setting.clock.waitingCount, 0);
    assert.deepEqual(setting.log.lines, []);
  });

  test('UNKNOWN: the address of the socket', () => {
    const setting = accepted();
    setting.raw.deliver(Buffer.from('PROXY UNKNOWN\r\n'));
    const { link } = userOf(setting);
    assert.deepEqual([link.remoteAddress, link.remotePort], ['10.0.0.1', 4242]);
  });

  test('version 2: address, TLS and the name of the certificate', () => {
    const setting = accepted({ version: 2, requiresTls: true, requiresCertificate: true });
    setting.raw.deliver(Buffer.concat([proxyV2({ tlvs: [tlsTlv()] }), CONNECT]));
    const user = userOf(setting);
    assert.deepEqual([user.link.remoteAddress, user.link.remotePort], ['192.0.2.7', 56324]);
    assert.deepEqual(user.link.security, {
      version: 'TLSv1.3',
      cipher: 'TLS_AES_256_GCM_SHA384',
      certificate: { commonName: 'robot5', subject: null },
      pskIdentity: null,
    });
    assert.ok(user.input.equals(CONNECT));
  });

  test('LOCAL is closed without a word', () => {
    const setting = accepted({ version: 2, requiresTls: true });
    setting.raw.deliver(proxyV2({ versionAndCommand: 0x20 }));
    assert.deepEqual(setting.log.lines, []);
    assertClosedUnheard(setting);
  });

  const wrong: readonly (readonly [name: string, options: Partial<ProxyOptions>, bytes: Uint8Array, line: string])[] = [
    ['no header', {}, CONNECT, CORRUPT],
    ['no header, version 2', { version: 2 }, CONNECT, CORRUPT],
    ['version 2 for version 1', {}, proxyV2(), CORRUPT],
    ['version 1 for version 2', { version: 2 }, V1, CORRUPT],
    ['a line that never ends', {}, Buffer.from(`PROXY UNKNOWN ${'x'.repeat(5000)}`), CORRUPT],
    ['a TLV beyond the header', { version: 2 }, proxyV2({ tlvs: [tlv(0x20, '', 9)] }), CORRUPT],
    ['no TLS', { version: 2, requiresTls: true }, proxyV2(), 'Connection rejected, client TLS required.'],
    [
      'a TLV of TLS that says no',
      { version: 2, requiresTls: true },
      proxyV2({ tlvs: [tlsTlv({ flags: 0 })] }),
      'Connection rejected, client TLS required.',
    ],
    ['version 1, which knows no TLS', { requiresTls: true }, V1, 'Connection rejected, client TLS required.'],
    [
      'UNKNOWN where TLS is needed',
      { requiresTls: true },
      Buffer.from('PROXY UNKNOWN\r\n'),
      'Connection rejected, client TLS required.',
    ],
    [
      'no certificate',
      { version: 2, requiresCertificate: true },
      proxyV2({ tlvs: [tlsTlv({ flags: 1 })] }),
      'Connection rejected, client certificate required.',
    ],
    [
      'a certificate that is not good',
      { version: 2, requiresCertificate: true },
      proxyV2({ tlvs: [tlsTlv({ verify: 20 })] }),
      'Connection rejected, client certificate required.',
    ],
    [
      'no TLS where a certificate is needed',
      { version: 2, requiresCertificate: true },
      proxyV2(),
      'Connection rejected, client certificate required.',
    ],
  ];
  for (const [name, options, bytes, line] of wrong) {
    test(`rejected: ${name}`, () => {
      const setting = accepted(options);
      setting.raw.deliver(Buffer.concat([bytes, CONNECT]));
      // Whoever is closed is not heard.
      setting.raw.deliver(V1);
      assertRejected(setting, line);
    });
  }

  test('the log says what was expected, and from where it came', () => {
    const setting = accepted();
    setting.raw.deliver(CONNECT);
    const line = "PROXY header (version 1) from 10.0.0.1:4242 to port 1884: expected 'PROXY '.";
    assert.deepEqual(setting.log.texts('information'), [line]);
  });

  test('a certificate that is not asked for need not be there', () => {
    const setting = accepted({ version: 2, requiresTls: true });
    setting.raw.deliver(proxyV2({ tlvs: [tlsTlv({ flags: 1, parts: TLS_PARTS.slice(0, 1) })] }));
    assert.equal(userOf(setting).link.security?.certificate, null);
  });

  test('T16 a header that drips is ended by the deadline', () => {
    const setting = accepted();
    for (let second = 0; second < 30; second++) {
      setting.raw.deliver(V1.subarray(second, second + 1));
      assert.equal(setting.raw.closeLingerMs, null);
      setting.clock.advance(1000);
    }
    assertRejected(setting, 'Connection rejected, no complete PROXY header.');
  });

  test('one that hangs up in the header is forgotten', () => {
    const setting = accepted();
    setting.raw.deliver(V1.subarray(0, 10));
    setting.raw.hangUp();
    setting.raw.settle();
    assert.equal(setting.clock.waitingCount, 0);
    assert.deepEqual([setting.users.length, setting.log.lines.length], [0, 0]);
  });

  test('any split of the bytes gives the same', () => {
    const headers = [
      V1,
      proxyV2(),
      proxyV2({ tlvs: [tlsTlv()] }),
      proxyV2({ versionAndCommand: 0x20 }),
      CONNECT,
      V1.subarray(0, 30),
    ];
    const lengths = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 });
    const property = fc.property(
      fc.constantFrom(...headers),
      fc.constantFrom(1 as const, 2 as const),
      lengths,
      (header, version, cuts) => {
        const all = Buffer.concat([header, CONNECT]);
        const [whole, split] = [accepted({ version }), accepted({ version })];
        whole.raw.deliver(all);
        for (let at = 0, count = 0; at < all.length; count++) {
          const length = cuts[count % cuts.length] ?? 1;
          split.raw.deliver(all.subarray(at, at + length));
          at += length;
        }
        assert.deepEqual(outcomeOf(split), outcomeOf(whole));
      },
    );
    fc.assert(property, { numRuns: 200 });
  });

  test('T57 random bytes (fuzz): no exception, and nothing waits for more than a header', () => {
    const start = fc.constantFrom(
      Buffer.alloc(0),
      V1.subarray(0, 11),
      proxyV2().subarray(0, 14),
      proxyV2().subarray(0, 16),
    );
    const property = fc.property(
      start,
      fc.array(fc.uint8Array({ minLength: 1, maxLength: 200 })),
      fc.constantFrom(1 as const, 2 as const),
      (first, chunks, version) => {
        const setting = accepted({ version });
        for (const chunk of [first, ...chunks]) if (chunk.length > 0) setting.raw.deliver(chunk);
        const byteCount = [first, ...chunks].reduce((sum, { length }) => sum + length, 0);
        assert.ok(byteCount < 500 || setting.users.length === 1 || setting.raw.closeLingerMs === 0);
      },
    );
    fc.assert(property, { numRuns: 500 });
  });
});

function outcomeOf({ raw, users, log }: Setting): unknown {
  const [user] = users;
  return [raw.closeLingerMs, log.lines, user?.input.toString('hex'), user?.link.remoteAddress, user?.link.security];
}

describe('acceptProxied: the link behind the header', () => {
  test('everything passes through', () => {
    const setting = accepted();
    setting.raw.deliver(Buffer.concat([V1, CONNECT]));
    const { raw } = setting;
    const user = userOf(setting);
    raw.block(3);
    user.send(Buffer.from('abcdef'));
    assert.deepEqual([user.link.pendingBytes, user.sentBytes], [3, 3]);
    user.calling((link) => link.pause());
    raw.deliver(CONNECT);
    assert.equal(user.receivedBytes, CONNECT.length);
    user.calling((link) => link.resume());
    raw.settle();
    assert.equal(user.receivedBytes, 2 * CONNECT.length);
    user.calling((link) => link.close(1234));
    assert.equal(raw.closeLingerMs, 1234);
    raw.release();
    raw.settle();
    assert.equal(Buffer.from(raw.takeSent()).toString(), 'abcdef');
    assert.deepEqual(user.ended, { kind: 'local' });
  });

  test('destroyed while it is told of: nothing is heard but the end', () => {
    const setting = accepted({}, (link) => {
      link.send(Buffer.from('x'), 0, 1);
      link.destroy();
    });
    setting.raw.deliver(Buffer.concat([V1, CONNECT]));
    setting.raw.settle();
    const user = userOf(setting);
    assert.deepEqual([user.receivedBytes, user.sentBytes], [0, 0]);
    assert.deepEqual(user.ended, { kind: 'local' });
  });

  test('what is sent while it is told of is reported after it', () => {
    const setting = accepted({}, (link) => link.send(Buffer.from('hello'), 0, 5));
    setting.raw.deliver(V1);
    assert.equal(userOf(setting).sentBytes, 5);
  });

  /** A user that pauses at once, and bytes that came with the header. */
  function paused(): Setting & { readonly user: LinkRecorder } {
    const setting = accepted({}, (link) => link.pause());
    setting.raw.deliver(Buffer.concat([V1, CONNECT]));
    return { ...setting, user: userOf(setting) };
  }

  test('paused while it is told of: what came with the header waits for resume', async () => {
    const { raw, user } = paused();
    raw.deliver(Buffer.from('more'));
    assert.equal(user.receivedBytes, 0);
    user.calling((link) => link.resume());
    user.calling((link) => link.pause());
    await Promise.resolve();
    assert.equal(user.receivedBytes, 0);
    user.calling((link) => link.resume());
    await Promise.resolve();
    raw.settle();
    assert.deepEqual(
      user.received.map((bytes) => bytes.length),
      [CONNECT.length, 4],
    );
    assert.equal(raw.isPaused, false);
  });

  test('an orderly end behind it waits as well, a break does not', async () => {
    const [orderly, broken] = [paused(), paused()];
    orderly.raw.hangUp();
    broken.raw.fail();
    for (const { raw } of [orderly, broken]) raw.settle();
    assert.equal(orderly.user.ended, null);
    assert.equal(broken.user.ended?.kind, 'error');
    orderly.user.calling((link) => link.resume());
    await Promise.resolve();
    assert.ok(orderly.user.input.equals(CONNECT));
    assert.deepEqual(orderly.user.ended, { kind: 'peer' });
  });

  test('closed, then destroyed, instead of resume: the end is heard, once', async () => {
    const { raw, user } = paused();
    raw.hangUp();
    raw.settle();
    user.calling((link) => {
      link.close(0);
      link.destroy();
    });
    await Promise.resolve();
    user.calling((link) => link.resume());
    await Promise.resolve();
    assert.deepEqual([user.receivedBytes, user.endCount], [0, 1]);
  });

  for (const isOver of [false, true]) {
    test(`an exception out of onBytes then ends that link${isOver ? ' that is over' : ''}, and is logged`, async () => {
      const { raw, user, log } = paused();
      if (isOver) raw.hangUp();
      raw.settle();
      user.failsIn = 'onBytes';
      user.calling((link) => link.resume());
      await Promise.resolve();
      raw.settle();
      assert.deepEqual(user.ended, { kind: 'error', error: user.defect });
      assert.equal(log.texts('error').length, 1);
    });
  }
});

describe('a broker behind a proxy', () => {
  const options: ProxyOptions = {
    version: 1,
    requiresTls: false,
    requiresCertificate: false,
    headerDeadlineMs: 30_000,
    log: new MemoryLog(),
    clock: new FakeClock(),
  };

  test('T42 the broker knows the client by the address in the header', () => {
    const house = createHarness();
    const raw = FakeLink.open(acceptProxied(house.broker.accept, options), SOCKET);
    raw.deliver(Buffer.concat([V1, CONNECT]));
    house.settle();
    assert.equal(Buffer.from(raw.takeSent()).toString('hex'), '20020000');
    assert.ok(house.log.lines.some(({ text }) => text.includes('192.0.2.7:56324')));
    assert.ok(!house.log.lines.some(({ text }) => text.includes('10.0.0.1')));
  });

  test('T42 on a listener without it a header is no MQTT, and its address is not believed', () => {
    const house = createHarness();
    const raw = FakeLink.open(house.broker.accept, SOCKET);
    raw.deliver(Buffer.concat([V1, CONNECT]));
    house.settle();
    raw.settle();
    assert.ok(raw.ended !== null);
    assert.ok(!house.log.lines.some(({ text }) => text.includes('192.0.2.7')));
  });

  test('with WebSockets behind it', () => {
    const house = createHarness();
    const webSocket = acceptWebSocket(house.broker.accept, { origins: [], headerBytesMax: 4096 });
    const raw = FakeLink.open(acceptProxied(webSocket, options), SOCKET);
    raw.deliver(Buffer.concat([V1, requestOf()]));
    assert.match(Buffer.from(raw.takeSent()).toString(), /^HTTP\/1\.1 101 /);
    raw.deliver(clientFrame({ payload: CONNECT }));
    house.settle();
    assert.equal(Buffer.from(raw.takeSent()).toString('hex'), '820420020000');
    assert.ok(house.log.lines.some(({ text }) => text.includes('192.0.2.7:56324')));
  });
});
