import assert from 'node:assert/strict';
import { existsSync, linkSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { StartFailure } from '../start-failure.ts';
import { writePidFile } from './pid-file.ts';

function setUp(context: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'zanzara-pid-'));
  context.after(() => rmSync(folder, { recursive: true }));
  return { folder, path: join(folder, 'test.pid') };
}

/** What the failure says. */
function linesOf(run: () => void): readonly string[] {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof StartFailure);
    return error.lines;
  }
  return assert.fail('it did not fail');
}

test('the file has the number of the process, and is gone at the end', (context) => {
  const { path } = setUp(context);
  const pidFile = writePidFile(path);
  assert.equal(readFileSync(path, 'utf8'), `${process.pid}`);
  assert.equal(statSync(path).mode & 0o777, 0o644 & ~process.umask());
  assert.equal(pidFile.remove(), null);
  assert.equal(existsSync(path), false);
});

test('the file of a broker that did not end in order is written over', (context) => {
  const { path } = setUp(context);
  writeFileSync(path, '1234567890\n');
  writePidFile(path, 42);
  assert.equal(readFileSync(path, 'utf8'), '42');
});

test('a file into which another process has written itself stays', (context) => {
  const { path } = setUp(context);
  const pidFile = writePidFile(path, 42);
  writeFileSync(path, '43');
  assert.equal(pidFile.remove(), null);
  assert.equal(readFileSync(path, 'utf8'), '43');
  rmSync(path);
  assert.equal(pidFile.remove(), `Unable to remove pid file ${path}: no such file or directory.`);
});

test('T33 nothing is written through a link of any kind', (context) => {
  const { folder, path } = setUp(context);
  const victim = join(folder, 'victim');
  writeFileSync(victim, 'precious');
  symlinkSync(victim, path);
  assert.deepEqual(
    linesOf(() => writePidFile(path)),
    [`Error: Unable to write pid file ${path}: it is a symbolic link.`],
  );
  rmSync(path);
  linkSync(victim, path);
  assert.deepEqual(
    linesOf(() => writePidFile(path)),
    [`Error: Unable to write pid file ${path}: the file has another name as well.`],
  );
  assert.equal(readFileSync(victim, 'utf8'), 'precious');
});

test('a folder that is not there', (context) => {
  const path = join(setUp(context).folder, 'no', 'test.pid');
  assert.deepEqual(
    linesOf(() => writePidFile(path)),
    [`Error: Unable to write pid file ${path}: no such file or directory.`],
  );
});
