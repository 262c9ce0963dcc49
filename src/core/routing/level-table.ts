/**
 * The texts of filter levels as small numbers, so that a tree compares numbers and keeps each text once.
 *
 * A level has a number while something uses it; numbers are used again. The texts are the clients', so they are found
 * through a Map, whose hash is seeded by the runtime. But asking it needs the level cut out, and the runtime makes each text
 * that a Map is asked for unique, in memory that only a full collection frees: 130 to 300 ns. So a match first looks at two
 * tables of fixed size by a hash of its own: how many levels in use fall on that place, mostly none for a level that is not
 * in use, and which one was found there last. Levels that are chosen to fall on one place only lead to the Map. With this a
 * match takes two thirds of the time.
 */
import { assert } from '../../base/assert.ts';
import { internLevel } from './level.ts';
import { NumberPool } from './number-pool.ts';
import { PagedArray } from './paged-array.ts';
import { WideMap } from './wide-map.ts';

/** The number of `+`, which no text in the table has. */
export const PLUS = 0;

/** Not the number of any level. */
export const NO_LEVEL = -1;

/** Powers of two; 64 and 16 KiB. */
const COUNT_SLOTS = 65_536;
const MEMO_SLOTS = 4096;
/** A count that has got here stays: some levels in use fall on the place, it is no longer known how many. */
const COUNT_MAX = 255;
/** Stands for the text of a free number: no level has it. */
const NO_TEXT = '\0';

export class LevelTable {
  readonly #numbers = new WideMap<number>();
  readonly #free = new NumberPool(PLUS + 1);
  readonly #texts = new PagedArray<string>();
  readonly #uses = new PagedArray<number>();
  /** By hash: how many levels in use have it. */
  readonly #counts = new Uint8Array(COUNT_SLOTS);
  /** By hash: the level that was found last. */
  readonly #memo = new Int32Array(MEMO_SLOTS).fill(NO_LEVEL);

  /** How many different literal levels are in use. */
  get count(): number {
    return this.#numbers.size;
  }

  /** The number of a literal level, or NO_LEVEL when nothing uses it. */
  find(text: string): number {
    return this.#numbers.get(text) ?? NO_LEVEL;
  }

  /** The number of the literal level `topic[start, end)`, or NO_LEVEL when nothing uses it. */
  findIn(topic: string, start: number, end: number): number {
    const hash = hashOf(topic, start, end);
    if (this.#counts[hash & (COUNT_SLOTS - 1)] === 0) return NO_LEVEL;
    const slot = hash & (MEMO_SLOTS - 1);
    const remembered = this.#memo[slot] ?? NO_LEVEL;
    // A number that was given to another text since is seen by that text.
    if (remembered !== NO_LEVEL && isAt(this.#texts.get(remembered) ?? NO_TEXT, topic, start, end)) return remembered;
    const number = this.find(topic.slice(start, end));
    if (number !== NO_LEVEL) this.#memo[slot] = number;
    return number;
  }

  /** The number of a level of a filter, where `+` is a wildcard. */
  findInFilter(text: string): number {
    return text === '+' ? PLUS : this.find(text);
  }

  /** Counts one more use of a level of a filter. @returns its number. */
  use(text: string): number {
    if (text === '+') return PLUS;
    const present = this.find(text);
    if (present !== NO_LEVEL) {
      this.#uses.set(present, this.#usesOf(present) + 1);
      return present;
    }
    const kept = internLevel(text);
    const number = this.#free.take();
    this.#texts.set(number, kept);
    this.#uses.set(number, 1);
    this.#numbers.set(kept, number);
    this.#count(kept, 1);
    return number;
  }

  /** Counts one use less. */
  release(number: number): void {
    if (number === PLUS) return;
    const left = this.#usesOf(number) - 1;
    this.#uses.set(number, left);
    if (left > 0) return;
    const text = this.#texts.get(number);
    assert(text !== undefined, 'a level in use has a text');
    this.#numbers.delete(text);
    this.#count(text, -1);
    this.#texts.set(number, undefined);
    this.#free.giveBack(number);
  }

  #count(text: string, change: 1 | -1): void {
    const slot = hashOf(text, 0, text.length) & (COUNT_SLOTS - 1);
    const count = this.#counts[slot] ?? 0;
    if (count < COUNT_MAX) this.#counts[slot] = count + change;
  }

  #usesOf(number: number): number {
    const uses = this.#uses.get(number);
    assert(uses !== undefined && uses > 0, 'a level is counted while it is used');
    return uses;
  }
}

function hashOf(topic: string, start: number, end: number): number {
  let hash = end - start;
  for (let index = start; index < end; index += 1) hash = Math.imul(hash ^ topic.charCodeAt(index), 0x01000193);
  return hash ^ (hash >>> 16);
}

/** Whether `topic[start, end)` is `text`. */
function isAt(text: string, topic: string, start: number, end: number): boolean {
  if (text.length !== end - start) return false;
  for (let index = 0; index < text.length; index += 1) {
    if (text.charCodeAt(index) !== topic.charCodeAt(start + index)) return false;
  }
  return true;
}
