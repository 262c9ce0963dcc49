/**
 * The doors of the core. Modules implement these interfaces or use what stands here, and see nothing else of the core
 * but its nouns in model/. A port that is not used is null: one comparison on the path of a packet.
 */
import type { PeerSecurity } from '../base/link.ts';
import type { ReasonCode } from '../protocol/reasons.ts';
import type { TopicFilter, TopicName } from '../protocol/topic.ts';
import type { ProtocolVersion, Qos } from '../protocol/version.ts';
import type { Delivery } from './model/delivery.ts';
import type { OwnedMessage, Publisher } from './model/message.ts';
import type { Subscription } from './model/subscription.ts';
import type { Ticket } from './model/ticket.ts';
import type { Will } from './model/will.ts';

// ---------------------------------------------------------------------------------------------------- Gatekeeper

/** What is known of a client when it asks to come in. */
export interface ConnectRequest {
  readonly clientId: string;
  readonly userName: string | null;
  readonly password: Uint8Array | null;
  readonly version: ProtocolVersion;
  /** Behind a unix socket its path. */
  readonly remoteAddress: string;
  /** 0 = unix socket. */
  readonly listenerPort: number;
  /** ListenerSettings.id of the listener it came through. */
  readonly listenerId: number;
  /** What TLS says of the client; null where nothing is encrypted. */
  readonly security: PeerSecurity | null;
}

/** The identity a connection has after authentication; rights are asked for it. A session that is offline keeps the last one. */
export interface Identity {
  readonly clientId: string;
  readonly userName: string | null;
  /** ListenerSettings.id of the listener it came through. */
  readonly listenerId: number;
  /** What `authenticate` gave with its answer: the gatekeeper's own business. */
  readonly proof?: unknown;
}

/** `reason` is the v5 code; 3.x clients get the return code it maps to. `proof` becomes part of the identity. */
export type AuthenticateAnswer =
  | { readonly kind: 'allowed'; readonly proof?: unknown }
  | { readonly kind: 'refused'; readonly reason: ReasonCode };

/** One running v5 enhanced authentication (section 4.12) of one connection. */
export interface EnhancedAuthentication {
  /** The client's next data; the answer may come later. */
  step(data: Uint8Array | null): EnhancedStep | Promise<EnhancedStep>;
  /** The connection went away before the end. */
  abandon(): void;
}

export type EnhancedStep =
  | { readonly kind: 'continue'; readonly data: Uint8Array | null }
  | {
      readonly kind: 'allowed';
      readonly data: Uint8Array | null;
      /** Null: the one of CONNECT. Not heard where the listener takes the user name from the certificate. */
      readonly userName: string | null;
      readonly proof?: unknown;
    }
  | { readonly kind: 'refused'; readonly reason: ReasonCode };

/** Decides who comes in and what each may do. The first three may answer later; `mayReceive` is always a value. */
export interface Gatekeeper {
  /** Grows whenever a rule changed: answers given before are asked again. */
  readonly rulesVersion: number;
  /** False: all may publish, subscribe and receive everything, and nobody is asked. May change with `rulesVersion`. */
  readonly hasRules: boolean;
  /** Not asked when the listener takes the user name from the certificate or the pre-shared key. */
  authenticate(request: ConnectRequest): AuthenticateAnswer | Promise<AuthenticateAnswer>;
  mayPublish(identity: Identity, topic: TopicName): boolean | Promise<boolean>;
  maySubscribe(identity: Identity, filter: TopicFilter): boolean | Promise<boolean>;
  /** The topic may be lent: the same object stands for another one in the next call. */
  mayReceive(identity: Identity, topic: TopicName): boolean;
  /** Whether who published a retained message might do so today. Asked by `check_retain_source`; the topic may be lent. */
  mayHavePublished(publisher: Publisher, topic: TopicName): boolean;
  /** Null: this method is not offered (0x8C). */
  startEnhanced(method: string, request: ConnectRequest): EnhancedAuthentication | null;
  /** Whether a client that is connected would still be let in. Asked after a reload (Operator.recheckClients). */
  isStillWelcome(identity: Identity, security: PeerSecurity | null): boolean;
}

// ------------------------------------------------------------------------------------------------------- Journal

/** Who a session or a will belongs to, as far as it outlives the process. */
export interface StoredOwner {
  readonly clientId: string;
  /** UNKNOWN_OWNER: nobody knows any more. */
  readonly userName: string | null;
  /** ListenerSettings.id of the listener it came through last. */
  readonly listenerId: number;
}

