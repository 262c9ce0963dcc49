import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Subscription } from '../model/subscription.ts';
import { FakeTarget, manyOf, subscribe } from './routing.fixture.ts';
import { SharedGroup } from './shared-group.ts';

const TEXT = '$share/g/t';

function groupOf(targets: readonly FakeTarget[]): SharedGroup {
  const group = new SharedGroup(TEXT);
  for (const target of targets) group.add(subscribe(target, TEXT));
  return group;
}

function targetsNamed(...names: readonly string[]): FakeTarget[] {
  return names.map((name) => new FakeTarget(name));
}

/** Client ids of `times` picks; '-' for none. */
function picks(group: SharedGroup, times: number): string {
  return Array.from({ length: times }, () => group.pick()?.target.clientId ?? '-').join('');
}

test('members take turns in order of joining', () => {
  const group = groupOf(targetsNamed('a', 'b', 'c'));
  assert.equal(picks(group, 7), 'abcabca');
});

test('one that joins has its turn at the end of the round, one that leaves is left out', () => {
  const [a, b, c] = targetsNamed('a', 'b', 'c') as [FakeTarget, FakeTarget, FakeTarget];
  const group = groupOf([a, b]);
  assert.equal(picks(group, 1), 'a');
  group.add(subscribe(c, TEXT));
  assert.equal(picks(group, 4), 'bcab');
  assert.equal(group.remove(c), true);
  assert.equal(group.remove(c), false);
  assert.equal(picks(group, 3), 'aba');
  assert.equal(group.remove(b), true);
  assert.equal(picks(group, 2), 'aa');
  assert.equal(group.isEmpty, false);
  group.remove(a);
  assert.equal(group.isEmpty, true);
  assert.equal(picks(group, 2), '--');
});

test('a replaced subscription keeps its place and is the one that is picked', () => {
  const [a, b] = targetsNamed('a', 'b') as [FakeTarget, FakeTarget];
  const group = groupOf([a, b]);
  const newer = subscribe(a, TEXT, 2);
  assert.equal(group.add(newer), false);
  assert.equal(group.memberCount, 2);
  assert.equal(group.pick(), newer);
  assert.equal(picks(group, 2), 'ba');
});

test('online members with room come before full ones, full ones before offline durable ones, others never', () => {
  const [a, b, c, d] = targetsNamed('a', 'b', 'c', 'd') as [FakeTarget, FakeTarget, FakeTarget, FakeTarget];
  const group = groupOf([a, b, c, d]);
  a.isOnline = false;
  a.isDurable = true;
  b.hasRoom = false;
  d.isOnline = false;
  assert.equal(picks(group, 3), 'ccc');
  c.hasRoom = false;
  assert.equal(picks(group, 4), 'bcbc');
  b.isOnline = false;
  c.isOnline = false;
  assert.equal(picks(group, 2), 'aa');
  a.isDurable = false;
  assert.equal(picks(group, 1), '-');
  assert.equal(group.pickOnline(d), null);
});

test('what a leaving member has not been sent goes to online members only, and never back to it', () => {
  const [a, b, c] = targetsNamed('a', 'b', 'c') as [FakeTarget, FakeTarget, FakeTarget];
  const group = groupOf([a, b, c]);
  const moved = () => group.pickOnline(a)?.target.clientId ?? '-';
  assert.deepEqual([moved(), moved(), moved()], ['b', 'c', 'b']);
  b.hasRoom = false;
  assert.deepEqual([moved(), moved()], ['c', 'c']);
  c.isOnline = false;
  c.isDurable = true;
  assert.equal(moved(), 'b');
  b.isOnline = false;
  assert.equal(moved(), '-');
});

test('turns are fair while members come and go: nobody waits longer than one round', () => {
  const targets = targetsNamed(...'abcdefghijklmnopqrst');
  const group = groupOf(targets);
  const counts = new Map(targets.map((target) => [target.clientId, 0]));
  for (let index = 0; index < 20_000; index += 1) {
    const id = group.pick()?.target.clientId ?? '';
    counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  assert.deepEqual([...counts.values()], new Array(20).fill(1000));
});

test('a group of 100,000 members changes and picks without looking at all of them', () => {
  const targets = Array.from({ length: 100_000 }, (_, index) => new FakeTarget(String(index)));
  const group = groupOf(targets);
  assert.equal(group.memberCount, 100_000);
  for (const [index, target] of targets.entries()) {
    if (index % 2 === 1) assert.equal(group.remove(target), true);
  }
  assert.deepEqual(
    Array.from({ length: 4 }, () => group.pick()?.target.clientId),
    ['0', '2', '4', '6'],
  );
});

// ------------------------------------------------------------------------------------------- against the plain rule

interface Model {
  /** In order of joining. */
  members: Subscription[];
  /** Whose turn it is; null = the first one's. */
  next: Subscription['target'] | null;
}

/** The rule as it is told: go once round from the one whose turn it is, and take the best of the three kinds. */
function naivePick(model: Model, except: FakeTarget | null): Subscription | null {
  const start = Math.max(
    0,
    model.members.findIndex(({ target }) => target === model.next),
  );
  const round = [...model.members.slice(start), ...model.members.slice(0, start)];
  const allowed = round.filter(({ target }) => target !== except);
  const picked =
    allowed.find(({ target }) => target.isOnline && target.hasRoom) ??
    allowed.find(({ target }) => target.isOnline) ??
    (except === null ? allowed.find(({ target }) => target.isDurable) : undefined) ??
    null;
  if (picked !== null) model.next = round[(round.indexOf(picked) + 1) % round.length]?.target ?? null;
  return picked;
}

function naiveRemove(model: Model, target: FakeTarget): boolean {
  const index = model.members.findIndex((member) => member.target === target);
  if (index < 0) return false;
  if (model.next === target) model.next = model.members[(index + 1) % model.members.length]?.target ?? null;
  model.members.splice(index, 1);
  if (model.members.length === 0) model.next = null;
  return true;
}

function naiveAdd(model: Model, subscription: Subscription): boolean {
  const index = model.members.findIndex(({ target }) => target === subscription.target);
  if (index >= 0) model.members[index] = subscription;
  else model.members.push(subscription);
  model.next ??= subscription.target;
  return index < 0;
}

test('any sequence of changes and picks does what the plain rule says', () => {
  const step = fc.record({
    action: fc.constantFrom('add', 'add', 'remove', 'pick', 'pick', 'pick', 'move', 'state'),
    index: fc.nat(11),
    isOnline: fc.boolean(),
    hasRoom: fc.boolean(),
    isDurable: fc.boolean(),
  });
  fc.assert(
    fc.property(manyOf(step, 120), (steps) => {
      const targets = targetsNamed(...'abcdefghijkl');
      const group = new SharedGroup(TEXT);
      const model: Model = { members: [], next: null };
      for (const { action, index, ...state } of steps) {
        const target = targets[index] as FakeTarget;
        const subscription = subscribe(target, TEXT);
        if (action === 'add') assert.equal(group.add(subscription), naiveAdd(model, subscription));
        else if (action === 'remove') assert.equal(group.remove(target), naiveRemove(model, target));
        else if (action === 'pick') assert.equal(group.pick(), naivePick(model, null));
        else if (action === 'move') assert.equal(group.pickOnline(target), naivePick(model, target));
        else Object.assign(target, state);
        assert.equal(group.memberCount, model.members.length);
        assert.equal(group.isEmpty, model.members.length === 0);
      }
    }),
    { numRuns: 500 },
  );
});
