import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '../../test/fixtures/fake-clock.ts';
import { MemoryLog } from '../../test/fixtures/memory-log.ts';
import { closeStore, endThread, SAVE_MS_MAX } from './close-store.ts';

const NEVER = new Promise<never>(() => undefined);

function setUp({ saving, ending }: { saving: Promise<string | null>; ending: Promise<void> }) {
  const [clock, log] = [new FakeClock(), new MemoryLog()];
  const calls: string[] = [];
  const parts = {
    clock,
    log,
    journal: {
      save: () => {
        calls.push('save');
        return saving;
      },
      close: async () => void calls.push('close'),
    },
    port: { end: () => ending },
    folder: '/data',
    onThreadHangs: () => calls.push('hangs'),
  };
  return { clock, log, calls, parts };
}

/** Lets everything run that waits for no clock. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

test('everything is saved before the store is closed', async () => {
  const saved = Promise.withResolvers<null>();
  const { clock, log, calls, parts } = setUp({ saving: saved.promise, ending: Promise.resolve() });
  const closing = closeStore(parts);
  clock.advance(SAVE_MS_MAX - 1);
  await settle();
  assert.deepEqual(calls, ['save']);
  saved.resolve(null);
  await closing;
  assert.deepEqual(calls, ['save', 'close']);
  assert.deepEqual(log.lines, []);
  assert.equal(clock.waitingCount, 0);
});

test('a disk that does not answer is not waited for without end', async () => {
  const { clock, log, calls, parts } = setUp({ saving: NEVER, ending: NEVER });
  const closing = closeStore(parts);
  await settle();
  assert.deepEqual(calls, ['save']);
  clock.advance(SAVE_MS_MAX);
  await settle();
  clock.advance(0);
  await closing;
  assert.deepEqual(calls, ['save', 'close', 'hangs']);
  assert.deepEqual(log.texts('notice'), [
    'The thread of the store is still busy with the files in /data: it is not waited for.',
  ]);
});

test('a save that fails does not keep the store from being closed', async () => {
  const { calls, parts } = setUp({ saving: Promise.reject(new Error('full')), ending: Promise.resolve() });
  await closeStore(parts);
  assert.deepEqual(calls, ['save', 'close']);
});

test('a thread that takes a moment to end does not hang', async () => {
  const ended = Promise.withResolvers<void>();
  const { clock, calls, parts } = setUp({ saving: NEVER, ending: ended.promise });
  const ending = endThread(parts, 1000);
  clock.advance(999);
  ended.resolve();
  await ending;
  assert.deepEqual(calls, []);
});
