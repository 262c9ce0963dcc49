/**
 * What the tests of the codec share: a notation for frames, both directions of any packet, and tables of cases.
 *
 * The notation is hex, blanks have no meaning, and what would only be counting is written short:
 *
 *   'ab'     the bytes of this ASCII text
 *   "ab"     the same as a text field, two bytes of length in front
 *   ~        the remaining length: the bytes of all that follows it
 *   {11 00}  a block of properties, its length in front
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Sender } from './decode/fields.ts';
import { decodePacket } from './decode/packet.ts';
import {
  encodeAck,
  encodeAuth,
  encodeConnack,
  encodeConnect,
  encodeDisconnect,
  encodePublishPacket,
  encodeSuback,
  encodeSubscribe,
  encodeUnsubscribe,
  PINGREQ_BYTES,
  PINGRESP_BYTES,
} from './encode/packet.ts';
import type { PublishFields } from './encode/publish.ts';
import { createFrameHeader, FrameStatus, readFrame, variableIntegerBytes, writeVariableInteger } from './frame.ts';
import { EMPTY_PROPERTIES, type Packet, PacketType, type Properties, type PublishPacket } from './packets.ts';
import { copyForwardedProperties, readProperties } from './properties.ts';
import { ProtocolError } from './protocol-error.ts';
import { type ReasonCode, reasonText } from './reasons.ts';
import { parseTopicFilter, parseTopicName, type TopicFilter, type TopicName, TopicNames } from './topic.ts';
import type { ProtocolVersion } from './version.ts';

export const ALL: readonly ProtocolVersion[] = [3, 4, 5];
export const V3: readonly ProtocolVersion[] = [3, 4];

/** A PUBLISH with what it points to, so that it can be compared. */
export interface PlainPublish {
  readonly type: 'publish';
  readonly dup: boolean;
  readonly qos: number;
  readonly retain: boolean;
  readonly packetId: number;
  readonly topic: string | null;
  readonly topicAlias: number;
  readonly messageExpiryInterval: number | null;
  readonly hasSubscriptionIdentifier: boolean;
  readonly properties: Properties;
  readonly payload: Uint8Array;
}

export type PlainPacket = Exclude<Packet, PublishPacket> | PlainPublish;

/** Bytes in the notation above. */
export function bytesOf(notation: string): Uint8Array {
  const { bytes, rest } = parseNotation(notation);
  assert.equal(rest, '', `left over in the notation: ${rest}`);
  return Uint8Array.from(bytes);
}

function parseNotation(notation: string): { readonly bytes: number[]; readonly rest: string } {
  const bytes: number[] = [];
  let rest = notation.trimStart();
  while (rest !== '' && !rest.startsWith('}')) {
    const step = parseToken(rest);
    for (const byte of step.isRest ? withLength(step.bytes) : step.bytes) bytes.push(byte);
    if (step.isRest) return { bytes, rest: step.rest };
    rest = step.rest.trimStart();
  }
  return { bytes, rest };
}

interface Step {
  readonly bytes: readonly number[];
  readonly rest: string;
  /** These bytes are all that follows, their length still to be written. */
  readonly isRest?: true;
}

