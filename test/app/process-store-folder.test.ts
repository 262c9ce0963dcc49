/** The folder of the store: what root makes and gives away, and what a broker says that may not write there. */
import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { prepareStoreFolder, storeFolderFault } from '../../src/app/process/store-folder.ts';
import { StartFailure } from '../../src/app/start-failure.ts';
import { runScript, sourceUrl } from './script-process.ts';

const isRoot = process.geteuid?.() === 0;
const asRoot = { timeout: 30_000, skip: !isRoot && 'only root can give a folder away' };
/** Numbers that no account has. */
const [USER, GROUP] = [4711, 4712];
const IDS = { PUID: String(USER), PGID: String(GROUP) };

function place(t: TestContext): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'zanzara-folder-')));
  chmodSync(folder, 0o755);
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** As root it is for the user of IDS. */
function prepare(folder: string): void {
  prepareStoreFolder({ folder, user: 'root', environment: isRoot ? IDS : {} });
}

function rightsOf(path: string): readonly [user: number, group: number, mode: string] {
  const { uid, gid, mode } = lstatSync(path);
  return [uid, gid, (mode & 0o777).toString(8)];
}

function failureOf(run: () => void): string {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof StartFailure);
    return error.lines.join('\n');
  }
  assert.fail('nothing was refused');
}

test('a folder that is missing is made, for its user alone', (t) => {
  const folder = join(place(t), 'data');
  prepare(folder);
  assert.equal(rightsOf(folder)[2], '700');
  assert.equal(storeFolderFault(folder), null);
  prepare(folder);
});

test('only the last folder of a path is made', (t) => {
  const parent = join(place(t), 'missing');
  const text = failureOf(() => prepare(join(parent, 'data')));
  assert.match(text, /^Error: State cannot be kept in .*data: it cannot be made: no such file or directory\.\nMake /);
  assert.ok(!existsSync(parent));
});

test('root gives a new folder, and an empty one of its own, to the user that the broker becomes', asRoot, (t) => {
  const [fresh, empty] = [join(place(t), 'data'), place(t)];
  for (const folder of [fresh, empty]) prepare(folder);
  assert.deepEqual(rightsOf(fresh), [USER, GROUP, '700']);
  assert.deepEqual(rightsOf(empty), [USER, GROUP, '755']);
});

const LEFT_ALONE: readonly (readonly [title: string, arrange: (folder: string) => void])[] = [
  ['something is in it', (folder) => writeFileSync(join(folder, 'file'), '')],
  ['it belongs to somebody else', (folder) => chownSync(folder, 4800, 4800)],
  ['others may write there', (folder) => chmodSync(folder, 0o1777)],
  ['a group may write there', (folder) => chmodSync(folder, 0o2775)],
];
for (const [title, arrange] of LEFT_ALONE) {
  test(`root leaves a folder as it is: ${title}`, asRoot, (t) => {
    const folder = place(t);
    arrange(folder);
    const before = rightsOf(folder);
    prepare(folder);
    assert.deepEqual(rightsOf(folder), before);
  });
}

test('root gives away nothing that a symbolic link points to', asRoot, (t) => {
  const target = place(t);
  const link = join(place(t), 'data');
  symlinkSync(target, link);
  prepare(link);
  assert.deepEqual([rightsOf(target)[0], rightsOf(link)[0]], [0, 0]);
  const dangling = join(place(t), 'data');
  symlinkSync('/nowhere/at/all', dangling);
  prepare(dangling);
  assert.match(storeFolderFault(dangling)?.lines.join() ?? '', /no such file or directory/);
});

test('nothing changes hands where root stays root', asRoot, (t) => {
  const folder = join(place(t), 'data');
  prepareStoreFolder({ folder, user: 'root', environment: {} });
  assert.deepEqual(rightsOf(folder), [0, 0, '700']);
});

/** What the user of IDS is told. */
function faultForUser(folder: string) {
  const { stdout, stderr } = runScript(
    `import { storeFolderFault } from '${sourceUrl('app/process/store-folder.ts')}';
     process.setgroups([]);
     process.setgid(${GROUP});
     process.setuid(${USER});
     console.log(JSON.stringify(storeFolderFault(${JSON.stringify(folder)})));`,
  );
  assert.equal(stderr, '');
  return JSON.parse(stdout);
}

test('who may not write there is told what to do', asRoot, (t) => {
  const folder = place(t);
  assert.deepEqual(faultForUser(folder), {
    isOutOfReach: false,
    lines: [
      `Error: State cannot be kept in ${folder}: the user ${USER}, who the broker runs as, may not write there.`,
      `As root: chown -R ${USER}:${GROUP} ${folder}`,
    ],
  });
  chownSync(folder, USER, GROUP);
  assert.equal(faultForUser(folder), null);
});

test('a file that a broker of somebody else has left is named', asRoot, (t) => {
  const folder = place(t);
  chownSync(folder, USER, GROUP);
  writeFileSync(join(folder, 'zanzara.db'), '', { mode: 0o600 });
  const { lines } = faultForUser(folder);
  assert.match(lines[0], /may not write to .*\/zanzara\.db\.$/);
  assert.match(lines[1], /^As root: chown -R /);
});

test('a folder that cannot be entered is out of reach', asRoot, (t) => {
  const closed = place(t);
  chmodSync(closed, 0o700);
  const folder = join(closed, 'data');
  mkdirSync(folder);
  const { isOutOfReach, lines } = faultForUser(folder);
  assert.equal(isOutOfReach, true);
  assert.match(lines[0], /may not enter a folder above it\.$/);
});

test('a folder whose name the shell would read otherwise stands in quotes', asRoot, (t) => {
  const folder = join(place(t), "eve's data");
  mkdirSync(folder);
  assert.match(faultForUser(folder).lines[1], /chown -R 4711:4712 '\/.*\/eve'\\''s data'$/);
});
