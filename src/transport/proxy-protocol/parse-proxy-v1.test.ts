import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parseProxyV1 } from './parse-proxy-v1.ts';
import type { ParsedHeader } from './proxy-header.ts';

/** In a memory of its own, with something before and behind it. */
function parse(text: string): ParsedHeader {
  const bytes = Buffer.from(text, 'latin1');
  return parseProxyV1(Buffer.concat([Buffer.from('\r\n'), bytes, Buffer.from('\r\n')]), 2, 2 + bytes.length);
}

const GOOD: readonly (readonly [line: string, address: string, port: number])[] = [
  ['PROXY TCP4 192.0.2.7 192.0.2.1 56324 1883', '192.0.2.7', 56324],
  ['PROXY TCP4 255.255.255.255 0.0.0.0 65535 0', '255.255.255.255', 65535],
  ['PROXY TCP6 2001:db8::7 2001:db8::1 1 2', '2001:db8::7', 1],
  ['PROXY TCP6 2001:0DB8:0000:0000:0000:0000:0000:0007 ::1 1 2', '2001:db8::7', 1],
  ['PROXY TCP6 ::ffff:192.0.2.7 ::ffff:192.0.2.1 1 2', '192.0.2.7', 1],
  ['PROXY TCP6 ::ffff:c000:207 ::1 1 2', '192.0.2.7', 1],
];

const UNKNOWN = ['PROXY UNKNOWN', 'PROXY UNKNOWN 2001:db8::7 2001:db8::1 1 2', 'PROXY UNKNOWN whatever  it says'];

const CORRUPT: readonly (readonly [line: string, text: RegExp])[] = [
  ['', /expected 'PROXY '/],
  ['proxy TCP4 192.0.2.7 192.0.2.1 1 2', /expected 'PROXY '/],
  ['PROXY', /expected 'PROXY '/],
  ['GET / HTTP/1.1', /expected 'PROXY '/],
  ['\x10\x0c\0\x04MQTT', /expected 'PROXY '/],
  [' PROXY TCP4 192.0.2.7 192.0.2.1 1 2', /expected 'PROXY '/],
  ['PROXY  TCP4 192.0.2.7 192.0.2.1 1 2', /TCP4, TCP6 or UNKNOWN/],
  ['PROXY tcp4 192.0.2.7 192.0.2.1 1 2', /TCP4, TCP6 or UNKNOWN/],
  ['PROXY TCP5 192.0.2.7 192.0.2.1 1 2', /TCP4, TCP6 or UNKNOWN/],
  ['PROXY UNKNOWNS', /TCP4, TCP6 or UNKNOWN/],
  ['PROXY TCP4', /two addresses and two ports/],
  ['PROXY TCP4 192.0.2.7 192.0.2.1 1', /two addresses and two ports/],
  ['PROXY TCP4 192.0.2.7 192.0.2.1 1 2 3', /two addresses and two ports/],
  ['PROXY TCP4 192.0.2.7 192.0.2.1 1 2 ', /two addresses and two ports/],
  ['PROXY TCP4  192.0.2.7 192.0.2.1 1 2', /two addresses and two ports/],
  ['PROXY TCP4 192.0.2.07 192.0.2.1 1 2', /addresses of TCP4/],
  ['PROXY TCP4 192.0.2 192.0.2.1 1 2', /addresses of TCP4/],
  ['PROXY TCP4 192.0.2.256 192.0.2.1 1 2', /addresses of TCP4/],
  ['PROXY TCP4 0xc0000207 192.0.2.1 1 2', /addresses of TCP4/],
  ['PROXY TCP4 192.0.2.7 192.0.2.1.1 1 2', /addresses of TCP4/],
  ['PROXY TCP4 localhost 192.0.2.1 1 2', /addresses of TCP4/],
  ['PROXY TCP4 2001:db8::7 2001:db8::1 1 2', /addresses of TCP4/],
  ['PROXY TCP6 192.0.2.7 192.0.2.1 1 2', /addresses of TCP6/],
  ['PROXY TCP6 2001:db8::7::1 ::1 1 2', /addresses of TCP6/],
  ['PROXY TCP6 fe80::1%eth0 ::1 1 2', /addresses of TCP6/],
  ['PROXY TCP6 [2001:db8::7] ::1 1 2', /addresses of TCP6/],
  ['PROXY TCP6 2001:db8::7 nowhere 1 2', /addresses of TCP6/],
  ['PROXY TCP4 192.0.2.7 192.0.2.1 01 2', /ports/],
  ['PROXY TCP4 192.0.2.7 192.0.2.1 +1 2', /ports/],
  ['PROXY TCP4 192.0.2.7 192.0.2.1 1e2 2', /ports/],
  ['PROXY TCP4 192.0.2.7 192.0.2.1 -1 2', /ports/],
  ['PROXY TCP4 192.0.2.7 192.0.2.1 65536 2', /ports/],
  ['PROXY TCP4 192.0.2.7 192.0.2.1 1 65536', /ports/],
  ['PROXY TCP4 192.0.2.7 192.0.2.1 1 0x10', /ports/],
  ['PROXY TCP4 192.0.2.7 192.0.2.1 1.5 2', /ports/],
  ['PROXY TCP4 192.0.2.7\t192.0.2.1 1 2', /line of text/],
  ['PROXY UNKNOWN \0', /line of text/],
  ['PROXY UNKNOWN \xff', /line of text/],
  ['PROXY UNKNOWN\rPROXY UNKNOWN', /LF after CR/],
  ['PROXY UNKNOWN\nPROXY UNKNOWN', /line of text/],
  [`PROXY UNKNOWN ${'x'.repeat(92)}`, /107 bytes/],
];

