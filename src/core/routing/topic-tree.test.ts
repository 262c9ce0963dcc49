import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Subscription } from '../model/subscription.ts';
import {
  FakeTarget,
  filterText,
  manyOf,
  naiveMatches,
  sharedFilterText,
  subscribe,
  topicText,
} from './routing.fixture.ts';
import { type MatchResult, TopicTree } from './topic-tree.ts';

const targets = [new FakeTarget('one'), new FakeTarget('two'), new FakeTarget('three')] as const;
const [one, two, three] = targets;

function matchIn(tree: TopicTree, topic: string): MatchResult {
  const result: MatchResult = { subscriptions: [], groups: [] };
  tree.match(topic, result);
  return result;
}

function treeOf(...subscriptions: readonly Subscription[]): TopicTree {
  const tree = new TopicTree();
  for (const subscription of subscriptions) tree.add(subscription);
  return tree;
}

/** Which of these filters match the topic, in the tree. */
function matching(topic: string, filters: readonly string[]): string[] {
  const tree = treeOf(...filters.map((text) => subscribe(one, text)));
  return matchIn(tree, topic).subscriptions.map((subscription) => subscription.filter.text);
}

/** Each case: a filter, topics it matches, topics it does not match. */
function check(cases: readonly [string, readonly string[], readonly string[]][]): void {
  for (const [filter, yes, no] of cases) {
    for (const topic of yes) assert.deepEqual(matching(topic, [filter]), [filter], `${filter} matches ${topic}`);
    for (const topic of no) assert.deepEqual(matching(topic, [filter]), [], `${filter} does not match ${topic}`);
  }
}

test('# matches the parent and any number of levels below', () => {
  check([
    [
      'sport/tennis/#',
      ['sport/tennis', 'sport/tennis/', 'sport/tennis/a', 'sport/tennis/a/b'],
      ['sport', 'sport/tenni'],
    ],
    ['#', ['a', '/', 'a/b', '/a'], []],
    ['/#', ['/', '/a', '//'], ['a', 'a/']],
    ['a//#', ['a/', 'a//', 'a//b'], ['a', 'a/b']],
  ]);
});

test('+ matches exactly one level, an empty one too', () => {
  check([
    ['sport/+', ['sport/', 'sport/a'], ['sport', 'sport/a/b']],
    ['+', ['a', ' '], ['/', 'a/', '/a']],
    ['+/+', ['/a', 'a/', '/'], ['a', 'a/b/c']],
    ['/+', ['/a', '/'], ['a', '//']],
    ['+/b/#', ['a/b', '/b/c'], ['b', 'a/c']],
    ['a/+/+/d', ['a/b/c/d', 'a///d'], ['a/b/d', 'a/b/c/d/e']],
  ]);
});

test('[MQTT5-4.7.2-1] [MQTT3-4.7.2-1] a filter that begins with a wildcard does not match a topic that begins with $', () => {
  check([
    ['#', [], ['$', '$x', '$SYS', '$SYS/a', '$share/g/t', '$CONTROL/dynsec/v1']],
    ['+', [], ['$', '$x']],
    ['+/a', ['b/a'], ['$SYS/a']],
    ['+/#', ['b'], ['$SYS', '$SYS/a']],
    ['$SYS/#', ['$SYS', '$SYS/a/b'], ['$SYS2/a']],
    ['$SYS/+', ['$SYS/a', '$SYS/'], ['$SYS']],
    ['a/+', ['a/$SYS'], []],
    ['a/#', ['a/$SYS/b'], []],
  ]);
});

test('[MQTT5-4.7.3-4] [MQTT3-4.7.3-4] nothing is normalised: case, spaces, slashes and composed letters all count', () => {
  check([
    ['ACCOUNTS', ['ACCOUNTS'], ['Accounts', 'ACCOUNTS ', '/ACCOUNTS', 'ACCOUNTS/']],
    ['a//b', ['a//b'], ['a/b', 'a///b']],
    ['a/\u00e9', ['a/\u00e9'], ['a/e\u0301']],
    ['a/../b', ['a/../b'], ['b', 'a/b']],
  ]);
});

test('T08 topics that begin with $ are ordinary but for leading wildcards', () => {
  for (const topic of ['$', '$x', '$SYS', '$SYS/broker', '$SYS/', '$CONTROL/x/v1', '$/', '$/$', '$share/g/t']) {
    const others = ['#', '+/#', '+', '+/+/+', '/$', '$$', '$SYS/broker/uptime'];
    const filters = topic.startsWith('$share/') ? others : [topic, ...others];
    assert.deepEqual(matching(topic, filters), filters.slice(0, filters.length - others.length), topic);
  }
});

test('T38 what is special in a regular expression or an object is an ordinary level', () => {
  const odd = ['.*', '(a*)*$', '[', '\\', '^a|b$', '__proto__', 'constructor', 'toString', 'hasOwnProperty'];
  for (const level of odd) {
    assert.deepEqual(matching(level, [...odd, '+/x']), [level]);
    assert.deepEqual(
      matching(
        `a/${level}/b`,
        odd.map((other) => `a/${other}/b`),
      ),
      [`a/${level}/b`],
    );
  }
});

