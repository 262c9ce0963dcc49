/**
 * A power cut at every write: commits are recorded, the files are put back as they would be had the power gone in the middle
 * of the log's last write, or of moving the log into the file, and the store is opened. Every commit that had returned by
 * then must be there whole, and nothing of one that had not.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { modelOf, optionsFor, PlainStore, withFolder } from '../../src/modules/persistence/store/store.fixture.ts';
import { Store } from '../../src/modules/persistence/store/store.ts';
import { Chance } from '../fixtures/chance.ts';
import { StoreTraffic } from './store-traffic.ts';

const LOG_HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;
const PAGE_BYTES = 4096;
const FRAME_BYTES = FRAME_HEADER_BYTES + PAGE_BYTES;
const COMMITS = 8;
const CHANGES_OF_A_COMMIT = 14;

/** The two files, and how far the log had come after each commit, with what must be there then. */
interface Trace {
  readonly file: Buffer;
  readonly log: Buffer;
  readonly commits: readonly { readonly logEnd: number; readonly lines: readonly string[] }[];
}

/** Commits into a store, of which the first ones are in the file when the log is begun. */
function record(seed: number): Trace {
  return withFolder((folder) => {
    let { store } = Store.open(optionsFor(folder));
    const traffic = new StoreTraffic(new Chance(seed));
    const model = new PlainStore();
    const commit = () => {
      const ops = traffic.next(CHANGES_OF_A_COMMIT);
      store.apply(ops);
      model.apply(ops);
      return { logEnd: store.sizes().logBytes, lines: model.lines() };
    };
    for (let count = 0; count < COMMITS; count += 1) commit();
    store.close();
    ({ store } = Store.open(optionsFor(folder)));
    const commits = [{ logEnd: 0, lines: model.lines() }];
    for (let count = 0; count < COMMITS; count += 1) commits.push(commit());
    const [file, log] = filesOf(folder);
    store.close();
    return { file, log, commits };
  });
}

function filesOf(folder: string): readonly [file: Buffer, log: Buffer] {
  return [readFileSync(join(folder, 'zanzara.db')), readFileSync(join(folder, 'zanzara.db-wal'))];
}

/** Opens a store of these files in `folder`; it must be whole. */
function linesFrom(folder: string, file: Uint8Array, log: Uint8Array, where: string): string[] {
  // Its header was safe before the file said that there is a log: no power cut takes it.
  const isLogLost = log.length < LOG_HEADER_BYTES;
  writeFileSync(join(folder, 'zanzara.db'), file);
  writeFileSync(join(folder, 'zanzara.db-wal'), log);
  const { store, opened } = Store.open(optionsFor(folder));
  try {
    if (isLogLost) assert.match(opened.notes[0]?.text ?? '', /its log .* is (empty|damaged at its beginning)/, where);
    else assert.deepEqual(opened.notes, [], where);
    return modelOf(store).lines();
  } finally {
    store.close();
  }
}

/** What must be there when the log ends at `end`. */
function expectedAt(trace: Trace, end: number): readonly string[] {
  const done = trace.commits.filter(({ logEnd }) => logEnd <= end);
  return done.at(-1)?.lines ?? [];
}

/** Each border of a frame, and places within it. */
function cutsOf(trace: Trace, chance: Chance): number[] {
  const cuts = [0, LOG_HEADER_BYTES - 1, LOG_HEADER_BYTES];
  for (let start = LOG_HEADER_BYTES; start < trace.log.length; start += FRAME_BYTES) {
    cuts.push(start + FRAME_BYTES, start + chance.between(1, FRAME_BYTES - 1));
  }
  return cuts;
}

for (const seed of [1, 2]) {
  test(`power cut at every write of the log: all that was committed, nothing half (seed ${seed})`, () => {
    const trace = record(seed);
    assert.ok((trace.commits.at(-1)?.logEnd ?? 0) === trace.log.length, 'the last commit ends the log');
    assert.notDeepEqual(trace.commits.at(-1)?.lines, trace.commits.at(-2)?.lines);
    withFolder((folder) => {
      for (const cut of cutsOf(trace, new Chance(seed))) {
        const where = `seed ${seed}, the log cut at ${cut} of ${trace.log.length}`;
        const lines = linesFrom(folder, trace.file, trace.log.subarray(0, cut), where);
        assert.deepEqual(lines, expectedAt(trace, cut), where);
      }
    });
  });
}

test('power cut: a write that was torn, or lost in the middle, takes only the commit that it belongs to', () => {
  const trace = record(3);
  const last = trace.commits.at(-1);
  const before = trace.commits.at(-2);
  assert.ok(last !== undefined && before !== undefined);
  const chance = new Chance(3);
  withFolder((folder) => {
    for (let round = 0; round < 40; round += 1) {
      const log = Buffer.from(trace.log);
      const at = chance.between(before.logEnd, last.logEnd - 1);
      // One bit, or a sector that never arrived.
      if (round % 2 === 0) log[at] = (log[at] ?? 0) ^ (1 << chance.below(8));
      else log.fill(0xee, at - (at % 512), Math.min(log.length, at - (at % 512) + 512));
      const start = round % 2 === 0 ? at : at - (at % 512);
      const where = `round ${round}, the log spoilt from ${start}`;
      assert.deepEqual(linesFrom(folder, trace.file, log, where), expectedAt(trace, start), where);
    }
  });
});

test('power cut while the log is moved into the file: whichever pages have arrived, all is there', () => {
  const trace = record(4);
  const lines = trace.commits.at(-1)?.lines;
  const moved = withFolder((folder) => {
    writeFileSync(join(folder, 'zanzara.db'), trace.file);
    writeFileSync(join(folder, 'zanzara.db-wal'), trace.log);
    Store.open(optionsFor(folder)).store.close();
    return readFileSync(join(folder, 'zanzara.db'));
  });
  assert.ok(moved.length >= trace.file.length && !moved.equals(trace.file));
  const chance = new Chance(4);
  withFolder((folder) => {
    for (let round = 0; round < 25; round += 1) {
      const file = Buffer.from(trace.file);
      for (let page = 0; page < file.length; page += PAGE_BYTES) {
        if (chance.percent(50)) moved.copy(file, page, page, page + PAGE_BYTES);
      }
      assert.deepEqual(linesFrom(folder, file, trace.log, `round ${round}`), lines);
    }
  });
});

test('power cut after the log was begun anew: what is left of the one before does not come back', () => {
  withFolder((folder) => {
    const traffic = new StoreTraffic(new Chance(5));
    const model = new PlainStore();
    const { store } = Store.open(optionsFor(folder));
    const commit = (size: number) => {
      const ops = traffic.next(size);
      store.apply(ops);
      model.apply(ops);
    };
    for (let count = 0; count < COMMITS; count += 1) commit(CHANGES_OF_A_COMMIT);
    store.tidy();
    for (let count = 0; count < COMMITS; count += 1) commit(CHANGES_OF_A_COMMIT);
    const [, old] = filesOf(folder);
    store.tidy();
    commit(2);
    const [file, log] = filesOf(folder);
    assert.ok(log.length === old.length && log.subarray(-PAGE_BYTES).equals(old.subarray(-PAGE_BYTES)));
    store.close();
    withFolder((second) => {
      assert.deepEqual(linesFrom(second, file, log, 'with old frames'), model.lines());
    });
  });
});
