import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BLOCK_BYTES_MAX, RecordArena, type RecordRef } from './record-arena.ts';
import { manyOf } from './routing.fixture.ts';

/** An arena whose owners know where their records stand, and what each of them has to be. */
function arenaWithOwners(): { arena: RecordArena; refs: Map<number, RecordRef>; moves: { count: number } } {
  const refs = new Map<number, RecordRef>();
  const moves = { count: 0 };
  const arena = new RecordArena((owner, ref) => {
    assert.ok(refs.has(owner), `nobody has ${owner}`);
    refs.set(owner, ref);
    moves.count += 1;
  });
  return { arena, refs, moves };
}

/** Fills a record so that it tells its owner, its size and each of its bytes. */
function fill(arena: RecordArena, ref: RecordRef, owner: number, byteCount: number): void {
  const page = arena.pageOf(ref);
  const offset = arena.offsetOf(ref);
  assert.ok(offset + byteCount <= page.length);
  for (let index = 0; index < byteCount; index += 1) page[offset + index] = (owner * 31 + byteCount + index) & 0xff;
}

function assertFilled(arena: RecordArena, ref: RecordRef, owner: number, byteCount: number): void {
  const page = arena.pageOf(ref);
  const offset = arena.offsetOf(ref);
  for (let index = 0; index < byteCount; index += 1) {
    assert.equal(page[offset + index], (owner * 31 + byteCount + index) & 0xff, `owner ${owner}, byte ${index}`);
  }
}

const byteCount = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 1, max: 40 }) },
  { weight: 2, arbitrary: fc.integer({ min: 1, max: BLOCK_BYTES_MAX }) },
  { weight: 1, arbitrary: fc.integer({ min: BLOCK_BYTES_MAX - 3, max: BLOCK_BYTES_MAX + 5000 }) },
);

test('any sequence of takes and returns keeps every record whole, and nothing in the end', () => {
  const step = fc.record({ isTake: fc.boolean(), byteCount, pick: fc.nat() });
  fc.assert(
    fc.property(manyOf(step, 400), (steps) => {
      const { arena, refs } = arenaWithOwners();
      const sizes = new Map<number, number>();
      for (const [owner, { isTake, byteCount: size, pick }] of steps.entries()) {
        if (isTake || refs.size === 0) {
          const ref = arena.take(size, owner);
          refs.set(owner, ref);
          sizes.set(owner, size);
          fill(arena, ref, owner, size);
          continue;
        }
        const [leaving, ref] = [...refs][pick % refs.size] ?? [0, 0];
        refs.delete(leaving);
        sizes.delete(leaving);
        arena.giveBack(ref);
      }
      assert.equal(arena.count, refs.size);
      assert.equal(new Set(refs.values()).size, refs.size);
      for (const [owner, ref] of refs) assertFilled(arena, ref, owner, sizes.get(owner) ?? 0);
      for (const owner of [...refs.keys()]) {
        const ref = refs.get(owner) ?? 0;
        refs.delete(owner);
        arena.giveBack(ref);
      }
      assert.deepEqual([arena.count, arena.bytes], [0, 0]);
    }),
    { numRuns: 200 },
  );
});

test('a record fits where another of its size class stood, and nowhere else', () => {
  const { arena } = arenaWithOwners();
  const ref = arena.take(100, 1);
  assert.deepEqual(
    [96, 97, 112, 113, 5000].map((size) => arena.fits(ref, size)),
    [false, true, true, false, false],
  );
  const alone = arena.take(BLOCK_BYTES_MAX + 1, 2);
  assert.equal(arena.fits(alone, BLOCK_BYTES_MAX + 1), false);
});

test('no block is more than a quarter larger than its record, from 64 bytes on', () => {
  for (let size = 1; size <= BLOCK_BYTES_MAX; size += 1) {
    const { arena } = arenaWithOwners();
    const second = [arena.take(size, 1), arena.take(size, 2)].at(-1) ?? 0;
    const block = arena.offsetOf(second);
    assert.ok(block >= size && block <= Math.max(16, size + 7, size * 1.25), `${size} in ${block}`);
  }
});

test('a flood that has gone leaves no memory behind, whatever stays of it', () => {
  const { arena, refs } = arenaWithOwners();
  for (let owner = 0; owner < 100_000; owner += 1) refs.set(owner, arena.take(100, owner));
  const full = arena.bytes;
  // One in a thousand stays, spread over all pages.
  for (let owner = 0; owner < 100_000; owner += 1) {
    if (owner % 1000 === 0) continue;
    const ref = refs.get(owner) ?? 0;
    refs.delete(owner);
    arena.giveBack(ref);
  }
  assert.equal(arena.count, 100);
  assert.ok(full > 10_000_000 && arena.bytes < 200_000, `${full}, then ${arena.bytes}`);
});

test('one record that comes and goes at the edge of a page makes no page each time', () => {
  const { arena, refs } = arenaWithOwners();
  for (let owner = 0; owner < 512; owner += 1) refs.set(owner, arena.take(112, owner));
  const pages = new Set<Uint8Array>();
  for (let round = 0; round < 20; round += 1) {
    const ref = arena.take(112, 1000);
    pages.add(arena.pageOf(ref));
    arena.giveBack(ref);
  }
  assert.equal(pages.size, 1);
});
