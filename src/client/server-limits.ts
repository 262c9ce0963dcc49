import { FRAME_BYTES_MAX } from '../protocol/frame.ts';
import type { ConnackPacket } from '../protocol/packets.ts';
import type { TopicFilter } from '../protocol/topic.ts';
import type { ProtocolVersion, Qos } from '../protocol/version.ts';

/** What the server's CONNACK allows on this connection. */
export interface ServerLimits {
  /** QoS 1 and 2 messages unanswered at once. */
  readonly receiveMaximum: number;
  readonly maximumQos: Qos;
  readonly retainAvailable: boolean;
  readonly maximumPacketSize: number;
  /** 0 = no aliases. */
  readonly topicAliasMaximum: number;
  /** Null: the client's own value holds. */
  readonly serverKeepAlive: number | null;
  readonly wildcardsAvailable: boolean;
  readonly identifiersAvailable: boolean;
  readonly sharedAvailable: boolean;
}

/** Reads the limits out of CONNACK; what it does not say has the default of section 3.2.2.3. 3.x knows no limits. */
export function readServerLimits(connack: ConnackPacket, version: ProtocolVersion): ServerLimits {
  const { properties } = connack;
  return {
    receiveMaximum: properties.receiveMaximum ?? 65_535,
    maximumQos: properties.maximumQos ?? 2,
    retainAvailable: properties.retainAvailable !== 0,
    maximumPacketSize: properties.maximumPacketSize ?? FRAME_BYTES_MAX,
    topicAliasMaximum: properties.topicAliasMaximum ?? 0,
    serverKeepAlive: properties.serverKeepAlive,
    wildcardsAvailable: properties.wildcardSubscriptionAvailable !== 0,
    identifiersAvailable: version === 5 && properties.subscriptionIdentifierAvailable !== 0,
    sharedAvailable: properties.sharedSubscriptionAvailable !== 0,
  };
}

/** Why the server would not take this filter, or null. Asking all the same is a protocol error (section 3.2.2.3). */
export function refuseFilter(filter: TopicFilter, limits: ServerLimits): string | null {
  if (!limits.sharedAvailable && filter.shareName !== null) return 'the server has no shared subscriptions';
  const hasWildcard = filter.filter.includes('+') || filter.filter.includes('#');
  if (!limits.wildcardsAvailable && hasWildcard) return 'the server has no wildcard subscriptions';
  return null;
}
