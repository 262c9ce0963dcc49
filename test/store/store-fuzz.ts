/**
 * Stores that were truncated, flipped, overwritten, shuffled or put in the place of something else. Whatever lies there:
 *
 *  - the store opens in the end, set aside or not, and takes commits;
 *  - nothing is told that was never stored;
 *  - what is missing was said to be: by a note, by a load that failed, or as lost rows (but see MISPLACING);
 *  - a single bit costs no more than what is in it.
 *
 *     node test/store/store-fuzz.ts --count 10000 --seed 1     (a failure prints the seed of its run)
 */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { OpWriter } from '../../src/modules/persistence/ops.ts';
import { standInBody } from '../../src/modules/persistence/store/stand-in.ts';
import { optionsFor, PlainStore } from '../../src/modules/persistence/store/store.fixture.ts';
import { Store } from '../../src/modules/persistence/store/store.ts';
import { StoreServer } from '../../src/modules/persistence/store/store-server.ts';
import type { FromStore, ToStore } from '../../src/modules/persistence/thread-messages.ts';
import { Chance } from '../fixtures/chance.ts';
import { StoreTraffic } from './store-traffic.ts';

const PAGE_BYTES = 4096;
const HEAD_MAX = 3;
const READ_ROWS = 7;
/** Openings until one loads: the first may be set aside when it is opened, the next must be new and whole. */
const OPENINGS_MAX = 2;
const COMMITS = 60;
const CHANGES_OF_A_COMMIT = 40;
const LOST_BY_A_BIT_MAX = 12;

/** A store to be damaged: its files, what it holds, and all that it held at any time. */
export interface FuzzBase {
  readonly file: Buffer;
  readonly log: Buffer;
  /** What it holds after each commit that is in the log; the last is all of it. */
  readonly states: readonly (readonly string[])[];
  readonly everStored: ReadonlySet<string>;
}

