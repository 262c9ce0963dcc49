import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { storeWaitWords, withSizes } from './store-figures.ts';

const FIGURES = {
  isFailing: false,
  failure: null,
  commits: 0,
  lastCommitMs: 0,
  longestCommitMs: 0,
  pendingBytes: 0,
  pendingChanges: 0,
  fileBytes: 0,
  logBytes: 0,
  windowMs: 0,
};

test('before the first commit the sizes are those of the files', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'zanzara-store-figures-'));
  t.after(() => rmSync(folder, { recursive: true }));
  assert.deepEqual(withSizes(FIGURES, folder), FIGURES);
  writeFileSync(join(folder, 'zanzara.db'), 'x'.repeat(70));
  writeFileSync(join(folder, 'zanzara.db-wal'), 'x'.repeat(30));
  assert.deepEqual(withSizes(FIGURES, folder), { ...FIGURES, fileBytes: 70, logBytes: 30 });
  const later = { ...FIGURES, commits: 1, fileBytes: 4096, logBytes: 8192 };
  assert.deepEqual(withSizes(later, folder), later);
});

test('what a stop waits for, and what would be lost', () => {
  assert.equal(storeWaitWords(FIGURES), 'the store to close its files');
  const pending = { ...FIGURES, pendingChanges: 3, pendingBytes: 900 };
  const words = 'the store to save 3 changes (about 900 bytes), ';
  assert.equal(storeWaitWords(pending), `${words}none of which was acknowledged`);
  assert.equal(storeWaitWords({ ...pending, windowMs: 500 }), `${words}some of which may have been acknowledged`);
});
