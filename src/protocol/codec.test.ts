/**
 * What must hold for every packet, of every version, in both directions: the round trip, input that is random or slightly
 * wrong, and streams cut anywhere.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { packetArbitrary } from './arbitraries.fixture.ts';
import { ALL, decodeFrame, encodePacket, type PlainPacket, plain } from './codec.fixture.ts';
import type { Sender } from './decode/fields.ts';
import { decodePacket } from './decode/packet.ts';
import { createFrameHeader, FrameStatus, readFrame } from './frame.ts';
import { ProtocolError } from './protocol-error.ts';
import { TopicNames } from './topic.ts';
import type { ProtocolVersion } from './version.ts';

const SENDERS: readonly Sender[] = ['client', 'server'];
const RUNS = { numRuns: 300 };

/** What decoding gives, as text: the packet, or the refusal. Anything but a ProtocolError is thrown on. */
function outcome(frame: Uint8Array, version: ProtocolVersion, from: Sender, fill: number): string {
  try {
    const packet = decodeFrame(frame, version, from, fill);
    return JSON.stringify(packet, (_, value) => (value instanceof Uint8Array ? [...value] : value));
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return `${error.reason} ${error.statement} ${error.message}`;
  }
}

/** Decoding ends in a packet or a ProtocolError, and what stands beside the frame makes no difference. */
function assertContained(frame: Uint8Array, version: ProtocolVersion, from: Sender): void {
  assert.equal(outcome(frame, version, from, 0x00), outcome(frame, version, from, 0x61));
}

function withFixedHeader(firstByte: number, body: Uint8Array): Uint8Array {
  return body.length < 128
    ? Uint8Array.of(firstByte, body.length, ...body)
    : Uint8Array.of(firstByte, (body.length & 127) | 128, body.length >> 7, ...body);
}

/** Frames that a receiver finds in chunks, the rest of each kept for the next. */
function packetsOf(chunks: readonly Uint8Array[], version: ProtocolVersion, from: Sender): PlainPacket[] {
  const topics = new TopicNames();
  const header = createFrameHeader();
  const packets: PlainPacket[] = [];
  let rest = new Uint8Array(0);
  for (const chunk of chunks) {
    const bytes = new Uint8Array(rest.length + chunk.length);
    bytes.set(rest);
    bytes.set(chunk, rest.length);
    let start = 0;
    while (readFrame(bytes, start, bytes.length, header) === FrameStatus.Complete) {
      packets.push(plain(decodePacket(bytes, start, header, version, topics, from)));
      start = header.bodyEnd;
    }
    rest = bytes.slice(start);
  }
  assert.equal(rest.length, 0);
  return packets;
}

function joined(frames: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(frames.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const frame of frames) {
    bytes.set(frame, at);
    at += frame.length;
  }
  return bytes;
}

for (const version of ALL) {
  for (const from of SENDERS) {
    describe(`version ${version}, packets of a ${from}`, () => {
      const packets = packetArbitrary(version, from);

      test('decode(encode(packet)) is the packet', () => {
        fc.assert(
          fc.property(packets, (packet) => {
            assert.deepEqual(decodeFrame(encodePacket(packet, version), version, from), plain(packet));
          }),
          RUNS,
        );
      });

      test('encode(decode(frame)) is the frame', () => {
        fc.assert(
          fc.property(packets, (packet) => {
            const frame = encodePacket(packet, version);
            const header = createFrameHeader();
            readFrame(frame, 0, frame.length, header);
            const decoded = decodePacket(frame, 0, header, version, new TopicNames(), from);
            assert.deepEqual(encodePacket(decoded, version), frame);
          }),
          RUNS,
        );
      });

      test('a random body is a packet or a ProtocolError, and nothing beside it is read', () => {
        fc.assert(
          fc.property(fc.integer({ min: 0, max: 255 }), fc.uint8Array({ maxLength: 200 }), (firstByte, body) => {
            assertContained(withFixedHeader(firstByte, body), version, from);
          }),
          { numRuns: 2000 },
        );
      });

      test('a frame with some bytes changed is a packet or a ProtocolError, and nothing beside it is read', () => {
        const change = fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }));
        fc.assert(
          fc.property(packets, fc.array(change, { minLength: 1, maxLength: 4 }), (packet, changes) => {
            const frame = encodePacket(packet, version);
            const header = createFrameHeader();
            readFrame(frame, 0, frame.length, header);
            const body = frame.slice(header.bodyStart);
            for (const [index, byte] of changes) if (body.length > 0) body[index % body.length] = byte;
            assertContained(joined([frame.slice(0, header.bodyStart), body]), version, from);
          }),
          { numRuns: 1000 },
        );
      });

      test('T52 a body cut off anywhere is a packet or a ProtocolError, and nothing beside it is read', () => {
        fc.assert(
          fc.property(packets, fc.nat(), (packet, cut) => {
            const frame = encodePacket(packet, version);
            const header = createFrameHeader();
            readFrame(frame, 0, frame.length, header);
            const body = frame.slice(header.bodyStart);
            assertContained(withFixedHeader(header.firstByte, body.slice(0, cut % (body.length + 1))), version, from);
          }),
          { numRuns: 1000 },
        );
      });

      test('a stream split at any byte gives the same packets', () => {
        fc.assert(
          fc.property(fc.array(packets, { minLength: 1, maxLength: 4 }), (some) => {
            const stream = joined(some.map((packet) => encodePacket(packet, version)));
            const expected = some.map(plain);
            const step = Math.ceil(stream.length / 150);
            for (let cut = 0; cut <= stream.length; cut += step) {
              const chunks = [stream.slice(0, cut), stream.slice(cut)];
              assert.deepEqual(packetsOf(chunks, version, from), expected);
            }
          }),
          { numRuns: 15 },
        );
      });

      test('a stream that comes byte by byte gives the same packets', () => {
        fc.assert(
          fc.property(fc.array(packets, { minLength: 1, maxLength: 3 }), (some) => {
            const stream = joined(some.map((packet) => encodePacket(packet, version)));
            const chunks = Array.from(stream, (byte) => Uint8Array.of(byte));
            assert.deepEqual(packetsOf(chunks, version, from), some.map(plain));
          }),
          { numRuns: 15 },
        );
      });
    });
  }
}
