/** Fields of a body one behind the other, into one buffer that is used again and again: bodies are many and short. */
import { variableIntegerBytes, writeVariableInteger } from '../../protocol/frame.ts';
import { utf8Bytes, writeUtf8 } from '../../protocol/utf8.ts';
import { copyInto, writeBinary, writeU32 } from '../../protocol/write.ts';

const START_BYTES = 1024;
/** A buffer that one large body has made larger than this is not kept. */
const KEPT_BYTES_MAX = 256 * 1024;
/** Bytes that a character of a string takes at most. */
const CHARACTER_BYTES_MAX = 3;
/** Strings beyond it are measured before they are written. */
const SHORT_TEXT = 256;

export class BodyWriter {
  #bytes = new Uint8Array(START_BYTES);
  #view = new DataView(this.#bytes.buffer);
  #end = 0;

  /** Begins the next body. */
  begin(): void {
    this.#end = 0;
    if (this.#bytes.length > KEPT_BYTES_MAX) this.#renew(START_BYTES);
  }

  /** What was written since `begin`, lent: valid until the next `begin`. */
  lend(): Uint8Array {
    return this.#bytes.subarray(0, this.#end);
  }

  u8(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#end] = value;
    this.#end += 1;
  }

  u32(value: number): void {
    this.#reserve(4);
    this.#end = writeU32(value, this.#bytes, this.#end);
  }

  f64(value: number): void {
    this.#reserve(8);
    this.#view.setFloat64(this.#end, value);
    this.#end += 8;
  }

  /** A variable byte integer. */
  variable(value: number): void {
    this.#reserve(variableIntegerBytes(value));
    this.#end = writeVariableInteger(value, this.#bytes, this.#end);
  }

  /** UTF-8 with its length in two bytes. */
  text(text: string): void {
    this.#reserve(2 + (text.length > SHORT_TEXT ? utf8Bytes(text) : text.length * CHARACTER_BYTES_MAX));
    this.#end = writeUtf8(text, this.#bytes, this.#end);
  }

  /** Bytes with their length in two bytes. */
  binary(bytes: Uint8Array): void {
    this.#reserve(2 + bytes.length);
    this.#end = writeBinary(bytes, this.#bytes, this.#end);
  }

  /** `bytes[start, end)` without a length. */
  rest(bytes: Uint8Array, start: number, end: number): void {
    this.#reserve(end - start);
    this.#end = copyInto(bytes, start, end, this.#bytes, this.#end);
  }

  #reserve(byteCount: number): void {
    const needed = this.#end + byteCount;
    if (needed <= this.#bytes.length) return;
    const written = this.#bytes.subarray(0, this.#end);
    this.#renew(Math.max(2 * this.#bytes.length, needed));
    this.#bytes.set(written);
  }

  #renew(byteCount: number): void {
    this.#bytes = new Uint8Array(byteCount);
    this.#view = new DataView(this.#bytes.buffer);
  }
}
