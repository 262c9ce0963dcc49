import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { mayFollowLinks } from './open-carefully.ts';
import { readSensitiveFile } from './sensitive-file.ts';

const asRoot = { skip: process.geteuid?.() !== 0 && 'only root can give a file away' };
const CAREFUL = { mayFollowLinks: false };

function setUp(context: TestContext): { readonly folder: string; readonly path: string } {
  const folder = mkdtempSync(join(tmpdir(), 'zanzara-secrets-'));
  context.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'passwords');
  writeFileSync(path, 'user:hash\n', { mode: 0o600 });
  return { folder, path };
}

test('a file with the rights that it should have', (context) => {
  const { path } = setUp(context);
  const { bytes, warnings } = readSensitiveFile(path, CAREFUL);
  assert.equal(Buffer.from(bytes).toString(), 'user:hash\n');
  assert.deepEqual(warnings, []);
});

test('T07 rights that are too wide are said, in words that people grep for', (context) => {
  const { path } = setUp(context);
  const readable = [
    `Warning: File ${path} has world readable permissions. Future versions will refuse to load this file.`,
    `To fix this, use \`chmod 0700 ${path}\`.`,
  ];
  chmodSync(path, 0o644);
  assert.deepEqual(readSensitiveFile(path, CAREFUL).warnings, readable);
  chmodSync(path, 0o660);
  assert.deepEqual(readSensitiveFile(path, CAREFUL).warnings, []);
  chmodSync(path, 0o666);
  assert.deepEqual(readSensitiveFile(path, CAREFUL).warnings, [
    `Warning: File ${path} can be changed by every user of this machine, who can give themselves any right.`,
    ...readable,
  ]);
});

test('a file of somebody else', asRoot, (context) => {
  const { path } = setUp(context);
  chownSync(path, 65_533, 65_533);
  assert.deepEqual(readSensitiveFile(path, CAREFUL).warnings, [
    `Warning: File ${path} owner is not root. Future versions will refuse to load this file.`,
    `To fix this, use \`chown root ${path}\`.`,
    `Warning: File ${path} group is not root. Future versions will refuse to load this file.`,
    `To fix this, use \`chgrp root ${path}\`.`,
  ]);
});

test('T33 a symbolic link is read only where the environment says so', (context) => {
  const { folder, path } = setUp(context);
  const link = join(folder, 'link');
  symlinkSync(path, link);
  assert.throws(() => readSensitiveFile(link, { mayFollowLinks: mayFollowLinks({}) }), {
    name: 'SensitiveFileError',
    code: 'ELOOP',
    message: `${link}: it is a symbolic link, which only MOSQUITTO_UNSAFE_ALLOW_SYMLINKS in the environment of the broker allows.`,
  });
  const { bytes } = readSensitiveFile(link, {
    mayFollowLinks: mayFollowLinks({ MOSQUITTO_UNSAFE_ALLOW_SYMLINKS: '' }),
  });
  assert.equal(bytes.length, 10);
});

test('what is no file says so, and is not waited for', (context) => {
  const { folder } = setUp(context);
  assert.throws(() => readSensitiveFile(folder, CAREFUL), { code: 'EISDIR', message: `${folder}: it is a directory.` });
  const missing = join(folder, 'missing');
  assert.throws(() => readSensitiveFile(missing, CAREFUL), {
    code: 'ENOENT',
    message: `${missing}: no such file or directory.`,
  });
  const pipe = join(folder, 'pipe');
  execFileSync('mkfifo', [pipe]);
  assert.throws(() => readSensitiveFile(pipe, CAREFUL), { message: `${pipe}: it is not a file.` });
});
