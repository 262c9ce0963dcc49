import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '../../../test/fixtures/fake-clock.ts';
import { MemoryLog } from '../../../test/fixtures/memory-log.ts';
import { TimerQueue } from '../../base/timer-queue.ts';
import { MemoryGuard } from './memory-guard.ts';
import { type BrokerSettings, DEFAULT_SETTINGS } from './settings.ts';

function scene(): {
  guard: MemoryGuard;
  clock: FakeClock;
  log: MemoryLog;
  state: { usedBytes: number; looks: number; settings: BrokerSettings };
} {
  const clock = new FakeClock();
  const log = new MemoryLog();
  const state = { usedBytes: 50, looks: 0, settings: { ...DEFAULT_SETTINGS, memoryLimitBytes: 100 } };
  const heapBytes = (): number => {
    state.looks += 1;
    return state.usedBytes;
  };
  const guard = new MemoryGuard({ heapBytes, timers: new TimerQueue(clock), log, settings: () => state.settings });
  return { guard, clock, log, state };
}

test('memory_limit: above it the broker is full, below it again it is not; each said once', () => {
  const { guard, clock, log, state } = scene();
  assert.equal(guard.isFull, false);
  state.usedBytes = 101;
  clock.advance(100);
  for (let count = 0; count < 5; count += 1) assert.equal(guard.isFull, true);
  clock.advance(100);
  assert.equal(guard.isFull, true);
  state.usedBytes = 100;
  clock.advance(100);
  assert.equal(guard.isFull, false);
  assert.match(
    log.texts('error').join('\n'),
    /^Error: Out of memory: 101 bytes are in use, memory_limit is 100\.[^\n]*$/,
  );
  assert.equal(log.texts('notice').length, 1);
});

test('the memory is looked at every 100 ms at most', () => {
  const { guard, clock, state } = scene();
  for (let ms = 0; ms < 1000; ms += 1) {
    assert.equal(guard.isFull, false);
    clock.advance(1);
  }
  assert.equal(state.looks, 10);
});

test('without a limit, or without a way to look, the broker is never full', () => {
  const { guard, clock, log, state } = scene();
  state.usedBytes = 1000;
  assert.equal(guard.isFull, true);
  state.settings = DEFAULT_SETTINGS;
  clock.advance(100);
  assert.equal(guard.isFull, false);
  assert.equal(state.looks, 1);
  const settings = { ...DEFAULT_SETTINGS, memoryLimitBytes: 1 };
  const blind = new MemoryGuard({ heapBytes: null, timers: new TimerQueue(clock), log, settings: () => settings });
  assert.equal(blind.isFull, false);
});
