import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { FakeClock } from '../../test/fixtures/fake-clock.ts';
import { DELAY_MS_MAX } from './clock.ts';
import { Timer, TimerQueue } from './timer-queue.ts';

/** A queue whose timers write their name and the time into a list. */
function setup() {
  const clock = new FakeClock();
  const start = clock.monotonicMs();
  const queue = new TimerQueue(clock);
  const ran: string[] = [];
  const timer = (name: string) => new Timer(() => ran.push(`${name}@${clock.monotonicMs() - start}`));
  return { clock, start, queue, ran, timer };
}

describe('TimerQueue', () => {
  test('runs timers at their exact times, whatever the order of adding', () => {
    const { clock, start, queue, ran, timer } = setup();
    for (const ms of [50, 10, 30, 20, 40]) queue.add(timer(String(ms)), start + ms);
    assert.equal(queue.count, 5);
    clock.advance(1000);
    assert.deepEqual(ran, ['10@10', '20@20', '30@30', '40@40', '50@50']);
    assert.equal(queue.count, 0);
  });

  test('`now` is the monotonic clock, which a jump of the wall clock leaves alone', () => {
    const { clock, start, queue, ran, timer } = setup();
    queue.add(timer('a'), start + 10);
    clock.jumpWall(86_400_000);
    clock.jumpWall(-2 * 86_400_000);
    assert.equal(queue.now, start);
    clock.advance(9);
    assert.deepEqual(ran, []);
    clock.advance(1);
    assert.deepEqual(ran, ['a@10']);
  });

  test('ties run in the order of adding, moved ones last', () => {
    const { clock, start, queue, ran, timer } = setup();
    const timers = ['a', 'b', 'c', 'd'].map(timer);
    for (const one of timers) queue.add(one, start + 5);
    queue.add(timers[0]!, start + 5);
    clock.advance(5);
    assert.deepEqual(ran, ['b@5', 'c@5', 'd@5', 'a@5']);
  });

  test('a timer knows whether and for when it is set; moving and removing', () => {
    const { clock, start, queue, ran, timer } = setup();
    const one = timer('a');
    assert.equal(one.isSet, false);
    queue.remove(one);
    queue.add(one, start + 10);
    assert.deepEqual([one.isSet, one.dueMs], [true, start + 10]);
    queue.add(one, start + 30);
    assert.equal(queue.count, 1);
    clock.advance(29);
    assert.deepEqual(ran, []);
    clock.advance(1);
    assert.deepEqual(ran, ['a@30']);
    assert.equal(one.isSet, false);
    queue.add(one, start + 40);
    queue.remove(one);
    clock.advance(1000);
    assert.deepEqual(ran, ['a@30']);
  });

  test('asks the clock once, and again only for an earlier timer or after a round', () => {
    const { clock, start, queue, timer } = setup();
    let calls = 0;
    const { after } = clock;
    clock.after = (delayMs, run) => {
      calls++;
      return after.call(clock, delayMs, run);
    };
    queue.add(timer('a'), start + 100);
    for (let ms = 200; ms < 300; ms++) queue.add(timer('later'), start + ms);
    assert.equal(calls, 1);
    queue.add(timer('earlier'), start + 50);
    assert.equal(calls, 2);
    assert.equal(clock.waitingCount, 1);
    clock.advance(100);
    assert.equal(calls, 4);
    clock.advance(1000);
    assert.equal(clock.waitingCount, 0);
  });

  test('removing the earliest leaves the others right', () => {
    const { clock, start, queue, ran, timer } = setup();
    const first = timer('a');
    queue.add(first, start + 10);
    queue.add(timer('b'), start + 20);
    queue.remove(first);
    clock.advance(100);
    assert.deepEqual(ran, ['b@20']);
    assert.equal(clock.waitingCount, 0);
  });

  test('the past means as soon as possible, but never inside add', () => {
    const { clock, start, queue, ran, timer } = setup();
    queue.add(timer('a'), start - 500);
    assert.deepEqual(ran, []);
    clock.advance(0);
    assert.deepEqual(ran, ['a@0']);
  });

  test('a timer set during a round for now or the past waits for the next round', () => {
    const { clock, start, queue, ran, timer } = setup();
    let again = 3;
    const greedy: Timer = new Timer(() => {
      ran.push('greedy');
      if (again-- > 0) queue.add(greedy, start - 100);
      clock.after(0, () => ran.push('between rounds'));
    });
    queue.add(greedy, start + 5);
    queue.add(timer('other'), start + 5);
    clock.advance(5);
    assert.deepEqual(ran.slice(0, 4), ['greedy', 'other@5', 'between rounds', 'greedy']);
    assert.equal(ran.filter((name) => name === 'greedy').length, 4);
  });

  test('a run may remove or move one that is due in the same round', () => {
    const { clock, start, queue, ran, timer } = setup();
    const [b, c] = [timer('b'), timer('c')];
    queue.add(
      new Timer(() => {
        queue.remove(b);
        queue.add(c, start + 7);
      }),
      start + 5,
    );
    queue.add(b, start + 5);
    queue.add(c, start + 5);
    queue.add(timer('d'), start + 5);
    clock.advance(10);
    assert.deepEqual(ran, ['d@5', 'c@7']);
  });

  test('a run that throws does not lose the others', () => {
    const { clock, start, queue, ran, timer } = setup();
    const failing = (text: string) =>
      new Timer(() => {
        throw new Error(text);
      });
    queue.add(failing('one'), start + 5);
    queue.add(timer('a'), start + 5);
    queue.add(timer('b'), start + 6);
    assert.throws(() => clock.advance(10), { message: 'one' });
    assert.deepEqual(ran, ['a@5']);
    clock.advance(10);
    assert.deepEqual(ran, ['a@5', 'b@6']);

    queue.add(failing('two'), queue.now);
    queue.add(failing('three'), queue.now);
    assert.throws(() => clock.advance(1), AggregateError);
  });

  test('waits longer than the clock can: a session expiry of 2^32 - 1 seconds', () => {
    const { clock, start, queue, ran, timer } = setup();
    const ms = (2 ** 32 - 1) * 1000;
    assert.ok(ms > DELAY_MS_MAX);
    queue.add(timer('expiry'), start + ms);
    clock.advance(ms - 1);
    assert.deepEqual(ran, []);
    clock.advance(1);
    assert.deepEqual(ran, [`expiry@${ms}`]);
  });

  test('refuses a moment that is no number', () => {
    const { queue, timer } = setup();
    assert.throws(() => queue.add(timer('a'), Number.NaN), /finite/);
    assert.throws(() => queue.add(timer('a'), Infinity), /finite/);
    assert.equal(queue.count, 0);
  });

  test('a timer belongs to one queue at a time', () => {
    const { clock, start, queue, timer } = setup();
    const one = timer('a');
    queue.add(one, start + 1);
    assert.throws(() => new TimerQueue(clock).remove(one), /not set in/);
  });

  test('a clock that wakes too early is asked again', () => {
    const { clock, start, queue, ran, timer } = setup();
    const { after } = clock;
    clock.after = (delayMs, run) => after.call(clock, delayMs > 10 ? delayMs - 10 : delayMs, run);
    queue.add(timer('a'), start + 100);
    clock.advance(99);
    assert.deepEqual(ran, []);
    clock.advance(1);
    assert.deepEqual(ran, ['a@100']);
  });

  test('behaves like a sorted list under random adds, moves, removes and waits', () => {
    const step = fc.record({
      kind: fc.constantFrom('add', 'add', 'add', 'remove', 'advance'),
      index: fc.nat(19),
      ms: fc.nat(40),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const { clock, start, queue, ran, timer } = setup();
        const timers = Array.from({ length: 20 }, (_, index) => timer(String(index)));
        let model: { index: number; atMs: number }[] = [];
        const expected: string[] = [];
        for (const { kind, index, ms } of steps) {
          if (kind !== 'advance') model = model.filter((entry) => entry.index !== index);
          if (kind === 'add') {
            queue.add(timers[index]!, queue.now + ms);
            model.push({ index, atMs: queue.now + ms });
          } else if (kind === 'remove') {
            queue.remove(timers[index]!);
          } else {
            const until = queue.now + ms;
            // The sort of arrays is stable, so that ties stay in the order of adding.
            model.sort((a, b) => a.atMs - b.atMs);
            const due = model.filter((entry) => entry.atMs <= until);
            for (const entry of due) expected.push(`${entry.index}@${entry.atMs - start}`);
            model = model.filter((entry) => entry.atMs > until);
            clock.advance(ms);
          }
          assert.deepEqual(ran, expected);
          assert.equal(queue.count, model.length);
          for (const entry of model) assert.ok(timers[entry.index]!.isSet);
        }
      }),
      { numRuns: 200 },
    );
  });
});
