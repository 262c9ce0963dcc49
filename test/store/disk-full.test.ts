/**
 * A disk that is full, or may not be written to: nothing is said to be durable that is not, nothing is lost, and it goes on
 * by itself. On a file system of a few megabytes where one may be mounted, and by a limit for the size of files.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { opsOf, optionsFor, type PlainStore } from '../../src/modules/persistence/store/store.fixture.ts';
import { Store } from '../../src/modules/persistence/store/store.ts';
import { StoreRefusal } from '../../src/modules/persistence/store/store-faults.ts';
import { Chance } from '../fixtures/chance.ts';
import { StoreHouse } from './store-house.ts';
import { StoreTraffic } from './store-traffic.ts';

const DISK = '6m';
const FILLER_BYTES = 2 * 1024 * 1024;
const COMMITS_MAX = 2000;
const CHANGES_OF_A_COMMIT = 60;
const FILE_LIMIT_BYTES = 3 * 1024 * 1024;

const mounts: string[] = [];
after(() => {
  for (const folder of mounts) {
    spawnSync('umount', ['--lazy', folder]);
    rmSync(folder, { recursive: true, force: true });
  }
});

/** A small file system; null: none may be mounted here. */
function mountSmall(): string | null {
  const folder = mkdtempSync(join(tmpdir(), 'zanzara-disk-'));
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK}`, 'tmpfs', folder]).status === 0;
  if (mounted) mounts.push(folder);
  else rmSync(folder, { recursive: true });
  return mounted ? folder : null;
}

/** Commits until one fails. @returns the reason */
function fill(house: StoreHouse, traffic: StoreTraffic, model: PlainStore): string {
  for (let count = 0; count < COMMITS_MAX; count += 1) {
    const ops = traffic.next(CHANGES_OF_A_COMMIT);
    // What is handed over comes back with its room, or not at all.
    model.apply(ops.slice());
    const [answer] = house.tell({ kind: 'commit', ops });
    if (answer?.kind === 'failing') return answer.reason;
    assert.equal(answer?.kind, 'committed');
  }
  throw new Error('the disk did not get full');
}

/** What the store holds when it is opened anew. */
function linesIn(folder: string): string[] {
  const house = new StoreHouse();
  const lines = house.open(folder).lines();
  house.close();
  return lines;
}

function refusalOf(folder: string): string {
  try {
    Store.open(optionsFor(folder)).store.close();
  } catch (error) {
    if (error instanceof StoreRefusal) return error.lines.join(' ');
    throw error;
  }
  return 'it was opened';
}

test('disk full: the commit waits, is told once, and is made when there is room again', (context) => {
  const folder = mountSmall();
  if (folder === null) return context.skip('no file system can be mounted here');
  const filler = join(folder, 'filler');
  writeFileSync(filler, Buffer.alloc(FILLER_BYTES));
  const house = new StoreHouse();
  const model = house.open(folder);
  const traffic = new StoreTraffic(new Chance(1));
  assert.match(fill(house, traffic, model), /the disk is full/);
  for (let count = 0; count < 3; count += 1) assert.deepEqual(house.wait(), [], 'it is not said again');
  const ops = traffic.next(CHANGES_OF_A_COMMIT);
  model.apply(ops.slice());
  assert.deepEqual(house.tell({ kind: 'commit', ops }), [], 'the next one waits behind it');
  rmSync(filler);
  assert.deepEqual(
    house.wait().map(({ kind }) => kind),
    ['committed', 'committed'],
  );
  house.close();
  assert.deepEqual(linesIn(folder), model.lines());
});

test('disk full because of the log alone: it is moved into the file, and the commit made, with no room gained', (context) => {
  const folder = mountSmall();
  if (folder === null) return context.skip('no file system can be mounted here');
  const house = new StoreHouse();
  house.open(folder);
  const body = new Uint8Array(200_000);
  let failures = 0;
  for (let count = 0; count < 100; count += 1) {
    const ops = opsOf((writer) => writer.retained(Uint8Array.of(65), body.fill(count)));
    // The file gets the pages that it needs; from then on only the log grows.
    if (count === 2) house.tell({ kind: 'tidy' });
    if (house.tell({ kind: 'commit', ops })[0]?.kind !== 'failing') continue;
    failures += 1;
    assert.equal(house.wait().at(-1)?.kind, 'committed', 'at the first attempt after it');
  }
  assert.ok(failures > 0, 'the log had filled the disk');
  house.close();
  assert.match(linesIn(folder)[0] ?? '', /^retained A c+$/);
});

test('disk full: what was committed before survives that it ends in the middle', (context) => {
  const folder = mountSmall();
  if (folder === null) return context.skip('no file system can be mounted here');
  const house = new StoreHouse();
  const model = house.open(folder);
  const traffic = new StoreTraffic(new Chance(2));
  // The model is one commit ahead when it fails.
  let before: readonly string[] = [];
  for (let count = 0; ; count += 1) {
    assert.ok(count < COMMITS_MAX);
    before = model.lines();
    const ops = traffic.next(CHANGES_OF_A_COMMIT);
    model.apply(ops.slice());
    if (house.tell({ kind: 'commit', ops })[0]?.kind === 'failing') break;
  }
  house.close();
  spawnSync('mount', ['-o', `remount,size=${4 * Number.parseInt(DISK, 10)}m`, folder]);
  assert.deepEqual(linesIn(folder), before);
});

test('disk full when it is opened, and a disk that is read-only: refused in clear words, opened later', (context) => {
  const folder = mountSmall();
  if (folder === null) return context.skip('no file system can be mounted here');
  const filler = join(folder, 'filler');
  const fillUp = () => {
    try {
      writeFileSync(filler, Buffer.alloc(64 * 1024 * 1024));
    } catch {
      // As much of it as there was room for.
    }
  };
  fillUp();
  assert.match(refusalOf(folder), /the disk is full/);
  rmSync(filler);
  const house = new StoreHouse();
  const model = house.open(folder);
  const ops = new StoreTraffic(new Chance(3)).next(CHANGES_OF_A_COMMIT);
  model.apply(ops.slice());
  house.tell({ kind: 'commit', ops });
  house.close();
  fillUp();
  assert.match(refusalOf(folder), /the disk is full/);
  rmSync(filler);
  spawnSync('mount', ['-o', 'remount,ro', folder]);
  assert.match(refusalOf(folder), /the file system is read-only/);
  spawnSync('mount', ['-o', 'remount,rw', folder]);
  assert.deepEqual(linesIn(folder), model.lines());
});

/** Limits the size of files that this process writes; null = no more. @returns whether that can be done here. */
function limitFiles(byteCount: number | null): boolean {
  const limit = `--fsize=${byteCount ?? 'unlimited'}:`;
  return spawnSync('prlimit', ['--pid', String(process.pid), limit]).status === 0;
}

test('a write that the system refuses: the commit waits, and is made when it may', (context) => {
  if (!limitFiles(null)) return context.skip('the size of files cannot be limited here');
  const ignore = () => undefined;
  process.on('SIGXFSZ', ignore);
  const folder = mkdtempSync(join(tmpdir(), 'zanzara-limit-'));
  try {
    const house = new StoreHouse();
    const model = house.open(folder);
    const traffic = new StoreTraffic(new Chance(4));
    limitFiles(FILE_LIMIT_BYTES);
    // The log reaches the limit first, and is moved into the file and begun anew; then the file reaches it.
    let reason = '';
    let waits = 0;
    for (let count = 0; waits < 3; count += 1) {
      assert.ok(count < COMMITS_MAX);
      reason = fill(house, traffic, model);
      while (waits < 3 && house.wait().at(-1)?.kind !== 'committed') waits += 1;
    }
    assert.match(reason, /the disk refuses a write/);
    limitFiles(null);
    assert.deepEqual(
      house.wait().map(({ kind }) => kind),
      ['committed'],
    );
    house.close();
    assert.deepEqual(linesIn(folder), model.lines());
  } finally {
    limitFiles(null);
    process.off('SIGXFSZ', ignore);
    rmSync(folder, { recursive: true, force: true });
  }
});
