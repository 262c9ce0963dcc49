import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LOG_LEVELS, type LogLevel } from '../base/log.ts';
import type { LogType } from '../config/options.ts';
import { createLog, LOG_LINE_BYTES_MAX, levelsOf } from './log.ts';

function linesOf(levels: ReadonlySet<LogLevel>, run: (log: ReturnType<typeof createLog>) => void): string[] {
  const lines: string[] = [];
  run(createLog({ levels, wallMs: () => 1_700_000_000_999, write: (line) => lines.push(line) }));
  return lines;
}

function lineFor(text: string): string {
  return linesOf(new Set(LOG_LEVELS), (log) => log.write('error', text)).join('|');
}

test('a line is the time in seconds and the text', () => {
  assert.equal(lineFor('zanzara version 1 running'), '1700000000: zanzara version 1 running\n');
});

test('only levels that are on are written, and `has` tells which', () => {
  const lines = linesOf(new Set(['warning']), (log) => {
    for (const level of LOG_LEVELS) log.write(level, level);
    assert.deepEqual(LOG_LEVELS.filter(log.has), ['warning']);
  });
  assert.deepEqual(lines, ['1700000000: warning\n']);
});

const SELECTIONS: readonly (readonly [types: readonly LogType[], levels: readonly LogLevel[]])[] = [
  [[], []],
  [['error'], ['error']],
  [['all'], LOG_LEVELS],
  [['none'], []],
  [['all', 'none'], []],
  [
    ['none', 'error', 'debug'],
    ['error', 'debug'],
  ],
  [['websockets', 'internal'], []],
];
for (const [types, levels] of SELECTIONS) {
  test(`log_type ${types.join(', ') || '(nothing)'}`, () => assert.deepEqual([...levelsOf(types)], levels));
}

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
    assert.equal(lineFor(given), `1700000000: ${shown}\n`);
  });
}

test('T54 whatever the text, one line of limited length without control characters comes out', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 1500 }), (text) => {
      const line = lineFor(text);
      assert.match(line, /^[^\n\r\p{Cs}]*\n$/u);
      assert.doesNotMatch(line.slice(0, -1).replaceAll('\t', ''), /\p{Cc}/u);
      assert.ok(Buffer.byteLength(line) <= LOG_LINE_BYTES_MAX + 1);
    }),
  );
});

test('a long line is cut between characters', () => {
  for (const character of ['a', 'ü', '温', '🦟']) {
    const line = lineFor(character.repeat(LOG_LINE_BYTES_MAX));
    const bytes = Buffer.byteLength(line) - 1;
    assert.ok(bytes <= LOG_LINE_BYTES_MAX && bytes > LOG_LINE_BYTES_MAX - 4, `${character}: ${bytes}`);
    assert.match(line, new RegExp(`^1700000000: ${character}+\\.\\.\\.\n$`, 'u'));
  }
});
