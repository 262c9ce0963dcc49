import assert from 'node:assert/strict';
import { readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import fc from 'fast-check';
import { importedLines } from './imported.fixture.ts';
import { folderFor, linesOf, makeSqlite } from './mosquitto-files.fixture.ts';
import { MosquittoDbError } from './mosquitto-source.ts';
import { isSqliteFile, openMosquittoSqlite } from './read-mosquitto-sqlite.ts';

const NOW_SECONDS = 1_800_000_000;
const BIG_ID = '9223372036854775807';

const ROWS = `
INSERT INTO clients VALUES ('one', 'ann', 1, 0, ${NOW_SECONDS + 1000}, 1884, 0, 2, 1, 3600, 0);
INSERT INTO clients VALUES ('two', NULL, 1, ${NOW_SECONDS + 20}, 0, 1883, 0, 2, 1, -1, 30);
INSERT INTO clients VALUES ('here', NULL, 1, 0, 0, 1883, 0, 2, 1, -1, 5);
INSERT INTO clients VALUES ('brief', 'bob', 1, 0, 0, 1885, 0, 2, 1, 0, 0);
INSERT INTO subscriptions VALUES ('one', 'a/#', 46, 9);
INSERT INTO subscriptions VALUES ('two', '$share/g/a', 1, 0);
INSERT INTO base_msgs VALUES (1, ${NOW_SECONDS + 50}, 'a/b', x'00ff', 'src', 'bob', 2, 3, 1885, 2, 0,
  '[{"identifier":"content-type","value":"text/plain"},{"identifier":"user-property","name":"k","value":"v"},
    {"identifier":"correlation-data","value":"01aB"},{"identifier":"payload-format-indicator","value":1},
    {"identifier":"response-topic","value":"r"}]');
INSERT INTO base_msgs VALUES (${BIG_ID}, 0, 'kept', 'text', '', '', 4, 0, 0, 1, 1, NULL);
INSERT INTO client_msgs VALUES ('one', 2, ${BIG_ID}, 0, 1, 6, 1, 1, 11, 0);
INSERT INTO client_msgs VALUES ('one', 1, 1, 0, 1, 5, 2, 0, 5, 9);
INSERT INTO client_msgs VALUES ('two', 1, 1, 0, 0, 7, 2, 0, 7, 0);
INSERT INTO retains VALUES ('kept', ${BIG_ID});
INSERT INTO wills VALUES ('two', 'gone', 'wills/two', 4, 1, 1, '[{"identifier":"message-expiry-interval","value":60}]');
INSERT INTO wills VALUES ('here', 'gone', 'wills/here', 4, 1, 0, NULL);
INSERT INTO wills VALUES ('brief', 'gone', 'wills/brief', 4, 0, 0, NULL);
INSERT INTO wills VALUES ('nobody', 'gone', 'wills/nobody', 4, 0, 0, NULL);
`;

test('SQLite store: everything that is in it is imported', (t) => {
  const folder = folderFor(t);
  const file = join(folder, 'mosquitto.sqlite3');
  makeSqlite(file, ROWS);
  const before = readFileSync(file);
  utimesSync(file, NOW_SECONDS - 1, NOW_SECONDS - 1);
  const { lines, told } = importedLines(file, NOW_SECONDS * 1000);
  const properties = '010103000a746578742f706c61696e0800017209000201ab2600016b000176';
  assert.deepEqual(lines, [
    'received 2 7',
    "retained kept 'text' qos 1 retained by nobody {}",
    `row 1/1 sent 5 qos 2 id 9 (2): a/b '\0\uFFFD' qos 2 by src bob 1885 expires 50 {${properties}}`,
    "row 1/2 queued 0 qos 1 retain (4): kept 'text' qos 1 retained by nobody {}",
    `row 1/3 queued 0 qos 2 id 9 (2): a/b '\0\uFFFD' qos 2 by src bob 1885 expires 50 {${properties}}`,
    'session 1 one ann 1884 expiry 3600 gone 2600',
    'session 2 two null 1883 expiry 4294967295 gone 10',
    'session 3 here null 1883 expiry 4294967295 connected',
    'subscribed 1 a/# qos 2 true true 2 9',
    'subscribed 2 $share/g/a qos 1 false false 0 null',
    `time 0 ${NOW_SECONDS * 1000}`,
    "will brief bob 1885 delay 0 expiry null wills/brief 'gone' qos 0 by brief bob 1885 {}",
    "will here null 1883 delay 5 expiry null wills/here 'gone' qos 1 by here null 1883 {}",
    "will two null 1883 delay 30 expiry 60 wills/two 'gone' qos 1 retained by two null 1883 {}",
  ]);
  assert.deepEqual(told.counts, { sessions: 3, subscriptions: 2, rows: 3, retained: 1, wills: 3 });
  assert.match(told.notes[0]?.text ?? '', /SQLite store, schema 1\.1\.0/);
  assert.match(
    told.notes[1]?.text ?? '',
    /1 sessions that end with their connection, 1 wills of clients that are not there/,
  );
  assert.deepEqual(readdirSync(folder), ['mosquitto.sqlite3'], 'nothing was left beside the file');
  assert.ok(readFileSync(file).equals(before), 'the file is as it was');
});

test('SQLite store: what stands only in its write-ahead log is read too', (t) => {
  const file = join(folderFor(t), 'mosquitto.sqlite3');
  makeSqlite(file, '');
  const writer = new DatabaseSync(file);
  t.after(() => writer.close());
  writer.exec("INSERT INTO clients VALUES ('late', NULL, 1, 0, 0, 1883, 0, 2, 1, -1, 0)");
  const source = openMosquittoSqlite(file);
  assert.deepEqual(linesOf(source), ["client 'late' null 1883 0 4294967295"]);
  source.close();
});

test('SQLite store: what is wrong is said', (t) => {
  const folder = folderFor(t);
  const other = join(folder, 'other.db');
  new DatabaseSync(other).exec('CREATE TABLE t(a); INSERT INTO t VALUES (1)');
  assert.throws(() => openMosquittoSqlite(other), {
    name: 'MosquittoDbError',
    message: /persist-sqlite: no such table/,
  });
  const newer = join(folder, 'newer.db');
  makeSqlite(newer, '', 2);
  assert.throws(() => openMosquittoSqlite(newer), { message: 'expected schema 1, found 2.1.0' });
  const text = join(folder, 'text');
  writeFileSync(text, 'SQLite form');
  assert.equal(isSqliteFile(text), false);
  assert.equal(isSqliteFile(other), true);
});

test('SQLite store: truncations and flipped bits give an error or a reading, and end', (t) => {
  const folder = folderFor(t);
  const original = join(folder, 'original.db');
  makeSqlite(original, ROWS);
  const bytes = readFileSync(original);
  const file = join(folder, 'damaged.db');
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 6 }),
      fc.option(fc.nat()),
      (flips, cut) => {
        const damaged = Uint8Array.from(bytes);
        for (const [at, mask] of flips) damaged[at % damaged.length] = (damaged[at % damaged.length] ?? 0) ^ mask;
        writeFileSync(file, cut === null ? damaged : damaged.subarray(0, cut % damaged.length));
        try {
          importedLines(file, NOW_SECONDS * 1000);
        } catch (error) {
          assert.ok(error instanceof MosquittoDbError, String(error));
        }
      },
    ),
    { numRuns: 200 },
  );
});
