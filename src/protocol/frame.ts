/**
 * Where one control packet ends and the next begins. `readFrame` looks at the fixed header only, so the size of a packet
 * is known, and can be refused, before its body has come.
 *
 *   byte 0          packet type << 4 | flags
 *   byte 1 to 4     remaining length: 7 bits per byte, least first, top bit = another byte follows
 *   bodyStart       variable header and payload
 *   bodyEnd         first byte of the next packet
 */
import { malformed } from './protocol-error.ts';

/** Largest remaining length: four bytes of seven bits. */
export const BODY_BYTES_MAX = 268_435_455;
/** Largest whole packet: the body, one byte in front and four bytes of length. */
export const FRAME_BYTES_MAX = BODY_BYTES_MAX + 5;

export const FrameStatus = {
  /** The fixed header is not complete: nothing is known yet. */
  NeedMore: 0,
  /** The fixed header is complete, the body is not all there. */
  HeaderOnly: 1,
  /** The whole packet is there. */
  Complete: 2,
} as const;
export type FrameStatus = (typeof FrameStatus)[keyof typeof FrameStatus];

/** Offsets are absolute, in the buffer that was read. `bodyEnd` may lie beyond the bytes that are there. */
export interface FrameHeader {
  firstByte: number;
  bodyStart: number;
  bodyEnd: number;
  /** Whether the remaining length took no more bytes than it needs: v5 demands it, 3.x does not (`requireShortest`). */
  isShortest: boolean;
}

export function createFrameHeader(): FrameHeader {
  return { firstByte: 0, bodyStart: 0, bodyEnd: 0, isShortest: true };
}

/**
 * Reads the fixed header at `start` of `bytes[start, end)`. `into` is filled unless the answer is NeedMore.
 * @throws ProtocolError (malformed packet) when the length takes more than four bytes.
 */
export function readFrame(bytes: Uint8Array, start: number, end: number, into: FrameHeader): FrameStatus {
  let length = 0;
  let shift = 0;
  let at = start + 1;
  for (;;) {
    if (at >= end) return FrameStatus.NeedMore;
    const byte = bytes[at++]!;
    length |= (byte & 0x7f) << shift;
    if (byte < 0x80) {
      into.isShortest = byte !== 0 || shift === 0;
      break;
    }
    if (shift === 21) throw tooLong();
    shift += 7;
  }
  const bodyEnd = at + length;
  into.firstByte = bytes[start]!;
  into.bodyStart = at;
  into.bodyEnd = bodyEnd;
  return bodyEnd <= end ? FrameStatus.Complete : FrameStatus.HeaderOnly;
}

/**
 * Refuses a length that was padded. Only v5 forbids it [MQTT-1.5.5-1]; devices that write the length last and leave two
 * or four bytes for it speak 3.x and are served by Mosquitto.
 * @throws ProtocolError (malformed packet)
 */
export function requireShortest(header: FrameHeader): void {
  if (!header.isShortest) throw notShortest();
}

/**
 * Reads a variable byte integer of `bytes[at, end)`. Its length follows from its value (`variableIntegerBytes`), because
 * only the shortest form is taken.
 * @throws ProtocolError (malformed packet) when it is cut off, longer than four bytes, or not in its shortest form.
 */
export function readVariableInteger(bytes: Uint8Array, at: number, end: number): number {
  let value = 0;
  for (let shift = 0; shift <= 21; shift += 7) {
    if (at >= end) throw malformed('MQTT-1.5.5-1', 'variable byte integer is cut off');
    const byte = bytes[at++]!;
    value |= (byte & 0x7f) << shift;
    if (byte >= 0x80) continue;
    if (byte === 0 && shift > 0) throw notShortest();
    return value;
  }
  throw tooLong();
}

/** Bytes that `value` takes as a variable byte integer: 1 to 4. */
export function variableIntegerBytes(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  return value < 0x200000 ? 3 : 4;
}

/** Writes `value` (0 to 268435455) in its shortest form [MQTT-1.5.5-1]. Returns the offset after it. */
export function writeVariableInteger(value: number, into: Uint8Array, at: number): number {
  let rest = value;
  while (rest >= 0x80) {
    into[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  into[at++] = rest;
  return at;
}

function notShortest(): Error {
  return malformed('MQTT-1.5.5-1', 'variable byte integer is not in its shortest form');
}

function tooLong(): Error {
  return malformed('MQTT-1.5.5-1', 'variable byte integer has more than four bytes');
}
