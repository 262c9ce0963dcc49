/**
 * The QoS 1 and 2 messages that a client has been sent and has not finished, by packet id. A session has a window only
 * while there are any.
 *
 *      QoS 1:  publish --PUBACK--> gone
 *      QoS 2:  publish --PUBREC--> released --PUBCOMP--> gone        (PUBREC >= 0x80: gone at once)
 *
 * The packet ids are ours to choose [MQTT-2.2.1-4], so the table needs no search: an entry stands at its id modulo the
 * size of the table, and an id whose place is taken is passed over. While at most half of the places are taken the next
 * free one is near: all that is passed over once around the table are the ids in use. Beyond that the table doubles; when
 * it has a place for every id, a client that lets many lie could make the search long, and the free ids stand in a queue.
 *
 * After a reconnect every entry is sent again in order of sending [MQTT-4.4.0-1] [MQTT-4.6.0-1], but never more messages
 * at a time than the new connection's Receive Maximum [MQTT-3.3.4-9]: entries that wait for their turn stand in `#again`.
 * A PUBREL is no message and does not wait for room [MQTT-3.3.4-10]: it stands before the first message that has to.
 */
import { assert } from '../../base/assert.ts';
import { RingQueue } from '../../base/ring-queue.ts';
import type { Delivery } from '../model/delivery.ts';
import type { StoredMessages } from '../model/stored-messages.ts';
import type { Ticket } from '../ports.ts';

/** The largest packet identifier; also the most messages that can be in flight. */
export const PACKET_ID_MAX = 65_535;
const PLACES_MIN = 8;
const PLACES_MAX = PACKET_ID_MAX + 1;

export interface InflightEntry {
  readonly packetId: number;
  /** Null after PUBREC: the message is not needed any more, PUBREL is what is sent again. `forgetMessage` makes it so. */
  delivery: Delivery | null;
  readonly payloadBytes: number;
  /** The journal's number of the row; 0 = the journal does not know it. */
  readonly position: number;
  /** Grows from entry to entry. */
  readonly order: number;
  /** Of its packet id: a QoS 2 message leaves when this is durable. */
  ticket: Ticket;
  /** It has left on some connection: the next time carries DUP [MQTT-3.3.1-1]. */
  wasSent: boolean;
  /** It has to be sent again on this connection. */
  isWaiting: boolean;
}

export function isQos2(entry: InflightEntry): boolean {
  return entry.delivery === null || entry.delivery.qos === 2;
}

export class InflightWindow {
  /** The number of places is a power of two, at least twice that of the entries but for the largest table. */
  #places: (InflightEntry | undefined)[] = new Array(PLACES_MIN).fill(undefined);
  #count = 0;
  #payloadBytes = 0;
  #max: number;
  #lastPacketId: number;
  /** The ids that are free, while more than half of all are in use. */
  #freeIds: RingQueue<number> | null = null;
  #lastOrder = 0;
  /** Entries to be sent again; null = none. */
  #again: RingQueue<InflightEntry> | null = null;
  /** How many of those still wait: one that is finished meanwhile does not. */
  #waitingCount = 0;
  readonly #stored: StoredMessages;

  /** `lastPacketId`: the id that was given out last, 0 = none. `stored` counts the messages that it holds. */
  constructor(max: number, lastPacketId: number, stored: StoredMessages) {
    this.#max = max;
    this.#lastPacketId = lastPacketId;
    this.#stored = stored;
  }

  get count(): number {
    return this.#count;
  }

  /** Payload bytes of all that is not finished, QoS 2 messages to their PUBCOMP. */
  get payloadBytes(): number {
    return this.#payloadBytes;
  }

  get lastPacketId(): number {
    return this.#lastPacketId;
  }

  /** How many more messages may be sent [MQTT-4.9.0-2]. */
  get roomCount(): number {
    return this.#waitingCount > 0 ? 0 : Math.max(0, this.#max - this.#count);
  }

  /** A new connection: its limit, and everything has to be sent again. */
  restart(max: number): void {
    this.#max = max;
    this.#again = new RingQueue();
    this.#waitingCount = this.#count;
    const entries = this.entries().sort((a, b) => a.order - b.order);
    const later: InflightEntry[] = [];
    let room = max;
    for (const entry of entries) if (entry.delivery === null) room -= 1;
    for (const entry of entries) {
      entry.isWaiting = true;
      if (entry.delivery === null) this.#again.push(entry);
      else if (room > 0) {
        room -= 1;
        this.#again.push(entry);
      } else later.push(entry);
    }
    for (const entry of later) this.#again.push(entry);
  }

