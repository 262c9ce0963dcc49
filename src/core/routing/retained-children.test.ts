import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ChildTable } from './child-table.ts';
import { RetainedChildren } from './retained-children.ts';
import { NONE, RetainedNodes, ROOT } from './retained-nodes.ts';
import { manyOf } from './routing.fixture.ts';

const encoder = new TextEncoder();

/** Two nodes with children, in the order of the list and in the table. */
class House {
  readonly nodes = new RetainedNodes();
  readonly children = new RetainedChildren(this.nodes);
  readonly table = new ChildTable(this.nodes, 77);
  readonly parents = [this.add(ROOT, 'one'), this.add(ROOT, 'two')];

  add(parent: number, text: string): number {
    const bytes = encoder.encode(text);
    const child = this.nodes.create(parent, bytes, 0, bytes.length);
    this.table.add(child);
    this.children.add(parent, child);
    return child;
  }

  remove(child: number): void {
    this.children.remove(this.nodes.parentOf(child), child);
    this.table.remove(child);
    this.nodes.release(child);
  }

  find(parent: number, text: string): number {
    const bytes = encoder.encode(`<${text}>`);
    return this.table.find(parent, bytes, 1, bytes.length - 1);
  }

  collected(parent: number, birth: number, lastBirth: number, limit: number): number[] {
    const into: number[] = [];
    this.children.collect(parent, birth, lastBirth, limit, into);
    return into;
  }
}

test('any sequence of changes: the table finds what is there, the order is that of birth, few or many', () => {
  // Runs of removals, so that a crowd becomes few again.
  const step = fc.record({
    isAdd: fc.boolean(),
    parent: fc.nat(1),
    times: fc.integer({ min: 1, max: 40 }),
    pick: fc.nat(),
  });
  fc.assert(
    fc.property(manyOf(step, 60), fc.nat(300), fc.integer({ min: 1, max: 64 }), (steps, after, limit) => {
      const house = new House();
      const models = house.parents.map(() => new Map<string, number>());
      let serial = 0;
      for (const { isAdd, parent, times, pick } of steps) {
        const node = house.parents[parent] ?? ROOT;
        const model = models[parent] ?? new Map<string, number>();
        for (let left = times; left > 0; left -= 1) {
          if (isAdd) {
            serial += 1;
            model.set(`child ${serial}`, house.add(node, `child ${serial}`));
          } else if (model.size > 0) {
            const [text, child] = [...model][pick % model.size] ?? ['', NONE];
            model.delete(text);
            house.remove(child);
          }
        }
      }
      for (const [index, model] of models.entries()) {
        const node = house.parents[index] ?? ROOT;
        for (const [text, child] of model) assert.equal(house.find(node, text), child);
        assert.equal(house.find(node, 'none'), NONE);
        assert.equal(house.nodes.childCountOf(node), model.size);
        const births = [...model.values()].map((child) => house.nodes.birthOf(child));
        assert.deepEqual(
          births,
          births.toSorted((one, two) => one - two),
        );
        const last = after + 200;
        const expected = [...model.values()].filter(
          (child) => house.nodes.birthOf(child) > after && house.nodes.birthOf(child) <= last,
        );
        const found = house.collected(node, after, last, limit);
        assert.deepEqual(found, expected.slice(0, Math.max(limit, found.length)));
        assert.ok(found.length <= Math.max(limit, 32));
        for (const child of model.values()) house.remove(child);
      }
      assert.equal(house.nodes.count, 3);
    }),
    { numRuns: 300 },
  );
});

test('levels that are alike below different nodes, empty ones and long ones are told apart', () => {
  const house = new House();
  const texts = ['', 'a', 'aa', 'A', 'ä', 'x'.repeat(5000), 'x'.repeat(65_535), `${'x'.repeat(4999)}y`];
  const known = house.parents.map((parent) => texts.map((text) => house.add(parent, text)));
  assert.deepEqual(
    house.parents.map((parent) => texts.map((text) => house.find(parent, text))),
    known,
  );
  const [first, second] = known;
  for (const child of first ?? []) house.remove(child);
  assert.deepEqual(
    house.parents.map((parent) => texts.map((text) => house.find(parent, text))),
    [texts.map(() => NONE), second],
  );
});

test('a number is used again with another birth, and a free one has none', () => {
  const house = new House();
  const [parent = ROOT] = house.parents;
  const child = house.add(parent, 'first');
  const birth = house.nodes.birthOf(child);
  house.remove(child);
  assert.equal(house.nodes.birthOf(child), Infinity);
  assert.equal(house.add(parent, 'second'), child);
  assert.ok(house.nodes.birthOf(child) > birth);
});
