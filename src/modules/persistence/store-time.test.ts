import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FakeClock } from '../../../test/fixtures/fake-clock.ts';
import { type ClockPair, JUMP_MS, MADE_MS, PAIR_MS, StoreTime } from './store-time.ts';

const HOUR_MS = 3_600_000;
const YEAR_MS = 365.25 * 24 * HOUR_MS;

/** A clock of a process that starts when the wall shows `wallMs`. */
function clockAt(wallMs: number): FakeClock {
  const clock = new FakeClock();
  clock.jumpWall(wallMs - clock.wallMs());
  return clock;
}

/** What a run that shows `wallMs` at its end leaves; a moment of its end stands at 500,000. */
function savedAt(wallMs: number): ClockPair {
  return { storeMs: 500_000, wallMs };
}

const NOW_MS = MADE_MS + HOUR_MS;

describe('the clock of the store goes on over a restart', () => {
  test('by what the wall clock says', () => {
    const clock = clockAt(NOW_MS + HOUR_MS);
    const time = new StoreTime(clock, savedAt(NOW_MS));
    assert.equal(time.warning, null);
    assert.equal(time.toStored(clock.monotonicMs()), 500_000 + HOUR_MS);
    assert.equal(time.fromStored(500_000), clock.monotonicMs() - HOUR_MS);
  });

  test('a first run begins somewhere', () => {
    const clock = clockAt(0);
    const time = new StoreTime(clock, null);
    assert.equal(time.warning, null);
    assert.equal(time.fromStored(time.toStored(77.5)), 77.5);
  });

  const implausible = [
    { name: 'fifty years ahead', saved: NOW_MS, now: NOW_MS + 50 * YEAR_MS, words: /more than 10 years before/ },
    {
      name: 'fifty years back',
      saved: NOW_MS,
      now: NOW_MS - 50 * YEAR_MS,
      words: /shows 1976-.* before this program was made/,
    },
    { name: 'a second back', saved: NOW_MS, now: NOW_MS - 1000, words: /which is later, in the last run/ },
    { name: 'still 1970', saved: 12_000, now: 13_000, words: /shows 1970-01-01T00:00:13Z/ },
    { name: '1970, then right', saved: 12_000, now: NOW_MS, words: /showed 1970-01-01T00:00:12Z in the last run/ },
    { name: 'no date at all', saved: 9e18, now: NOW_MS, words: /9000000000000000000 ms/ },
    { name: 'ten years and a day', saved: NOW_MS, now: NOW_MS + 10.01 * YEAR_MS, words: /more than 10 years/ },
  ];
  for (const { name, saved, now, words } of implausible) {
    test(`implausible: ${name}. No time has passed, and the log says so`, () => {
      const clock = clockAt(now);
      const time = new StoreTime(clock, savedAt(saved));
      assert.equal(time.toStored(clock.monotonicMs()), 500_000);
      assert.match(time.warning ?? '', words);
      assert.match(time.warning ?? '', /none early/);
    });
  }

  test('just within ten years it is believed', () => {
    const clock = clockAt(NOW_MS + 9.99 * YEAR_MS);
    const time = new StoreTime(clock, savedAt(NOW_MS));
    assert.equal(time.warning, null);
  });
});

describe('within a run only the monotonic clock counts', () => {
  for (const years of [50, -50]) {
    test(`a jump of ${years} years changes nothing, and is stored at once`, () => {
      const clock = clockAt(NOW_MS);
      const time = new StoreTime(clock, savedAt(NOW_MS - 1000));
      const moment = clock.monotonicMs() + 5000;
      const stored = time.toStored(moment);
      time.due();
      clock.advance(1000);
      assert.equal(time.due(), null);
      clock.jumpWall(years * YEAR_MS);
      assert.ok(time.hasJumped);
      assert.equal(time.toStored(moment), stored);
      assert.deepEqual(time.due(), { storeMs: time.toStored(clock.monotonicMs()), wallMs: clock.wallMs() });
      assert.ok(!time.hasJumped);
      assert.equal(time.due(), null);
    });

    test(`after a jump of ${years} years the next run goes on without a gap, whether the clock jumps back or not`, () => {
      const clock = clockAt(NOW_MS);
      const time = new StoreTime(clock, null);
      time.due();
      clock.jumpWall(years * YEAR_MS);
      const pair = time.due();
      assert.ok(pair !== null);
      for (const wallMs of [clock.wallMs() + 10, NOW_MS + 10]) {
        const next = clockAt(wallMs);
        const passedMs: number = new StoreTime(next, pair).toStored(next.monotonicMs()) - pair.storeMs;
        assert.ok(passedMs === 0 || passedMs === 10, `${passedMs} ms have passed`);
      }
    });
  }
});

test('the pair is stored with the first commit, then each minute', () => {
  const clock = clockAt(NOW_MS);
  const time = new StoreTime(clock, null);
  assert.notEqual(time.due(), null);
  assert.equal(time.due(), null);
  clock.advance(PAIR_MS - 1);
  assert.equal(time.due(), null);
  clock.advance(1);
  assert.notEqual(time.due(), null);
  assert.equal(time.due(), null);
});

test('a clock that is set by less than two seconds has not jumped', () => {
  const clock = clockAt(NOW_MS);
  const time = new StoreTime(clock, null);
  time.due();
  clock.jumpWall(JUMP_MS);
  assert.ok(!time.hasJumped);
  clock.jumpWall(1);
  assert.ok(time.hasJumped);
});
