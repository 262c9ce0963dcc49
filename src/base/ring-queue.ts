/**
 * First in, first out, without moving anything: a ring in an array whose size is a power of two.
 *
 * Why not a plain array: `shift` of a long array moves all of it. Why it shrinks: a session's queue that once held ten
 * thousand messages must not keep their room for ever, and a client that never queued anything must cost nothing, so
 * there is no array before the first push. It doubles when full and halves twice at an eighth, so that a length that
 * swings around one value does not copy each time: push and shift are O(1) on average.
 *
 * Invariant: the elements are at slots `(head + i) & (slots.length - 1)` for `0 <= i < length`; every other slot is
 * undefined, so that nothing that has left is kept alive.
 */
import { assert } from './assert.ts';

const SLOTS_MIN = 4;

/** What a queue without elements has instead of an array of its own. Never written to. */
const NO_SLOTS: never[] = [];

/** A queue of values other than undefined. It has no limit of its own: whoever pushes keeps one. */
export class RingQueue<T> {
  #slots: (T | undefined)[] = NO_SLOTS;
  #head = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Slots of the array behind it: what the queue costs. */
  get capacity(): number {
    return this.#slots.length;
  }

  /** Adds at the end. */
  push(value: T): void {
    if (this.#length === this.#slots.length) this.#resize(Math.max(SLOTS_MIN, this.#length * 2));
    this.#slots[(this.#head + this.#length) & (this.#slots.length - 1)] = value;
    this.#length++;
  }

  /** Takes the oldest away, or returns undefined. */
  shift(): T | undefined {
    if (this.#length === 0) return undefined;
    const value = this.#slots[this.#head];
    this.#slots[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#slots.length - 1);
    this.#length--;
    this.#shrink();
    return value;
  }

  /** The oldest, which stays, or undefined. */
  peek(): T | undefined {
    return this.#length === 0 ? undefined : this.#slots[this.#head];
  }

  /** The element `index` places behind the oldest, or undefined beyond the end. */
  at(index: number): T | undefined {
    if (index < 0 || index >= this.#length) return undefined;
    return this.#slots[(this.#head + index) & (this.#slots.length - 1)];
  }

  /** Puts `value` in the place of the element at `index`. */
  replaceAt(index: number, value: T): void {
    assert(index >= 0 && index < this.#length, `index ${index} is outside a queue of ${this.#length}`);
    this.#slots[(this.#head + index) & (this.#slots.length - 1)] = value;
  }

  /** Drops everything, the array as well. */
  clear(): void {
    this.#slots = NO_SLOTS;
    this.#head = 0;
    this.#length = 0;
  }

  /**
   * Keeps, in their order, the elements for which `keep` says true, and returns how many went. `keep` sees each once,
   * oldest first, and must not touch the queue.
   */
  filterInto(keep: (value: T) => boolean): number {
    const before = this.#length;
    let kept = 0;
    for (let index = 0; index < before; index++) {
      const value = this.at(index)!;
      if (keep(value)) this.#slots[(this.#head + kept++) & (this.#slots.length - 1)] = value;
    }
    for (let index = kept; index < before; index++) {
      this.#slots[(this.#head + index) & (this.#slots.length - 1)] = undefined;
    }
    this.#length = kept;
    this.#shrink();
    return before - kept;
  }

  /** Brings an array that is at most an eighth full down to where it is at least half empty and no smaller. */
  #shrink(): void {
    let slotCount = this.#slots.length;
    while (slotCount > SLOTS_MIN && this.#length <= slotCount >> 3) slotCount >>= 2;
    if (slotCount < this.#slots.length) this.#resize(Math.max(SLOTS_MIN, slotCount));
  }

  #resize(slotCount: number): void {
    const slots = new Array<T | undefined>(slotCount).fill(undefined);
    for (let index = 0; index < this.#length; index++) slots[index] = this.at(index);
    this.#slots = slots;
    this.#head = 0;
  }
}
