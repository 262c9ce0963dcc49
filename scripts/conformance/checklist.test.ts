import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readFacts } from '../tidy/source-facts.ts';
import type { Tree } from '../tidy/tree.ts';
import { assign, readChecklists, readMentions, shareOf } from './checklist.ts';

/** Put together here, because the strings of this file are searched for ids like those of any other test. */
const id = (version: string, number: string): string => `MQTT${version}-${number}`;
const T04 = ['T', '04'].join('');
const PUT_TOGETHER = ['[', '$', '{name}', '-1.1-1'].join('');

const HEAD = 'id\tbind\tkind\ttext\n';

function tree(tests: string, statements = '1.1-1\tS\trx\tone\n1.1-2\tB\ttx\ttwo\n1.1-3\tR\trx\tthree\n'): Tree {
  return new Map([
    ['test/conformance/statements-v5.tsv', HEAD + statements],
    ['test/conformance/statements-v3.tsv', `${HEAD}1.1-1\tS\trx\tone\n`],
    ['test/security/cases.tsv', `id\ttext\n${T04}\tfour\n`],
    ['src/base/a.test.ts', tests],
  ]);
}

function mentions(tests: string): string[] {
  return readMentions(readFacts(tree(tests))).map(({ id: found, line }) => `${line} ${found}`);
}

test('ids are found in titles and in the tables that titles are made of', () => {
  const source = `test('[${id('5', '1.1-1')}] [${id('3', '1.1-1')}] does', () => {});
    const rows = [{ name: '${T04} [${id('5', '1.1-2')}]' }];
    test(\`\${version} [${id('5', '4.2-1')}]\`, () => {});`;
  assert.deepEqual(mentions(source), [
    `1 ${id('5', '1.1-1')}`,
    `1 ${id('3', '1.1-1')}`,
    `2 ${id('5', '1.1-2')}`,
    `2 ${T04}`,
    `3 ${id('5', '4.2-1')}`,
  ]);
});

test('comments and skipped tests name nothing', () => {
  const title = `'[${id('5', '1.1-1')}]'`;
  const source = `// [${id('5', '1.1-1')}]
    test.skip(${title}, () => {}); test.todo(${title}); test(${title}, { skip: true }, () => {});`;
  assert.deepEqual(mentions(source), []);
});

test('an id without a version, one that no list has, and one put together at run time are mistakes', () => {
  const source = `test('[${id('', '1.1-1')}]', f); test('[${id('5', '9.9-9')}]', f); test(\`${PUT_TOGETHER}]\`, f);`;
  const files = tree(source);
  const { unknown } = assign(readChecklists(files), readMentions(readFacts(files)));
  assert.deepEqual(
    unknown.map((mention) => mention.id),
    [`[${id('', '1.1-1')}]`, id('5', '9.9-9'), PUT_TOGETHER],
  );
});

test('the share counts the statements of the wanted kinds that have a test', () => {
  const files = tree(`test('[${id('5', '1.1-1')}] [${id('5', '1.1-3')}]', f);`);
  const [list] = readChecklists(files);
  const { byId } = assign(readChecklists(files), readMentions(readFacts(files)));
  assert.ok(list !== undefined);
  assert.deepEqual(shareOf(list, byId, ['S', 'B']), { covered: 1, total: 2 });
  assert.deepEqual(shareOf(list, byId, ['R']), { covered: 1, total: 1 });
});

test('a row that is not as it must be names its file and line', () => {
  assert.throws(
    () => readChecklists(tree('', '1.1-1\tX\trx\tone\n')),
    /statements-v5\.tsv:2: expected id, S, B, R or C/,
  );
});
