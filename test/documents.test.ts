/** What documents say of the program and of each other is there. Links are checked by `npm run check` (scripts/tidy). */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { MAIN } from './app/broker-process.ts';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const PAGES = readdirSync(`${ROOT}docs`).filter((name) => name.endsWith('.md'));
const DOCUMENTS = [
  'README.md',
  'CHANGELOG.md',
  'SECURITY.md',
  'bench/README.md',
  ...PAGES.map((name) => `docs/${name}`),
];

function read(path: string): string {
  return readFileSync(`${ROOT}${path}`, 'utf8');
}

test('every page of docs/ is linked from the README', () => {
  const readme = read('README.md');
  const missing = PAGES.filter((name) => !readme.includes(`](docs/${name}`));
  assert.deepEqual(missing, []);
});

test('the section of the README that the log names is there', () => {
  const section = /see the section '([^']+)' of the README/.exec(read('src/app/run-broker.ts'))?.[1];
  assert.ok(section !== undefined);
  assert.ok(read('README.md').includes(`\n## ${section}\n`));
});

test('every flag of the command line is in the documents', () => {
  const [node = '', ...args] = MAIN;
  const { stdout } = spawnSync(node, [...args, '--help'], { encoding: 'utf8' });
  const flags = stdout.match(/--[a-z][a-z-]+/g) ?? [];
  assert.ok(flags.length > 5, stdout);
  const text = DOCUMENTS.map(read).join('\n');
  // The long form of what is documented by its letter.
  const withLetter = new Set(['--config-file', '--daemon', '--port', '--verbose', '--quiet', '--help']);
  const missing = flags.filter((flag) => !withLetter.has(flag) && !text.includes(flag));
  assert.deepEqual(missing, []);
});

test('every npm script and file of examples/ that a document names is there', () => {
  const { scripts } = JSON.parse(read('package.json'));
  const examples = readdirSync(`${ROOT}examples`);
  const wrong = DOCUMENTS.flatMap((document) => {
    const text = read(document);
    const commands = [...text.matchAll(/npm run ([a-z0-9:-]+)/g)].map(([, name = '']) => name);
    const files = [...text.matchAll(/\bexamples\/([a-z0-9.-]+)/g)].map(([, name = '']) => name);
    const missing = [
      ...commands.filter((name) => !(name in scripts)),
      ...files.filter((name) => !examples.includes(name)),
    ];
    return missing.map((name) => `${document}: ${name}`);
  });
  assert.deepEqual(wrong, []);
});
