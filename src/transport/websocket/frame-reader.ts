/**
 * Reads the frames of one client, chunk by chunk, and leaves the payload of data frames in the chunk itself: unmasked in
 * place and, where it comes in several frames, moved together. So a chunk becomes one range, nothing is put aside but a
 * split header (14 bytes at most) and a control frame (127), and a frame of 2^50 bytes costs what one of ten does.
 *
 *   chunk   | header | payload | header | payload | header | payl
 *   after   |........| payload payload payl |....................
 *                    ^ dataStart            ^ dataEnd
 *
 * Text is refused [MQTT-6.0.0-1], packets and frames need not begin or end together [MQTT-6.0.0-2]. A payload without a
 * mask is taken as it is: RFC 6455, section 5.1, wants the connection closed, but Mosquitto serves such clients.
 */
import {
  CloseCode,
  CONTROL_BYTES_MAX,
  FINAL,
  HEADER_BYTES_MAX,
  isCloseCode,
  LENGTH_IN_2,
  LENGTH_IN_8,
  MASKED,
  Opcode,
  RESERVED,
} from './frame.ts';
import { turnKey, unmask } from './unmask.ts';

/** Why no more frames are read, and what our Close frame says. */
export interface FrameEnd {
  /** Null: the client's Close frame had no code. */
  readonly code: number | null;
  /** What was wrong; '' when the client has said goodbye. */
  readonly text: string;
}

const GOODBYE_WITHOUT_CODE: FrameEnd = { code: null, text: '' };

export class FrameReader {
  /** Where the data of the last chunk lies in it. */
  dataStart = 0;
  dataEnd = 0;
  /** A frame that answers the last Ping of the last chunk (RFC 6455, section 5.5.3: earlier ones need no answer). */
  pong: Uint8Array | null = null;
  /** Set for good once reading is over. */
  end: FrameEnd | null = null;
  /** The beginning of a header whose rest is to come. */
  #head: Uint8Array | null = null;
  #headBytes = 0;
  #opcode: number = Opcode.Binary;
  /** A message has begun whose last frame is to come. */
  #isInMessage = false;
  /** Bytes of the payload that are to come. */
  #leftBytes = 0;
  /** The key as it stands for the next byte of a data frame. */
  #key = 0;
  /** The control frame being read, as its answer would be: a header of two bytes, then the payload. */
  #control: Uint8Array | null = null;

  /** Reads `bytes[start, end)`, which it changes. After an end the rest is ignored. */
  read(bytes: Uint8Array, start: number, end: number): void {
    this.dataStart = start;
    this.dataEnd = start;
    this.pong = null;
    let at = start;
    while (at < end && this.end === null) {
      at = this.#leftBytes > 0 ? this.#readPayload(bytes, at, end) : this.#readHeader(bytes, at, end);
    }
  }

