/**
 * A message inside a body, to the body's end:
 *
 *      | flags | topic? | expires at? | properties? | publisher id |
 *      | publisher: client id? | user name? | listener | payload |
 *
 * `publisher` is there when the message is a client's. Its client id is nearly always the publisher id, and stands there only
 * when it is another.
 */
import { NO_BYTES, OwnedMessage, type Publisher } from '../../core/model/message.ts';
import { PacketType } from '../../protocol/packets.ts';
import { copyForwardedProperties } from '../../protocol/properties.ts';
import { scanProperties } from '../../protocol/property-scan.ts';
import { advance, type Cursor, readByte, readU16 } from '../../protocol/read.ts';
import { readTopicName, type TopicName } from '../../protocol/topic.ts';
import type { Qos } from '../../protocol/version.ts';
import { advanceSized, BodyError, readF64, readPlainText, readRest } from './body-reader.ts';
import type { BodyWriter } from './body-writer.ts';

/** What is different outside of this process: its clock, and what it calls its listeners. */
export interface StoreScale {
  /** Milliseconds of the monotonic clock as those of the store's; Infinity stays. */
  toStored(ms: number): number;
  fromStored(ms: number): number;
  /** The name under which a listener is stored; '' = one that is not known any more. */
  nameOf(listenerId: number): string;
  /** The id of the listener of that name; one that no listener has when there is none. */
  idOf(name: string): number;
}

const QOS_MASK = 3;
const RETAIN = 4;
const EXPIRES = 8;
const HAS_PROPERTIES = 16;
const HAS_PUBLISHER = 32;
const HAS_USER_NAME = 64;
const HAS_OTHER_ID = 128;

/** `hasTopic` false: the topic is the key of the body. */
export function writeMessage(
  into: BodyWriter,
  message: OwnedMessage,
  { scale, hasTopic }: { readonly scale: StoreScale; readonly hasTopic: boolean },
): void {
  const { expiresAtMs, forwardedProperties, publisher } = message;
  const expires = expiresAtMs !== Number.POSITIVE_INFINITY;
  into.u8(flagsOf(message));
  if (hasTopic) into.binary(message.topic.bytes);
  if (expires) into.f64(scale.toStored(expiresAtMs));
  if (forwardedProperties.length > 0) {
    into.variable(forwardedProperties.length);
    into.rest(forwardedProperties, 0, forwardedProperties.length);
  }
  into.text(message.publisherId);
  if (publisher !== null) {
    if (publisher.clientId !== message.publisherId) into.text(publisher.clientId);
    if (publisher.userName !== null) into.text(publisher.userName);
    into.text(scale.nameOf(publisher.listenerId));
  }
  into.rest(message.bytes, message.payloadStart, message.payloadEnd);
}

function flagsOf({ qos, retain, expiresAtMs, forwardedProperties, publisher, publisherId }: OwnedMessage): number {
  let flags: number = qos;
  if (retain) flags |= RETAIN;
  if (expiresAtMs !== Number.POSITIVE_INFINITY) flags |= EXPIRES;
  if (forwardedProperties.length > 0) flags |= HAS_PROPERTIES;
  if (publisher === null) return flags;
  flags |= HAS_PUBLISHER;
  if (publisher.userName !== null) flags |= HAS_USER_NAME;
  if (publisher.clientId !== publisherId) flags |= HAS_OTHER_ID;
  return flags;
}

/** Everything from the cursor to the end. `topic` null: it stands there. @throws BodyError, ProtocolError, TypeError */
export function readMessage(cursor: Cursor, scale: StoreScale, topic: TopicName | null): OwnedMessage {
  const flags = readByte(cursor);
  const hasPublisher = (flags & HAS_PUBLISHER) !== 0;
  if (!hasPublisher && (flags & (HAS_USER_NAME | HAS_OTHER_ID)) !== 0) {
    throw new BodyError('a message of the broker has the user name of a publisher');
  }
  const ownTopic = topic ?? readTopic(cursor);
  const expiresAtMs = (flags & EXPIRES) === 0 ? Number.POSITIVE_INFINITY : scale.fromStored(readF64(cursor));
  const forwardedProperties = (flags & HAS_PROPERTIES) === 0 ? NO_BYTES : readForwarded(cursor);
  const publisherId = readPlainText(cursor);
  const publisher = hasPublisher ? readPublisher(cursor, flags, publisherId, scale) : null;
  return new OwnedMessage({
    topic: ownTopic,
    qos: qosOf(flags & QOS_MASK),
    retain: (flags & RETAIN) !== 0,
    expiresAtMs,
    forwardedProperties,
    publisherId,
    publisher,
    bytes: readRest(cursor),
  });
}

/** @throws BodyError when it is none */
export function qosOf(value: number): Qos {
  if (value === 0 || value === 1 || value === 2) return value;
  throw new BodyError(`there is no QoS ${value}`);
}

function readTopic(cursor: Cursor): TopicName {
  const byteCount = readU16(cursor);
  const start = advance(cursor, byteCount);
  return readTopicName(cursor.bytes, start, cursor.at);
}

function readForwarded(cursor: Cursor): Uint8Array {
  const start = advanceSized(cursor);
  scanProperties(cursor.bytes, start, cursor.at, PacketType.Publish);
  return copyForwardedProperties(cursor.bytes, start, cursor.at);
}

function readPublisher(cursor: Cursor, flags: number, publisherId: string, scale: StoreScale): Publisher {
  const clientId = (flags & HAS_OTHER_ID) === 0 ? publisherId : readPlainText(cursor);
  const userName = (flags & HAS_USER_NAME) === 0 ? null : readPlainText(cursor);
  return { clientId, userName, listenerId: scale.idOf(readPlainText(cursor)) };
}
