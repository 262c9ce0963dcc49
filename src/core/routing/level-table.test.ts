import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LevelTable, NO_LEVEL, PLUS } from './level-table.ts';

test('a level has a number while it is used, and one only', () => {
  const levels = new LevelTable();
  assert.equal(levels.find('a'), NO_LEVEL);
  const number = levels.use('a');
  assert.equal(levels.use('a'), number);
  assert.notEqual(levels.use('b'), number);
  levels.release(number);
  assert.equal(levels.find('a'), number);
  levels.release(number);
  assert.equal(levels.find('a'), NO_LEVEL);
  assert.equal(levels.count, 1);
});

test('numbers are used again, and + keeps its own', () => {
  const levels = new LevelTable();
  const first = levels.use('__proto__');
  levels.release(first);
  assert.equal(levels.use('constructor'), first);
  assert.equal(levels.use('+'), PLUS);
  levels.release(PLUS);
  assert.equal(levels.findInFilter('+'), PLUS);
  // A topic name cannot have such a level; if it had, it would be no wildcard.
  assert.equal(levels.find('+'), NO_LEVEL);
});
