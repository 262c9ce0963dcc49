import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SeededRandom } from '../fixtures/seeded-random.ts';
import { growthOf, type Sampled } from './growth.ts';

const SECOND = 1000;
const RUN_SECONDS = 1800;
const WARM_UP_MS = 360 * SECOND;
const MEBIBYTE = 1024 * 1024;

/** A sample each 5 seconds: a warm-up that ends at 60 MB, a saw of 8 MB as garbage collection makes it, and more. */
function heap(more: (second: number) => number): Sampled[] {
  const random = new SeededRandom(1);
  return Array.from({ length: RUN_SECONDS / 5 }, (_, index) => {
    const second = index * 5;
    const warm = 60 * MEBIBYTE * Math.min(1, (second + 100) / 300);
    return { atMs: second * SECOND, value: warm + random.below(8 * MEBIBYTE) + more(second) };
  });
}

const allowed = (): number => 3 * MEBIBYTE;

describe('growth', () => {
  it('is not seen in a heap that goes up and down', () => {
    const { isGrowing, medians } = growthOf(
      heap(() => 0),
      WARM_UP_MS,
      allowed,
    );
    assert.equal(isGrowing, false);
    assert.equal(medians.length, 4);
  });

  it('is seen in a leak of 100 bytes for each of 50 connections a second', () => {
    const { isGrowing, grownBy } = growthOf(
      heap((second) => second * 50 * 100),
      WARM_UP_MS,
      allowed,
    );
    assert.equal(isGrowing, true);
    assert.ok(grownBy > 4 * MEBIBYTE && grownBy < 7 * MEBIBYTE, String(grownBy));
  });

  it('is not seen in the warm-up', () => {
    const { isGrowing } = growthOf(
      heap((second) => (second < 300 ? 0 : 20 * MEBIBYTE)),
      WARM_UP_MS,
      allowed,
    );
    assert.equal(isGrowing, false);
  });

  it('needs a sample in each part', () => {
    assert.throws(() => growthOf([{ atMs: 0, value: 1 }], 0, allowed), /no sample/);
  });
});
