/** The packets that the campaign's clients send, as bytes. */
import { assert } from '../base/assert.ts';
import { encodeConnect } from '../protocol/encode/connect.ts';
import {
  encodeAck,
  encodeDisconnect,
  encodePublishPacket,
  encodeSubscribe,
  encodeUnsubscribe,
  PINGREQ_BYTES,
} from '../protocol/encode/packet.ts';
import { createPublishFields } from '../protocol/encode/publish.ts';
import { EMPTY_PROPERTIES } from '../protocol/packets.ts';
import { Reason } from '../protocol/reasons.ts';
import { parseTopicFilter, parseTopicName, type TopicFilter, type TopicName } from '../protocol/topic.ts';
import type { ProtocolVersion, Qos } from '../protocol/version.ts';

/** Keep Alive of the campaign's clients: none, they come and go by themselves. */
const KEEP_ALIVE_SECONDS = 0;
const NO_BYTES = new Uint8Array(0);
const encoder = new TextEncoder();

export interface ConnectPlan {
  readonly version: ProtocolVersion;
  readonly clientId: string;
  readonly isClean: boolean;
  /** v5: how long the session outlives the connection, in seconds. 3.x: 0 is a clean session. */
  readonly expirySeconds: number;
  readonly receiveMaximum?: number;
  readonly will?: WillPlan;
}

export interface WillPlan {
  readonly topic: string;
  readonly payload: string;
  readonly qos: Qos;
  /** v5. */
  readonly delaySeconds: number;
}

export function connectFrame(plan: ConnectPlan): Uint8Array {
  const { version, clientId, isClean, expirySeconds, will } = plan;
  return encodeConnect({
    type: 'connect',
    version,
    isBridge: false,
    clientId,
    cleanStart: isClean,
    keepAlive: KEEP_ALIVE_SECONDS,
    userName: null,
    password: null,
    will:
      will === undefined
        ? null
        : {
            topic: topicNameOf(will.topic),
            payload: encoder.encode(will.payload),
            qos: will.qos,
            retain: false,
            delaySeconds: will.delaySeconds,
            messageExpiryInterval: null,
            forwardedProperties: NO_BYTES,
          },
    properties: {
      ...EMPTY_PROPERTIES,
      sessionExpiryInterval: version === 5 ? expirySeconds : null,
      receiveMaximum: version === 5 ? (plan.receiveMaximum ?? null) : null,
    },
  });
}

export interface PublishPlan {
  readonly topic: TopicName;
  readonly payload: Uint8Array;
  readonly qos: Qos;
  readonly isRetained: boolean;
  readonly packetId: number;
  readonly isDup: boolean;
}

export function publishFrame(version: ProtocolVersion, plan: PublishPlan): Uint8Array {
  const fields = createPublishFields();
  fields.topic = plan.topic;
  fields.packetId = plan.packetId;
  fields.qos = plan.qos;
  fields.retain = plan.isRetained;
  fields.dup = plan.isDup;
  fields.bytes = plan.payload;
  fields.payloadEnd = plan.payload.length;
  return encodePublishPacket(fields, version);
}

export function ackFrame(version: ProtocolVersion, type: 'puback' | 'pubrec' | 'pubrel' | 'pubcomp', packetId: number) {
  return encodeAck({ type, packetId, reason: Reason.Success, properties: EMPTY_PROPERTIES }, version);
}

export interface SubscribePlan {
  readonly packetId: number;
  readonly filter: string;
  readonly qos: Qos;
  /** v5; 0 = none. */
  readonly identifier: number;
}

export function subscribeFrame(version: ProtocolVersion, plan: SubscribePlan): Uint8Array {
  const { packetId, filter, qos, identifier } = plan;
  const hasIdentifier = version === 5 && identifier !== 0;
  return encodeSubscribe(
    {
      type: 'subscribe',
      packetId,
      subscriptions: [
        { filter: topicFilterOf(filter), qos, noLocal: false, retainAsPublished: false, retainHandling: 0 },
      ],
      properties: { ...EMPTY_PROPERTIES, subscriptionIdentifiers: hasIdentifier ? [identifier] : null },
    },
    version,
  );
}

export function unsubscribeFrame(version: ProtocolVersion, packetId: number, filter: string): Uint8Array {
  const filters = [topicFilterOf(filter)];
  return encodeUnsubscribe({ type: 'unsubscribe', packetId, filters, properties: EMPTY_PROPERTIES }, version);
}

/** `withWill` (v5): the will is to be published all the same. */
export function disconnectFrame(version: ProtocolVersion, withWill = false): Uint8Array {
  const reason = withWill ? Reason.DisconnectWithWill : Reason.Success;
  return encodeDisconnect({ type: 'disconnect', reason, properties: EMPTY_PROPERTIES }, version);
}

export const PING_FRAME: Uint8Array = PINGREQ_BYTES;

export function topicNameOf(text: string): TopicName {
  const topic = parseTopicName(text);
  assert(topic !== null, `'${text}' is no topic name`);
  return topic;
}

function topicFilterOf(text: string): TopicFilter {
  const filter = parseTopicFilter(text);
  assert(filter !== null, `'${text}' is no topic filter`);
  return filter;
}
