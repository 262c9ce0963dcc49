/** Whose rights root's tools take, and what they refuse: as root only, for nobody else can give folders away. */
import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { placeOf, runAt, sourcePlaceOf, targetPlaceOf } from './run-as-owner.ts';

/** Numbers that no account has. */
const [BOB, EVE] = [4711, 4712];
const asRoot = { skip: process.getuid?.() !== 0 && 'only root can give a folder to another user' };

/** A folder of root's in which everybody may look. */
function baseFor(context: TestContext): string {
  const base = mkdtempSync(join(tmpdir(), 'zanzara-rights-'));
  context.after(() => rmSync(base, { recursive: true }));
  chmodSync(base, 0o755);
  return base;
}

interface Made {
  readonly owner?: number;
  readonly group?: number;
  readonly mode?: number;
}

function folderAt(path: string, { owner = 0, group = 0, mode = 0o755 }: Made = {}): string {
  mkdirSync(path);
  chownSync(path, owner, group);
  chmodSync(path, mode);
  return path;
}

function fileAt(path: string, owner: number): string {
  writeFileSync(path, 'something');
  chownSync(path, owner, owner);
  return path;
}

test('a file to be written: what is in its folder says nothing', asRoot, (t) => {
  const base = baseFor(t);
  const cases: readonly [number, boolean][] = [
    [0o1777, true],
    [0o755, true],
    [0o777, false],
    [0o770, false],
  ];
  for (const [mode, isSafe] of cases) {
    const folder = folderAt(join(base, mode.toString(8)), { mode, group: BOB });
    fileAt(join(folder, 'zanzara.db'), BOB);
    const place = targetPlaceOf(join(folder, 'backup'));
    assert.deepEqual(
      [place.path, place.userId, place.isSafe],
      [join(folder, 'backup'), null, isSafe],
      mode.toString(8),
    );
  }
  const theirs = folderAt(join(base, 'theirs'), { owner: BOB, mode: 0o777 });
  assert.equal(targetPlaceOf(join(theirs, 'backup')).userId, BOB);
});

test(
  'a data folder of root: the owner of its store counts where root has let that group in, and nowhere else',
  asRoot,
  (t) => {
    const base = baseFor(t);
    const folder = folderAt(join(base, 'group'), { mode: 0o770, group: BOB });
    assert.throws(
      () => placeOf(folder),
      /Root does not work in .*\/group: other users may change .*\/group, .*chmod go-w/,
    );
    const store = fileAt(join(folder, 'zanzara.db'), BOB);
    assert.equal(placeOf(folder).userId, BOB);
    for (const mode of [0o1770, 0o777, 0o1777]) {
      chmodSync(folder, mode);
      assert.throws(() => placeOf(folder), /other users may change/, mode.toString(8));
    }
    chmodSync(folder, 0o770);
    chownSync(store, 0, 0);
    assert.throws(() => placeOf(folder), /other users may change/);
    rmSync(store);
    symlinkSync('/etc/passwd', store);
    lchownSync(store, BOB, BOB);
    assert.throws(() => placeOf(folder), /other users may change/);
    rmSync(store);
    chmodSync(folder, 0o750);
    assert.equal(placeOf(folder).userId, null);
  },
);

test('a data folder of root below one that others may change', asRoot, (t) => {
  const base = baseFor(t);
  const above = folderAt(join(base, 'above'), { mode: 0o775, group: BOB });
  const data = folderAt(join(above, 'data'));
  for (const path of [data, join(above, 'new')]) {
    assert.throws(() => placeOf(path), /other users may change .*\/above, /);
  }
  // There nobody but root can move what is root's.
  chmodSync(above, 0o1777);
  assert.equal(placeOf(data).userId, null);
  assert.equal(placeOf(join(above, 'new')).userId, null);
});

test('a link leads only to what belongs to the user who can change it', asRoot, (t) => {
  const base = baseFor(t);
  const bobs = folderAt(join(base, 'bob'), { owner: BOB });
  const targets = {
    root: folderAt(join(base, 'root')),
    eve: folderAt(join(base, 'eve'), { owner: EVE }),
    bob: folderAt(join(base, 'bob-2'), { owner: BOB }),
  };
  for (const [name, target] of Object.entries(targets)) {
    const link = join(bobs, name);
    symlinkSync(target, link);
    // Root has made the link, but in a folder in which another one can take its place.
    if (name === 'bob') assert.equal(placeOf(link).path, target);
    else assert.throws(() => placeOf(link), /by a link that the user 4711 can change/);
    const file = fileAt(join(target, 'file'), 0);
    if (name === 'bob') assert.equal(sourcePlaceOf(join(link, 'file')).userId, BOB);
    else assert.throws(() => sourcePlaceOf(join(link, 'file')), /Give the path without the link/);
    if (name === 'bob') assert.equal(targetPlaceOf(join(link, 'new')).path, join(target, 'new'));
    else assert.throws(() => targetPlaceOf(join(link, 'new')), /Give the path without the link/);
    rmSync(file);
  }
  const links = folderAt(join(base, 'links'));
  symlinkSync('../eve', join(links, 'relative'));
  symlinkSync(join(links, 'relative'), join(links, 'twice'));
  assert.deepEqual([placeOf(join(links, 'twice')).path, placeOf(join(links, 'twice')).userId], [targets.eve, EVE]);
  assert.equal(placeOf(join(links, 'twice', 'new')).path, join(targets.eve, 'new'));
  symlinkSync('around', join(links, 'around'));
  assert.throws(() => placeOf(join(links, 'around')), /more than 40 links/);
});

test('a folder that is exchanged after it was looked at is not worked in', asRoot, async (t) => {
  const base = baseFor(t);
  const bobs = folderAt(join(base, 'bob'), { owner: BOB });
  const data = folderAt(join(bobs, 'data'), { owner: EVE });
  const other = folderAt(join(base, 'other'), { owner: EVE });
  const exchange = () => {
    renameSync(data, join(bobs, 'away'));
    symlinkSync(other, data);
  };
  const place = placeOf(data);
  assert.equal(await runAt(place, () => process.geteuid?.()), EVE);
  exchange();
  let isRun = false;
  await assert.rejects(async () => {
    await runAt(place, () => {
      isRun = true;
    });
  }, /data was exchanged for something else meanwhile/);
  assert.ok(!isRun);
  assert.equal(process.geteuid?.(), 0);
  rmSync(data);
  renameSync(join(bobs, 'away'), data);
  // And what is exchanged while somebody works there gives no result.
  const work = async () => {
    await runAt(place, () => {
      process.seteuid?.(0);
      exchange();
      process.seteuid?.(EVE);
    });
  };
  await assert.rejects(work, /was exchanged/);
});
