/**
 * Topic names and filters as types: what carries these types has been checked, and nothing else can make them. A topic
 * keeps its bytes beside its text, so that sending it on is a copy and not an encoding.
 */
import { ProtocolError } from './protocol-error.ts';
import { copyBytes } from './read.ts';
import { Reason } from './reasons.ts';
import { checkUtf8, isMqttText, readUtf8, textOf } from './utf8.ts';
import { copyInto } from './write.ts';

declare const brand: unique symbol;

/** A valid topic name: 1 to 65535 bytes of MQTT's UTF-8, no wildcard, at most 200 levels. */
export interface TopicName {
  readonly text: string;
  readonly bytes: Uint8Array;
  readonly [brand]: 'TopicName';
}

/** A valid topic filter, without its `$share/name/` prefix. `shareName` is null for an ordinary subscription. */
export interface TopicFilter {
  /** The whole text as the client sent it, `$share/…` included: the key of the subscription. */
  readonly text: string;
  /** What is matched against topic names. */
  readonly filter: string;
  readonly shareName: string | null;
  readonly [brand]: 'TopicFilter';
}

/** Levels of a topic name or filter; more is refused, as Mosquitto does. */
export const TOPIC_LEVELS_MAX = 200;

/** Topics above this are checked and made anew each time, so that the memo has a bound in bytes. */
const MEMO_TOPIC_BYTES_MAX = 252;
/** Room for a remembered topic: its length in bytes, then its words. */
const WORDS_MAX = 1 + (MEMO_TOPIC_BYTES_MAX >>> 2) + 1;
const PLACES_MIN = 16;
const SHARE_PREFIX = '$share/';

const SLASH = 0x2f;
const PLUS = 0x2b;
const HASH = 0x23;

const encoder = new TextEncoder();

/** Null when `text` is no valid topic name. For configuration and clients; packets go through `TopicNames`. */
export function parseTopicName(text: string): TopicName | null {
  if (!isMqttText(text)) return null;
  const bytes = encoder.encode(text);
  return topicNameFault(bytes, 0, bytes.length) === null ? topicName(text, bytes) : null;
}

/** Null when `text` is no valid topic filter, `$share/name/filter` included. */
export function parseTopicFilter(text: string): TopicFilter | null {
  if (!isMqttText(text)) return null;
  const shareEnd = shareNameEnd(text);
  if (shareEnd === -1 || topicFilterFault(text, filterStart(shareEnd)) !== null) return null;
  return topicFilter(text, shareEnd);
}

/**
 * Reads a topic filter.
 * @throws ProtocolError Topic Filter Invalid when a wildcard is misplaced [MQTT-4.7.1-1] [MQTT-4.7.1-2], the share name is
 * bad [MQTT-4.8.2-1] [MQTT-4.8.2-2], the filter is empty [MQTT-4.7.3-1] or has more than 200 levels; Malformed Packet
 * when it is not valid UTF-8 [MQTT-3.8.3-1].
 */
export function readTopicFilter(bytes: Uint8Array, start: number, end: number): TopicFilter {
  const text = readUtf8(bytes, start, end);
  const shareEnd = shareNameEnd(text);
  const fault = shareEnd === -1 ? SHARE_FAULT : topicFilterFault(text, filterStart(shareEnd));
  if (fault !== null) throw new ProtocolError(Reason.TopicFilterInvalid, fault.statement, fault.message);
  return topicFilter(text, shareEnd);
}

/** Reads a topic name without a memo. Errors are those of `TopicNames.read`. */
export function readTopicName(bytes: Uint8Array, start: number, end: number): TopicName {
  const isAscii = checkUtf8(bytes, start, end);
  const fault = topicNameFault(bytes, start, end);
  if (fault !== null) throw new ProtocolError(Reason.TopicNameInvalid, fault.statement, fault.message);
  return topicName(textOf(bytes, start, end, isAscii), copyBytes(bytes, start, end));
}

