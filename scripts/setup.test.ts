import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { DISK_MEGABYTES, mend, packageCount, whyStale } from './setup-plan.js';

const PROJECT = join(import.meta.dirname, '..');
const LINUX = { os: 'linux', cpu: 'x64', libc: 'glibc' };

describe('what a setup needs', () => {
  test('packages for other systems are not counted, the binary of node is', () => {
    const packages = {
      '': {},
      a: {},
      b: { os: ['linux'], cpu: ['x64'], libc: ['glibc'] },
      c: { os: ['darwin'] },
      d: { os: ['linux'], libc: ['musl'] },
      e: { os: ['!win32'] },
      f: { os: ['!linux'] },
    };
    assert.equal(packageCount({ packages }, LINUX), 4);
  });

  test('what npm wrote about its last install is compared with the lock file', () => {
    const packages = { '': {}, a: { version: '1.0.0', integrity: 'x' }, b: { version: '1.0.0', optional: true } };
    assert.equal(whyStale({ packages }, null), 'nothing is installed yet');
    assert.equal(whyStale({ packages }, { packages }), null);
    assert.equal(whyStale({ packages }, { packages: { a: packages.a } }), null);
    assert.equal(whyStale({ packages }, { packages: {} }), 'a is missing');
    assert.equal(whyStale({ packages }, { packages: { a: { version: '1.0.1', integrity: 'x' } } }), 'a has changed');
    assert.equal(whyStale({ packages }, { packages: { a: { version: '1.0.0', integrity: 'y' } } }), 'a has changed');
  });

  test('each common failure of npm has its mend', () => {
    assert.match(mend('npm error code ENOTFOUND'), /registry cannot be reached/);
    assert.match(mend('npm error code EACCES'), /cannot be written/);
    assert.match(mend('npm error code ENOSPC'), /disk is full/);
    assert.match(mend('npm error code EUSAGE'), /do not fit together/);
    assert.match(mend('npm error code SELF_SIGNED_CERT_IN_CHAIN'), /cafile/);
    assert.match(mend('npm error something else'), /npm ci/);
  });

  test('the lock file has an entry for every optional package, without which npm ci refuses it', () => {
    const lock: { packages: Record<string, { optionalDependencies?: Record<string, string> }> } = JSON.parse(
      readFileSync(join(PROJECT, 'package-lock.json'), 'utf8'),
    );
    const wanted = Object.values(lock.packages).flatMap((entry) => Object.keys(entry.optionalDependencies ?? {}));
    assert.ok(wanted.length > 0);
    assert.deepEqual(
      wanted.filter((name) => lock.packages[`node_modules/${name}`] === undefined),
      [],
    );
  });

  test('the size that is announced is about what stands there', { skip: process.platform !== 'linux' }, () => {
    const megabytes = sizeOf(join(PROJECT, 'node_modules')) / 1e6;
    assert.ok(
      Math.abs(megabytes - DISK_MEGABYTES) < 0.2 * DISK_MEGABYTES,
      `${megabytes} MB, announced ${DISK_MEGABYTES}`,
    );
  });
});

/** Bytes on disk below a folder, but for what scripts keep in .cache; a file with several names (the binary of node has two) counts once. */
function sizeOf(folder: string): number {
  const seen = new Set<number>();
  let bytes = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile() || entry.parentPath.startsWith(join(folder, '.cache'))) continue;
    const { ino, blocks } = statSync(join(entry.parentPath, entry.name));
    if (seen.has(ino)) continue;
    seen.add(ino);
    bytes += blocks * 512;
  }
  return bytes;
}

/** npm as `setup.js` sees it: it fails when told to, else leaves what an install leaves, and notes how it was called. */
const FAKE_NPM = `
  import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
  writeFileSync('npm-was-called', process.argv.slice(2).join(' ') + '\\n' + process.env.PATH);
  console.log('noise of npm');
  if (process.env.FAKE_NPM_FAILS) { console.error('npm error code ENOTFOUND'); process.exit(7); }
  mkdirSync('node_modules/.bin', { recursive: true });
  const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8'));
  writeFileSync('node_modules/.package-lock.json', JSON.stringify({ packages }));
  symlinkSync(process.execPath, 'node_modules/.bin/node');`;

describe('scripts/setup.js', () => {
  let root = '';
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'zanzara-setup-'));
    mkdirSync(join(root, 'scripts'));
    for (const name of ['setup.js', 'setup-plan.js']) {
      cpSync(join(PROJECT, 'scripts', name), join(root, 'scripts', name));
    }
    writeFileSync(join(root, 'package.json'), '{"type":"module"}');
    writeFileSync(join(root, 'npm-cli.js'), FAKE_NPM);
    lockWith('1.0.0');
  });
  afterEach(() => rmSync(root, { recursive: true }));

  function lockWith(version: string): void {
    writeFileSync(join(root, 'package-lock.json'), JSON.stringify({ packages: { '': {}, a: { version } } }));
  }

  function setup(environment: Record<string, string> = {}) {
    rmSync(join(root, 'npm-was-called'), { force: true });
    const run = spawnSync(process.execPath, [join(root, 'scripts/setup.js')], {
      encoding: 'utf8',
      env: {
        PATH: `${join(root, 'node_modules/.bin')}:/usr/bin:/bin`,
        npm_execpath: join(root, 'npm-cli.js'),
        npm_node_execpath: process.execPath,
        ...environment,
      },
    });
    const called = join(root, 'npm-was-called');
    return { ...run, npm: existsSync(called) ? readFileSync(called, 'utf8') : null };
  }

  test('a fresh clone is set up once, says how much it is, and keeps npm quiet', () => {
    const first = setup();
    assert.equal(first.status, 0, first.stderr);
    assert.equal(first.stdout, '');
    assert.match(
      first.stderr,
      /^Setting up Zanzara, once: 2 packages, about \d+ MB to fetch and \d+ MB on disk \.\.\.\nReady after \d+ s\.\n$/,
    );
    assert.match(first.npm ?? '', /^ci .*--include=dev/);
    assert.doesNotMatch(first.npm ?? '', /node_modules/, 'npm runs on the Node of the machine');
    const second = setup();
    assert.deepEqual([second.status, second.stderr, second.npm], [0, '', null]);
  });

  test('another lock file is another setup', () => {
    setup();
    rmSync(join(root, 'node_modules/.bin'), { recursive: true });
    lockWith('1.0.1');
    const { status, stderr, npm } = setup();
    assert.equal(status, 0);
    assert.match(stderr, /^Setting up Zanzara, again \(a has changed\): /);
    assert.notEqual(npm, null);
  });

  test('when npm fails, what it said is shown with the mend, and the script that follows does not run', () => {
    const { status, stderr } = setup({ FAKE_NPM_FAILS: '1' });
    assert.equal(status, 1);
    assert.match(stderr, /npm error code ENOTFOUND\nZanzara is not set up: .*\nThe package registry cannot be reached/);
  });

  test('a pinned Node that was not installed is told, with the way to get it', () => {
    setup();
    rmSync(join(root, 'node_modules/.bin/node'));
    const { status, stderr } = setup({ PATH: join(root, 'nowhere') });
    assert.equal(status, 1);
    assert.match(stderr, /node here: none\).*\n.*npm rebuild node --ignore-scripts=false/);
  });
});
