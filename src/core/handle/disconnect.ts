import { decodeDisconnect } from '../../protocol/decode/disconnect.ts';
import type { FrameHeader } from '../../protocol/frame.ts';
import { ProtocolError } from '../../protocol/protocol-error.ts';
import { Reason, reasonText } from '../../protocol/reasons.ts';
import type { Client } from './client.ts';
import type { HandleContext } from './context.ts';

/** DISCONNECT: 0x00 deletes the will [MQTT-3.14.4-3], every other reason keeps it; v5 may change the session expiry. */
export function handleDisconnect(
  context: HandleContext,
  client: Client,
  bytes: Uint8Array,
  _frameStart: number,
  header: FrameHeader,
): void {
  const packet = decodeDisconnect(bytes, header, client.version, 'client');
  if (context.log.has('debug')) context.log.write('debug', `Received DISCONNECT from ${client.identity.clientId}`);
  const expiry = packet.properties.sessionExpiryInterval;
  if (expiry !== null) {
    if (expiry > 0 && !client.wantedExpiry) {
      throw new ProtocolError(Reason.ProtocolError, '', 'DISCONNECT sets a session expiry, CONNECT had none');
    }
    client.session.setExpiry(expiry);
  }
  if (packet.reason === Reason.Success) client.session.dropWill();
  const isOrdinary = packet.reason === Reason.Success || packet.reason === Reason.DisconnectWithWill;
  client.leave(isOrdinary ? null : `client said ${reasonText(packet.reason)}`);
}
