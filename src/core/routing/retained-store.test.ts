import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { TopicName } from '../../protocol/topic.ts';
import { type Message, OwnedMessage } from '../model/message.ts';
import { type RetainedCursor, RetainedStore } from './retained-store.ts';
import { filterText, manyOf, naiveMatches, nameOf, retained, topicText } from './routing.fixture.ts';

const encoder = new TextEncoder();

function storeOf(...topics: readonly string[]): RetainedStore {
  const store = new RetainedStore();
  for (const topic of topics) store.set(retained(topic));
  return store;
}

/** Each message is lent until the next one, so each is owned when it comes. */
function readSlice(cursor: RetainedCursor, limit: number): OwnedMessage[] {
  return Array.from(cursor.next(limit), (message: Message) => message.own());
}

function readAll(cursor: RetainedCursor, limit = 100): OwnedMessage[] {
  const found: OwnedMessage[] = [];
  while (!cursor.isDone) found.push(...readSlice(cursor, limit));
  assert.deepEqual(readSlice(cursor, limit), []);
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
  assert.equal(store.set(first), true);
  assert.equal(store.set(second), true);
  assert.deepEqual(store.get(nameOf('a/b')), second);
  assert.equal(store.get(nameOf('a')), null);
  assert.deepEqual([store.count, store.bytes], [1, 10]);
  assert.equal(store.remove(nameOf('a')), false);
  assert.equal(store.remove(nameOf('a/b/c')), false);
  assert.equal(store.remove(nameOf('a/b')), true);
  assert.equal(store.remove(nameOf('a/b')), false);
  assert.deepEqual([store.count, store.bytes, store.get(nameOf('a/b'))], [0, 0, null]);
});

test('[MQTT5-3.3.1-7] [MQTT3-3.3.1-11] a message without payload is never kept and removes the one that was', () => {
  const store = storeOf('a');
  assert.equal(store.set(retained('a', '')), false);
  assert.equal(store.set(retained('b', '')), false);
  assert.deepEqual([store.count, store.bytes, topicsFor(store, '#')], [0, 0, []]);
});

test('all that a message has is kept: QoS, expiry, properties, publisher, topic', () => {
  const store = new RetainedStore();
  const message = (fields: Partial<OwnedMessage>): OwnedMessage =>
    new OwnedMessage({ ...retained('ä/°C', 'x'), ...fields });
  for (const kept of [
    message({ qos: 1 }),
    message({ qos: 2, expiresAtMs: 123_456.789 }),
    message({ forwardedProperties: Uint8Array.of(0x01, 0x01) }),
    message({ publisherId: 'Prüfstand-7', expiresAtMs: 0.5, forwardedProperties: Uint8Array.of(1, 2, 3) }),
    message({ bytes: new Uint8Array(3000).fill(7), publisherId: 'p'.repeat(3000) }),
    message({ bytes: new Uint8Array(1_000_000).fill(8), publisherId: 'p' }),
  ]) {
    assert.equal(store.set(kept), true);
    assert.deepEqual(store.get(nameOf('ä/°C')), kept);
    assert.deepEqual(readAll(store.cursor('#')), [kept]);
    assert.deepEqual([store.count, store.bytes], [1, kept.payloadEnd]);
  }
});

test('T09 who published it is kept with it, whatever else it has', () => {
  const name = fc.string({ unit: 'grapheme', maxLength: 20 });
  const publisher = fc.record({
    clientId: name,
    userName: fc.option(name),
    listenerId: fc.oneof(fc.nat(70_000), fc.constantFrom(0, 65_535, 65_536)),
  });
  fc.assert(
    fc.property(fc.option(publisher), fc.nat(6000), fc.boolean(), (who, payloadBytes, expires) => {
      const store = new RetainedStore();
      const message = new OwnedMessage({
        topic: nameOf('a/b'),
        qos: 1,
        retain: true,
        expiresAtMs: expires ? 5000 : Number.POSITIVE_INFINITY,
        forwardedProperties: encoder.encode('properties'),
        publisherId: who?.clientId ?? '',
        publisher: who,
        bytes: new Uint8Array(payloadBytes + 1).fill(7),
      });
      store.set(message, expires ? 100 : undefined);
      const [found] = readAll(store.cursor('#'));
      assert.deepEqual(found?.publisher && { ...found.publisher }, who === null ? null : { ...who });
      assert.deepEqual(
        [found?.publisherId, found?.expiresAtMs, found?.forwardedProperties, found?.bytes],
        [message.publisherId, message.expiresAtMs, message.forwardedProperties, message.bytes],
      );
    }),
  );
});

test('messages that grow and shrink, from a few bytes to more than a record holds', () => {
  const store = new RetainedStore();
  const topics = ['a', 'b', 'c', 'a/b', 'c/d'];
  const sizes = [1, 4000, 4096, 9, 5000, 70, 60, 61, 100_000, 20_000, 3, 4091, 4080];
  for (const [round] of sizes.entries()) {
    for (const [index, topic] of topics.entries()) {
      store.set(retained(topic, String(index).repeat(sizes[(round + index) % sizes.length] ?? 1)));
    }
    for (const [index, topic] of topics.entries()) {
      const expected = retained(topic, String(index).repeat(sizes[(round + index) % sizes.length] ?? 1));
      assert.deepEqual(store.get(nameOf(topic)), expected);
    }
  }
  for (const topic of topics) assert.equal(store.remove(nameOf(topic)), true);
  assert.deepEqual([store.count, store.bytes, store.nodeCount], [0, 0, 1]);
});

