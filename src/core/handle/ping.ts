import { decodePing } from '../../protocol/decode/ping.ts';
import { PINGRESP_BYTES } from '../../protocol/encode/packet.ts';
import type { FrameHeader } from '../../protocol/frame.ts';
import type { Client } from './client.ts';
import type { HandleContext } from './context.ts';

/** [MQTT-3.12.4-1] */
export function handlePingreq(
  context: HandleContext,
  client: Client,
  _bytes: Uint8Array,
  _frameStart: number,
  header: FrameHeader,
): void {
  decodePing(_bytes, header, client.version);
  if (context.log.has('debug')) {
    context.log.write('debug', `Received PINGREQ from ${client.identity.clientId}`);
    context.log.write('debug', `Sending PINGRESP to ${client.identity.clientId}`);
  }
  client.channel.send(PINGRESP_BYTES);
}
