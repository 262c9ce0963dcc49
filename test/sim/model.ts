/**
 * What a broker owes, written down as plainly as it can be: sessions, subscriptions, retained messages and wills, without
 * bytes, queues or windows. The simulation tells it what has reached the broker, in order; each delivery is then held
 * against it.
 *
 * Topics below `work/` are only subscribed to by shared subscriptions, all others only by ordinary ones, so that a delivery
 * tells why it came. Sessions of shared subscribers never end.
 */
import assert from 'node:assert/strict';
import type { Qos } from '../../src/protocol/version.ts';
import { matches } from './matches.ts';
import { type Delivered, Owed, type SimMessage } from './owed.ts';

/** Session Expiry Interval of a session that never ends. */
export const NEVER = 0xffff_ffff;

export interface SimWill {
  readonly message: SimMessage;
  readonly delaySeconds: number;
}

export interface ConnectFacts {
  readonly clientId: string;
  readonly isClean: boolean;
  readonly expirySeconds: number;
  readonly will: SimWill | null;
}

interface SimSubscription {
  /** Without the share prefix. */
  readonly filter: string;
  readonly isShared: boolean;
  readonly qos: Qos;
}

/** From when to when a text was what is retained on a topic, in the order of messages. */
interface RetainedSpan {
  readonly text: string;
  readonly from: number;
  until: number;
}

export class SimSession {
  readonly clientId: string;
  expirySeconds = 0;
  isOnline = false;
  isEnded = false;
  will: SimWill | null = null;
  /** Infinity: not at all. */
  willAtMs = Number.POSITIVE_INFINITY;
  endsAtMs = Number.POSITIVE_INFINITY;
  /** Which loss of a connection its deadlines come from: of deadlines at one moment the older goes first. */
  lostAs = 0;
  /** By the text of the filter. */
  readonly subscriptions = new Map<string, SimSubscription>();
  /** Filters ever subscribed to, with the order of messages at that time: retained messages may come for them. */
  readonly asked: { readonly filter: string; readonly from: number }[] = [];
  /** QoS 2 identifiers taken in and not released. */
  readonly receivedIds = new Set<number>();
  readonly owed = new Map<string, Owed>();
  /** Place of the last message that came first, by publisher, topic and QoS. */
  readonly #lastOrders = new Map<string, number>();

  constructor(clientId: string) {
    this.clientId = clientId;
  }

  /** A message has come that was not retained before it was asked for. */
  take(seen: Delivered): void {
    const owed = this.owed.get(seen.text);
    assert.ok(owed !== undefined, `${this.clientId} got ${seen.text} on ${seen.topic}, which it was not owed`);
    if (!owed.wasSeen && !owed.isRepeated) this.#checkOrder(owed, seen);
    owed.take(seen);
  }

  /** Messages of one publisher on one topic with one QoS come in the order in which they were taken in. */
  #checkOrder({ message, order }: Owed, { qos }: Delivered): void {
    const key = `${message.publisher} ${message.topic} ${qos}`;
    const last = this.#lastOrders.get(key) ?? -1;
    assert.ok(order > last, `${this.clientId} got ${message.text} after a later message of ${key}`);
    this.#lastOrders.set(key, order);
  }
}

export class Model {
  readonly sessions = new Map<string, SimSession>();
  /** Sessions that have ended: what they got must have been owed as well. */
  readonly ended: SimSession[] = [];
  /** What each shared filter is owed, by its text. */
  readonly groups = new Map<string, Map<string, Owed>>();
  readonly #retained = new Map<string, RetainedSpan[]>();
  readonly #isEachCopyOwed: boolean;
  #order = 0;
  #nowMs: number;
  #losses = 0;

  /** `isEachCopyOwed`: one copy for each subscription that matches, else one in all, with the best QoS. */
  constructor(nowMs: number, isEachCopyOwed: boolean) {
    this.#nowMs = nowMs;
    this.#isEachCopyOwed = isEachCopyOwed;
  }

  /** A CONNECT has reached the broker. @returns whether a session goes on. */
  connect({ clientId, isClean, expirySeconds, will }: ConnectFacts): { session: SimSession; isPresent: boolean } {
    const before = this.sessions.get(clientId);
    if (before?.isOnline === true) this.lose(before);
    const kept = this.sessions.get(clientId);
    if (kept !== undefined && isClean) this.#end(kept);
    const isPresent = kept !== undefined && !isClean;
    const session = isPresent ? kept : new SimSession(clientId);
    this.sessions.set(clientId, session);
    session.isOnline = true;
    session.expirySeconds = expirySeconds;
    session.will = will;
    session.willAtMs = Number.POSITIVE_INFINITY;
    session.endsAtMs = Number.POSITIVE_INFINITY;
    return { session, isPresent };
  }

  /** The connection is gone without a DISCONNECT. */
  lose(session: SimSession): void {
    session.isOnline = false;
    for (const owed of session.owed.values()) owed.excuseQos0();
    this.#losses += 1;
    session.lostAs = this.#losses;
    if (session.expirySeconds === 0) {
      this.#end(session);
      return;
    }
    if (session.expirySeconds !== NEVER) session.endsAtMs = this.#nowMs + session.expirySeconds * 1000;
    if (session.will === null) return;
    if (session.will.delaySeconds === 0) this.#publishWill(session);
    else session.willAtMs = this.#nowMs + session.will.delaySeconds * 1000;
  }

