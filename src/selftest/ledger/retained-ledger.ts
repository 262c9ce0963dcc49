/**
 * What must be retained. Each topic has one publisher that numbers what it retains there, clears included. After a crash
 * the last acknowledged version must be there, or one that was sent after it.
 */
import type { Report } from './faults.ts';

interface RetainedTopic {
  lastSent: number;
  /** 0 = none was. */
  acknowledged: number;
  /** The last acknowledged one and all later ones: whether it is a clear. */
  readonly isClear: Map<number, boolean>;
}

export interface RetainedCounts {
  sent: number;
  cleared: number;
  checked: number;
}

export class RetainedLedger {
  readonly counts: RetainedCounts = { sent: 0, cleared: 0, checked: 0 };
  readonly #report: Report;
  readonly #topics = new Map<string, RetainedTopic>();

  constructor(report: Report) {
    this.#report = report;
  }

  addTopic(topic: string): void {
    this.#topics.set(topic, { lastSent: 0, acknowledged: 0, isClear: new Map([[0, true]]) });
  }

  /** @returns the number of the version that is sent now */
  sent(topic: string, isClear: boolean): number {
    const state = this.#topic(topic);
    state.lastSent += 1;
    state.isClear.set(state.lastSent, isClear);
    if (isClear) this.counts.cleared += 1;
    else this.counts.sent += 1;
    return state.lastSent;
  }

  acknowledged(topic: string, number: number): void {
    const state = this.#topic(topic);
    if (number <= state.acknowledged) return;
    state.acknowledged = number;
    for (const known of state.isClear.keys()) if (known < number) state.isClear.delete(known);
  }

  /** `found`: what a new subscriber was given, topic by number. */
  check(found: ReadonlyMap<string, number>): void {
    for (const topic of found.keys()) {
      if (!this.#topics.has(topic)) this.#report('retained-unknown', `${topic} is retained and was never used`);
    }
    for (const [topic, state] of this.#topics) {
      this.counts.checked += 1;
      this.#checkTopic(topic, state, found.get(topic) ?? null);
    }
  }

  #checkTopic(topic: string, state: RetainedTopic, found: number | null): void {
    const { acknowledged, lastSent, isClear } = state;
    const known = `acknowledged: version ${acknowledged}${isClear.get(acknowledged) ? ' (a clear)' : ''}, sent: ${lastSent}`;
    if (found === null) {
      if (![...isClear.values()].includes(true)) this.#report('retained-missing', `${topic} has nothing; ${known}`);
      return;
    }
    if (found > lastSent || found < 1 || isClear.get(found) === true) {
      this.#report('retained-unknown', `${topic} has version ${found}; ${known}`);
      return;
    }
    if (found >= acknowledged) return;
    const kind = isClear.get(acknowledged) ? 'retained-back' : 'retained-old';
    this.#report(kind, `${topic} has version ${found}; ${known}`);
  }

  #topic(topic: string): RetainedTopic {
    const state = this.#topics.get(topic);
    if (state === undefined) throw new Error(`there is no retained topic ${topic}`);
    return state;
  }
}
