import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PagedInts } from './paged-ints.ts';

test('rows hold what was put in them, across pages', () => {
  const ints = new PagedInts(3);
  for (let row = 0; row < 5000; row += 1) {
    ints.reach(row);
    for (const column of [0, 1, 2]) {
      assert.equal(ints.get(row, column), 0);
      ints.set(row, column, row * 3 + column - 7000);
    }
  }
  for (let row = 0; row < 5000; row += 1) {
    assert.deepEqual(
      [0, 1, 2].map((column) => ints.get(row, column)),
      [0, 1, 2].map((column) => row * 3 + column - 7000),
    );
  }
});

test('a row beyond the next page is refused', () => {
  assert.throws(() => new PagedInts(1).reach(5000));
});
