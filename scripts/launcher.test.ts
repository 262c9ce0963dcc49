import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';

const LAUNCHER = join(import.meta.dirname, '../bin/zanzara');

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
  function run(command: string, args: readonly string[] = []) {
    const PATH = `${join(root, 'tools')}:${toolsWithoutNode()}`;
    const child = spawnSync(command, [...args], { encoding: 'utf8', env: { PATH } });
    return { ...child, lines: child.stdout.trimEnd().split('\n') };
  }

  function toolsWithoutNode(): string {
    const folder = join(root, 'system');
    mkdirSync(folder, { recursive: true });
    for (const tool of ['readlink', 'dirname', 'sh']) {
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
    assert.deepEqual(lines, [
      `pinned ${pid}`,
      '--disable-warning=ExperimentalWarning',
      join(root, 'clone/src/cli/main.ts'),
      '-c',
      'a file.conf',
      '',
      '*',
    ]);
  });

  test('an installed copy is found through the links of npm, finds the Node beside it, and runs what was built', () => {
    install('app/node_modules/zanzara', 'dist/cli/main.js');
    put('app/node_modules/node/bin/node', fakeNode('hoisted', 'v26.10.0'));
    mkdirSync(join(root, 'app/node_modules/.bin'));
    symlinkSync('../zanzara/bin/zanzara', join(root, 'app/node_modules/.bin/zanzara'));
    symlinkSync(join(root, 'app/node_modules/.bin/zanzara'), join(root, 'anywhere'));
    const { pid, lines } = run(join(root, 'anywhere'), ['-v']);
    assert.deepEqual(lines, [
      `hoisted ${pid}`,
      '--disable-warning=ExperimentalWarning',
      join(root, 'app/node_modules/zanzara/dist/cli/main.js'),
      '-v',
    ]);
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
    const { status, stderr } = run(install('app/node_modules/zanzara', 'dist/cli/main.js'));
    assert.equal(status, 1);
    assert.match(stderr, /The node of this machine: none\./);
    assert.match(stderr, /npm rebuild node --ignore-scripts=false/);
  });

  test('a copy without sources and without a build says so', () => {
    const launcher = install('clone', 'README.md');
    const { status, stderr } = run(launcher);
    assert.equal(status, 1);
    assert.match(stderr, /dist\/cli\/main\.js is missing/);
  });
});
