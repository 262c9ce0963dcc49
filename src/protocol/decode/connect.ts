/**
 * CONNECT (section 3.1). 3.1 is read as Mosquitto reads it, which is more lenient: the reserved flag, the will bits without
 * a will, and a user name or password that is announced but missing at the very end are ignored.
 *
 *   flags   7 user name | 6 password | 5 will retain | 4,3 will QoS | 2 will | 1 clean start | 0 reserved
 *   payload client id, [will properties, will topic, will payload], [user name], [password]   [MQTT-3.1.3-1]
 */
import type { FrameHeader } from '../frame.ts';
import { type ConnectPacket, EMPTY_PROPERTIES, PacketType, type Properties, type WillPacket } from '../packets.ts';
import { copyForwardedProperties, NO_PROPERTIES, readProperties, WILL } from '../properties.ts';
import { malformed, ProtocolError } from '../protocol-error.ts';
import { advance, type Cursor, readBinary, readByte, readText, readU16, readVariable } from '../read.ts';
import { Reason } from '../reasons.ts';
import { readTopicName } from '../topic.ts';
import { readUtf8 } from '../utf8.ts';
import type { ProtocolVersion, Qos } from '../version.ts';
import { bodyOf, qosOf, readPropertyBlock, requireEnd, requireFlags } from './fields.ts';

export interface ConnectVersion {
  readonly version: ProtocolVersion;
  readonly isBridge: boolean;
}

const BRIDGE_BIT = 0x80;

const Flag = {
  Reserved: 0x01,
  CleanStart: 0x02,
  Will: 0x04,
  WillRetain: 0x20,
  Password: 0x40,
  UserName: 0x80,
} as const;

/**
 * Protocol name and level, so that a refusal can be told in the peer's own version.
 * @throws ProtocolError Unsupported Protocol Version for a level that is not known under this name [MQTT-3.1.2-2];
 * Malformed Packet for any other name [MQTT-3.1.2-1], where 3.x and 5 alike end the connection without an answer.
 */
export function readProtocolVersion(bytes: Uint8Array, bodyStart: number, bodyEnd: number): ConnectVersion {
  return readVersion({ bytes, at: bodyStart, end: bodyEnd });
}

/**
 * Decodes a CONNECT; all that it returns is owned. Whether an empty client id is allowed is for the caller to decide.
 * @throws ProtocolError Client Identifier Not Valid for an id that is no UTF-8 [MQTT-3.1.3-4]; Topic Name Invalid for the
 * will topic; Malformed Packet or Protocol Error for the rest; and what `readProtocolVersion` throws.
 */
export function decodeConnect(bytes: Uint8Array, header: FrameHeader): ConnectPacket {
  const cursor = bodyOf(bytes, header);
  const { version, isBridge } = readVersion(cursor);
  requireFlags(header, 0, version, 'MQTT-2.1.3-1');
  const flags = readByte(cursor);
  const willQos = checkConnectFlags(flags, version);
  const keepAlive = readU16(cursor);
  const properties = readPropertyBlock(cursor, version, PacketType.Connect);
  const clientId = readClientId(cursor);
  const will = (flags & Flag.Will) === 0 ? null : readWill(cursor, version, willQos, (flags & Flag.WillRetain) !== 0);
  const userName = isThere(cursor, version, flags, Flag.UserName) ? readText(cursor) : null;
  const password = isThere(cursor, version, flags, Flag.Password) ? readBinary(cursor) : null;
  requireEnd(cursor);
  const cleanStart = (flags & Flag.CleanStart) !== 0;
  return {
    type: 'connect',
    version,
    isBridge,
    clientId,
    cleanStart,
    keepAlive,
    userName,
    password,
    will,
    properties,
  };
}

