/**
 * Makes the documents of the configuration from the table of options: the tables in docs/configuration.md and
 * examples/zanzara.conf. With --check nothing is written; a document that is not up to date ends it with 1.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { exampleText, optionTables } from '../src/config/option-docs.ts';

const ROOT = new URL('../', import.meta.url);
const BEGIN = '<!-- made by scripts/config-docs.ts: begin -->';
const END = '<!-- made by scripts/config-docs.ts: end -->';

const isCheck = process.argv.includes('--check');
const documents = [
  { path: 'docs/configuration.md', make: withTables },
  { path: 'examples/zanzara.conf', make: exampleText },
];

for (const { path, make } of documents) {
  const before = readOrEmpty(path);
  const after = make(before);
  if (after === before) continue;
  if (isCheck) {
    console.error(`${path} is not up to date with the table of options; run: node scripts/config-docs.ts`);
    process.exitCode = 1;
  } else {
    writeFileSync(new URL(path, ROOT), after);
    console.log(`wrote ${path}`);
  }
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(new URL(path, ROOT), 'utf8');
  } catch {
    return '';
  }
}

function withTables(page: string): string {
  const [start, end] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (start < 0 || end < start) throw new Error(`docs/configuration.md needs the lines ${BEGIN} and ${END}`);
  return `${page.slice(0, start)}${BEGIN}\n\n${optionTables()}\n\n${page.slice(end)}`;
}
