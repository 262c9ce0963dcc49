/**
 * Cuts what a link delivers into whole packets. Most chunks hold whole packets and are cut where they lie; only a part
 * that is left over is copied aside, and what comes next is put behind it.
 *
 * The buffer grows with what has arrived, never with what a header announces, and the size limit is checked as soon as
 * the header can be read: a peer that announces much and sends little costs little.
 */
import type { FrameHeader } from '../protocol/frame.ts';
import { createFrameHeader, FrameStatus, readFrame } from '../protocol/frame.ts';
import { ProtocolError } from '../protocol/protocol-error.ts';
import { Reason } from '../protocol/reasons.ts';

const NOTHING = new Uint8Array(0);

/** Takes a whole packet, borrowed until it returns. False: stop, nothing more is wanted. */
export type TakeFrame = (bytes: Uint8Array, frameStart: number, header: FrameHeader) => boolean;

export class FrameAssembler {
  /** Whole packets above this are refused. May be changed between packets. */
  packetBytesMax: number;
  readonly #take: TakeFrame;
  readonly #header: FrameHeader = createFrameHeader();
  /** The beginning of a packet is `buffer[0, length)`. */
  #buffer: Uint8Array = NOTHING;
  #length = 0;

  constructor(packetBytesMax: number, take: TakeFrame) {
    this.packetBytesMax = packetBytesMax;
    this.#take = take;
  }

  /**
   * Takes in `bytes[start, end)` and hands out every packet that is complete by now.
   * @throws ProtocolError for a header that is none or a packet above the limit.
   */
  push(bytes: Uint8Array, start: number, end: number): void {
    if (this.#length === 0) {
      this.#keep(bytes, this.#cut(bytes, start, end), end);
      return;
    }
    this.#append(bytes, start, end);
    const length = this.#length;
    this.#keep(this.#buffer, this.#cut(this.#buffer, 0, length), length);
  }

  /** Hands out whole packets; returns where the rest begins, `end` when the rest is unwanted. */
  #cut(bytes: Uint8Array, start: number, end: number): number {
    let at = start;
    while (at < end) {
      const status = readFrame(bytes, at, end, this.#header);
      if (status === FrameStatus.NeedMore) return at;
      const byteCount = this.#header.bodyEnd - at;
      if (byteCount > this.packetBytesMax) {
        const text = `a packet of ${byteCount} bytes came, the limit is ${this.packetBytesMax}`;
        throw new ProtocolError(Reason.PacketTooLarge, '', text);
      }
      if (status === FrameStatus.HeaderOnly) return at;
      const next = this.#header.bodyEnd;
      if (!this.#take(bytes, at, this.#header)) return end;
      at = next;
    }
    return at;
  }

  #append(bytes: Uint8Array, start: number, end: number): void {
    const length = this.#length + (end - start);
    if (length > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(length, this.#buffer.length * 2));
      larger.set(this.#buffer.subarray(0, this.#length));
      this.#buffer = larger;
    }
    this.#buffer.set(bytes.subarray(start, end), this.#length);
    this.#length = length;
  }

  /** Keeps `bytes[start, end)` for the next push. */
  #keep(bytes: Uint8Array, start: number, end: number): void {
    this.#length = 0;
    if (start === end) this.#buffer = NOTHING;
    else if (bytes !== this.#buffer) this.#append(bytes, start, end);
    else {
      if (start > 0) bytes.copyWithin(0, start, end);
      this.#length = end - start;
    }
  }
}
