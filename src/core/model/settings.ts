/**
 * What the core can be told, for all listeners. Names follow mosquitto.conf; 0 means unlimited where it does there. An
 * object of settings never changes: a reload puts another in its place (`Broker.change`), so whoever needs a value reads it
 * from its holder each time.
 */
export interface BrokerSettings {
  /** Sessions at a time, offline ones included; a client that has none yet is refused beyond it. -1 = no limit. */
  readonly globalMaxClients: number;
  /** Connections at a time of all listeners; one more is closed when it is accepted. -1 = no limit. */
  readonly globalMaxConnections: number;
  /** What a client id has to begin with (`clientid_prefixes`); null = anything. */
  readonly clientIdPrefixes: string | null;
  /** False: the log has no lines for clients that come and go (`connection_messages`). */
  readonly hasConnectionMessages: boolean;
  /** In-flight window of a client without Receive Maximum, and the Receive Maximum announced. 0 = 65535. */
  readonly maxInflightMessages: number;
  /** Payload bytes in flight per client; 0 = unlimited. */
  readonly maxInflightBytes: number;
  /** Messages queued per client beyond the window; 0 = unlimited. */
  readonly maxQueuedMessages: number;
  /** Payload bytes queued per client; 0 = unlimited. */
  readonly maxQueuedBytes: number;
  /** Rows of a durable session's queue kept in memory; the rest waits in the journal. */
  readonly queueHeadMax: number;
  readonly queueQos0Messages: boolean;
  /** Largest packet taken, whole, in bytes; announced as Maximum Packet Size. */
  readonly maxPacketSize: number;
  /** Largest payload that is passed on, in bytes; 0 = unlimited. */
  readonly messageSizeLimit: number;
  /** Bytes of memory in use above which the broker takes nothing new on (see MemoryGuard); 0 = unlimited. */
  readonly memoryLimitBytes: number;
  /** Seconds; 0 = any. v5 clients above it are told Server Keep Alive, 3.x clients are refused. */
  readonly maxKeepAlive: number;
  readonly retainAvailable: boolean;
  /** A retained message is held back while its publisher may not publish it any more. */
  readonly checkRetainSource: boolean;
  /** Seconds that a retained message without an expiry of its own is kept; null = for ever. */
  readonly retainExpirySeconds: number | null;
  /** True: one copy per matching subscription. False: one copy, at the highest QoS, with all identifiers. */
  readonly allowDuplicateMessages: boolean;
  /** True: messages leave with the QoS of the subscription, whatever they came with. */
  readonly upgradeOutgoingQos: boolean;
  /** Longest session expiry in seconds; null = no bound. */
  readonly persistentClientExpirationSeconds: number | null;
  /**
   * Milliseconds from a restart until the wills are published of clients that were connected when the process before was
   * killed, unless they return (`will_restart_grace`).
   */
  readonly willGraceMs: number;
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
  globalMaxClients: -1,
  globalMaxConnections: -1,
  clientIdPrefixes: null,
  hasConnectionMessages: true,
  maxInflightMessages: 20,
  maxInflightBytes: 0,
  maxQueuedMessages: 1000,
  maxQueuedBytes: 0,
  queueHeadMax: 1000,
  queueQos0Messages: false,
  maxPacketSize: 2_000_000,
  messageSizeLimit: 0,
  memoryLimitBytes: 0,
  maxKeepAlive: 0,
  retainAvailable: true,
  checkRetainSource: true,
  retainExpirySeconds: null,
  allowDuplicateMessages: true,
  upgradeOutgoingQos: false,
  persistentClientExpirationSeconds: null,
  willGraceMs: 30_000,
  connectDeadlineMs: 30_000,
  outboxHighBytes: 256 * 1024,
  outboxBytesMax: 16 * 1024 * 1024,
  stalledWriteMs: 60_000,
  subscriptionsPerSessionMax: 200_000,
  filterCharsPerSessionMax: 32 * 1024 * 1024,
});
