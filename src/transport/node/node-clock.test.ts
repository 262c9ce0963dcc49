import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { DELAY_MS_MAX } from '../../base/clock.ts';
import { Timer, TimerQueue } from '../../base/timer-queue.ts';
import { systemClock } from './node-clock.ts';

/** Keeps the process alive while only timers that do not do so are waited for. */
function keepAlive(t: { after(run: () => void): void }): void {
  const timer = setInterval(() => {}, 60_000);
  t.after(() => clearInterval(timer));
}

test('both clocks run', () => {
  const before = systemClock.monotonicMs();
  assert.ok(systemClock.monotonicMs() >= before);
  assert.ok(Math.abs(systemClock.wallMs() - Date.now()) < 60_000);
});

test('after runs once, later, and can be taken back', async (t) => {
  keepAlive(t);
  const ran: string[] = [];
  const cancel = systemClock.after(0, () => ran.push('cancelled'));
  systemClock.after(0, () => ran.push('a'));
  cancel();
  assert.deepEqual(ran, []);
  await new Promise<void>((resolve) => systemClock.after(1, resolve));
  assert.deepEqual(ran, ['a']);
});

test('a queue on the real clock is never early', async (t) => {
  keepAlive(t);
  const queue = new TimerQueue(systemClock);
  for (const delayMs of [0, 0.3, 1.7, 3.2]) {
    const atMs = queue.now + delayMs;
    const ranAtMs = await new Promise<number>((resolve) => {
      queue.add(new Timer(() => resolve(queue.now)), atMs);
    });
    assert.ok(ranAtMs >= atMs, `${ranAtMs} is before ${atMs}`);
  }
});

test('refuses delays that the runtime would cut to 1 ms', () => {
  assert.throws(() => systemClock.after(DELAY_MS_MAX + 1, () => {}), /2147483647/);
  assert.throws(() => systemClock.after(-1, () => {}), /got -1/);
  assert.throws(() => systemClock.after(Number.NaN, () => {}), /got NaN/);
  systemClock.after(DELAY_MS_MAX, () => assert.fail('too early'))();
});

test('a timer that waits does not keep the process alive', () => {
  const file = fileURLToPath(new URL('./node-clock.ts', import.meta.url));
  const script = `import { systemClock } from ${JSON.stringify(file)}; systemClock.after(600_000, () => {});`;
  execFileSync(process.execPath, ['--input-type=module', '--eval', script], { timeout: 30_000 });
});
