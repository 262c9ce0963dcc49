import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createJsonForm, createTextForm, LOG_LINE_BYTES_MAX } from './log-line.ts';

const AT_MS = 1_700_000_000_999;
const PLAIN = { hasTimestamp: true, timestampFormat: null };

const textForm = createTextForm(PLAIN);
const jsonForm = createJsonForm(PLAIN);
const lineFor = (text: string): string => textForm(AT_MS, 'error', text);

test('a line is the time in seconds and the text', () => {
  assert.equal(lineFor('zanzara version 1 running'), '1700000000: zanzara version 1 running');
});

test('log_timestamp false leaves the text alone', () => {
  assert.equal(createTextForm({ ...PLAIN, hasTimestamp: false })(AT_MS, 'error', 'text'), 'text');
});

test('log_timestamp_format shows local time, anew in each second', () => {
  const form = createTextForm({ hasTimestamp: true, timestampFormat: '%Y-%m-%dT%H:%M:%S' });
  const at = (seconds: number, ms: number) => new Date(2026, 10, 24, 7, 9, seconds, ms).getTime();
  assert.equal(form(at(15, 0), 'error', 'a'), '2026-11-24T07:09:15: a');
  assert.equal(form(at(15, 999), 'error', 'b'), '2026-11-24T07:09:15: b');
  assert.equal(form(at(16, 0), 'error', 'c'), '2026-11-24T07:09:16: c');
  assert.equal(form(at(15, 0), 'error', 'a clock may go back'), '2026-11-24T07:09:15: a clock may go back');
});

test('a format with a fraction of the second shows it in each line', () => {
  const form = createTextForm({ hasTimestamp: true, timestampFormat: '%S.%N' });
  assert.equal(form(new Date(2026, 1, 1, 0, 0, 5, 1).getTime(), 'error', 'a'), '05.001000000: a');
  assert.equal(form(new Date(2026, 1, 1, 0, 0, 5, 2).getTime(), 'error', 'b'), '05.002000000: b');
});

const ESCAPES: readonly (readonly [given: string, shown: string])[] = [
  ['a\nb', 'a\\nb'],
  ['a\r\nb', 'a\\r\\nb'],
  ['\x1b[2J', '\\x1b[2J'],
  ['\0\x07\x7f', '\\x00\\x07\\x7f'],
  ['\x85\x9b31m', '\\x85\\x9b31m'],
  ['\u2028\u2029', '\\u2028\\u2029'],
  ['user\u202egnp', 'user\\u202egnp'],
  ['\ud800', '\\ud800'],
  ['\tfilter (QoS 1)', '\tfilter (QoS 1)'],
  ['Halle/Süd/温度/🦟', 'Halle/Süd/温度/🦟'],
];
for (const [given, shown] of ESCAPES) {
  test(`T54 ${JSON.stringify(given)} is logged as ${shown.trim()}`, () => {
    assert.equal(lineFor(given), `1700000000: ${shown}`);
  });
}

test('T54 a time stamp cannot end a line either', () => {
  const form = createTextForm({ hasTimestamp: true, timestampFormat: '%n%H' });
  assert.match(form(AT_MS, 'error', 'text'), /^\\n[0-9]{2}: text$/);
});

const ANY_TEXT = fc.string({ unit: 'binary', maxLength: 1500 });

test('T54 whatever the text, one line of limited length without control characters comes out', () => {
  fc.assert(
    fc.property(ANY_TEXT, (text) => {
      const line = lineFor(text);
      assert.doesNotMatch(line.replaceAll('\t', ''), /[\p{Cc}\p{Cs}]/u);
      assert.ok(Buffer.byteLength(line) <= LOG_LINE_BYTES_MAX);
    }),
  );
});

test('a long line is cut between characters', () => {
  for (const character of ['a', 'ü', '温', '🦟']) {
    const line = lineFor(character.repeat(LOG_LINE_BYTES_MAX));
    const bytes = Buffer.byteLength(line);
    assert.ok(bytes <= LOG_LINE_BYTES_MAX && bytes > LOG_LINE_BYTES_MAX - 4, `${character}: ${bytes}`);
    assert.match(line, new RegExp(`^1700000000: ${character}+\\.\\.\\.$`, 'u'));
  }
});

test('the JSON form', () => {
  assert.equal(
    jsonForm(AT_MS, 'warning', 'a "b"'),
    '{"time":"2023-11-14T22:13:20.999Z","level":"warning","text":"a \\"b\\""}',
  );
  const named = createJsonForm({ hasTimestamp: true, timestampFormat: '%Y' });
  assert.equal(named(AT_MS, 'error', 'a'), '{"time":"2023","level":"error","text":"a"}');
  const timeless = createJsonForm({ ...PLAIN, hasTimestamp: false });
  assert.equal(timeless(AT_MS, 'error', 'a'), '{"level":"error","text":"a"}');
});

test('T54 a JSON line gives the text back as it was, and has no control character in it', () => {
  fc.assert(
    fc.property(ANY_TEXT, (text) => {
      fc.pre(Buffer.byteLength(text) <= LOG_LINE_BYTES_MAX);
      const line = jsonForm(AT_MS, 'error', text);
      assert.doesNotMatch(line, /[\p{Cc}\p{Cs}\u2028\u2029\u202a-\u202e]/u);
      assert.equal(JSON.parse(line).text, text);
    }),
  );
});

test('the text of a JSON line is cut, never the object', () => {
  const parsed = JSON.parse(jsonForm(AT_MS, 'error', '\x01'.repeat(5000)));
  assert.equal(parsed.text, `${'\x01'.repeat(LOG_LINE_BYTES_MAX - 3)}...`);
});
