/** CONNECT and CONNACK out. */
import { assert } from '../../base/assert.ts';
import { variableIntegerBytes, writeVariableInteger } from '../frame.ts';
import { type ConnackPacket, type ConnectPacket, PacketType, type WillPacket } from '../packets.ts';
import { propertyBlockBytes, writeProperties } from '../properties.ts';
import { PropertyId } from '../property-table.ts';
import { utf8Bytes, writeUtf8 } from '../utf8.ts';
import type { ProtocolVersion } from '../version.ts';
import { copyInto, newFrame, writeBinary, writeU16, writeU32 } from '../write.ts';

const BRIDGE_BIT = 0x80;

/** CONNECT of `packet.version`. The bridge bit exists in 3.x only; a password needs a user name there [MQTT-3.1.2-22]. */
export function encodeConnect(packet: ConnectPacket): Uint8Array {
  const { version, userName, password, will } = packet;
  assert(version !== 5 || !packet.isBridge, 'the bridge bit does not exist in MQTT 5.0');
  assert(version === 5 || password === null || userName !== null, 'a password without a user name in MQTT 3');
  const frame = newFrame(0x10, connectBodyBytes(packet));
  let at = frame.length - connectBodyBytes(packet);
  at = writeUtf8(protocolName(version), frame, at);
  frame[at] = version | (packet.isBridge ? BRIDGE_BIT : 0);
  frame[at + 1] = connectFlags(packet);
  at = writeU16(packet.keepAlive, frame, at + 2);
  if (version === 5) at = writeProperties(packet.properties, PacketType.Connect, frame, at);
  at = writeUtf8(packet.clientId, frame, at);
  if (will !== null) at = writeWill(will, version, frame, at);
  if (userName !== null) at = writeUtf8(userName, frame, at);
  if (password !== null) at = writeBinary(password, frame, at);
  assert(at === frame.length, 'a CONNECT of another size than measured');
  return frame;
}

/** CONNACK. In 3.1 there is no session present flag. Session Present is 0 in a refusal [MQTT-3.2.2-6]. */
export function encodeConnack(packet: ConnackPacket, version: ProtocolVersion): Uint8Array {
  const isSessionPresent = packet.sessionPresent && packet.reason === 0 && version !== 3;
  const bodyBytes = 2 + (version === 5 ? propertyBlockBytes(packet.properties) : 0);
  const frame = newFrame(0x20, bodyBytes);
  const at = frame.length - bodyBytes;
  frame[at] = isSessionPresent ? 1 : 0;
  frame[at + 1] = packet.reason;
  if (version === 5) writeProperties(packet.properties, PacketType.Connack, frame, at + 2);
  return frame;
}

function protocolName(version: ProtocolVersion): string {
  return version === 3 ? 'MQIsdp' : 'MQTT';
}

function connectBodyBytes(packet: ConnectPacket): number {
  const { version, will, userName, password } = packet;
  let count = 2 + protocolName(version).length + 4 + 2 + utf8Bytes(packet.clientId);
  if (version === 5) count += propertyBlockBytes(packet.properties);
  if (will !== null) count += 4 + will.topic.bytes.length + will.payload.length;
  if (will !== null && version === 5)
    count += variableIntegerBytes(willPropertiesBytes(will)) + willPropertiesBytes(will);
  if (userName !== null) count += 2 + utf8Bytes(userName);
  if (password !== null) count += 2 + password.length;
  return count;
}

function connectFlags(packet: ConnectPacket): number {
  const { will } = packet;
  let flags = packet.cleanStart ? 0x02 : 0;
  if (will !== null) flags |= 0x04 | (will.qos << 3) | (will.retain ? 0x20 : 0);
  if (packet.password !== null) flags |= 0x40;
  if (packet.userName !== null) flags |= 0x80;
  return flags;
}

function willPropertiesBytes(will: WillPacket): number {
  const delay = will.delaySeconds === 0 ? 0 : 5;
  const expiry = will.messageExpiryInterval === null ? 0 : 5;
  return delay + expiry + will.forwardedProperties.length;
}

function writeWill(will: WillPacket, version: ProtocolVersion, into: Uint8Array, at: number): number {
  let next = version === 5 ? writeWillProperties(will, into, at) : at;
  next = writeBinary(will.topic.bytes, into, next);
  return writeBinary(will.payload, into, next);
}

function writeWillProperties(will: WillPacket, into: Uint8Array, at: number): number {
  let next = writeVariableInteger(willPropertiesBytes(will), into, at);
  if (will.delaySeconds !== 0) {
    into[next] = PropertyId.WillDelayInterval;
    next = writeU32(will.delaySeconds, into, next + 1);
  }
  if (will.messageExpiryInterval !== null) {
    into[next] = PropertyId.MessageExpiryInterval;
    next = writeU32(will.messageExpiryInterval, into, next + 1);
  }
  return copyInto(will.forwardedProperties, 0, will.forwardedProperties.length, into, next);
}
