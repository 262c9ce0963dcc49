/**
 * The clock of the store: the scale on which stored moments stand. It goes on where the last run ended, so that a message
 * with an hour to live has an hour in all, whatever the machine shows as the time of day.
 *
 *      run 1   |-- monotonic -->|  between: wall clock, if plausible  |-- monotonic -->   run 2
 *
 * Within a run only the monotonic clock counts. The time between two runs can only come from the wall clock; a box without a
 * battery starts in 1970 and jumps when the time server answers, so it is believed only when both ends are plausible.
 * Otherwise no time has passed: things may live longer than they should, but nothing ends early. For that the two clocks are
 * stored together now and then (`due`), and as soon as the wall clock was seen to jump.
 */
import type { Clock } from '../../base/clock.ts';

/** The two clocks at one moment. */
export interface ClockPair {
  readonly storeMs: number;
  readonly wallMs: number;
}

/** Before this program was made no clock that is right can stand. */
export const MADE_MS = Date.UTC(2026, 0, 1);
/** Two runs that lie further apart are taken for a clock that is wrong. */
export const YEARS_BETWEEN_RUNS_MAX = 10;
const BETWEEN_RUNS_MS_MAX = YEARS_BETWEEN_RUNS_MAX * 365.25 * 24 * 3600 * 1000;
/** How old the stored pair becomes while there is something to store anyway. */
export const PAIR_MS = 60_000;
/** The wall clock has jumped when it differs from the monotonic one by more than this. */
export const JUMP_MS = 2000;

export class StoreTime {
  readonly #clock: Clock;
  /** Of the store's clock against the monotonic one. */
  readonly #offsetMs: number;
  /** Of the wall clock against the monotonic one when it was stored last; null = not yet in this run. */
  #storedWallOffsetMs: number | null = null;
  #storedAtMs = Number.NEGATIVE_INFINITY;
  /** Lines for the log: why the wall clock was not believed. */
  readonly warning: string | null;

  /** `saved`: what the last run has stored; null = there was none. */
  constructor(clock: Clock, saved: ClockPair | null) {
    this.#clock = clock;
    const wallMs = clock.wallMs();
    const fault = saved === null ? null : clockFault(saved.wallMs, wallMs);
    const passedMs = saved === null || fault !== null ? 0 : wallMs - saved.wallMs;
    this.#offsetMs = (saved === null ? 0 : saved.storeMs + passedMs) - clock.monotonicMs();
    this.warning = fault === null ? null : clockWarning(fault);
  }

  /** A moment of the monotonic clock on the scale of the store. */
  toStored(monotonicMs: number): number {
    return monotonicMs + this.#offsetMs;
  }

  fromStored(storeMs: number): number {
    return storeMs - this.#offsetMs;
  }

  /** The pair to be stored with what is stored now; null = the one that is stored will do. */
  due(): ClockPair | null {
    const age = this.#clock.monotonicMs() - this.#storedAtMs;
    return age >= PAIR_MS || this.hasJumped ? this.take() : null;
  }

  /** Whether the wall clock has jumped since the pair was stored: it has to be stored at once. */
  get hasJumped(): boolean {
    if (this.#storedWallOffsetMs === null) return false;
    return Math.abs(this.#wallOffsetMs() - this.#storedWallOffsetMs) > JUMP_MS;
  }

  /** The pair of now, which is going to be stored. */
  take(): ClockPair {
    this.#storedAtMs = this.#clock.monotonicMs();
    this.#storedWallOffsetMs = this.#wallOffsetMs();
    return { storeMs: this.toStored(this.#storedAtMs), wallMs: this.#clock.wallMs() };
  }

  #wallOffsetMs(): number {
    return this.#clock.wallMs() - this.#clock.monotonicMs();
  }
}

/** What is wrong with the wall clock, now or when it was stored; null = nothing that can be seen. */
function clockFault(savedMs: number, nowMs: number): string | null {
  const made = wordsOf(MADE_MS);
  if (!isPlausible(nowMs)) return `shows ${wordsOf(nowMs)}, which is before this program was made (${made})`;
  if (!isPlausible(savedMs)) {
    return `shows ${wordsOf(nowMs)}, but showed ${wordsOf(savedMs)} in the last run, before this program was made (${made})`;
  }
  if (nowMs < savedMs)
    return `shows ${wordsOf(nowMs)}, but showed ${wordsOf(savedMs)}, which is later, in the last run`;
  if (nowMs - savedMs <= BETWEEN_RUNS_MS_MAX) return null;
  return (
    `shows ${wordsOf(nowMs)}, but showed ${wordsOf(savedMs)} in the last run, ` +
    `more than ${YEARS_BETWEEN_RUNS_MAX} years before`
  );
}

function clockWarning(fault: string): string {
  return (
    `Warning: The clock of this machine is implausible: it ${fault}. So it is not known how much time has passed since the ` +
    'last run, and none is counted: sessions, messages and wills that expire do so later than they should, none early.'
  );
}

function isPlausible(wallMs: number): boolean {
  return Number.isFinite(wallMs) && wallMs >= MADE_MS;
}

function wordsOf(wallMs: number): string {
  const date = new Date(wallMs);
  return Number.isNaN(date.getTime()) ? `${wallMs} ms` : date.toISOString().replace(/\.\d+Z$/, 'Z');
}
