/**
 * Which sessions and subscriptions must be there. Of each the states are kept that it may be in: one when it was
 * acknowledged or seen, more while a request for another one is under way.
 */
import type { Report } from './faults.ts';
import type { OrderOfActs } from './order-of-acts.ts';

export interface SubscriptionState {
  readonly qos: number;
  /** 0 = none. */
  readonly identifier: number;
}

interface SessionState {
  /** Whether it is there. */
  possible: boolean[];
  /** The act that removed it, if that has no acknowledgement of its own. */
  removedAt: number | null;
  /** Null: not subscribed. A filter that is not here never was. */
  readonly filters: Map<string, (SubscriptionState | null)[]>;
}

export interface SessionCounts {
  sessionsChecked: number;
  subscriptionsChecked: number;
  made: number;
  removed: number;
}

export class SessionLedger {
  readonly counts: SessionCounts = { sessionsChecked: 0, subscriptionsChecked: 0, made: 0, removed: 0 };
  readonly #report: Report;
  readonly #acts: OrderOfActs;
  readonly #sessions = new Map<string, SessionState>();

  constructor(report: Report, acts: OrderOfActs) {
    this.#report = report;
    this.#acts = acts;
  }

  /** A CONNECT is sent. `isClean`: it removes what is there; `isLasting`: it leaves a session. */
  connects(clientId: string, { isClean, isLasting }: { readonly isClean: boolean; readonly isLasting: boolean }): void {
    const session = this.#session(clientId);
    if (isLasting) session.possible.push(true);
    if (!isClean) return;
    session.possible.push(false);
    for (const states of session.filters.values()) states.push(null);
  }

  /** CONNACK came for a CONNECT that goes on with a session. @returns false when one that must be there is not */
  resumed(clientId: string, isPresent: boolean): boolean {
    const session = this.#session(clientId);
    const { possible } = session;
    this.counts.sessionsChecked += 1;
    const isLost = !isPresent && !possible.includes(false);
    if (isLost) this.#report('session-lost', `the session of ${clientId} is not there; its CONNACK had come`);
    if (isPresent && !possible.includes(true)) {
      this.#report('session-back', `the session of ${clientId} is there, though its removal was certain`);
    }
    session.possible = [true];
    session.removedAt = null;
    if (!isPresent) forgetFilters(session);
    if (!isPresent) this.counts.made += 1;
    return !isLost;
  }

  /** CONNACK came for a clean CONNECT. Of one that leaves a session it also says that the old one has gone. */
  began(clientId: string, isLasting: boolean): void {
    const session = this.#session(clientId);
    if (isLasting) {
      session.possible = [true];
      session.removedAt = null;
      forgetFilters(session);
      this.counts.made += 1;
    } else session.removedAt = this.#acts.next();
    this.counts.removed += 1;
  }

  subscribes(clientId: string, filter: string, state: SubscriptionState | null): void {
    const { filters } = this.#session(clientId);
    filters.set(filter, [...(filters.get(filter) ?? [null]), state]);
  }

  /** SUBACK or UNSUBACK came. */
  subscribed(clientId: string, filter: string, state: SubscriptionState | null): void {
    this.#session(clientId).filters.set(filter, [state]);
  }

  /** `found`: by which subscription a message came that fits this filter alone; null = none. */
  check(clientId: string, filter: string, found: SubscriptionState | null): void {
    const { filters } = this.#session(clientId);
    const possible = filters.get(filter) ?? [null];
    this.counts.subscriptionsChecked += 1;
    filters.set(filter, [found]);
    if (possible.some((state) => isSame(state, found))) return;
    const text = `${clientId}, filter ${filter}: found ${showState(found)}, possible ${possible.map(showState).join(' or ')}`;
    if (found === null) this.#report('subscription-lost', text);
    else this.#report(possible.every((state) => state === null) ? 'subscription-back' : 'subscription-changed', text);
  }

  /** The broker died. What was certain then stays certain. */
  crash(): void {
    for (const session of this.#sessions.values()) {
      const { removedAt } = session;
      session.removedAt = null;
      if (removedAt === null || !this.#acts.isProven(removedAt)) continue;
      session.possible = [false];
      forgetFilters(session);
    }
  }

  #session(clientId: string): SessionState {
    const known = this.#sessions.get(clientId);
    if (known !== undefined) return known;
    const session: SessionState = { possible: [false], removedAt: null, filters: new Map() };
    this.#sessions.set(clientId, session);
    return session;
  }
}

function forgetFilters(session: SessionState): void {
  session.filters.clear();
}

function isSame(one: SubscriptionState | null, other: SubscriptionState | null): boolean {
  return one?.qos === other?.qos && one?.identifier === other?.identifier;
}

function showState(state: SubscriptionState | null): string {
  return state === null ? 'none' : `QoS ${state.qos} identifier ${state.identifier}`;
}
