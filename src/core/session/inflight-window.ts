/**
 * The QoS 1 and 2 messages that a client has been sent and has not finished, in order of sending, by packet id.
 *
 *      QoS 1:  publish --PUBACK--> gone
 *      QoS 2:  publish --PUBREC--> released --PUBCOMP--> gone        (PUBREC >= 0x80: gone at once)
 *
 * After a reconnect every entry is sent again in this order [MQTT-4.4.0-1] [MQTT-4.6.0-1], but never more messages at a
 * time than the new connection's Receive Maximum [MQTT-3.3.4-9]: entries that wait for their turn stand in `#again`. A
 * PUBREL is no message and does not wait for room [MQTT-3.3.4-10]: it stands before the first message that has to.
 */
import { RingQueue } from '../../base/ring-queue.ts';
import type { Delivery } from '../model/delivery.ts';
import type { Ticket } from '../ports.ts';
import { PACKET_ID_MAX, PacketIds } from './packet-ids.ts';

export interface InflightEntry {
  readonly packetId: number;
  /** Dropped when the message is no longer needed: after PUBREC. */
  delivery: Delivery | null;
  readonly qos: 1 | 2;
  /** The journal's number of the row; 0 = the journal does not know it. */
  readonly position: number;
  state: 'publish' | 'released';
  /** Of its packet id: a QoS 2 message leaves when this is durable. */
  ticket: Ticket;
  /** It has left on some connection: the next time carries DUP [MQTT-3.3.1-1]. */
  wasSent: boolean;
  /** It has to be sent again on this connection. */
  isWaiting: boolean;
}

export class InflightWindow {
  readonly #entries = new Map<number, InflightEntry>();
  readonly #ids = new PacketIds();
  readonly #again = new RingQueue<InflightEntry>();
  /** Entries that still have to be sent again. */
  #waitingCount = 0;
  #max = PACKET_ID_MAX;

  get count(): number {
    return this.#entries.size;
  }

  /** True when one more message may be sent [MQTT-4.9.0-2]. */
  get hasRoom(): boolean {
    return this.#entries.size < this.#max && this.#waitingCount === 0;
  }

  /** How many more messages may be sent. */
  get roomCount(): number {
    return this.hasRoom ? this.#max - this.#entries.size : 0;
  }

  /** A new connection: its limit, and everything has to be sent again. */
  restart(max: number): void {
    this.#max = Math.min(max, PACKET_ID_MAX);
    this.#again.clear();
    this.#waitingCount = this.#entries.size;
    const later: InflightEntry[] = [];
    let room = this.#max;
    for (const entry of this.#entries.values()) if (entry.state === 'released') room -= 1;
    for (const entry of this.#entries.values()) {
      entry.isWaiting = true;
      if (entry.state === 'released') this.#again.push(entry);
      else if (room > 0) {
        room -= 1;
        this.#again.push(entry);
      } else later.push(entry);
    }
    for (const entry of later) this.#again.push(entry);
  }

  /** The next entry to be sent again that the limit allows, or undefined. */
  nextAgain(): InflightEntry | undefined {
    for (let entry = this.#again.peek(); entry !== undefined; entry = this.#again.peek()) {
      const isMessage = entry.isWaiting && entry.state === 'publish';
      if (isMessage && this.#entries.size - this.#waitingCount >= this.#max) return undefined;
      this.#again.shift();
      if (!entry.isWaiting) continue;
      this.#settle(entry);
      return entry;
    }
    return undefined;
  }

  /** Takes in a message that is about to be sent. `hasRoom` must be true. */
  add(delivery: Delivery, position: number): InflightEntry {
    const qos = delivery.qos === 2 ? 2 : 1;
    const packetId = this.#ids.next(this.#entries);
    const state = 'publish';
    const entry: InflightEntry = {
      packetId,
      delivery,
      qos,
      position,
      state,
      ticket: 0,
      wasSent: false,
      isWaiting: false,
    };
    this.#entries.set(packetId, entry);
    return entry;
  }

  get(packetId: number): InflightEntry | undefined {
    return this.#entries.get(packetId);
  }

  remove(entry: InflightEntry): void {
    this.#settle(entry);
    if (this.#entries.delete(entry.packetId)) this.#ids.free(entry.packetId);
  }

  entries(): IterableIterator<InflightEntry> {
    return this.#entries.values();
  }

  clear(): void {
    this.#entries.clear();
    this.#again.clear();
    this.#waitingCount = 0;
  }

  /** The entry waits no longer for its turn to be sent again. */
  #settle(entry: InflightEntry): void {
    if (!entry.isWaiting) return;
    entry.isWaiting = false;
    this.#waitingCount -= 1;
  }
}
