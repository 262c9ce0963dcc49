import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { SeededRandom } from '../../../test/fixtures/seeded-random.ts';
import { type ClientFrame, clientFrame } from './client-frame.fixture.ts';
import { FrameReader } from './frame-reader.ts';

const SPOILED = 0xaa;

interface Outcome {
  readonly data: string;
  /** The last Pong of all chunks. */
  readonly pong: string | null;
  readonly code: number | null | undefined;
  readonly text: string | undefined;
}

/** Feeds chunks that lie anywhere in a larger memory, as the reactor's do, and are spoiled afterwards. */
function readChunks(chunks: readonly Uint8Array[], offset = 3): Outcome {
  const reader = new FrameReader();
  const data: Buffer[] = [];
  let pong: string | null = null;
  for (const chunk of chunks) {
    const memory = Buffer.alloc(offset + chunk.length + 5, SPOILED);
    memory.set(chunk, offset);
    reader.read(memory, offset, offset + chunk.length);
    data.push(Buffer.from(memory.subarray(reader.dataStart, reader.dataEnd)));
    if (reader.pong !== null) pong = Buffer.from(reader.pong).toString('hex');
    assert.ok(
      memory.subarray(0, offset).every((byte) => byte === SPOILED),
      'written before the chunk',
    );
    assert.ok(
      memory.subarray(offset + chunk.length).every((byte) => byte === SPOILED),
      'written behind the chunk',
    );
    memory.fill(SPOILED);
  }
  return { data: Buffer.concat(data).toString('hex'), pong, code: reader.end?.code, text: reader.end?.text };
}

function readFrames(...frames: readonly ClientFrame[]): Outcome {
  return readChunks([Buffer.concat(frames.map(clientFrame))]);
}

const hex = (text: string) => Buffer.from(text, 'hex');
const bytesOf = (byteCount: number) => new SeededRandom(byteCount).fill(new Uint8Array(byteCount));

interface Row {
  readonly name: string;
  readonly frames: readonly ClientFrame[];
  readonly data?: string;
  readonly pong?: string;
  /** Null: a Close frame without a code. Absent: reading goes on. */
  readonly code?: number | null;
  readonly text?: RegExp;
}

const ROWS: readonly Row[] = [
  { name: 'one binary frame', frames: [{ payload: hex('c000') }], data: 'c000' },
  { name: 'an empty frame', frames: [{}, { payload: hex('c0') }, {}, { payload: hex('00') }], data: 'c000' },
  {
    name: 'packets share a frame, and span frames [MQTT5-6.0.0-2] [MQTT3-6.0.0-2]',
    frames: [{ payload: hex('c000c0') }, { payload: hex('00c0') }, { payload: hex('00') }],
    data: 'c000c000c000',
  },
  {
    name: 'a message in three frames, with a Ping between them',
    frames: [
      { payload: hex('01'), isFinal: false },
      { opcode: 0, payload: hex('02'), isFinal: false },
      { opcode: 9, payload: hex('7069') },
      { opcode: 0, payload: hex('03') },
      { payload: hex('04') },
    ],
    data: '01020304',
    pong: '8a027069',
  },
  { name: 'without a mask', frames: [{ payload: hex('c000'), key: null }], data: 'c000' },
  { name: 'a key of zeros', frames: [{ payload: hex('c000'), key: 0 }], data: 'c000' },
  { name: 'a length that is longer than it need be', frames: [{ payload: hex('c000'), lengthBytes: 8 }], data: 'c000' },
  {
    name: 'a text frame [MQTT5-6.0.0-1] [MQTT3-6.0.0-1]',
    frames: [{ payload: hex('c000') }, { opcode: 1, payload: hex('c000') }, { payload: hex('c000') }],
    data: 'c000',
    code: 1003,
    text: /text frame/,
  },
  { name: 'a reserved bit', frames: [{ payload: hex('c000'), reserved: 4 }], code: 1002, text: /reserved bit/ },
  { name: 'another reserved bit', frames: [{ opcode: 9, reserved: 1 }], code: 1002, text: /reserved bit/ },
  ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map((opcode) => ({
    name: `opcode ${opcode}`,
    frames: [{ opcode, payload: hex('00') }],
    code: 1002,
    text: /reserved/,
  })),
  { name: 'a fragmented Ping', frames: [{ opcode: 9, isFinal: false }], code: 1002, text: /fragmented/ },
  { name: 'a fragmented Close', frames: [{ opcode: 8, isFinal: false }], code: 1002, text: /fragmented/ },
  { name: 'a Ping of 126 bytes', frames: [{ opcode: 9, payload: bytesOf(126) }], code: 1002, text: /125 bytes/ },
  { name: 'a Pong with a length of 8 bytes', frames: [{ opcode: 10, lengthBytes: 8 }], code: 1002, text: /125 bytes/ },
  { name: 'a continuation of nothing', frames: [{ opcode: 0 }], code: 1002, text: /nothing/ },
  {
    name: 'a continuation of what is over',
    frames: [{ payload: hex('01') }, { opcode: 0 }],
    data: '01',
    code: 1002,
    text: /nothing/,
  },
  {
    name: 'a message inside another',
    frames: [{ payload: hex('01'), isFinal: false }, { payload: hex('02') }],
    data: '01',
    code: 1002,
    text: /inside another/,
  },
  { name: 'a length of 2^63', frames: [{ length: 2n ** 63n }], code: 1002, text: /2\^63/ },
  { name: 'a length of 2^64 - 1', frames: [{ length: 2n ** 64n - 1n }], code: 1002, text: /2\^63/ },
  { name: 'a length of 2^53', frames: [{ length: 2n ** 53n }], code: 1009, text: /2\^53/ },
  { name: 'a length of 2^53 - 1', frames: [{ length: 2n ** 53n - 1n, payload: hex('c000') }], data: 'c000' },
  { name: 'an empty Ping', frames: [{ opcode: 9 }], pong: '8a00' },
  {
    name: 'a Pong that nobody asked for',
    frames: [{ opcode: 10, payload: hex('01') }, { payload: hex('02') }],
    data: '02',
  },
  { name: 'a Close without a code', frames: [{ payload: hex('e000') }, { opcode: 8 }], data: 'e000', code: null },
  {
    name: 'a Close, and what comes behind it',
    frames: [{ opcode: 8, payload: hex('03e8627965') }, { payload: hex('c000') }],
    code: 1000,
  },
  { name: 'a Close with half a code', frames: [{ opcode: 8, payload: hex('03') }], code: 1002, text: /two bytes/ },
  { name: 'a Close with 1005', frames: [{ opcode: 8, payload: hex('03ed') }], code: 1002, text: /1005/ },
  { name: 'a Close with 4999', frames: [{ opcode: 8, payload: hex('1387') }], code: 4999 },
];

