import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { FORMATS, fileFor, HandFile, linesOf, oneOfEverything } from './mosquitto-files.fixture.ts';
import { MosquittoDbError } from './mosquitto-source.ts';
import { openMosquittoDb } from './read-mosquitto-db.ts';

const NEVER = 0xffff_ffff;

function read(file: string): readonly string[] {
  const source = openMosquittoDb(file);
  try {
    return linesOf(source);
  } finally {
    source.close();
  }
}

test('mosquitto.db: a file of each format', async (t) => {
  for (const format of FORMATS) {
    await t.test(`format ${format}`, () => {
      const user = format === 6 ? "'ann'" : 'null';
      const [port, port2] = format === 6 ? [1884, 1883] : [0, 0];
      const [options, identifier] = format >= 5 ? [0x2c, 9] : [0, 0];
      const sourcePort = format >= 4 ? 1883 : 0;
      const sourceUser = format >= 4 ? 'ann' : '';
      assert.deepEqual(read(fileFor(t, oneOfEverything(format))), [
        `client 'one' ${user} ${port} 0 ${NEVER}`,
        `client 'two' null ${port2} 0 ${NEVER}`,
        `subscription 'one' 'a/#' 2 ${options} ${identifier}`,
        `row 'one' 1 11 2 5 false true 0`,
        `row 'one' 2 12 1 11 false true ${identifier}`,
        `row 'two' 4 40 2 7 false false 0`,
        'retained 3',
        `message 1 'a/b' 'first' 2 false 0 'source' '${sourceUser}' ${sourcePort} ''`,
        `message 2 'a/c' 'second' 1 false 0 'source' '' ${sourcePort} ''`,
        `message 3 'a/kept' 'third' 0 true 0 'source' '' ${sourcePort} ''`,
        `message 4 'b' 'fourth' 2 false 0 'source' '' ${sourcePort} ''`,
      ]);
    });
  }
});

test('mosquitto.db: properties and moments of format 6', (t) => {
  const properties = Buffer.from('030004746578742600016b000176', 'hex');
  const file = new HandFile(6)
    .message({ id: 5, topic: 't', expiresAt: 1_800_000_000, properties })
    .client({ clientId: 'c', expiresAt: 1_800_003_600, expirySeconds: 3600 });
  assert.deepEqual(read(fileFor(t, file.bytes)), [
    "client 'c' null 1883 1800000000 3600",
    `message 5 't' '' 1 false 1800000000 'source' '' 1883 '${properties.toString('latin1')}'`,
  ]);
});

test('mosquitto.db: chunks of a kind that is not known are passed over', (t) => {
  const file = new HandFile(6).other(77, Buffer.from('later')).client({ clientId: 'c' });
  assert.deepEqual(read(fileFor(t, file.bytes)), [`client 'c' null 1883 0 ${NEVER}`]);
});

test('mosquitto.db: a message longer than what is read at a time', (t) => {
  const payload = 'x'.repeat(600_000);
  const file = new HandFile(6).message({ id: 1, topic: 't', payload }).message({ id: 2, topic: 'u', payload: 'short' });
  const lines = read(fileFor(t, file.bytes));
  assert.equal(lines[0]?.length, `message 1 't' '' 1 false 0 'source' '' 1883 ''`.length + payload.length);
  assert.equal(lines[1], `message 2 'u' 'short' 1 false 0 'source' '' 1883 ''`);
});

test('mosquitto.db: what is wrong is said with its place', (t) => {
  const good = oneOfEverything(6);
  const patched = (at: number, ...bytes: readonly number[]) => {
    const copy = Uint8Array.from(good);
    copy.set(bytes, at);
    return copy;
  };
  const cases: readonly [string, Uint8Array, RegExp][] = [
    ['empty', new Uint8Array(0), /^at byte 0: expected the mark of a mosquitto\.db/],
    ['foreign', Buffer.from('SQLite format 3\0 and more of it'), /^at byte 0: expected the mark of a mosquitto\.db/],
    ['head cut off', good.subarray(0, 20), /^at byte 19: expected the format of 4 bytes, but the chunk has 1 more/],
    ['a later format', patched(22, 7), /^at byte 19: expected format 2 to 6, found 7/],
    ['a former format', patched(22, 1), /^at byte 19: expected format 2 to 6, found 1/],
    ['store ids of another size', patched(31 + 9, 4), /^at byte 41: expected store ids of 8 bytes, found 4/],
    ['cut off', good.subarray(0, good.length - 1), /expected a chunk of 8 bytes, but 7 are left in the file$/],
    ['a chunk that is too long', patched(27, 0x7f), /^at byte 23: expected a chunk of 2130706448 bytes/],
    ['a length inside that is too long', patched(55 + 16, 0xff), /expected a payload of \d+ bytes, but the chunk has/],
  ];
  for (const [name, bytes, expected] of cases) {
    assert.throws(() => read(fileFor(t, bytes)), { name: 'MosquittoDbError', message: expected }, name);
  }
});

test('mosquitto.db: truncations and flipped bits give an error or a reading, and end', (t) => {
  const file = fileFor(t, new Uint8Array(0));
  const readable = (bytes: Uint8Array) => {
    writeFileSync(file, bytes);
    try {
      return read(file).length;
    } catch (error) {
      assert.ok(error instanceof MosquittoDbError, String(error));
      return -1;
    }
  };
  const originals = FORMATS.map(oneOfEverything);
  let readCount = 0;
  fc.assert(
    fc.property(
      fc.constantFrom(...originals),
      fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), { maxLength: 4 }),
      fc.option(fc.nat()),
      (original, flips, cut) => {
        const bytes = Uint8Array.from(original);
        for (const [at, mask] of flips) bytes[at % bytes.length] = (bytes[at % bytes.length] ?? 0) ^ mask;
        if (readable(cut === null ? bytes : bytes.subarray(0, cut % bytes.length)) >= 0) readCount += 1;
      },
    ),
    { numRuns: 1000 },
  );
  assert.ok(readCount > 20, 'some of them are still readable');
});

test('mosquitto.db: foreign bytes behind a good head', (t) => {
  const file = fileFor(t, new Uint8Array(0));
  const head = new HandFile(6).bytes;
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (tail) => {
      writeFileSync(file, Buffer.concat([head, tail]));
      try {
        read(file);
      } catch (error) {
        assert.ok(error instanceof MosquittoDbError, String(error));
      }
    }),
    { numRuns: 300 },
  );
});
