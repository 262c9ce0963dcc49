import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { EdgeTable, NO_EDGE } from './edge-table.ts';
import { manyOf } from './routing.fixture.ts';

const KEY_MAX = 40;

test('any sequence of changes finds what a map finds, whatever the seed', () => {
  const step = fc.tuple(fc.constantFrom('add', 'add', 'update', 'remove'), fc.nat(KEY_MAX), fc.nat(KEY_MAX), fc.nat());
  fc.assert(
    fc.property(manyOf(step, 400), fc.integer(), (steps, seed) => {
      const table = new EdgeTable(seed);
      const model = new Map<string, number>();
      for (const [action, parent, level, child] of steps) {
        const key = `${parent} ${level}`;
        if (model.has(key) === (action === 'add')) continue;
        if (action === 'add') table.add(parent, level, child);
        else if (action === 'update') table.update(parent, level, child);
        else table.remove(parent, level);
        if (action === 'remove') model.delete(key);
        else model.set(key, child);
      }
      for (let parent = 0; parent <= KEY_MAX; parent += 1) {
        for (let level = 0; level <= KEY_MAX; level += 1) {
          assert.equal(table.find(parent, level), model.get(`${parent} ${level}`) ?? NO_EDGE);
        }
      }
    }),
    { numRuns: 100 },
  );
});

test('it grows and shrinks through 200,000 edges, of one parent and of many', () => {
  const table = new EdgeTable(7);
  const bytesAtFirst = table.bytes;
  for (let index = 0; index < 100_000; index += 1) {
    table.add(0, index, index);
    table.add(index + 1, 5, -2 - index);
  }
  // Each slot is 12 bytes and at most 70 % are used, at least half of that after growing.
  assert.ok(table.bytes >= (200_000 * 12) / 0.7 && table.bytes <= (200_000 * 12) / 0.34, `${table.bytes} bytes`);
  for (let index = 0; index < 100_000; index += 2) {
    table.remove(0, index);
    table.remove(index + 1, 5);
  }
  for (let index = 0; index < 100_000; index += 1) {
    assert.equal(table.find(0, index), index % 2 === 0 ? NO_EDGE : index);
    assert.equal(table.find(index + 1, 5), index % 2 === 0 ? NO_EDGE : -2 - index);
  }
  for (let index = 1; index < 100_000; index += 2) {
    table.remove(0, index);
    table.remove(index + 1, 5);
  }
  assert.equal(table.find(0, 1), NO_EDGE);
  assert.equal(table.bytes, bytesAtFirst);
  table.add(0, 1, 9);
  assert.equal(table.find(0, 1), 9);
});
