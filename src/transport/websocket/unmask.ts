/**
 * Takes the mask off a WebSocket payload (RFC 6455, section 5.3): byte i is XORed with byte i mod 4 of a key. A large
 * payload goes in words of 32 bits (0.2 ns a byte instead of 1 to 2) and is moved afterwards; a small one is moved on the
 * way, because a view or a `copyWithin` costs as much as forty bytes one by one.
 *
 *   large payload   | to the first whole word of its memory | whole words | rest |
 */

/** What is smaller goes byte by byte. */
const LOOP_BYTES = 64;

/** A key as it lies in memory, so that words need not care for the machine's order of bytes. */
const keyBytes = new Uint8Array(4);
const keyWord = new Int32Array(keyBytes.buffer);

/** The words of the memory that was unmasked last: the reactor reads every connection into the same. */
let words: Int32Array = new Int32Array(0);

/**
 * Unmasks `bytes[start, end)` and moves it to `to`.
 * @param key the four bytes of the key, first byte highest; 0 = no mask
 * @param to `start`, or before it
 */
export function unmask(bytes: Uint8Array, start: number, end: number, key: number, to: number): void {
  if (end - start < LOOP_BYTES) {
    unmaskBytes(bytes, start, end, key, to);
    return;
  }
  if (key !== 0) unmaskLarge(bytes, start, end, key);
  if (to !== start) bytes.copyWithin(to, start, end);
}

function unmaskLarge(bytes: Uint8Array, start: number, end: number, key: number): void {
  const lead = -(bytes.byteOffset + start) & 3;
  unmaskBytes(bytes, start, start + lead, key, start);
  const turned = turnKey(key, lead);
  const firstWord = (bytes.byteOffset + start + lead) >>> 2;
  const wordCount = (end - start - lead) >>> 2;
  unmaskWords(wordsOf(bytes.buffer), firstWord, firstWord + wordCount, turned);
  const rest = start + lead + 4 * wordCount;
  unmaskBytes(bytes, rest, end, turned, rest);
}

/** The key as it stands after `byteCount` bytes. */
export function turnKey(key: number, byteCount: number): number {
  const bits = 8 * (byteCount & 3);
  return (key << bits) | (key >>> (32 - bits));
}

function unmaskBytes(bytes: Uint8Array, start: number, end: number, key: number, to: number): void {
  const moveBy = to - start;
  let shift = 24;
  for (let at = start; at < end; at++) {
    bytes[at + moveBy] = bytes[at]! ^ (key >>> shift);
    shift = (shift - 8) & 31;
  }
}

function unmaskWords(into: Int32Array, start: number, end: number, key: number): void {
  for (let index = 0; index < 4; index++) keyBytes[index] = key >>> (24 - 8 * index);
  const word = keyWord[0]!;
  for (let at = start; at < end; at++) into[at] = into[at]! ^ word;
}

function wordsOf(buffer: ArrayBufferLike): Int32Array {
  if (words.buffer !== buffer) words = new Int32Array(buffer, 0, buffer.byteLength >>> 2);
  return words;
}
