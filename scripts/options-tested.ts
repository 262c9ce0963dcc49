/**
 * Writes docs/options-tested.md: each option of mosquitto.conf with the tests that show its effect. A test names its option
 * at the beginning of its title, `option NAME: ...`; titles in a table of a test file count, skipped and todo tests do not.
 *
 * With --check nothing is written; it ends with 1 when the page is not up to date. In both cases it ends with 1 when an
 * option has no test, or a title names an option that does not exist.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { OPTION_ROWS } from '../src/config/options.ts';
import { assignTests, optionNames, pageOf, readOptionTests } from './options-tested/option-tests.ts';
import { readFacts } from './tidy/source-facts.ts';
import { isTest, readTree } from './tidy/tree.ts';

const ROOT = join(import.meta.dirname, '..');
const PAGE = 'docs/options-tested.md';

const tests = readOptionTests(readFacts(new Map([...readTree(ROOT)].filter(([path]) => isTest(path)))));
const { rows, strangers } = assignTests(optionNames(OPTION_ROWS), tests);
const page = pageOf(rows);

for (const { name } of rows.filter((row) => row.tests.length === 0)) {
  complain(`The option '${name}' has no test: give one the title 'option ${name}: what it does'.`);
}
for (const { name, path, line } of strangers) complain(`${path}:${line}: there is no option '${name}'.`);
if (page !== textOf(PAGE)) {
  if (process.argv.includes('--check')) complain(`${PAGE} is not up to date; run: node scripts/options-tested.ts`);
  else {
    writeFileSync(join(ROOT, PAGE), page);
    console.log(`wrote ${PAGE}`);
  }
}

function complain(text: string): void {
  console.error(text);
  process.exitCode = 1;
}

function textOf(path: string): string {
  try {
    return readFileSync(join(ROOT, path), 'utf8');
  } catch {
    return '';
  }
}
