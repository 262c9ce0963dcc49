import type { FrameHeader } from '../frame.ts';
import { type AuthPacket, EMPTY_PROPERTIES, PacketType } from '../packets.ts';
import { malformed, violation } from '../protocol-error.ts';
import { type Cursor, readByte } from '../read.ts';
import { CLIENT_AUTH_REASONS, Reason, type ReasonCode, SERVER_AUTH_REASONS } from '../reasons.ts';
import type { ProtocolVersion } from '../version.ts';
import { bodyOf, readPropertyBlock, requireEnd, requireFlags, type Sender, unlistedReason } from './fields.ts';

/**
 * AUTH (section 3.15), v5 only: [reason, properties]. An empty body is success without properties.
 * @throws ProtocolError malformed packet: 3.x, flags [MQTT-3.15.1-1], length; protocol error: a reason that this side may
 * not send [MQTT-3.15.2-1], no authentication method.
 */
export function decodeAuth(
  bytes: Uint8Array,
  header: FrameHeader,
  version: ProtocolVersion,
  from: Sender = 'client',
): AuthPacket {
  if (version !== 5) throw malformed('', 'AUTH is not known in MQTT 3');
  requireFlags(header, 0, version, 'MQTT-3.15.1-1');
  const cursor = bodyOf(bytes, header);
  const reason = readAuthReason(cursor, from);
  if (header.bodyEnd === header.bodyStart) return { type: 'auth', reason, properties: EMPTY_PROPERTIES };
  const properties = readPropertyBlock(cursor, version, PacketType.Auth);
  requireEnd(cursor);
  if (properties.authenticationMethod === null) throw violation('', 'AUTH without an authentication method');
  return { type: 'auth', reason, properties };
}

function readAuthReason(cursor: Cursor, from: Sender): ReasonCode {
  const code = cursor.at === cursor.end ? Reason.Success : readByte(cursor);
  const reason = (from === 'client' ? CLIENT_AUTH_REASONS : SERVER_AUTH_REASONS)[code] ?? null;
  if (reason === null) throw unlistedReason(code, 'MQTT-3.15.2-1');
  return reason;
}
