import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemRandom } from './node-random.ts';

test('fills and returns what it is given, differently each time', () => {
  const bytes = new Uint8Array(32);
  assert.equal(systemRandom.fill(bytes), bytes);
  const first = bytes.slice();
  systemRandom.fill(bytes);
  assert.notDeepEqual(bytes, first);
});
