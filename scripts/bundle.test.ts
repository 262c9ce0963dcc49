import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

const PROJECT = join(import.meta.dirname, '..');

test('scripts/bundle.sh makes one file, dated by its beginning, that runs anywhere and stays at a byte a letter', (context) => {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'zanzara bundle ')));
  context.after(() => rmSync(root, { recursive: true }));
  for (const part of ['package.json', 'src', 'scripts']) {
    cpSync(join(PROJECT, part), join(root, part), { recursive: true });
  }
  mkdirSync(join(root, 'node_modules'));
  symlinkSync(join(PROJECT, 'node_modules/@esbuild'), join(root, 'node_modules/@esbuild'));

  const startMs = Date.now();
  const made = spawnSync('sh', [join(root, 'scripts/bundle.sh')], { encoding: 'utf8' });
  assert.equal(made.stderr, '');
  assert.equal(made.status, 0);
  const bundle = join(root, 'dist/cli/main.cjs');
  // The clock of a file system runs in steps of some milliseconds.
  const { mtimeMs, ctimeMs } = statSync(bundle);
  assert.ok(mtimeMs >= startMs - 50 && mtimeMs < ctimeMs, `${startMs} ${mtimeMs} ${ctimeMs}`);
  assert.match(readFileSync(bundle, 'latin1'), /^[\0-\x7f]*$/);

  rmSync(join(root, 'src'), { recursive: true });
  rmSync(join(root, 'node_modules'), { recursive: true });
  const ran = spawnSync(process.execPath, [bundle, '--version'], { encoding: 'utf8', cwd: '/' });
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  assert.equal(ran.stdout, `zanzara ${version}\nLicence: Apache-2.0\n`);
  assert.equal(ran.stderr, '');
});