/**
 * A bounded memo from the bytes of a topic to its TopicName, so that a topic that is published again costs a hash and a
 * comparison: no check, no string, no allocation, and the same object, by which others can remember what they know of it.
 *
 * The table never grows: a topic has two slots, a newcomer takes the first and moves its holder to the second. When both
 * are taken it gets in only when it comes for the second time, so that a flood of ever new topics leaves in place what is
 * asked for in between, and all that is made for one dies young. A Map keyed by text was rejected, since the text would have
 * to be made to ask it. Topics are compared as words of four bytes, which hashing puts together anyway (measured with 45
 * bytes: 40 ns instead of 80); the words of all topics stand in one array, which grows with how many there are.
 *
 *   slot (by hash)  -->  place, in order of coming  -->  topic, words           memory: 260 bytes and the topic itself
 */
export class TopicNames {
  readonly #mask: number;
  readonly #hashes: Int32Array;
  /** By slot; NO_PLACE where it is free. */
  readonly #places: Int32Array;
  /** Hashes of topics that missed lately and were not remembered. */
  readonly #seen: Int32Array;
  /** By place. */
  readonly #topics: TopicName[] = [];
  #words = new Int32Array(PLACES_MIN * WORDS_MAX);

  /** `slotCount` is rounded up to a power of two. */
  constructor(slotCount = 4096) {
    let size = 2;
    while (size < slotCount) size *= 2;
    // The lowest bit chooses between the two slots of a pair.
    this.#mask = size - 2;
    this.#hashes = new Int32Array(size);
    this.#places = new Int32Array(size).fill(NO_PLACE);
    this.#seen = new Int32Array(size);
  }

