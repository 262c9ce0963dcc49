/** Fields of a body that protocol/read.ts has no reader for. What does not fit is a BodyError or a ProtocolError. */
import { advance, type Cursor, copyBytes, readU16, readVariable, u32At } from '../../protocol/read.ts';
import { textOf } from '../../protocol/utf8.ts';

/** The bytes are no body of the kind that was expected; says what does not fit, never what stands there. */
export class BodyError extends Error {
  override readonly name = 'BodyError';
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const floatView = new DataView(new ArrayBuffer(8));

/** A number of eight bytes. @throws BodyError when it is not finite */
export function readF64(cursor: Cursor): number {
  const at = advance(cursor, 8);
  floatView.setUint32(0, u32At(cursor.bytes, at));
  floatView.setUint32(4, u32At(cursor.bytes, at + 4));
  const value = floatView.getFloat64(0);
  if (!Number.isFinite(value)) throw new BodyError('a moment is not a number');
  return value;
}

export function readU32(cursor: Cursor): number {
  const at = advance(cursor, 4);
  return u32At(cursor.bytes, at);
}

/** UTF-8 with its length in two bytes. Not only what MQTT allows: a user name out of a certificate may have more. */
export function readPlainText(cursor: Cursor): string {
  const length = readU16(cursor);
  const start = advance(cursor, length);
  for (let at = start; at < cursor.at; at += 1) {
    if ((cursor.bytes[at] ?? 0) >= 0x80) return decoder.decode(cursor.bytes.subarray(start, cursor.at));
  }
  return textOf(cursor.bytes, start, cursor.at, true);
}

/** Bytes with their length as a variable byte integer: where they start; the cursor stands behind them. */
export function advanceSized(cursor: Cursor): number {
  return advance(cursor, readVariable(cursor));
}

/** An owned copy of everything that is left. */
export function readRest(cursor: Cursor): Uint8Array {
  const start = advance(cursor, cursor.end - cursor.at);
  return copyBytes(cursor.bytes, start, cursor.end);
}

/** @throws BodyError when something is left */
export function requireEnd(cursor: Cursor): void {
  if (cursor.at < cursor.end) throw new BodyError(`${cursor.end - cursor.at} bytes stand behind the last field`);
}
