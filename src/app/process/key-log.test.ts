import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { StartFailure } from '../start-failure.ts';
import { openKeyLog } from './key-log.ts';

function setUp(context: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'zanzara-keys-'));
  context.after(() => rmSync(folder, { recursive: true }));
  return { folder, path: join(folder, 'keys') };
}

const onFault = (reason: string) => assert.fail(reason);

function faultOf(path: string): string | undefined {
  try {
    openKeyLog({ path, onFault }).close();
  } catch (error) {
    assert.ok(error instanceof StartFailure);
    return error.lines[0];
  }
  return undefined;
}

test('lines are appended to a file for its owner only', (context) => {
  const { path } = setUp(context);
  for (const line of ['CLIENT_RANDOM a b\n', 'CLIENT_RANDOM c d\n']) {
    const keyLog = openKeyLog({ path, onFault });
    keyLog.write(Buffer.from(line));
    keyLog.close();
    keyLog.write(Buffer.from('after the end'));
  }
  assert.equal(readFileSync(path, 'utf8'), 'CLIENT_RANDOM a b\nCLIENT_RANDOM c d\n');
  assert.equal(statSync(path).mode & 0o777, 0o600);
});

test('T07 a file that others could read is refused', (context) => {
  const { folder, path } = setUp(context);
  writeFileSync(path, '');
  const prefix = `Error: Unable to open TLS key log ${path}: `;
  for (const mode of [0o640, 0o604, 0o620]) {
    chmodSync(path, mode);
    assert.equal(faultOf(path), `${prefix}its group or others have rights to it; use chmod 600.`);
  }
  rmSync(path);
  symlinkSync(join(folder, 'target'), path);
  assert.equal(faultOf(path), `${prefix}it is a symbolic link.`);
  assert.equal(existsSync(join(folder, 'target')), false);
});
