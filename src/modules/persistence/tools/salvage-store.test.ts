import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { folderFor } from '../mosquitto/mosquitto-files.fixture.ts';
import { type OpVisitor, OpWriter, RowState, readOps } from '../ops.ts';
import { Store } from '../store/store.ts';
import { setVersion } from '../store/store-database.ts';
import { StoreFiles } from '../store/store-files.ts';
import { salvageStore } from './salvage-store.ts';

const PAGE_BYTES = 4096;
const SESSIONS = 3;
const ROWS = 3000;
const SHARED = 7;

const bytes = (text: string) => new TextEncoder().encode(text);

/** The path of a store, closed, with a bit of everything; every session has the same rows. */
function storeFor(t: TestContext): string {
  const folder = folderFor(t);
  const { store } = Store.open({ folder, isDamageRefused: true, mosquittoFile: null, wallMs: 1000 });
  const writer = new OpWriter();
  writer.time(5, 1000);
  for (let session = 1; session <= SESSIONS; session++) {
    writer.session(session, bytes(`session ${session}`));
    for (let index = 0; index < 500; index++) writer.subscribed(session, bytes(`filter/${index}`), bytes('options'));
    for (let index = 1; index <= 500; index++) writer.received(session, index);
  }
  writer.message(1, bytes('shared'));
  for (let session = 1; session <= SESSIONS; session++) {
    for (let position = 1; position <= ROWS; position++) {
      const place = { session, position, state: RowState.Queued, packetId: 0, payloadBytes: 3 };
      if (position === SHARED) writer.queuedShared(place, 1, bytes('own part'));
      else writer.queued(place, bytes(`row ${session}/${position}.`.padEnd(100)));
    }
  }
  for (let index = 0; index < 1000; index++) writer.retained(bytes(`topic/${index}`), bytes('kept'));
  writer.will(bytes('client'), bytes('last words'));
  store.apply(writer.finish());
  store.close();
  return join(folder, 'zanzara.db');
}

function teller(lines: string[]): OpVisitor {
  const text = (value: Uint8Array) => new TextDecoder().decode(value).trim();
  const never = () => assert.fail('only what is there is told');
  return {
    session: (session, body) => void lines.push(`session ${session} ${text(body)}`),
    subscribed: (session, filter, body) => void lines.push(`subscribed ${session} ${text(filter)} ${text(body)}`),
    received: (session, packetId) => void lines.push(`received ${session} ${packetId}`),
    message: () => undefined,
    queued: (place, body) => void lines.push(`row ${place.session}/${place.position} ${text(body)}`),
    queuedShared: (place, _, body) => void lines.push(`row ${place.session}/${place.position} shared ${text(body)}`),
    retained: (topic, body) => void lines.push(`retained ${text(topic)} ${text(body)}`),
    will: (clientId, body) => void lines.push(`will ${text(clientId)} ${text(body)}`),
    time: (storeMs, wallMs) => void lines.push(`time ${storeMs} ${wallMs}`),
    sessionRemoved: never,
    unsubscribed: never,
    moved: never,
    done: never,
    receivedDone: never,
    retainedRemoved: never,
    willRemoved: never,
    tail: () => undefined,
  };
}

function salvaged(file: string) {
  const folder = mkdtempSync(join(dirname(file), 'made-'));
  const { lostWords, unreadWords, isTimeLost } = salvageStore(file, new StoreFiles(folder, 0));
  const { store, opened } = Store.open({ folder, isDamageRefused: true, mosquittoFile: null, wallMs: 1000 });
  const lines: string[] = [];
  if (opened.time !== null) lines.push(`time ${opened.time.storeMs} ${opened.time.wallMs}`);
  for (const ops of store.load(Number.POSITIVE_INFINITY)) readOps(ops, teller(lines));
  store.close();
  assert.equal(new Set(lines).size, lines.length, 'nothing comes twice');
  return { lines: new Set(lines), lostWords, unreadWords, isTimeLost };
}

const INTERIOR = 2;

/** Numbers of the pages of a table that lead to no others, in order. */
function leavesOf(file: string, table: string): readonly number[] {
  const database = new DatabaseSync(file, { readOnly: true });
  const root = Number(database.prepare('SELECT rootpage FROM sqlite_schema WHERE name = ?').get(table)?.rootpage);
  database.close();
  const store = readFileSync(file);
  const below = (number: number): readonly number[] => {
    const page = store.subarray((number - 1) * PAGE_BYTES, number * PAGE_BYTES);
    if (page[0] !== INTERIOR) return [number];
    const children: number[] = [];
    for (let cell = 0; cell < page.readUInt16BE(3); cell++) {
      children.push(page.readUInt32BE(page.readUInt16BE(12 + 2 * cell)));
    }
    return [...children, page.readUInt32BE(8)].flatMap(below);
  };
  return below(root);
}

