import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LOG_LEVELS, type LogLevel } from '../../base/log.ts';
import { levelsOf } from './log-settings.ts';

const SELECTIONS: readonly (readonly [types: readonly string[], levels: readonly LogLevel[]])[] = [
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