test('T15 topics and filters of 65,535 slashes need no stack', () => {
  const text = '/'.repeat(65_535);
  const deep = subscribe(one, 'a');
  // Not through the parser, which refuses more than 200 levels: the tree does not rely on that.
  const filters = [text, `${text}#`, text.replaceAll('/', '+/'), `${text.slice(1)}+`];
  const tree = new TopicTree();
  const subscriptions = filters.map((filter) => ({ ...deep, filter: { ...deep.filter, text: filter, filter } }));
  for (const subscription of subscriptions) tree.add(subscription);
  assert.equal(matchIn(tree, text).subscriptions.length, 3);
  for (const subscription of subscriptions) assert.equal(tree.remove(one, subscription.filter), true);
  assert.deepEqual(tree.size, { nodes: 1, levels: 0 });
});

test('[MQTT5-3.8.4-3] [MQTT3-3.8.4-3] a subscription to the same filter replaces the old one in its place', () => {
  const tree = treeOf(subscribe(one, 'a/+'), subscribe(two, 'a/+'), subscribe(three, 'a/+'));
  const newer = subscribe(one, 'a/+', 2);
  tree.add(newer);
  const result = matchIn(tree, 'a/b');
  assert.equal(tree.subscriptionCount, 3);
  assert.equal(result.subscriptions[0], newer);
  assert.deepEqual(
    result.subscriptions.map(({ target }) => target),
    [one, two, three],
  );
});

test('T32 $share/g/t and t are different subscriptions, added and removed apart', () => {
  const plain = subscribe(one, 't');
  const shared = subscribe(one, '$share/g/t');
  const other = subscribe(one, '$share/h/t');
  const tree = treeOf(shared);
  assert.equal(tree.remove(one, plain.filter), false);
  assert.equal(tree.remove(one, other.filter), false);
  tree.add(plain);
  assert.equal(tree.remove(one, other.filter), false);
  assert.equal(tree.remove(two, shared.filter), false);
  assert.equal(tree.remove(two, plain.filter), false);
  assert.deepEqual([tree.subscriptionCount, tree.sharedCount], [2, 1]);
  assert.equal(tree.remove(one, shared.filter), true);
  assert.equal(tree.remove(one, shared.filter), false);
  assert.deepEqual(matchIn(tree, 't'), { subscriptions: [plain], groups: [] });
  tree.add(shared);
  assert.equal(tree.remove(one, plain.filter), true);
  assert.equal(tree.remove(one, plain.filter), false);
  assert.deepEqual([tree.subscriptionCount, tree.sharedCount], [1, 1]);
  assert.deepEqual(matchIn(tree, 't').groups, [tree.findGroup(shared.filter)]);
  tree.remove(one, shared.filter);
  assert.deepEqual(tree.size, { nodes: 1, levels: 0 });
});

test('a group is one per share name and filter', () => {
  const tree = treeOf(
    subscribe(one, '$share/g/a/+'),
    subscribe(two, '$share/g/a/+'),
    subscribe(two, '$share/h/a/+'),
    subscribe(two, '$share/g/a/#'),
    subscribe(three, 'a/+'),
  );
  const { subscriptions, groups } = matchIn(tree, 'a/b');
  assert.deepEqual(subscriptions, [subscribe(three, 'a/+')]);
  assert.deepEqual(groups.map((group) => [group.filterText, group.memberCount]).sort(), [
    ['$share/g/a/#', 1],
    ['$share/g/a/+', 2],
    ['$share/h/a/+', 1],
  ]);
  assert.equal(tree.findGroup(subscribe(one, 'a/+').filter), null);
  assert.equal(tree.findGroup(subscribe(one, '$share/x/a/+').filter), null);
});

test('the version grows with every change, and only then', () => {
  const tree = new TopicTree();
  const subscription = subscribe(one, 'a');
  let version = tree.version;
  const hasChanged = () => {
    const before = version;
    version = tree.version;
    return version > before;
  };
  tree.add(subscription);
  assert.equal(hasChanged(), true);
  tree.add(subscribe(one, 'a', 1));
  assert.equal(hasChanged(), true);
  matchIn(tree, 'a');
  tree.remove(two, subscription.filter);
  tree.remove(one, subscribe(one, 'b').filter);
  assert.equal(hasChanged(), false);
  tree.remove(one, subscription.filter);
  assert.equal(hasChanged(), true);
});

// ------------------------------------------------------------------------------------------- against a plain list

type Change = readonly [action: 'add' | 'remove', targetIndex: number, text: string, qos: 0 | 1 | 2];

const change: fc.Arbitrary<Change> = fc.tuple(
  fc.constantFrom('add', 'add', 'remove'),
  fc.nat(targets.length - 1),
  fc.oneof({ weight: 3, arbitrary: filterText }, { weight: 1, arbitrary: sharedFilterText }),
  fc.constantFrom(0, 1, 2),
);

