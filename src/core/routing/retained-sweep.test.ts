import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FakeClock } from '../../../test/fixtures/fake-clock.ts';
import { TimerQueue } from '../../base/timer-queue.ts';
import { OwnedMessage } from '../model/message.ts';
import { RetainedStore, SINCE_UNKNOWN } from './retained-store.ts';
import { RetainedSweep } from './retained-sweep.ts';
import { nameOf, retained } from './routing.fixture.ts';

const KEPT_MS = 60_000;

/** A store whose messages end by their expiry, or a minute after `sinceMs`. */
function setup() {
  const clock = new FakeClock();
  const timers = new TimerQueue(clock);
  const store = new RetainedStore();
  const removed: string[] = [];
  const dueMs = (message: { readonly expiresAtMs: number }, sinceMs: number): number =>
    Math.min(message.expiresAtMs, sinceMs + KEPT_MS);
  const sweep = new RetainedSweep({ store, timers, dueMs, onRemoved: (topic) => removed.push(topic.text) });
  const set = (topic: string, lifeMs: number | null, options: { isAged?: boolean; payload?: string } = {}): number => {
    const now = clock.monotonicMs();
    const expiresAtMs = lifeMs === null ? Number.POSITIVE_INFINITY : now + lifeMs;
    const sinceMs = options.isAged === true ? now : SINCE_UNKNOWN;
    const message = new OwnedMessage({ ...retained(topic, options.payload), expiresAtMs });
    store.set(message, sinceMs);
    sweep.expect(dueMs(message, sinceMs));
    return dueMs(message, sinceMs);
  };
  return { clock, timers, store, removed, set };
}

test('a message is removed when it is due, and the others stay; without any that end there is no timer', () => {
  const { clock, timers, store, removed, set } = setup();
  set('stays', null);
  assert.equal(timers.count, 0);
  set('a/b/short', 5000);
  set('a/b/longer', 30_000);
  set('a', null, { isAged: true });
  clock.advance(4999);
  assert.deepEqual(removed, []);
  clock.advance(1);
  assert.deepEqual(removed, ['a/b/short']);
  clock.advance(KEPT_MS);
  assert.deepEqual(removed, ['a/b/short', 'a/b/longer', 'a']);
  assert.deepEqual([store.count, timers.count], [1, 0]);
  assert.equal(store.get(nameOf('stays'))?.topic.text, 'stays');
});

test('one that comes later and ends sooner is not late', () => {
  const { clock, removed, set } = setup();
  set('later', 50_000);
  clock.advance(10_000);
  set('sooner', 2000);
  clock.advance(2000);
  assert.deepEqual(removed, ['sooner']);
});

test('a message that took the place of one that would have ended stays', () => {
  const { clock, timers, removed, set } = setup();
  set('t', 5000);
  set('t', null);
  clock.advance(KEPT_MS);
  assert.deepEqual([removed, timers.count], [[], 0]);
});

test('large messages and topics of all kinds are swept by their whole names', () => {
  const { clock, store, removed, set } = setup();
  const topics = ['/', '//', 'a/', '/a', 'ä/°C', `${'x'.repeat(300)}/y`, '/'.repeat(199)];
  for (const topic of topics) set(topic, 1000, { payload: topic === '/a' ? 'x'.repeat(10_000) : 'x' });
  clock.advance(1000);
  assert.deepEqual(removed.toSorted(), topics.toSorted());
  assert.deepEqual([store.count, store.bytes, store.nodeCount], [0, 0, 1]);
});

test('many are swept a slice at a time', () => {
  const { clock, store, set } = setup();
  const count = 5000;
  for (let index = 0; index < count; index += 1) set(`t/${index}`, 1000);
  clock.advance(1000);
  const left = store.count;
  assert.ok(left > 0 && left < count, `${left} are left after the first slice`);
  clock.advance(1000);
  assert.equal(store.count, 0);
});

test('whatever is set and whenever: what is due is gone a round later, and nothing else', () => {
  const step = fc.record({
    topic: fc.constantFrom('a', 'a/b', 'c', 'c/d/e', '$x'),
    lifeMs: fc.constantFrom(null, 1, 1000, 20_000, 100_000),
    isAged: fc.boolean(),
    payload: fc.constantFrom('x', 'x'.repeat(5000)),
    waitMs: fc.constantFrom(0, 1, 500, 5000, 61_000),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const { clock, timers, store, set } = setup();
      const dueByTopic = new Map<string, number>();
      for (const { topic, lifeMs, isAged, payload, waitMs } of steps) {
        dueByTopic.set(topic, set(topic, lifeMs, { isAged, payload }));
        clock.advance(waitMs);
        for (const [name, dueMs] of dueByTopic) {
          const isThere = store.get(nameOf(name)) !== null;
          if (dueMs > clock.monotonicMs()) assert.equal(isThere, true, `${name} is gone too soon`);
          if (dueMs + 1010 <= clock.monotonicMs()) assert.equal(isThere, false, `${name} is still there`);
        }
      }
      clock.advance(200_000);
      assert.equal(store.count, [...dueByTopic.values()].filter((dueMs) => dueMs === Infinity).length);
      assert.equal(timers.count, 0);
    }),
  );
});
