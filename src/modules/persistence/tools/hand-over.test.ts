/** Files that get their names while others may be at work in the same folder. */
import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { closeFile, closeToOthers, giveName, type OpenFile, openLogOf, openToRead, takeOver } from './hand-over.ts';
import { targetPlaceOf } from './run-as-owner.ts';

const OTHER = 4711;

function folderFor(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'zanzara-hand-over-'));
  context.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

function opened(context: TestContext, path: string, text: string): OpenFile {
  writeFileSync(path, text);
  const file = openToRead(path);
  assert.ok(file !== null);
  context.after(() => closeFile(file));
  return file;
}

test('a file that came meanwhile is not replaced without --force', (t) => {
  const folder = folderFor(t);
  const [made, path] = [join(folder, 'made'), join(folder, 'name')];
  writeFileSync(made, 'new');
  giveName(made, { path, name: 'NAME', isForced: false });
  assert.equal(readFileSync(path, 'utf8'), 'new');
  assert.ok(!existsSync(made));
  writeFileSync(made, 'newer');
  const give = (isForced: boolean) => giveName(made, { path, name: 'NAME', isForced });
  assert.throws(() => give(false), /^StoreToolError: NAME is there already\. --force replaces it\.$/);
  assert.equal(readFileSync(path, 'utf8'), 'new');
  give(true);
  assert.equal(readFileSync(path, 'utf8'), 'newer');
  // Not even a link that leads nowhere.
  const link = join(folder, 'link');
  symlinkSync(join(folder, 'nowhere'), link);
  assert.throws(() => giveName(path, { path: link, name: 'LINK', isForced: false }), /LINK is there already/);
  assert.ok(lstatSync(link).isSymbolicLink() && existsSync(path));
});

test('what is taken over is whole, closed to others, and in the folder that was meant', (t) => {
  const folder = folderFor(t);
  const made = opened(t, join(folder, 'made'), 'new');
  const target = join(folder, 'target');
  mkdirSync(target);
  const place = targetPlaceOf(join(target, 'name'));
  takeOver(made, place, false);
  assert.equal(readFileSync(place.path, 'utf8'), 'new');
  assert.equal(statSync(place.path).mode & 0o777, 0o600);
  writeFileSync(place.path, 'precious');
  assert.throws(() => takeOver(made, place, false), new RegExp(`${target}/name is there already`));
  assert.equal(readFileSync(place.path, 'utf8'), 'precious');
  takeOver(made, place, true);
  assert.equal(readFileSync(place.path, 'utf8'), 'new');
  assert.deepEqual(readdirSync(target), ['name'], 'nothing else is left');
  rmSync(place.path);
  mkdirSync(place.path);
  // The message names the path, not the descriptor.
  assert.throws(
    () => takeOver(made, place, true),
    (error: Error) => !error.message.includes('/proc') && error.message.includes(place.path),
  );
  assert.deepEqual(readdirSync(target), ['name'], 'nothing else is left');
  // A link in its place is refused whoever runs the tool.
  renameSync(target, join(folder, 'away'));
  symlinkSync(join(folder, 'away'), target);
  assert.throws(() => takeOver(made, place, true), { code: 'ENOTDIR' });
});

test('a folder that was exchanged is not written to', {
  skip: process.getuid?.() !== 0 && 'only root takes that care',
}, (t) => {
  const folder = folderFor(t);
  const made = opened(t, join(folder, 'made'), 'new');
  const target = join(folder, 'target');
  mkdirSync(target);
  const place = targetPlaceOf(join(target, 'name'));
  renameSync(target, join(folder, 'away'));
  mkdirSync(target);
  assert.throws(() => takeOver(made, place, false), /target was exchanged for something else meanwhile/);
  assert.deepEqual(readdirSync(target), []);
});

test('rights are changed of the file, never of what a link leads to', (t) => {
  const folder = folderFor(t);
  const file = join(folder, 'file');
  writeFileSync(file, '');
  chmodSync(file, 0o644);
  symlinkSync(file, join(folder, 'link'));
  assert.throws(() => closeToOthers(join(folder, 'link')), { code: 'ELOOP' });
  assert.equal(statSync(file).mode & 0o777, 0o644);
  closeToOthers(file);
  assert.equal(statSync(file).mode & 0o777, 0o600);
});

test('a log that somebody else has put beside a file is refused', {
  skip: process.getuid?.() !== 0 && 'only root can give a file to another user',
}, (t) => {
  const folder = folderFor(t);
  const path = join(folder, 'file');
  const file = opened(t, path, 'something');
  assert.equal(openLogOf(file, path), null);
  writeFileSync(`${path}-wal`, 'changes');
  const log = openLogOf(file, path);
  assert.equal(log?.size, 7);
  closeFile(log);
  chownSync(`${path}-wal`, OTHER, OTHER);
  assert.throws(() => openLogOf(file, path), /file-wal does not belong to the owner of .*\/file\. Remove it/);
});