function readVersion(cursor: Cursor): ConnectVersion {
  const name = readName(cursor);
  const level = readByte(cursor);
  if (name === 'MQTT' && level === 5) return { version: 5, isBridge: false };
  const isBridge = (level & BRIDGE_BIT) !== 0;
  const plainLevel = level & ~BRIDGE_BIT;
  if (name === 'MQTT' && plainLevel === 4) return { version: 4, isBridge };
  if (name === 'MQIsdp' && plainLevel === 3) return { version: 3, isBridge };
  throw new ProtocolError(
    Reason.UnsupportedProtocolVersion,
    'MQTT-3.1.2-2',
    `protocol level ${level} is not known for ${name}`,
  );
}

/** Compared as bytes: a name that is not ours is not worth a string, and may be no UTF-8. */
function readName(cursor: Cursor): 'MQTT' | 'MQIsdp' {
  const start = advance(cursor, readU16(cursor));
  const length = cursor.at - start;
  if (isAsciiAt(cursor.bytes, start, length, 'MQTT')) return 'MQTT';
  if (isAsciiAt(cursor.bytes, start, length, 'MQIsdp')) return 'MQIsdp';
  throw malformed('MQTT-3.1.2-1', 'protocol name is neither MQTT nor MQIsdp');
}

function isAsciiAt(bytes: Uint8Array, start: number, length: number, text: string): boolean {
  if (length !== text.length) return false;
  for (let index = 0; index < length; index++) if (bytes[start + index] !== text.charCodeAt(index)) return false;
  return true;
}

/** Rules between the connect flags. Returns the will's QoS. */
function checkConnectFlags(flags: number, version: ProtocolVersion): Qos {
  const willQos = qosOf((flags >>> 3) & 3);
  if (willQos === null) throw malformed('MQTT-3.1.2-12', 'will QoS is 3');
  if (version !== 5 && (flags & (Flag.UserName | Flag.Password)) === Flag.Password) {
    throw malformed('MQTT-3.1.2-22', 'a password without a user name');
  }
  if (version === 3) return willQos;
  if ((flags & Flag.Reserved) !== 0) throw malformed('MQTT-3.1.2-3', 'the reserved connect flag is set');
  if ((flags & Flag.Will) !== 0) return willQos;
  if (willQos !== 0) throw malformed('MQTT-3.1.2-11', 'a will QoS without a will');
  if ((flags & Flag.WillRetain) !== 0) throw malformed('MQTT-3.1.2-13', 'will retain without a will');
  return willQos;
}

function readClientId(cursor: Cursor): string {
  const start = advance(cursor, readU16(cursor));
  try {
    return readUtf8(cursor.bytes, start, cursor.at);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw new ProtocolError(Reason.ClientIdentifierNotValid, 'MQTT-3.1.3-4', `client identifier: ${error.message}`);
  }
}

/** Whether the field that `flag` announces is to be read. In 3.1 it may be missing at the very end. */
function isThere(cursor: Cursor, version: ProtocolVersion, flags: number, flag: number): boolean {
  if ((flags & flag) === 0) return false;
  return version !== 3 || cursor.at < cursor.end;
}

function readWill(cursor: Cursor, version: ProtocolVersion, qos: Qos, retain: boolean): WillPacket {
  const { properties, forwardedProperties } = readWillProperties(cursor, version);
  const topicStart = advance(cursor, readU16(cursor));
  const topic = readTopicName(cursor.bytes, topicStart, cursor.at);
  const payload = readBinary(cursor);
  const { messageExpiryInterval } = properties;
  const delaySeconds = properties.willDelayInterval ?? 0;
  return { topic, payload, qos, retain, delaySeconds, messageExpiryInterval, forwardedProperties };
}

function readWillProperties(
  cursor: Cursor,
  version: ProtocolVersion,
): { readonly properties: Properties; readonly forwardedProperties: Uint8Array } {
  if (version !== 5) return { properties: EMPTY_PROPERTIES, forwardedProperties: NO_PROPERTIES };
  const start = advance(cursor, readVariable(cursor));
  const properties = readProperties(cursor.bytes, start, cursor.at, WILL);
  return { properties, forwardedProperties: copyForwardedProperties(cursor.bytes, start, cursor.at) };
}