/** The same as a tree, as a list. */
function applyTo(list: Subscription[], tree: TopicTree, [action, targetIndex, text, qos]: Change): void {
  const subscription = subscribe(targets[targetIndex] ?? one, text, qos);
  const index = list.findIndex((known) => known.target === subscription.target && known.filter.text === text);
  if (action === 'remove') {
    assert.equal(tree.remove(subscription.target, subscription.filter), index >= 0);
    if (index >= 0) list.splice(index, 1);
    return;
  }
  tree.add(subscription);
  if (index >= 0) list[index] = subscription;
  else list.push(subscription);
}

function assertSameMatches(tree: TopicTree, list: readonly Subscription[], topic: string): void {
  const expected = list.filter((subscription) => naiveMatches(subscription.filter.filter, topic));
  const plain = expected.filter((subscription) => subscription.filter.shareName === null);
  const shared = expected.filter((subscription) => subscription.filter.shareName !== null);
  const { subscriptions, groups } = matchIn(tree, topic);
  assert.equal(new Set(subscriptions).size, subscriptions.length);
  assert.deepEqual(new Set(subscriptions), new Set(plain));
  const filtersOfGroups = groups.map((group) => group.filterText);
  assert.deepEqual(filtersOfGroups.toSorted(), [...new Set(shared.map(({ filter }) => filter.text))].toSorted());
  for (const group of groups) {
    const members = shared.filter(({ filter }) => filter.text === group.filterText);
    const picked = members.map(() => group.pick());
    assert.equal(group.memberCount, members.length);
    assert.deepEqual(new Set(picked), new Set(members));
  }
  // Stable, and within one filter in the order of subscribing.
  assert.deepEqual(matchIn(tree, topic), { subscriptions, groups });
  for (const { filter } of plain) {
    const ofFilter = (subscription: Subscription) => subscription.filter.text === filter.text;
    assert.deepEqual(subscriptions.filter(ofFilter), plain.filter(ofFilter));
  }
}

test('any sequence of changes matches as a plain list does, and nothing is left when all are removed', () => {
  fc.assert(
    fc.property(manyOf(change, 60), manyOf(topicText, 8), (changes, topics) => {
      const tree = new TopicTree();
      const list: Subscription[] = [];
      for (const [index, step] of changes.entries()) {
        applyTo(list, tree, step);
        const topic = topics[index % topics.length];
        if (topic !== undefined) assertSameMatches(tree, list, topic);
      }
      for (const topic of topics) assertSameMatches(tree, list, topic);
      assert.equal(tree.subscriptionCount, list.length);
      assert.equal(tree.sharedCount, list.filter(({ filter }) => filter.shareName !== null).length);
      for (const { target, filter } of list) assert.equal(tree.remove(target, filter), true);
      assert.deepEqual([tree.subscriptionCount, tree.sharedCount, tree.size], [0, 0, { nodes: 1, levels: 0 }]);
    }),
    { numRuns: 500 },
  );
});

test('filters and topics of 200 levels match as the naive matcher says', () => {
  const levels = fc.array(fc.constantFrom<string[]>('', 'a'), { minLength: 197, maxLength: 200, size: 'max' });
  const wildcards = manyOf(fc.nat(199), 60);
  fc.assert(
    fc.property(levels, manyOf(fc.tuple(wildcards, fc.boolean()), 10), (topicLevels, shapes) => {
      const filters = shapes.map(([places, endsBelow]) => {
        const filter = topicLevels.map((level, index) => (places.includes(index) ? '+' : level));
        return (endsBelow ? [...filter.slice(0, places[0] ?? 199), '#'] : filter).join('/');
      });
      const list = filters.map((text) => subscribe(one, text));
      for (const topic of [topicLevels, topicLevels.toReversed(), topicLevels.with(-1, 'b'), [...topicLevels, '']]) {
        const text = topic.join('/');
        const expected = list
          .filter(({ filter }) => naiveMatches(filter.filter, text))
          .map(({ filter }) => filter.text);
        assert.deepEqual(new Set(matching(text, filters)), new Set(expected));
      }
    }),
    { numRuns: 100 },
  );
});

test('a bomb of wildcards costs no more than the filters that there are', () => {
  const tree = new TopicTree();
  for (let bits = 0; bits < 4096; bits += 1) {
    const levels = Array.from({ length: 12 }, (_, index) => ((bits >> index) & 1 ? '+' : 'a'));
    tree.add(subscribe(one, `${levels.join('/')}/z`));
    tree.add(subscribe(one, `${levels.join('/')}/#`));
  }
  const topic = 'a/a/a/a/a/a/a/a/a/a/a/a';
  assert.equal(matchIn(tree, `${topic}/z`).subscriptions.length, 8192);
  assert.equal(matchIn(tree, topic).subscriptions.length, 4096);
  assert.equal(matchIn(tree, 'a/a/a').subscriptions.length, 0);
});
