/** From ConnectOptions to the CONNECT packet. */
import type { ConnectPacket, WillPacket } from '../protocol/packets.ts';
import { parseTopicName } from '../protocol/topic.ts';
import type { ProtocolVersion } from '../protocol/version.ts';
import type { ConnectOptions, ConnectProperties, WillOptions } from './client-types.ts';
import { ClientError } from './client-types.ts';
import { allProperties, encodeForwarded } from './some-properties.ts';

export const KEEP_ALIVE_SECONDS_DEFAULT = 60;
const NO_BYTES = new Uint8Array(0);
const encoder = new TextEncoder();

/** @throws ClientError (refused) for what the protocol cannot express. */
export function connectPacket(options: ConnectOptions): ConnectPacket {
  const { version, clientId, cleanStart = true, keepAliveSeconds = KEEP_ALIVE_SECONDS_DEFAULT } = options;
  if (!Number.isInteger(keepAliveSeconds) || keepAliveSeconds < 0 || keepAliveSeconds > 65_535) {
    throw new ClientError('refused', `keepAliveSeconds must be 0 to 65535, got ${keepAliveSeconds}`);
  }
  // [MQTT-3.1.2-22] of 3.1.1
  if (version !== 5 && options.password !== undefined && options.userName === undefined) {
    throw new ClientError('refused', 'a password needs a user name before MQTT 5.0');
  }
  return {
    type: 'connect',
    version,
    isBridge: false,
    clientId,
    cleanStart,
    keepAlive: keepAliveSeconds,
    userName: options.userName ?? null,
    password: options.password === undefined ? null : bytesOf(options.password),
    will: options.will === undefined ? null : willPacket(options.will, version),
    properties: allProperties(options.properties, version),
  };
}

/** The announced maximum of aliases and messages; what 3.x cannot announce the server does not know of. */
export function announced(options: ConnectOptions): {
  readonly receiveMaximum: number;
  readonly topicAliasMaximum: number;
} {
  const properties: ConnectProperties = options.version === 5 ? (options.properties ?? {}) : {};
  return {
    receiveMaximum: properties.receiveMaximum ?? 65_535,
    topicAliasMaximum: properties.topicAliasMaximum ?? 0,
  };
}

function willPacket(will: WillOptions, version: ProtocolVersion): WillPacket {
  const topic = parseTopicName(will.topic);
  if (topic === null) throw new ClientError('refused', 'the topic of the will is no topic name');
  const properties = version === 5 ? (will.properties ?? {}) : {};
  return {
    topic,
    payload: bytesOf(will.payload),
    qos: will.qos ?? 0,
    retain: will.retain ?? false,
    delaySeconds: version === 5 ? (will.delaySeconds ?? properties.willDelayInterval ?? 0) : 0,
    messageExpiryInterval: properties.messageExpiryInterval ?? null,
    forwardedProperties: version === 5 ? encodeForwarded(properties, 'will') : NO_BYTES,
  };
}

function bytesOf(value: Uint8Array | string): Uint8Array {
  return typeof value === 'string' ? encoder.encode(value) : value;
}