  /** @returns where the payload begins, or `end` */
  #readHeader(bytes: Uint8Array, start: number, end: number): number {
    if (this.#head === null && end - start >= 2) {
      const headerBytes = headerBytesOf(bytes[start + 1]!);
      if (end - start >= headerBytes) {
        this.#begin(bytes, start);
        return start + headerBytes;
      }
    }
    this.#head ??= new Uint8Array(HEADER_BYTES_MAX);
    const head = this.#head;
    for (let at = start; at < end; at++) {
      head[this.#headBytes++] = bytes[at]!;
      if (this.#headBytes < 2 || this.#headBytes < headerBytesOf(head[1]!)) continue;
      this.#head = null;
      this.#headBytes = 0;
      this.#begin(head, 0);
      return at + 1;
    }
    return end;
  }

  /** A header has come. */
  #begin(from: Uint8Array, at: number): void {
    const first = from[at]!;
    const second = from[at + 1]!;
    this.#opcode = first & 0x0f;
    this.end = this.#wrongIn(first, second & 0x7f) ?? this.#takeLength(from, at + 2, second & 0x7f);
    if (this.end !== null) return;
    this.#key = (second & MASKED) === 0 ? 0 : readU32(from, at + headerBytesOf(second) - 4) | 0;
    if (this.#opcode < Opcode.Close) {
      this.#isInMessage = (first & FINAL) === 0;
      return;
    }
    this.#control = new Uint8Array(2 + this.#leftBytes);
    if (this.#leftBytes === 0) this.#endControl(this.#control);
  }

  #wrongIn(first: number, shortLength: number): FrameEnd | null {
    const opcode = first & 0x0f;
    if ((first & RESERVED) !== 0) return protocolError('a reserved bit is set');
    if (opcode === Opcode.Text) {
      return { code: CloseCode.UnsupportedType, text: 'MQTT needs binary frames, this is a text frame' };
    }
    if (opcode === Opcode.Close || opcode === Opcode.Ping || opcode === Opcode.Pong) {
      if ((first & FINAL) === 0) return protocolError('a control frame must not be fragmented');
      return shortLength > CONTROL_BYTES_MAX ? protocolError('a control frame has more than 125 bytes') : null;
    }
    if (opcode > Opcode.Binary) return protocolError(`opcode ${opcode} is reserved`);
    if ((opcode === Opcode.Continuation) === this.#isInMessage) return null;
    return protocolError(this.#isInMessage ? 'a message begins inside another' : 'nothing is there to be continued');
  }

  #takeLength(from: Uint8Array, at: number, shortLength: number): FrameEnd | null {
    this.#leftBytes = shortLength;
    if (shortLength === LENGTH_IN_2) this.#leftBytes = from[at]! * 256 + from[at + 1]!;
    if (shortLength !== LENGTH_IN_8) return null;
    const high = readU32(from, at);
    if (high > 0x7fff_ffff) return protocolError('a length of 2^63 bytes or more');
    this.#leftBytes = high * 2 ** 32 + readU32(from, at + 4);
    if (Number.isSafeInteger(this.#leftBytes)) return null;
    return { code: CloseCode.TooBig, text: 'a length of 2^53 bytes or more' };
  }

  /** @returns where the next frame begins, or `end` */
  #readPayload(bytes: Uint8Array, start: number, end: number): number {
    const stop = Math.min(end, start + this.#leftBytes);
    const control = this.#control;
    if (control !== null) {
      control.set(bytes.subarray(start, stop), control.length - this.#leftBytes);
      this.#leftBytes -= stop - start;
      if (this.#leftBytes === 0) this.#endControl(control);
      return stop;
    }
    if (this.dataStart === this.dataEnd) {
      this.dataStart = start;
      this.dataEnd = start;
    }
    unmask(bytes, start, stop, this.#key, this.dataEnd);
    this.#key = turnKey(this.#key, stop - start);
    this.#leftBytes -= stop - start;
    this.dataEnd += stop - start;
    return stop;
  }

  #endControl(frame: Uint8Array): void {
    this.#control = null;
    const payloadBytes = frame.length - 2;
    unmask(frame, 2, frame.length, this.#key, 2);
    if (this.#opcode === Opcode.Ping) {
      frame[0] = FINAL | Opcode.Pong;
      frame[1] = payloadBytes;
      this.pong = frame;
    } else if (this.#opcode === Opcode.Close) {
      this.end = payloadBytes === 0 ? GOODBYE_WITHOUT_CODE : goodbye(frame);
    }
  }
}

function goodbye(frame: Uint8Array): FrameEnd {
  if (frame.length < 4) return protocolError('a close code has two bytes');
  const code = frame[2]! * 256 + frame[3]!;
  return isCloseCode(code) ? { code, text: '' } : protocolError(`nobody may close with code ${code}`);
}

function protocolError(text: string): FrameEnd {
  return { code: CloseCode.ProtocolError, text };
}

/** How long a header is, by its second byte. */
function headerBytesOf(second: number): number {
  const length = second & 0x7f;
  const lengthBytes = length === LENGTH_IN_2 ? 2 : 8 * Number(length === LENGTH_IN_8);
  return 2 + lengthBytes + ((second & MASKED) === 0 ? 0 : 4);
}

function readU32(from: Uint8Array, at: number): number {
  return from[at]! * 2 ** 24 + from[at + 1]! * 2 ** 16 + from[at + 2]! * 2 ** 8 + from[at + 3]!;
}
