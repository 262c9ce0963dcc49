/**
 * The bytes that the store keeps without knowing what they say. Each body begins with the number of its form, so that a
 * later form can be told apart; numbers are written with their high byte first, texts have their length in two bytes.
 *
 *      session        | 1 | flags | client id | user name? | listener | expiry | offline since? |
 *      subscription   | 1 | flags | identifiers? |
 *      row            | 1 | flags | identifiers? | shared filter? | message, unless several rows share it |
 *      message        | 1 | message |
 *      retained       | 1 | flags | since? | message without its topic |
 *      will           | 1 | flags | user name? | listener | delay | expiry? | message |
 *
 * `message` is that of body-message.ts. A listener is stored by its name, because ids belong to one process, and moments on
 * the clock of the store (store-time.ts). Whatever is read passes the checks that packets pass: no body makes a topic that
 * is none.
 */
import type { Delivery } from '../../core/model/delivery.ts';
import type { OwnedMessage } from '../../core/model/message.ts';
import type { Subscription } from '../../core/model/subscription.ts';
import type { Will } from '../../core/model/will.ts';
import type { QueueRow, StoredOwner } from '../../core/ports.ts';
import { ProtocolError } from '../../protocol/protocol-error.ts';
import { type Cursor, copyBytes, readByte, readVariable } from '../../protocol/read.ts';
import { parseTopicFilter, readTopicFilter, readTopicName } from '../../protocol/topic.ts';
import { qosOf, readMessage, type StoreScale, writeMessage } from './body-message.ts';
import { BodyError, readF64, readPlainText, readU32, requireEnd } from './body-reader.ts';
import { BodyWriter } from './body-writer.ts';

export type { StoreScale } from './body-message.ts';
export { BodyError } from './body-reader.ts';

/** What is stored of a session. `offlineSinceMs` null: its client is connected. */
export interface StoredSessionFields extends StoredOwner {
  readonly expirySeconds: number;
  readonly offlineSinceMs: number | null;
}

export type StoredSubscription = Omit<Subscription, 'target'>;

const FORM = 1;
const U32_MAX = 0xffff_ffff;
const IDENTIFIERS_MAX = 65_535;

const QOS_MASK = 3;

const SESSION_USER_NAME = 1;
const SESSION_OFFLINE = 2;

const NO_LOCAL = 4;
const RETAIN_AS_PUBLISHED = 8;
const RETAIN_HANDLING_SHIFT = 4;
const SUBSCRIPTION_IDENTIFIERS = 64;

const ROW_RETAIN = 4;
const ROW_IDENTIFIERS = 8;
const ROW_SHARED = 16;

const RETAINED_SINCE = 1;

const WILL_USER_NAME = 1;
const WILL_EXPIRY = 2;

const encoder = new TextEncoder();
const writer = new BodyWriter();

export function encodeSession(session: StoredSessionFields, scale: StoreScale): Uint8Array {
  const { clientId, userName, listenerId, expirySeconds, offlineSinceMs } = session;
  begin((userName === null ? 0 : SESSION_USER_NAME) | (offlineSinceMs === null ? 0 : SESSION_OFFLINE));
  writer.text(clientId);
  if (userName !== null) writer.text(userName);
  writer.text(scale.nameOf(listenerId));
  writer.u32(Math.min(expirySeconds, U32_MAX));
  if (offlineSinceMs !== null) writer.f64(scale.toStored(offlineSinceMs));
  return owned(writer.lend());
}

/** @throws BodyError */
export function decodeSession(body: Uint8Array, scale: StoreScale): StoredSessionFields {
  return decode(body, (cursor) => {
    const flags = readFlags(cursor, SESSION_USER_NAME | SESSION_OFFLINE);
    const clientId = readPlainText(cursor);
    const userName = (flags & SESSION_USER_NAME) === 0 ? null : readPlainText(cursor);
    const listenerId = scale.idOf(readPlainText(cursor));
    const expirySeconds = readU32(cursor);
    const offlineSinceMs = (flags & SESSION_OFFLINE) === 0 ? null : scale.fromStored(readF64(cursor));
    return { clientId, userName, listenerId, expirySeconds, offlineSinceMs };
  });
}

export function encodeSubscription(subscription: StoredSubscription): Uint8Array {
  const { qos, noLocal, retainAsPublished, retainHandling, identifiers } = subscription;
  const options = (noLocal ? NO_LOCAL : 0) | (retainAsPublished ? RETAIN_AS_PUBLISHED : 0);
  const handling = retainHandling << RETAIN_HANDLING_SHIFT;
  begin(qos | options | handling | (identifiers === null ? 0 : SUBSCRIPTION_IDENTIFIERS));
  if (identifiers !== null) writeIdentifiers(identifiers);
  return owned(writer.lend());
}

