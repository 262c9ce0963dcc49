/**
 * All deadlines of the broker on one timer of the clock: a binary heap, earliest first, in which each timer knows its
 * place, so that adding, moving and removing cost O(log n).
 *
 * Why a heap and not a wheel: a heap keeps exact deadlines from a millisecond to a session expiry of 136 years without
 * levels, and wakes nobody up while nothing is due; a wheel ticks when idle or needs a search for its next full slot.
 * What a wheel does better, cheap moving, is hardly asked for: keep-alive timers are not moved with each packet but
 * look, when they run, whether the client was heard of meanwhile, and are set again. So the heap is touched rarely.
 *
 * Invariants: `heap[timer.timerIndex] === timer` for every set timer; no timer is due before its parent. Timers due at the
 * same moment run in the order of adding. A round runs what was set and due when it began; what a run sets for now or
 * the past has its turn in the next round, so that a timer that sets itself again cannot hold up the rest.
 */
import { assert } from './assert.ts';
import type { Clock } from './clock.ts';
import { DELAY_MS_MAX } from './clock.ts';

/**
 * What can be set in a queue. Usually that is a `Timer`; an object of which there are many implements this itself, because
 * a timer and a closure beside each would be a tenth of what an idle client costs. The three fields are the queue's own
 * business: they begin as 0, NOT_SET and 0.
 */
export interface Timed {
  /** When it is due on the monotonic clock. Only means something while it is set. */
  dueMs: number;
  /** Its place in the heap of its queue, NOT_SET while it is not set. */
  timerIndex: number;
  /** Decides between those due at the same moment. */
  timerOrder: number;
  /** Called each time it falls due; it is no longer set then and may be set again in it. */
  onDue(): void;
}

/** `timerIndex` of what is not set. */
export const NOT_SET = -1;

/** Something to run at a moment. Made once and set as often as needed; belongs to one queue while it is set. */
export class Timer implements Timed {
  dueMs = 0;
  timerIndex = NOT_SET;
  timerOrder = 0;
  readonly onDue: () => void;

  /** `run` is called each time the timer falls due. */
  constructor(run: () => void) {
    this.onDue = run;
  }

  get isSet(): boolean {
    return this.timerIndex !== NOT_SET;
  }
}

/** The timers of one broker. Its size is the number of set timers: each belongs to a connection or a session. */
export class TimerQueue {
  readonly #clock: Clock;
  readonly #heap: Timed[] = [];
  #nextOrder = 0;
  /** The moment for which the clock was asked to wake us; Infinity while it was not. */
  #armedForMs = Infinity;
  #disarm: (() => void) | null = null;
  /** The time of the round that is running, -Infinity between rounds. */
  #roundMs = -Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Milliseconds on the monotonic clock, the scale of `dueMs`. */
  get now(): number {
    return this.#clock.monotonicMs();
  }

  /** Number of timers that are set. */
  get count(): number {
    return this.#heap.length;
  }

  /** Sets `timer` for `atMs`, or moves it there. A moment in the past means as soon as possible. */
  add(timer: Timed, atMs: number): void {
    // Not as an argument: the text would be made each time.
    if (!Number.isFinite(atMs)) assert(false, `a timer needs a finite moment, got ${atMs}`);
    this.remove(timer);
    // Never before the timers of a round that is running: their order is decided already.
    timer.dueMs = Math.max(atMs, this.#roundMs);
    timer.timerOrder = this.#nextOrder++;
    this.#heap.push(timer);
    siftUp(this.#heap, timer, this.#heap.length - 1);
    if (this.#roundMs === -Infinity) this.#arm();
  }

  /** Takes `timer` out; it will not run. Nothing happens when it is not set. */
  remove(timer: Timed): void {
    const index = timer.timerIndex;
    if (index === NOT_SET) return;
    assert(this.#heap[index] === timer, 'a timer was given to a queue that it is not set in');
    timer.timerIndex = NOT_SET;
    const last = this.#heap.pop();
    if (last === undefined || last === timer) return;
    siftUp(this.#heap, last, index);
    siftDown(this.#heap, last, last.timerIndex);
  }

  /** Asks the clock for the earliest timer, unless it will wake us no later than that anyway. */
  #arm(): void {
    const first = this.#heap[0];
    if (first === undefined || first.dueMs >= this.#armedForMs) return;
    this.#disarm?.();
    const now = this.now;
    const waitMs = Math.min(Math.max(first.dueMs - now, 0), DELAY_MS_MAX);
    this.#armedForMs = now + waitMs;
    this.#disarm = this.#clock.after(waitMs, () => this.#round());
  }

  /** Runs what is due. @throws what a run threw (several: an AggregateError), after all of them had their turn. */
  #round(): void {
    this.#disarm = null;
    this.#armedForMs = Infinity;
    this.#roundMs = this.now;
    const firstOrderOfNextRound = this.#nextOrder;
    const errors: unknown[] = [];
    for (let timer = this.#heap[0]; timer !== undefined; timer = this.#heap[0]) {
      if (timer.dueMs > this.#roundMs || timer.timerOrder >= firstOrderOfNextRound) break;
      this.remove(timer);
      try {
        timer.onDue();
      } catch (error) {
        errors.push(error);
      }
    }
    this.#roundMs = -Infinity;
    this.#arm();
    if (errors.length === 1) throw errors[0];
    if (errors.length > 1) throw new AggregateError(errors, `${errors.length} timers failed in one round`);
  }
}

function isBefore(a: Timed, b: Timed): boolean {
  return a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.timerOrder < b.timerOrder);
}

/** Puts `timer` at `index` or above it, where its parent is not later. */
function siftUp(heap: Timed[], timer: Timed, index: number): void {
  let at = index;
  while (at > 0) {
    const above = (at - 1) >> 1;
    const parent = heap[above]!;
    if (!isBefore(timer, parent)) break;
    place(heap, parent, at);
    at = above;
  }
  place(heap, timer, at);
}

/** Puts `timer` at `index` or below it, where neither child is earlier. */
function siftDown(heap: Timed[], timer: Timed, index: number): void {
  let at = index;
  for (let below = 2 * at + 1; below < heap.length; below = 2 * at + 1) {
    const right = below + 1;
    if (right < heap.length && isBefore(heap[right]!, heap[below]!)) below = right;
    const child = heap[below]!;
    if (!isBefore(child, timer)) break;
    place(heap, child, at);
    at = below;
  }
  place(heap, timer, at);
}

function place(heap: Timed[], timer: Timed, index: number): void {
  heap[index] = timer;
  timer.timerIndex = index;
}
