import type { ReasonCode } from '../reasons.ts';
import type { ProtocolVersion } from '../version.ts';
import { writeU16 } from '../write.ts';

export type AckType = 'puback' | 'pubrec' | 'pubrel' | 'pubcomp';

/** The most that `writeAck` writes. */
export const ACK_BYTES_MAX = 5;

/**
 * Writes an acknowledgement without properties: 4 bytes; 5 in v5 when the reason is not success. 3.x has no reason, so it
 * is left out there. Returns the offset after it.
 */
export function writeAck(
  version: ProtocolVersion,
  type: AckType,
  packetId: number,
  reason: ReasonCode,
  into: Uint8Array,
  at: number,
): number {
  const hasReason = version === 5 && reason !== 0;
  into[at] = ackFirstByte(type);
  into[at + 1] = hasReason ? 3 : 2;
  const next = writeU16(packetId, into, at + 2);
  if (!hasReason) return next;
  into[next] = reason;
  return next + 1;
}

/** PUBREL has the flags 0010 [MQTT-3.6.1-1]. */
export function ackFirstByte(type: AckType): number {
  switch (type) {
    case 'puback':
      return 0x40;
    case 'pubrec':
      return 0x50;
    case 'pubrel':
      return 0x62;
    case 'pubcomp':
      return 0x70;
  }
}
