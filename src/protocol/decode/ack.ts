/** PUBACK, PUBREC, PUBREL, PUBCOMP (sections 3.4 to 3.7): packet id, v5: [reason, [properties]]. */
import { type FrameHeader, readVariableInteger, variableIntegerBytes } from '../frame.ts';
import { type AckPacket, EMPTY_PROPERTIES, PacketType, type Properties } from '../packets.ts';
import { readProperties } from '../properties.ts';
import { scanProperties } from '../property-scan.ts';
import { malformed, violation } from '../protocol-error.ts';
import { cutOff, u16At } from '../read.ts';
import { PUBACK_REASONS, PUBREL_REASONS, type ReasonCode } from '../reasons.ts';
import type { ProtocolVersion } from '../version.ts';
import { requireFlags, unlistedReason } from './fields.ts';

export interface AckFields {
  packetId: number;
  reason: ReasonCode;
}

export function createAckFields(): AckFields {
  return { packetId: 0, reason: 0 };
}

type AckType =
  | typeof PacketType.Puback
  | typeof PacketType.Pubrec
  | typeof PacketType.Pubrel
  | typeof PacketType.Pubcomp;

const NAMES = {
  [PacketType.Puback]: 'puback',
  [PacketType.Pubrec]: 'pubrec',
  [PacketType.Pubrel]: 'pubrel',
  [PacketType.Pubcomp]: 'pubcomp',
} as const;

/**
 * Decodes the acknowledgement into `into`; its properties are checked and dropped.
 * @throws ProtocolError malformed packet: wrong flags (PUBREL: 2 [MQTT-3.6.1-1]), wrong length, bad properties; protocol
 * error: packet id 0, a reason code that is not listed for this packet.
 */
export function decodeAckInto(bytes: Uint8Array, header: FrameHeader, version: ProtocolVersion, into: AckFields): void {
  const type = ackTypeOf(header);
  const start = header.bodyStart;
  const count = header.bodyEnd - start;
  checkAckHeader(header, version, type, count);
  into.packetId = u16At(bytes, start);
  if (into.packetId === 0) throw violation('MQTT-2.2.1-3', 'packet identifier is 0');
  into.reason = 0;
  if (count === 2) return;
  into.reason = ackReason(bytes[start + 2]!, type);
  if (count > 3) scanProperties(bytes, ackPropertiesStart(bytes, header), header.bodyEnd, type);
}

/** Decodes the acknowledgement with its properties. Errors are those of `decodeAckInto`. */
export function decodeAck(bytes: Uint8Array, header: FrameHeader, version: ProtocolVersion): AckPacket {
  const fields = createAckFields();
  decodeAckInto(bytes, header, version, fields);
  const type = ackTypeOf(header);
  const properties = header.bodyEnd - header.bodyStart > 3 ? ackProperties(bytes, header, type) : EMPTY_PROPERTIES;
  return { type: NAMES[type], packetId: fields.packetId, reason: fields.reason, properties };
}

function ackTypeOf(header: FrameHeader): AckType {
  switch (header.firstByte >>> 4) {
    case PacketType.Puback:
      return PacketType.Puback;
    case PacketType.Pubrec:
      return PacketType.Pubrec;
    case PacketType.Pubrel:
      return PacketType.Pubrel;
    case PacketType.Pubcomp:
      return PacketType.Pubcomp;
    default:
      throw malformed('', 'not an acknowledgement');
  }
}

function checkAckHeader(header: FrameHeader, version: ProtocolVersion, type: AckType, count: number): void {
  if (type === PacketType.Pubrel) requireFlags(header, 2, version, 'MQTT-3.6.1-1');
  else requireFlags(header, 0, version, 'MQTT-2.1.3-1');
  if (count < 2) throw cutOff();
  if (version !== 5 && count !== 2) throw malformed('', `an acknowledgement has 2 bytes, not ${count}`);
}

function ackReason(code: number, type: AckType): ReasonCode {
  const isFirstAnswer = type === PacketType.Puback || type === PacketType.Pubrec;
  const reason = (isFirstAnswer ? PUBACK_REASONS : PUBREL_REASONS)[code] ?? null;
  if (reason === null) throw unlistedReason(code, `MQTT-3.${type}.2-1`);
  return reason;
}

/** Where the properties begin; they end with the packet. */
function ackPropertiesStart(bytes: Uint8Array, header: FrameHeader): number {
  const at = header.bodyStart + 3;
  const length = readVariableInteger(bytes, at, header.bodyEnd);
  const start = at + variableIntegerBytes(length);
  if (start + length !== header.bodyEnd) throw malformed('', 'the properties do not end with the packet');
  return start;
}

function ackProperties(bytes: Uint8Array, header: FrameHeader, type: AckType): Properties {
  return readProperties(bytes, ackPropertiesStart(bytes, header), header.bodyEnd, type);
}
