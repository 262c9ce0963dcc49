import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MatchCache, type MatchResult } from './match-cache.ts';
import { FakeTarget, filterText, manyOf, sharedFilterText, subscribe, topicText } from './routing.fixture.ts';
import { TopicTree } from './topic-tree.ts';

const one = new FakeTarget('one');
const two = new FakeTarget('two');

function matchIn(tree: TopicTree, topic: string): MatchResult {
  const result: MatchResult = { subscriptions: [], groups: [] };
  tree.match(topic, result);
  return result;
}

/** Asks twice, after which a topic is remembered. */
function remembered(cache: MatchCache, topic: string): MatchResult {
  cache.lookup(topic);
  return cache.lookup(topic);
}

test('a topic that comes again is matched no more while nothing changes', () => {
  const tree = new TopicTree();
  tree.add(subscribe(one, 'a/+'));
  const cache = new MatchCache(tree);
  assert.deepEqual(cache.lookup('a/b'), matchIn(tree, 'a/b'));
  const second = cache.lookup('a/b');
  assert.deepEqual(second, matchIn(tree, 'a/b'));
  assert.equal(cache.lookup('a/b'), second);
  assert.equal(cache.lookup('a/b'), second);
  assert.equal(cache.lookup('nothing'), cache.lookup('nothing/else'));
});

test('a change is seen at once, and a result that is being read stays as it was', () => {
  const tree = new TopicTree();
  const subscription = subscribe(one, 'a');
  tree.add(subscription);
  const cache = new MatchCache(tree);
  const before = remembered(cache, 'a');
  tree.add(subscribe(two, 'a'));
  assert.equal(cache.lookup('a').subscriptions.length, 2);
  tree.remove(one, subscription.filter);
  tree.remove(two, subscription.filter);
  assert.deepEqual(cache.lookup('a'), { subscriptions: [], groups: [] });
  assert.deepEqual(before, { subscriptions: [subscription], groups: [] });
});

test('what is used stays when new topics come, what is not used leaves', () => {
  const tree = new TopicTree();
  tree.add(subscribe(one, '#'));
  const cache = new MatchCache(tree, 64);
  const used = remembered(cache, 'used');
  const unused = remembered(cache, 'unused');
  for (let index = 0; index < 1000; index += 1) {
    remembered(cache, `topic/${index}`);
    assert.equal(cache.lookup('used'), used);
  }
  assert.notEqual(cache.lookup('unused'), unused);
});

test('a flood of topics that come once changes nothing', () => {
  const tree = new TopicTree();
  tree.add(subscribe(one, '#'));
  const cache = new MatchCache(tree, 1000);
  const topics = Array.from({ length: 100 }, (_, index) => `hot/${index}`);
  for (const topic of topics) remembered(cache, topic);
  const before = topics.map((topic) => cache.lookup(topic));
  for (let index = 0; index < 10_000; index += 1) cache.lookup(`cold/${index}`);
  const kept = topics.filter((topic, index) => cache.lookup(topic) === before[index]);
  assert.ok(kept.length >= 90, `${kept.length} of 100`);
});

test('no more than entriesMax topics are remembered', () => {
  const tree = new TopicTree();
  tree.add(subscribe(one, '#'));
  for (const entriesMax of [2, 7, 100]) {
    const cache = new MatchCache(tree, entriesMax);
    for (let index = 0; index < 500; index += 1) remembered(cache, 'x'.repeat(index + 1));
    assert.ok(cache.bytes > 0 && cache.bytes <= entriesMax * (200 + 2 * 500), `${cache.bytes} of ${entriesMax}`);
  }
});

test('what matches very much is remembered up to a number of bytes, and the rest answered all the same', () => {
  const tree = new TopicTree();
  const subscription = subscribe(one, '#');
  for (let index = 0; index < 50_000; index += 1) tree.add({ ...subscription, target: new FakeTarget('') });
  const cache = new MatchCache(tree, 10_000);
  const first = remembered(cache, 'topic/0');
  assert.equal(cache.lookup('topic/0'), first);
  for (let index = 1; index < 300; index += 1) {
    assert.equal(remembered(cache, `topic/${index}`).subscriptions.length, 50_000);
    assert.ok(cache.bytes <= 64 * 1024 * 1024, `${cache.bytes} bytes`);
  }
  // 300 results of 400 kB do not fit: some have left, not all.
  assert.ok(cache.bytes > 60 * 1024 * 1024, `${cache.bytes} bytes`);
  tree.add(subscribe(two, 'a'));
  cache.lookup('a');
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
    fc.property(manyOf(step, 80), fc.integer({ min: 1, max: 8 }), (steps, entriesMax) => {
      const tree = new TopicTree();
      const cache = new MatchCache(tree, entriesMax);
      const given: [MatchResult, MatchResult][] = [];
      for (const { action, target, filter, topic } of steps) {
        if (action === 'add') tree.add(subscribe(target, filter));
        else if (action === 'remove') tree.remove(target, subscribe(target, filter).filter);
        else {
          const result = cache.lookup(topic);
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
