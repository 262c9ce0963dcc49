/** Single bits that flip anywhere in the rows and in the index of a store, and what a broker then finds and does. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { Chance } from '../../../../test/fixtures/chance.ts';
import type { FromStore, ToStore } from '../thread-messages.ts';
import { bytes, opsOf, optionsFor, PlainStore, row, withFolder } from './store.fixture.ts';
import { Store } from './store.ts';
import { StoreServer } from './store-server.ts';

const NAME = 'zanzara.db';
const SESSIONS = 12;
const MESSAGES = 4;
/** Flips of each tree. */
const FLIPS = 40;
/** Small rows that one which has become long, or starts elsewhere, can hide. */
const LOST_MAX = 8;

/** Makes a store whose trees have a page each, and gives what it holds. */
function fill(folder: string): PlainStore {
  const { store } = Store.open(optionsFor(folder));
  const ops = opsOf((w) => {
    w.time(1000, 2000);
    for (let session = 1; session <= SESSIONS; session += 1) {
      w.session(session, bytes(`session ${session}`));
      w.subscribed(session, bytes(`filter/${session}`), bytes('options'));
      w.received(session, 7);
      for (const position of [1, 2]) w.queued(row(session, position), bytes(`own ${session}/${position}`));
    }
    for (let message = 1; message <= MESSAGES; message += 1) {
      w.message(message, bytes(`text ${message}`));
      for (const session of [1, 5, SESSIONS]) w.queuedShared(row(session, 2 + message), message, bytes('part'));
    }
    for (let topic = 10; topic < 10 + SESSIONS; topic += 1) w.retained(bytes(`topic/${topic}`), bytes('kept'));
    for (const client of ['a', 'b', 'c']) w.will(bytes(client), bytes('last words'));
  });
  store.apply(ops);
  store.close();
  const model = new PlainStore();
  model.apply(ops);
  return model;
}

interface Tree {
  readonly name: string;
  /** Where its rows lie in the file; they have one page. */
  readonly from: number;
  readonly to: number;
}

function treesOf(folder: string, file: Buffer): readonly Tree[] {
  const database = new DatabaseSync(join(folder, NAME), { readOnly: true });
  const roots = database.prepare('SELECT name, rootpage FROM sqlite_schema WHERE rootpage > 0').all();
  database.close();
  const pageBytes = file.readUInt16BE(16);
  return roots.map(({ name, rootpage }) => {
    const start = (Number(rootpage) - 1) * pageBytes;
    assert.ok([10, 13].includes(file[start] ?? 0), `${name} has one page`);
    return { name: String(name), from: start + file.readUInt16BE(start + 5), to: start + pageBytes };
  });
}

/** The store's side of a broker. */
class Broker {
  readonly said: string[] = [];
  readonly model = new PlainStore();
  readonly #answers: FromStore[] = [];
  readonly #server = new StoreServer(
    (message) => this.#answers.push(message),
    () => undefined,
  );

  /** Opens and loads, a second time when the first load finds damage. */
  constructor(folder: string) {
    for (let openings = 0; openings < 2; openings += 1) {
      const opened = this.tell({ kind: 'open', options: optionsFor(folder) });
      assert.ok(opened.kind === 'opened', JSON.stringify(opened));
      this.said.push(...opened.opened.notes.map(({ text }) => text));
      if (this.#load()) return;
    }
    assert.fail('what was made anew is damaged');
  }

  #load(): boolean {
    const parts: Uint8Array[] = [];
    let answer = this.tell({ kind: 'load', headMax: 3 });
    for (; answer.kind === 'loaded'; answer = this.tell({ kind: 'more' })) parts.push(answer.ops);
    if (answer.kind === 'load-failed') {
      assert.ok(answer.isRenewed, answer.lines.join(' '));
      this.said.push(...answer.lines);
      return false;
    }
    for (const ops of parts) this.model.apply(ops);
    for (const [session, after] of this.model.tails) {
      const read = this.tell({ kind: 'read', id: 1, session, after, limit: 100 });
      assert.ok(read.kind === 'read', JSON.stringify(read));
      if (read.lost > 0) this.said.push(`${read.lost} messages in the queue are damaged`);
      this.model.apply(read.ops);
    }
    return true;
  }

  tell(message: ToStore): FromStore {
    this.#answers.length = 0;
    this.#server.handle(message);
    const answer = this.#answers.at(-1);
    assert.ok(answer !== undefined);
    return answer;
  }
}

/** Starts a broker on the store, which ends all that waits and writes the rest anew, and starts it again. */
function goOn(folder: string, whole: readonly string[]): string {
  const first = new Broker(folder);
  const lines = first.model.lines();
  const missing = whole.filter((line) => !lines.includes(line));
  assert.deepEqual(
    lines.filter((line) => !whole.includes(line)),
    [],
    'nothing that was never stored',
  );
  const ops = opsOf((w) => {
    for (let session = 1; session <= SESSIONS; session += 1) {
      w.session(session, bytes('new'));
      for (let position = 1; position <= 2 + MESSAGES; position += 1) w.done(session, position);
      w.subscribed(session, bytes(`filter/${session}`), bytes('new'));
    }
    for (let topic = 10; topic < 10 + SESSIONS; topic += 1) w.retained(bytes(`topic/${topic}`), bytes('new'));
  });
  assert.equal(first.tell({ kind: 'commit', ops }).kind, 'committed');
  first.tell({ kind: 'close' });
  const second = new Broker(folder);
  second.tell({ kind: 'close' });
  const after = second.model.lines();
  assert.ok(!after.some((line) => line.startsWith('row ')), 'what is done does not come again');
  assert.ok(!after.some((line) => /^(session|subscription|retained) .* (kept|options|session \d+)$/.test(line)));
  assert.equal(after.filter((line) => line.endsWith(' new')).length, 3 * SESSIONS, after.join('\n'));
  // A damaged row of a tail is found by a start that comes to it.
  if (first.said.some((line) => line.startsWith('Error'))) assert.deepEqual(second.said, []);
  if (missing.length > 0) assert.ok(first.said.length > 0, `not said: ${missing.join('; ')}`);
  return missing.join('; ');
}

/** What one flipped bit may cost. */
function requireSmall(tree: string, missing: string): void {
  const lines = missing === '' ? [] : missing.split('; ');
  const sessions = new Set(lines.map((line) => /^\w+ (\d+)/.exec(line)?.[1]));
  const messages = new Set(lines.map((line) => line.split(' of ')[1]));
  const isOne = (tree === 'sessions' && sessions.size === 1) || (tree === 'messages' && messages.size === 1);
  assert.ok(isOne || lines.length <= LOST_MAX, `${lines.length} lines are missing: ${missing}`);
}

test('a bit that flips costs the row that it is in, is said, and does no harm afterwards', () => {
  withFolder((folder) => {
    const whole = fill(folder).lines();
    const file = readFileSync(join(folder, NAME));
    const chance = new Chance(1);
    for (const { name, from, to } of treesOf(folder, file)) {
      for (let left = FLIPS; left > 0 && to > from; left -= 1) {
        for (const old of readdirSync(folder)) rmSync(join(folder, old));
        const [at, bit] = [from + chance.below(to - from), chance.below(8)];
        const copy = Buffer.from(file);
        copy[at] = (copy[at] ?? 0) ^ (1 << bit);
        writeFileSync(join(folder, NAME), copy);
        try {
          requireSmall(name, goOn(folder, whole));
        } catch (error) {
          throw new Error(`${name}, byte ${at}, bit ${bit}: ${error instanceof Error ? error.message : error}`);
        }
      }
    }
  });
});
