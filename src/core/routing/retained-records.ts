/**
 * Retained messages as records in an arena, and the view through which one of them is read. The topic is not in the
 * record: it is the way to the node.
 *
 *   | flags | 0 | properties, 2 | payload, 2 | publisher, 2 | publisher id | [listener, 2] | [user, 2 | user name] |
 *   | [expiry, 8] | [since, 8] | properties | payload |
 *
 * Numbers have their low byte first; lengths are in bytes, those of publisher and user name with their high byte first.
 * Flags: QoS in two bits, then whether it expires, whether it is known since when it is kept (`retain_expiry_interval`),
 * whether a client published it, and whether that one had a user name. A message that is larger than a block stays an object: such ones are few for what they hold, and leave by reference.
 */
import { copyBytes, u16At as lengthAt } from '../../protocol/read.ts';
import { TopicLoan, type TopicName } from '../../protocol/topic.ts';
import { textOf, utf8Bytes, writeUtf8 } from '../../protocol/utf8.ts';
import type { Qos } from '../../protocol/version.ts';
import { copyInto } from '../../protocol/write.ts';
import { type Message, NO_BYTES, OwnedMessage, type Publisher } from '../model/message.ts';
import { BLOCK_BYTES_MAX, RecordArena, type RecordRef } from './record-arena.ts';
import { NONE } from './retained-nodes.ts';

const HEAD_BYTES = 8;
const PUBLISHER_AT = 6;
const TIME_BYTES = 8;
const QOS_MASK = 3;
const EXPIRES = 4;
const HAS_SINCE = 8;
const HAS_PUBLISHER = 16;
const HAS_USER_NAME = 32;
const LISTENER_BYTES = 2;
const LISTENER_ID_MAX = 0xffff;

/** It is not known since when a message is kept: it was not asked for, and the message has only its own expiry. */
export const SINCE_UNKNOWN = Number.POSITIVE_INFINITY;

const time = new Float64Array(1);
const timeBytes = new Uint8Array(time.buffer);

export class RetainedRecords {
  readonly #arena: RecordArena;

  /** `onMove` is told where the record of a node stands from now on. */
  constructor(onMove: (node: number, ref: RecordRef) => void) {
    this.#arena = new RecordArena(onMove);
  }

  get count(): number {
    return this.#arena.count;
  }

  get bytes(): number {
    return this.#arena.bytes;
  }

