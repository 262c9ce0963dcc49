/**
 * Small byte records of many owners in a few large pages, so that a million of them are no objects for the garbage
 * collector, which would have to walk and move them.
 *
 * A page holds blocks of one size; sizes go up in steps of at most a quarter. The blocks of a size are always dense: when
 * one is given back, the last one moves into its place, and `onMove` tells where that record stands now. So there are no
 * free lists and no holes, and after a flood that has gone the memory is free again. It costs a copy for each record given
 * back, of at most a block, and it asks that each record has one owner, who holds its only reference. Rejected: free lists
 * in the pages, with which one record for each page keeps all of them.
 *
 *      size class 4:   page 0  | 7 | 3 | 9 |    page 1  | 2 | 8 |   |     numbers are owners
 *                              ^ given back                  ^ moves there
 *
 * What is larger than the largest block stands in a page of its own.
 */
import { assert } from '../../base/assert.ts';

/** Where a record stands: a number from 0 on. Changes when the record moves. */
export type RecordRef = number;

/** Bytes of the largest block. */
export const BLOCK_BYTES_MAX = 4096;

/** Of the largest pages; others have down to half of it. */
const PAGE_BYTES = 64 * 1024;
const CLASS_BITS = 5;
const CLASS_MASK = (1 << CLASS_BITS) - 1;
/** 16 to 64 by eights, then four steps from each power of two to the next. */
const BLOCK_BYTES = blockSizes();
/** The class of records that stand alone. */
const ALONE = BLOCK_BYTES.length;
/** By the number of eights of bytes: the class whose blocks have room for them. */
const CLASS_BY_EIGHTS = classesByEights();
const INDEX_MAX = 2 ** (31 - CLASS_BITS) - 1;

interface Page {
  readonly bytes: Uint8Array;
  /** Of each block. */
  readonly owners: Int32Array;
}

interface SizeClass {
  readonly blockBytes: number;
  /** A page has this power of two of blocks. */
  readonly pageBits: number;
  readonly pageMask: number;
  readonly pages: Page[];
  count: number;
}

export class RecordArena {
  readonly #classes: readonly SizeClass[] = [...BLOCK_BYTES, 0].map(createClass);
  readonly #onMove: (owner: number, ref: RecordRef) => void;

  constructor(onMove: (owner: number, ref: RecordRef) => void) {
    this.#onMove = onMove;
  }

  /** Records that are held. */
  get count(): number {
    return this.#classes.reduce((sum, { count }) => sum + count, 0);
  }

  /** Bytes of all pages. */
  get bytes(): number {
    const pages = this.#classes.flatMap((sizeClass) => sizeClass.pages);
    return pages.reduce((sum, page) => sum + page.bytes.length + page.owners.byteLength, 0);
  }

  /** Room for a record of `byteCount` bytes, whose content is undefined. `owner` is what `onMove` names. */
  take(byteCount: number, owner: number): RecordRef {
    const classIndex = classFor(byteCount);
    const sizeClass = this.#class(classIndex);
    const index = sizeClass.count;
    assert(index < INDEX_MAX, 'the arena has room for a record');
    if (index >>> sizeClass.pageBits === sizeClass.pages.length) sizeClass.pages.push(createPage(sizeClass, byteCount));
    pageAt(sizeClass, index).owners[index & sizeClass.pageMask] = owner;
    sizeClass.count = index + 1;
    return (index << CLASS_BITS) | classIndex;
  }

  /** The record is no longer needed. Another one may have moved by the time this returns. */
  giveBack(ref: RecordRef): void {
    const sizeClass = this.#class(ref & CLASS_MASK);
    const index = ref >>> CLASS_BITS;
    const last = sizeClass.count - 1;
    assert(index <= last, 'a record that is given back is held');
    sizeClass.count = last;
    if (index !== last) moveRecord(sizeClass, last, index);
    dropUnusedPages(sizeClass);
    if (index !== last) this.#onMove(pageAt(sizeClass, index).owners[index & sizeClass.pageMask] ?? 0, ref);
  }

