/**
 * The sessions of an import: their numbers, their subscriptions, and the places that their rows get, from 1 in each session,
 * those in flight first. Messages come later: here are only their numbers.
 */
import { UNKNOWN_OWNER } from '../../../core/ports.ts';
import type { Qos } from '../../../protocol/version.ts';
import {
  encodeSession,
  encodeSubscription,
  keyOf,
  type StoredSessionFields,
  type StoredSubscription,
} from '../bodies.ts';
import { RowState } from '../ops.ts';
import type { ImportOutput } from './import-output.ts';
import { identifiersIn, plainText, qosIn, subscriptionIn, UNKNOWN_PORT } from './import-values.ts';
import {
  type MosquittoClient,
  type MosquittoRow,
  type MosquittoSource,
  MosquittoState,
  NEVER_EXPIRES,
  type StoreId,
} from './mosquitto-source.ts';
import { PORT_SCALE } from './port-scale.ts';

const SECOND_MS = 1000;

/** A row of a queue without its message. */
export interface PlannedRow {
  readonly session: number;
  readonly position: number;
  readonly state: RowState;
  /** 0 while it is queued. */
  readonly packetId: number;
  readonly qos: Qos;
  readonly isRetained: boolean;
  readonly identifiers: readonly number[] | null;
}

/** A QoS 2 message that its sender may not send again and that nobody has got. */
export interface UnreleasedMessage {
  readonly storeId: StoreId;
  readonly senderId: string;
}

/** One session of the new store. */
export interface ImportedSession {
  readonly session: number;
  readonly clientId: string;
  readonly subscriptions: StoredSubscription[];
  /** Texts of their filters. */
  readonly filters: Set<string>;
  /** Packet ids of what is in flight to it. */
  readonly sentIds: Set<number>;
  /** Packet ids of QoS 2 messages that came from it. */
  readonly receivedIds: Set<number>;
  lastPosition: number;
}

export class ImportSessions {
  readonly byId = new Map<string, ImportedSession>();
  /** Of every client that the store knows, those without a session included: whom a will belongs to. */
  readonly owners = new Map<string, StoredSessionFields>();
  readonly rows = new Map<StoreId, PlannedRow[]>();
  readonly unreleased: UnreleasedMessage[] = [];
  subscriptionCount = 0;
  /** Clients of which it is not certain whether they have a user name; they are taken to have none. */
  doubtfulCount = 0;
  /** The user name of clients that stand without one. */
  #nameless: string | null = null;
  /** The user name that stands where none should. */
  #leakedName: string | null = null;
  readonly #output: ImportOutput;
  /** The time of day at which the store's clock shows 0. */
  readonly #nowMs: number;

  constructor(output: ImportOutput, nowMs: number) {
    this.#output = output;
    this.#nowMs = nowMs;
  }

  take(source: MosquittoSource): void {
    // An old format has no place for user names: nobody knows whether there was one.
    this.#nameless = source.hasUserNames ? null : UNKNOWN_OWNER;
    const willOwners = new Set<string | null>();
    for (const { clientId } of source.wills()) willOwners.add(plainText(clientId));
    for (const client of source.clients()) this.#takeClient(client, willOwners);
    for (const subscription of source.subscriptions()) {
      const taken = this.#sessionOf(subscription.clientId, 'subscriptions of sessions that are not there');
      const own = subscriptionIn(subscription);
      if (own === null) this.#output.leave('subscriptions that cannot be read');
      else if (taken !== null) this.#subscribe(taken, own);
    }
    for (const row of source.rows()) if (row.isOutgoing && isInFlight(row)) this.#planSent(row);
    for (const row of source.rows()) if (row.isOutgoing && !isInFlight(row)) this.#planQueued(row);
    for (const row of source.rows()) if (!row.isOutgoing) this.#takeReceived(row);
    this.#output.flush();
  }

  /** A row at the end of a session's queue. */
  append(session: ImportedSession, row: Omit<PlannedRow, 'session' | 'position'>): PlannedRow {
    session.lastPosition += 1;
    return { ...row, session: session.session, position: session.lastPosition };
  }

