import assert from 'node:assert/strict';
import { isIP, isIPv6 } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseIpv4, parseIpv6 } from './ip-address.ts';
import {
  AF_INET,
  AF_INET6,
  AF_UNIX,
  boundHostOf,
  hostOf,
  portOf,
  UNIX_PATH_BYTES_MAX,
  writeInternetAddress,
  writeUnixAddress,
} from './socket-address.ts';

const into = () => new Uint8Array(128).fill(0xaa);

test('IPv4: family, port and address stand where the kernel looks for them', () => {
  const bytes = into();
  assert.deepEqual(writeInternetAddress(bytes, '192.0.2.17', 1883), { family: AF_INET, byteCount: 16 });
  assert.equal(Buffer.from(bytes.subarray(0, 16)).toString('hex'), '0200075bc00002110000000000000000');
  assert.equal(hostOf(bytes), '192.0.2.17');
  assert.equal(portOf(bytes), 1883);
});

test('IPv6: the same', () => {
  const bytes = into();
  assert.deepEqual(writeInternetAddress(bytes, '2001:db8::7:1', 8883), { family: AF_INET6, byteCount: 28 });
  const expected = `0a0022b300000000${'20010db8000000000000000000070001'}00000000`;
  assert.equal(Buffer.from(bytes.subarray(0, 28)).toString('hex'), expected);
  assert.equal(hostOf(bytes), '2001:db8::7:1');
  assert.equal(portOf(bytes), 8883);
});

for (const [given, shown] of [
  ['::', '::'],
  ['::1', '::1'],
  ['1::', '1::'],
  ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
  ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
  ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
  ['::ffff:10.0.0.1', '10.0.0.1'],
  ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
  ['fe80::1%7', 'fe80::1%7'],
] as const) {
  test(`${given} is shown as ${shown} (RFC 5952)`, () => {
    const bytes = into();
    writeInternetAddress(bytes, given, 1);
    assert.equal(hostOf(bytes), shown);
  });
}

test('what a listener is bound to keeps its IPv6 form', () => {
  const bytes = into();
  writeInternetAddress(bytes, '::ffff:127.0.0.1', 1);
  assert.equal(boundHostOf(bytes), '::ffff:127.0.0.1');
});

test('any IPv6 address comes back as the same address', () => {
  fc.assert(
    fc.property(fc.ipV6(), fc.nat({ max: 65_535 }), (address, port) => {
      const [bytes, again] = [into(), into()];
      writeInternetAddress(bytes, address, port);
      const text = boundHostOf(bytes);
      assert.ok(isIPv6(text), text);
      writeInternetAddress(again, text, port);
      assert.deepEqual(again.subarray(0, 28), bytes.subarray(0, 28));
      assert.equal(portOf(bytes), port);
    }),
  );
});

test('what node takes for an address is one here, and nothing else', () => {
  const part = fc.stringMatching(/^(?:[0-9a-fA-F]{0,5}|::?|\.|[0-9]{1,3}(?:\.[0-9]{1,3}){3}|[gx +-]|0[0-9]|1e1)$/);
  const text = fc.oneof(
    fc.ipV6(),
    fc.ipV4(),
    fc.array(part, { maxLength: 9 }).map((parts) => parts.join(':')),
    fc.string(),
  );
  fc.assert(
    fc.property(text, (candidate) => {
      if (candidate.includes('%')) return;
      const isTaken = [parseIpv4(candidate), parseIpv6(candidate)].some((bytes) => bytes !== null);
      assert.equal(isTaken, isIP(candidate) !== 0, candidate);
    }),
    { numRuns: 2000 },
  );
});

test('what is not an address is refused', () => {
  for (const host of ['', 'localhost', '1.2.3', '1.2.3.4.5', '::g', '[::1]']) {
    assert.throws(() => writeInternetAddress(into(), host, 1), /is not an IP address/);
  }
});

test('unix: the path, ended by a zero', () => {
  const bytes = into();
  assert.deepEqual(writeUnixAddress(bytes, '/run/z.sock'), { family: AF_UNIX, byteCount: 14 });
  assert.equal(Buffer.from(bytes.subarray(0, 14)).toString('latin1'), '\x01\x00/run/z.sock\x00');
  assert.equal(hostOf(bytes), '');
  assert.equal(portOf(bytes), 0);
});

test('unix: a path that does not fit is refused with the limit', () => {
  writeUnixAddress(into(), 'p'.repeat(UNIX_PATH_BYTES_MAX));
  for (const path of ['', 'p'.repeat(UNIX_PATH_BYTES_MAX + 1), 'a\0b', 'ä'.repeat(54)]) {
    assert.throws(() => writeUnixAddress(into(), path), /1 to 107 bytes/);
  }
});
