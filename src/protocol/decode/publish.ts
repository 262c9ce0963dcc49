/**
 * PUBLISH (section 3.3), the hot packet: offsets into the receive buffer, nothing copied, nothing made but an error.
 *
 *   firstByte   3 << 4 | dup << 3 | qos << 1 | retain
 *   body        topic name, [packet id if QoS > 0], [v5: properties], payload
 */
import { type FrameHeader, readVariableInteger, variableIntegerBytes } from '../frame.ts';
import type { PublishPacket } from '../packets.ts';
import { scanPublishProperties } from '../property-scan.ts';
import { malformed, violation } from '../protocol-error.ts';
import { cutOff, u16At } from '../read.ts';
import type { TopicNames } from '../topic.ts';
import type { ProtocolVersion } from '../version.ts';
import { qosOf } from './fields.ts';

/** An empty packet for `decodePublish` to fill, again and again. */
export function createPublishPacket(): PublishPacket {
  return {
    type: 'publish',
    dup: false,
    qos: 0,
    retain: false,
    packetId: 0,
    topic: null,
    topicAlias: 0,
    messageExpiryInterval: null,
    hasSubscriptionIdentifier: false,
    bytes: new Uint8Array(0),
    frameStart: 0,
    propertiesStart: 0,
    propertiesEnd: 0,
    payloadStart: 0,
    payloadEnd: 0,
  };
}

/**
 * Decodes the PUBLISH whose fixed header is `header` into `into`. A topic alias is not resolved here, and its upper bound
 * not checked; neither is who may send a subscription identifier. `into` is undefined after an error.
 * @throws ProtocolError malformed packet: QoS 3 [MQTT-3.3.1-4], DUP with QoS 0 [MQTT-3.3.1-2], cut off, bad UTF-8;
 * protocol error: packet id 0, an empty topic without alias (3.x: malformed); and what TopicNames and properties throw.
 */
export function decodePublish(
  bytes: Uint8Array,
  frameStart: number,
  header: FrameHeader,
  version: ProtocolVersion,
  topics: TopicNames,
  into: PublishPacket,
): void {
  const end = header.bodyEnd;
  readFlags(header.firstByte, into);
  const topicStart = header.bodyStart + 2;
  if (topicStart > end) throw cutOff();
  const topicEnd = topicStart + u16At(bytes, topicStart - 2);
  let at = topicEnd;
  if (at > end) throw cutOff();
  into.packetId = 0;
  if (into.qos !== 0) {
    if (at + 2 > end) throw cutOff();
    into.packetId = u16At(bytes, at);
    if (into.packetId === 0) throw violation('MQTT-2.2.1-3', 'packet identifier is 0');
    at += 2;
  }
  into.topicAlias = 0;
  into.messageExpiryInterval = null;
  into.hasSubscriptionIdentifier = false;
  into.propertiesStart = at;
  if (version === 5) at = readPublishProperties(bytes, at, end, into);
  into.propertiesEnd = at;
  into.topic = topicStart === topicEnd ? emptyTopic(version, into) : topics.read(bytes, topicStart, topicEnd);
  into.bytes = bytes;
  into.frameStart = frameStart;
  into.payloadStart = at;
  into.payloadEnd = end;
}

function readFlags(firstByte: number, into: PublishPacket): void {
  const qos = qosOf((firstByte >>> 1) & 3);
  if (qos === null) throw malformed('MQTT-3.3.1-4', 'QoS is 3');
  into.qos = qos;
  into.dup = (firstByte & 0x08) !== 0;
  into.retain = (firstByte & 0x01) !== 0;
  if (into.dup && qos === 0) throw malformed('MQTT-3.3.1-2', 'DUP is set with QoS 0');
}

/** Scans the properties and notes where they begin. Returns where they end. */
function readPublishProperties(bytes: Uint8Array, at: number, end: number, into: PublishPacket): number {
  const length = readVariableInteger(bytes, at, end);
  const propertiesStart = at + variableIntegerBytes(length);
  const propertiesEnd = propertiesStart + length;
  if (propertiesEnd > end) throw cutOff();
  into.propertiesStart = propertiesStart;
  if (length > 0) scanPublishProperties(bytes, propertiesStart, propertiesEnd, into);
  return propertiesEnd;
}

/** An empty topic stands for an alias; without one, and in 3.x, there is no topic at all. */
function emptyTopic(version: ProtocolVersion, into: PublishPacket): null {
  if (version !== 5) throw malformed('MQTT-4.7.3-1', 'topic is empty');
  if (into.topicAlias === 0) throw violation('', 'topic is empty and there is no topic alias');
  return null;
}
