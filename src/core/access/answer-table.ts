/**
 * What the gatekeeper has answered lately, for all clients together: by the number of the client and the number that the
 * memo of topic names gave the topic.
 *
 *   topic --place--> serial       hash of serial and kind, plus client --> slot: client, serial, kind and answer in one number
 *
 * One table of a fixed size, and not a Map for each client: it has one bound for all, and an idle client has no share of it. A
 * message for many receivers finds the answers about clients that came one after the other side by side in memory, and its
 * topic is compared as an object. An answer has two slots, by two hashes: a new one takes the first and moves its holder to the
 * other one of that, so that two that are asked for in turn do not push each other out.
 *
 * A topic that the memo does not remember has no number and is asked about each time; so is one that is only lent, since the
 * same object is another topic at the next look. A serial stands for one topic from when it was first asked about until the
 * answers are forgotten, and is not used again before the table was wiped: to forget everything, the serials are dropped.
 */
import { type TopicName, topicPlace } from '../../protocol/topic.ts';

/** Slots of each of the two hashes, 8 bytes each. */
const SLOTS = 1 << 19;
/** Topics with a higher place are not remembered. */
const PLACES_MAX = 65_536;
/** A slot has 53 bits: a client, a serial, the kind and the answer. */
const CLIENTS_MAX = 2 ** 32;
const SERIALS_MAX = 2 ** 19;
const CLIENT_UNIT = 4 * SERIALS_MAX;

/** Nothing is remembered. */
export const UNKNOWN = -1;

export const PUBLISH = 0;
export const RECEIVE = 1;
export type AskedKind = typeof PUBLISH | typeof RECEIVE;

export class AnswerTable {
  readonly #serialsMax: number;
  /** By slot; 0 = free. Empty until it is needed. */
  #slots = new Float64Array(0);
  /** By place: the topic that was asked about last, and its serial. */
  readonly #topics: (TopicName | null)[] = [];
  readonly #serials: number[] = [];
  #lastSerial = 0;
  /** The topic of the last look-up, which often is that of the next one, and its serial. Null: none. */
  #topic: TopicName | null = null;
  #serial = 0;

  /** `serialsMax`: for tests. */
  constructor(serialsMax = SERIALS_MAX) {
    this.#serialsMax = serialsMax;
  }

  /** @returns 1 for yes, 0 for no, UNKNOWN. */
  find(client: number, topic: TopicName, kind: AskedKind): 0 | 1 | typeof UNKNOWN {
    if (topic !== this.#topic && !this.#look(topic)) return UNKNOWN;
    const key = 2 * this.#serial + kind;
    const no = slotValue(client, key);
    const first = (this.#slots[firstSlot(client, key)] ?? 0) - no;
    if (first === 1) return 1;
    if (first === 0) return 0;
    const second = (this.#slots[secondSlot(client, key)] ?? 0) - no;
    if (second === 1) return 1;
    return second === 0 ? 0 : UNKNOWN;
  }

  /** `client`: above 0. */
  remember(client: number, topic: TopicName, kind: AskedKind, answer: boolean): void {
    const place = topicPlace(topic);
    if (place < 0 || place >= PLACES_MAX || client >= CLIENTS_MAX) return;
    if (this.#slots.length === 0) this.#slots = new Float64Array(2 * SLOTS);
    if (this.#topics[place] !== topic) this.#number(topic, place);
    const key = 2 * (this.#serials[place] ?? 0) + kind;
    const slot = firstSlot(client, key);
    const holder = this.#slots[slot] ?? 0;
    this.#slots[slot] = slotValue(client, key) + Number(answer);
    if (holder === 0) return;
    const holderClient = Math.floor(holder / CLIENT_UNIT);
    const holderKey = Math.floor((holder % CLIENT_UNIT) / 2);
    // An older answer of the same client and topic goes nowhere. If one stands in the second slot, this one hides it, and takes
    // its place when it has to move.
    if (holderClient === client && holderKey === key) return;
    this.#slots[secondSlot(holderClient, holderKey)] = holder;
  }

  /** Forgets all answers. */
  clear(): void {
    this.#topics.length = 0;
    this.#topic = null;
  }

  /** @returns false when nothing was asked about this topic. */
  #look(topic: TopicName): boolean {
    const place = topicPlace(topic);
    if (place < 0 || place >= this.#topics.length || this.#topics[place] !== topic) return false;
    this.#topic = topic;
    this.#serial = this.#serials[place] ?? 0;
    return true;
  }

  #number(topic: TopicName, place: number): void {
    if (this.#lastSerial + 1 >= this.#serialsMax) {
      this.clear();
      this.#slots.fill(0);
      this.#lastSerial = 0;
    }
    while (this.#topics.length <= place) this.#topics.push(null);
    while (this.#serials.length <= place) this.#serials.push(0);
    this.#lastSerial += 1;
    this.#topic = null;
    this.#topics[place] = topic;
    this.#serials[place] = this.#lastSerial;
  }
}

function firstSlot(client: number, key: number): number {
  return ((Math.imul(key, 0x9e3779b1) >>> 12) + client) & (SLOTS - 1);
}

function secondSlot(client: number, key: number): number {
  return SLOTS + (((Math.imul(key, 0x85ebca77) >>> 12) + client) & (SLOTS - 1));
}

/** What a slot holds for a no; a yes is one more. */
function slotValue(client: number, key: number): number {
  return client * CLIENT_UNIT + 2 * key;
}
