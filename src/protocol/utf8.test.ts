import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { assertRefused, bytesOf } from './codec.fixture.ts';
import { Reason } from './reasons.ts';
import { isMqttText, readUtf8, utf8Bytes, writeUtf8 } from './utf8.ts';

const GOOD: readonly (readonly [name: string, hex: string, text: string])[] = [
  ['nothing', '', ''],
  ['ASCII', "'Plant1/Line2'", 'Plant1/Line2'],
  ['the first and the last printable ASCII', '207e', ' ~'],
  ['two bytes, first and last', 'c2a0 dfbf', '\u00a0\u07ff'],
  ['three bytes, first and last', 'e0a080 efbfbd', '\u0800\ufffd'],
  ['the neighbours of the surrogates', 'ed9fbf ee8080', '\ud7ff\ue000'],
  ['the neighbours of the non-characters in FDD0 to FDEF', 'efb78f efb7b0', '\ufdcf\ufdf0'],
  ['four bytes, first and last allowed', 'f0908080 f48fbfbd', '\u{10000}\u{10fffd}'],
  ['the example of the standard', '41f0aa9b94', 'A\u{2a6d4}'],
];

const BAD: readonly (readonly [name: string, hex: string])[] = [
  ['a continuation byte alone', '80'],
  ['a lead byte alone', 'c3'],
  ['a lead byte before ASCII', 'c341'],
  ['two of three bytes', 'e282'],
  ['three of four bytes', 'f09f98'],
  ['the second byte wrong', 'e24182'],
  ['the third byte wrong', 'e28241'],
  ['overlong in two bytes: C0 80', 'c080'],
  ['overlong in two bytes: C1 BF', 'c1bf'],
  ['overlong in three bytes: E0 80 80', 'e08080'],
  ['overlong in three bytes: E0 9F BF', 'e09fbf'],
  ['overlong in four bytes: F0 80 80 80', 'f0808080'],
  ['overlong in four bytes: F0 8F BF BF', 'f08fbfbf'],
  ['the first surrogate', 'eda080'],
  ['the last surrogate', 'edbfbf'],
  ['a surrogate pair in six bytes', 'eda081edb080'],
  ['above U+10FFFF', 'f4908080'],
  ['a lead byte F5', 'f5808080'],
  ['a lead byte FF', 'ffffffff'],
  ['U+0001', '4101'],
  ['U+001F', '1f'],
  ['a line feed', '410a42'],
  ['U+007F', '7f'],
  ['U+0080', 'c280'],
  ['U+009F', 'c29f'],
  ['U+FDD0', 'efb790'],
  ['U+FDEF', 'efb7af'],
  ['U+FFFE', 'efbfbe'],
  ['U+FFFF', 'efbfbf'],
  ['U+1FFFE', 'f09fbfbe'],
  ['U+10FFFF', 'f48fbfbf'],
];

function read(hex: string): string {
  const bytes = bytesOf(`4141${hex}4141`);
  return readUtf8(bytes, 2, bytes.length - 2);
}

describe('readUtf8', () => {
  for (const [name, hex, text] of GOOD) test(`takes ${name}`, () => assert.equal(read(hex), text));

  for (const [name, hex] of BAD) {
    test(`[MQTT5-1.5.4-1] [MQTT3-1.5.3-1] T04 refuses ${name}`, () => {
      assertRefused(() => read(hex), Reason.MalformedPacket);
      assertRefused(() => read(`'a good beginning, and a long one at that' ${hex}`), Reason.MalformedPacket);
    });
  }

  test('[MQTT5-1.5.4-2] [MQTT3-1.5.3-2] T04 refuses U+0000', () => {
    for (const hex of ['00', "'a' 00", "'a' 00 'b'", 'c3a400']) assertRefused(() => read(hex), Reason.MalformedPacket);
  });

  test('[MQTT5-1.5.4-3] [MQTT3-1.5.3-3] keeps EF BB BF, at the beginning and elsewhere', () => {
    assert.equal(read("efbbbf 'a' efbbbf"), '\ufeffa\ufeff');
    assert.equal(read('efbbbf'), '\ufeff');
  });

  test('does not look behind its end', () => {
    assertRefused(() => readUtf8(bytesOf('c3a4'), 0, 1), Reason.MalformedPacket);
  });

  test('agrees with TextDecoder on what is well-formed', () => {
    const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
    const byte = fc.oneof(
      fc.constantFrom(0x41, 0x80, 0xbf, 0xc2, 0xe0, 0xed, 0xef, 0xf0, 0xf4),
      fc.integer({ min: 0, max: 255 }),
    );
    fc.assert(
      fc.property(fc.array(byte, { maxLength: 6 }), (values) => {
        const bytes = Uint8Array.from(values);
        let expected: string | null = null;
        try {
          expected = decoder.decode(bytes);
        } catch {
          expected = null;
        }
        if (expected !== null && isMqttText(expected)) assert.equal(readUtf8(bytes, 0, bytes.length), expected);
        else assertRefused(() => readUtf8(bytes, 0, bytes.length), Reason.MalformedPacket);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('writeUtf8', () => {
  test('writes what readUtf8 reads, in the bytes foretold', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 80 }), (text) => {
        const count = utf8Bytes(text);
        const bytes = new Uint8Array(count + 6);
        assert.equal(writeUtf8(text, bytes, 3), 3 + 2 + count);
        assert.equal((bytes[3] ?? 0) * 256 + (bytes[4] ?? 0), count);
        assert.equal(bytes.at(-1), 0);
        if (isMqttText(text)) assert.equal(readUtf8(bytes, 5, 5 + count), text);
      }),
    );
  });

  test('takes 65535 bytes and not one more', () => {
    const longest = 'x'.repeat(65_535);
    assert.equal(writeUtf8(longest, new Uint8Array(65_540), 0), 65_537);
    assert.throws(() => writeUtf8(`${longest}x`, new Uint8Array(65_540), 0), /65535/);
  });

  test('counts a lone surrogate as the three bytes that the encoder makes of it', () => {
    assert.equal(utf8Bytes('a\ud800b'), 5);
    assert.equal(utf8Bytes('\udc00\ud800'), 6);
  });
});

describe('isMqttText', () => {
  test('refuses lone surrogates, controls, and more than 65535 bytes', () => {
    assert.deepEqual(
      ['ok', '\u00e4', '\ud800', 'a\u0000', '\u0085', '\uffff', 'x'.repeat(65_535), 'x'.repeat(65_536)].map(isMqttText),
      [true, true, false, false, false, false, true, false],
    );
  });
});
