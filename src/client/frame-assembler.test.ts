import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { FRAME_BYTES_MAX } from '../protocol/frame.ts';
import { FrameAssembler } from './frame-assembler.ts';

/** A frame with this many bytes of body, which count up. */
function frame(bodyBytes: number): Uint8Array {
  const length: number[] = [];
  let rest = bodyBytes;
  do {
    length.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
    rest >>>= 7;
  } while (rest > 0);
  return Uint8Array.of(0x30, ...length, ...Array.from({ length: bodyBytes }, (_, index) => index & 0xff));
}

function collector(limit = FRAME_BYTES_MAX): { readonly frames: string[]; readonly assembler: FrameAssembler } {
  const frames: string[] = [];
  const assembler = new FrameAssembler(limit, (bytes, start, header) => {
    frames.push(Buffer.from(bytes.subarray(start, header.bodyEnd)).toString('hex'));
    return true;
  });
  return { frames, assembler };
}

describe('FrameAssembler', () => {
  it('hands out the same frames however the bytes are cut', () => {
    const sizes = fc.array(fc.oneof(fc.integer({ min: 0, max: 10 }), fc.integer({ min: 120, max: 400 })), {
      maxLength: 12,
    });
    fc.assert(
      fc.property(sizes, fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 20 }), (bodies, cuts) => {
        const all = Buffer.concat(bodies.map(frame));
        const { frames, assembler } = collector();
        for (let at = 0, turn = 0; at < all.length; turn++) {
          const end = Math.min(at + (cuts[turn % cuts.length] ?? 1), all.length);
          // Borrowed bytes: spoiled as soon as push returns.
          const chunk = Uint8Array.from([0xaa, ...all.subarray(at, end), 0xaa]);
          assembler.push(chunk, 1, chunk.length - 1);
          chunk.fill(0xaa);
          at = end;
        }
        assert.deepEqual(
          frames,
          bodies.map((body) => Buffer.from(frame(body)).toString('hex')),
        );
      }),
    );
  });

  it('refuses a frame above the limit before its body has come', () => {
    const { frames, assembler } = collector(10);
    assembler.push(frame(8), 0, 10);
    assert.equal(frames.length, 1);
    assert.throws(() => assembler.push(Uint8Array.of(0x30, 9), 0, 2), { name: 'ProtocolError', reason: 0x95 });
  });

  it('lets the limit be raised between two frames of one chunk', () => {
    const sizes: number[] = [];
    const assembler: FrameAssembler = new FrameAssembler(10, (_bytes, start, header) => {
      sizes.push(header.bodyEnd - start);
      assembler.packetBytesMax = 100;
      return true;
    });
    const both = Uint8Array.from([...frame(2), ...frame(50)]);
    assembler.push(both, 0, both.length);
    assert.deepEqual(sizes, [4, 52]);
  });

  it('stops when nothing more is wanted', () => {
    let count = 0;
    const assembler = new FrameAssembler(100, () => ++count < 2);
    const three = Uint8Array.from([...frame(2), ...frame(2), ...frame(2)]);
    assembler.push(three, 0, three.length);
    assert.equal(count, 2);
  });

  it('T02 keeps no more than has come, whatever a header announces', () => {
    const { assembler } = collector();
    assembler.push(Uint8Array.of(0x30, 0xff, 0xff, 0xff, 0x7f), 0, 5);
    const before = process.memoryUsage().arrayBuffers;
    for (let count = 0; count < 100; count++) assembler.push(new Uint8Array(100), 0, 100);
    assert.ok(process.memoryUsage().arrayBuffers - before < 1_000_000);
  });
});
