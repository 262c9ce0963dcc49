/** The table of topics: names, aliases and where each value comes from. Section 10 of the reference, without the loads. */
import type { BrokerSizes, Counters } from '../../core/ports.ts';

/** Everything that one pass looks at, read once. */
export interface SysReading {
  readonly versionText: string;
  /** Whole seconds. */
  readonly uptimeSeconds: number;
  readonly counters: Readonly<Counters>;
  readonly sizes: BrokerSizes;
  readonly memoryBytes: number;
  readonly memoryBytesMaximum: number;
}

export interface SysValue {
  readonly topic: string;
  /** Null: not shown yet. */
  readonly read: (reading: SysReading) => number | string | null;
}

/** In the order in which they are published. */
export const SYS_VALUES: readonly SysValue[] = [
  { topic: '$SYS/broker/version', read: ({ versionText }) => versionText },
  { topic: '$SYS/broker/uptime', read: ({ uptimeSeconds }) => `${uptimeSeconds} seconds` },

  { topic: '$SYS/broker/clients/total', read: ({ sizes }) => sizes.sessions },
  { topic: '$SYS/broker/clients/maximum', read: maximum },
  { topic: '$SYS/broker/clients/inactive', read: ({ sizes }) => sizes.clientsDisconnected },
  { topic: '$SYS/broker/clients/disconnected', read: ({ sizes }) => sizes.clientsDisconnected },
  { topic: '$SYS/broker/clients/active', read: ({ sizes }) => sizes.clientsConnected },
  { topic: '$SYS/broker/clients/connected', read: ({ sizes }) => sizes.clientsConnected },
  { topic: '$SYS/broker/clients/expired', read: ({ counters }) => counters.clientsExpired },

  { topic: '$SYS/broker/messages/stored', read: ({ sizes }) => sizes.storedMessages },
  { topic: '$SYS/broker/store/messages/count', read: ({ sizes }) => sizes.storedMessages },
  { topic: '$SYS/broker/store/messages/bytes', read: ({ sizes }) => sizes.storedBytes },
  { topic: '$SYS/broker/subscriptions/count', read: plainSubscriptions },
  { topic: '$SYS/broker/shared_subscriptions/count', read: ({ sizes }) => sizes.sharedSubscriptions },
  { topic: '$SYS/broker/retained messages/count', read: ({ sizes }) => sizes.retained },

  { topic: '$SYS/broker/heap/current', read: ({ memoryBytes }) => memoryBytes },
  { topic: '$SYS/broker/heap/maximum', read: ({ memoryBytesMaximum }) => memoryBytesMaximum },

  { topic: '$SYS/broker/messages/received', read: ({ counters }) => counters.packetsReceived },
  { topic: '$SYS/broker/messages/sent', read: ({ counters }) => counters.packetsSent },
  { topic: '$SYS/broker/bytes/received', read: ({ counters }) => counters.bytesReceived },
  { topic: '$SYS/broker/bytes/sent', read: ({ counters }) => counters.bytesSent },
  { topic: '$SYS/broker/publish/messages/received', read: ({ counters }) => counters.publishesReceived },
  { topic: '$SYS/broker/publish/messages/sent', read: ({ counters }) => counters.publishesSent },
  { topic: '$SYS/broker/publish/messages/dropped', read: ({ counters }) => counters.publishesDropped },
  { topic: '$SYS/broker/publish/bytes/received', read: ({ counters }) => counters.publishBytesReceived },
  { topic: '$SYS/broker/publish/bytes/sent', read: ({ counters }) => counters.publishBytesSent },
  { topic: '$SYS/broker/packet/out/count', read: ({ sizes }) => sizes.unsentConnections },
  { topic: '$SYS/broker/packet/out/bytes', read: ({ sizes }) => sizes.unsentBytes },
  { topic: '$SYS/broker/connections/socket/count', read: ({ sizes }) => sizes.connections },
];

/** As Mosquitto: not shown before there were two. */
function maximum({ sizes }: SysReading): number | null {
  return sizes.sessionsMaximum > 1 ? sizes.sessionsMaximum : null;
}

/** Those of shared subscriptions have a topic of their own. */
function plainSubscriptions({ sizes }: SysReading): number {
  return sizes.subscriptions - sizes.sharedSubscriptions;
}
