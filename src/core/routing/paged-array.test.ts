import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PagedArray } from './paged-array.ts';

test('items stand where they were set, whatever the order, and nowhere else', () => {
  const items = new PagedArray<string>();
  assert.equal(items.get(0), undefined);
  for (const index of [100_000, 0, 1023, 1024, 5000]) items.set(index, `item ${index}`);
  items.set(5000, undefined);
  for (const index of [100_000, 0, 1023, 1024]) assert.equal(items.get(index), `item ${index}`);
  for (const index of [1, 1022, 1025, 2048, 5000, 99_999, 100_001, 1_000_000])
    assert.equal(items.get(index), undefined);
});
