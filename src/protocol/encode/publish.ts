/**
 * PUBLISH out, the hot packet: first its size, then its bytes into a buffer that has room. A long payload may be left out
 * here and sent by reference behind the rest.
 */
import { assert } from '../../base/assert.ts';
import { FRAME_BYTES_MAX, variableIntegerBytes, writeVariableInteger } from '../frame.ts';
import { writeIdentifiers } from '../properties.ts';
import { PropertyId } from '../property-table.ts';
import type { TopicName } from '../topic.ts';
import type { ProtocolVersion, Qos } from '../version.ts';
import { copyInto, writeU16, writeU32 } from '../write.ts';

const NO_BYTES = new Uint8Array(0);

/** What a PUBLISH is written from; one reused object in the broker. The v5 fields are ignored in 3.x. */
export interface PublishFields {
  /** Null: an empty topic, alias only (v5). */
  topic: TopicName | null;
  /** Not sent with QoS 0. */
  packetId: number;
  qos: Qos;
  retain: boolean;
  /** Not sent with QoS 0. */
  dup: boolean;
  /** 0 = none. */
  topicAlias: number;
  /** Seconds that are left, null = never. */
  messageExpiryInterval: number | null;
  subscriptionIdentifiers: readonly number[] | null;
  /** Encoded, without a length in front, as `copyForwardedProperties` returns them. */
  forwardedProperties: Uint8Array;
  /** The payload is `bytes[payloadStart, payloadEnd)`. */
  bytes: Uint8Array;
  payloadStart: number;
  payloadEnd: number;
}

/** Empty fields to be filled, again and again. */
export function createPublishFields(): PublishFields {
  return {
    topic: null,
    packetId: 0,
    qos: 0,
    retain: false,
    dup: false,
    topicAlias: 0,
    messageExpiryInterval: null,
    subscriptionIdentifiers: null,
    forwardedProperties: NO_BYTES,
    bytes: NO_BYTES,
    payloadStart: 0,
    payloadEnd: 0,
  };
}

/** Bytes of the whole frame, payload included. A frame above FRAME_BYTES_MAX cannot be written. */
export function publishFrameBytes(version: ProtocolVersion, fields: PublishFields): number {
  let body = 2 + fields.payloadEnd - fields.payloadStart;
  if (fields.topic !== null) body += fields.topic.bytes.length;
  if (fields.qos !== 0) body += 2;
  if (version === 5) {
    const count = publishPropertiesBytes(fields);
    body += variableIntegerBytes(count) + count;
  }
  return 1 + variableIntegerBytes(body) + body;
}

/**
 * Writes the frame at `at`. `frameBytes` is what `publishFrameBytes` said of these fields. With `withPayload` false all but
 * the payload is written, whose bytes must follow. Returns the offset after what was written.
 */
export function writePublish(
  version: ProtocolVersion,
  fields: PublishFields,
  frameBytes: number,
  into: Uint8Array,
  at: number,
  withPayload: boolean,
): number {
  const { topic, qos } = fields;
  assert(frameBytes <= FRAME_BYTES_MAX, 'a PUBLISH larger than MQTT can carry');
  assert(topic !== null || (version === 5 && fields.topicAlias !== 0), 'a PUBLISH with neither topic nor alias');
  into[at] = publishFirstByte(fields);
  let next = writeVariableInteger(bodyBytesOf(frameBytes), into, at + 1);
  next = writeU16(topic === null ? 0 : topic.bytes.length, into, next);
  if (topic !== null) next = copyInto(topic.bytes, 0, topic.bytes.length, into, next);
  if (qos !== 0) next = writeU16(fields.packetId, into, next);
  if (version === 5) next = writePublishProperties(fields, into, next);
  const payloadBytes = fields.payloadEnd - fields.payloadStart;
  assert(next + payloadBytes === at + frameBytes, 'the fields of a PUBLISH changed after it was measured');
  return withPayload ? copyInto(fields.bytes, fields.payloadStart, fields.payloadEnd, into, next) : next;
}

/** DUP is 0 with QoS 0 [MQTT-3.3.1-2]. */
function publishFirstByte(fields: PublishFields): number {
  const dup = fields.dup && fields.qos !== 0 ? 0x08 : 0;
  return 0x30 | dup | (fields.qos << 1) | (fields.retain ? 1 : 0);
}

/** The remaining length of a frame of this size: what is left without the first byte and the length itself. */
function bodyBytesOf(frameBytes: number): number {
  if (frameBytes <= 0x7f + 2) return frameBytes - 2;
  if (frameBytes <= 0x3fff + 3) return frameBytes - 3;
  return frameBytes <= 0x1fffff + 4 ? frameBytes - 4 : frameBytes - 5;
}

function publishPropertiesBytes(fields: PublishFields): number {
  let count = fields.forwardedProperties.length;
  if (fields.topicAlias !== 0) count += 3;
  if (fields.messageExpiryInterval !== null) count += 5;
  if (fields.subscriptionIdentifiers !== null) {
    for (const identifier of fields.subscriptionIdentifiers) count += 1 + variableIntegerBytes(identifier);
  }
  return count;
}

/** Alias 0 is never sent [MQTT-3.3.2-8]; what is forwarded keeps its order [MQTT-3.3.2-18]. */
function writePublishProperties(fields: PublishFields, into: Uint8Array, at: number): number {
  const { topicAlias, messageExpiryInterval, subscriptionIdentifiers, forwardedProperties } = fields;
  let next = writeVariableInteger(publishPropertiesBytes(fields), into, at);
  if (topicAlias !== 0) {
    into[next] = PropertyId.TopicAlias;
    next = writeU16(topicAlias, into, next + 1);
  }
  if (messageExpiryInterval !== null) {
    into[next] = PropertyId.MessageExpiryInterval;
    next = writeU32(messageExpiryInterval, into, next + 1);
  }
  if (subscriptionIdentifiers !== null) next = writeIdentifiers(subscriptionIdentifiers, into, next);
  return copyInto(forwardedProperties, 0, forwardedProperties.length, into, next);
}
