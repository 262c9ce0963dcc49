import type { FrameHeader } from '../frame.ts';
import { PacketType, type SubackPacket } from '../packets.ts';
import { malformed } from '../protocol-error.ts';
import type { Cursor } from '../read.ts';
import {
  type ReasonCode,
  type ReasonTable,
  SUBACK_REASONS,
  SUBACK_RETURN_CODES,
  UNSUBACK_REASONS,
} from '../reasons.ts';
import type { ProtocolVersion } from '../version.ts';
import { bodyOf, readAnsweredId, readPropertyBlock, readReason, requireEnd, requireFlags } from './fields.ts';

/**
 * SUBACK and UNSUBACK (sections 3.9 and 3.11). Whether there are as many reasons as filters is for the caller to compare.
 * @throws ProtocolError malformed packet: flags, no reason at all; protocol error: packet id 0, a reason that is not
 * listed [MQTT-3.9.3-2] [MQTT-3.11.3-2].
 */
export function decodeSuback(bytes: Uint8Array, header: FrameHeader, version: ProtocolVersion): SubackPacket {
  requireFlags(header, 0, version, 'MQTT-2.1.3-1');
  const cursor = bodyOf(bytes, header);
  const packetId = readAnsweredId(cursor);
  if (header.firstByte >>> 4 === PacketType.Suback) {
    const properties = readPropertyBlock(cursor, version, PacketType.Suback);
    const listed = version === 5 ? SUBACK_REASONS : SUBACK_RETURN_CODES;
    return { type: 'suback', packetId, reasons: readReasons(cursor, listed, 'MQTT-3.9.3-2'), properties };
  }
  const properties = readPropertyBlock(cursor, version, PacketType.Unsuback);
  if (version === 5) {
    const reasons = readReasons(cursor, UNSUBACK_REASONS, 'MQTT-3.11.3-2');
    return { type: 'unsuback', packetId, reasons, properties };
  }
  requireEnd(cursor);
  return { type: 'unsuback', packetId, reasons: [], properties };
}

function readReasons(cursor: Cursor, listed: ReasonTable, statement: string): ReasonCode[] {
  if (cursor.at === cursor.end) throw malformed(statement, 'no reason code');
  const reasons: ReasonCode[] = [];
  while (cursor.at < cursor.end) reasons.push(readReason(cursor, listed, statement));
  return reasons;
}
