import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Turn } from '../../base/turn.ts';
import { HandOutBudget } from './hand-out-budget.ts';
import { RetainedStore } from './retained-store.ts';
import { retained } from './routing.fixture.ts';

/** Turns that end when the test says so. */
function createTurns(): Turn & { end(): number } {
  let runs: (() => void)[] = [];
  return {
    atEnd: (run) => void runs.push(run),
    end() {
      const due = runs;
      runs = [];
      for (const run of due) run();
      return due.length;
    },
  };
}

test('is renewed once at the end of each turn in which something was spent', () => {
  const turns = createTurns();
  const budget = new HandOutBudget(turns, () => 0);
  assert.equal(turns.end(), 0);
  for (let round = 0; round < 3; round += 1) {
    while (budget.isLeft) budget.spend(100);
    assert.equal(turns.end(), 1);
    assert.equal(budget.isLeft, true);
  }
  assert.equal(turns.end(), 0);
});

test('ends early when its time is over, but not before something was done', () => {
  const turns = createTurns();
  let nowMs = 0;
  const budget = new HandOutBudget(turns, () => nowMs);
  for (let round = 0; round < 3; round += 1) {
    let spent = 0;
    for (; budget.isLeft; spent += 10, nowMs += 1) budget.spend(10);
    assert.ok(spent >= 250 && spent < 300, `${spent} units`);
    nowMs += 1000;
    turns.end();
  }
});

test('a hundred cursors at once do in one turn what a few do, and all of them come to their end', () => {
  const turns = createTurns();
  const store = new RetainedStore(1, new HandOutBudget(turns, () => 0));
  const count = 3000;
  for (let index = 0; index < count; index += 1) store.set(retained(`a/${index}`));
  const cursors = Array.from({ length: 100 }, (_, index) => store.cursor(index % 2 === 0 ? '#' : '+/+/none'));
  const found = cursors.map(() => 0);
  let perTurnMax = 0;
  for (let turn = 0; cursors.some(({ isDone }) => !isDone); turn += 1) {
    assert.ok(turn < 1000, 'they come to an end');
    let perTurn = 0;
    for (const [index, cursor] of cursors.entries()) {
      const slice = Array.from(cursor.next(1024), () => 1).length;
      found[index] = (found[index] ?? 0) + slice;
      perTurn += slice;
    }
    perTurnMax = Math.max(perTurnMax, perTurn);
    turns.end();
  }
  assert.deepEqual(
    found,
    cursors.map((_, index) => (index % 2 === 0 ? count : 0)),
  );
  assert.ok(perTurnMax > 1000 && perTurnMax < 2500, `${perTurnMax} in one turn`);
});

test('an urgent slice is given although the time of the turn is used up', () => {
  const turns = createTurns();
  const store = new RetainedStore(1, new HandOutBudget(turns, () => 0));
  for (let index = 0; index < 3000; index += 1) store.set(retained(`a/${index}`));
  const [greedy, leaving] = [store.cursor('#'), store.cursor('#')];
  for (let slice = 0; slice < 3; slice += 1) Array.from(greedy.next(1024));
  assert.equal(Array.from(leaving.next(100)).length, 0);
  assert.equal(Array.from(leaving.next(100, true)).length, 100);
});