  disconnect(session: SimSession): void {
    session.will = null;
    this.lose(session);
  }

  subscribe(session: SimSession, text: string, qos: Qos): void {
    const isShared = text.startsWith('$share/');
    const filter = isShared ? text.split('/').slice(2).join('/') : text;
    session.subscriptions.set(text, { filter, isShared, qos });
    if (isShared && !this.groups.has(text)) this.groups.set(text, new Map());
    if (!isShared) session.asked.push({ filter, from: this.#order });
  }

  unsubscribe(session: SimSession, text: string): void {
    session.subscriptions.delete(text);
  }

  /** A PUBLISH has reached the broker. Of QoS 2 only the first under its identifier counts. */
  publish(session: SimSession, message: SimMessage, packetId: number): void {
    if (message.qos === 2) {
      if (session.receivedIds.has(packetId)) return;
      session.receivedIds.add(packetId);
    }
    this.#distribute(message);
  }

  release(session: SimSession, packetId: number): void {
    session.receivedIds.delete(packetId);
  }

  /** When something happens by itself; Infinity: never. */
  get nextDeadlineMs(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const { willAtMs, endsAtMs } of this.sessions.values()) next = Math.min(next, willAtMs, endsAtMs);
    return next;
  }

  /** Time goes on, at most to the next deadline. */
  passTo(nowMs: number): void {
    this.#nowMs = nowMs;
    const due = [...this.sessions.values()].filter(({ willAtMs, endsAtMs }) => Math.min(willAtMs, endsAtMs) <= nowMs);
    for (const session of due.toSorted((one, two) => one.lostAs - two.lostAs)) {
      if (session.endsAtMs <= nowMs) this.#end(session);
      else this.#publishWill(session);
    }
  }

  /** A message of a shared subscription has come to one of its members. */
  takeShared(session: SimSession, seen: Delivered): void {
    for (const [text, { filter, isShared }] of session.subscriptions) {
      const owed = isShared && matches(filter, seen.topic) ? this.groups.get(text)?.get(seen.text) : undefined;
      if (owed === undefined) continue;
      owed.take(seen);
      return;
    }
    assert.fail(`${session.clientId} got ${seen.text} on ${seen.topic}, which no group of it was owed`);
  }

  /** A retained message has come: it must have been that since the client asked for it. */
  takeRetained(session: SimSession, { text, topic }: Delivered): void {
    const spans = this.#retained.get(topic) ?? [];
    const isRight = session.asked.some(
      ({ filter, from }) => matches(filter, topic) && spans.some((span) => span.text === text && span.until > from),
    );
    assert.ok(isRight, `${session.clientId} got ${text} as retained on ${topic}, where it was not`);
  }

  /** What is retained now, by topic. */
  retained(): ReadonlyMap<string, string> {
    const now = new Map<string, string>();
    for (const [topic, spans] of this.#retained) {
      const last = spans.at(-1);
      if (last !== undefined && last.until === Number.POSITIVE_INFINITY) now.set(topic, last.text);
    }
    return now;
  }

  #distribute(message: SimMessage): void {
    this.#order += 1;
    if (message.retain) this.#retain(message);
    // What clears a topic has no text to be told by.
    if (message.text === '') return;
    const groups = new Map<string, Qos>();
    for (const session of this.sessions.values()) this.#oweSession(session, message, groups);
    for (const [text, qos] of groups) this.#oweTo(this.groups.get(text), message, qos);
  }

  /** Notes in `groups` the shared filters that match. */
  #oweSession(session: SimSession, message: SimMessage, groups: Map<string, Qos>): void {
    const copies: Qos[] = [];
    for (const [text, { filter, isShared, qos: granted }] of session.subscriptions) {
      if (!matches(filter, message.topic)) continue;
      const qos = lower(message.qos, granted);
      if (isShared) groups.set(text, qos);
      else copies.push(qos);
    }
    copies.sort((one, two) => two - one);
    for (const qos of this.#isEachCopyOwed ? copies : copies.slice(0, 1)) {
      if (session.isOnline || (qos > 0 && session.expirySeconds > 0)) this.#oweTo(session.owed, message, qos);
    }
  }

  #oweTo(book: Map<string, Owed> | undefined, message: SimMessage, qos: Qos): void {
    const owed = book?.get(message.text) ?? new Owed(message, this.#order);
    book?.set(message.text, owed);
    owed.add(qos, this.#order);
  }

  #retain({ topic, text }: SimMessage): void {
    const spans = this.#retained.get(topic) ?? [];
    const last = spans.at(-1);
    if (last !== undefined) last.until = Math.min(last.until, this.#order);
    if (text !== '') spans.push({ text, from: this.#order, until: Number.POSITIVE_INFINITY });
    this.#retained.set(topic, spans);
  }

  #publishWill(session: SimSession): void {
    const { will } = session;
    session.will = null;
    session.willAtMs = Number.POSITIVE_INFINITY;
    if (will !== null) this.#distribute(will.message);
  }

  /** Its subscriptions go first: the will does not come to itself. */
  #end(session: SimSession): void {
    session.isEnded = true;
    session.isOnline = false;
    session.endsAtMs = Number.POSITIVE_INFINITY;
    this.sessions.delete(session.clientId);
    this.ended.push(session);
    this.#publishWill(session);
  }
}

function lower(one: Qos, two: Qos): Qos {
  return one < two ? one : two;
}