describe('PROXY protocol, version 1', () => {
  for (const [line, remoteAddress, remotePort] of GOOD) {
    test(line, () => {
      const source = { kind: 'client', remoteAddress, remotePort, security: null } as const;
      assert.deepEqual(parse(`${line}\r\n\x10\x0c`), { kind: 'complete', byteCount: line.length + 2, source });
    });
  }

  for (const line of [...UNKNOWN, `PROXY UNKNOWN ${'x'.repeat(91)}`]) {
    test(`${line}: the socket's own address`, () => {
      const byteCount = line.length + 2;
      assert.deepEqual(parse(`${line}\r\n`), { kind: 'complete', byteCount, source: { kind: 'unknown' } });
    });
  }

  for (const [line, text] of CORRUPT) {
    test(`corrupt: ${JSON.stringify(line)}`, () => {
      const parsed = parse(`${line}\r\n`);
      assert.match(parsed.kind === 'corrupt' ? parsed.text : parsed.kind, text);
    });
  }

  test('every beginning of a good line is incomplete', () => {
    const line = `${GOOD[0]?.[0]}\r\n`;
    for (let length = 0; length < line.length; length++) {
      assert.equal(parse(line.slice(0, length)).kind, 'incomplete', JSON.stringify(line.slice(0, length)));
    }
  });

  test('107 bytes without an end are not waited for', () => {
    const line = `PROXY UNKNOWN ${'x'.repeat(93)}`;
    assert.equal(parse(line.slice(0, 106)).kind, 'incomplete');
    assert.equal(parse(line).kind, 'corrupt');
    assert.equal(parse(`${line.slice(0, 106)}\r`).kind, 'corrupt');
  });

  test('T57 random text (fuzz): a longer beginning never makes good what was corrupt', () => {
    const piece = fc.constantFrom(
      'PROXY ',
      'TCP4 ',
      'TCP6 ',
      'UNKNOWN',
      '192.0.2.7 ',
      '::1 ',
      '1 ',
      '2',
      '\r\n',
      '\r',
      ' ',
      'x',
    );
    const property = fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const text = pieces.join('');
      let before: ParsedHeader = { kind: 'incomplete' };
      for (let length = 0; length <= text.length; length++) {
        const parsed = parse(text.slice(0, length));
        if (before.kind !== 'incomplete') assert.equal(parsed.kind, before.kind);
        before = parsed;
      }
    });
    fc.assert(property, { numRuns: 500 });
  });
});
