import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';

const LAUNCHER = join(import.meta.dirname, '../bin/zanzara');

const NODE_OPTIONS = [
  '--disable-warning=ExperimentalWarning',
  '--max-semi-space-size=2',
  '--min-semi-space-size=2',
  '--no-allocation-site-pretenuring',
  '--no-maglev',
];

/** A stand-in for scripts/bundle.sh: says in its file which time it was. */
const BUNDLER = `#!/bin/sh
root=\${0%/*}/..
mkdir -p "$root/dist/cli"
: >"$root/start"
echo again >>"$root/count"
cp "$root/count" "$root/dist/cli/main.cjs"
touch -r "$root/start" "$root/dist/cli/main.cjs"
`;

/** A stand-in for Node: answers `--version`, else says its name, its pid and its arguments. */
const fakeNode = (name: string, version: string): string =>
  `#!/bin/sh\nif [ "$1" = --version ]; then echo ${version}; exit 0; fi\necho "${name} $$"\nprintf '%s\\n' "$@"\n`;

describe('bin/zanzara', () => {
  let root = '';
  beforeEach(() => {
    root = realpathSync(mkdtempSync(join(tmpdir(), 'zanzara launcher ')));
  });
  afterEach(() => rmSync(root, { recursive: true }));

  function put(path: string, text: string, mode = 0o755): string {
    const full = join(root, path);
    mkdirSync(dirname(full), { recursive: true });
    writeFileSync(full, text);
    chmodSync(full, mode);
    return full;
  }

  function install(folder: string, entry: string): string {
    const launcher = join(root, folder, 'bin/zanzara');
    mkdirSync(dirname(launcher), { recursive: true });
    cpSync(LAUNCHER, launcher);
    put(join(folder, entry), '');
    return launcher;
  }

  /** PATH holds the system's tools, and `node` only where `tools/node` was put. */
  function run(command: string, args: readonly string[] = [], env: Readonly<Record<string, string>> = {}) {
    const PATH = `${join(root, 'tools')}:${toolsWithoutNode()}`;
    const child = spawnSync(command, [...args], { encoding: 'utf8', env: { PATH, ...env } });
    return { ...child, lines: child.stdout.trimEnd().split('\n') };
  }

  function toolsWithoutNode(): string {
    const folder = join(root, 'system');
    mkdirSync(folder, { recursive: true });
    for (const tool of ['readlink', 'dirname', 'sh', 'find', 'mkdir', 'cp', 'touch']) {
      const path = ['/usr/bin', '/bin']
        .map((place) => join(place, tool))
        .find((place) => spawnSync('test', ['-x', place]).status === 0);
      rmSync(join(folder, tool), { force: true });
      symlinkSync(path ?? tool, join(folder, tool));
    }
    return folder;
  }

  test('in a clone it becomes the pinned Node, on the sources, with its arguments as they were', () => {
    const launcher = install('clone', 'src/cli/main.ts');
    put('clone/node_modules/node/bin/node', fakeNode('pinned', 'v26.10.0'));
    const { pid, lines } = run(launcher, ['-c', 'a file.conf', '', '*']);
    const entry = join(root, 'clone/src/cli/main.ts');
    assert.deepEqual(lines, [`pinned ${pid}`, ...NODE_OPTIONS, entry, '-c', 'a file.conf', '', '*']);
  });

  test('an installed copy is found through the links of npm, finds the Node beside it, and runs what was built', () => {
    install('app/node_modules/zanzara', 'dist/cli/main.cjs');
    put('app/node_modules/node/bin/node', fakeNode('hoisted', 'v26.10.0'));
    mkdirSync(join(root, 'app/node_modules/.bin'));
    symlinkSync('../zanzara/bin/zanzara', join(root, 'app/node_modules/.bin/zanzara'));
    symlinkSync(join(root, 'app/node_modules/.bin/zanzara'), join(root, 'anywhere'));
    const { pid, lines } = run(join(root, 'anywhere'), ['-v']);
    const entry = join(root, 'app/node_modules/zanzara/dist/cli/main.cjs');
    assert.deepEqual(lines, [`hoisted ${pid}`, ...NODE_OPTIONS, entry, '-v']);
  });

  test('without the pinned Node, or with one that does not run here, a new enough one of the machine serves', () => {
    const launcher = install('clone', 'src/cli/main.ts');
    put('tools/node', fakeNode('system', 'v27.0.1'));
    assert.match(run(launcher).lines[0] ?? '', /^system /);
    put('clone/node_modules/node/bin/node', '#!/no/such/loader\n');
    assert.match(run(launcher).lines[0] ?? '', /^system /);
  });

  test('an old Node is not used: it says what to do and exits with 1', () => {
    const launcher = install('clone', 'src/cli/main.ts');
    put('tools/node', fakeNode('system', 'v20.20.2'));
    const { status, stdout, stderr } = run(launcher);
    assert.equal(status, 1);
    assert.equal(stdout, '');
    assert.match(stderr, /needs Node 26 or newer/);
    assert.match(stderr, /The node of this machine: v20\.20\.2\./);
    assert.match(stderr, /npm ci --ignore-scripts=false/);
  });

  test('with no Node at all an installed copy says so', () => {
    const { status, stderr } = run(install('app/node_modules/zanzara', 'dist/cli/main.cjs'));
    assert.equal(status, 1);
    assert.match(stderr, /The node of this machine: none\./);
    assert.match(stderr, /npm rebuild node --ignore-scripts=false/);
  });

  test('in a clone the bundle is made first, and made again after any change of the sources', () => {
    const launcher = install('clone', 'src/cli/main.ts');
    const other = put('clone/src/other.ts', '');
    put('clone/scripts/bundle.sh', BUNDLER);
    put('clone/node_modules/node/bin/node', fakeNode('pinned', 'v26.10.0'));
    const entry = join(root, 'clone/dist/cli/main.cjs');
    const timesMade = () => readFileSync(join(root, 'clone/count'), 'utf8').split('again').length - 1;
    assert.ok(run(launcher).lines.includes(entry));
    run(launcher);
    assert.equal(timesMade(), 1);

    const changes = [
      () => writeFileSync(other, 'export {};'),
      // As cp -p, tar and rsync leave a file: older than what was made of its predecessor.
      () => utimesSync(other, 0, 0),
      () => renameSync(other, `${other}x`),
      () => rmSync(`${other}x`),
      () => rmSync(entry),
    ];
    for (const [index, change] of changes.entries()) {
      change();
      assert.ok(run(launcher).lines.includes(entry));
      assert.equal(timesMade(), index + 2, String(change));
    }
  });

  test('where the bundle cannot be made, the sources run, whatever older one is there', () => {
    const launcher = install('clone', 'src/cli/main.ts');
    put('clone/scripts/bundle.sh', 'exit 1');
    put('clone/node_modules/node/bin/node', fakeNode('pinned', 'v26.10.0'));
    const old = put('clone/dist/cli/main.cjs', '');
    utimesSync(old, 0, 0);
    const { lines, stderr } = run(launcher);
    assert.ok(lines.includes(join(root, 'clone/src/cli/main.ts')));
    assert.equal(stderr, '');
  });

  test('what Node compiled is kept beside it, unless the user says where', () => {
    const launcher = install('app/node_modules/zanzara', 'dist/cli/main.cjs');
    const saying = fakeNode('pinned', 'v26.10.0').replace('$$', '$NODE_COMPILE_CACHE');
    put('app/node_modules/node/bin/node', saying);
    const own = join(root, 'app/node_modules/zanzara/node_modules/.cache/zanzara');
    assert.equal(run(launcher).lines[0], `pinned ${own}`);
    assert.equal(run(launcher, [], { NODE_COMPILE_CACHE: '/else' }).lines[0], 'pinned /else');
  });

  test('a copy without sources and without a build says so', () => {
    const launcher = install('clone', 'README.md');
    const { status, stderr } = run(launcher);
    assert.equal(status, 1);
    assert.match(stderr, /dist\/cli\/main\.cjs is missing/);
  });
});
