/**
 * MQTT's UTF-8 strings (section 1.5.4), both ways. What is refused: ill-formed sequences and surrogates, U+0000, and the
 * code points that the standard lets a receiver refuse and Mosquitto refuses: controls U+0001 to U+001F and U+007F to
 * U+009F, and non-characters. U+FEFF is a character like any other [MQTT-1.5.4-3].
 *
 * Checking walks the bytes once and makes no string; text is built only where it is needed. Nearly all text is ASCII:
 * short ASCII is put together from char codes, since a call of TextDecoder costs more than 30 characters do.
 */
import { assert } from '../base/assert.ts';
import { malformed } from './protocol-error.ts';

/** Longest text field, in bytes: its length takes two bytes. */
export const TEXT_BYTES_MAX = 65_535;
/** Up to this length ASCII text is built without TextDecoder (measured: both cost the same at about 32 bytes). */
const SHORT_TEXT_BYTES = 32;

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
const encoder = new TextEncoder();

/**
 * Checks `bytes[start, end)`.
 * @returns true when all of it is ASCII.
 * @throws ProtocolError (malformed packet) when it is not a valid MQTT string.
 */
export function checkUtf8(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) {
    const byte = bytes[at]!;
    if (byte >= 0x20 && byte <= 0x7e) continue;
    checkWide(bytes, at, end);
    return false;
  }
  return true;
}

/** Reads `bytes[start, end)` as text. @throws ProtocolError (malformed packet) when it is not a valid MQTT string. */
export function readUtf8(bytes: Uint8Array, start: number, end: number): string {
  return textOf(bytes, start, end, checkUtf8(bytes, start, end));
}

/** The text of bytes that were checked before; `isAscii` is what the check returned. */
export function textOf(bytes: Uint8Array, start: number, end: number, isAscii: boolean): string {
  if (!isAscii || end - start > SHORT_TEXT_BYTES) return decoder.decode(bytes.subarray(start, end));
  return shortAscii(bytes, start, end);
}

/** True when `text` is a string that MQTT can carry: well-formed, no refused code point, at most 65535 bytes. */
export function isMqttText(text: string): boolean {
  if (!text.isWellFormed()) return false;
  const bytes = encoder.encode(text);
  return bytes.length <= TEXT_BYTES_MAX && wideFault(bytes, 0, bytes.length) === -1;
}

/** Bytes of `text` in UTF-8, without a length in front. */
export function utf8Bytes(text: string): number {
  let count = text.length;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code < 0x80) continue;
    count += code < 0x800 ? 1 : 2;
    if (code >= 0xd800 && code < 0xdc00 && isLowSurrogate(text, index + 1)) index++;
  }
  return count;
}

/** Writes `text` with its length in front (65535 bytes at most). Returns the offset after it. */
export function writeUtf8(text: string, into: Uint8Array, at: number): number {
  const start = at + 2;
  let end = start;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code >= 0x80) {
      end = start + encoder.encodeInto(text, into.subarray(start)).written;
      break;
    }
    into[end++] = code;
  }
  const count = end - start;
  assert(count <= TEXT_BYTES_MAX, 'a text field has more than 65535 bytes');
  into[at] = count >>> 8;
  into[at + 1] = count & 0xff;
  return end;
}

function isLowSurrogate(text: string, index: number): boolean {
  const code = text.charCodeAt(index);
  return code >= 0xdc00 && code < 0xe000;
}

function shortAscii(bytes: Uint8Array, start: number, end: number): string {
  let text = '';
  let at = start;
  // Eight at a time: each += makes a string, and that is what costs.
  for (; at + 8 <= end; at += 8) {
    text += String.fromCharCode(
      bytes[at]!,
      bytes[at + 1]!,
      bytes[at + 2]!,
      bytes[at + 3]!,
      bytes[at + 4]!,
      bytes[at + 5]!,
      bytes[at + 6]!,
      bytes[at + 7]!,
    );
  }
  if (at + 4 <= end) {
    text += String.fromCharCode(bytes[at]!, bytes[at + 1]!, bytes[at + 2]!, bytes[at + 3]!);
    at += 4;
  }
  for (; at < end; at++) text += String.fromCharCode(bytes[at]!);
  return text;
}

function checkWide(bytes: Uint8Array, start: number, end: number): void {
  const fault = wideFault(bytes, start, end);
  if (fault === -1) return;
  const byte = bytes[fault]!;
  const statement = byte === 0 ? 'MQTT-1.5.4-2' : 'MQTT-1.5.4-1';
  throw malformed(statement, `text field: byte 0x${byte.toString(16).padStart(2, '0')} begins no allowed character`);
}

/** Offset of the first byte that begins no allowed character; -1 when there is none. */
function wideFault(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end) {
    const size = characterBytes(bytes, at, end);
    if (size === 0) return at;
    at += size;
  }
  return -1;
}

/** Bytes of the character at `at`; 0 when it is ill-formed, cut off or not allowed. Section 3.9 of Unicode, table 3-7. */
function characterBytes(bytes: Uint8Array, at: number, end: number): number {
  const lead = bytes[at]!;
  if (lead < 0x80) return lead < 0x20 || lead === 0x7f ? 0 : 1;
  if (lead < 0xc2 || lead > 0xf4) return 0;
  const size = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (at + size > end) return 0;
  let code = lead & (0x7f >> size);
  for (let index = 1; index < size; index++) {
    const byte = bytes[at + index]!;
    if ((byte & 0xc0) !== 0x80) return 0;
    code = (code << 6) | (byte & 0x3f);
  }
  return isAllowedWide(code, size) ? size : 0;
}

/** For code points from U+0080 on, given in `size` bytes. */
function isAllowedWide(code: number, size: number): boolean {
  if (size === 2) return code >= 0xa0;
  if (size === 4) return code >= 0x10000 && code <= 0x10ffff && (code & 0xfffe) !== 0xfffe;
  if (code < 0x800 || (code >= 0xd800 && code <= 0xdfff)) return false;
  return !(code >= 0xfdd0 && code <= 0xfdef) && code < 0xfffe;
}
