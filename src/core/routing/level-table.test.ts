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

test('a level is found in place as it is by its text, while numbers change hands', () => {
  const levels = new LevelTable();
  const texts = Array.from({ length: 10_000 }, (_, index) => `level-${index}`);
  const numbers = texts.map((text) => levels.use(text));
  const inPlace = (text: string) => levels.findIn(`a/${text}/b`, 2, 2 + text.length);
  for (let round = 0; round < 2; round += 1) {
    assert.deepEqual(texts.map(inPlace), numbers);
  }
  assert.equal(inPlace(''), NO_LEVEL);
  for (const number of numbers.slice(0, 5000)) levels.release(number);
  assert.deepEqual(texts.slice(0, 5000).map(inPlace), new Array(5000).fill(NO_LEVEL));
  const other = texts.map((text) => `other-${text}`).map((text) => levels.use(text));
  for (const [index, text] of texts.entries()) {
    assert.equal(inPlace(text), index < 5000 ? NO_LEVEL : numbers[index]);
    assert.equal(inPlace(`other-${text}`), other[index]);
  }
  const empty = levels.use('');
  assert.equal(inPlace(''), empty);
  levels.release(empty);
  assert.equal(inPlace(''), NO_LEVEL);
});