test('what is lent is not what is owned: it shows the next message, an owned one stays', () => {
  const store = storeOf('a', 'b', 'c');
  const lent: Message[] = [];
  const owned: OwnedMessage[] = [];
  for (const message of store.cursor('#').next(10)) {
    lent.push(message);
    owned.push(message.own());
    assert.equal(message.own(), message.own());
  }
  assert.deepEqual(new Set(lent).size, 1);
  store.set(retained('a', 'another'));
  assert.deepEqual(owned, [retained('a'), retained('b'), retained('c')]);
});

test('a cursor leaves out what is not wanted, which may be removed as it is found', () => {
  const store = storeOf('a', 'b', 'c', 'd');
  const cursor = store.cursor('#', (message) => {
    if (message.topic.text !== 'b' && message.topic.text !== 'c') return true;
    store.remove(message.own().topic);
    return false;
  });
  assert.deepEqual(readSlice(cursor, 2), [retained('a'), retained('d')]);
  assert.deepEqual([cursor.isDone, store.count], [false, 2]);
  assert.deepEqual([readSlice(cursor, 2), cursor.isDone], [[], true]);
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
  const topic = { ...message.topic, text, bytes: encoder.encode(text) };
  store.set(Object.assign(Object.create(message), { topic }));
  for (const filter of ['#', text, text.replaceAll('/', '+/'), `${text}#`]) {
    assert.equal(readAll(store.cursor(filter)).length, 1);
  }
  assert.equal(store.remove(topic), true);
  assert.equal(store.count, 0);
});

test('a slice gives no more than its limit and does not visit without end', () => {
  const store = new RetainedStore();
  for (let index = 0; index < 20_000; index += 1) store.set(retained(`a/${index}/b`));
  const all = store.cursor('#');
  assert.equal(readSlice(all, 0).length, 0);
  assert.equal(all.isDone, false);
  assert.equal(readSlice(all, 7).length, 7);
  assert.equal(readAll(all, 1000).length, 19_993);
  // Nothing matches, but all has to be visited: in slices too.
  const none = store.cursor('+/+/c');
  assert.deepEqual(readSlice(none, 10), []);
  assert.equal(none.isDone, false);
  assert.deepEqual(readAll(none), []);
});

test('a cursor goes on through removal of everything, and through removal and return of a topic', () => {
  const topics = Array.from({ length: 3000 }, (_, index) => `a/${index}`);
  const store = storeOf(...topics);
  const gone = store.cursor('#');
  const returned = store.cursor('#');
  const first = [...readSlice(gone, 10), ...readSlice(returned, 900)];
  assert.equal(first.length, 910);
  for (const topic of topics) store.remove(nameOf(topic));
  assert.deepEqual(readAll(gone), []);
  for (const topic of topics) store.set(retained(topic));
  assert.deepEqual(readAll(returned), []);
  assert.equal(readAll(store.cursor('#')).length, 3000);
});

test('100,000 children of one level are kept, streamed and removed', () => {
  const store = new RetainedStore();
  const template = retained('a');
  const count = 100_000;
  const topic = (index: number): TopicName => {
    const text = `d${index}`;
    return { ...template.topic, text, bytes: encoder.encode(text) };
  };
  for (let index = 0; index < count; index += 1) {
    store.set(Object.assign(Object.create(template), { topic: topic(index) }));
  }
  assert.equal(readAll(store.cursor('+'), 5000).length, count);
  for (let index = 0; index < count; index += 1) assert.equal(store.remove(topic((index * 7919) % count)), true);
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
  const known = model.has(topic);
  if (action === 'remove') {
    assert.equal(store.remove(nameOf(topic)), known);
    model.delete(topic);
    return;
  }
  serial += 1;
  // All sizes of records, and some that are none.
  const bytes = serial % 50 === 0 ? 4000 + (serial % 200) : 1 + (serial % 300);
  const message = retained(topic, `${serial}${'x'.repeat(bytes)}`);
  assert.equal(store.set(message), true);
  model.set(topic, message);
}

/** So that each message is another one. */
let serial = 0;

function byTopic(messages: readonly OwnedMessage[]): OwnedMessage[] {
  return messages.toSorted((one, two) => (one.topic.text < two.topic.text ? -1 : 1));
}

test('any sequence of changes keeps what a map keeps, and cursors find what the naive matcher finds', () => {
  const filter = fc.oneof(filterText, fc.constantFrom('#', 'many/+', '+/+'));
  fc.assert(
    fc.property(manyOf(step, 150), manyOf(filter, 6), (steps, filters) => {
      const store = new RetainedStore();
      const model = new Map<string, OwnedMessage>();
      for (const change of steps) applyTo(model, store, change);
      for (const [topic, message] of model) assert.deepEqual(store.get(nameOf(topic)), message);
      const bytes = [...model.values()].reduce((sum, message) => sum + message.payloadEnd, 0);
      assert.deepEqual([store.count, store.bytes], [model.size, bytes]);
      for (const text of [...filters, ...model.keys()]) {
        const expected = [...model.values()].filter((message) => naiveMatches(text, message.topic.text));
        const found = readAll(store.cursor(text), 3);
        assert.deepEqual(byTopic(found), byTopic(expected));
      }
      for (const topic of model.keys()) store.remove(nameOf(topic));
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
        const found = readSlice(cursor, limit);
        assert.ok(found.length <= limit);
        for (const message of found) {
          const topic = message.topic.text;
          assert.equal(delivered.has(topic), false, `${topic} came twice`);
          assert.deepEqual(model.get(topic), message, `${topic} is not what is kept now`);
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
