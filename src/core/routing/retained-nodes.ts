/**
 * The nodes of the tree of retained topics: rows of 64 bytes in pages, one line of the processor's cache each. A row holds
 * numbers, the birth, and the label, which is the bytes of the node's level; a longer label stands in an arena. A walk
 * over a million nodes mostly waits for memory, so that all it asks of a node stands together. (Columns and labels each
 * by themselves made it three times as slow.) A node's number is used again when it has gone, and a birth never is.
 *
 *   | parent | label | record | first child | last child | next sibling | child count | wide | birth, 8 | length, 2 | label, 22 |
 */
import { assert } from '../../base/assert.ts';
import { NumberPool } from './number-pool.ts';
import { RecordArena, type RecordRef } from './record-arena.ts';

export const ROOT = 0;
/** No node, no record. */
export const NONE = -1;
/** Stands for a record that is too large for the arena. */
export const LARGE = -2;

const PARENT = 0;
/** Where a label stands that has no room in the row. */
const LABEL = 1;
const RECORD = 2;
const FIRST_CHILD = 3;
const LAST_CHILD = 4;
const NEXT_SIBLING = 5;
const CHILD_COUNT = 6;
const WIDE = 7;

const ROW_BYTES = 64;
const ROW_INTS = ROW_BYTES / 4;
const ROW_NUMBERS = ROW_BYTES / 8;
/** The place of the birth among the numbers of 8 bytes. */
const BIRTH = 4;
const LENGTH_AT = 40;
const LENGTH_BYTES = 2;
const LABEL_AT = LENGTH_AT + LENGTH_BYTES;
const SHORT_LABEL_BYTES = ROW_BYTES - LABEL_AT;

const PAGE_BITS = 10;
const PAGE_ROWS = 1 << PAGE_BITS;
const ROW_MASK = PAGE_ROWS - 1;

/** The same bytes in three ways. */
interface Page {
  readonly ints: Int32Array;
  readonly numbers: Float64Array;
  readonly bytes: Uint8Array;
}

export class RetainedNodes {
  readonly #numbers = new NumberPool(ROOT);
  readonly #pages: Page[] = [];
  readonly #labels = new RecordArena((node, ref) => this.#set(node, LABEL, ref));
  #lastBirth = 0;

  constructor() {
    this.create(NONE, new Uint8Array(0), 0, 0);
  }

  /** Nodes in use, the root included. */
  get count(): number {
    return this.#numbers.inUse;
  }

  /** The numbers of all nodes are below it. */
  get end(): number {
    return this.#numbers.end;
  }

  /** The birth of the youngest node. */
  get lastBirth(): number {
    return this.#lastBirth;
  }