function spoil(file: string, pages: readonly number[]): void {
  const store = readFileSync(file);
  for (const page of pages) store.fill(0x5a, (page - 1) * PAGE_BYTES, page * PAGE_BYTES);
  writeFileSync(file, store);
}

test('salvage: of a store that is whole, everything', (t) => {
  const { lines, lostWords, unreadWords } = salvaged(storeFor(t));
  assert.deepEqual([lostWords, unreadWords], ['', '']);
  assert.equal(lines.size, 1 + SESSIONS * (1 + 500 + 500 + ROWS) + 1000 + 1);
  assert.ok(lines.has(`row 2/${SHARED} shared own part`));
});

test('salvage: a row whose bytes are damaged is left out and counted', (t) => {
  const file = storeFor(t);
  const store = readFileSync(file);
  for (const text of ['row 2/1500.', 'shared', 'last words']) {
    const at = store.indexOf(text);
    assert.ok(at > 0);
    store[at] = 0x53;
  }
  writeFileSync(file, store);
  const { lines, lostWords, unreadWords } = salvaged(file);
  assert.deepEqual([lostWords, unreadWords], [`${SESSIONS + 1} queued messages, 1 wills`, '']);
  assert.equal(lines.size, 1 + SESSIONS * (1 + 500 + 500 + ROWS) + 1000 - SESSIONS - 1);
});

test('salvage: pages that are damaged cost their rows and no others', (t) => {
  const file = storeFor(t);
  const whole = salvaged(file).lines;
  const leaves = leavesOf(file, 'queue');
  assert.ok(leaves.length > 200, `${leaves.length} pages`);
  // Three in a row, single ones on both sides of it, and the last of all.
  spoil(
    file,
    [10, 30, 31, 32, 33, 120, leaves.length - 1].map((index) => leaves[index] ?? 0),
  );
  const { lines, lostWords, unreadWords } = salvaged(file);
  assert.deepEqual([lostWords, unreadWords], ['', 'queued messages']);
  const missing = whole.difference(lines);
  assert.equal(lines.difference(whole).size, 0, 'nothing that was not there');
  assert.ok([...missing].every((line) => line.startsWith('row ')));
  // 33 to 35 rows are on a page, and each page has one more above it, in the page that leads to it.
  assert.ok(missing.size > 7 * 25 && missing.size < 7 * 40, `${missing.size} rows are missing`);
});

test('salvage: a damaged page of texts costs what is on it', (t) => {
  const file = storeFor(t);
  const whole = salvaged(file).lines;
  const leaves = leavesOf(file, 'retained');
  spoil(file, [leaves[2] ?? 0]);
  const { lines, unreadWords } = salvaged(file);
  assert.equal(unreadWords, 'retained messages');
  const missing = [...whole.difference(lines)];
  assert.ok(missing.length > 0 && missing.length < 300 && missing.every((line) => line.startsWith('retained ')));
});

test('salvage: whatever is spoilt, it ends, and nothing is made up', (t) => {
  const file = storeFor(t);
  const whole = salvaged(file).lines;
  const good = readFileSync(file);
  const pages = good.length / PAGE_BYTES;
  for (let round = 0; round < 20; round++) {
    const store = Buffer.from(good);
    // Pages change places, or lead to others, and bits flip.
    const one = 1 + ((round * 37) % (pages - 1));
    const other = 1 + ((round * 101 + 7) % (pages - 1));
    if (round % 2 === 0) good.copy(store, one * PAGE_BYTES, other * PAGE_BYTES, (other + 1) * PAGE_BYTES);
    else
      for (let at = 0; at < 64; at += 7)
        store[one * PAGE_BYTES + at] = (store[one * PAGE_BYTES + at] ?? 0) ^ (1 << (at % 8));
    writeFileSync(file, store);
    const { lines } = salvaged(file);
    const strange = [...lines.difference(whole)];
    assert.deepEqual(strange, [], `round ${round}`);
  }
});

test('salvage: a version and a time that are damaged are no hindrance', (t) => {
  const file = storeFor(t);
  const database = new DatabaseSync(file);
  database.exec('PRAGMA user_version = 99; UPDATE meta SET crc = 0');
  database.close();
  const { lines, lostWords, unreadWords, isTimeLost } = salvaged(file);
  assert.deepEqual([lostWords, unreadWords, isTimeLost], ['', '', true]);
  assert.equal(lines.size, SESSIONS * (1 + 500 + 500 + ROWS) + 1000 + 1);
});

test('salvage: what a newer program wrote is refused', (t) => {
  const file = storeFor(t);
  const database = new DatabaseSync(file);
  setVersion(database, 99);
  database.close();
  assert.throws(() => salvaged(file), /newer Zanzara \(schema 99\)/);
});