  /** Whether a record of `byteCount` bytes can stand where this one does. */
  fits(ref: RecordRef, byteCount: number): boolean {
    return (ref & CLASS_MASK) !== ALONE && (ref & CLASS_MASK) === classFor(byteCount);
  }

  /** The page in which the record begins at `offsetOf`. Valid until a record is given back. */
  pageOf(ref: RecordRef): Uint8Array {
    return pageAt(this.#class(ref & CLASS_MASK), ref >>> CLASS_BITS).bytes;
  }

  offsetOf(ref: RecordRef): number {
    const { blockBytes, pageMask } = this.#class(ref & CLASS_MASK);
    return ((ref >>> CLASS_BITS) & pageMask) * blockBytes;
  }

  #class(classIndex: number): SizeClass {
    const sizeClass = this.#classes[classIndex];
    assert(sizeClass !== undefined, 'a record has a size class');
    return sizeClass;
  }
}

function pageAt({ pages, pageBits }: SizeClass, index: number): Page {
  const page = pages[index >>> pageBits];
  assert(page !== undefined, 'a record that is held has a page');
  return page;
}

/** A record that stands alone moves with its page. */
function moveRecord(sizeClass: SizeClass, from: number, to: number): void {
  const { blockBytes, pageMask, pages } = sizeClass;
  const source = pageAt(sizeClass, from);
  if (blockBytes === 0) {
    pages[to] = source;
    return;
  }
  const target = pageAt(sizeClass, to);
  const start = (from & pageMask) * blockBytes;
  const at = (to & pageMask) * blockBytes;
  for (let index = 0; index < blockBytes; index += 1) target.bytes[at + index] = source.bytes[start + index] ?? 0;
  target.owners[to & pageMask] = source.owners[from & pageMask] ?? 0;
}

/** One page beyond those that are used is kept, so that a record that comes and goes does not make pages. */
function dropUnusedPages({ blockBytes, count, pageBits, pageMask, pages }: SizeClass): void {
  const needed = (count + pageMask) >>> pageBits;
  const kept = needed === 0 || blockBytes === 0 ? needed : needed + 1;
  if (pages.length > kept) pages.length = kept;
}

function classFor(byteCount: number): number {
  return byteCount > BLOCK_BYTES_MAX ? ALONE : (CLASS_BY_EIGHTS[(byteCount + 7) >>> 3] ?? ALONE);
}

function createClass(blockBytes: number): SizeClass {
  const pageBits = blockBytes === 0 ? 0 : Math.floor(Math.log2(PAGE_BYTES / blockBytes));
  return { blockBytes, pageBits, pageMask: (1 << pageBits) - 1, pages: [], count: 0 };
}

/** `byteCount` counts for a record that stands alone. */
function createPage({ blockBytes, pageBits }: SizeClass, byteCount: number): Page {
  const bytes = new Uint8Array(blockBytes === 0 ? byteCount : blockBytes << pageBits);
  return { bytes, owners: new Int32Array(1 << pageBits) };
}

function blockSizes(): readonly number[] {
  const sizes = [16, 24, 32, 40, 48, 56, 64];
  for (let base = 64; base < BLOCK_BYTES_MAX; base *= 2) {
    for (let quarter = 1; quarter <= 4; quarter += 1) sizes.push(base + (base / 4) * quarter);
  }
  return sizes;
}

function classesByEights(): Uint8Array {
  const classes = new Uint8Array(BLOCK_BYTES_MAX / 8 + 1);
  let sizeClass = 0;
  for (let eights = 0; eights < classes.length; eights += 1) {
    if ((BLOCK_BYTES[sizeClass] ?? 0) < eights * 8) sizeClass += 1;
    classes[eights] = sizeClass;
  }
  return classes;
}
