import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeTurn } from '../../../test/fixtures/fake-turn.ts';
import { Flusher } from './flusher.ts';

function setup() {
  const turn = new FakeTurn();
  const flusher = new Flusher(turn);
  const flushed: string[] = [];
  const named = (name: string, more?: () => void) => ({
    flush() {
      flushed.push(name);
      more?.();
    },
  });
  return { turn, flusher, flushed, named };
}

test('everything that was added in a turn is flushed at its end, once and in order', () => {
  const { turn, flusher, flushed, named } = setup();
  for (const round of [1, 2]) {
    for (const name of ['a', 'b', 'c'].slice(0, 4 - round)) flusher.add(named(`${name}${round}`));
    assert.equal(turn.isPending, true);
    turn.end();
    assert.equal(turn.isPending, false);
  }
  assert.deepEqual(flushed, ['a1', 'b1', 'c1', 'a2', 'b2']);
  flusher.flushAll();
  assert.equal(flushed.length, 5, 'what stood on the list before is not flushed again');
});

test('what becomes dirty during a flush has its turn in the next one', () => {
  const { turn, flusher, flushed, named } = setup();
  const again = named('again');
  flusher.add(named('first', () => flusher.add(again)));
  flusher.add(named('second'));
  flusher.flushAll();
  assert.deepEqual(flushed, ['first', 'second']);
  turn.end();
  assert.deepEqual(flushed, ['first', 'second', 'again']);
});

test('after one that fails the rest is flushed in the next turn', () => {
  const { turn, flusher, flushed, named } = setup();
  const fail = (): never => {
    throw new Error('broken');
  };
  flusher.add(named('first'));
  flusher.add(named('second', fail));
  flusher.add(named('third'));
  assert.throws(() => flusher.flushAll(), /broken/);
  assert.deepEqual(flushed, ['first', 'second']);
  turn.end();
  assert.deepEqual(flushed, ['first', 'second', 'third']);
});

test('many at once, and fewer after that', () => {
  const { turn, flusher, flushed, named } = setup();
  for (const count of [1000, 3, 1000]) {
    flushed.length = 0;
    for (let index = 0; index < count; index += 1) flusher.add(named(`${index}`));
    turn.end();
    assert.deepEqual(
      flushed,
      Array.from({ length: count }, (_, index) => `${index}`),
    );
  }
});