function parseToken(text: string): Step {
  if (text.startsWith('~')) return { ...parseNotation(text.slice(1)), isRest: true };
  if (text.startsWith('{')) {
    const inner = parseNotation(text.slice(1));
    assert.ok(inner.rest.startsWith('}'), 'a block without its end');
    return { bytes: withLength(inner.bytes), rest: inner.rest.slice(1) };
  }
  const quoted = /^(['"])(.*?)\1/.exec(text);
  if (quoted !== null) {
    const ascii = [...(quoted[2] ?? '')].map((character) => character.charCodeAt(0));
    const length = quoted[1] === '"' ? [ascii.length >> 8, ascii.length & 255] : [];
    return { bytes: [...length, ...ascii], rest: text.slice(quoted[0].length) };
  }
  assert.match(text, /^[0-9a-f]{2}/, `no hex: ${text}`);
  return { bytes: [Number.parseInt(text.slice(0, 2), 16)], rest: text.slice(2) };
}

function withLength(bytes: readonly number[]): number[] {
  const length = new Uint8Array(variableIntegerBytes(bytes.length));
  writeVariableInteger(bytes.length, length, 0);
  return [...length, ...bytes];
}

export function hexOf(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

export function topicOf(text: string): TopicName {
  const topic = parseTopicName(text);
  assert.ok(topic !== null, `no topic name: ${text}`);
  return topic;
}

export function filterOf(text: string): TopicFilter {
  const filter = parseTopicFilter(text);
  assert.ok(filter !== null, `no topic filter: ${text}`);
  return filter;
}

export function propertiesOf(some: Partial<Properties>): Properties {
  return { ...EMPTY_PROPERTIES, ...some };
}

/** Decodes one frame that stands between other bytes: `fill` before and behind it. */
export function decodeFrame(frame: Uint8Array, version: ProtocolVersion, from: Sender, fill = 0xff): PlainPacket {
  return plain(decodeBorrowed(frame, version, from, fill));
}

/** The same without following what a PUBLISH points to, for cases that must be refused before that. */
export function decodeBorrowed(frame: Uint8Array, version: ProtocolVersion, from: Sender, fill = 0xff): Packet {
  const behind = new Uint8Array(300).fill(fill);
  return decodeBefore(behind, frame, version, from);
}

/** Decodes `frame` with `behind` directly behind it. */
export function decodeBefore(behind: Uint8Array, frame: Uint8Array, version: ProtocolVersion, from: Sender): Packet {
  const start = 3;
  const end = start + frame.length;
  const buffer = new Uint8Array(end + behind.length).fill(0xee);
  buffer.set(frame, start);
  buffer.set(behind, end);
  const header = createFrameHeader();
  assert.equal(readFrame(buffer, start, end, header), FrameStatus.Complete, 'the frame is not complete');
  assert.equal(header.bodyEnd, end, 'the frame ends elsewhere');
  return decodePacket(buffer, start, header, version, new TopicNames(), from);
}

/** The packet, or what a PUBLISH points to. */
export function plain(packet: Packet): PlainPacket {
  if (packet.type !== 'publish') return packet;
  const { type, dup, qos, retain, packetId, topicAlias, messageExpiryInterval, hasSubscriptionIdentifier } = packet;
  const { bytes, propertiesStart, propertiesEnd, payloadStart, payloadEnd } = packet;
  return {
    type,
    dup,
    qos,
    retain,
    packetId,
    topic: packet.topic === null ? null : packet.topic.text,
    topicAlias,
    messageExpiryInterval,
    hasSubscriptionIdentifier,
    properties: readProperties(bytes, propertiesStart, propertiesEnd, PacketType.Publish),
    payload: bytes.slice(payloadStart, payloadEnd),
  };
}

/** What a broker would send on for this PUBLISH. */
export function fieldsOf(packet: PublishPacket): PublishFields {
  const { topic, packetId, qos, retain, dup, topicAlias, messageExpiryInterval, bytes, payloadStart, payloadEnd } =
    packet;
  const { propertiesStart, propertiesEnd } = packet;
  const forwardedProperties = copyForwardedProperties(bytes, propertiesStart, propertiesEnd);
  const { subscriptionIdentifiers } = readProperties(bytes, propertiesStart, propertiesEnd, PacketType.Publish);
  return {
    topic,
    packetId,
    qos,
    retain,
    dup,
    topicAlias,
    messageExpiryInterval,
    subscriptionIdentifiers,
    forwardedProperties,
    bytes,
    payloadStart,
    payloadEnd,
  };
}

/** Any packet as a frame. */
export function encodePacket(packet: Packet, version: ProtocolVersion): Uint8Array {
  switch (packet.type) {
    case 'connect':
      return encodeConnect(packet);
    case 'connack':
      return encodeConnack(packet, version);
    case 'publish':
      return encodePublishPacket(fieldsOf(packet), version);
    case 'subscribe':
      return encodeSubscribe(packet, version);
    case 'unsubscribe':
      return encodeUnsubscribe(packet, version);
    case 'suback':
    case 'unsuback':
      return encodeSuback(packet, version);
    case 'pingreq':
      return PINGREQ_BYTES;
    case 'pingresp':
      return PINGRESP_BYTES;
    case 'disconnect':
      return encodeDisconnect(packet, version);
    case 'auth':
      return encodeAuth(packet);
    default:
      return encodeAck(packet, version);
  }
}

/** A frame, and what it means. Encoding gives the same bytes again, unless the row ends with 'in only'. */
export type GoodRow = readonly [
  name: string,
  versions: ProtocolVersion | readonly ProtocolVersion[],
  from: Sender,
  frame: string,
  packet: PlainPacket,
  direction?: 'in only',
];

/** A frame, and the reason for which it is refused. */
export type BadRow = readonly [
  name: string,
  versions: ProtocolVersion | readonly ProtocolVersion[],
  from: Sender,
  frame: string,
  reason: ReasonCode,
];

/** One test per row and version. */
export function testGood(rows: readonly GoodRow[]): void {
  for (const [name, versions, from, notation, expected, direction] of rows) {
    for (const version of [versions].flat()) {
      test(`version ${version}: ${name}`, () => {
        const frame = bytesOf(notation);
        assert.deepEqual(decodeFrame(frame, version, from), expected);
        if (direction === 'in only') return;
        assert.equal(hexOf(reencode(frame, version, from)), hexOf(frame));
      });
    }
  }
}

function reencode(frame: Uint8Array, version: ProtocolVersion, from: Sender): Uint8Array {
  const header = createFrameHeader();
  readFrame(frame, 0, frame.length, header);
  return encodePacket(decodePacket(frame, 0, header, version, new TopicNames(), from), version);
}

/** One test per row and version. */
export function testBad(rows: readonly BadRow[]): void {
  for (const [name, versions, from, notation, reason] of rows) {
    for (const version of [versions].flat()) {
      test(`version ${version}, refused: ${name}`, () => {
        assertRefused(() => decodeBorrowed(bytesOf(notation), version, from), reason);
      });
    }
  }
}

/** `run` throws a ProtocolError with this reason. */
export function assertRefused(run: () => unknown, reason: ReasonCode): void {
  assert.throws(run, (error) => {
    assert.ok(error instanceof ProtocolError, `not a ProtocolError: ${error}`);
    assert.equal(reasonText(error.reason), reasonText(reason), error.message);
    return true;
  });
}
