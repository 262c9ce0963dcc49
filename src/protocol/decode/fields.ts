/** Fields that many packets share. */
import type { FrameHeader } from '../frame.ts';
import { EMPTY_PROPERTIES, PacketType, type Properties } from '../packets.ts';
import { type PropertyPacket, readProperties } from '../properties.ts';
import { malformed, violation } from '../protocol-error.ts';
import { advance, type Cursor, readByte, readU16, readVariable } from '../read.ts';
import type { ReasonCode, ReasonTable } from '../reasons.ts';
import type { ProtocolVersion, Qos } from '../version.ts';

/** Who sent the packet. */
export type Sender = 'client' | 'server';

/** A cursor over the body of a packet. */
export function bodyOf(bytes: Uint8Array, header: FrameHeader): Cursor {
  return { bytes, at: header.bodyStart, end: header.bodyEnd };
}

/** The packet type in the fixed header; null for the reserved type 0. */
export function packetTypeOf(header: FrameHeader): PacketType | null {
  return PACKET_TYPES[header.firstByte >>> 4] ?? null;
}

const PACKET_TYPES: readonly (PacketType | null)[] = [null, ...Object.values(PacketType)];

/** Checks the reserved flags of the fixed header [MQTT-2.1.3-1]. In 3.1 they had no fixed value, so they are not looked at. */
export function requireFlags(header: FrameHeader, flags: number, version: ProtocolVersion, statement: string): void {
  if (version !== 3 && (header.firstByte & 0x0f) !== flags) {
    throw malformed(statement, `fixed header flags must be ${flags}, not ${header.firstByte & 0x0f}`);
  }
}

/** A packet whose body must be empty. */
export function requireEmptyBody(header: FrameHeader): void {
  if (header.bodyEnd !== header.bodyStart) throw malformed('', 'the packet must have no body');
}

/** Nothing may follow the last field. */
export function requireEnd(cursor: Cursor): void {
  if (cursor.at !== cursor.end) throw malformed('', `${cursor.end - cursor.at} bytes follow the last field`);
}

/** A packet identifier that answers another packet: never 0. */
export function readAnsweredId(cursor: Cursor): number {
  const packetId = readU16(cursor);
  if (packetId === 0) throw violation('MQTT-2.2.1-3', 'packet identifier is 0');
  return packetId;
}

/** The packet identifier of SUBSCRIBE and UNSUBSCRIBE. 0 is malformed, as Mosquitto judges it. */
export function readRequestId(cursor: Cursor): number {
  const packetId = readU16(cursor);
  if (packetId === 0) throw malformed('MQTT-2.2.1-3', 'packet identifier is 0');
  return packetId;
}

/** Properties with their length in front; none in 3.x. */
export function readPropertyBlock(cursor: Cursor, version: ProtocolVersion, packet: PropertyPacket): Properties {
  if (version !== 5) return EMPTY_PROPERTIES;
  const length = readVariable(cursor);
  const start = advance(cursor, length);
  return readProperties(cursor.bytes, start, cursor.at, packet);
}

/** A reason code that is listed for the packet. `statement` is the rule that lists them. */
export function readReason(cursor: Cursor, listed: ReasonTable, statement: string): ReasonCode {
  const code = readByte(cursor);
  const reason = listed[code] ?? null;
  if (reason === null) throw unlistedReason(code, statement);
  return reason;
}

export function unlistedReason(code: number, statement: string): Error {
  return violation(statement, `reason code 0x${code.toString(16).padStart(2, '0')} is not listed for this packet`);
}

/** Two bits as QoS; null for 3. */
export function qosOf(bits: number): Qos | null {
  if (bits === 0) return 0;
  if (bits === 1) return 1;
  return bits === 2 ? 2 : null;
}
