import assert from 'node:assert/strict';
import { test } from 'node:test';
import { internLevel, levelEnd } from './level.ts';

test('levels end at slashes and at the end', () => {
  assert.equal(levelEnd('a/bc//d', 0), 1);
  assert.equal(levelEnd('a/bc//d', 2), 4);
  assert.equal(levelEnd('a/bc//d', 5), 5);
  assert.equal(levelEnd('a/bc//d', 6), 7);
  assert.equal(levelEnd('', 0), 0);
});

test('an interned level is the same text', () => {
  for (const level of ['', 'a', '0', '42', '4294967295', '__proto__', 'toString', 'ä'.repeat(100)]) {
    assert.equal(internLevel(level), level);
    assert.equal(internLevel(`x/${level}`.slice(2)), level);
  }
});