/** `filter`: the key, as UTF-8. @throws BodyError */
export function decodeSubscription(filter: Uint8Array, body: Uint8Array): StoredSubscription {
  return decode(body, (cursor) => {
    const flags = readFlags(cursor, 2 * SUBSCRIPTION_IDENTIFIERS - 1);
    const retainHandling = (flags >>> RETAIN_HANDLING_SHIFT) & 3;
    if (retainHandling === 3) throw new BodyError('there is no retain handling 3');
    return {
      filter: readTopicFilter(filter, 0, filter.length),
      qos: qosOf(flags & QOS_MASK),
      noLocal: (flags & NO_LOCAL) !== 0,
      retainAsPublished: (flags & RETAIN_AS_PUBLISHED) !== 0,
      retainHandling: retainHandling === 0 ? 0 : retainHandling === 1 ? 1 : 2,
      identifiers: (flags & SUBSCRIPTION_IDENTIFIERS) === 0 ? null : readIdentifiers(cursor),
    };
  });
}

/** A row of a queue with its message. */
export function encodeRow(delivery: Delivery, scale: StoreScale): Uint8Array {
  return owned(lendRow(delivery, scale));
}

/** `encodeRow`, lent: valid until the next body is encoded. */
export function lendRow(delivery: Delivery, scale: StoreScale): Uint8Array {
  writeRow(delivery);
  writeMessage(writer, delivery.message, { scale, hasTopic: true });
  return writer.lend();
}

/** A row of a queue without its message, which stands by itself. */
export function encodeRowShared(delivery: Delivery): Uint8Array {
  return owned(lendRowShared(delivery));
}

/** `encodeRowShared`, lent: valid until the next body is encoded. */
export function lendRowShared(delivery: Delivery): Uint8Array {
  writeRow(delivery);
  return writer.lend();
}

/** `message` null: it stands in the body. `delivery.shared` of what is returned is null, its filter is `sharedFilter`. @throws BodyError */
export function decodeRow(
  position: number,
  body: Uint8Array,
  message: OwnedMessage | null,
  scale: StoreScale,
): QueueRow {
  return decode(body, (cursor) => {
    const flags = readFlags(cursor, 2 * ROW_SHARED - 1);
    const subscriptionIdentifiers = (flags & ROW_IDENTIFIERS) === 0 ? null : readIdentifiers(cursor);
    const sharedFilter = (flags & ROW_SHARED) === 0 ? null : readSharedFilter(cursor);
    const delivery: Delivery = {
      message: message ?? readMessage(cursor, scale, null),
      qos: qosOf(flags & QOS_MASK),
      retain: (flags & ROW_RETAIN) !== 0,
      subscriptionIdentifiers,
      shared: null,
    };
    return { position, delivery, sharedFilter };
  });
}

/** A message that several rows share. */
export function encodeMessage(message: OwnedMessage, scale: StoreScale): Uint8Array {
  return owned(lendMessage(message, scale));
}

/** `encodeMessage`, lent: valid until the next body is encoded. */
export function lendMessage(message: OwnedMessage, scale: StoreScale): Uint8Array {
  beginForm();
  writeMessage(writer, message, { scale, hasTopic: true });
  return writer.lend();
}

/** @throws BodyError */
export function decodeMessage(body: Uint8Array, scale: StoreScale): OwnedMessage {
  return decode(body, (cursor) => readMessage(cursor, scale, null));
}

/** `sinceMs`: Infinity = it is not counted. The topic is the key and not in the body. */
export function encodeRetained(message: OwnedMessage, sinceMs: number, scale: StoreScale): Uint8Array {
  return owned(lendRetained(message, sinceMs, scale));
}

/** `encodeRetained`, lent: valid until the next body is encoded. */
export function lendRetained(message: OwnedMessage, sinceMs: number, scale: StoreScale): Uint8Array {
  const hasSince = sinceMs !== Number.POSITIVE_INFINITY;
  begin(hasSince ? RETAINED_SINCE : 0);
  if (hasSince) writer.f64(scale.toStored(sinceMs));
  writeMessage(writer, message, { scale, hasTopic: false });
  return writer.lend();
}

/** `topic`: the key. @throws BodyError */
export function decodeRetained(
  topic: Uint8Array,
  body: Uint8Array,
  scale: StoreScale,
): { readonly message: OwnedMessage; readonly sinceMs: number } {
  return decode(body, (cursor) => {
    const flags = readFlags(cursor, RETAINED_SINCE);
    const sinceMs = flags === 0 ? Number.POSITIVE_INFINITY : scale.fromStored(readF64(cursor));
    return { message: readMessage(cursor, scale, readTopicName(topic, 0, topic.length)), sinceMs };
  });
}

