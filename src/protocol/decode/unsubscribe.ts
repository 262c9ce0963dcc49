import type { FrameHeader } from '../frame.ts';
import { PacketType, type UnsubscribePacket } from '../packets.ts';
import { violation } from '../protocol-error.ts';
import { advance, readU16 } from '../read.ts';
import { readTopicFilter, type TopicFilter } from '../topic.ts';
import type { ProtocolVersion } from '../version.ts';
import { bodyOf, readPropertyBlock, readRequestId, requireFlags } from './fields.ts';

/**
 * UNSUBSCRIBE (section 3.10).
 * @throws ProtocolError malformed packet: flags [MQTT-3.10.1-1], packet id 0; protocol error: no filter [MQTT-3.10.3-2];
 * topic filter invalid for a bad filter.
 */
export function decodeUnsubscribe(bytes: Uint8Array, header: FrameHeader, version: ProtocolVersion): UnsubscribePacket {
  requireFlags(header, 2, version, 'MQTT-3.10.1-1');
  const cursor = bodyOf(bytes, header);
  const packetId = readRequestId(cursor);
  const properties = readPropertyBlock(cursor, version, PacketType.Unsubscribe);
  const filters: TopicFilter[] = [];
  while (cursor.at < cursor.end) {
    const start = advance(cursor, readU16(cursor));
    filters.push(readTopicFilter(bytes, start, cursor.at));
  }
  if (filters.length === 0) throw violation('MQTT-3.10.3-2', 'UNSUBSCRIBE without a topic filter');
  return { type: 'unsubscribe', packetId, filters, properties };
}
