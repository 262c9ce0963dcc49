/**
 * What a broker owes, written down as plainly as it can be: sessions, subscriptions, retained messages and wills, without
 * bytes, queues or windows. The simulation tells it what has reached the broker, in order, and what clients were told;
 * each delivery is then held against it.
 *
 * A crash undoes nothing that a client was told. What nobody was told yet may be undone or not: until that is known again
 * both are right (see SimSession, RetainedBook, Story). A will of which not even the moment is known is loose: it may
 * come or not.
 *
 * Topics below `work/` are only subscribed to by shared subscriptions, all others only by ordinary ones, so that a delivery
 * tells why it came. Sessions of shared subscribers never end.
 */
import assert from 'node:assert/strict';
import type { Qos } from '../../src/protocol/version.ts';
import { matches } from './matches.ts';
import { type Copies, type Delivered, noCopies, Owed, type SimMessage, Story, type Taking } from './owed.ts';
import { RetainedBook } from './retained-book.ts';
import { type Life, NEVER, SimSession, type SimWill, type SubscriptionChange } from './sim-session.ts';

export interface ConnectFacts {
  readonly clientId: string;
  readonly isClean: boolean;
  readonly expirySeconds: number;
  readonly will: SimWill | null;
}

/** What the client of a CONNECT goes on with. */
export interface Claimed {
  readonly session: SimSession;
  /** Null: nobody knows whether there is one. */
  readonly isPresent: boolean | null;
}

/** The will of a client that was connected when the broker died. */
interface OrphanWill {
  readonly will: SimWill;
  /** From a start of the broker to its being due. */
  readonly waitMs: number;
  readonly dueMs: number;
  /** Its client has come back, and was not told so yet. */
  isReturned: boolean;
}

/** A will that is gone: published, dropped or replaced; the disk may not know that yet. */
interface GoneWill {
  readonly clientId: string;
  readonly will: SimWill;
}

interface Due {
  readonly atMs: number;
  readonly lostAs: number;
  run(): void;
}

export interface ModelOptions {
  /** One copy for each subscription that matches, else one in all, with the best QoS. */
  readonly isEachCopyOwed: boolean;
  readonly willGraceMs: number;
  /** CONNACK waits for the disk: until it has come nobody knows whether QoS 0 is sent. */
  readonly isWelcomeLate: boolean;
}

export class Model {
  readonly sessions = new Map<string, SimSession>();
  /** What each shared filter is owed, by its text. */
  readonly groups = new Map<string, Map<string, Owed>>();
  readonly #options: ModelOptions;
  readonly #stories = new Map<SimMessage, Story>();
  /** Stories of which nobody was told that they are safe. */
  readonly #unsafe = new Set<Story>();
  readonly #retained = new Map<string, RetainedBook>();
  readonly #orphans = new Map<string, OrphanWill>();
  #goneWills: GoneWill[] = [];
  /** Sessions that have ended, but perhaps not yet on the disk. */
  readonly #ghosts = new Map<string, SimSession>();
  /** Clients of whose session too little is known to go on with it. */
  readonly #murky = new Set<string>();
  /** Texts of wills that may come or not. */
  readonly #loose = new Set<string>();
  readonly #looseRetained = new Map<string, Set<string>>();
  /** Topics on which something was retained at this very moment. */
  #retainedNow: Set<string> | null = null;
  #order = 0;
  #nowMs: number;
  #losses = 0;

  constructor(nowMs: number, options: ModelOptions) {
    this.#nowMs = nowMs;
    this.#options = options;
  }

  // ------------------------------------------------------------------------------------------------ connections

  /** Whether the client has to begin anew: it cannot know which session it would find. */
  mustStartClean(clientId: string): boolean {
    return this.#murky.has(clientId);
  }

  /** Whether only CONNACK can tell if there is a session. */
  isUnsure(clientId: string): boolean {
    const session = this.sessions.get(clientId);
    return session !== undefined && session.mayEndAtMs <= this.#nowMs;
  }

