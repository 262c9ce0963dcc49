import type { FrameHeader } from '../frame.ts';
import { type DisconnectPacket, EMPTY_PROPERTIES, PacketType } from '../packets.ts';
import { violation } from '../protocol-error.ts';
import { CLIENT_DISCONNECT_REASONS, Reason, SERVER_DISCONNECT_REASONS } from '../reasons.ts';
import type { ProtocolVersion } from '../version.ts';
import {
  bodyOf,
  readPropertyBlock,
  readReason,
  requireEmptyBody,
  requireEnd,
  requireFlags,
  type Sender,
} from './fields.ts';

/**
 * DISCONNECT (section 3.14): nothing in 3.x; v5: [reason, [properties]].
 * @throws ProtocolError malformed packet: flags [MQTT-3.14.1-1], length; protocol error: a reason that this side may not
 * send [MQTT-3.14.2-1], a session expiry interval from a server [MQTT-3.14.2-2].
 */
export function decodeDisconnect(
  bytes: Uint8Array,
  header: FrameHeader,
  version: ProtocolVersion,
  from: Sender,
): DisconnectPacket {
  requireFlags(header, 0, version, 'MQTT-3.14.1-1');
  if (version !== 5) requireEmptyBody(header);
  const cursor = bodyOf(bytes, header);
  if (cursor.at === cursor.end) return { type: 'disconnect', reason: Reason.Success, properties: EMPTY_PROPERTIES };
  const listed = from === 'client' ? CLIENT_DISCONNECT_REASONS : SERVER_DISCONNECT_REASONS;
  const reason = readReason(cursor, listed, 'MQTT-3.14.2-1');
  if (cursor.at === cursor.end) return { type: 'disconnect', reason, properties: EMPTY_PROPERTIES };
  const properties = readPropertyBlock(cursor, version, PacketType.Disconnect);
  requireEnd(cursor);
  if (from === 'server' && properties.sessionExpiryInterval !== null) {
    throw violation('MQTT-3.14.2-2', 'a server sent a session expiry interval in DISCONNECT');
  }
  return { type: 'disconnect', reason, properties };
}
