import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { DerError, readBits, readDer, readDerList, readHexInteger, readOid, readTime, TAG } from './tls-der.ts';

const bytes = (hex: string) => Buffer.from(hex.replaceAll(' ', ''), 'hex');
const item = (hex: string) => readDerList(bytes(hex))[0];

describe('DER', () => {
  test('items are views, with and without their head', () => {
    const [first, second, ...rest] = readDerList(bytes('020101 30820003 020105'));
    assert.deepEqual(rest, []);
    assert.deepEqual([first?.tag, first?.content.length, first?.whole.length], [TAG.integer, 1, 3]);
    assert.deepEqual([second?.tag, second?.content.length, second?.whole.length], [TAG.sequence, 3, 7]);
    assert.equal(readDer(bytes('0400'), TAG.octetString).content.length, 0);
  });

  for (const [what, hex] of [
    ['nothing', ''],
    ['a head only', '30'],
    ['cut off', '300501'],
    ['cut off in the length', '3082 01'],
    ['an indefinite length', '3080 0000'],
    ['a length of five bytes', '3085 0000000001 00'],
    ['a tag of several bytes', '1f8101 00'],
    ['more than one', '0500 0500'],
    ['another tag', '0500'],
  ] as const) {
    test(`refused: ${what}`, () => assert.throws(() => readDer(bytes(hex), TAG.sequence), DerError));
  }

  test('no bytes lead to anything but items or a DerError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (input) => {
        try {
          const items = readDerList(input);
          assert.equal(
            items.reduce((sum, { whole }) => sum + whole.length, 0),
            input.length,
          );
          for (const entry of items) for (const read of [readOid, readTime, readBits, readHexInteger]) read(entry);
        } catch (error) {
          assert.ok(error instanceof DerError, String(error));
        }
      }),
    );
  });

  test('object identifiers', () => {
    assert.equal(readOid(item('0603 550403')), '2.5.4.3');
    assert.equal(readOid(item('0606 2a864886f70d')), '1.2.840.113549');
    assert.equal(readOid(item('0603 883703')), '2.999.3');
    assert.throws(() => readOid(item('0602 5584')), DerError);
    assert.throws(() => readOid(item('0600')), DerError);
    assert.throws(() => readOid(item('0609 88ffffffffffffffff7f')), DerError);
    assert.throws(() => readOid(undefined), DerError);
  });

  test('times: two digits are 1950 to 2049, no other form counts', () => {
    const time = (tag: string, text: string) => {
      const content = Buffer.from(text, 'latin1');
      return readTime(item(`${tag}${content.length.toString(16).padStart(2, '0')}${content.toString('hex')}`));
    };
    assert.equal(time('17', '491231235959Z'), Date.UTC(2049, 11, 31, 23, 59, 59));
    assert.equal(time('17', '500101000000Z'), Date.UTC(1950, 0, 1));
    assert.equal(time('18', '20500101000000Z'), Date.UTC(2050, 0, 1));
    for (const [tag, text] of [
      ['17', '5001010000Z'],
      ['18', '20500101000000.5Z'],
      ['17', '500101000000+0100'],
      ['04', '500101000000Z'],
    ] as const) {
      assert.throws(() => time(tag, text), DerError);
    }
  });

  test('integers and bits', () => {
    assert.equal(readHexInteger(item('0203 00ff01')), 'FF01');
    assert.equal(readHexInteger(item('0201 00')), '0');
    assert.deepEqual([...readBits(item('0303 00 0180'))], [1, 0x80]);
    assert.throws(() => readBits(item('0303 01 0180')), DerError);
    assert.throws(() => readBits(item('0300')), DerError);
  });
});
