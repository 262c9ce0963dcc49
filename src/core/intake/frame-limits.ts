import { PacketType } from '../../protocol/packets.ts';
import type { ProtocolVersion } from '../../protocol/version.ts';
import type { BrokerSettings } from '../model/settings.ts';

/** Body bytes of the packets whose size does not depend on the application (as Mosquitto has them). */
export const CONNECT_BYTES_MAX = 100_000;
const SUBSCRIBE_BYTES_MAX = 100_000;
const ACK_BYTES_MAX = 10_000;

/** The most bytes that the body of a packet of this type may have, checked before it is buffered. */
export function bodyBytesMax(
  type: number,
  version: ProtocolVersion,
  settings: BrokerSettings,
  headerBytes: number,
): number {
  const packetMax = settings.maxPacketSize === 0 ? Number.POSITIVE_INFINITY : settings.maxPacketSize - headerBytes;
  switch (type) {
    case PacketType.Connect:
    case PacketType.Auth:
      return CONNECT_BYTES_MAX;
    case PacketType.Subscribe:
    case PacketType.Unsubscribe:
      return version === 5 ? Math.min(SUBSCRIBE_BYTES_MAX, packetMax) : packetMax;
    case PacketType.Publish:
      return packetMax;
    case PacketType.Pingreq:
    case PacketType.Pingresp:
      return 0;
    case PacketType.Disconnect:
      return version === 5 ? Math.min(ACK_BYTES_MAX, packetMax) : 0;
    default:
      return version === 5 ? Math.min(ACK_BYTES_MAX, packetMax) : 2;
  }
}