/** `inLog`: how many of the last commits are in the log only. */
export function makeFuzzBase(seed: number, inLog: number): FuzzBase {
  const folder = mkdtempSync(join(tmpdir(), 'zanzara-fuzz-base-'));
  try {
    const { store } = Store.open(optionsFor(folder));
    const traffic = new StoreTraffic(new Chance(seed));
    const model = new PlainStore();
    const everStored = new Set<string>();
    const states: (readonly string[])[] = [];
    for (let count = COMMITS; count > 0; count -= 1) {
      const ops = traffic.next(CHANGES_OF_A_COMMIT);
      store.apply(ops);
      model.apply(ops);
      const lines = model.lines();
      for (const line of lines) everStored.add(line);
      if (count > inLog) store.tidy();
      if (count <= inLog + 1) states.push(lines);
    }
    const file = readFileSync(join(folder, 'zanzara.db'));
    const log = readFileSync(join(folder, 'zanzara.db-wal'));
    store.close();
    return { file, log, states, everStored };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

type Spoil = (file: Buffer, chance: Chance) => Buffer;

const flipOne: Spoil = (file, chance) => flip(file, 1, chance);

/** Ways to spoil a file. */
const SPOILERS: readonly (readonly [weight: number, spoil: Spoil])[] = [
  [40, flipOne],
  [15, (file, chance) => flip(file, chance.between(2, 50), chance)],
  // Headers of pages and their lists of cells: every kind of page is spoilt where it hurts most.
  [20, (file, chance) => flipAt(file, chance.below(file.length / PAGE_BYTES) * PAGE_BYTES + chance.below(40), chance)],
  [5, (file, chance) => flipAt(file, chance.below(100), chance)],
  [10, (file, chance) => file.subarray(0, chance.below(file.length))],
  [5, (file, chance) => file.subarray(0, chance.below(file.length / PAGE_BYTES) * PAGE_BYTES)],
  [10, overwrite],
  [10, swapPages],
  [5, copyPage],
  [2, (_file, chance) => Buffer.from(chance.bytes(chance.below(20_000)))],
  [1, (file, chance) => Buffer.concat([file, chance.bytes(chance.below(10_000))])],
];

/**
 * A page that is right in itself in the place of another may hide rows (an empty root has nothing to check), and no format
 * of SQLite tells: such a store must still open, and tell nothing that was never stored.
 */
const MISPLACING: ReadonlySet<Spoil> = new Set([swapPages, copyPage]);

/** Damages a store by `seed`, and goes through what a broker does with it. @returns what became of it */
export function runFuzz(base: FuzzBase, seed: number): 'untouched' | 'noticed' {
  const folder = mkdtempSync(join(tmpdir(), 'zanzara-fuzz-'));
  try {
    const chance = new Chance(seed);
    const isLog = base.log.length > 0 && chance.percent(30);
    const spoil = chance.weighted(SPOILERS);
    const file = isLog ? base.file : spoil(Buffer.from(base.file), chance);
    const log = isLog ? spoil(Buffer.from(base.log), chance) : base.log;
    writeFileSync(join(folder, 'zanzara.db'), file);
    if (log.length > 0) writeFileSync(join(folder, 'zanzara.db-wal'), log);
    const isSingleBit = !isLog && spoil === flipOne;
    return judge(base, new FuzzBroker(folder).run(), { isLog, isMisplaced: MISPLACING.has(spoil), isSingleBit });
  } catch (error) {
    throw new Error(`seed ${seed} failed: ${error instanceof Error ? error.stack : String(error)}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Damage {
  readonly isLog: boolean;
  readonly isMisplaced: boolean;
  /** One bit of the file itself. */
  readonly isSingleBit: boolean;
}

/** What keeps the packet id of a damaged row in flight, see stand-in.ts: it is never sent. */
function isStandIn(line: string): boolean {
  return / released \d+ 0 /.test(line) && line.endsWith(STAND_IN);
}

const STAND_IN = Buffer.from(standInBody()).toString('latin1');

/** A bit costs its row, and those that its length or its place in the page hides; with a session go all of its own. */
function requireFew(whole: readonly string[], lines: readonly string[]): void {
  const found = new Set(lines);
  const missing = whole.filter((line) => !found.has(line));
  const gone = missing.filter((line) => line.startsWith('session ')).map((line) => Number(line.split(' ')[1]));
  const others = missing.filter((line) => !gone.includes(sessionIn(line)));
  assert.ok(gone.length <= 1 && others.length <= LOST_BY_A_BIT_MAX, `one bit has cost ${missing.length} lines`);
}

function sessionIn(line: string): number {
  return Number(/^(?:session|subscription|row|received) (\d+)/.exec(line)?.[1] ?? -1);
}

function judge(
  base: FuzzBase,
  { lines, isNoticed }: FuzzResult,
  { isLog, isMisplaced, isSingleBit }: Damage,
): 'untouched' | 'noticed' {
  for (const line of lines) {
    assert.ok(base.everStored.has(line) || isStandIn(line), `never stored: ${line.slice(0, 200)}`);
  }
  if (isSingleBit) requireFew(base.states.at(-1) ?? [], lines);
  if (isNoticed) return 'noticed';
  // Of a damaged log the commits before the damage are there, whole: so it is after a power cut, too.
  const allowed = isLog ? base.states : base.states.slice(-1);
  const isWhole = allowed.some(
    (state) => state.length === lines.length && state.every((line, at) => line === lines[at]),
  );
  assert.ok(isWhole || isMisplaced, `${lines.length} lines, and nobody noticed that they are not what was stored`);
  return 'untouched';
}

interface FuzzResult {
  readonly lines: readonly string[];
  readonly isNoticed: boolean;
}

/** Does with the store what the journal does. */
class FuzzBroker {
  readonly #folder: string;
  readonly #answers: FromStore[] = [];
  readonly #server: StoreServer;
  #isNoticed = false;

  constructor(folder: string) {
    this.#folder = folder;
    this.#server = new StoreServer(
      (message) => this.#answers.push(message),
      () => undefined,
    );
  }

  run(): FuzzResult {
    const model = this.#openAndLoad();
    const lines = model.lines();
    const writer = new OpWriter();
    writer.session(0xfffffff0, Uint8Array.of(1));
    writer.retained(Uint8Array.of(1), Uint8Array.of(2));
    this.#ask({ kind: 'commit', ops: writer.finish() }, 'committed');
    this.#ask({ kind: 'close' }, 'closed');
    return { lines, isNoticed: this.#isNoticed };
  }

  #openAndLoad(): PlainStore {
    for (let count = 0; count < OPENINGS_MAX; count += 1) {
      const opened = this.#ask({ kind: 'open', options: optionsFor(this.#folder) }, 'opened');
      if (opened.opened.notes.length > 0) this.#isNoticed = true;
      const model = this.#load();
      if (model !== null) return model;
      this.#isNoticed = true;
    }
    throw new Error('a store that was just begun does not load');
  }

  /** Loads, and reads what has not come with it. @returns null: it is damaged, and set aside. */
  #load(): PlainStore | null {
    const model = new PlainStore();
    let answer = this.#tell({ kind: 'load', headMax: HEAD_MAX });
    while (answer.kind === 'loaded') {
      model.apply(answer.ops);
      answer = this.#tell({ kind: 'more' });
    }
    if (answer.kind === 'load-failed') {
      assert.ok(answer.isRenewed, answer.lines.join(' '));
      return null;
    }
    assert.ok(answer.kind === 'load-ended');
    for (const [session, after] of model.tails) this.#readTail(session, after, model);
    return model;
  }

  #readTail(session: number, from: number, model: PlainStore): void {
    for (let after = from; ; ) {
      const answer = this.#tell({ kind: 'read', id: 1, session, after, limit: READ_ROWS });
      if (answer.kind === 'read-failed') this.#isNoticed = true;
      if (answer.kind !== 'read') return;
      if (answer.lost > 0) this.#isNoticed = true;
      if (answer.ops.length === 0) return;
      model.apply(answer.ops);
      assert.ok(model.lastPosition > after, 'reading goes on');
      after = model.lastPosition;
    }
  }

  #tell(message: ToStore): FromStore {
    this.#answers.length = 0;
    this.#server.handle(message);
    const answer = this.#answers.at(-1);
    assert.ok(answer !== undefined && this.#answers.length === 1);
    return answer;
  }

  #ask<K extends FromStore['kind']>(message: ToStore, kind: K): Extract<FromStore, { readonly kind: K }> {
    const answer = this.#tell(message);
    if (isKind(answer, kind)) return answer;
    throw new Error(`${message.kind} was answered by ${JSON.stringify(answer).slice(0, 500)}`);
  }
}

function isKind<K extends FromStore['kind']>(
  message: FromStore,
  kind: K,
): message is Extract<FromStore, { readonly kind: K }> {
  return message.kind === kind;
}

function flip(file: Buffer, count: number, chance: Chance): Buffer {
  for (let left = count; left > 0; left -= 1) flipAt(file, chance.below(file.length), chance);
  return file;
}

function flipAt(file: Buffer, at: number, chance: Chance): Buffer {
  file[at] = (file[at] ?? 0) ^ (1 << chance.below(8));
  return file;
}

function overwrite(file: Buffer, chance: Chance): Buffer {
  const from = chance.below(file.length);
  const count = Math.min(file.length - from, chance.between(1, 2 * PAGE_BYTES));
  if (chance.percent(50)) file.fill(chance.pick([0, 0xff]), from, from + count);
  else file.set(chance.bytes(count), from);
  return file;
}

function pageAt(file: Buffer, chance: Chance): number {
  return chance.below(Math.max(1, Math.floor(file.length / PAGE_BYTES))) * PAGE_BYTES;
}

function swapPages(file: Buffer, chance: Chance): Buffer {
  const [one, other] = [pageAt(file, chance), pageAt(file, chance)];
  const kept = Buffer.from(file.subarray(one, one + PAGE_BYTES));
  file.copy(file, one, other, other + PAGE_BYTES);
  kept.copy(file, other);
  return file;
}

function copyPage(file: Buffer, chance: Chance): Buffer {
  const [one, other] = [pageAt(file, chance), pageAt(file, chance)];
  file.copy(file, one, other, other + PAGE_BYTES);
  return file;
}

function main(): void {
  const { values } = parseArgs({ options: { count: { type: 'string' }, seed: { type: 'string' } } });
  const count = Number(values.count ?? 1000);
  const first = Number(values.seed ?? 1);
  const bases = [makeFuzzBase(1, 0), makeFuzzBase(2, 6), makeFuzzBase(3, 25)];
  const seen = { untouched: 0, noticed: 0 };
  for (let seed = first; seed < first + count; seed += 1) {
    const base = bases[seed % bases.length];
    if (base !== undefined) seen[runFuzz(base, seed)] += 1;
  }
  const figures = `${seen.noticed} noticed, ${seen.untouched} where nothing in use was hit`;
  console.log(`${count} damaged stores, seeds ${first} to ${first + count - 1}: no failure (${figures})`);
}

if (import.meta.main) main();