  /**
   * The topic name in `bytes[start, end)`.
   * @throws ProtocolError Topic Name Invalid for a wildcard [MQTT-3.3.2-2], an empty topic [MQTT-4.7.3-1] or more than
   * 200 levels; Malformed Packet for bad UTF-8 [MQTT-3.3.2-1].
   */
  read(bytes: Uint8Array, start: number, end: number): TopicName {
    const count = end - start;
    if (count > MEMO_TOPIC_BYTES_MAX) return readTopicName(bytes, start, end);
    const hash = readWords(bytes, start, end);
    const slot = (hash >>> 4) & this.#mask;
    if (this.#hashes[slot] === hash) {
      const place = this.#places[slot] ?? NO_PLACE;
      if (place >= 0 && this.#isReadTopic(place, count)) return this.#topics[place]!;
    }
    if (this.#hashes[slot + 1] === hash) {
      const place = this.#places[slot + 1] ?? NO_PLACE;
      if (place >= 0 && this.#isReadTopic(place, count)) return this.#topics[place]!;
    }
    const topic = readTopicName(bytes, start, end);
    if (this.#isWelcome(slot, hash)) this.#remember(topic, slot, hash);
    return topic;
  }

  /** True when the topic of `byteCount` bytes whose words were just read is the one at `place`. */
  #isReadTopic(place: number, byteCount: number): boolean {
    const words = this.#words;
    const start = place * WORDS_MAX;
    if (words[start] !== byteCount) return false;
    const count = (byteCount >>> 2) + 1;
    for (let index = 0; index < count; index++) if (words[start + 1 + index] !== readWordsNow[index]) return false;
    return true;
  }

  /** Whether a slot is free, or the topic was asked for lately. */
  #isWelcome(slot: number, hash: number): boolean {
    if (this.#places[slot + 1] === NO_PLACE) return true;
    const seenAt = (hash ^ (hash >>> 18)) & (this.#seen.length - 1);
    if (this.#seen[seenAt] === hash) return true;
    this.#seen[seenAt] = hash;
    return false;
  }

  #remember(topic: TopicName, slot: number, hash: number): void {
    const byteCount = topic.bytes.length;
    const leaving = this.#places[slot + 1] ?? NO_PLACE;
    const place = leaving === NO_PLACE ? this.#topics.length : leaving;
    this.#topics[place] = topic;
    Topic.setPlace(topic, place);
    this.#reserve(place);
    this.#words[place * WORDS_MAX] = byteCount;
    const count = (byteCount >>> 2) + 1;
    for (let index = 0; index < count; index++) this.#words[place * WORDS_MAX + 1 + index] = readWordsNow[index] ?? 0;
    this.#hashes[slot + 1] = this.#hashes[slot] ?? 0;
    this.#places[slot + 1] = this.#places[slot] ?? NO_PLACE;
    this.#hashes[slot] = hash;
    this.#places[slot] = place;
  }

  /** Growing copies 2 MB at most. */
  #reserve(place: number): void {
    if ((place + 1) * WORDS_MAX <= this.#words.length) return;
    const grown = new Int32Array(this.#words.length * 2);
    grown.set(this.#words);
    this.#words = grown;
  }
}

/** The words of the topic that was hashed last; the last word holds the 0 to 3 bytes that are left over. */
const readWordsNow = new Int32Array((MEMO_TOPIC_BYTES_MAX >>> 2) + 1);

/** Puts the topic into `readWordsNow`. Returns its hash, which spreads topics but does not resist a seeker of collisions. */
function readWords(bytes: Uint8Array, start: number, end: number): number {
  let hash = end - start;
  let count = 0;
  let at = start;
  for (; at + 4 <= end; at += 4) {
    const word = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    readWordsNow[count++] = word;
    hash = Math.imul(hash ^ word, 0x5bd1e995);
    hash ^= hash >>> 15;
  }
  let rest = 0;
  for (; at < end; at++) rest = (rest << 8) | bytes[at]!;
  readWordsNow[count] = rest;
  hash = Math.imul(hash ^ rest, 0x5bd1e995);
  return hash ^ (hash >>> 13);
}

/** Topics above this are lent in an array made for each. */
const LOAN_BYTES_MAX = 512;

/**
 * A topic name that is lent: it was checked when it was kept, and is valid until the next one is lent. No text and no array
 * is made for it: the text when somebody asks for it, and there is one array for each length.
 */
export class TopicLoan {
  bytes: Uint8Array = new Uint8Array(0);
  readonly #arrays: Uint8Array[] = [];
  #text: string | null = null;

  /** The same object for every topic. */
  get name(): TopicName {
    return asTopicName(this);
  }

  get text(): string {
    this.#text ??= textOf(this.bytes, 0, this.bytes.length, checkUtf8(this.bytes, 0, this.bytes.length));
    return this.#text;
  }

  /** `bytes[start, end)` is a topic name that was checked before. */
  lend(bytes: Uint8Array, start: number, end: number): void {
    this.#text = null;
    this.bytes = this.#arrayOf(end - start);
    copyInto(bytes, start, end, this.bytes, 0);
  }

  own(): TopicName {
    return topicName(this.text, copyBytes(this.bytes, 0, this.bytes.length));
  }

  #arrayOf(length: number): Uint8Array {
    if (length > LOAN_BYTES_MAX) return new Uint8Array(length);
    this.#arrays[length] ??= new Uint8Array(length);
    return this.#arrays[length];
  }
}

/** The topic has no place in a memo. */
export const NO_PLACE = -1;

/**
 * A small number for a topic that `TopicNames` remembers, so that others can find what they know of it in an array; or
 * NO_PLACE. Another topic may have it, too: one that was there before or after, or that another memo remembers.
 */
export function topicPlace(topic: TopicName): number {
  return Topic.placeOf(topic);
}

/** Why something is no topic: the statement that is broken, and the same in words. */
export interface TopicFault {
  readonly statement: string;
  readonly message: string;
}

const EMPTY_FAULT: TopicFault = { statement: 'MQTT-4.7.3-1', message: 'topic is empty' };
const LEVELS_FAULT: TopicFault = { statement: '', message: `topic has more than ${TOPIC_LEVELS_MAX} levels` };
const WILDCARD_FAULT: TopicFault = { statement: 'MQTT-3.3.2-2', message: 'topic name has a wildcard' };
const HASH_FAULT: TopicFault = { statement: 'MQTT-4.7.1-1', message: "'#' must be the last level, and all of it" };
const PLUS_FAULT: TopicFault = { statement: 'MQTT-4.7.1-2', message: "'+' must be the whole of its level" };
const SHARE_FAULT: TopicFault = { statement: 'MQTT-4.8.2-1', message: 'shared filter is not $share/name/filter' };

/** What is wrong with a topic name whose UTF-8 was checked; null = nothing. */
export function topicNameFault(bytes: Uint8Array, start: number, end: number): TopicFault | null {
  if (start === end) return EMPTY_FAULT;
  let levels = 1;
  for (let at = start; at < end; at++) {
    const byte = bytes[at]!;
    if (byte === PLUS || byte === HASH) return WILDCARD_FAULT;
    if (byte === SLASH && ++levels > TOPIC_LEVELS_MAX) return LEVELS_FAULT;
  }
  return null;
}

/** Judges `text` from `start` on, where the part that is matched begins. */
function topicFilterFault(text: string, start: number): TopicFault | null {
  const end = text.length;
  if (start === end) return EMPTY_FAULT;
  let levels = 1;
  for (let at = start; at < end; at++) {
    const code = text.charCodeAt(at);
    const isLevelStart = at === start || text.charCodeAt(at - 1) === SLASH;
    if (code === SLASH && ++levels > TOPIC_LEVELS_MAX) return LEVELS_FAULT;
    if (code === HASH && !(isLevelStart && at + 1 === end)) return HASH_FAULT;
    if (code === PLUS && !(isLevelStart && (at + 1 === end || text.charCodeAt(at + 1) === SLASH))) return PLUS_FAULT;
  }
  return null;
}

/** Where the share name ends; 0 for a filter that is not shared, -1 for a bad share name. */
function shareNameEnd(text: string): number {
  if (text === '$share') return -1;
  if (!text.startsWith(SHARE_PREFIX)) return 0;
  for (let at = SHARE_PREFIX.length; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === SLASH) return at === SHARE_PREFIX.length ? -1 : at;
    if (code === PLUS || code === HASH) return -1;
  }
  return -1;
}

function filterStart(shareEnd: number): number {
  return shareEnd === 0 ? 0 : shareEnd + 1;
}

function topicName(text: string, bytes: Uint8Array): TopicName {
  return asTopicName(new Topic(text, bytes));
}

/**
 * A class and not a literal: V8 puts objects of a literal straight into old space once enough of them have lived long, as
 * the first ones of a memo do. What each of the later ones holds then outlives it (measured: collections of 20 ms, not 0.5).
 */
class Topic {
  readonly text: string;
  readonly bytes: Uint8Array;
  #place = NO_PLACE;

  constructor(text: string, bytes: Uint8Array) {
    this.text = text;
    this.bytes = bytes;
  }

  static placeOf(topic: object): number {
    return #place in topic ? topic.#place : NO_PLACE;
  }

  static setPlace(topic: object, place: number): void {
    if (#place in topic) topic.#place = place;
  }
}

/** The one place where a TopicName is made: what comes here was checked. */
function asTopicName(name: { readonly text: string; readonly bytes: Uint8Array }): TopicName {
  return name as TopicName;
}

/** The one place where a TopicFilter is made: what comes here was checked. */
function topicFilter(text: string, shareEnd: number): TopicFilter {
  const shareName = shareEnd === 0 ? null : text.slice(SHARE_PREFIX.length, shareEnd);
  return { text, filter: text.slice(filterStart(shareEnd)), shareName } as TopicFilter;
}
