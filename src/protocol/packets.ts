/**
 * Every control packet as a plain value, for both directions. Times are in seconds and sizes in bytes, as on the wire.
 * An absent v5 property is null; in 3.1 and 3.1.1 `properties` is EMPTY_PROPERTIES.
 */
import type { ReasonCode } from './reasons.ts';
import type { TopicFilter, TopicName } from './topic.ts';
import type { ProtocolVersion, Qos } from './version.ts';

export const PacketType = {
  Connect: 1,
  Connack: 2,
  Publish: 3,
  Puback: 4,
  Pubrec: 5,
  Pubrel: 6,
  Pubcomp: 7,
  Subscribe: 8,
  Suback: 9,
  Unsubscribe: 10,
  Unsuback: 11,
  Pingreq: 12,
  Pingresp: 13,
  Disconnect: 14,
  Auth: 15,
} as const;
export type PacketType = (typeof PacketType)[keyof typeof PacketType];

export interface UserProperty {
  readonly name: string;
  readonly value: string;
}

/** All 27 properties of MQTT 5.0, section 2.2.2.2. */
export interface Properties {
  readonly payloadFormatIndicator: 0 | 1 | null;
  readonly messageExpiryInterval: number | null;
  readonly contentType: string | null;
  readonly responseTopic: string | null;
  readonly correlationData: Uint8Array | null;
  readonly subscriptionIdentifiers: readonly number[] | null;
  readonly sessionExpiryInterval: number | null;
  readonly assignedClientIdentifier: string | null;
  readonly serverKeepAlive: number | null;
  readonly authenticationMethod: string | null;
  readonly authenticationData: Uint8Array | null;
  readonly requestProblemInformation: 0 | 1 | null;
  readonly willDelayInterval: number | null;
  readonly requestResponseInformation: 0 | 1 | null;
  readonly responseInformation: string | null;
  readonly serverReference: string | null;
  readonly reasonString: string | null;
  readonly receiveMaximum: number | null;
  readonly topicAliasMaximum: number | null;
  readonly topicAlias: number | null;
  readonly maximumQos: 0 | 1 | null;
  readonly retainAvailable: 0 | 1 | null;
  readonly userProperties: readonly UserProperty[] | null;
  readonly maximumPacketSize: number | null;
  readonly wildcardSubscriptionAvailable: 0 | 1 | null;
  readonly subscriptionIdentifierAvailable: 0 | 1 | null;
  readonly sharedSubscriptionAvailable: 0 | 1 | null;
}

export const EMPTY_PROPERTIES: Properties = Object.freeze({
  payloadFormatIndicator: null,
  messageExpiryInterval: null,
  contentType: null,
  responseTopic: null,
  correlationData: null,
  subscriptionIdentifiers: null,
  sessionExpiryInterval: null,
  assignedClientIdentifier: null,
  serverKeepAlive: null,
  authenticationMethod: null,
  authenticationData: null,
  requestProblemInformation: null,
  willDelayInterval: null,
  requestResponseInformation: null,
  responseInformation: null,
  serverReference: null,
  reasonString: null,
  receiveMaximum: null,
  topicAliasMaximum: null,
  topicAlias: null,
  maximumQos: null,
  retainAvailable: null,
  userProperties: null,
  maximumPacketSize: null,
  wildcardSubscriptionAvailable: null,
  subscriptionIdentifierAvailable: null,
  sharedSubscriptionAvailable: null,
});

/** The will as CONNECT carries it. All bytes are owned. */
export interface WillPacket {
  readonly topic: TopicName;
  readonly payload: Uint8Array;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly delaySeconds: number;
  /** Seconds until the published will expires; null = never. */
  readonly messageExpiryInterval: number | null;
  /** The other will properties as they came, encoded, without delay and expiry. Empty in 3.x. */
  readonly forwardedProperties: Uint8Array;
}

export interface ConnectPacket {
  readonly type: 'connect';
  readonly version: ProtocolVersion;
  /** Mosquitto's private mark: level with bit 0x80 (3.x only): this client is a bridge. */
  readonly isBridge: boolean;
  readonly clientId: string;
  /** Clean Session in 3.x. */
  readonly cleanStart: boolean;
  /** Seconds; 0 = none. */
  readonly keepAlive: number;
  readonly userName: string | null;
  readonly password: Uint8Array | null;
  readonly will: WillPacket | null;
  readonly properties: Properties;
}

export interface ConnackPacket {
  readonly type: 'connack';
  readonly sessionPresent: boolean;
  /** v5 reason code; in 3.x the return code 0 to 5. */
  readonly reason: number;
  readonly properties: Properties;
}

/**
 * A PUBLISH as decoded: offsets into the borrowed buffer, no copy. `decodePublish` fills one reused object, whose
 * content is valid until the next call or the end of the handler.
 */
export interface PublishPacket {
  type: 'publish';
  dup: boolean;
  qos: Qos;
  retain: boolean;
  /** 0 for QoS 0. */
  packetId: number;
  /** Null: empty topic, to be resolved by `topicAlias`. */
  topic: TopicName | null;
  /** 0 = none. (A received alias 0 is a protocol error.) */
  topicAlias: number;
  /** Seconds, null = never. */
  messageExpiryInterval: number | null;
  /** True when a Subscription Identifier was in it: a client must not send one, a broker may. */
  hasSubscriptionIdentifier: boolean;
  bytes: Uint8Array;
  /** First byte of the fixed header. */
  frameStart: number;
  /** The properties after their length; equal offsets when there are none. Validated, not decoded. */
  propertiesStart: number;
  propertiesEnd: number;
  payloadStart: number;
  /** Also the end of the frame. */
  payloadEnd: number;
}

/** PUBACK, PUBREC, PUBREL, PUBCOMP. In 3.x the reason is 0. */
export interface AckPacket {
  readonly type: 'puback' | 'pubrec' | 'pubrel' | 'pubcomp';
  readonly packetId: number;
  readonly reason: ReasonCode;
  readonly properties: Properties;
}

export interface SubscriptionRequest {
  readonly filter: TopicFilter;
  readonly qos: Qos;
  readonly noLocal: boolean;
  readonly retainAsPublished: boolean;
  readonly retainHandling: 0 | 1 | 2;
}

export interface SubscribePacket {
  readonly type: 'subscribe';
  readonly packetId: number;
  readonly subscriptions: readonly SubscriptionRequest[];
  readonly properties: Properties;
}

/** SUBACK and UNSUBACK: a reason per filter, in order. UNSUBACK of 3.x has none. */
export interface SubackPacket {
  readonly type: 'suback' | 'unsuback';
  readonly packetId: number;
  readonly reasons: readonly ReasonCode[];
  readonly properties: Properties;
}

export interface UnsubscribePacket {
  readonly type: 'unsubscribe';
  readonly packetId: number;
  readonly filters: readonly TopicFilter[];
  readonly properties: Properties;
}

export interface PingPacket {
  readonly type: 'pingreq' | 'pingresp';
}

export interface DisconnectPacket {
  readonly type: 'disconnect';
  /** 0 in 3.x. */
  readonly reason: ReasonCode;
  readonly properties: Properties;
}

export interface AuthPacket {
  readonly type: 'auth';
  readonly reason: ReasonCode;
  readonly properties: Properties;
}

export type Packet =
  | ConnectPacket
  | ConnackPacket
  | PublishPacket
  | AckPacket
  | SubscribePacket
  | SubackPacket
  | UnsubscribePacket
  | PingPacket
  | DisconnectPacket
  | AuthPacket;
