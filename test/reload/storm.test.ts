import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runStorm, troublesOf } from './run-storm.ts';

test('a thousand reloads under load, a third of them broken: nobody is dropped, nobody gets in', async () => {
  const result = await runStorm(1000);
  assert.deepEqual(troublesOf(result), []);
  assert.equal(result.reloads, 1000);
  assert.ok(result.refusedReloads >= 300 && result.refusedReloads <= 370, `${result.refusedReloads} were refused`);
  assert.ok(result.received > 1000, `${result.received} messages went through`);
});
