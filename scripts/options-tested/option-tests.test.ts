import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OPTION_ROWS } from '../../src/config/options.ts';
import { readFacts } from '../tidy/source-facts.ts';
import { assignTests, optionNames, pageOf, readOptionTests } from './option-tests.ts';

const SOURCE = `
  const ROWS = [{ title: 'option user: in a table' }];
  test('option port: opens it', () => {});
  test.skip('option topic: not run', () => {});
  test('option topic: not done', { todo: true }, () => {});
  test('about option port', () => {});
  test('option prot: misspelt', () => {});
  test('option port: a | b', () => {});
`;

test('titles that begin with the name of an option, but for skipped ones', () => {
  const facts = readFacts(new Map([['test/a.test.ts', SOURCE]]));
  const { rows, strangers } = assignTests(optionNames(OPTION_ROWS), readOptionTests(facts));
  const found = new Map(rows.map(({ name, tests }) => [name, tests.map(({ says, line }) => [says, line])]));
  assert.deepEqual(found.get('user'), [['in a table', 2]]);
  assert.deepEqual(found.get('port'), [
    ['opens it', 3],
    ['a | b', 8],
  ]);
  assert.deepEqual(found.get('topic'), []);
  assert.deepEqual(
    strangers.map(({ name, line }) => [name, line]),
    [['prot', 7]],
  );
  const page = pageOf(rows);
  assert.match(page, /\| `port` \| global \| `test\/a\.test\.ts` \| a \\\| b \|/);
  assert.match(page, /\| `topic` \| bridge \| \*\*none\*\* \| \|/);
});

test('titles outside of tests do not count', () => {
  assert.deepEqual(readOptionTests(readFacts(new Map([['src/a.ts', SOURCE]]))), []);
});

test('every name of an option is a row of its own', () => {
  const names = optionNames(OPTION_ROWS);
  assert.equal(new Set(names.map(({ name }) => name)).size, names.length);
  assert.equal(names.find(({ name }) => name === 'maximum_qos')?.aliasOf, 'max_qos');
});
