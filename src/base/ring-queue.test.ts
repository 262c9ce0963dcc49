import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { RingQueue } from './ring-queue.ts';

function contents<T>(queue: RingQueue<T>): T[] {
  return Array.from({ length: queue.length }, (_, index) => queue.at(index)!);
}

describe('RingQueue', () => {
  test('first in, first out', () => {
    const queue = new RingQueue<string>();
    queue.push('a');
    queue.push('b');
    assert.equal(queue.peek(), 'a');
    assert.equal(queue.shift(), 'a');
    assert.equal(queue.shift(), 'b');
    assert.equal(queue.shift(), undefined);
    assert.equal(queue.peek(), undefined);
    assert.equal(queue.length, 0);
  });

  test('has no array before the first push, nor after clear', () => {
    const queue = new RingQueue<number>();
    assert.equal(queue.capacity, 0);
    assert.equal(queue.shift(), undefined);
    assert.equal(queue.at(0), undefined);
    assert.equal(
      queue.filterInto(() => false),
      0,
    );
    assert.equal(queue.capacity, 0);
    queue.push(1);
    assert.equal(queue.capacity, 4);
    queue.clear();
    assert.equal(queue.capacity, 0);
    queue.push(2);
    assert.deepEqual(contents(queue), [2]);
  });

  test('two queues do not share what they have in common before the first push', () => {
    const [a, b] = [new RingQueue<number>(), new RingQueue<number>()];
    a.push(1);
    assert.equal(b.length, 0);
    assert.equal(b.at(0), undefined);
  });

  test('gives back the room of a burst', () => {
    const queue = new RingQueue<number>();
    for (let value = 0; value < 10_000; value++) queue.push(value);
    assert.equal(queue.capacity, 16_384);
    for (let value = 0; value < 9_990; value++) assert.equal(queue.shift(), value);
    assert.ok(queue.capacity <= 128, `${queue.capacity} slots for 10 elements`);
    assert.deepEqual(contents(queue), [9990, 9991, 9992, 9993, 9994, 9995, 9996, 9997, 9998, 9999]);
    queue.filterInto(() => false);
    assert.equal(queue.capacity, 4);
  });

  test('a length that swings around one value does not copy each time', () => {
    for (const around of [4, 8, 64, 512]) {
      const queue = new RingQueue<number>();
      for (let value = 0; value < around; value++) queue.push(value);
      const capacities = new Set<number>();
      for (let round = 0; round < 100; round++) {
        queue.push(round);
        queue.shift();
        capacities.add(queue.capacity);
      }
      assert.equal(capacities.size, 1);
    }
  });

  test('filterInto keeps the order across the end of the ring, and tells how many went', () => {
    const queue = new RingQueue<number>();
    for (let value = 0; value < 8; value++) queue.push(value);
    for (let value = 0; value < 5; value++) queue.shift();
    for (let value = 8; value < 13; value++) queue.push(value);
    assert.equal(
      queue.filterInto((value) => value % 2 === 0),
      4,
    );
    assert.deepEqual(contents(queue), [6, 8, 10, 12]);
  });

  test('what has left the queue is not kept alive by it', async () => {
    setFlagsFromString('--expose-gc');
    const collectGarbage: () => void = runInNewContext('gc');
    const queue = new RingQueue<{ name: string }>();
    const push = (name: string) => {
      const value = { name };
      queue.push(value);
      return new WeakRef(value);
    };
    const gone = ['shifted', 'filtered', 'kept', 'filtered'].map(push);
    queue.shift();
    queue.filterInto((value) => value.name === 'kept');
    // A WeakRef holds its target until the running job is over.
    await new Promise((resolve) => setImmediate(resolve));
    collectGarbage();
    assert.deepEqual(
      gone.map((ref) => ref.deref() !== undefined),
      [false, false, true, false],
    );
    assert.equal(queue.length, 1);
  });

  test('replaceAt', () => {
    const queue = new RingQueue<string>();
    queue.push('a');
    queue.push('b');
    queue.replaceAt(1, 'c');
    assert.deepEqual(contents(queue), ['a', 'c']);
    assert.throws(() => queue.replaceAt(2, 'd'), /outside/);
  });

  test('behaves like an array', () => {
    const step = fc.record({
      kind: fc.constantFrom('push', 'push', 'push', 'burst', 'shift', 'shift', 'drain', 'filter', 'replace', 'clear'),
      value: fc.nat(1000),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const queue = new RingQueue<number>();
        let model: number[] = [];
        for (const { kind, value } of steps) {
          if (kind === 'push') {
            queue.push(value);
            model.push(value);
          } else if (kind === 'burst') {
            for (let count = 0; count < value % 100; count++) {
              queue.push(count);
              model.push(count);
            }
          } else if (kind === 'shift') {
            assert.equal(queue.shift(), model.shift());
          } else if (kind === 'drain') {
            for (let count = value % 100; count > 0; count--) assert.equal(queue.shift(), model.shift());
          } else if (kind === 'filter') {
            const before = model.length;
            model = model.filter((element) => element % 3 !== value % 3);
            assert.equal(
              queue.filterInto((element) => element % 3 !== value % 3),
              before - model.length,
            );
          } else if (kind === 'replace' && model.length > 0) {
            queue.replaceAt(value % model.length, value);
            model[value % model.length] = value;
          } else if (kind === 'clear' && value < 100) {
            queue.clear();
            model = [];
          }
          assert.equal(queue.peek(), model[0]);
          assert.deepEqual(contents(queue), model);
          assert.equal(queue.at(-1), undefined);
          assert.equal(queue.at(model.length), undefined);
          assert.ok(queue.capacity <= Math.max(4, model.length * 8), 'room in proportion');
        }
      }),
      { numRuns: 300 },
    );
  });
});
