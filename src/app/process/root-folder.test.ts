import assert from 'node:assert/strict';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { rootFolderWarnings } from './root-folder.ts';

const isRoot = process.geteuid?.() === 0;
const asRoot = { skip: !isRoot && 'only root is warned' };
/** A number that no account has. */
const OTHER = 4711;

/** `PLACE/above/data`, which is root's alone. */
function setUp(t: TestContext) {
  const place = realpathSync(mkdtempSync(join(tmpdir(), 'zanzara-root-')));
  t.after(() => rmSync(place, { recursive: true }));
  const above = join(place, 'above');
  const data = join(above, 'data');
  for (const folder of [above, data]) mkdirSync(folder, { mode: 0o755 });
  return { place, above, data };
}

test('a folder that is only for root to change is right, also through a link of root', asRoot, (t) => {
  const { place, data } = setUp(t);
  const link = join(place, 'link');
  symlinkSync(data, link);
  assert.deepEqual(rootFolderWarnings(data), []);
  assert.deepEqual(rootFolderWarnings(link), []);
});

test('a folder of somebody else: whose it is, what that means, and what to do', asRoot, (t) => {
  const { data } = setUp(t);
  chownSync(data, OTHER, OTHER);
  assert.deepEqual(rootFolderWarnings(data), [
    `Warning: The broker runs as root and keeps state in ${data}, which belongs to user ${OTHER}: links put there make root write elsewhere.`,
    `To fix this, use \`chown root ${data}\`, or let the broker become another user (option 'user').`,
  ]);
});

type Scene = ReturnType<typeof setUp>;
const FAULTS: readonly (readonly [title: string, arrange: (scene: Scene) => void, mend: RegExp])[] = [
  ['everybody may write there', ({ data }) => chmodSync(data, 0o757), /`chmod o-w .*data`/],
  ['everybody may write there, and take away only what is theirs', ({ data }) => chmodSync(data, 0o1757), /chmod o-w/],
  [
    'a group may write there',
    ({ data }) => {
      chownSync(data, 0, OTHER);
      chmodSync(data, 0o775);
    },
    /`chmod g-w .*data`/,
  ],
  ['a folder above it is of somebody else', ({ above }) => chownSync(above, OTHER, 0), /`chown root .*above`/],
  ['everybody may write into a folder above it', ({ above }) => chmodSync(above, 0o777), /`chmod o-w .*above`/],
];
for (const [title, arrange, mend] of FAULTS) {
  test(`root is warned: ${title}`, asRoot, (t) => {
    const scene = setUp(t);
    arrange(scene);
    assert.match(rootFolderWarnings(scene.data)[1] ?? '', mend);
  });
}

const RIGHT: readonly (readonly [title: string, arrange: (scene: Scene) => void])[] = [
  ['the group of root may write there', ({ data }) => chmodSync(data, 0o775)],
  ['in a folder above it everybody may change only what is theirs', ({ above }) => chmodSync(above, 0o1777)],
];
for (const [title, arrange] of RIGHT) {
  test(`root is not warned: ${title}`, asRoot, (t) => {
    const scene = setUp(t);
    arrange(scene);
    assert.deepEqual(rootFolderWarnings(scene.data), []);
  });
}

test('a link in a folder of somebody else, who may let it point elsewhere', asRoot, (t) => {
  const { place, data } = setUp(t);
  const theirs = join(place, 'theirs');
  mkdirSync(theirs);
  symlinkSync('../above', join(theirs, 'link'));
  chownSync(theirs, OTHER, OTHER);
  const way = join(theirs, 'link', 'data');
  assert.match(rootFolderWarnings(way)[1] ?? '', /`chown root .*theirs`/);
  assert.deepEqual(rootFolderWarnings(data), []);
});

test('a folder that is missing, and links in a circle, are no trouble', asRoot, (t) => {
  const { place } = setUp(t);
  assert.deepEqual(rootFolderWarnings(join(place, 'missing', 'data')), []);
  symlinkSync('circle', join(place, 'circle'));
  assert.deepEqual(rootFolderWarnings(join(place, 'circle', 'data')), []);
});
