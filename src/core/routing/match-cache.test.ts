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

test('a topic is matched once while nothing changes', () => {
  const tree = new TopicTree();
  tree.add(subscribe(one, 'a/+'));
  const cache = new MatchCache(tree);
  const first = cache.lookup('a/b');
  assert.deepEqual(first, matchIn(tree, 'a/b'));
  assert.equal(cache.lookup('a/b'), first);
  assert.equal(cache.lookup('nothing'), cache.lookup('nothing/else'));
});

test('a change is seen at once, and a result that is being read stays as it was', () => {
  const tree = new TopicTree();
  const subscription = subscribe(one, 'a');
  tree.add(subscription);
  const cache = new MatchCache(tree);
  const before = cache.lookup('a');
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
  const cache = new MatchCache(tree, 100);
  const used = cache.lookup('used');
  const unused = cache.lookup('unused');
  for (let index = 0; index < 1000; index += 1) {
    cache.lookup(`topic/${index}`);
    assert.equal(cache.lookup('used'), used);
  }
  assert.notEqual(cache.lookup('unused'), unused);
});

test('no more than entriesMax topics are remembered', () => {
  const tree = new TopicTree();
  tree.add(subscribe(one, '#'));
  for (const entriesMax of [1, 2, 7, 100]) {
    const cache = new MatchCache(tree, entriesMax);
    const results = Array.from({ length: 500 }, (_, index) => cache.lookup(`topic/${index}`));
    // From the newest back: those that are still known. Asking for one that is not changes what is known, so stop there.
    let known = 0;
    while (known < 500 && cache.lookup(`topic/${499 - known}`) === results[499 - known]) known += 1;
    assert.ok(known >= 1 && known <= Math.max(2, entriesMax), `${known} of ${entriesMax}`);
  }
});

test('what matches very much is not held in any number', () => {
  const tree = new TopicTree();
  const filter = subscribe(one, '#').filter;
  const subscription = { ...subscribe(one, '#'), filter };
  for (let index = 0; index < 50_000; index += 1) tree.add({ ...subscription, target: new FakeTarget('') });
  const cache = new MatchCache(tree, 1_000_000);
  const before = process.memoryUsage().heapUsed;
  for (let index = 0; index < 1000; index += 1) cache.lookup(`topic/${index}`);
  // A thousand results of 50,000 would be 400 MB.
  const grown = process.memoryUsage().heapUsed - before;
  assert.ok(grown < 200 * 1024 * 1024, `${grown} bytes`);
  assert.equal(cache.lookup('topic/1').subscriptions.length, 50_000);
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