  /** A CONNECT has reached the broker. */
  connect({ clientId, isClean, expirySeconds, will }: ConnectFacts): Claimed {
    const before = this.sessions.get(clientId);
    if (before?.isOnline === true) this.lose(before);
    const orphan = this.#orphans.get(clientId);
    if (orphan !== undefined) orphan.isReturned = true;
    const kept = this.sessions.get(clientId);
    const isUnsure = this.isUnsure(clientId);
    if (kept !== undefined && isClean) this.#end(kept);
    const isKept = kept !== undefined && !isClean;
    const session = isKept ? kept : new SimSession(clientId);
    this.sessions.set(clientId, session);
    if (session.will !== null) this.#goneWills.push({ clientId, will: session.will });
    session.isOnline = true;
    session.isWelcome = !this.#options.isWelcomeLate;
    session.expirySeconds = expirySeconds;
    session.will = will;
    session.isWillSafe = false;
    session.willAtMs = Number.POSITIVE_INFINITY;
    session.endsAtMs = Number.POSITIVE_INFINITY;
    session.mayEndAtMs = isKept && isUnsure ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
    session.live({ kind: 'connected', expirySeconds });
    return { session, isPresent: isKept && isUnsure ? null : isKept };
  }

  /** The client was told that it is connected: the session that it has is on the disk, as it is. */
  welcome({ session, isPresent }: Claimed, sessionPresent: boolean): SimSession {
    const { clientId } = session;
    let found = session;
    if (isPresent === null && !sessionPresent) found = this.#replace(session);
    found.isWelcome = true;
    found.mayEndAtMs = Number.POSITIVE_INFINITY;
    found.isWillSafe = true;
    found.lives = found.lives.slice(-1);
    this.#ghosts.delete(clientId);
    this.#murky.delete(clientId);
    this.#orphans.delete(clientId);
    this.#goneWills = this.#goneWills.filter((gone) => gone.clientId !== clientId);
    return found;
  }

