import assert from 'node:assert/strict';
import { it } from 'node:test';
import { parseTopicFilter } from '../protocol/topic.ts';
import { matchesFilter } from './topic-match.ts';

const MATCHES: readonly (readonly [string, string, boolean])[] = [
  ['a/b', 'a/b', true],
  ['a/b', 'a/B', false],
  ['a/b', 'a', false],
  ['a', 'a/b', false],
  ['a/b', 'a/+', true],
  ['a/b/c', 'a/+', false],
  ['a/b/c', 'a/#', true],
  ['a', 'a/#', true],
  ['ab', 'a/#', false],
  ['/a', '+/a', true],
  ['/a', '#', true],
  ['a/', 'a/+', true],
  ['a//b', 'a/+/b', true],
  ['$SYS/x', '#', false],
  ['$SYS/x', '+/x', false],
  ['$SYS/x', '$SYS/#', true],
  ['a/b', '$share/g/a/+', true],
];

for (const [topic, filter, isMatch] of MATCHES) {
  it(`${topic} ${isMatch ? 'matches' : 'does not match'} ${filter}`, () => {
    const parsed = parseTopicFilter(filter);
    assert.ok(parsed !== null);
    assert.equal(matchesFilter(topic, parsed), isMatch);
  });
}
