import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { OwnedMessage } from '../model/message.ts';
import { type RetainedCursor, RetainedStore } from './retained-store.ts';
import { filterText, manyOf, naiveMatches, retained, topicText } from './routing.fixture.ts';

function storeOf(...topics: readonly string[]): RetainedStore {
  const store = new RetainedStore();
  for (const topic of topics) store.set(retained(topic));
  return store;
}

function readAll(cursor: RetainedCursor, limit = 100): OwnedMessage[] {
  const found: OwnedMessage[] = [];
  while (!cursor.isDone) found.push(...cursor.next(limit));
  assert.deepEqual(cursor.next(limit), []);
  return found;
}

function topicsFor(store: RetainedStore, filter: string): string[] {
  return readAll(store.cursor(filter))
    .map((message) => message.topic.text)
    .toSorted();
}

test('[MQTT5-3.3.1-5] [MQTT3-3.3.1-5] a topic has one message, the last', () => {
  const store = new RetainedStore();
  const first = retained('a/b', 'first');
  const second = retained('a/b', 'the second');
  assert.equal(store.set(first), null);
  assert.equal(store.set(second), first);
  assert.equal(store.get('a/b'), second);
  assert.equal(store.get('a'), null);
  assert.deepEqual([store.count, store.bytes], [1, 10]);
  assert.equal(store.remove('a'), null);
  assert.equal(store.remove('a/b/c'), null);
  assert.equal(store.remove('a/b'), second);
  assert.equal(store.remove('a/b'), null);
  assert.deepEqual([store.count, store.bytes, store.get('a/b')], [0, 0, null]);
});

test('[MQTT5-3.3.1-7] [MQTT3-3.3.1-11] a message without payload is never kept and removes the one that was', () => {
  const store = storeOf('a');
  const old = store.get('a');
  assert.equal(store.set(retained('a', '')), old);
  assert.equal(store.set(retained('b', '')), null);
  assert.deepEqual([store.count, store.bytes, topicsFor(store, '#')], [0, 0, []]);
});

test('filters find what section 4.7 says', () => {
  const topics = ['a', 'a/b', 'a/b/c', 'a/', '/', '/a', 'b', '$SYS', '$SYS/a', 'a/$SYS'];
  const store = storeOf(...topics);
  for (const filter of [
    '#',
    '+',
    '+/+',
    'a/#',
    'a/+',
    'a',
    '/#',
    '+/b/#',
    '$SYS/#',
    '$SYS/+',
    'a/b/#',
    'none',
    'a/b/c/d',
  ]) {
    assert.deepEqual(
      topicsFor(store, filter),
      topics.filter((topic) => naiveMatches(filter, topic)).toSorted(),
      filter,
    );
  }
});

test('[MQTT5-4.7.2-1] [MQTT3-4.7.2-1] T08 retained $ topics are not given to a filter that begins with a wildcard', () => {
  const store = storeOf('$', '$x', '$SYS/a', '$SYS', 'a');
  assert.deepEqual(topicsFor(store, '#'), ['a']);
  assert.deepEqual(topicsFor(store, '+'), ['a']);
  assert.deepEqual(topicsFor(store, '+/a'), []);
  assert.deepEqual(topicsFor(store, '$SYS/#'), ['$SYS', '$SYS/a']);
});

test('T15 topics of 65,535 slashes need no stack', () => {
  const store = new RetainedStore();
  const text = '/'.repeat(65_535);
  const message = retained('a');
  // Not through the parser, which refuses more than 200 levels: the store does not rely on that.
  store.set(Object.assign(Object.create(message), { topic: { ...message.topic, text } }));
  for (const filter of ['#', text, text.replaceAll('/', '+/'), `${text}#`]) {
    assert.equal(readAll(store.cursor(filter)).length, 1);
  }
  assert.notEqual(store.remove(text), null);
  assert.equal(store.count, 0);
});

test('a slice gives no more than its limit and does not visit without end', () => {
  const store = new RetainedStore();
  for (let index = 0; index < 20_000; index += 1) store.set(retained(`a/${index}/b`));
  const all = store.cursor('#');
  assert.equal(all.next(0).length, 0);
  assert.equal(all.isDone, false);
  assert.equal(all.next(7).length, 7);
  assert.equal(readAll(all, 1000).length, 19_993);
  // Nothing matches, but all has to be visited: in slices too.
  const none = store.cursor('+/+/c');
  assert.deepEqual(none.next(10), []);
  assert.equal(none.isDone, false);
  assert.deepEqual(readAll(none), []);
});

