/** Puts the rooms of the core together. This is all that `app` sees of them. */
import type { Clock } from '../base/clock.ts';
import type { Accept } from '../base/link.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import { TimerQueue } from '../base/timer-queue.ts';
import type { Turn } from '../base/turn.ts';
import { createPublishFields } from '../protocol/encode/publish.ts';
import { Reason } from '../protocol/reasons.ts';
import { Access } from './access/access.ts';
import type { ChannelParts } from './delivery/channel.ts';
import { Durability } from './delivery/durability.ts';
import { Flusher } from './delivery/flusher.ts';
import { FrameMemo } from './delivery/frame-memo.ts';
import { OutboxPool } from './delivery/outbox.ts';
import { createScratch, type HandleContext } from './handle/context.ts';
import { restoreState } from './handle/restore-state.ts';
import type { Connection } from './intake/connection.ts';
import { Door } from './intake/door.ts';
import { createOperator } from './intake/operator.ts';
import type { Delivery } from './model/delivery.ts';
import { DEFAULT_LISTENER, type ListenerSettings } from './model/listener.ts';
import { MemoryGuard } from './model/memory-guard.ts';
import { OwnedMessage } from './model/message.ts';
import type { BrokerSettings } from './model/settings.ts';
import { StoredMessages } from './model/stored-messages.ts';
import type { Will } from './model/will.ts';
import type { BrokerSizes, Counters, Gatekeeper, Identity, Journal, Operator } from './ports.ts';
import { Router } from './routing/router.ts';
import { DeliveryMaker } from './session/delivery-maker.ts';
import { Endings } from './session/endings.ts';
import { OrphanWills } from './session/orphan-wills.ts';
import { QueueReads } from './session/queue-reads.ts';
import type { Session } from './session/session.ts';
import { SessionStore } from './session/session-store.ts';

export type { BrokerSizes, Door };

/** What the broker is built of. `gatekeeper` null: everybody may do everything. */
export interface BrokerParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly turn: Turn;
  readonly random: Random;
  readonly journal: Journal;
  readonly gatekeeper: Gatekeeper | null;
  readonly settings: BrokerSettings;
  /** Bytes of memory in use, for `memory_limit`; absent: it is not watched. */
  readonly heapBytes?: () => number;
}

/** Milliseconds that a stop waits for rights that are asked for wills. */
const WILLS_WAIT_MS = 2000;
const SUBSCRIPTIONS_REMOVED_PER_TURN = 2000;

export interface Broker {
  /** The door of one listener. What comes through it is counted against its limits for as long as the broker lives. */
  readonly openDoor: (listener: ListenerSettings) => Door;
  /** A door with the settings of DEFAULT_LISTENER. */
  readonly accept: Accept;
  /**
   * Puts back everything that the journal has stored. Call it once, before the first connection. Rejects when that cannot be
   * read: this broker must not be used then.
   * @returns what starts the clocks of it (sessions that expire, wills that are due): to be called when the rules are in force
   */
  readonly restore: () => Promise<() => void>;
  /** Puts these settings in the place of those before. Who is connected keeps what CONNACK has promised. */
  readonly change: (settings: BrokerSettings) => void;
  readonly operator: Operator;
  readonly counters: Counters;
  readonly sizes: () => BrokerSizes;
  /**
   * Publishes the wills that wait, tells v5 clients that the server shuts down (0x8B) and closes every connection.
   * Resolves when all links have ended. Call it once, after the listeners were closed.
   */
  readonly stop: () => Promise<void>;
}

export function createBroker(parts: BrokerParts): Broker {
  const house = buildHouse(parts);
  const { context } = house;
  const connections = new Set<Connection>();
  let onAllGone: (() => void) | null = null;

  const onGone = (): void => {
    if (connections.size === 0) onAllGone?.();
  };
  const doorParts = { context, channelParts: house.channelParts, connections, onGone };
  const openDoor = (listener: ListenerSettings): Door => new Door(listener, doorParts);
  const { accept } = openDoor(DEFAULT_LISTENER);
  const change = (settings: BrokerSettings): void => {
    for (const holder of house.settingsHolders) holder.settings = settings;
  };
  const stop = async (): Promise<void> => {
    for (const session of [...context.sessions.all()]) session.publishWillAtStop();
    if (!context.askedWills.isEmpty) await settledOr(context.askedWills.all(), parts.clock, WILLS_WAIT_MS);
    for (const connection of connections) connection.disconnect(Reason.ServerShuttingDown, 'server shutting down');
    house.flusher.flushAll();
    if (connections.size === 0) return;
    await new Promise<void>((resolve) => {
      onAllGone = resolve;
    });
  };
  const { stored, channelParts } = house;
  const operator = createOperator({ context, connections, stored, outboxes: channelParts.outboxes });
  const restore = (): Promise<() => void> => restoreState(context);
  return { openDoor, accept, restore, change, operator, counters: context.counters, sizes: operator.sizes, stop };
}

interface House {
  readonly context: HandleContext;
  readonly channelParts: ChannelParts;
  readonly flusher: Flusher;
  readonly stored: StoredMessages;
  /** Whatever reads settings at each use. Plain properties: getters cost 80 ns for each message that is delivered. */
  readonly settingsHolders: readonly { settings: BrokerSettings }[];
}

