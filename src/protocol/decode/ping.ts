import type { FrameHeader } from '../frame.ts';
import { PacketType, type PingPacket } from '../packets.ts';
import type { ProtocolVersion } from '../version.ts';
import { requireEmptyBody, requireFlags } from './fields.ts';

/** PINGREQ and PINGRESP (sections 3.12 and 3.13). @throws ProtocolError malformed packet: flags, or a body. */
export function decodePing(_bytes: Uint8Array, header: FrameHeader, version: ProtocolVersion): PingPacket {
  requireFlags(header, 0, version, 'MQTT-2.1.3-1');
  requireEmptyBody(header);
  return header.firstByte >>> 4 === PacketType.Pingreq ? PINGREQ : PINGRESP;
}

const PINGREQ: PingPacket = Object.freeze({ type: 'pingreq' });
const PINGRESP: PingPacket = Object.freeze({ type: 'pingresp' });
