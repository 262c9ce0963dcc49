import assert from 'node:assert/strict';
import { pbkdf2Sync } from 'node:crypto';
import { test } from 'node:test';
import type { PasswordHash } from './password-hash.ts';
import { PasswordVerifier } from './password-verifier.ts';
import { bytesOf } from './security.fixture.ts';

const salt = Buffer.alloc(12, 3);
const HASH: PasswordHash = {
  kind: 'pbkdf2',
  iterations: 2,
  salt,
  key: pbkdf2Sync('test', salt, 2, 64, 'sha512'),
};
/** Needs more memory than all checks together may have, so that it runs alone. */
const HUGE: PasswordHash = { kind: 'argon2id', memoryKib: 100_000, passes: 1, lanes: 1, salt, key: Buffer.alloc(64) };

interface Bench {
  nowMs: number;
  readonly faults: unknown[];
  readonly verifier: PasswordVerifier;
}

function benchOf(waitingMax?: number): Bench {
  const faults: unknown[] = [];
  const bench: Bench = {
    nowMs: 0,
    faults,
    verifier: new PasswordVerifier({
      monotonicMs: () => bench.nowMs,
      onFault: (error) => faults.push(error),
      ...(waitingMax === undefined ? {} : { waitingMax }),
    }),
  };
  return bench;
}

test('right and wrong passwords', async () => {
  const { verifier } = benchOf();
  const answers = ['test', 'Test', '', 'test'].map((password) => verifier.verify(HASH, bytesOf(password)));
  assert.deepEqual(await Promise.all(answers), ['right', 'wrong', 'wrong', 'right']);
});

test('the password is copied: its bytes may be used again by whoever lent them', async () => {
  const { verifier } = benchOf();
  const password = bytesOf('test');
  const answers = Array.from({ length: 8 }, () => verifier.verify(HASH, password));
  password.fill(0);
  assert.deepEqual(new Set(await Promise.all(answers)), new Set(['right']));
});

test('three are checked at a time, some wait, the next one is told to come again', async () => {
  const { verifier } = benchOf(2);
  const answers = Array.from({ length: 7 }, () => verifier.verify(HASH, bytesOf('test')));
  assert.deepEqual(await Promise.all(answers), ['right', 'right', 'right', 'right', 'right', 'busy', 'busy']);
  assert.equal(await verifier.verify(HASH, bytesOf('test')), 'right');
});

test('what waits is bounded in bytes', async () => {
  const { verifier } = benchOf();
  const long = new Uint8Array(65_535);
  const answers = await Promise.all(Array.from({ length: 300 }, () => verifier.verify(HASH, long)));
  assert.equal(answers.filter((answer) => answer === 'wrong').length, 3 + 256);
  assert.equal(answers.filter((answer) => answer === 'busy').length, 41);
  assert.equal(await verifier.verify(HASH, bytesOf('test')), 'right');
});

test('who has waited too long is told to come again, and costs nothing more', async () => {
  const bench = benchOf();
  const answers = Array.from({ length: 6 }, () => bench.verifier.verify(HASH, bytesOf('test')));
  bench.nowMs = 15_001;
  const late = bench.verifier.verify(HASH, bytesOf('test'));
  assert.deepEqual(await Promise.all(answers), ['right', 'right', 'right', 'busy', 'busy', 'busy']);
  assert.equal(await late, 'right');
});

test('one that needs much memory runs alone, and nobody is left behind', async () => {
  const { verifier } = benchOf();
  const hashes = [HASH, HUGE, HASH, HASH];
  const answers = await Promise.all(hashes.map((hash) => verifier.verify(hash, bytesOf('test'))));
  assert.deepEqual(answers, ['right', 'wrong', 'right', 'right']);
});

test('a check that cannot be made is told, its client is told to come again, and the next ones are made', async () => {
  const { verifier, faults } = benchOf();
  const broken: PasswordHash = { ...HUGE, memoryKib: 1 };
  assert.equal(await verifier.verify(broken, bytesOf('test')), 'busy');
  assert.equal(faults.length, 1);
  assert.equal(await verifier.verify(HASH, bytesOf('test')), 'right');
});
