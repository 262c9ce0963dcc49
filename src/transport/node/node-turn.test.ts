import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { createImmediateTurn } from './node-turn.ts';

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

test('all runs of a turn run at its end, in order', async () => {
  const turn = createImmediateTurn();
  const ran: string[] = [];
  turn.atEnd(() => ran.push('a'));
  turn.atEnd(() => ran.push('b'));
  process.nextTick(() => turn.atEnd(() => ran.push('c')));
  queueMicrotask(() => ran.push('before the end'));
  assert.deepEqual(ran, []);
  await nextTurn();
  assert.deepEqual(ran, ['before the end', 'a', 'b', 'c']);
});

test('a run that asks for the end of the turn again waits for the next one', async () => {
  const turn = createImmediateTurn();
  const ran: string[] = [];
  turn.atEnd(() => {
    ran.push('first turn');
    turn.atEnd(() => ran.push('second turn'));
  });
  await nextTurn();
  assert.deepEqual(ran, ['first turn']);
  await nextTurn();
  assert.deepEqual(ran, ['first turn', 'second turn']);
});

test('two turns do not know each other', async () => {
  const ran: string[] = [];
  createImmediateTurn().atEnd(() => ran.push('a'));
  createImmediateTurn().atEnd(() => ran.push('b'));
  await nextTurn();
  assert.deepEqual(ran, ['a', 'b']);
});

test('a run that throws does not lose the others', async (t) => {
  const turn = createImmediateTurn();
  const ran: string[] = [];
  const defect = new Error('defect');
  const caught = once(process, 'uncaughtException');
  const others = process.listeners('uncaughtException').slice(0, -1);
  for (const listener of others) process.off('uncaughtException', listener);
  t.after(() => {
    for (const listener of others) process.on('uncaughtException', listener);
  });
  turn.atEnd(() => {
    throw defect;
  });
  turn.atEnd(() => ran.push('b'));
  const [error] = await caught;
  assert.equal(error, defect);
  assert.deepEqual(ran, ['b']);
  turn.atEnd(() => ran.push('c'));
  await nextTurn();
  assert.deepEqual(ran, ['b', 'c']);
});
