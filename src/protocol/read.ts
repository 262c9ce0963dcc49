/**
 * A cursor over one packet, for the packets that come rarely: each field is bounds-checked here and nowhere else. The hot
 * packets (PUBLISH and acknowledgements) work on bare offsets instead.
 */
import { readVariableInteger, variableIntegerBytes } from './frame.ts';
import { malformed } from './protocol-error.ts';
import { readUtf8 } from './utf8.ts';
import { copyInto } from './write.ts';

export interface Cursor {
  readonly bytes: Uint8Array;
  at: number;
  readonly end: number;
}

export function readByte(cursor: Cursor): number {
  const at = advance(cursor, 1);
  return cursor.bytes[at]!;
}

export function readU16(cursor: Cursor): number {
  const at = advance(cursor, 2);
  return u16At(cursor.bytes, at);
}

/** A variable byte integer in its shortest form [MQTT-1.5.5-1]. */
export function readVariable(cursor: Cursor): number {
  const value = readVariableInteger(cursor.bytes, cursor.at, cursor.end);
  cursor.at += variableIntegerBytes(value);
  return value;
}

/** A text field: two bytes of length, then UTF-8. */
export function readText(cursor: Cursor): string {
  const length = readU16(cursor);
  const start = advance(cursor, length);
  return readUtf8(cursor.bytes, start, cursor.at);
}

/** A binary field: two bytes of length, then as many bytes, copied. */
export function readBinary(cursor: Cursor): Uint8Array {
  const length = readU16(cursor);
  const start = advance(cursor, length);
  return copyBytes(cursor.bytes, start, cursor.at);
}

/** Steps over `count` bytes. Returns the offset of the first of them. @throws ProtocolError when they are not there. */
export function advance(cursor: Cursor, count: number): number {
  const start = cursor.at;
  if (count > cursor.end - start) throw cutOff();
  cursor.at = start + count;
  return start;
}

/** An owned copy. Not `slice`: on a Buffer that is a view. */
export function copyBytes(bytes: Uint8Array, start: number, end: number): Uint8Array {
  const copy = new Uint8Array(end - start);
  copyInto(bytes, start, end, copy, 0);
  return copy;
}

export function u16At(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}

export function u32At(bytes: Uint8Array, at: number): number {
  return u16At(bytes, at) * 0x10000 + u16At(bytes, at + 2);
}

/** What is thrown when a field does not end inside its packet. */
export function cutOff(): Error {
  return malformed('', 'the packet ends inside a field');
}