  /** The next entry to be sent again that the limit allows, or undefined. */
  nextAgain(): InflightEntry | undefined {
    const again = this.#again;
    if (again === null) return undefined;
    for (let entry = again.peek(); entry !== undefined; entry = again.peek()) {
      const isMessage = entry.isWaiting && entry.delivery !== null;
      if (isMessage && this.#count - this.#waitingCount >= this.#max) return undefined;
      again.shift();
      if (!entry.isWaiting) continue;
      this.#settle(entry);
      return entry;
    }
    this.#again = null;
    return undefined;
  }

  /** Takes in a message that is about to be sent. There must be room. */
  add(delivery: Delivery, position: number): InflightEntry {
    if (2 * (this.#count + 1) > this.#places.length) this.#grow();
    const packetId = this.#freeIds === null ? this.#nextFreeId() : (this.#freeIds.shift() ?? 0);
    assert(packetId > 0, 'a message went in flight although all packet ids are in use');
    return this.#put(delivery, position, packetId);
  }

  /** Takes in a message that was in flight before a restart; they come in the order in which they were sent. */
  restore(delivery: Delivery, position: number, packetId: number, isReleased: boolean): void {
    while (2 * (this.#count + 1) > this.#places.length && this.#places.length < PLACES_MAX) this.#grow();
    // Ids that were far apart may fall on one place of a small table.
    while (this.#places[packetId & (this.#places.length - 1)] !== undefined) {
      if (this.#places.length === PLACES_MAX) return;
      this.#grow();
    }
    // Above all that may have been sent, or a client takes the next message for one that it knows.
    const lastPacketId = Math.max(this.#lastPacketId, packetId);
    const entry = this.#put(delivery, position, packetId);
    this.#lastPacketId = lastPacketId;
    entry.wasSent = true;
    if (isReleased) this.forgetMessage(entry);
  }

  #put(delivery: Delivery, position: number, packetId: number): InflightEntry {
    this.#lastPacketId = packetId;
    this.#lastOrder += 1;
    const order = this.#lastOrder;
    const payloadBytes = delivery.message.payloadEnd;
    const entry = { packetId, delivery, payloadBytes, position, order, ticket: 0, wasSent: false, isWaiting: false };
    this.#places[packetId & (this.#places.length - 1)] = entry;
    this.#count += 1;
    this.#payloadBytes += payloadBytes;
    this.#stored.hold(delivery.message);
    return entry;
  }

  /** PUBREC came: only PUBREL is sent again. */
  forgetMessage(entry: InflightEntry): void {
    if (entry.delivery === null) return;
    this.#stored.release(entry.delivery.message);
    entry.delivery = null;
  }

  get(packetId: number): InflightEntry | undefined {
    const entry = this.#places[packetId & (this.#places.length - 1)];
    return entry?.packetId === packetId ? entry : undefined;
  }

  remove(entry: InflightEntry): void {
    if (this.get(entry.packetId) !== entry) return;
    this.#settle(entry);
    this.#places[entry.packetId & (this.#places.length - 1)] = undefined;
    this.#count -= 1;
    this.#payloadBytes -= entry.payloadBytes;
    if (entry.delivery !== null) this.#stored.release(entry.delivery.message);
    this.#freeIds?.push(entry.packetId);
  }

  /** The session is gone: nothing is held any more. */
  end(): void {
    for (const entry of this.entries()) this.remove(entry);
  }

  /** All of them, in no order. */
  entries(): InflightEntry[] {
    return this.#places.filter((entry) => entry !== undefined);
  }

  #nextFreeId(): number {
    const mask = this.#places.length - 1;
    let packetId = this.#lastPacketId;
    do packetId = packetId === PACKET_ID_MAX ? 1 : packetId + 1;
    while (this.#places[packetId & mask] !== undefined);
    return packetId;
  }

  #grow(): void {
    if (this.#places.length === PLACES_MAX) {
      this.#freeIds ??= this.#findFreeIds();
      return;
    }
    const places = new Array<InflightEntry | undefined>(2 * this.#places.length).fill(undefined);
    for (const entry of this.entries()) places[entry.packetId & (places.length - 1)] = entry;
    this.#places = places;
  }

  /** From the one given out last on. */
  #findFreeIds(): RingQueue<number> {
    const freeIds = new RingQueue<number>();
    for (let step = 1; step < PLACES_MAX; step += 1) {
      const packetId = (this.#lastPacketId + step) % PLACES_MAX;
      if (packetId > 0 && this.#places[packetId] === undefined) freeIds.push(packetId);
    }
    return freeIds;
  }

  /** The entry waits no longer for its turn to be sent again. */
  #settle(entry: InflightEntry): void {
    if (!entry.isWaiting) return;
    entry.isWaiting = false;
    this.#waitingCount -= 1;
  }
}
