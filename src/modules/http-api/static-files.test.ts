import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { openFile } from './static-files.ts';

const base = mkdtempSync(join(tmpdir(), 'zanzara-http-dir-'));
after(() => rmSync(base, { recursive: true }));

const root = join(base, 'www');
mkdirSync(join(root, 'assets'), { recursive: true });
mkdirSync(join(base, 'www-other'));
writeFileSync(join(root, 'index.html'), '<h1>hello</h1>');
writeFileSync(join(root, 'assets/app.js'), 'let a = 1;');
writeFileSync(join(root, 'UPPER.PNG'), 'x');
writeFileSync(join(root, 'plain'), '');
writeFileSync(join(base, 'secret.txt'), 'secret');
writeFileSync(join(base, 'www-other/secret.txt'), 'secret');
symlinkSync('index.html', join(root, 'inside.html'));
symlinkSync('../secret.txt', join(root, 'outside.txt'));
symlinkSync(base, join(root, 'up'));
symlinkSync('../www-other', join(root, 'sibling'));
symlinkSync('loop', join(root, 'loop'));
symlinkSync('missing', join(root, 'dangling'));
symlinkSync(root, join(base, 'link-to-www'));
execFileSync('mkfifo', [join(root, 'pipe')]);

interface Seen {
  readonly text: string;
  readonly byteCount: number;
  readonly contentType: string;
}

async function read(path: string, httpDir = root): Promise<Seen | null> {
  const file = await openFile(httpDir, path);
  if (file === null) return null;
  const { handle, byteCount, contentType } = file;
  try {
    return { text: await handle.readFile('utf8'), byteCount, contentType };
  } finally {
    await handle.close();
  }
}

const FILES: readonly (readonly [path: string, text: string, contentType: string])[] = [
  ['/', '<h1>hello</h1>', 'text/html; charset=utf-8'],
  ['/index.html', '<h1>hello</h1>', 'text/html; charset=utf-8'],
  ['/assets/app.js', 'let a = 1;', 'text/javascript; charset=utf-8'],
  ['/UPPER.PNG', 'x', 'image/png'],
  ['/plain', '', 'application/octet-stream'],
  ['/inside.html', '<h1>hello</h1>', 'text/html; charset=utf-8'],
];

for (const [path, text, contentType] of FILES) {
  test(`http_dir: ${path} is shown`, async () => {
    assert.deepEqual(await read(path), { text, byteCount: text.length, contentType });
  });
}

const ABSENT: readonly (readonly [what: string, path: string])[] = [
  ['what is not there', '/missing.html'],
  ['a folder', '/assets'],
  ['below a file', '/index.html/x'],
  ['a link out of the folder', '/outside.txt'],
  ['a path through a link out of the folder', '/up/secret.txt'],
  ['a folder beside it whose name begins alike', '/sibling/secret.txt'],
  ['a link back in by way of outside is inside, its file is missing', '/up/www/missing'],
  ['a link to itself', '/loop'],
  ['a link to nothing', '/dangling'],
  ['a pipe, which nobody waits for', '/pipe'],
  ['dots, if they came so far', '/../secret.txt'],
  ['a name that is too long', `/${'n'.repeat(300)}`],
];

for (const [what, path] of ABSENT) {
  test(`http_dir: ${what} is not shown`, async () => assert.equal(await read(path), null));
}

test('http_dir: it may be a link itself, and a link that comes back in is inside', async () => {
  assert.equal((await read('/', join(base, 'link-to-www')))?.text, '<h1>hello</h1>');
  assert.equal((await read('/up/www/assets/app.js'))?.text, 'let a = 1;');
});

test('http_dir: a folder that is not there has no files', async () => {
  assert.equal(await read('/', join(base, 'nowhere')), null);
});