  /**
   * Keeps a message in the place of the node's record `present`, or anew when that is NONE. `sinceMs`: of its arrival, or
   * SINCE_UNKNOWN. @returns its reference.
   */
  put(node: number, message: Message, sinceMs: number, present: RecordRef): RecordRef {
    const byteCount = recordBytes(message, sinceMs);
    let ref = present;
    if (ref !== NONE && !this.#arena.fits(ref, byteCount)) {
      this.#arena.giveBack(ref);
      ref = NONE;
    }
    if (ref === NONE) ref = this.#arena.take(byteCount, node);
    write(message, sinceMs, this.#arena.pageOf(ref), this.#arena.offsetOf(ref));
    return ref;
  }

  remove(ref: RecordRef): void {
    this.#arena.giveBack(ref);
  }

  payloadBytes(ref: RecordRef): number {
    return u16At(this.#arena.pageOf(ref), this.#arena.offsetOf(ref) + 4);
  }

  /** Whether it may end by itself: it has an expiry, or it is known since when it is kept. */
  mayExpire(ref: RecordRef): boolean {
    return ((this.#arena.pageOf(ref)[this.#arena.offsetOf(ref)] ?? 0) & (EXPIRES | HAS_SINCE)) !== 0;
  }

  /** Makes `view` stand for a record, whose topic is `topic[0, topicEnd)`. */
  read(ref: RecordRef, topic: Uint8Array, topicEnd: number, view: RetainedView): void {
    view.show(this.#arena.pageOf(ref), this.#arena.offsetOf(ref), topic, topicEnd);
  }
}

/** Whether a record has room for the message. */
export function isSmall(message: Message, sinceMs: number): boolean {
  const payloadBytes = message.payloadEnd - message.payloadStart;
  const hasPlainListener = (message.publisher?.listenerId ?? 0) <= LISTENER_ID_MAX;
  return hasPlainListener && payloadBytes < BLOCK_BYTES_MAX && recordBytes(message, sinceMs) <= BLOCK_BYTES_MAX;
}

function recordBytes(message: Message, sinceMs: number): number {
  const { expiresAtMs, forwardedProperties, payloadEnd, payloadStart, publisherId } = message;
  const expiryBytes = expiresAtMs === Number.POSITIVE_INFINITY ? 0 : TIME_BYTES;
  const timesBytes = expiryBytes + (sinceMs === SINCE_UNKNOWN ? 0 : TIME_BYTES);
  return (
    HEAD_BYTES +
    utf8Bytes(publisherId) +
    publisherBytes(message.publisher) +
    timesBytes +
    forwardedProperties.length +
    payloadEnd -
    payloadStart
  );
}

/** Bytes of what is kept of a publisher besides its client id. */
function publisherBytes(publisher: Publisher | null): number {
  if (publisher === null) return 0;
  return publisher.userName === null ? LISTENER_BYTES : LISTENER_BYTES + 2 + utf8Bytes(publisher.userName);
}

function write(message: Message, sinceMs: number, page: Uint8Array, offset: number): void {
  const { qos, expiresAtMs, forwardedProperties, publisher, payloadStart, payloadEnd } = message;
  const expires = expiresAtMs !== Number.POSITIVE_INFINITY;
  const hasSince = sinceMs !== SINCE_UNKNOWN;
  page[offset] = qos | (expires ? EXPIRES : 0) | (hasSince ? HAS_SINCE : 0) | publisherFlags(publisher);
  page[offset + 1] = 0;
  writeU16(forwardedProperties.length, page, offset + 2);
  writeU16(payloadEnd - payloadStart, page, offset + 4);
  // The length that it puts in front has its high byte first.
  let at = writeUtf8(message.publisherId, page, offset + PUBLISHER_AT);
  if (publisher !== null) at = writePublisher(publisher, page, at);
  if (expires) at = writeTime(expiresAtMs, page, at);
  if (hasSince) at = writeTime(sinceMs, page, at);
  at = copyInto(forwardedProperties, 0, forwardedProperties.length, page, at);
  copyInto(message.bytes, payloadStart, payloadEnd, page, at);
}

function publisherFlags(publisher: Publisher | null): number {
  if (publisher === null) return 0;
  return publisher.userName === null ? HAS_PUBLISHER : HAS_PUBLISHER | HAS_USER_NAME;
}

function writePublisher({ listenerId, userName }: Publisher, page: Uint8Array, at: number): number {
  writeU16(listenerId, page, at);
  const end = at + LISTENER_BYTES;
  return userName === null ? end : writeUtf8(userName, page, end);
}

function writeTime(ms: number, page: Uint8Array, at: number): number {
  time[0] = ms;
  return copyInto(timeBytes, 0, TIME_BYTES, page, at);
}

function timeAt(page: Uint8Array, at: number): number {
  copyInto(page, at, at + TIME_BYTES, timeBytes, 0);
  return time[0] ?? 0;
}

function u16At(page: Uint8Array, at: number): number {
  return (page[at] ?? 0) | ((page[at + 1] ?? 0) << 8);
}

function writeU16(value: number, page: Uint8Array, at: number): void {
  page[at] = value & 0xff;
  page[at + 1] = value >>> 8;
}

/** A retained message that is lent: valid until the next one is read or the store changes. Whoever keeps it calls `own`. */
export class RetainedView implements Message {
  readonly #topic = new TopicLoan();
  qos: Qos = 0;
  readonly retain = true;
  expiresAtMs = Number.POSITIVE_INFINITY;
  /** Monotonic milliseconds of its arrival, or SINCE_UNKNOWN. */
  sinceMs = SINCE_UNKNOWN;
  forwardedProperties: Uint8Array = NO_BYTES;
  bytes: Uint8Array = NO_BYTES;
  payloadStart = 0;
  payloadEnd = 0;
  #publisherStart = 0;
  #publisherEnd = 0;
  #flags = 0;
  #owned: OwnedMessage | null = null;

  get topic(): TopicName {
    return this.#topic.name;
  }

  /** Only No Local asks for it, so it is made when it is asked for. */
  get publisherId(): string {
    return textOf(this.bytes, this.#publisherStart, this.#publisherEnd, false);
  }

  /** Only `check_retain_source` asks for it. */
  get publisher(): Publisher | null {
    if ((this.#flags & HAS_PUBLISHER) === 0) return null;
    const listenerId = u16At(this.bytes, this.#publisherEnd);
    const userAt = this.#publisherEnd + LISTENER_BYTES;
    const userName =
      (this.#flags & HAS_USER_NAME) === 0
        ? null
        : textOf(this.bytes, userAt + 2, userAt + 2 + lengthAt(this.bytes, userAt), false);
    return { clientId: this.publisherId, userName, listenerId };
  }

  show(page: Uint8Array, offset: number, topic: Uint8Array, topicEnd: number): void {
    this.#topic.lend(topic, 0, topicEnd);
    this.#owned = null;
    this.bytes = page;
    const flags = page[offset] ?? 0;
    this.#flags = flags;
    this.qos = qosOf(flags & QOS_MASK);
    this.#publisherStart = offset + HEAD_BYTES;
    this.#publisherEnd = this.#publisherStart + lengthAt(page, offset + PUBLISHER_AT);
    let at = this.#publisherEnd;
    if ((flags & HAS_PUBLISHER) !== 0) at += LISTENER_BYTES;
    if ((flags & HAS_USER_NAME) !== 0) at += 2 + lengthAt(page, at);
    this.expiresAtMs = Number.POSITIVE_INFINITY;
    if ((flags & EXPIRES) !== 0) {
      this.expiresAtMs = timeAt(page, at);
      at += TIME_BYTES;
    }
    this.sinceMs = SINCE_UNKNOWN;
    if ((flags & HAS_SINCE) !== 0) {
      this.sinceMs = timeAt(page, at);
      at += TIME_BYTES;
    }
    const propertiesEnd = at + u16At(page, offset + 2);
    this.forwardedProperties = propertiesEnd === at ? NO_BYTES : page.subarray(at, propertiesEnd);
    this.payloadStart = propertiesEnd;
    this.payloadEnd = propertiesEnd + u16At(page, offset + 4);
  }

  own(): OwnedMessage {
    if (this.#owned !== null) return this.#owned;
    const { qos, retain, expiresAtMs, publisherId, publisher, forwardedProperties } = this;
    this.#owned = new OwnedMessage({
      topic: this.#topic.own(),
      qos,
      retain,
      expiresAtMs,
      publisherId,
      publisher,
      forwardedProperties: copyBytes(forwardedProperties, 0, forwardedProperties.length),
      bytes: copyBytes(this.bytes, this.payloadStart, this.payloadEnd),
    });
    return this.#owned;
  }
}

function qosOf(bits: number): Qos {
  if (bits === 1) return 1;
  return bits === 2 ? 2 : 0;
}
