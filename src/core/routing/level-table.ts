/**
 * The texts of filter levels as small numbers, so that a tree compares numbers and keeps each text once.
 *
 * A level has a number while something uses it; numbers are used again. The texts are the clients', so they are found
 * through a Map, whose hash is seeded by the runtime.
 */
import { assert } from '../../base/assert.ts';
import { internLevel } from './level.ts';
import { WideMap } from './wide-map.ts';

/** The number of `+`, which no text in the table has. */
export const PLUS = 0;

/** Not the number of any level. */
export const NO_LEVEL = -1;

export class LevelTable {
  readonly #numbers = new WideMap<number>();
  readonly #texts: string[] = ['+'];
  readonly #uses: number[] = [1];
  readonly #free: number[] = [];

  /** How many different literal levels are in use. */
  get count(): number {
    return this.#numbers.size;
  }

  /** The number of a literal level, or NO_LEVEL when nothing uses it. */
  find(text: string): number {
    return this.#numbers.get(text) ?? NO_LEVEL;
  }

  /** The number of a level of a filter, where `+` is a wildcard. */
  findInFilter(text: string): number {
    return text === '+' ? PLUS : this.find(text);
  }

  /** Counts one more use of a level of a filter. @returns its number. */
  use(text: string): number {
    const present = this.findInFilter(text);
    if (present !== NO_LEVEL) {
      this.#uses[present] = this.#usesOf(present) + 1;
      return present;
    }
    const kept = internLevel(text);
    const number = this.#free.pop() ?? this.#texts.length;
    this.#texts[number] = kept;
    this.#uses[number] = 1;
    this.#numbers.set(kept, number);
    return number;
  }

  /** Counts one use less. */
  release(number: number): void {
    const left = this.#usesOf(number) - 1;
    this.#uses[number] = left;
    if (left > 0 || number === PLUS) return;
    const text = this.#texts[number];
    assert(text !== undefined, 'a level in use has a text');
    this.#numbers.delete(text);
    this.#texts[number] = '';
    this.#free.push(number);
  }

  #usesOf(number: number): number {
    const uses = this.#uses[number];
    assert(uses !== undefined && uses > 0, 'a level is counted while it is used');
    return uses;
  }
}
