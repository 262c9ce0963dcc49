/**
 * Finds the child of a retained topic's node by the bytes of its level, for all nodes in one table. A step is one probe
 * and one comparison, without a text and without an object.
 *
 * Open addressing over integers: a slot holds a child's number and its hash, the child's row says whose child it is. The
 * slots are spread over 64 tables by the upper bits of the hash, and only one of these is copied when it grows: no pause at
 * a million children. Clients choose the levels, so the hash depends on a seed that they do not know.
 *
 *   table:   | child | hash |   | child | hash |   ...        child = 0, the root: a free slot
 */
import { assert } from '../../base/assert.ts';
import { NONE, type RetainedNodes, ROOT } from './retained-nodes.ts';

const TABLE_COUNT = 64;
/** The upper bits of a hash choose the table. */
const TABLE_SHIFT = 26;
const SLOTS_MIN = 4;
/** A hash is shifted by one to become a place. */
const SLOT_INTS = 2;

export class ChildTable {
  readonly #nodes: RetainedNodes;
  readonly #tables: Int32Array[] = [];
  readonly #used = new Int32Array(TABLE_COUNT);
  readonly #seed: number;
  readonly #factor: number;

  constructor(nodes: RetainedNodes, seed: number) {
    this.#nodes = nodes;
    this.#seed = mixed(seed ^ 0x3c6ef372);
    // An odd factor from an unknown seed: which levels collide cannot be told in advance.
    this.#factor = mixed(seed ^ 0x1b873593) | 1;
    for (let index = 0; index < TABLE_COUNT; index += 1) this.#tables.push(new Int32Array(SLOTS_MIN * SLOT_INTS));
  }

  /** @returns the child of a node with the level `bytes[start, end)`, or NONE. */
  find(parent: number, bytes: Uint8Array, start: number, end: number): number {
    const nodes = this.#nodes;
    const hash = this.#hash(parent, bytes, start, end);
    const table = this.#table(hash >>> TABLE_SHIFT);
    const mask = table.length - 1;
    for (let at = (hash << 1) & mask; ; at = (at + SLOT_INTS) & mask) {
      const child = table[at] ?? ROOT;
      if (child === ROOT) return NONE;
      if (table[at + 1] !== hash || nodes.parentOf(child) !== parent) continue;
      if (nodes.isLabel(child, bytes, start, end)) return child;
    }
  }

  /** Adds a node that is not there yet. */
  add(child: number): void {
    const hash = this.#hashOf(child);
    const index = hash >>> TABLE_SHIFT;
    const used = (this.#used[index] ?? 0) + 1;
    const slotCount = this.#table(index).length / SLOT_INTS;
    if (used * 10 > slotCount * 7) this.#resize(index, slotCount * 2);
    place(this.#table(index), child, hash);
    this.#used[index] = used;
  }

  /** Removes a node that is there and still has its label. */
  remove(child: number): void {
    const hash = this.#hashOf(child);
    const index = hash >>> TABLE_SHIFT;
    const table = this.#table(index);
    const mask = table.length - 1;
    let at = (hash << 1) & mask;
    while (table[at] !== child) {
      assert(table[at] !== ROOT, 'a child that is removed is in the table');
      at = (at + SLOT_INTS) & mask;
    }
    close(table, at);
    const used = (this.#used[index] ?? 0) - 1;
    this.#used[index] = used;
    const slotCount = table.length / SLOT_INTS;
    if (slotCount > SLOTS_MIN && used * 8 < slotCount) this.#resize(index, slotCount / 2);
  }

  #table(index: number): Int32Array {
    const table = this.#tables[index];
    assert(table !== undefined, 'a table for every hash');
    return table;
  }

  #resize(index: number, slotCount: number): void {
    const old = this.#table(index);
    const table = new Int32Array(slotCount * SLOT_INTS);
    for (let at = 0; at < old.length; at += SLOT_INTS) {
      const child = old[at] ?? ROOT;
      if (child !== ROOT) place(table, child, old[at + 1] ?? 0);
    }
    this.#tables[index] = table;
  }

  #hashOf(child: number): number {
    const parent = this.#nodes.parentOf(child);
    return this.#nodes.hashLabel(child, (bytes, start, end) => this.#hash(parent, bytes, start, end));
  }

  #hash(parent: number, bytes: Uint8Array, start: number, end: number): number {
    const factor = this.#factor;
    let hash = mixed(this.#seed ^ parent);
    for (let at = start; at < end; at += 1) {
      hash = Math.imul(hash ^ (bytes[at] ?? 0), factor);
      hash ^= hash >>> 15;
    }
    return mixed(hash);
  }
}

function place(table: Int32Array, child: number, hash: number): void {
  const mask = table.length - 1;
  let at = (hash << 1) & mask;
  while (table[at] !== ROOT) at = (at + SLOT_INTS) & mask;
  table[at] = child;
  table[at + 1] = hash;
}

/** Frees a slot: moves back into it what was pushed on by it, so that a search may still stop at a free slot. */
function close(table: Int32Array, freed: number): void {
  const mask = table.length - 1;
  let hole = freed;
  for (let at = (hole + SLOT_INTS) & mask; table[at] !== ROOT; at = (at + SLOT_INTS) & mask) {
    const home = ((table[at + 1] ?? 0) << 1) & mask;
    if (((at - home) & mask) < ((at - hole) & mask)) continue;
    table[hole] = table[at] ?? ROOT;
    table[hole + 1] = table[at + 1] ?? 0;
    hole = at;
  }
  table[hole] = ROOT;
}

/** Spreads every bit over all of them. */
function mixed(value: number): number {
  let bits = value ^ (value >>> 16);
  bits = Math.imul(bits, 0x7feb352d);
  bits = Math.imul(bits ^ (bits >>> 15), 0x846ca68b);
  return bits ^ (bits >>> 16);
}
