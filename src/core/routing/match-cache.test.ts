import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type TopicName, TopicNames, topicPlace } from '../../protocol/topic.ts';
import { MatchCache, type MatchResult } from './match-cache.ts';
import { FakeTarget, filterText, manyOf, nameOf, sharedFilterText, subscribe, topicText } from './routing.fixture.ts';
import { TopicTree } from './topic-tree.ts';

const encoder = new TextEncoder();
const one = new FakeTarget('one');
const two = new FakeTarget('two');

function matchIn(tree: TopicTree, topic: string): MatchResult {
  const result: MatchResult = { subscriptions: [], groups: [] };
  tree.match(topic, result);
  return result;
}

/** A reader of topics as the broker has: the same object for the same topic. */
function createReader(slots = 16_384): (text: string) => TopicName {
  const names = new TopicNames(slots);
  return (text) => {
    const bytes = encoder.encode(text);
    return names.read(bytes, 0, bytes.length);
  };
}

test('a topic that comes again is matched no more while nothing changes', () => {
  const tree = new TopicTree();
  tree.add(subscribe(one, 'a/+'));
  const cache = new MatchCache(tree);
  const name = createReader();
  const first = cache.lookup(name('a/b'));
  assert.deepEqual(first, matchIn(tree, 'a/b'));
  assert.equal(cache.lookup(name('a/b')), first);
  assert.equal(cache.lookup(name('a/b')), first);
  assert.equal(cache.lookup(name('nothing')), cache.lookup(name('nothing/else')));
});

test('a topic that no memo remembers is matched each time', () => {
  const tree = new TopicTree();
  tree.add(subscribe(one, 'a/+'));
  const cache = new MatchCache(tree);
  const topic = nameOf('a/b');
  assert.deepEqual(cache.lookup(topic), matchIn(tree, 'a/b'));
  assert.notEqual(cache.lookup(topic), cache.lookup(topic));
  assert.equal(cache.bytes, 0);
});

test('topics of two memos that have one number are not taken for each other', () => {
  const tree = new TopicTree();
  tree.add(subscribe(one, 'a'));
  const cache = new MatchCache(tree);
  const a = createReader()('a');
  const b = createReader()('b');
  assert.equal(topicPlace(a), topicPlace(b));
  for (let round = 0; round < 3; round += 1) {
    assert.equal(cache.lookup(a).subscriptions.length, 1);
    assert.equal(cache.lookup(b).subscriptions.length, 0);
  }
});

test('a change is seen at once, and a result that is being read stays as it was', () => {
  const tree = new TopicTree();
  const subscription = subscribe(one, 'a');
  tree.add(subscription);
  const cache = new MatchCache(tree);
  const name = createReader();
  const before = cache.lookup(name('a'));
  tree.add(subscribe(two, 'a'));
  assert.equal(cache.lookup(name('a')).subscriptions.length, 2);
  tree.remove(one, subscription.filter);
  tree.remove(two, subscription.filter);
  assert.deepEqual(cache.lookup(name('a')), { subscriptions: [], groups: [] });
  assert.deepEqual(before, { subscriptions: [subscription], groups: [] });
});

test('a flood of topics leaves in place what is asked for in between, and fills no memory', () => {
  const tree = new TopicTree();
  tree.add(subscribe(one, '#'));
  const cache = new MatchCache(tree);
  const name = createReader(64);
  const used = cache.lookup(name('used'));
  let kept = 0;
  for (let index = 0; index < 1000; index += 1) {
    cache.lookup(name(`topic/${index}`));
    if (cache.lookup(name('used')) === used) kept += 1;
  }
  assert.ok(kept > 990, `${kept} of 1000`);
  assert.ok(cache.bytes <= 64 * 200, `${cache.bytes} bytes`);
});

test('what matches very much is remembered up to a number of bytes, and the rest answered all the same', () => {
  const tree = new TopicTree();
  const subscription = subscribe(one, '#');
  for (let index = 0; index < 50_000; index += 1) tree.add({ ...subscription, target: new FakeTarget('') });
  const cache = new MatchCache(tree);
  const name = createReader();
  const first = cache.lookup(name('topic/0'));
  assert.equal(cache.lookup(name('topic/0')), first);
  for (let index = 1; index < 300; index += 1) {
    assert.equal(cache.lookup(name(`topic/${index}`)).subscriptions.length, 50_000);
    assert.ok(cache.bytes <= 64 * 1024 * 1024, `${cache.bytes} bytes`);
  }
  // 300 results of 400 kB do not fit: some have left, not all.
  assert.ok(cache.bytes > 60 * 1024 * 1024, `${cache.bytes} bytes`);
  tree.add(subscribe(two, 'a'));
  cache.lookup(nameOf('a'));
  assert.equal(cache.bytes, 0);
});

test('any sequence of changes and look-ups answers as the tree does', () => {
  const step = fc.record({
    action: fc.constantFrom('add', 'remove', 'lookup', 'lookup'),
    target: fc.constantFrom(one, two),
    filter: fc.oneof(filterText, sharedFilterText),
    topic: topicText,
  });
  fc.assert(
    fc.property(manyOf(step, 80), fc.integer({ min: 1, max: 8 }), (steps, slots) => {
      const tree = new TopicTree();
      const cache = new MatchCache(tree);
      const name = createReader(slots);
      const given: [MatchResult, MatchResult][] = [];
      for (const { action, target, filter, topic } of steps) {
        if (action === 'add') tree.add(subscribe(target, filter));
        else if (action === 'remove') tree.remove(target, subscribe(target, filter).filter);
        else {
          const result = cache.lookup(name(topic));
          assert.deepEqual(result, matchIn(tree, topic));
          given.push([result, { subscriptions: [...result.subscriptions], groups: [...result.groups] }]);
        }
      }
      for (const [result, copy] of given) {
        assert.deepEqual(result.subscriptions, copy.subscriptions);
        assert.deepEqual(result.groups, copy.groups);
      }
    }),
    { numRuns: 300 },
  );
});