describe('FrameReader', () => {
  for (const { name, frames, data = '', pong = null, code, text } of ROWS) {
    test(name, () => {
      const all = Buffer.concat(frames.map(clientFrame));
      const bytewise = [...all].map((byte) => Uint8Array.of(byte));
      for (const chunks of [[all], bytewise]) {
        const outcome = readChunks(chunks);
        assert.equal(outcome.data, data);
        assert.equal(outcome.pong, pong);
        assert.equal(outcome.code, code);
        if (text === undefined) assert.ok((outcome.text ?? '') === '');
        else assert.match(outcome.text ?? '', text);
      }
    });
  }

  test('of several Pings in one chunk the last is answered', () => {
    const pings = [hex('01'), hex('02'), hex('03')].map((payload) => ({ opcode: 9, payload }));
    assert.equal(readFrames(...pings).pong, '8a0103');
  });

  for (const byteCount of [125, 126, 65_535, 65_536, 300_000]) {
    test(`a frame of ${byteCount} bytes`, () => {
      const payload = bytesOf(byteCount);
      assert.equal(readFrames({ payload }).data, Buffer.from(payload).toString('hex'));
    });
  }

  test('a frame of 2^40 bytes is handed on as it comes, and nothing is put aside', () => {
    const reader = new FrameReader();
    const chunk = clientFrame({ length: 2n ** 40n, payload: bytesOf(1000) });
    reader.read(chunk, 0, chunk.length);
    assert.equal(reader.dataEnd - reader.dataStart, 1000);
    const before = process.memoryUsage().arrayBuffers;
    const more = new Uint8Array(65_536);
    for (let count = 0; count < 100; count++) {
      reader.read(more, 0, more.length);
      assert.deepEqual([reader.dataStart, reader.dataEnd], [0, more.length]);
    }
    assert.ok(process.memoryUsage().arrayBuffers - before < 2 ** 20);
  });

  test('any split of the bytes gives the same', () => {
    const lengths = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 20 });
    const property = fc.property(arbitraryFrames(), lengths, (frames, cuts) => {
      const all = Buffer.concat(frames.map(clientFrame));
      const whole = readChunks([all]);
      assert.deepEqual(readChunks(cutUp(all, cuts)), whole);
    });
    fc.assert(property, { numRuns: 500 });
  });

  test('random bytes (fuzz): no exception, data within the chunk, never more of it than came', () => {
    const property = fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 20 }), (chunks) => {
      const { data, code } = readChunks(chunks);
      assert.ok(data.length / 2 <= chunks.reduce((sum, chunk) => sum + chunk.length, 0));
      assert.ok(code === undefined || code === null || (code >= 1000 && code <= 4999));
    });
    fc.assert(property, { numRuns: 1000 });
  });
});

/** Messages of one to three frames with control frames anywhere, and perhaps something that must not be at the end. */
function arbitraryFrames(): fc.Arbitrary<ClientFrame[]> {
  const payload = fc.oneof(fc.uint8Array({ maxLength: 20 }), fc.uint8Array({ minLength: 60, maxLength: 200 }));
  const key = fc.option(fc.integer(), { freq: 5 });
  const control = fc.record({ opcode: fc.constantFrom(9, 10), payload: fc.uint8Array({ maxLength: 125 }), key });
  const message = fc.array(fc.tuple(payload, key, fc.option(control)), { minLength: 1, maxLength: 3 });
  const last = fc.record({ opcode: fc.integer({ min: 0, max: 15 }), payload, isFinal: fc.boolean(), key });
  return fc
    .tuple(fc.array(message, { maxLength: 6 }), fc.option(last))
    .map(([messages, end]) => [...messages.flatMap(framesOf), ...(end === null ? [] : [end])]);
}

function framesOf(parts: readonly [Uint8Array, number | null, ClientFrame | null][]): ClientFrame[] {
  return parts.flatMap(([payload, key, control], index) => {
    const frame = { opcode: index === 0 ? 2 : 0, payload, key, isFinal: index === parts.length - 1 };
    return control === null ? [frame] : [control, frame];
  });
}

function cutUp(all: Buffer, lengths: readonly number[]): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0; at < all.length; ) {
    const length = lengths[chunks.length % lengths.length] ?? 1;
    chunks.push(all.subarray(at, at + length));
    at += length;
  }
  return chunks;
}
