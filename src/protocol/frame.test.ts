import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { assertRefused, bytesOf } from './codec.fixture.ts';
import {
  BODY_BYTES_MAX,
  createFrameHeader,
  FRAME_BYTES_MAX,
  FrameStatus,
  readFrame,
  readVariableInteger,
  requireShortest,
  variableIntegerBytes,
  writeVariableInteger,
} from './frame.ts';
import { Reason } from './reasons.ts';

/** The limits of each length, from table 1-1 of the standard. */
const LENGTHS: readonly (readonly [value: number, hex: string])[] = [
  [0, '00'],
  [127, '7f'],
  [128, '8001'],
  [16_383, 'ff7f'],
  [16_384, '808001'],
  [2_097_151, 'ffff7f'],
  [2_097_152, '80808001'],
  [268_435_455, 'ffffff7f'],
];

/** Never a length, wherever one stands. */
const LONG_LENGTHS = [
  ['five bytes', '8080808001'],
  ['five bytes, the last 0', 'ffffffff00'],
] as const;

/** Lengths with bytes that they do not need: never in v5, and nowhere but in the fixed header of 3.x. */
const PADDED_LENGTHS = [
  ['0 in two bytes', '8000'],
  ['127 in two bytes', 'ff00'],
  ['0 in three bytes', '808000'],
  ['0 in four bytes', '80808000'],
  ['16383 in four bytes', 'ffff8000'],
] as const;

function statusOf(bytes: Uint8Array, end = bytes.length): FrameStatus {
  return readFrame(bytes, 0, end, createFrameHeader());
}

describe('readFrame', () => {
  test('tells at every byte what is there', () => {
    const bytes = Uint8Array.of(0x30, 0x80, 0x01, ...new Uint8Array(128), 0xc0);
    const statuses = Array.from({ length: bytes.length + 1 }, (_, end) => statusOf(bytes, end));
    assert.deepEqual(statuses.slice(0, 3), [FrameStatus.NeedMore, FrameStatus.NeedMore, FrameStatus.NeedMore]);
    assert.ok(statuses.slice(3, 131).every((status) => status === FrameStatus.HeaderOnly));
    assert.deepEqual(statuses.slice(131), [FrameStatus.Complete, FrameStatus.Complete]);
  });

  test('gives absolute offsets', () => {
    const bytes = bytesOf('ffff 30 03 aabbcc d000');
    const header = createFrameHeader();
    assert.equal(readFrame(bytes, 2, bytes.length, header), FrameStatus.Complete);
    assert.deepEqual(header, { firstByte: 0x30, bodyStart: 4, bodyEnd: 7, isShortest: true });
    assert.equal(readFrame(bytes, 7, bytes.length, header), FrameStatus.Complete);
    assert.deepEqual(header, { firstByte: 0xd0, bodyStart: 9, bodyEnd: 9, isShortest: true });
  });

  test('knows the size of a packet of which only the fixed header is there', () => {
    const header = createFrameHeader();
    assert.equal(readFrame(bytesOf('10ffffff7f'), 0, 5, header), FrameStatus.HeaderOnly);
    assert.equal(header.bodyEnd, FRAME_BYTES_MAX);
  });

  test('looks at no byte behind the end', () => {
    const bytes = bytesOf('30 8080 8080 01');
    for (const end of [0, 1, 2, 3, 4]) assert.equal(statusOf(bytes, end), FrameStatus.NeedMore);
  });

  for (const [name, hex] of PADDED_LENGTHS) {
    test(`[MQTT5-1.5.5-1] T52 marks a remaining length of ${name}, which v5 refuses`, () => {
      const header = createFrameHeader();
      readFrame(bytesOf(`30 ${hex}`), 0, hex.length / 2 + 1, header);
      assert.equal(header.isShortest, false);
      assertRefused(() => requireShortest(header), Reason.MalformedPacket);
      readFrame(bytesOf('30 00'), 0, 2, header);
      requireShortest(header);
    });
  }

  for (const [name, hex] of LONG_LENGTHS) {
    test(`[MQTT5-1.5.5-1] T52 refuses a remaining length of ${name}, as soon as it can be seen`, () => {
      const bytes = bytesOf(`30 ${hex}`);
      assertRefused(() => statusOf(bytes), Reason.MalformedPacket);
    });
  }

  test('[MQTT5-1.5.5-1] T52 refuses a fourth byte that announces a fifth, without waiting for it', () => {
    assertRefused(() => statusOf(bytesOf('30 80808080')), Reason.MalformedPacket);
  });
});

describe('variable byte integers', () => {
  for (const [value, hex] of LENGTHS) {
    test(`[MQTT5-1.5.5-1] ${value} is ${hex}, and nothing else`, () => {
      const bytes = bytesOf(hex);
      const written = new Uint8Array(bytes.length);
      assert.equal(writeVariableInteger(value, written, 0), bytes.length);
      assert.deepEqual(written, bytes);
      assert.equal(variableIntegerBytes(value), bytes.length);
      assert.equal(readVariableInteger(bytes, 0, bytes.length), value);
    });
  }

  for (const [name, hex] of [...LONG_LENGTHS, ...PADDED_LENGTHS]) {
    test(`[MQTT5-1.5.5-1] T52 refuses ${name}`, () => {
      const bytes = bytesOf(hex);
      assertRefused(() => readVariableInteger(bytes, 0, bytes.length), Reason.MalformedPacket);
    });
  }

  test('T52 refuses one that is cut off', () => {
    for (const hex of ['', '80', 'ffff', 'ffffff']) {
      const bytes = Uint8Array.of(...bytesOf(hex), 0x01);
      assertRefused(() => readVariableInteger(bytes, 0, bytes.length - 1), Reason.MalformedPacket);
    }
  });

  test('come back as they were written, in the bytes foretold', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: BODY_BYTES_MAX }), (value) => {
        const bytes = new Uint8Array(8);
        const end = writeVariableInteger(value, bytes, 2);
        assert.equal(end, 2 + variableIntegerBytes(value));
        assert.equal(readVariableInteger(bytes, 2, end), value);
      }),
    );
  });
});
