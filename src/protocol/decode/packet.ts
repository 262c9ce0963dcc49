/** Any packet, for the client and for tests. The broker has a table of its own, by phase. */
import { assertNever } from '../../base/assert.ts';
import { type FrameHeader, requireShortest } from '../frame.ts';
import { type Packet, PacketType, type PublishPacket } from '../packets.ts';
import { malformed, violation } from '../protocol-error.ts';
import type { TopicNames } from '../topic.ts';
import type { ProtocolVersion } from '../version.ts';
import { decodeAck } from './ack.ts';
import { decodeAuth } from './auth.ts';
import { decodeConnack } from './connack.ts';
import { decodeConnect } from './connect.ts';
import { decodeDisconnect } from './disconnect.ts';
import { packetTypeOf, type Sender } from './fields.ts';
import { decodePing } from './ping.ts';
import { createPublishPacket, decodePublish } from './publish.ts';
import { decodeSuback } from './suback.ts';
import { decodeSubscribe } from './subscribe.ts';
import { decodeUnsubscribe } from './unsubscribe.ts';

/**
 * Decodes the packet whose complete frame begins at `frameStart`. `version` is that of the connection; a CONNECT carries
 * its own. A PUBLISH is a new object, but still points into `bytes`.
 * @throws ProtocolError as the packet's own decoder does; malformed packet for type 0, for AUTH in 3.x and for a DISCONNECT
 * of a 3.x server; protocol error for a packet that only the other side may send.
 */
export function decodePacket(
  bytes: Uint8Array,
  frameStart: number,
  header: FrameHeader,
  version: ProtocolVersion,
  topics: TopicNames,
  from: Sender,
): Packet {
  const type = packetTypeOf(header);
  if (version === 5) requireShortest(header);
  if (type === null) throw malformed('', 'packet type 0 is reserved');
  if (!isSentBy(type, from)) throw violation('', `packet type ${type} is not sent by a ${from}`);
  switch (type) {
    case PacketType.Connect:
      return decodeConnect(bytes, header);
    case PacketType.Connack:
      return decodeConnack(bytes, header, version);
    case PacketType.Publish:
      return decodeFreshPublish(bytes, frameStart, header, version, topics);
    case PacketType.Puback:
    case PacketType.Pubrec:
    case PacketType.Pubrel:
    case PacketType.Pubcomp:
      return decodeAck(bytes, header, version);
    case PacketType.Subscribe:
      return decodeSubscribe(bytes, header, version);
    case PacketType.Unsubscribe:
      return decodeUnsubscribe(bytes, header, version);
    case PacketType.Suback:
    case PacketType.Unsuback:
      return decodeSuback(bytes, header, version);
    case PacketType.Pingreq:
    case PacketType.Pingresp:
      return decodePing(bytes, header, version);
    case PacketType.Disconnect:
      if (version !== 5 && from === 'server') throw malformed('', 'a server sends no DISCONNECT in MQTT 3');
      return decodeDisconnect(bytes, header, version, from);
    case PacketType.Auth:
      return decodeAuth(bytes, header, version, from);
    default:
      return assertNever(type);
  }
}

/** False for the packets that only the other side sends: CVE-2021-28166 was a CONNACK sent to a broker. */
function isSentBy(type: PacketType, from: Sender): boolean {
  switch (type) {
    case PacketType.Connect:
    case PacketType.Subscribe:
    case PacketType.Unsubscribe:
    case PacketType.Pingreq:
      return from === 'client';
    case PacketType.Connack:
    case PacketType.Suback:
    case PacketType.Unsuback:
    case PacketType.Pingresp:
      return from === 'server';
    default:
      return true;
  }
}

function decodeFreshPublish(
  bytes: Uint8Array,
  frameStart: number,
  header: FrameHeader,
  version: ProtocolVersion,
  topics: TopicNames,
): PublishPacket {
  const packet = createPublishPacket();
  decodePublish(bytes, frameStart, header, version, topics, packet);
  return packet;
}
