/**
 * Every rule about encoded properties, applied in one walk that makes neither objects nor strings: its time is linear in
 * the bytes, whatever they are. Decoding values is a second step, for those who want them (properties.ts).
 */
import { readVariableInteger, variableIntegerBytes } from './frame.ts';
import { PacketType, type PublishPacket } from './packets.ts';
import {
  ALLOWED_IN,
  PROPERTY_BIT,
  PROPERTY_NON_ZERO,
  PROPERTY_WIRE,
  PropertyId,
  type PropertyPacket,
  REPEATABLE_IN,
  Wire,
} from './property-table.ts';
import { malformed, ProtocolError, violation } from './protocol-error.ts';
import { cutOff, u16At, u32At } from './read.ts';
import { Reason } from './reasons.ts';
import { topicNameFault } from './topic.ts';
import { checkUtf8 } from './utf8.ts';

const METHOD_BIT = PROPERTY_BIT[PropertyId.AuthenticationMethod]!;
const DATA_BIT = PROPERTY_BIT[PropertyId.AuthenticationData]!;

/**
 * Applies every rule to the properties in `bytes[start, end)` (their length is not part of it).
 * @throws ProtocolError: malformed packet for what cannot be parsed or does not belong into `packet`; protocol error for
 * duplicates and values out of range; topic alias invalid for alias 0.
 */
export function scanProperties(bytes: Uint8Array, start: number, end: number, packet: PropertyPacket): void {
  let seen = 0;
  let at = start;
  while (at < end) {
    const id = bytes[at]!;
    seen = markSeen(id, seen, packet);
    at = checkValue(bytes, at + 1, end, id);
  }
  if ((seen & DATA_BIT) !== 0 && (seen & METHOD_BIT) === 0) {
    throw violation('', 'authentication data without an authentication method');
  }
}

/** `scanProperties` for PUBLISH, noting in `into` the three that the broker itself needs. */
export function scanPublishProperties(bytes: Uint8Array, start: number, end: number, into: PublishPacket): void {
  let seen = 0;
  let at = start;
  while (at < end) {
    const id = bytes[at]!;
    seen = markSeen(id, seen, PacketType.Publish);
    at = checkValue(bytes, at + 1, end, id);
    if (id === PropertyId.TopicAlias) into.topicAlias = u16At(bytes, at - 2);
    else if (id === PropertyId.MessageExpiryInterval) into.messageExpiryInterval = u32At(bytes, at - 4);
    else if (id === PropertyId.SubscriptionIdentifier) into.hasSubscriptionIdentifier = true;
  }
}

/** `seen` with this property's bit, after the rules about place and repetition. */
function markSeen(id: number, seen: number, packet: PropertyPacket): number {
  const bit = PROPERTY_BIT[id]!;
  if ((bit & ALLOWED_IN[packet]!) === 0) throw malformed('', `property ${id} is not known in this packet`);
  if ((bit & seen & ~REPEATABLE_IN[packet]!) !== 0) throw violation('', `property ${id} is given twice`);
  return seen | bit;
}

/** Checks the value at `at`. Returns the offset after it. */
function checkValue(bytes: Uint8Array, at: number, end: number, id: number): number {
  switch (PROPERTY_WIRE[id]) {
    case Wire.Flag:
      if (at >= end) throw cutOff();
      if (bytes[at]! > 1) throw violation('', `property ${id} must be 0 or 1, not ${bytes[at]}`);
      return at + 1;
    case Wire.U16:
      if (end - at < 2) throw cutOff();
      if (PROPERTY_NON_ZERO[id] === 1 && u16At(bytes, at) === 0) throw zeroValue(id);
      return at + 2;
    case Wire.U32:
      if (end - at < 4) throw cutOff();
      if (PROPERTY_NON_ZERO[id] === 1 && u32At(bytes, at) === 0) throw zeroValue(id);
      return at + 4;
    case Wire.VariableInteger: {
      const value = readVariableInteger(bytes, at, end);
      if (value === 0) throw zeroValue(id);
      return at + variableIntegerBytes(value);
    }
    case Wire.Binary:
      return fieldEnd(bytes, at, end);
    case Wire.Pair:
      // Both halves are text [MQTT-1.5.7-1].
      return checkText(bytes, checkText(bytes, at, end), end);
    default:
      return id === PropertyId.ResponseTopic ? checkResponseTopic(bytes, at, end) : checkText(bytes, at, end);
  }
}

function fieldEnd(bytes: Uint8Array, at: number, end: number): number {
  if (end - at < 2) throw cutOff();
  const next = at + 2 + u16At(bytes, at);
  if (next > end) throw cutOff();
  return next;
}

function checkText(bytes: Uint8Array, at: number, end: number): number {
  const next = fieldEnd(bytes, at, end);
  checkUtf8(bytes, at + 2, next);
  return next;
}

/** The response topic is a topic name, so it has no wildcards [MQTT-3.3.2-14]. */
function checkResponseTopic(bytes: Uint8Array, at: number, end: number): number {
  const next = checkText(bytes, at, end);
  const fault = topicNameFault(bytes, at + 2, next);
  if (fault !== null) throw violation('MQTT-3.3.2-14', `response topic: ${fault.message}`);
  return next;
}

function zeroValue(id: number): Error {
  if (id !== PropertyId.TopicAlias) return violation('', `property ${id} must not be 0`);
  return new ProtocolError(Reason.TopicAliasInvalid, 'MQTT-3.3.2-8', 'topic alias must not be 0');
}

/** Offset after a value that was checked before. */
export function skipValue(bytes: Uint8Array, at: number, id: number): number {
  switch (PROPERTY_WIRE[id]) {
    case Wire.Flag:
      return at + 1;
    case Wire.U16:
      return at + 2;
    case Wire.U32:
      return at + 4;
    case Wire.VariableInteger:
      return at + variableIntegerBytes(readVariableInteger(bytes, at, bytes.length));
    case Wire.Pair: {
      const second = at + 2 + u16At(bytes, at);
      return second + 2 + u16At(bytes, second);
    }
    default:
      return at + 2 + u16At(bytes, at);
  }
}
