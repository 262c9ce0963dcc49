import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LOG_LEVELS } from '../../base/log.ts';
import { TopicDestination, WAITING_LINES_MAX } from './topic-destination.ts';

const turn = () => new Promise(setImmediate);
const entry = (level: (typeof LOG_LEVELS)[number], text: string) => ({ level, text, line: 'not this form' });

test('each level has its topic, debug has none', async () => {
  const published: string[] = [];
  const topics = new TopicDestination();
  topics.attach((topic, text) => published.push(`${topic} ${text}`));
  for (const level of LOG_LEVELS) topics.write(entry(level, level));
  assert.deepEqual(published, [], 'not in the middle of what the broker is doing');
  await turn();
  assert.deepEqual(published, [
    '$SYS/broker/log/E error',
    '$SYS/broker/log/W warning',
    '$SYS/broker/log/N notice',
    '$SYS/broker/log/I information',
    '$SYS/broker/log/M/subscribe subscribe',
    '$SYS/broker/log/M/unsubscribe unsubscribe',
  ]);
  assert.deepEqual(
    LOG_LEVELS.filter((level) => !topics.takes(level)),
    ['debug'],
  );
});

test('a line that publishing causes is not published', async () => {
  const published: string[] = [];
  const topics = new TopicDestination();
  topics.attach((_topic, text) => {
    published.push(text);
    topics.write(entry('notice', `caused by ${text}`));
  });
  topics.write(entry('notice', 'one'));
  await turn();
  topics.write(entry('notice', 'two'));
  await turn();
  await turn();
  assert.deepEqual(published, ['one', 'two']);
});

test('lines before somebody can read them, and after the end, are dropped', async () => {
  const published: string[] = [];
  const topics = new TopicDestination();
  topics.write(entry('notice', 'early'));
  topics.attach((_topic, text) => published.push(text));
  topics.write(entry('notice', 'in time'));
  await turn();
  topics.write(entry('notice', 'waits'));
  topics.close();
  await turn();
  assert.deepEqual(published, ['in time']);
});

test('more lines in a turn than may wait are dropped, and counted', async () => {
  const published: string[] = [];
  const topics = new TopicDestination();
  topics.attach((_topic, text) => published.push(text));
  for (let count = 0; count < WAITING_LINES_MAX + 7; count++) topics.write(entry('notice', `${count}`));
  await turn();
  assert.equal(published.length, WAITING_LINES_MAX + 1);
  assert.equal(published.at(-1), '(7 log lines were dropped: too many at once)');
});
