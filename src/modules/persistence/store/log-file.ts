/**
 * The write-ahead log as a file: whether SQLite can read it at all, and whether more stands in it than SQLite takes from it.
 *
 * SQLite reads frames until one whose checksum is wrong; what is behind that one is nothing to it. After a power cut this is
 * as it should be: only the last transaction, whose sync had not returned, can be torn. A transaction begins only when the
 * one before it is safe. So a frame that follows the last frame of a transaction *behind* the first bad one proves that what
 * was safe has been spoilt since. Each frame's checksum goes on from the one before it, which stands there: it proves both
 * that a frame is whole and which one it followed. Frames that are left of an older log have other salts, and those of
 * a transaction that failed and was written over are not followed by any.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { systemCodeOf } from './store-faults.ts';

const HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;
/** The lowest bit says which way round the words are that the checksum is made of. */
const MAGIC = 0x377f0682;
const PAGE_BYTES_MIN = 512;
const PAGE_BYTES_MAX = 65_536;
/** Where fields stand in the header, and in that of a frame. */
const Header = { pageBytes: 8, salts: 16, sum: 24 } as const;
const Frame = { pagesAfterCommit: 4, salts: 8, sum: 16 } as const;
/** A frame's checksum is made of these bytes of its header, and of its page. */
const SUMMED_BYTES = 8;

export type LogState = 'absent' | 'empty' | 'unreadable' | 'readable';

/** What stands in a log behind the place where SQLite stops to read. */
export interface CutOff {
  readonly frames: number;
  /** Those of them that end a transaction. */
  readonly commits: number;
}

interface Sum {
  readonly one: number;
  readonly two: number;
}

interface LogHeader {
  readonly isBigEndian: boolean;
  readonly pageBytes: number;
  readonly salts: Buffer;
  readonly sum: Sum;
}

/** A frame as the one behind it sees it. */
interface Before {
  readonly sum: Sum;
  /** It ends a transaction that SQLite does not take from the log. */
  readonly endsCutOff: boolean;
}

/** To be asked before SQLite opens the database: it makes the file. */
export function logStateOf(path: string): LogState {
  const file = openToRead(path);
  if (file === null) return 'absent';
  try {
    const bytes = Buffer.alloc(HEADER_BYTES);
    const count = readSync(file, bytes, 0, HEADER_BYTES, 0);
    if (count === 0) return 'empty';
    return count === HEADER_BYTES && headerIn(bytes) !== null ? 'readable' : 'unreadable';
  } finally {
    closeSync(file);
  }
}

/** What is cut off behind the first `taken` frames, which are those that SQLite takes; null: nothing that was ever safe. */
export function cutOffOf(path: string, taken: number): CutOff | null {
  const file = openToRead(path);
  if (file === null) return null;
  try {
    return scan(file, taken);
  } finally {
    closeSync(file);
  }
}

function scan(file: number, taken: number): CutOff | null {
  const start = Buffer.alloc(HEADER_BYTES);
  if (readSync(file, start, 0, HEADER_BYTES, 0) < HEADER_BYTES) return null;
  const header = headerIn(start);
  if (header === null) return null;
  const frame = Buffer.alloc(FRAME_HEADER_BYTES + header.pageBytes);
  let [frames, commits, isProven] = [0, 0, false];
  let before: Before | null = null;
  for (let index = taken; readFrame(file, frame, index); index += 1) {
    const isOurs = frame.compare(header.salts, 0, header.salts.length, Frame.salts, Frame.sum) === 0;
    if (!isOurs) {
      before = null;
      continue;
    }
    const sum = sumAt(frame, Frame.sum);
    if (before?.endsCutOff === true && isSame(sumOf(frame, header, before.sum), sum)) isProven = true;
    const endsCutOff = frame.readUInt32BE(Frame.pagesAfterCommit) !== 0;
    frames += 1;
    if (endsCutOff) commits += 1;
    before = { sum, endsCutOff };
  }
  return isProven ? { frames, commits } : null;
}

function readFrame(file: number, into: Buffer, index: number): boolean {
  return readSync(file, into, 0, into.length, HEADER_BYTES + index * into.length) === into.length;
}

/** Null: it is none. */
function headerIn(bytes: Buffer): LogHeader | null {
  const magic = bytes.readUInt32BE(0);
  const pageBytes = bytes.readUInt32BE(Header.pageBytes);
  const isPageSize = pageBytes >= PAGE_BYTES_MIN && pageBytes <= PAGE_BYTES_MAX && (pageBytes & (pageBytes - 1)) === 0;
  if ((magic & ~1) !== MAGIC || !isPageSize) return null;
  const isBigEndian = (magic & 1) === 1;
  const sum = sumAt(bytes, Header.sum);
  if (!isSame(addWords({ one: 0, two: 0 }, bytes.subarray(0, Header.sum), isBigEndian), sum)) return null;
  return { isBigEndian, pageBytes, salts: bytes.subarray(Header.salts, Header.sum), sum };
}

function sumOf(frame: Buffer, { isBigEndian }: LogHeader, before: Sum): Sum {
  const ofHeader = addWords(before, frame.subarray(0, SUMMED_BYTES), isBigEndian);
  return addWords(ofHeader, frame.subarray(FRAME_HEADER_BYTES), isBigEndian);
}

function addWords({ one, two }: Sum, bytes: Buffer, isBigEndian: boolean): Sum {
  for (let at = 0; at < bytes.length; at += 8) {
    one = (one + wordAt(bytes, at, isBigEndian) + two) >>> 0;
    two = (two + wordAt(bytes, at + 4, isBigEndian) + one) >>> 0;
  }
  return { one, two };
}

function wordAt(bytes: Buffer, at: number, isBigEndian: boolean): number {
  return isBigEndian ? bytes.readUInt32BE(at) : bytes.readUInt32LE(at);
}

/** A checksum as it is stored. */
function sumAt(bytes: Buffer, at: number): Sum {
  return { one: bytes.readUInt32BE(at), two: bytes.readUInt32BE(at + 4) };
}

function isSame(a: Sum, b: Sum): boolean {
  return a.one === b.one && a.two === b.two;
}

function openToRead(path: string): number | null {
  try {
    return openSync(path, 'r');
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return null;
    throw error;
  }
}
