import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WideMap } from './wide-map.ts';

test('it is a map, small and large, and from large back to empty', () => {
  const map = new WideMap<number>();
  const model = new Map<string, number>();
  const key = (index: number) => (index % 3 === 0 ? `device-${index}` : `${index}/${'x'.repeat(index % 100)}`);
  for (let index = 0; index < 40_000; index += 1) {
    map.set(key(index), index);
    model.set(key(index), index);
  }
  map.set(key(5), -5);
  model.set(key(5), -5);
  assert.equal(map.size, model.size);
  for (const [text, value] of model) assert.equal(map.get(text), value);
  assert.equal(map.get('absent'), undefined);
  assert.equal(map.delete('absent'), false);
  for (const text of model.keys()) assert.equal(map.delete(text), true);
  assert.equal(map.size, 0);
  assert.equal(map.get(key(5)), undefined);
  map.set('again', 1);
  assert.deepEqual([map.size, map.get('again')], [1, 1]);
});

test('names of object members are ordinary keys', () => {
  const map = new WideMap<number>();
  for (const key of ['__proto__', 'constructor', 'toString', '']) {
    assert.equal(map.get(key), undefined);
    map.set(key, 1);
    assert.equal(map.get(key), 1);
  }
  assert.equal(map.size, 4);
});
