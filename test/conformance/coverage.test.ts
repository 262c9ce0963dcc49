import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { assign, type Checklist, readChecklists, readMentions, shareOf } from '../../scripts/conformance/checklist.ts';
import { readFacts } from '../../scripts/tidy/source-facts.ts';
import { readTree } from '../../scripts/tidy/tree.ts';

/** The share of the statements that bind a server (alone, or both sides) that must have a test. It only grows. */
const SHARE_MIN = 0.6;

describe('the tests and the checklist of the standard', () => {
  let lists: readonly Checklist[];
  let coverage: ReturnType<typeof assign>;

  before(() => {
    const tree = readTree(join(import.meta.dirname, '../..'));
    lists = readChecklists(tree);
    coverage = assign(lists, readMentions(readFacts(tree)));
  });

  test('the lists hold every numbered statement of the standards and every known weakness', () => {
    const sizes = lists.map(({ name, items }) => [name, items.length]);
    assert.deepEqual(sizes, [
      ['MQTT 5.0', 251],
      ['MQTT 3.1.1', 141],
      ['Security cases', 57],
    ]);
  });

  test('no id stands twice in a list', () => {
    const ids = lists.flatMap(({ items }) => items.map(({ id }) => id));
    assert.equal(new Set(ids).size, ids.length);
  });

  test('no test names a statement or a case that does not exist', () => {
    assert.deepEqual(
      coverage.unknown.map(({ id, path, line }) => `${path}:${line} ${id}`),
      [],
    );
  });

  for (const [index, name] of ['MQTT 5.0', 'MQTT 3.1.1'].entries()) {
    test(`${SHARE_MIN * 100} % of the statements of ${name} that bind a server have a test`, () => {
      const list = lists[index];
      assert.ok(list !== undefined);
      const { covered, total } = shareOf(list, coverage.byId, ['S', 'B']);
      const wanted = Math.ceil(total * SHARE_MIN);
      assert.ok(covered >= wanted, `${covered} of ${total} have one, ${wanted} are wanted; see npm run conformance`);
    });
  }
});