/**
 * One change of durable state. `position` numbers the rows of one session's queue, growing, from 1. Moments are
 * milliseconds of the monotonic clock, like all moments of the core.
 */
export type JournalRecord =
  /** The session is there, and its client is connected. */
  | ({ readonly kind: 'session'; readonly expirySeconds: number } & StoredOwner)
  /** Its client has gone at `atMs`: from then on it expires. */
  | { readonly kind: 'session-offline'; readonly clientId: string; readonly atMs: number }
  | { readonly kind: 'session-removed'; readonly clientId: string }
  | { readonly kind: 'subscribed'; readonly clientId: string; readonly subscription: Subscription }
  | { readonly kind: 'unsubscribed'; readonly clientId: string; readonly filter: string }
  /** A message joined the queue. `isHeld`: the session also holds the row in memory and will not read it back. */
  | { readonly kind: 'queued'; readonly clientId: string; readonly row: QueueRow; readonly isHeld: boolean }
  /** The row got a packet id and is in flight. Rows are sent in order of their positions. */
  | { readonly kind: 'sent'; readonly clientId: string; readonly position: number; readonly packetId: number }
  /** PUBREC came: from now on only PUBREL is sent again. */
  | { readonly kind: 'released'; readonly clientId: string; readonly position: number }
  /** The row is finished: acknowledged, expired, dropped, or handed to another member of its shared group. */
  | { readonly kind: 'done'; readonly clientId: string; readonly position: number }
  /** A QoS 2 packet id was taken in; `received-done` when PUBREL came. */
  | { readonly kind: 'received'; readonly clientId: string; readonly packetId: number }
  | { readonly kind: 'received-done'; readonly clientId: string; readonly packetId: number }
  /** `sinceMs`: since when it is kept, Infinity = it is not counted (see RetainedStore). */
  | { readonly kind: 'retained'; readonly message: OwnedMessage; readonly sinceMs: number }
  | { readonly kind: 'retained-removed'; readonly topic: TopicName }
  /** The will of a client, with a session or without. Replaces the one before. */
  | ({ readonly kind: 'will'; readonly will: Will } & StoredOwner)
  | { readonly kind: 'will-removed'; readonly clientId: string };

export interface QueueRow {
  readonly position: number;
  readonly delivery: Delivery;
  /**
   * Only of rows that were read back: the filter of the shared subscription that the message came through, `delivery.shared`
   * is null then. Whoever takes the row in looks the subscription up.
   */
  readonly sharedFilter?: string | null;
}

/**
 * What was durable when the last process ended, a piece at a time and in this order: of each session the session itself,
 * then what belongs to it; then retained messages and wills. What is in flight comes before what is queued, both in order
 * of their positions.
 */
export type StoredRecord =
  /** `offlineSinceMs` null: its client was connected when the process ended. May be before the start of the clock. */
  | ({
      readonly kind: 'session';
      readonly expirySeconds: number;
      readonly offlineSinceMs: number | null;
    } & StoredOwner)
  | { readonly kind: 'subscribed'; readonly clientId: string; readonly subscription: Omit<Subscription, 'target'> }
  | { readonly kind: 'received'; readonly clientId: string; readonly packetId: number }
  /** A message in flight; `isReleased`: PUBREC has come for it. */
  | {
      readonly kind: 'sent';
      readonly clientId: string;
      readonly row: QueueRow;
      readonly packetId: number;
      readonly isReleased: boolean;
    }
  | { readonly kind: 'queued'; readonly clientId: string; readonly row: QueueRow }
  /** Last of a session that has rows: how many wait in the journal only, above position `after`. */
  | {
      readonly kind: 'tail';
      readonly clientId: string;
      readonly after: number;
      readonly count: number;
      readonly payloadBytes: number;
      /** The highest position in use. */
      readonly lastPosition: number;
    }
  | { readonly kind: 'retained'; readonly message: OwnedMessage; readonly sinceMs: number }
  | ({ readonly kind: 'will'; readonly will: Will } & StoredOwner);