/** The client id is the key and not in the body. */
export function encodeWill(owner: StoredOwner, will: Will, scale: StoreScale): Uint8Array {
  const { userName, listenerId } = owner;
  const { delaySeconds, expirySeconds, message } = will;
  begin((userName === null ? 0 : WILL_USER_NAME) | (expirySeconds === null ? 0 : WILL_EXPIRY));
  if (userName !== null) writer.text(userName);
  writer.text(scale.nameOf(listenerId));
  writer.u32(Math.min(delaySeconds, U32_MAX));
  if (expirySeconds !== null) writer.u32(Math.min(expirySeconds, U32_MAX));
  writeMessage(writer, message, { scale, hasTopic: true });
  return owned(writer.lend());
}

/** `clientId`: the key, as UTF-8. @throws BodyError */
export function decodeWill(clientId: Uint8Array, body: Uint8Array, scale: StoreScale): StoredOwner & { will: Will } {
  return decode(body, (cursor) => {
    const flags = readFlags(cursor, WILL_USER_NAME | WILL_EXPIRY);
    const userName = (flags & WILL_USER_NAME) === 0 ? null : readPlainText(cursor);
    const listenerId = scale.idOf(readPlainText(cursor));
    const delaySeconds = readU32(cursor);
    const expirySeconds = (flags & WILL_EXPIRY) === 0 ? null : readU32(cursor);
    const message = readMessage(cursor, scale, null);
    return { clientId: textOfKey(clientId), userName, listenerId, will: { message, delaySeconds, expirySeconds } };
  });
}

/** A key of the store as bytes: a client id, a filter. */
export function keyOf(text: string): Uint8Array {
  return encoder.encode(text);
}

function writeRow({ qos, retain, subscriptionIdentifiers, shared }: Delivery): void {
  const extras = (subscriptionIdentifiers === null ? 0 : ROW_IDENTIFIERS) | (shared === null ? 0 : ROW_SHARED);
  begin(qos | (retain ? ROW_RETAIN : 0) | extras);
  if (subscriptionIdentifiers !== null) writeIdentifiers(subscriptionIdentifiers);
  if (shared !== null) writer.text(shared.filter.text);
}

function begin(flags: number): void {
  beginForm();
  writer.u8(flags);
}

function beginForm(): void {
  writer.begin();
  writer.u8(FORM);
}

function writeIdentifiers(identifiers: readonly number[]): void {
  const count = Math.min(identifiers.length, IDENTIFIERS_MAX);
  writer.variable(count);
  for (let index = 0; index < count; index += 1) writer.variable(identifiers[index] ?? 1);
}

function readIdentifiers(cursor: Cursor): readonly number[] {
  const count = readVariable(cursor);
  const identifiers: number[] = [];
  // Each takes a byte at least: a count that is not true ends with the body.
  for (let left = count; left > 0; left -= 1) {
    const identifier = readVariable(cursor);
    if (identifier === 0) throw new BodyError('a subscription identifier is 0');
    identifiers.push(identifier);
  }
  return identifiers;
}

function readSharedFilter(cursor: Cursor): string {
  const text = readPlainText(cursor);
  if (parseTopicFilter(text)?.shareName == null) throw new BodyError('what stands for a shared filter is none');
  return text;
}

function readFlags(cursor: Cursor, allowed: number): number {
  const flags = readByte(cursor);
  if ((flags & ~allowed) !== 0) throw new BodyError(`the flags 0x${flags.toString(16)} have a bit that is not in use`);
  return flags;
}

function textOfKey(key: Uint8Array): string {
  return keyDecoder.decode(key);
}

const keyDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function owned(lent: Uint8Array): Uint8Array {
  return copyBytes(lent, 0, lent.length);
}

/** Runs `read` over the whole of `body`, which must have the form of today. All that goes wrong is a BodyError. */
function decode<T>(body: Uint8Array, read: (cursor: Cursor) => T): T {
  const cursor: Cursor = { bytes: body, at: 0, end: body.length };
  try {
    const form = readByte(cursor);
    if (form !== FORM) throw new BodyError(`its form is ${form}, this program knows ${FORM}`);
    const value = read(cursor);
    requireEnd(cursor);
    return value;
  } catch (error) {
    // TypeError: bytes that are no UTF-8.
    if (error instanceof ProtocolError || error instanceof TypeError) throw new BodyError(error.message);
    throw error;
  }
}
