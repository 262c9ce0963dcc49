/**
 * A frame that did not arrive in one piece, put together aside. The buffer grows with the bytes that have come, to twice
 * as many at most and never to the length that was announced, so that a peer gets no memory for a promise.
 */
import { type FrameHeader, FrameStatus, readFrame } from '../../protocol/frame.ts';
import { copyInto } from '../../protocol/write.ts';

const FIRST_BYTES = 64;
/** Room made, as a multiple of what has come. */
const GROWTH = 2;

export class FrameAssembly {
  #bytes: Uint8Array;
  #length = 0;
  /** Bytes of the whole frame; 0 = not known yet. */
  #frameBytes: number;

  /** `frameBytes`: size of the whole frame, 0 when its fixed header is not complete; `comingBytes`: what is there of it. */
  constructor(frameBytes: number, comingBytes: number) {
    this.#frameBytes = frameBytes;
    this.#bytes = new Uint8Array(Math.max(FIRST_BYTES, Math.min(frameBytes, GROWTH * comingBytes)));
  }

  /** The frame, from 0 on, once nothing is missing. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** True: the fixed header is there, so `missingBytes` is known. */
  get isMeasured(): boolean {
    return this.#frameBytes > 0;
  }

  /** Bytes of the frame that are still missing. */
  get missingBytes(): number {
    return this.#frameBytes - this.#length;
  }

  /**
   * Takes bytes of the fixed header, until the frame `isMeasured`; then `into` is filled.
   * @returns the offset of the first byte that was not taken. @throws ProtocolError when the header is malformed.
   */
  takeHeader(bytes: Uint8Array, start: number, end: number, into: FrameHeader): number {
    let at = start;
    while (at < end && !this.isMeasured) {
      this.#bytes[this.#length++] = bytes[at++]!;
      if (readFrame(this.#bytes, 0, this.#length, into) !== FrameStatus.NeedMore) this.#frameBytes = into.bodyEnd;
    }
    return at;
  }

  /** Takes what belongs to this frame, once it `isMeasured`. @returns the offset of the first byte that does not. */
  takeBody(bytes: Uint8Array, start: number, end: number): number {
    const taken = Math.min(end - start, this.missingBytes);
    const needed = this.#length + taken;
    if (needed > this.#bytes.length) this.#grow(needed);
    copyInto(bytes, start, start + taken, this.#bytes, this.#length);
    this.#length = needed;
    return start + taken;
  }

  #grow(needed: number): void {
    const grown = new Uint8Array(Math.min(this.#frameBytes, GROWTH * needed));
    copyInto(this.#bytes, 0, this.#length, grown, 0);
    this.#bytes = grown;
  }
}
