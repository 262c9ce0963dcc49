import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { PeerSecurity } from '../../base/link.ts';
import { parseProxyV2 } from './parse-proxy-v2.ts';
import { type ProxyV2, proxyV2, TCP4_ADDRESSES, TLS_PARTS, type TlsTlv, tlsTlv, tlv } from './proxy-header.fixture.ts';
import type { ParsedHeader, ProxySource } from './proxy-header.ts';

/** In a memory of its own, with something before and behind it that must not be read. */
function parseBytes(bytes: Uint8Array): ParsedHeader {
  const memory = Buffer.concat([Buffer.alloc(5, 0xff), bytes, Buffer.alloc(300, 0xff)]);
  return parseProxyV2(memory, 5, 5 + bytes.length);
}

const hex = (text: string) => Buffer.from(text, 'hex');
const TCP6_ADDRESSES = hex('20010db8000000000000000000000007' + '20010db8000000000000000000000001' + 'dc04' + '075b');
const MAPPED_ADDRESSES = hex('00000000000000000000ffffc0000207' + '00000000000000000000ffffc0000201' + 'dc04' + '075b');
const UNIX_ADDRESSES = Buffer.concat([
  Buffer.from('/run/a'.padEnd(108, '\0')),
  Buffer.from('/run/b'.padEnd(108, '\0')),
]);

function client(remoteAddress: string, remotePort: number, security: PeerSecurity | null = null): ProxySource {
  return { kind: 'client', remoteAddress, remotePort, security };
}

const GOOD: readonly (readonly [name: string, header: ProxyV2, source: ProxySource])[] = [
  ['TCP4', {}, client('192.0.2.7', 56324)],
  ['TCP6', { family: 0x21, addresses: TCP6_ADDRESSES }, client('2001:db8::7', 56324)],
  ['IPv4 in TCP6', { family: 0x21, addresses: MAPPED_ADDRESSES }, client('192.0.2.7', 56324)],
  ['UNIX', { family: 0x31, addresses: UNIX_ADDRESSES }, client('', 0)],
  [
    'TLVs that we do not know',
    { tlvs: [tlv(0x01, 'mqtt'), tlv(0x04, ''), tlv(0xee, 'x')] },
    client('192.0.2.7', 56324),
  ],
  ['500 bytes', { tlvs: [tlv(0x04, Buffer.alloc(500 - 16 - 12 - 3))] }, client('192.0.2.7', 56324)],
  ['LOCAL', { versionAndCommand: 0x20 }, { kind: 'local' }],
  ['LOCAL of no family', { versionAndCommand: 0x20, family: 0, addresses: hex('') }, { kind: 'local' }],
  [
    'LOCAL with what need not be looked at',
    { versionAndCommand: 0x20, family: 0x77, addresses: hex('ffff') },
    { kind: 'local' },
  ],
];

const CORRUPT: readonly (readonly [name: string, bytes: Uint8Array, text: RegExp])[] = [
  ['version 1', Buffer.from('PROXY TCP4 192.0.2.7 192.0.2.1 1 2\r\n'), /signature/],
  ['no header', hex('100c00044d5154540402'), /signature/],
  ['TLS', hex('160301'), /signature/],
  ['version 3', proxyV2({ versionAndCommand: 0x31 }), /version 2, got 3/],
  ['command 2', proxyV2({ versionAndCommand: 0x22 }), /command LOCAL or PROXY, got 2/],
  ['501 bytes', proxyV2({ tlvs: [tlv(0x04, Buffer.alloc(501 - 16 - 12 - 3))] }), /500 bytes at most, got 501/],
  ['65551 bytes, of which 16 have come', proxyV2({ addresses: hex(''), length: 0xffff }), /500 bytes at most/],
  ['no family', proxyV2({ family: 0 }), /TCP4, TCP6 or UNIX, got family 0x0/],
  ['UDP4', proxyV2({ family: 0x12 }), /got family 0x12/],
  ['UDP6', proxyV2({ family: 0x22, addresses: TCP6_ADDRESSES }), /got family 0x22/],
  ['datagrams of unix', proxyV2({ family: 0x32, addresses: UNIX_ADDRESSES }), /got family 0x32/],
  ['no addresses', proxyV2({ addresses: hex('') }), /12 bytes of addresses, got 0/],
  ['half the addresses', proxyV2({ addresses: TCP4_ADDRESSES.subarray(0, 11) }), /12 bytes of addresses, got 11/],
  ['addresses of TCP4 for TCP6', proxyV2({ family: 0x21 }), /36 bytes of addresses, got 12/],
  ['a TLV that is longer than the header', proxyV2({ tlvs: [tlv(0x04, 'abc', 4)] }), /beyond the header/],
  ['a TLV of 65535 bytes', proxyV2({ tlvs: [tlv(0x20, '', 0xffff)] }), /beyond the header/],
  ['a TLV that is cut off', proxyV2({ tlvs: [hex('0400')] }), /beyond the header/],
  ['one byte behind the addresses', proxyV2({ tlvs: [hex('04')] }), /beyond the header/],
  ['TLS of four bytes', proxyV2({ tlvs: [tlv(0x20, hex('07000000'))] }), /too short/],
  ['TLS twice', proxyV2({ tlvs: [tlsTlv(), tlsTlv()] }), /there twice/],
  [
    'two common names',
    proxyV2({ tlvs: [tlsTlv({ parts: [tlv(0x22, 'robot5'), tlv(0x22, 'admin')] })] }),
    /there twice/,
  ],
  [
    'a part that is longer than TLS',
    proxyV2({ tlvs: [tlsTlv({ parts: [tlv(0x22, 'robot5', 7)] }), tlv(4, 'abcd')] }),
    /beyond that of TLS/,
  ],
];

