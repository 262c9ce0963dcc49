import type { Qos } from '../../protocol/version.ts';

/** What the core can be told. Names follow mosquitto.conf; 0 means unlimited where it does there. */
export interface BrokerSettings {
  readonly allowZeroLengthClientId: boolean;
  /** In front of ids that the broker assigns. */
  readonly autoIdPrefix: string;
  /** In-flight window of a client without Receive Maximum, and the Receive Maximum announced. 0 = 65535. */
  readonly maxInflightMessages: number;
  /** Messages queued per client beyond the window; 0 = unlimited. */
  readonly maxQueuedMessages: number;
  /** Payload bytes queued per client; 0 = unlimited. */
  readonly maxQueuedBytes: number;
  /** Rows of a durable session's queue kept in memory; the rest waits in the journal. */
  readonly queueHeadMax: number;
  readonly queueQos0Messages: boolean;
  /** Largest packet taken, whole, in bytes; announced as Maximum Packet Size. */
  readonly maxPacketSize: number;
  /** Seconds; 0 = any. v5 clients above it are told Server Keep Alive, 3.x clients are refused. */
  readonly maxKeepAlive: number;
  readonly maxQos: Qos;
  readonly retainAvailable: boolean;
  /** Aliases taken from a v5 client. */
  readonly maxTopicAlias: number;
  /** Aliases given to a v5 client, at most what it allows. */
  readonly maxTopicAliasBroker: number;
  /** True: one copy per matching subscription. False: one copy, at the highest QoS, with all identifiers. */
  readonly allowDuplicateMessages: boolean;
  /** Longest session expiry in seconds; null = no bound. */
  readonly persistentClientExpirationSeconds: number | null;
  /** Milliseconds from accept to a complete CONNECT. */
  readonly connectDeadlineMs: number;
  /** Bytes waiting for a peer's socket above which its messages stay in the session's queue. */
  readonly outboxHighBytes: number;
  /** Bytes waiting above which the connection is ended: the peer sends requests and reads no answers. */
  readonly outboxBytesMax: number;
  /** Milliseconds a socket may take no byte while bytes wait, before the connection is ended. */
  readonly stalledWriteMs: number;
  /** Subscriptions of one session; one more is refused with quota exceeded. */
  readonly subscriptionsPerSessionMax: number;
  /** Characters of all filters of one session; beyond them likewise. */
  readonly filterCharsPerSessionMax: number;
}

export const DEFAULT_SETTINGS: BrokerSettings = Object.freeze({
  allowZeroLengthClientId: true,
  autoIdPrefix: 'auto-',
  maxInflightMessages: 20,
  maxQueuedMessages: 1000,
  maxQueuedBytes: 0,
  queueHeadMax: 1000,
  queueQos0Messages: false,
  maxPacketSize: 2_000_000,
  maxKeepAlive: 0,
  maxQos: 2,
  retainAvailable: true,
  maxTopicAlias: 10,
  maxTopicAliasBroker: 10,
  allowDuplicateMessages: true,
  persistentClientExpirationSeconds: null,
  connectDeadlineMs: 30_000,
  outboxHighBytes: 256 * 1024,
  outboxBytesMax: 16 * 1024 * 1024,
  stalledWriteMs: 60_000,
  subscriptionsPerSessionMax: 200_000,
  filterCharsPerSessionMax: 32 * 1024 * 1024,
});