/** Keeps what must survive: memory with `persistence false`, SQLite otherwise. */
export interface Journal {
  /** Nothing outlives the process: it is told only of queue rows that no session holds in memory, and of ended sessions. */
  readonly isVolatile: boolean;
  /** Everything up to this ticket is durable. */
  readonly durable: Ticket;
  /** True while nothing can be made durable: QoS 1 and 2 for durable receivers are refused meanwhile. */
  readonly isFailing: boolean;
  /** True while more waits to be made durable than is good: publishers of QoS 1 and 2 to durable receivers are not read. */
  readonly isBehind: boolean;
  append(record: JournalRecord): Ticket;
  /** Called by the journal whenever `durable`, `isFailing` or `isBehind` has changed, never inside `append`. Set once, by the broker. */
  onProgress: () => void;
  /**
   * Hands over everything that is stored. Called once, before anything is appended. `headMax`: rows of a session's queue
   * that come as such, the rest counts as its tail. Rejects when what is stored cannot be read or is damaged; what was
   * handed over until then is worth nothing.
   */
  load(headMax: number, apply: (record: StoredRecord) => void): Promise<void>;
  /** The session's rows with a position above `after` that are not done and not held, oldest first, `limit` at most. */
  readQueue(clientId: string, after: number, limit: number): Promise<readonly QueueRow[]>;
  /** Makes everything durable that can be, then gives up what it holds. */
  close(): Promise<void>;
}

// ------------------------------------------------------------------------------------------------------ Operator

/** What the broker shows of itself, and what may be asked of it beside the protocol: `$SYS`, the HTTP API, a reload. */
export interface Operator {
  readonly counters: Counters;
  sizes(): BrokerSizes;
  /**
   * Publishes a message of the broker's own: nobody's rights are asked, `$SYS` is open. The payload is kept, not copied.
   * `topic` must be a valid topic name. `expirySeconds` absent: it does not expire.
   */
  publish(topic: string, payload: Uint8Array, options: OwnPublishOptions): void;
  /** The clients that are connected; whoever comes or goes meanwhile may be missing. */
  clients(): Iterable<ClientView>;
  /** All subscriptions, of clients that are away too; the filter as the client sent it, its mount point in front. */
  subscriptions(): Iterable<SubscriptionView>;
  /** Ends the connection of a client: v5 is told `reason`, the log `words`. @returns false: it is not connected. */
  disconnect(clientId: string, reason: ReasonCode, words: string): boolean;
  /** Asks `isStillWelcome` of all who are connected; who is not is disconnected as not authorized. @returns how many. */
  recheckClients(): number;
}

export interface SubscriptionView {
  readonly filter: string;
  readonly clientId: string;
  readonly qos: Qos;
}

export interface OwnPublishOptions {
  readonly qos: Qos;
  readonly retain: boolean;
  readonly expirySeconds?: number;
}

export interface ClientView {
  readonly identity: Identity;
  readonly version: ProtocolVersion;
  readonly remoteAddress: string;
  readonly security: PeerSecurity | null;
}

/** Counters since the start; plain numbers that the path of a packet increments. Bytes are those of whole packets. */
export interface Counters {
  /** Sockets; those that were closed at once because of a limit included. */
  connectionsAccepted: number;
  /** CONNECT packets. */
  connectsReceived: number;
  packetsReceived: number;
  packetsSent: number;
  bytesReceived: number;
  bytesSent: number;
  publishesReceived: number;
  publishesSent: number;
  /** Payload bytes of PUBLISH packets. */
  publishBytesReceived: number;
  publishBytesSent: number;
  /** Messages dropped because a queue was full, a right was missing at delivery, or a packet was too large. */
  publishesDropped: number;
  messagesExpired: number;
  /** Sessions that ended because nobody came back in time. */
  clientsExpired: number;
  protocolErrors: number;
  /** Broken promises of our own code that closed a connection. */
  internalErrors: number;
}

/** Sizes of what the broker holds now. */
export interface BrokerSizes {
  /** Open sockets, before and after CONNECT. */
  readonly connections: number;
  readonly clientsConnected: number;
  /** Sessions whose client is away. */
  readonly clientsDisconnected: number;
  /** All sessions. */
  readonly sessions: number;
  /** The most sessions that there were at a time. */
  readonly sessionsMaximum: number;
  /** All subscriptions, shared ones included. */
  readonly subscriptions: number;
  readonly sharedSubscriptions: number;
  readonly retained: number;
  /** Retained messages, and those that wait or are in flight, each counted once however many sessions hold it. */
  readonly storedMessages: number;
  /** Payload bytes of those. */
  readonly storedBytes: number;
  /** Connections with output that their sockets have not taken, and its bytes. */
  readonly unsentConnections: number;
  readonly unsentBytes: number;
  /** Chunks of output that connections hold: none when all are idle. */
  readonly outboxChunks: number;
}

export { UNKNOWN_OWNER } from './model/owner.ts';
export type { Delivery, OwnedMessage, Qos, Subscription, Ticket, Will };
