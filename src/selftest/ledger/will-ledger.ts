/**
 * Which wills must come. Each life of a client has a number of its own, which is the payload of its will.
 *
 *   given -- CONNACK --> held -- its connection or the broker is lost --> owed -- it comes --> forgotten
 *     | the broker dies   | DISCONNECT                                     | the client came back in time
 *     v                   v                                                v
 *   open (may come) <-- leaving -- proven --> dropped, forgotten: it must not come
 */
import type { Qos } from '../../protocol/version.ts';
import type { Report } from './faults.ts';
import type { OrderOfActs } from './order-of-acts.ts';

/** A will that is this much early is not early: two clocks are compared. */
const EARLY_MS = 50;

/** Lives that are over and of which the end is remembered, for the text of faults. */
const ENDS_MAX = 1000;
const CAME = 'it had come before';

interface Life {
  state: 'given' | 'held' | 'owed' | 'leaving' | 'open';
  /** When it may come at the earliest, by its delay; 0 = whenever. */
  notBeforeMs: number;
  /** Of `leaving`: the act that dropped it; null = nobody saw the broker take it. */
  droppedAt: number | null;
  /** It could have come before this check and has not. */
  isSpent: boolean;
}

export interface WillCounts {
  given: number;
  came: number;
  dropped: number;
}

export class WillLedger {
  readonly counts: WillCounts = { given: 0, came: 0, dropped: 0 };
  readonly #report: Report;
  readonly #acts: OrderOfActs;
  readonly #now: () => number;
  readonly #lives = new Map<number, Life>();
  readonly #ends = new Map<number, string>();
  #lastLife = 0;

  constructor(report: Report, acts: OrderOfActs, now: () => number) {
    this.#report = report;
    this.#acts = acts;
    this.#now = now;
  }

  /** Wills that must come. */
  get owed(): number {
    let count = 0;
    for (const life of this.#lives.values()) if (life.state === 'owed') count += 1;
    return count;
  }

  /** All of which something is still to be found out. */
  get size(): number {
    return this.#lives.size;
  }

  /** @returns the number of a life whose CONNECT is sent now */
  give(): number {
    this.#lastLife += 1;
    this.#lives.set(this.#lastLife, { state: 'given', notBeforeMs: 0, droppedAt: null, isSpent: false });
    return this.#lastLife;
  }

  /** CONNACK came. */
  accepted(number: number): void {
    const life = this.#lives.get(number);
    if (life === undefined) return;
    life.state = 'held';
    this.counts.given += 1;
  }

  /** Its connection was lost while the broker ran: it comes after its delay. */
  goneFor(number: number, delayMs: number): void {
    const life = this.#lives.get(number);
    if (life === undefined) return;
    life.state = 'owed';
    if (delayMs > 0) life.notBeforeMs = this.#now() + delayMs;
  }

  /** DISCONNECT is sent. */
  leaves(number: number): void {
    const life = this.#lives.get(number);
    if (life !== undefined) life.state = 'leaving';
  }

  /** The broker closed the connection after DISCONNECT. */
  hasLeft(number: number): void {
    const life = this.#lives.get(number);
    if (life !== undefined) life.droppedAt = this.#acts.next();
  }

  /** Its client came back, perhaps in time. */
  mayBeReplaced(number: number): void {
    const life = this.#lives.get(number);
    if (life !== undefined) life.state = 'open';
  }

  /** Its client came back in time, and the CONNACK says so. */
  replaced(number: number): void {
    if (!this.#lives.has(number)) return;
    this.#end(number, 'its client had come back in time');
    this.counts.dropped += 1;
  }

  /** True until it came or is known to come no more. */
  isOpen(number: number): boolean {
    return this.#lives.has(number);
  }

  /** It was delivered with this QoS: with 1 it may come again. */
  came(number: number, qos: Qos): void {
    const life = this.#lives.get(number);
    if (life === undefined) {
      if (qos === 1 && this.#ends.get(number) === CAME) return;
      const end = number > this.#lastLife ? 'it was never given' : (this.#ends.get(number) ?? 'it is long over');
      this.#report('will-unexpected', `the will of life ${number} came, but ${end}`);
      return;
    }
    const earlyMs = life.notBeforeMs - this.#now();
    if (earlyMs > EARLY_MS)
      this.#report('will-early', `the will of life ${number} came ${Math.round(earlyMs)} ms early`);
    this.#end(number, CAME);
    this.counts.came += 1;
  }

  /** The broker died. What was certain then stays certain. */
  crash(): void {
    for (const [number, life] of this.#lives) {
      const { droppedAt } = life;
      life.droppedAt = null;
      if (life.state === 'held') life.state = 'owed';
      else if (life.state !== 'owed') life.state = 'open';
      if (droppedAt === null || !this.#acts.isProven(droppedAt)) continue;
      this.#end(number, 'its client had left with DISCONNECT, and something later was acknowledged');
      this.counts.dropped += 1;
    }
  }

  /** Everything that is owed must have come, and what may have come has had its time. */
  settle(): void {
    for (const [number, life] of this.#lives) {
      if (life.state === 'owed') {
        this.#report('will-missing', `the will of life ${number} did not come; the CONNACK of its client had come`);
        this.#end(number, 'it was missed before');
      } else if (life.isSpent) this.#end(number, 'its time was over');
      else life.isSpent = life.state === 'open';
    }
  }

  #end(number: number, how: string): void {
    this.#lives.delete(number);
    this.#ends.set(number, how);
    this.#ends.delete(number - ENDS_MAX);
  }
}
