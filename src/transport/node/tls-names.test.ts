import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { certificatesOrSkip, openssl } from '../../../test/fixtures/certificates.ts';
import { formatName, peerNames } from './tls-names.ts';

/** DER of a few items, for names that no tool makes. */
function der(tag: number, ...contents: readonly Uint8Array[]): Uint8Array {
  const content = Buffer.concat(contents);
  assert.ok(content.length < 128);
  return Buffer.concat([Buffer.of(tag, content.length), content]);
}

const OID = {
  cn: Buffer.from('0603550403', 'hex'),
  o: Buffer.from('060355040a', 'hex'),
  own: Buffer.from('06032a0304', 'hex'),
};
const text = (value: string, tag = 0x0c) => der(tag, Buffer.from(value, 'latin1'));
const part = (oid: Uint8Array, value: Uint8Array) => der(0x30, oid, value);
const step = (...parts: readonly Uint8Array[]) => der(0x31, ...parts);
const name = (...steps: readonly Uint8Array[]) => der(0x30, ...steps);

describe('subjects', () => {
  const TABLE: readonly [string, Uint8Array, string | null][] = [
    ['reversed', name(step(part(OID.o, text('Plant'))), step(part(OID.cn, text('pump7')))), 'CN=pump7,O=Plant'],
    [
      'joined',
      name(step(part(OID.o, text('a')), part(OID.cn, text('b'))), step(part(OID.o, text('c')))),
      'O=c,CN=b+O=a',
    ],
    ['escaped', name(step(part(OID.cn, text(' #a,b+c"d\\e<f>g;h=i ')))), 'CN=\\ #a\\,b\\+c\\"d\\\\e\\<f\\>g\\;h=i\\ '],
    ['number sign first', name(step(part(OID.cn, text('#a#')))), 'CN=\\#a#'],
    ['UTF-8 in hexadecimal', name(step(part(OID.cn, text('\xc3\xa4')))), 'CN=\\C3\\A4'],
    ['Latin-1 becomes UTF-8', name(step(part(OID.cn, text('\xe4', 0x14)))), 'CN=\\C3\\A4'],
    ['BMPString', name(step(part(OID.cn, text('\0a\x20\xac', 0x1e)))), 'CN=a\\E2\\82\\AC'],
    ['control characters', name(step(part(OID.cn, text('a\nb\x7f')))), 'CN=a\\0Ab\\7F'],
    ['a type without a name', name(step(part(OID.own, text('a')))), '1.2.3.4=#0C0161'],
    ['a value that is no text', name(step(part(OID.cn, Buffer.from('020105', 'hex')))), 'CN=#020105'],
    ['empty', name(), null],
    ['T30 NUL', name(step(part(OID.cn, text('admin\0.example')))), null],
    ['T30 NUL beside the common name', name(step(part(OID.o, text('a\0'))), step(part(OID.cn, text('b')))), null],
    ['T30 overlong UTF-8', name(step(part(OID.cn, text('a\xc0\x80')))), null],
    ['T30 a surrogate in a BMPString', name(step(part(OID.cn, text('\xd8\x00', 0x1e)))), null],
    ['T30 half a character', name(step(part(OID.cn, text('\0a\0', 0x1e)))), null],
    ['cut off', name(step(part(OID.cn, text('abc')))).subarray(0, 8), null],
  ];
  for (const [what, bytes, expected] of TABLE) test(what, () => assert.equal(formatName(bytes), expected));

  test('any bytes give a text or null', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        const written = formatName(bytes);
        assert.ok(written === null || /^[\x20-\x7e]+$/.test(written));
      }),
    );
  });
});

describe('certificates', () => {
  test('the subject is what openssl writes for RFC 2253', (t) => {
    const made = certificatesOrSkip(t);
    if (made === null) return;
    const subjects = [
      '/C=DE/ST=Bayern/L=München/O=Werk 1, Halle "B"/OU=a+OU=b/CN=pump;7<8>',
      '/O=trailing /CN=#first',
      '/CN=back\\\\slash and \\/ and €',
      '/O=Plant/CN=mixed/emailAddress=a@example.org/serialNumber=12/title=T/GN=G/SN=S',
      '/DC=org/DC=example/UID=u/CN=x',
      '/CN=one/CN=two',
      '/O=\u{1F600}',
    ];
    for (const [index, subject] of subjects.entries()) {
      const { certFile } = made.root.issue(`name-${index}`, { subject });
      const shown = openssl(['x509', '-in', certFile, '-noout', '-subject', '-nameopt', 'RFC2253']);
      const { subject: own } = peerNames(new X509Certificate(readFileSync(certFile)));
      assert.equal(`subject=${own}\n`, shown);
    }
  });

  test('the common name is the first one', (t) => {
    const made = certificatesOrSkip(t);
    if (made === null) return;
    const { certFile } = made.root.issue('two', { subject: '/O=x/CN=one/CN=two' });
    const names = peerNames(new X509Certificate(readFileSync(certFile)));
    assert.deepEqual(names, { commonName: 'one', subject: 'CN=two,CN=one,O=x' });
    assert.deepEqual(peerNames({ raw: Buffer.from('nothing of the kind') }), { commonName: null, subject: null });
  });

  test('T30 a common name with NUL, control characters or broken UTF-8 names nobody; wildcards are names', (t) => {
    const made = certificatesOrSkip(t);
    if (made === null) return;
    const { raw } = new X509Certificate(readFileSync(made.root.issue('abcdef', { subject: '/CN=abcdef' }).certFile));
    const at = raw.lastIndexOf('abcdef');
    for (const [value, commonName] of [
      ['abc\0ef', null],
      ['abc\nef', null],
      ['abc\x7fef', null],
      ['ab\xc2\x85ef', null],
      ['abc\xffef', null],
      ['ab\xed\xa0\x80f', null],
      ['#/+/$S', '#/+/$S'],
      ['\xc3\xa4\xc3\xb6\xc3\xbc', 'äöü'],
    ] as const) {
      const patched = Buffer.from(raw);
      patched.write(value, at, 'latin1');
      assert.equal(peerNames({ raw: patched }).commonName, commonName, JSON.stringify(value));
    }
  });
});
