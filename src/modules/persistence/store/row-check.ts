/**
 * The redundancy that each row of the store carries: a checksum over table, key and body, and a number that stands for the
 * state of a queue's row. SQLite trusts its pages; a flipped bit inside one is seen here, when the row is read.
 */
import { crc32 } from 'node:zlib';
import { RowState } from '../ops.ts';

/** Tables have numbers in the checksum, so that a row of one is never taken for a row of another. */
export const CheckedTable = {
  Session: 1,
  Subscription: 2,
  Queue: 3,
  Message: 4,
  Received: 5,
  Retained: 6,
  Will: 7,
  Meta: 8,
  Removed: 9,
} as const;
export type CheckedTable = (typeof CheckedTable)[keyof typeof CheckedTable];

const NOTHING = new Uint8Array(0);
const numbers = new Uint8Array(29);
const view = new DataView(numbers.buffer);

/** Checksum of a row whose key is a number and, in some tables, bytes: a signed number of 32 bits, short in SQLite. */
export function keyCheck(
  table: CheckedTable,
  id: number,
  key: Uint8Array = NOTHING,
  body: Uint8Array = NOTHING,
): number {
  view.setUint8(0, table);
  view.setFloat64(1, id, true);
  view.setFloat64(9, key.length, true);
  view.setFloat64(17, 0, true);
  view.setUint32(25, 0, true);
  return crc32(body, crc32(key, crc32(numbers))) | 0;
}

/** Checksum of a queue's row; `message` 0: the body holds the message itself. The state has its own redundancy. */
export function queueCheck({ session, position, payloadBytes }: QueueKey, message: number, body: Uint8Array): number {
  view.setUint8(0, CheckedTable.Queue);
  view.setFloat64(1, session, true);
  view.setFloat64(9, position, true);
  view.setFloat64(17, message, true);
  view.setUint32(25, payloadBytes, true);
  return crc32(body, crc32(numbers)) | 0;
}

/** The parts of a row's place that never change. */
export interface QueueKey {
  readonly session: number;
  readonly position: number;
  readonly payloadBytes: number;
}

/** A flipped bit adds or takes a power of two, and that is never a multiple of an odd prime. */
const STEP = 8191;
const SHIFT = 4099;
const PACKET_ID_MAX = 0xffff;

/** State and packet id as the one number that is stored. */
export function encodeSent(state: RowState, packetId: number): number {
  return (packetId * 4 + state) * STEP + SHIFT;
}

/** What `encodeSent` wrote; null: it wrote no such number. */
export function decodeSent(value: number): { readonly state: RowState; readonly packetId: number } | null {
  const number = (value - SHIFT) / STEP;
  if (!Number.isInteger(number) || number < 0) return null;
  const packetId = Math.floor(number / 4);
  const state = number % 4;
  if (packetId > PACKET_ID_MAX) return null;
  if (state === RowState.Queued || state === RowState.Sent || state === RowState.Released) return { state, packetId };
  return null;
}