function buildHouse(parts: BrokerParts): House {
  const { clock, log, turn, random, journal, gatekeeper, heapBytes = null } = parts;
  const timers = new TimerQueue(clock);
  const counters = createCounters();
  const durability = new Durability(journal);
  const flusher = new Flusher(turn);
  const access = new Access(gatekeeper, (error) => {
    counters.internalErrors += 1;
    log.write('error', `Error: The gatekeeper failed, that counts as no: ${String(error)}.`);
  });
  const monotonicMs = (): number => timers.now;
  const endingSessions = new Endings();
  const stored = new StoredMessages();
  const { settings } = parts;
  const memory = new MemoryGuard({ heapBytes, timers, log, settings: () => context.settings });
  const seed = new DataView(random.fill(new Uint8Array(4)).buffer).getInt32(0);
  const { mayHavePublished } = access;
  const routerParts = { journal, settings, timers, monotonicMs, turn, seed, mayHavePublished };
  const router = new Router(routerParts);
  const sessionParts = {
    settings,
    timers,
    turn,
    durability,
    counters,
    stored,
    memory,
    reads: new QueueReads(journal),
    endingSessions,
    log,
    deliveries: new DeliveryMaker(),
    mayReceive: access.mayReceive,
    onWillDue: (identity: Identity, will: Will) => publishWill(context, identity, will),
    onEnded: (session: Session) => {
      sessions.remove(session);
      removeSubscriptions(session, router, turn);
    },
    moveShared: (delivery: Delivery, from: Session) => router.moveShared(delivery, from),
  };
  const sessions = new SessionStore(sessionParts);
  const orphanWills = new OrphanWills(sessionParts, sessions);
  const context: HandleContext = {
    settings,
    log,
    random,
    timers,
    counters,
    durability,
    gatekeeper,
    access,
    router,
    sessions,
    orphanWills,
    askedWills: new Endings(),
    endingSessions,
    memory,
    connectedCount: 0,
    claims: new Map(),
    ...createScratch(),
  };
  const channelParts = { settings, ...createChannelParts(context, flusher) };
  const settingsHolders = [context, routerParts, sessionParts, channelParts];
  return { context, channelParts, flusher, stored, settingsHolders };
}

function createChannelParts(context: HandleContext, flusher: Flusher): Omit<ChannelParts, 'settings'> {
  const { counters, durability, log, timers } = context;
  return {
    outboxes: new OutboxPool(flusher),
    durability,
    counters,
    log,
    monotonicMs: () => timers.now,
    fields: createPublishFields(),
    frames: new FrameMemo(),
  };
}

/** A will is published with the rights that its client has now. */
function publishWill(context: HandleContext, identity: Identity, will: Will): void {
  const onFault = (error: unknown): void => {
    context.counters.internalErrors += 1;
    context.log.write('error', `Error: The will of ${identity.clientId} was not published: ${String(error)}.`);
    tellWillRemoved(context, identity);
  };
  try {
    const allowed = context.access.mayPublish(identity, will.message.topic);
    if (typeof allowed === 'boolean') {
      distributeWill(context, identity, will, allowed);
      return;
    }
    const asked = allowed.then((later) => distributeWill(context, identity, will, later)).catch(onFault);
    context.askedWills.add(identity.clientId, asked);
  } catch (error) {
    // It may be a timer that asks: nobody above could answer for it.
    onFault(error);
  }
}

/** Resolves when all have settled, or after `waitMs`. */
function settledOr(waits: Iterable<Promise<void>>, clock: Clock, waitMs: number): Promise<void> {
  return new Promise((resolve) => {
    const cancel = clock.after(waitMs, resolve);
    Promise.allSettled(waits).then(() => {
      cancel();
      resolve();
    });
  });
}

/**
 * Takes the subscriptions of an ended session out of the tree; of very many a part each turn, so that a client that
 * leaves does not stop the loop. Until then they lead to a session that takes nothing.
 */
function removeSubscriptions(session: Session, router: Router, turn: Turn): void {
  const left = session.subscriptions.values();
  const removeSome = (): void => {
    for (let count = 0; count < SUBSCRIPTIONS_REMOVED_PER_TURN; count += 1) {
      const next = left.next();
      if (next.done === true) {
        session.subscriptions.clear();
        return;
      }
      router.tree.remove(session, next.value.filter);
    }
    turn.atEnd(removeSome);
  };
  removeSome();
}

function distributeWill(context: HandleContext, identity: Identity, will: Will, allowed: boolean): void {
  const { message, expirySeconds } = will;
  if (allowed) {
    const expiresAtMs = expirySeconds === null ? Number.POSITIVE_INFINITY : context.timers.now + expirySeconds * 1000;
    context.router.distribute(new OwnedMessage({ ...message, expiresAtMs }));
  } else context.log.write('notice', `Denied will of ${identity.clientId} on '${message.topic.text}'.`);
  tellWillRemoved(context, identity);
}

/** After what the will has led to, or a crash between the two could lose it. A newer will of the client has replaced it. */
function tellWillRemoved({ durability, sessions }: HandleContext, { clientId }: Identity): void {
  if (durability.journal.isVolatile || sessions.get(clientId)?.hasWill === true) return;
  durability.noteEnd(clientId, durability.journal.append({ kind: 'will-removed', clientId }));
}

function createCounters(): Counters {
  return {
    connectionsAccepted: 0,
    connectsReceived: 0,
    packetsReceived: 0,
    packetsSent: 0,
    bytesReceived: 0,
    bytesSent: 0,
    publishesReceived: 0,
    publishesSent: 0,
    publishBytesReceived: 0,
    publishBytesSent: 0,
    publishesDropped: 0,
    messagesExpired: 0,
    clientsExpired: 0,
    protocolErrors: 0,
    internalErrors: 0,
  };
}