  /** A node whose level is `bytes[start, end)`, without children and without a record. */
  create(parent: number, bytes: Uint8Array, start: number, end: number): number {
    const node = this.#numbers.take();
    if (node >>> PAGE_BITS === this.#pages.length) this.#pages.push(createPage());
    this.#lastBirth += 1;
    this.#setBirth(node, this.#lastBirth);
    this.#set(node, PARENT, parent);
    this.#set(node, LABEL, NONE);
    this.#set(node, RECORD, NONE);
    this.#set(node, FIRST_CHILD, NONE);
    this.#set(node, LAST_CHILD, NONE);
    this.#set(node, NEXT_SIBLING, NONE);
    this.#set(node, CHILD_COUNT, 0);
    this.#set(node, WIDE, NONE);
    this.#keepLabel(node, bytes, start, end);
    return node;
  }

  /** A node that has no children and no record goes. */
  release(node: number): void {
    const label = this.#get(node, LABEL);
    if (label !== NONE) this.#labels.giveBack(label);
    this.#setBirth(node, Number.POSITIVE_INFINITY);
    this.#numbers.giveBack(node);
  }

  /** The place in the order of all nodes ever made; Infinity while the number is free. */
  birthOf(node: number): number {
    return this.#page(node).numbers[(node & ROW_MASK) * ROW_NUMBERS + BIRTH] ?? 0;
  }

  parentOf(node: number): number {
    return this.#get(node, PARENT);
  }

  recordOf(node: number): RecordRef {
    return this.#get(node, RECORD);
  }

  setRecord(node: number, ref: RecordRef): void {
    this.#set(node, RECORD, ref);
  }

  // ------------------------------------------------------------------------------------------ for RetainedChildren

  childCountOf(node: number): number {
    return this.#get(node, CHILD_COUNT);
  }

  setChildCount(node: number, count: number): void {
    this.#set(node, CHILD_COUNT, count);
  }

  firstChildOf(node: number): number {
    return this.#get(node, FIRST_CHILD);
  }

  setFirstChild(node: number, child: number): void {
    this.#set(node, FIRST_CHILD, child);
  }

  lastChildOf(node: number): number {
    return this.#get(node, LAST_CHILD);
  }

  setLastChild(node: number, child: number): void {
    this.#set(node, LAST_CHILD, child);
  }

  nextSiblingOf(node: number): number {
    return this.#get(node, NEXT_SIBLING);
  }

  setNextSibling(node: number, sibling: number): void {
    this.#set(node, NEXT_SIBLING, sibling);
  }

  /** The number under which the children of a node with many of them are kept, or NONE. */
  wideOf(node: number): number {
    return this.#get(node, WIDE);
  }

  setWide(node: number, wide: number): void {
    this.#set(node, WIDE, wide);
  }

  // --------------------------------------------------------------------------------------------------------- labels

  /** Whether the level of a node is `bytes[start, end)`. */
  isLabel(node: number, bytes: Uint8Array, start: number, end: number): boolean {
    const length = end - start;
    if (this.labelLength(node) !== length) return false;
    const page = this.#labelPage(node, length);
    const offset = this.#labelOffset(node, length);
    for (let index = 0; index < length; index += 1) if (page[offset + index] !== bytes[start + index]) return false;
    return true;
  }

  labelLength(node: number): number {
    const { bytes } = this.#page(node);
    const at = (node & ROW_MASK) * ROW_BYTES + LENGTH_AT;
    return (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8);
  }

  /** Copies the level of a node to `into`, which has room for it. @returns the offset after it. */
  writeLabel(node: number, into: Uint8Array, at: number): number {
    const length = this.labelLength(node);
    const page = this.#labelPage(node, length);
    const offset = this.#labelOffset(node, length);
    for (let index = 0; index < length; index += 1) into[at + index] = page[offset + index] ?? 0;
    return at + length;
  }

  /** Hashes the level of a node. */
  hashLabel(node: number, hash: (bytes: Uint8Array, start: number, end: number) => number): number {
    const length = this.labelLength(node);
    const start = this.#labelOffset(node, length);
    return hash(this.#labelPage(node, length), start, start + length);
  }

  #keepLabel(node: number, bytes: Uint8Array, start: number, end: number): void {
    const length = end - start;
    const row = this.#page(node).bytes;
    const at = (node & ROW_MASK) * ROW_BYTES + LENGTH_AT;
    row[at] = length & 0xff;
    row[at + 1] = length >>> 8;
    if (length > SHORT_LABEL_BYTES) this.#set(node, LABEL, this.#labels.take(length, node));
    const page = this.#labelPage(node, length);
    const offset = this.#labelOffset(node, length);
    for (let index = 0; index < length; index += 1) page[offset + index] = bytes[start + index] ?? 0;
  }

  #labelPage(node: number, length: number): Uint8Array {
    return length > SHORT_LABEL_BYTES ? this.#labels.pageOf(this.#get(node, LABEL)) : this.#page(node).bytes;
  }

  #labelOffset(node: number, length: number): number {
    if (length > SHORT_LABEL_BYTES) return this.#labels.offsetOf(this.#get(node, LABEL));
    return (node & ROW_MASK) * ROW_BYTES + LABEL_AT;
  }

  // ----------------------------------------------------------------------------------------------------------- rows

  #get(node: number, column: number): number {
    return this.#page(node).ints[(node & ROW_MASK) * ROW_INTS + column] ?? 0;
  }

  #set(node: number, column: number, value: number): void {
    this.#page(node).ints[(node & ROW_MASK) * ROW_INTS + column] = value;
  }

  #setBirth(node: number, birth: number): void {
    this.#page(node).numbers[(node & ROW_MASK) * ROW_NUMBERS + BIRTH] = birth;
  }

  #page(node: number): Page {
    const page = this.#pages[node >>> PAGE_BITS];
    assert(page !== undefined, 'a node has a row');
    return page;
  }
}

function createPage(): Page {
  const bytes = new Uint8Array(PAGE_ROWS * ROW_BYTES);
  return { bytes, ints: new Int32Array(bytes.buffer), numbers: new Float64Array(bytes.buffer) };
}
