/** The packets that are not hot, each as a new frame. The bytes never alias what they were made from. */

import {
  type AckPacket,
  type AuthPacket,
  type DisconnectPacket,
  PacketType,
  type Properties,
  type SubackPacket,
  type SubscribePacket,
  type SubscriptionRequest,
  type UnsubscribePacket,
} from '../packets.ts';
import { type PropertyPacket, propertiesBytes, propertyBlockBytes, writeProperties } from '../properties.ts';
import { Reason, type ReasonCode } from '../reasons.ts';
import { utf8Bytes, writeUtf8 } from '../utf8.ts';
import type { ProtocolVersion } from '../version.ts';
import { newFrame, writeU16 } from '../write.ts';
import { ACK_BYTES_MAX, ackFirstByte, writeAck } from './ack.ts';
import { type PublishFields, publishFrameBytes, writePublish } from './publish.ts';

export { encodeConnack, encodeConnect } from './connect.ts';

export const PINGREQ_BYTES: Uint8Array = Uint8Array.of(0xc0, 0);
export const PINGRESP_BYTES: Uint8Array = Uint8Array.of(0xd0, 0);

/** SUBSCRIBE. The options that 3.x does not have are left out there. */
export function encodeSubscribe(packet: SubscribePacket, version: ProtocolVersion): Uint8Array {
  let payloadBytes = 0;
  for (const { filter } of packet.subscriptions) payloadBytes += 3 + utf8Bytes(filter.text);
  const { frame, payloadStart } = startRequest(0x82, PacketType.Subscribe, packet, version, payloadBytes);
  let at = payloadStart;
  for (const request of packet.subscriptions) {
    at = writeUtf8(request.filter.text, frame, at);
    frame[at++] = version === 5 ? subscriptionOptions(request) : request.qos;
  }
  return frame;
}

export function encodeUnsubscribe(packet: UnsubscribePacket, version: ProtocolVersion): Uint8Array {
  let payloadBytes = 0;
  for (const filter of packet.filters) payloadBytes += 2 + utf8Bytes(filter.text);
  const { frame, payloadStart } = startRequest(0xa2, PacketType.Unsubscribe, packet, version, payloadBytes);
  let at = payloadStart;
  for (const filter of packet.filters) at = writeUtf8(filter.text, frame, at);
  return frame;
}

/** SUBACK or UNSUBACK; the latter has no reasons in 3.x. */
export function encodeSuback(packet: SubackPacket, version: ProtocolVersion): Uint8Array {
  const isSuback = packet.type === 'suback';
  const reasons = isSuback || version === 5 ? packet.reasons : [];
  const type = isSuback ? PacketType.Suback : PacketType.Unsuback;
  const { frame, payloadStart } = startRequest(type << 4, type, packet, version, reasons.length);
  let at = payloadStart;
  for (const reason of reasons) frame[at++] = reason;
  return frame;
}

/** An acknowledgement with its properties (v5). Without them it is what `writeAck` writes. */
export function encodeAck(packet: AckPacket, version: ProtocolVersion): Uint8Array {
  const { type, packetId, reason, properties } = packet;
  if (version !== 5 || propertiesBytes(properties) === 0) {
    const bytes = new Uint8Array(ACK_BYTES_MAX);
    const end = writeAck(version, type, packetId, reason, bytes, 0);
    return bytes.slice(0, end);
  }
  const bodyBytes = 3 + propertyBlockBytes(properties);
  const frame = newFrame(ackFirstByte(type), bodyBytes);
  const at = writeU16(packetId, frame, frame.length - bodyBytes);
  frame[at] = reason;
  writeProperties(properties, ACK_PACKET[type], frame, at + 1);
  return frame;
}

/** DISCONNECT: nothing in 3.x; in v5 what is absent at the end is left out, as Mosquitto does. */
export function encodeDisconnect(packet: DisconnectPacket, version: ProtocolVersion): Uint8Array {
  const { reason, properties } = packet;
  if (version !== 5) return newFrame(0xe0, 0);
  if (propertiesBytes(properties) !== 0) return encodeReason(0xe0, PacketType.Disconnect, reason, properties);
  return reason === Reason.Success ? newFrame(0xe0, 0) : Uint8Array.of(0xe0, 1, reason);
}

/** AUTH, v5 only. Success without properties has no body. */
export function encodeAuth(packet: AuthPacket): Uint8Array {
  const { reason, properties } = packet;
  if (reason === Reason.Success && propertiesBytes(properties) === 0) return newFrame(0xf0, 0);
  return encodeReason(0xf0, PacketType.Auth, reason, properties);
}

/** A PUBLISH as a frame of its own, payload included. */
export function encodePublishPacket(fields: PublishFields, version: ProtocolVersion): Uint8Array {
  const frame = new Uint8Array(publishFrameBytes(version, fields));
  writePublish(version, fields, frame.length, frame, 0, true);
  return frame;
}

const ACK_PACKET = {
  puback: PacketType.Puback,
  pubrec: PacketType.Pubrec,
  pubrel: PacketType.Pubrel,
  pubcomp: PacketType.Pubcomp,
} as const;

/** A frame with packet id and, in v5, properties written; `payloadBytes` are to follow from `payloadStart` on. */
function startRequest(
  firstByte: number,
  type: PropertyPacket,
  packet: { readonly packetId: number; readonly properties: Properties },
  version: ProtocolVersion,
  payloadBytes: number,
): { readonly frame: Uint8Array; readonly payloadStart: number } {
  const bodyBytes = 2 + (version === 5 ? propertyBlockBytes(packet.properties) : 0) + payloadBytes;
  const frame = newFrame(firstByte, bodyBytes);
  let at = writeU16(packet.packetId, frame, frame.length - bodyBytes);
  if (version === 5) at = writeProperties(packet.properties, type, frame, at);
  return { frame, payloadStart: at };
}

function subscriptionOptions(request: SubscriptionRequest): number {
  const noLocal = request.noLocal ? 0x04 : 0;
  const retainAsPublished = request.retainAsPublished ? 0x08 : 0;
  return request.qos | noLocal | retainAsPublished | (request.retainHandling << 4);
}

/** A frame that begins with a reason: DISCONNECT and AUTH. */
function encodeReason(firstByte: number, type: PropertyPacket, reason: ReasonCode, properties: Properties): Uint8Array {
  const bodyBytes = 1 + propertyBlockBytes(properties);
  const frame = newFrame(firstByte, bodyBytes);
  const at = frame.length - bodyBytes;
  frame[at] = reason;
  writeProperties(properties, type, frame, at + 1);
  return frame;
}