test('a cursor goes on through removal of everything, and through removal and return of a topic', () => {
  const topics = Array.from({ length: 3000 }, (_, index) => `a/${index}`);
  const store = storeOf(...topics);
  const gone = store.cursor('#');
  const returned = store.cursor('#');
  const first = [...gone.next(10), ...returned.next(1500)];
  assert.equal(first.length, 1510);
  for (const topic of topics) store.remove(topic);
  assert.deepEqual(readAll(gone), []);
  for (const topic of topics) store.set(retained(topic));
  assert.deepEqual(readAll(returned), []);
  assert.equal(readAll(store.cursor('#')).length, 3000);
});

test('100,000 children of one level are kept, streamed and removed', () => {
  const store = new RetainedStore();
  const template = retained('a');
  const count = 100_000;
  const message = (index: number) =>
    Object.assign(Object.create(template), { topic: { ...template.topic, text: `d${index}` } });
  for (let index = 0; index < count; index += 1) store.set(message(index));
  assert.equal(readAll(store.cursor('+'), 5000).length, count);
  for (let index = 0; index < count; index += 1) assert.notEqual(store.remove(`d${(index * 7919) % count}`), null);
  assert.deepEqual([store.count, readAll(store.cursor('#'))], [0, []]);
});

// ------------------------------------------------------------------------------------------- against a plain map

interface Step {
  readonly action: 'set' | 'remove';
  readonly topic: string;
}

const step: fc.Arbitrary<Step> = fc.record({
  action: fc.constantFrom('set', 'set', 'remove'),
  topic: fc.oneof(
    { weight: 2, arbitrary: topicText },
    { weight: 1, arbitrary: fc.nat(150).map((index) => `many/${index}`) },
  ),
});

function applyTo(model: Map<string, OwnedMessage>, store: RetainedStore, { action, topic }: Step): void {
  const known = model.get(topic) ?? null;
  if (action === 'remove') {
    assert.equal(store.remove(topic), known);
    model.delete(topic);
    return;
  }
  const message = retained(topic, 'x'.repeat(1 + (topic.length % 5)));
  assert.equal(store.set(message), known);
  model.set(topic, message);
}

test('any sequence of changes keeps what a map keeps, and cursors find what the naive matcher finds', () => {
  const filter = fc.oneof(filterText, fc.constantFrom('#', 'many/+', '+/+'));
  fc.assert(
    fc.property(manyOf(step, 150), manyOf(filter, 6), (steps, filters) => {
      const store = new RetainedStore();
      const model = new Map<string, OwnedMessage>();
      for (const change of steps) applyTo(model, store, change);
      for (const [topic, message] of model) assert.equal(store.get(topic), message);
      const bytes = [...model.values()].reduce((sum, message) => sum + message.payloadEnd, 0);
      assert.deepEqual([store.count, store.bytes], [model.size, bytes]);
      for (const text of [...filters, ...model.keys()]) {
        const expected = [...model.values()].filter((message) => naiveMatches(text, message.topic.text));
        const found = readAll(store.cursor(text), 3);
        assert.equal(found.length, expected.length);
        assert.deepEqual(new Set(found), new Set(expected));
      }
      for (const topic of model.keys()) store.remove(topic);
      assert.deepEqual([store.count, store.bytes, store.nodeCount, topicsFor(store, '#')], [0, 0, 1, []]);
    }),
    { numRuns: 300 },
  );
});

test('a cursor read between changes: nothing twice, nothing that is gone, all that stayed', () => {
  const slice = fc.record({ limit: fc.nat(4), changes: manyOf(step, 6) });
  const filter = fc.oneof(filterText, fc.constantFrom('#', 'many/+', '+/+', 'many/#'));
  fc.assert(
    fc.property(manyOf(step, 120), manyOf(slice, 60), filter, (steps, slices, text) => {
      const store = new RetainedStore();
      const model = new Map<string, OwnedMessage>();
      // More than a cursor takes in hand at a time.
      for (let index = 0; index < 150; index += 1) applyTo(model, store, { action: 'set', topic: `many/${index}` });
      for (const change of steps) applyTo(model, store, change);
      const stayed = new Set([...model.keys()].filter((topic) => naiveMatches(text, topic)));
      const delivered = new Set<string>();
      const cursor = store.cursor(text);
      for (const { limit, changes } of [...slices, { limit: Infinity, changes: [] }]) {
        const found = cursor.next(limit);
        assert.ok(found.length <= limit);
        for (const message of found) {
          const topic = message.topic.text;
          assert.equal(delivered.has(topic), false, `${topic} came twice`);
          assert.equal(model.get(topic), message, `${topic} is not what is kept now`);
          assert.equal(naiveMatches(text, topic), true);
          delivered.add(topic);
        }
        for (const change of changes) {
          applyTo(model, store, change);
          if (change.action === 'remove') stayed.delete(change.topic);
        }
      }
      for (const topic of stayed) assert.equal(delivered.has(topic), true, `${topic} was left out`);
      assert.equal(cursor.isDone, true);
    }),
    { numRuns: 500 },
  );
});
