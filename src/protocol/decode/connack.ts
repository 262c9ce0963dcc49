import type { FrameHeader } from '../frame.ts';
import { type ConnackPacket, EMPTY_PROPERTIES, PacketType } from '../packets.ts';
import { malformed, violation } from '../protocol-error.ts';
import { type Cursor, readByte } from '../read.ts';
import { CONNACK_REASONS, Reason } from '../reasons.ts';
import type { ProtocolVersion } from '../version.ts';
import { bodyOf, readPropertyBlock, readReason, requireEnd, requireFlags } from './fields.ts';

const RETURN_CODE_MAX = 5;
/** Return code 1 of 3.x: unacceptable protocol version. */
const REFUSED_VERSION = 1;

/**
 * CONNACK (section 3.2). A server that knows no v5 answers a v5 CONNECT in the form of 3.x with return code 1, which is
 * read as Unsupported Protocol Version. 3.1 has no session present flag: its first byte is not looked at.
 * @throws ProtocolError malformed packet: flags [MQTT-3.2.2-1], length; protocol error: a reason that is not listed
 * [MQTT-3.2.2-8], session present in a refusal [MQTT-3.2.2-6].
 */
export function decodeConnack(bytes: Uint8Array, header: FrameHeader, version: ProtocolVersion): ConnackPacket {
  requireFlags(header, 0, version, 'MQTT-2.1.3-1');
  const cursor = bodyOf(bytes, header);
  const sessionPresent = readSessionPresent(cursor, version);
  const isVersionRefusal = header.bodyEnd - header.bodyStart === 2 && bytes[cursor.at] === REFUSED_VERSION;
  if (version === 5 && isVersionRefusal) {
    const reason = Reason.UnsupportedProtocolVersion;
    return { type: 'connack', sessionPresent: false, reason, properties: EMPTY_PROPERTIES };
  }
  const reason = version === 5 ? readReason(cursor, CONNACK_REASONS, 'MQTT-3.2.2-8') : readReturnCode(cursor);
  const properties = readPropertyBlock(cursor, version, PacketType.Connack);
  requireEnd(cursor);
  if (sessionPresent && reason !== 0) throw violation('MQTT-3.2.2-6', 'session present in a refusal');
  return { type: 'connack', sessionPresent, reason, properties };
}

function readSessionPresent(cursor: Cursor, version: ProtocolVersion): boolean {
  const flags = readByte(cursor);
  if (version === 3) return false;
  if (flags > 1) throw malformed('MQTT-3.2.2-1', 'reserved CONNACK flags are set');
  return flags === 1;
}

function readReturnCode(cursor: Cursor): number {
  const code = readByte(cursor);
  if (code > RETURN_CODE_MAX) throw violation('', `return code ${code} is not listed`);
  return code;
}
