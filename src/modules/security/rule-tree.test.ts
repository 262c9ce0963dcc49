import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { AclAccess, type ClientNames, RuleTree } from './rule-tree.ts';
import { naiveMatches } from './security.fixture.ts';

const ROBOT: ClientNames = { clientId: 'robot5', userName: 'plant' };

function treeOf(filters: readonly string[], isPattern: boolean): RuleTree {
  const tree = new RuleTree();
  for (const filter of filters) tree.add(filter, AclAccess.Read, isPattern);
  return tree;
}

function isMatched(filter: string, topic: string, names = ROBOT, isPattern = true): boolean {
  return treeOf([filter], isPattern).match(topic.split('/'), names) === AclAccess.Read;
}

/** A filter, topics it matches, topics it does not match. */
const FILTERS: readonly [string, readonly string[], readonly string[]][] = [
  ['Plant1/state', ['Plant1/state'], ['Plant1', 'Plant1/state/', 'Plant1/State', '/Plant1/state', 'Plant1/state/a']],
  ['Plant1/#', ['Plant1', 'Plant1/', 'Plant1/a', 'Plant1/a/b'], ['Plant', 'Plant2', '/Plant1']],
  ['Plant1/+', ['Plant1/', 'Plant1/a'], ['Plant1', 'Plant1/a/b']],
  ['+/state', ['a/state', '/state'], ['state', 'a/b/state']],
  ['#', ['a', '/', 'a/b'], ['$SYS', '$SYS/a', '$x']],
  ['+', ['a'], ['$SYS', 'a/b']],
  ['+/a', ['b/a'], ['$SYS/a']],
  ['+/#', ['a', 'a/b'], ['$SYS', '$SYS/a']],
  ['$SYS/#', ['$SYS', '$SYS/broker/uptime'], ['SYS', '$SYSTEM']],
  ['$SYS/+', ['$SYS/a'], ['$SYS', '$SYS/a/b']],
  ['a/#', ['a/$SYS'], []],
  ['//', ['//'], ['/', '///']],
];

for (const [filter, yes, no] of FILTERS) {
  test(`filter ${filter}`, () => {
    for (const topic of yes) assert.ok(isMatched(filter, topic), `matches ${topic}`);
    for (const topic of no) assert.ok(!isMatched(filter, topic), `does not match ${topic}`);
  });
}

/** A pattern, client id, user name, topics it matches, topics it does not match. */
const PATTERNS: readonly [string, string, string | null, readonly string[], readonly string[]][] = [
  ['dev/%c/#', 'robot5', null, ['dev/robot5', 'dev/robot5/a'], ['dev/robot6/a', 'dev/%c/a', 'dev/robot5x']],
  ['dev/%u', 'robot5', 'plant', ['dev/plant'], ['dev/robot5', 'dev/%u']],
  ['dev/%u', 'robot5', null, [], ['dev/', 'dev/null', 'dev/%u', 'dev/robot5']],
  ['dev/%c-%u/x', 'a', 'b', ['dev/a-b/x'], ['dev/a-/x', 'dev/-b/x', 'dev/a-b', 'dev/b-a/x']],
  ['dev/area_%c', 'a', null, ['dev/area_a'], ['dev/area_', 'dev/a', 'dev/area_aa']],
  ['%c%c', 'ab', null, ['abab'], ['ab', 'ababab']],
  ['dev/%%c', 'a', null, ['dev/%a'], ['dev/%%c']],
  ['dev/%d/%', 'a', 'b', ['dev/%d/%'], []],
  ['%c/+/%u/#', 'a', 'b', ['a/x/b', 'a//b/c'], ['a/b', 'b/x/a']],
  [
    '$SYS/broker/connection/%c/state',
    'a',
    null,
    ['$SYS/broker/connection/a/state'],
    ['$SYS/broker/connection/b/state'],
  ],
];

for (const [filter, clientId, userName, yes, no] of PATTERNS) {
  test(`pattern ${filter} for client id ${clientId}, user ${userName}`, () => {
    for (const topic of yes) assert.ok(isMatched(filter, topic, { clientId, userName }), `matches ${topic}`);
    for (const topic of no) assert.ok(!isMatched(filter, topic, { clientId, userName }), `does not match ${topic}`);
  });
}