  /** The session was not there any more: its client has a new one. */
  #replace(old: SimSession): SimSession {
    const session = new SimSession(old.clientId);
    session.isOnline = true;
    session.expirySeconds = old.expirySeconds;
    session.will = old.will;
    session.lives = old.lives;
    old.isEnded = true;
    this.sessions.set(old.clientId, session);
    return session;
  }

  /** The connection is gone without a DISCONNECT. */
  lose(session: SimSession): void {
    const { clientId, expirySeconds } = session;
    if (session.mayEndAtMs < this.#nowMs) this.#murky.add(clientId);
    session.isOnline = false;
    for (const owed of session.owed.values()) owed.excuseQos0();
    this.#losses += 1;
    session.lostAs = this.#losses;
    if (expirySeconds === 0) {
      this.#end(session);
      return;
    }
    session.live({ kind: 'offline', expirySeconds, sinceMs: this.#nowMs });
    session.endsAtMs = endOf(session.lives.at(-1), this.#nowMs);
    session.mayEndAtMs = Math.min(session.mayEndAtMs, session.endsAtMs);
    if (session.will === null) return;
    if (session.will.delaySeconds === 0) this.#publishWill(session);
    else session.willAtMs = this.#nowMs + session.will.delaySeconds * 1000;
  }

  disconnect(session: SimSession): void {
    if (session.will !== null) this.#goneWills.push({ clientId: session.clientId, will: session.will });
    session.will = null;
    this.lose(session);
  }

  // ------------------------------------------------------------------------------------------- subscriptions, messages

  subscribe(session: SimSession, text: string, qos: Qos): SubscriptionChange {
    const change = { qos };
    const subscription = session.subscription(text);
    subscription.change(change);
    if (subscription.isShared && !this.groups.has(text)) this.groups.set(text, new Map());
    if (!subscription.isShared) session.asked.push({ filter: subscription.filter, from: this.#order });
    return change;
  }

  unsubscribe(session: SimSession, text: string): SubscriptionChange {
    const change = { qos: null };
    session.subscription(text).change(change);
    return change;
  }

  /** A PUBLISH has reached the broker. Of QoS 2 only the first under its identifier counts. */
  publish(session: SimSession, message: SimMessage, packetId: number): void {
    if (message.qos === 2) {
      if (session.receivedIds.has(packetId)) return;
      session.receivedIds.set(packetId, message);
    }
    this.#distribute(message);
  }

  /** The same while the broker may refuse it, which it does at once with what is to be retained. */
  publishPerhaps(session: SimSession, message: SimMessage, packetId: number): void {
    if (session.receivedIds.has(packetId) || message.retain) return;
    this.#distribute(message, false);
  }

  /** Its publisher was told that the broker has it. */
  acknowledge(session: SimSession, message: SimMessage, packetId: number): void {
    const story = this.#stories.get(message);
    const last = story?.takings.at(-1);
    assert.ok(story !== undefined && last !== undefined, `'${message.text}' was acknowledged, but not taken in`);
    last.isSure = true;
    story.settle();
    this.#unsafe.delete(story);
    if (message.qos === 2) session.receivedIds.set(packetId, message);
    if (message.retain) this.#retained.get(message.topic)?.acknowledge(last);
  }

  /** What happens in `run` happens at one moment: nobody knows in which order. */
  atOnce(run: () => void): void {
    this.#retainedNow = new Set();
    run();
    this.#retainedNow = null;
  }

  release(session: SimSession, packetId: number): void {
    session.receivedIds.delete(packetId);
  }

  // ------------------------------------------------------------------------------------------------------- time

  /** When something happens by itself; Infinity: never. */
  get nextDeadlineMs(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const { willAtMs, endsAtMs, mayEndAtMs } of this.sessions.values()) {
      next = Math.min(next, willAtMs, endsAtMs, mayEndAtMs > this.#nowMs ? mayEndAtMs : Number.POSITIVE_INFINITY);
    }
    for (const { dueMs, isReturned } of this.#orphans.values()) if (!isReturned) next = Math.min(next, dueMs);
    return next;
  }

  /** Time goes on, at most to the next deadline, unless the broker was dead until now. */
  passTo(nowMs: number): void {
    this.#nowMs = nowMs;
    let groupMs = Number.NaN;
    for (const { atMs, run } of this.#dueUntil(nowMs)) {
      // Of what falls due at one moment nobody knows the order.
      if (atMs !== groupMs) this.#retainedNow = new Set();
      groupMs = atMs;
      run();
    }
    this.#retainedNow = null;
  }

  #dueUntil(nowMs: number): readonly Due[] {
    const due: Due[] = [];
    for (const session of this.sessions.values()) {
      const { willAtMs, endsAtMs, lostAs } = session;
      if (endsAtMs <= nowMs) due.push({ atMs: endsAtMs, lostAs, run: () => this.#end(session) });
      if (willAtMs <= nowMs && willAtMs < endsAtMs) {
        due.push({ atMs: willAtMs, lostAs, run: () => this.#publishWill(session) });
      }
    }
    for (const [clientId, { will, dueMs, isReturned }] of this.#orphans) {
      if (isReturned || dueMs > nowMs) continue;
      due.push({ atMs: dueMs, lostAs: 0, run: () => this.#publishOrphan(clientId, will) });
    }
    return due.toSorted((one, two) => one.atMs - two.atMs || one.lostAs - two.lostAs);
  }

  // ------------------------------------------------------------------------------------------------------ crashes

  /** Everything that has reached the broker is on the disk. */
  settle(): void {
    for (const story of this.#unsafe) story.settle();
    this.#unsafe.clear();
    for (const book of this.#retained.values()) book.settle();
    for (const session of this.sessions.values()) settleSession(session, this.#orphans.has(session.clientId));
    for (const [clientId, orphan] of this.#orphans) if (orphan.isReturned) this.#orphans.delete(clientId);
    this.#goneWills = [];
    this.#ghosts.clear();
  }

  /** The broker has died, and begins again at `nowMs`. */
  crash(nowMs: number): void {
    this.#nowMs = nowMs;
    this.#order += 1;
    for (const story of this.#unsafe) story.doubt();
    this.#unsafe.clear();
    for (const book of this.#retained.values()) book.crash(this.#order);
    for (const { will } of this.#goneWills) this.#loosen(will);
    this.#goneWills = [];
    for (const book of this.groups.values()) for (const owed of book.values()) owed.onCrash();
    this.#crashOrphans();
    this.#raiseGhosts();
    for (const session of [...this.sessions.values()]) this.#crashSession(session);
  }

  #crashOrphans(): void {
    for (const [clientId, { will, waitMs, isReturned }] of [...this.#orphans]) {
      this.#orphans.delete(clientId);
      if (isReturned) this.#loosen(will);
      else this.#addOrphan(clientId, will, waitMs);
    }
  }

  /** Sessions whose end may have been undone. */
  #raiseGhosts(): void {
    for (const [clientId, ghost] of this.#ghosts) {
      if (this.sessions.has(clientId)) this.#murky.add(clientId);
      else {
        ghost.isEnded = false;
        this.sessions.set(clientId, ghost);
      }
    }
    this.#ghosts.clear();
  }

  #crashSession(session: SimSession): void {
    const { clientId } = session;
    if (session.isOnline && session.mayEndAtMs < this.#nowMs) this.#murky.add(clientId);
    this.#crashWill(session);
    for (const owed of session.owed.values()) owed.onCrash();
    for (const subscription of session.subscriptions.values()) subscription.crash();
    for (const [packetId, message] of session.receivedIds) {
      if (this.#stories.get(message)?.takings.at(-1)?.isSure === false) session.receivedIds.delete(packetId);
    }
    session.isOnline = false;
    const ends = session.lives.map((life) => endOf(life, this.#nowMs));
    const last = session.lives.at(-1);
    if (last?.kind === 'connected') session.live({ ...last, kind: 'offline', sinceMs: this.#nowMs });
    session.mayEndAtMs = Math.min(...ends);
    session.endsAtMs = Math.max(...ends);
    session.expirySeconds = Math.max(...session.lives.map((life) => (life.kind === 'absent' ? 0 : life.expirySeconds)));
    if (session.endsAtMs <= this.#nowMs && session.expirySeconds === 0) {
      session.isEnded = true;
      this.sessions.delete(clientId);
    }
  }

  #crashWill(session: SimSession): void {
    const { clientId, will, isWillSafe, isOnline, lives, expirySeconds } = session;
    if (will === null) return;
    const isKnown = isWillSafe && lives.length === 1;
    if (isKnown && !isOnline) return;
    session.will = null;
    session.willAtMs = Number.POSITIVE_INFINITY;
    // It is due at the end of its session at the latest.
    const delaySeconds = Math.min(will.delaySeconds, expirySeconds);
    if (isKnown) this.#addOrphan(clientId, will, Math.max(this.#options.willGraceMs, delaySeconds * 1000));
    else this.#loosen(will);
  }

  #addOrphan(clientId: string, will: SimWill, waitMs: number): void {
    this.#orphans.set(clientId, { will, waitMs, dueMs: this.#nowMs + waitMs, isReturned: false });
  }

  #publishOrphan(clientId: string, will: SimWill): void {
    this.#orphans.delete(clientId);
    this.#goneWills.push({ clientId, will });
    this.#distribute(will.message);
  }

  #loosen({ message: { text, topic, retain } }: SimWill): void {
    this.#loose.add(text);
    if (!retain) return;
    const texts = this.#looseRetained.get(topic) ?? new Set();
    this.#looseRetained.set(topic, texts.add(text));
  }

  // -------------------------------------------------------------------------------------------------- deliveries

  /** Whether it may come or not, nobody knows how often. */
  isLoose(text: string): boolean {
    return this.#loose.has(text);
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
    const book = this.#retained.get(topic);
    const isRight = session.asked.some(
      ({ filter, from }) => matches(filter, topic) && book?.wasThere(text, from) === true,
    );
    assert.ok(isRight, `${session.clientId} got ${text} as retained on ${topic}, where it was not`);
  }

  /** What may be retained now on each topic that ever had something; '' = nothing. */
  retained(): ReadonlyMap<string, readonly string[]> {
    const now = new Map<string, readonly string[]>();
    for (const [topic, book] of this.#retained) {
      now.set(topic, [...book.possible, ...(this.#looseRetained.get(topic) ?? [])]);
    }
    for (const [topic, texts] of this.#looseRetained) if (!now.has(topic)) now.set(topic, ['', ...texts]);
    return now;
  }

  // -------------------------------------------------------------------------------------------------- distribution

  #distribute(message: SimMessage, isSure = true): void {
    this.#order += 1;
    const taking = { order: this.#order, isSure, isSafe: false };
    const story = this.#stories.get(message) ?? new Story(message);
    this.#stories.set(message, story);
    story.takings.push(taking);
    this.#unsafe.add(story);
    if (message.retain) this.#retain(story, taking);
    // What clears a topic has no text to be told by.
    if (message.text === '') return;
    const groups = new Map<string, { readonly qos: Qos; isSure: boolean }>();
    for (const session of this.sessions.values()) this.#oweSession(session, story, taking, groups);
    for (const [text, { qos, isSure }] of groups) oweTo(this.groups.get(text), story, taking, { qos, isSure });
  }

  /** Notes in `groups` the shared filters that match. */
  #oweSession(
    session: SimSession,
    story: Story,
    taking: Taking,
    groups: Map<string, { readonly qos: Qos; isSure: boolean }>,
  ): void {
    const { message } = story;
    const matching: (readonly (Qos | null)[])[] = [];
    for (const [text, subscription] of session.subscriptions) {
      if (!matches(subscription.filter, message.topic)) continue;
      const possible = subscription.possible.map((granted) => (granted === null ? null : lower(message.qos, granted)));
      if (subscription.isShared) noteGroup(groups, text, possible);
      else matching.push(possible);
    }
    const copies = this.#options.isEachCopyOwed ? eachCopy(matching) : bestCopy(matching);
    for (const qos of [0, 1, 2] as const) {
      if (!session.isOnline && (qos === 0 || session.expirySeconds === 0)) continue;
      for (let count = 0; count < copies.most[qos]; count += 1) {
        oweTo(session.owed, story, taking, {
          qos,
          isSure: count < copies.least[qos] && (qos > 0 || session.isWelcome),
        });
      }
    }
  }

  #retain({ message: { topic, text, qos }, isRepeated }: Story, taking: Taking): void {
    const book = this.#retained.get(topic) ?? new RetainedBook();
    this.#retained.set(topic, book);
    const isSecond = this.#retainedNow?.has(topic) === true;
    this.#retainedNow?.add(topic);
    // One of QoS 2 that came again after a crash may have come before: then nothing happens.
    book.set(text, taking, !isSecond && !(qos === 2 && isRepeated));
  }

  #publishWill(session: SimSession): void {
    const { will, clientId } = session;
    session.will = null;
    session.willAtMs = Number.POSITIVE_INFINITY;
    if (will === null) return;
    this.#goneWills.push({ clientId, will });
    this.#distribute(will.message);
  }

  /** Its subscriptions go first: the will does not come to itself. */
  #end(session: SimSession): void {
    const { clientId } = session;
    session.isEnded = true;
    session.isOnline = false;
    session.endsAtMs = Number.POSITIVE_INFINITY;
    session.live({ kind: 'absent' });
    this.sessions.delete(clientId);
    if (this.#ghosts.has(clientId)) this.#murky.add(clientId);
    this.#ghosts.set(clientId, session);
    this.#publishWill(session);
  }
}

function settleSession(session: SimSession, hasOrphan: boolean): void {
  session.isWillSafe = true;
  for (const subscription of session.subscriptions.values()) subscription.settle();
  // Until the will of before is settled the disk takes the client for connected, and its life for longer.
  if (!hasOrphan && session.mayEndAtMs === session.endsAtMs) session.lives = session.lives.slice(-1);
}

function endOf(life: Life | undefined, nowMs: number): number {
  if (life === undefined || life.kind === 'absent') return Number.NEGATIVE_INFINITY;
  if (life.expirySeconds === NEVER) return Number.POSITIVE_INFINITY;
  return (life.kind === 'connected' ? nowMs : life.sinceMs) + life.expirySeconds * 1000;
}

/** One for each subscription; what is not known counts as perhaps. */
function eachCopy(matching: readonly (readonly (Qos | null)[])[]): Copies {
  const copies = noCopies();
  for (const possible of matching) {
    for (const qos of possible) {
      if (qos === null) continue;
      copies.most[qos] += 1;
      if (possible.length === 1) copies.least[qos] += 1;
    }
  }
  return copies;
}

/** One in all, with the best QoS; where that is not known, perhaps one of each that it may be. */
function bestCopy(matching: readonly (readonly (Qos | null)[])[]): Copies {
  const copies = noCopies();
  const sure = Math.max(-1, ...matching.map((possible) => Math.min(...possible.map((qos) => qos ?? -1))));
  const best = new Set(matching.flatMap((possible) => possible.map((qos) => qos ?? -1)).filter((qos) => qos >= sure));
  for (const qos of [0, 1, 2] as const) {
    if (!best.has(qos)) continue;
    copies.most[qos] = 1;
    copies.least[qos] = best.size === 1 ? 1 : 0;
  }
  return copies;
}

function noteGroup(
  groups: Map<string, { readonly qos: Qos; isSure: boolean }>,
  text: string,
  possible: readonly (Qos | null)[],
): void {
  const qos = possible.find((granted) => granted !== null);
  if (qos === undefined) return;
  const isSure = !possible.includes(null);
  groups.set(text, { qos, isSure: isSure || groups.get(text)?.isSure === true });
}

function oweTo(
  book: Map<string, Owed> | undefined,
  story: Story,
  taking: Taking,
  { qos, isSure }: { readonly qos: Qos; readonly isSure: boolean },
): void {
  const { text } = story.message;
  const owed = book?.get(text) ?? new Owed(story, taking.order);
  book?.set(text, owed);
  owed.add(taking, qos, isSure);
}

function lower(one: Qos, two: Qos): Qos {
  return one < two ? one : two;
}