  #takeClient(client: MosquittoClient, willOwners: ReadonlySet<string | null>): void {
    const clientId = plainText(client.clientId);
    const userName = this.#userNameOf(client);
    if (clientId === null || userName === undefined) {
      this.#output.leave('clients whose names cannot be read');
      return;
    }
    if (this.owners.has(clientId)) {
      this.#output.leave('clients that stand there twice');
      return;
    }
    const { expirySeconds, listenerPort } = client;
    const goneMs = this.#goneMs(client);
    // Its will is due as if it had been connected when we crashed.
    const offlineSinceMs = goneMs === null && willOwners.has(clientId) ? null : (goneMs ?? 0);
    const listenerId = listenerPort === 0 ? UNKNOWN_PORT : listenerPort;
    const fields = { clientId, userName, listenerId, expirySeconds, offlineSinceMs };
    this.owners.set(clientId, fields);
    if (expirySeconds === 0) {
      this.#output.leave('sessions that end with their connection');
      return;
    }
    const isOver = expirySeconds < NEVER_EXPIRES && (offlineSinceMs ?? 0) + expirySeconds * SECOND_MS <= 0;
    if (isOver) {
      this.#output.leave('sessions that have expired');
      return;
    }
    this.#begin(fields);
  }

  /**
   * Mosquitto 2.0 writes a client without a user name that comes behind one with a name as if it had that one, in every
   * second case followed by foreign memory. Where there is such memory the client has no name; a client behind it that has
   * the same name may have it or not. @returns undefined: it cannot be read
   */
  #userNameOf({ userName }: MosquittoClient): string | null | undefined {
    if (userName === null) return this.#nameless;
    const end = userName.indexOf(0);
    const name = plainText(end === -1 ? userName : userName.subarray(0, end));
    if (name === null) return undefined;
    if (end !== -1) {
      this.#leakedName = name;
      return null;
    }
    if (name !== this.#leakedName) {
      this.#leakedName = null;
      return name;
    }
    this.doubtfulCount += 1;
    return null;
  }

  #begin(fields: StoredSessionFields): void {
    const session = this.byId.size + 1;
    this.byId.set(fields.clientId, {
      session,
      clientId: fields.clientId,
      subscriptions: [],
      filters: new Set(),
      sentIds: new Set(),
      receivedIds: new Set(),
      lastPosition: 0,
    });
    this.#output.ops.session(session, encodeSession(fields, PORT_SCALE));
    if (this.#output.isFull) this.#output.flush();
  }

  /** When the client went, on the store's clock, 0 at the latest; null: the store does not say. */
  #goneMs({ goneAt }: MosquittoClient): number | null {
    return goneAt === 0 ? null : Math.min(0, goneAt * SECOND_MS - this.#nowMs);
  }

  #subscribe(session: ImportedSession, subscription: StoredSubscription): void {
    const { text } = subscription.filter;
    if (session.filters.has(text)) return;
    session.filters.add(text);
    session.subscriptions.push(subscription);
    this.subscriptionCount += 1;
    this.#output.ops.subscribed(session.session, keyOf(text), encodeSubscription(subscription));
    if (this.#output.isFull) this.#output.flush();
  }

  #planSent(row: MosquittoRow): void {
    const session = this.#sessionOf(row.clientId, 'messages of sessions that are not there');
    if (session === null) return;
    const qos = qosIn(row.qos);
    if (qos === null) {
      this.#output.leave('messages of an unknown QoS');
      return;
    }
    if (session.sentIds.has(row.packetId)) {
      this.#output.leave('messages in flight with a packet id in use');
      return;
    }
    session.sentIds.add(row.packetId);
    const isReleased = qos === 2 && isReleasedState(row.state);
    const state = isReleased ? RowState.Released : RowState.Sent;
    this.#plan(session, row, { state, packetId: row.packetId, qos });
  }

  #planQueued(row: MosquittoRow): void {
    const session = this.#sessionOf(row.clientId, 'messages of sessions that are not there');
    if (session === null) return;
    const qos = qosIn(row.qos);
    if (qos === null) {
      this.#output.leave('messages of an unknown QoS');
      return;
    }
    this.#plan(session, row, { state: RowState.Queued, packetId: 0, qos });
  }

  #plan(
    session: ImportedSession,
    { storeId, isRetained, identifier }: MosquittoRow,
    place: Pick<PlannedRow, 'state' | 'packetId' | 'qos'>,
  ): void {
    const row = this.append(session, { ...place, isRetained, identifiers: identifiersIn(identifier) });
    const rows = this.rows.get(storeId);
    if (rows === undefined) this.rows.set(storeId, [row]);
    else rows.push(row);
  }

  #takeReceived({ clientId, packetId, qos, state, storeId }: MosquittoRow): void {
    const session = this.#sessionOf(clientId, 'messages of sessions that are not there');
    // What else comes from a client has been acknowledged and handed on.
    if (session === null || qos !== 2 || packetId === 0 || state === MosquittoState.ResendPubcomp) return;
    if (session.receivedIds.has(packetId)) return;
    session.receivedIds.add(packetId);
    this.#output.ops.received(session.session, packetId);
    this.unreleased.push({ storeId, senderId: session.clientId });
  }

  #sessionOf(clientId: Uint8Array, otherwise: string): ImportedSession | null {
    const text = plainText(clientId);
    const session = text === null ? undefined : this.byId.get(text);
    if (session === undefined) this.#output.leave(otherwise);
    return session ?? null;
  }
}

/** Has been sent, or may have been: sent once more it does no harm, sent as a new one it comes twice. */
function isInFlight({ state, packetId, qos }: MosquittoRow): boolean {
  return state !== MosquittoState.Queued && state !== MosquittoState.PublishQos0 && packetId !== 0 && qos > 0;
}

function isReleasedState(state: number): boolean {
  return state === MosquittoState.ResendPubrel || state === MosquittoState.WaitForPubcomp;
}