const FULL: PeerSecurity = {
  version: 'TLSv1.3',
  cipher: 'TLS_AES_256_GCM_SHA384',
  certificate: { commonName: 'robot5', subject: null },
  pskIdentity: null,
};
const NAMED = (commonName: string | null) => ({ commonName, subject: null });

const TLS: readonly (readonly [name: string, tls: TlsTlv, security: PeerSecurity | null])[] = [
  ['all of it', {}, FULL],
  ['a session that was resumed', { flags: 0x05 }, FULL],
  ['no certificate', { flags: 0x01, parts: TLS_PARTS.slice(0, 1) }, { ...FULL, cipher: '', certificate: null }],
  ['no certificate, and a name all the same', { flags: 0x01 }, { ...FULL, certificate: null }],
  ['a certificate of this connection that is none of its session', { flags: 0x03 }, { ...FULL, certificate: null }],
  ['a certificate that is not good', { verify: 1 }, { ...FULL, certificate: null }],
  ['one that is not good in the highest byte', { verify: 0x0100_0000 }, { ...FULL, certificate: null }],
  ['no TLS', { flags: 0x06 }, null],
  ['no flags', { flags: 0, verify: 0xffff_ffff, parts: [] }, null],
  ['no parts', { parts: [] }, { version: '', cipher: '', certificate: NAMED(null), pskIdentity: null }],
  ['parts that we do not know', { parts: [...TLS_PARTS, tlv(0x24, 'SHA256'), tlv(0x25, 'RSA4096')] }, FULL],
  [
    'a name in UTF-8',
    { parts: [...TLS_PARTS.slice(0, 1), tlv(0x22, 'Förderband')] },
    { ...FULL, cipher: '', certificate: NAMED('Förderband') },
  ],
  [
    'T30 a name with NUL',
    { parts: [tlv(0x22, 'admin\0.example')] },
    { version: '', cipher: '', certificate: NAMED(null), pskIdentity: null },
  ],
  [
    'T30 a name in broken UTF-8',
    { parts: [tlv(0x22, hex('61ff'))] },
    { version: '', cipher: '', certificate: NAMED(null), pskIdentity: null },
  ],
  [
    'T30 an empty name',
    { parts: [tlv(0x22, '')] },
    { version: '', cipher: '', certificate: NAMED(null), pskIdentity: null },
  ],
  [
    'T30 a name with wildcards is a name',
    { parts: [...TLS_PARTS.slice(0, 1), tlv(0x22, '+/#')] },
    { ...FULL, cipher: '', certificate: NAMED('+/#') },
  ],
  [
    'T54 line breaks where no text may be',
    { parts: [tlv(0x21, 'TLSv1.3\nx'), tlv(0x23, 'a b')] },
    { version: '', cipher: '', certificate: NAMED(null), pskIdentity: null },
  ],
];

describe('PROXY protocol, version 2', () => {
  for (const [name, header, source] of GOOD) {
    test(name, () => {
      const bytes = proxyV2(header);
      assert.deepEqual(parseBytes(Buffer.concat([bytes, hex('100c')])), {
        kind: 'complete',
        byteCount: bytes.length,
        source,
      });
    });
  }

  for (const [name, bytes, text] of CORRUPT) {
    test(`corrupt: ${name}`, () => {
      const parsed = parseBytes(bytes);
      assert.match(parsed.kind === 'corrupt' ? parsed.text : parsed.kind, text);
    });
  }

  for (const [name, tls, security] of TLS) {
    test(`TLS: ${name}`, () => {
      const parsed = parseBytes(proxyV2({ tlvs: [tlv(0x01, 'mqtt'), tlsTlv(tls)] }));
      assert.ok(parsed.kind === 'complete');
      assert.deepEqual(parsed.source, client('192.0.2.7', 56324, security));
    });
  }

  test('every beginning of a good header is incomplete', () => {
    const bytes = proxyV2({ tlvs: [tlsTlv()] });
    for (let length = 0; length < bytes.length; length++) {
      assert.equal(parseBytes(bytes.subarray(0, length)).kind, 'incomplete', `${length} bytes`);
    }
  });

  test('T57 random headers (fuzz): no exception, and a longer beginning never makes good what was corrupt', () => {
    const header = fc.record({
      versionAndCommand: fc.constantFrom(0x20, 0x21, 0x21, 0x21, 0x22, 0x11),
      family: fc.constantFrom(0x11, 0x11, 0x21, 0x31, 0x00),
      addresses: fc.oneof(fc.constant(TCP4_ADDRESSES), fc.uint8Array({ maxLength: 240 })),
      tlvs: fc.array(fc.oneof(fc.constant(tlsTlv()), fc.uint8Array({ maxLength: 20 })), { maxLength: 4 }),
    });
    const property = fc.property(header, (fields) => {
      const bytes = proxyV2(fields);
      let before: ParsedHeader = { kind: 'incomplete' };
      for (let length = 0; length <= bytes.length; length++) {
        const parsed = parseBytes(bytes.subarray(0, length));
        if (before.kind !== 'incomplete') assert.equal(parsed.kind, before.kind);
        before = parsed;
      }
      assert.notEqual(before.kind, 'incomplete');
    });
    fc.assert(property, { numRuns: 300 });
  });
});
