import assert from 'node:assert/strict';
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fillFolder } from './fill-folder.ts';
import { placeOf } from './run-as-owner.ts';

const EVE = 4711;
const asRoot = { skip: process.getuid?.() !== 0 && 'only root takes that care' };

test('a folder that somebody has made since is not taken for one that root would make', asRoot, async (t) => {
  const base = mkdtempSync(join(tmpdir(), 'zanzara-fill-'));
  t.after(() => rmSync(base, { recursive: true }));
  chmodSync(base, 0o1777);
  const folder = join(base, 'data');
  const place = placeOf(folder);
  const fill = (work: () => void) => fillFolder({ place, brokerUser: null, say: () => {} }, work);
  mkdirSync(folder);
  chownSync(folder, EVE, EVE);
  let isRun = false;
  await assert.rejects(
    fill(() => {
      isRun = true;
    }),
    /data was made meanwhile/,
  );
  assert.ok(!isRun);
  assert.deepEqual([statSync(folder).uid, readdirSync(folder)], [EVE, []]);
  rmSync(folder, { recursive: true });
  // What root makes goes again when nothing comes of it.
  const fail = () => {
    assert.equal(statSync(folder).uid, 0);
    throw new Error('nothing came of it');
  };
  await assert.rejects(fill(fail), /nothing came of it/);
  assert.ok(!existsSync(folder));
});
