/**
 * A frame that did not arrive in one piece, put together aside. The buffer grows with the bytes that have come, never
 * with the length that was announced, so that a peer gets no memory for a promise.
 */
import { createFrameHeader, type FrameHeader, FrameStatus, readFrame } from '../../protocol/frame.ts';

const FIRST_BYTES = 64;
/** The longest fixed header. */
const HEADER_BYTES_MAX = 5;

export class FrameAssembly {
  readonly header: FrameHeader = createFrameHeader();
  #bytes = new Uint8Array(FIRST_BYTES);
  #length = 0;
  #status: FrameStatus = FrameStatus.NeedMore;

  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** `HeaderOnly`: the frame's size is known; `Complete`: `bytes` holds it, from 0 to `header.bodyEnd`. */
  get status(): FrameStatus {
    return this.#status;
  }

  /** Bytes of the frame that are still missing, once its size is known. */
  get missingBytes(): number {
    return this.header.bodyEnd - this.#length;
  }

  /**
   * Takes what belongs to this frame.
   * @returns the offset of the first byte that does not. May stop once when the size becomes known, so that the caller
   *   can check it: call again while bytes are left and the status is not `Complete`.
   * @throws ProtocolError when the fixed header is malformed.
   */
  take(bytes: Uint8Array, start: number, end: number): number {
    if (this.#status === FrameStatus.NeedMore) return this.#takeHeader(bytes, start, end);
    const taken = Math.min(end - start, this.missingBytes);
    this.#append(bytes, start, start + taken);
    if (this.missingBytes === 0) this.#status = FrameStatus.Complete;
    return start + taken;
  }

  #takeHeader(bytes: Uint8Array, start: number, end: number): number {
    let at = start;
    while (at < end && this.#length < HEADER_BYTES_MAX && this.#status === FrameStatus.NeedMore) {
      this.#append(bytes, at, at + 1);
      at += 1;
      this.#status = readFrame(this.#bytes, 0, this.#length, this.header);
    }
    return at;
  }

  #append(bytes: Uint8Array, start: number, end: number): void {
    const needed = this.#length + end - start;
    if (needed > this.#bytes.length) this.#grow(needed);
    for (let at = start; at < end && end - start <= HEADER_BYTES_MAX; at += 1)
      this.#bytes[this.#length + at - start] = bytes[at]!;
    if (end - start > HEADER_BYTES_MAX) this.#bytes.set(bytes.subarray(start, end), this.#length);
    this.#length = needed;
  }

  #grow(needed: number): void {
    const total = this.#status === FrameStatus.NeedMore ? needed : this.header.bodyEnd;
    const grown = new Uint8Array(Math.max(needed, Math.min(total, 2 * this.#bytes.length)));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}
