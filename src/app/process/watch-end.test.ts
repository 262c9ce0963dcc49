import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '../../../test/fixtures/fake-clock.ts';
import { MemoryLog } from '../../../test/fixtures/memory-log.ts';
import { END_MS_MAX, watchEnd } from './watch-end.ts';

function setUp() {
  const clock = new FakeClock();
  const log = new MemoryLog();
  const givenUp: number[] = [];
  const waitsFor = () => 'the store';
  const close = watchEnd({ clock, log, waitsFor, giveUp: () => givenUp.push(clock.monotonicMs()) });
  return { clock, log, givenUp, close };
}

test('a stop that takes long says what it waits for, and ends after a minute', () => {
  const { clock, log, givenUp } = setUp();
  const beganMs = clock.monotonicMs();
  clock.advance(9999);
  assert.deepEqual(log.texts('notice'), []);
  clock.advance(1);
  assert.deepEqual(log.texts('notice'), ['Stopping, for 10 s now: waiting for the store.']);
  clock.advance(END_MS_MAX - 10_001);
  assert.equal(log.texts('notice').length, 5);
  assert.deepEqual(givenUp, []);
  clock.advance(1);
  assert.deepEqual(givenUp, [beganMs + END_MS_MAX]);
  assert.deepEqual(log.texts('error'), ['Error: The stop takes longer than 60 s: the process ends without the store.']);
  assert.equal(clock.waitingCount, 0);
});

test('a stop that is over is not watched any more', () => {
  const { clock, log, givenUp, close } = setUp();
  clock.advance(10_000);
  close();
  clock.advance(END_MS_MAX);
  assert.equal(log.texts('notice').length, 1);
  assert.deepEqual(givenUp, []);
});
