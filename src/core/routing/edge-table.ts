/**
 * The edges of a tree: (parent, level) -> child, all of them numbers, without an object per node.
 *
 * Open addressing over integers: a step of a match is one probe, mostly one line of the processor's cache, where a Map per
 * node would be five dependent ones; an edge costs 17 to 34 bytes. The edges are spread over 64 tables by the upper
 * bits of their hash, and only one of these is copied when it grows: no pause at a million edges.
 *
 *   table:   | parent + 1 | level | child |   | parent + 1 | level | child |   ...        parent + 1 = 0: a free slot
 *
 * A child is any number but -1; the tree puts more than the node's number into it. Clients have some say in which pairs
 * exist, so the hash depends on a seed that they do not know.
 *
 * Indexed reads use `!`: slots are masked to the table and hashes to the tables, and this is the innermost loop.
 */
import { assert } from '../../base/assert.ts';

/** There is no such edge. */
export const NO_EDGE = -1;

const TABLE_COUNT = 64;
/** The upper bits of a hash choose the table. */
const TABLE_SHIFT = 26;
const SLOTS_MIN = 4;
const SLOT_INTS = 3;

export class EdgeTable {
  readonly #tables: Int32Array[] = [];
  /** Of each table: its number of slots, a power of two, less one. */
  readonly #masks = new Int32Array(TABLE_COUNT).fill(SLOTS_MIN - 1);
  readonly #used = new Int32Array(TABLE_COUNT);
  readonly #parentFactor: number;
  readonly #levelFactor: number;

  constructor(seed: number) {
    // Odd factors from an unknown seed: which pairs collide cannot be told in advance.
    this.#parentFactor = mixed(seed ^ 0x3c6ef372) | 1;
    this.#levelFactor = mixed(seed ^ 0x1b873593) | 1;
    for (let index = 0; index < TABLE_COUNT; index += 1) this.#tables.push(emptyTable(SLOTS_MIN));
  }

  get bytes(): number {
    return this.#tables.reduce((bytes, table) => bytes + table.byteLength, 0);
  }

  /** @returns the child, or NO_EDGE. */
  find(parent: number, level: number): number {
    const hash = this.#hash(parent, level);
    const table = this.#tables[hash >>> TABLE_SHIFT]!;
    const mask = this.#masks[hash >>> TABLE_SHIFT]!;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const at = slot * SLOT_INTS;
      const key = table[at]!;
      if (key === 0) return NO_EDGE;
      if (key === parent + 1 && table[at + 1] === level) return table[at + 2]!;
    }
  }

  /** Adds an edge that is not there yet. */
  add(parent: number, level: number, child: number): void {
    const hash = this.#hash(parent, level);
    const index = hash >>> TABLE_SHIFT;
    const slotCount = this.#masks[index]! + 1;
    if ((this.#used[index]! + 1) * 10 > slotCount * 7) this.#resize(index, slotCount * 2);
    this.#place(index, hash, parent + 1, level, child);
    this.#used[index]! += 1;
  }

  /** Puts another child on an edge that is there. */
  update(parent: number, level: number, child: number): void {
    const hash = this.#hash(parent, level);
    this.#tables[hash >>> TABLE_SHIFT]![this.#slotOf(hash, parent, level) * SLOT_INTS + 2] = child;
  }

  /** Removes an edge that is there. */
  remove(parent: number, level: number): void {
    const hash = this.#hash(parent, level);
    const index = hash >>> TABLE_SHIFT;
    const mask = this.#masks[index]!;
    this.#close(this.#tables[index]!, mask, this.#slotOf(hash, parent, level));
    this.#used[index]! -= 1;
    if (mask >= SLOTS_MIN && this.#used[index]! * 8 < mask) this.#resize(index, (mask + 1) / 2);
  }

  #slotOf(hash: number, parent: number, level: number): number {
    const table = this.#tables[hash >>> TABLE_SHIFT]!;
    const mask = this.#masks[hash >>> TABLE_SHIFT]!;
    let slot = hash & mask;
    while (table[slot * SLOT_INTS] !== parent + 1 || table[slot * SLOT_INTS + 1] !== level) {
      assert(table[slot * SLOT_INTS] !== 0, 'an edge that is changed is there');
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  /** Frees a slot: moves back into it what was pushed on by it, so that a search may still stop at a free slot. */
  #close(table: Int32Array, mask: number, freed: number): void {
    let hole = freed;
    for (let slot = (hole + 1) & mask; ; slot = (slot + 1) & mask) {
      const key = table[slot * SLOT_INTS]!;
      if (key === 0) break;
      const home = this.#hash(key - 1, table[slot * SLOT_INTS + 1]!) & mask;
      if (((slot - home) & mask) < ((slot - hole) & mask)) continue;
      table.copyWithin(hole * SLOT_INTS, slot * SLOT_INTS, (slot + 1) * SLOT_INTS);
      hole = slot;
    }
    table[hole * SLOT_INTS] = 0;
  }

  #resize(index: number, slotCount: number): void {
    const old = this.#tables[index]!;
    this.#tables[index] = emptyTable(slotCount);
    this.#masks[index] = slotCount - 1;
    for (let at = 0; at < old.length; at += SLOT_INTS) {
      const key = old[at]!;
      const level = old[at + 1]!;
      if (key !== 0) this.#place(index, this.#hash(key - 1, level), key, level, old[at + 2]!);
    }
  }

  #place(index: number, hash: number, key: number, level: number, child: number): void {
    const table = this.#tables[index]!;
    const mask = this.#masks[index]!;
    let slot = hash & mask;
    while (table[slot * SLOT_INTS] !== 0) slot = (slot + 1) & mask;
    table[slot * SLOT_INTS] = key;
    table[slot * SLOT_INTS + 1] = level;
    table[slot * SLOT_INTS + 2] = child;
  }

  #hash(parent: number, level: number): number {
    return mixed(Math.imul(parent, this.#parentFactor) + Math.imul(level, this.#levelFactor));
  }
}

function emptyTable(slotCount: number): Int32Array {
  return new Int32Array(slotCount * SLOT_INTS);
}

/** Spreads every bit of a number over all 32. */
function mixed(value: number): number {
  const once = Math.imul(value ^ (value >>> 16), 0x7feb352d);
  const twice = Math.imul(once ^ (once >>> 15), 0x846ca68b);
  return twice ^ (twice >>> 16);
}
