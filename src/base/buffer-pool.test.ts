import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BufferPool } from './buffer-pool.ts';

test('a chunk that was given back is taken again', () => {
  const pool = new BufferPool(1024, 2);
  const chunk = pool.take();
  assert.equal(chunk.length, 1024);
  assert.notEqual(pool.take(), chunk);
  pool.give(chunk);
  assert.equal(pool.take(), chunk);
});

test('no more than keptMax chunks lie unused', () => {
  const pool = new BufferPool(16, 2);
  const chunks = [pool.take(), pool.take(), pool.take()];
  for (const chunk of chunks) pool.give(chunk);
  assert.equal(pool.keptCount, 2);
});

test('a chunk given back twice, or of another size, is a defect', () => {
  const pool = new BufferPool(16, 4);
  const chunk = pool.take();
  pool.give(chunk);
  assert.throws(() => pool.give(chunk), /twice/);
  assert.throws(() => pool.give(new Uint8Array(15)), /16 bytes, got 15/);
  assert.throws(() => new BufferPool(0, 1), /at least one byte/);
});