/** What a name would open if it were put into the pattern as text: pattern, client id, user name, topics. */
const WIDENING: readonly [string, string, string | null, readonly string[]][] = [
  ['dev/%c', '+', null, ['dev/a', 'dev/+x']],
  ['dev/%c', '#', null, ['dev', 'dev/a', 'dev/a/b']],
  ['dev/%c/#', 'a/#', null, ['dev/a/b']],
  ['dev/%c/#', 'a/b', null, ['dev/a/b', 'dev/a/b/c']],
  ['dev/%c/#', 'a/', null, ['dev/a', 'dev/a/']],
  ['dev/%c/%u', '%u', 'b', ['dev/b/b']],
  ['dev/%u/%c', 'b', '%c', ['dev/b/b']],
  ['%c/#', '$SYS', null, ['$SYS', '$SYS/broker/log/N']],
  ['%u/#', 'a', '$SYS', ['$SYS/broker/log/N']],
  ['%c', '$x', null, ['$x']],
  ['%c%u/#', '$', 'SYS', ['$SYS/a']],
];

for (const [filter, clientId, userName, topics] of WIDENING) {
  test(`T01 pattern ${filter} is not widened by client id ${clientId}, user ${userName}`, () => {
    for (const topic of topics) assert.ok(!isMatched(filter, topic, { clientId, userName }), topic);
  });
}

test('a rule that is no pattern takes %c and %u as they stand', () => {
  assert.ok(isMatched('dev/%c/%u', 'dev/%c/%u', ROBOT, false));
  assert.ok(!isMatched('dev/%c/%u', 'dev/robot5/plant', ROBOT, false));
});

test('accesses of all filters that match add up', () => {
  const tree = new RuleTree();
  tree.add('a/#', AclAccess.Read, false);
  tree.add('a/+', AclAccess.Write, false);
  tree.add('a/c', AclAccess.Deny, false);
  assert.equal(tree.match(['a', 'b'], ROBOT), AclAccess.Read | AclAccess.Write);
  assert.equal(tree.match(['a'], ROBOT), AclAccess.Read);
  assert.equal(tree.match(['b'], ROBOT), 0);
  assert.notEqual(tree.match(['a', 'c'], ROBOT) & AclAccess.Deny, 0);
});

const levels = fc.constantFrom('a', 'b', '', '$x', '%c', '%u', 'd-%c', '%c%u', '%u.', '+');
const filters = fc
  .tuple(fc.array(levels, { minLength: 1, maxLength: 4 }), fc.boolean())
  .map(([parts, isOpen]) => (isOpen ? [...parts, '#'] : parts).join('/'));
const topics = fc
  .array(fc.constantFrom('a', 'b', '', '$x', '%c', 'd-a', 'ab', 'a.', '%u'), { minLength: 1, maxLength: 5 })
  .map((parts) => parts.join('/'))
  .filter((topic) => topic !== '');
const name = fc.constantFrom('a', 'b', '', '$x', '+', '#', 'a/b', 'a/#', '%c', '%u', '$', 'd-a');
const names = fc.record({ clientId: name, userName: fc.option(name) });

test('T01 T38 the tree matches what the plainest reading matches, whatever the names hold', () => {
  fc.assert(
    fc.property(fc.array(filters, { maxLength: 12 }), topics, names, fc.boolean(), (all, topic, client, isPattern) => {
      const expected = all.some((filter) => naiveMatches(filter, topic, isPattern ? client : null));
      assert.equal(treeOf(all, isPattern).match(topic.split('/'), client) !== 0, expected);
    }),
    { numRuns: 2000 },
  );
});

test('T01 one topic below a name belongs to one client only', () => {
  const anyName = fc.string({
    minLength: 1,
    maxLength: 6,
    unit: fc.constantFrom('a', 'b', '/', '+', '#', '%', 'c', 'u', '$'),
  });
  const tree = treeOf(['dev/%c/#'], true);
  fc.assert(
    fc.property(anyName, anyName, topics, (one, other, rest) => {
      fc.pre(one !== other);
      const topic = `dev/${one}/${rest}`.split('/');
      const isOnes = tree.match(topic, { clientId: one, userName: null }) !== 0;
      const isOthers = tree.match(topic, { clientId: other, userName: null }) !== 0;
      assert.ok(!(isOnes && isOthers), topic.join('/'));
    }),
    { numRuns: 2000 },
  );
});

test('T15 a topic and a filter of very many levels', () => {
  const deep = new Array<string>(65_535).fill('');
  const tree = treeOf([`${'+/'.repeat(199)}#`, deep.join('/')], false);
  assert.equal(tree.match(deep, ROBOT), AclAccess.Read);
});

test('names of levels that objects have from birth are ordinary names', () => {
  const tree = treeOf(['__proto__/constructor', 'toString'], false);
  assert.equal(tree.match(['__proto__', 'constructor'], ROBOT), AclAccess.Read);
  assert.equal(tree.match(['toString'], ROBOT), AclAccess.Read);
  assert.equal(tree.match(['constructor'], ROBOT), 0);
  assert.equal(tree.match(['__proto__'], ROBOT), 0);
});
