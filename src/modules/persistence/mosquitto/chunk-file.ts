/** Chunks of a mosquitto.db: the file read in pieces, so that its size does not matter, and never beyond its end. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { u16At, u32At } from '../../../protocol/read.ts';
import { MosquittoDbError } from './mosquitto-source.ts';

/** Bytes that are read at a time. */
const WINDOW_BYTES = 256 * 1024;
/** Longest body of a chunk: a payload, its topic and names, its properties. */
const CHUNK_BYTES_MAX = 2 ** 29;

/** One chunk: its body is `[start, end)` of the file. */
export interface Chunk {
  readonly kind: number;
  readonly start: number;
  readonly end: number;
}

export class ChunkFile {
  readonly size: number;
  readonly #descriptor: number;
  readonly #window = new Uint8Array(WINDOW_BYTES);
  #windowStart = 0;
  #windowEnd = 0;

  /** @throws the error of the file system */
  constructor(file: string) {
    this.#descriptor = openSync(file, 'r');
    this.size = fstatSync(this.#descriptor).size;
  }

  close(): void {
    closeSync(this.#descriptor);
  }

  /** Lent until the next call. @throws MosquittoDbError when the file ends before, naming `what` */
  bytes(start: number, end: number, what: string): Uint8Array {
    if (end - start > WINDOW_BYTES) return this.#large(start, end, what);
    this.#require(start, end, what);
    return this.#window.subarray(start - this.#windowStart, end - this.#windowStart);
  }

  /** Headers of all chunks from `start` to the end of the file. `kindBytes`: of the number of a chunk's kind. */
  *chunks(start: number, kindBytes: 2 | 4): Generator<Chunk> {
    let at = start;
    while (at < this.size) {
      const bodyStart = at + kindBytes + 4;
      this.#require(at, bodyStart, 'the header of a chunk');
      // There are millions of them, and each is read several times: without a view of its own.
      const inWindow = at - this.#windowStart;
      const kind = kindBytes === 2 ? u16At(this.#window, inWindow) : u32At(this.#window, inWindow);
      const byteCount = u32At(this.#window, inWindow + kindBytes);
      const end = bodyStart + byteCount;
      if (byteCount > CHUNK_BYTES_MAX || end > this.size) {
        const left = `expected a chunk of ${byteCount} bytes, but ${this.size - bodyStart} are left in the file`;
        throw new MosquittoDbError(left, at);
      }
      yield { kind, start: bodyStart, end };
      at = end;
    }
  }

  /** Sees to it that the bytes are in the window. @throws MosquittoDbError when the file ends before */
  #require(start: number, end: number, what: string): void {
    if (start >= this.#windowStart && end <= this.#windowEnd) return;
    this.#requireInside(start, end, what);
    this.#fill(start);
    // The file may have become shorter since it was opened.
    if (end > this.#windowEnd) throw new MosquittoDbError(`expected ${what}, but the file has become shorter`, start);
  }

  #requireInside(start: number, end: number, what: string): void {
    if (end <= this.size) return;
    const missing = `expected ${what} of ${end - start} bytes, but the file ends at byte ${this.size}`;
    throw new MosquittoDbError(missing, start);
  }

  #fill(start: number): void {
    const count = this.#read(this.#window, start);
    this.#windowStart = start;
    this.#windowEnd = start + count;
  }

  #large(start: number, end: number, what: string): Uint8Array {
    this.#requireInside(start, end, what);
    const bytes = new Uint8Array(end - start);
    if (this.#read(bytes, start) < bytes.length) {
      throw new MosquittoDbError(`expected ${what}, but the file has become shorter`, start);
    }
    return bytes;
  }

  /** Fills `into` from `start` on. @returns how many bytes there were */
  #read(into: Uint8Array, start: number): number {
    let count = 0;
    while (count < into.length) {
      const more = readSync(this.#descriptor, into, count, into.length - count, start + count);
      if (more === 0) break;
      count += more;
    }
    return count;
  }
}

/** Fields of one chunk, in order. What the chunk does not hold is a MosquittoDbError that names the field. */
export class ChunkFields {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  /** Where the bytes stand in the file. */
  readonly #fileStart: number;
  #at = 0;

  constructor(bytes: Uint8Array, fileStart: number) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#fileStart = fileStart;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  u8(what: string): number {
    return this.#view.getUint8(this.#advance(1, what));
  }

  u16(what: string): number {
    return this.#view.getUint16(this.#advance(2, what));
  }

  u32(what: string): number {
    return this.#view.getUint32(this.#advance(4, what));
  }

  /** 64 bits in the order of the machine that wrote them: the low byte first wherever Mosquitto runs. */
  u64(what: string): bigint {
    return this.#view.getBigUint64(this.#advance(8, what), true);
  }

  /** A moment. What a number does not hold exactly is no moment. */
  seconds(what: string): number {
    const value = this.#view.getBigInt64(this.#advance(8, what), true);
    if (value > SECONDS_MAX || value < -SECONDS_MAX) this.fail(`expected ${what}, found ${value}`);
    return Number(value);
  }

  /** `count` bytes, lent. */
  take(count: number, what: string): Uint8Array {
    const start = this.#advance(count, what);
    return this.#bytes.subarray(start, this.#at);
  }

  /** Bytes behind their length in two bytes. */
  text(what: string): Uint8Array {
    return this.take(this.u16(`the length of ${what}`), what);
  }

  skip(count: number, what: string): void {
    this.#advance(count, what);
  }

  fail(statement: string): never {
    throw new MosquittoDbError(statement, this.#fileStart + this.#at);
  }

  #advance(count: number, what: string): number {
    const start = this.#at;
    if (count > this.left) this.fail(`expected ${what} of ${count} bytes, but the chunk has ${this.left} more`);
    this.#at += count;
    return start;
  }
}

const SECONDS_MAX = BigInt(Number.MAX_SAFE_INTEGER) / 1000n;
