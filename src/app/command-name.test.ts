import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { commandName } from './command-name.ts';

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'zanzara-command-')));
after(() => rmSync(folder, { recursive: true }));

function installed(name: string): { readonly root: string; readonly program: string } {
  const root = join(folder, name, 'node_modules', 'zanzara');
  const program = join(root, 'bin', 'zanzara');
  mkdirSync(join(root, 'bin'), { recursive: true });
  writeFileSync(program, '#!/bin/sh\n');
  chmodSync(program, 0o755);
  return { root, program };
}

test('in a clone it is the script in bin, from where the user is', () => {
  const at = (root: string, workingFolder: string) => commandName({ root, workingFolder, environment: {} });
  assert.equal(at('/srv/zanzara', '/srv/zanzara'), 'bin/zanzara');
  assert.equal(at('/srv/zanzara', '/srv/zanzara/docs'), '../bin/zanzara');
  assert.equal(at('/srv/zanzara', '/home/eve/plant/line2/robot5'), '/srv/zanzara/bin/zanzara');
  assert.equal(at("/srv/eve's", '/'), "'srv/eve'\\''s/bin/zanzara'");
});

test('in a project it is npx, even while npm has put its own folders on the PATH', () => {
  const { root, program } = installed('project');
  const binFolder = join(folder, 'project', 'node_modules', '.bin');
  mkdirSync(binFolder);
  symlinkSync(program, join(binFolder, 'zanzara'));
  const place = { root, workingFolder: join(folder, 'project') };
  assert.equal(commandName({ ...place, environment: { PATH: '/usr/bin' } }), 'npx zanzara');
  assert.equal(commandName({ ...place, environment: { PATH: binFolder } }), 'npx zanzara');
});

test('from outside the project it is the path, since npx would look for another package of the name', () => {
  const { root } = installed('elsewhere');
  const environment = { PATH: '/usr/bin' };
  assert.match(commandName({ root, workingFolder: '/', environment }), /node_modules\/zanzara\/bin\/zanzara$/);
});

test('installed for the whole machine it is the bare name, but not when npx started it', () => {
  const { root, program } = installed('global');
  const binFolder = join(folder, 'bin');
  mkdirSync(binFolder);
  symlinkSync(program, join(binFolder, 'zanzara'));
  const PATH = `/usr/bin:${binFolder}`;
  assert.equal(commandName({ root, workingFolder: folder, environment: { PATH } }), 'zanzara');
  assert.equal(commandName({ root, workingFolder: folder, environment: { PATH, npm_command: 'exec' } }), 'npx zanzara');
});
