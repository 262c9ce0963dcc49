import { variableIntegerBytes } from '../../protocol/frame.ts';
import { ProtocolError } from '../../protocol/protocol-error.ts';
import { Reason } from '../../protocol/reasons.ts';
import type { Client } from './client.ts';

/**
 * SUBACK and UNSUBACK have a code for each filter, so their size is known before anything is done.
 * @throws ProtocolError Packet Too Large when the client could not be told the outcome [MQTT-3.1.2-24].
 */
export function requireAnswerFits(client: Client, filterCount: number): void {
  const bodyBytes = 2 + (client.version === 5 ? 1 : 0) + filterCount;
  const packetBytes = 1 + variableIntegerBytes(bodyBytes) + bodyBytes;
  if (client.channel.fits(packetBytes)) return;
  const message = `the answer for ${filterCount} filters would have ${packetBytes} bytes, more than the client takes`;
  throw new ProtocolError(Reason.PacketTooLarge, 'MQTT-3.1.2-24', message);
}
