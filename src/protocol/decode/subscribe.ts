import type { FrameHeader } from '../frame.ts';
import { PacketType, type SubscribePacket, type SubscriptionRequest } from '../packets.ts';
import { malformed, violation } from '../protocol-error.ts';
import { advance, type Cursor, readByte, readU16 } from '../read.ts';
import { readTopicFilter } from '../topic.ts';
import type { ProtocolVersion } from '../version.ts';
import { bodyOf, qosOf, readPropertyBlock, readRequestId, requireFlags } from './fields.ts';

/**
 * SUBSCRIBE (section 3.8). A v5 subscription identifier is the one value of `properties.subscriptionIdentifiers`.
 *
 *   options   7,6 reserved | 5,4 retain handling | 3 retain as published | 2 no local | 1,0 QoS   (3.x: QoS alone)
 *
 * @throws ProtocolError malformed packet: flags [MQTT-3.8.1-1], packet id 0, reserved bits [MQTT-3.8.3-5]; protocol error:
 * no filter [MQTT-3.8.3-2], QoS 3 or retain handling 3, no local on a shared subscription [MQTT-3.8.3-4]; topic filter
 * invalid for a bad filter.
 */
export function decodeSubscribe(bytes: Uint8Array, header: FrameHeader, version: ProtocolVersion): SubscribePacket {
  requireFlags(header, 2, version, 'MQTT-3.8.1-1');
  const cursor = bodyOf(bytes, header);
  const packetId = readRequestId(cursor);
  const properties = readPropertyBlock(cursor, version, PacketType.Subscribe);
  const subscriptions: SubscriptionRequest[] = [];
  while (cursor.at < cursor.end) subscriptions.push(readRequest(cursor, version));
  if (subscriptions.length === 0) throw violation('MQTT-3.8.3-2', 'SUBSCRIBE without a topic filter');
  return { type: 'subscribe', packetId, subscriptions, properties };
}

function readRequest(cursor: Cursor, version: ProtocolVersion): SubscriptionRequest {
  const start = advance(cursor, readU16(cursor));
  const filter = readTopicFilter(cursor.bytes, start, cursor.at);
  const options = readByte(cursor);
  if ((options & (version === 5 ? 0xc0 : 0xfc)) !== 0) {
    throw malformed('MQTT-3.8.3-5', 'reserved bits of the subscription options are set');
  }
  const qos = qosOf(options & 3);
  if (qos === null) throw version === 5 ? violation('', 'QoS is 3') : malformed('MQTT-3.8.3-4', 'QoS is 3');
  const noLocal = (options & 0x04) !== 0;
  const retainAsPublished = (options & 0x08) !== 0;
  // Three values, encoded like QoS.
  const retainHandling = qosOf((options >>> 4) & 3);
  if (retainHandling === null) throw violation('', 'retain handling is 3');
  if (noLocal && filter.shareName !== null) throw violation('MQTT-3.8.3-4', 'no local on a shared subscription');
  return { filter, qos, noLocal, retainAsPublished, retainHandling };
}
