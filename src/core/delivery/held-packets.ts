/**
 * What of one channel waits for the journal: packets in the order in which they are to leave, and promises. Only a channel
 * that waits for something has one.
 */
import { RingQueue } from '../../base/ring-queue.ts';
import { Reason, type ReasonCode } from '../../protocol/reasons.ts';
import type { Qos } from '../../protocol/version.ts';
import type { Message } from '../model/message.ts';
import type { Ticket } from '../ports.ts';

export type AckType = 'puback' | 'pubrec' | 'pubrel' | 'pubcomp';

/** A packet that leaves when `ticket` is durable, and not before those in front of it. */
export type HeldPacket =
  | {
      readonly ticket: Ticket;
      readonly kind: 'ack';
      readonly type: AckType;
      readonly packetId: number;
      readonly reason: ReasonCode;
    }
  | { readonly ticket: Ticket; readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | {
      readonly ticket: Ticket;
      readonly kind: 'publish';
      readonly message: Message;
      readonly qos: Qos;
      readonly retain: boolean;
      readonly packetId: number;
      readonly dup: boolean;
      readonly subscriptionIdentifiers: readonly number[] | null;
    };

interface Wait {
  readonly isTrue: () => boolean;
  readonly resolve: () => void;
}

export class HeldPackets {
  readonly #packets = new RingQueue<HeldPacket>();
  #waits: Wait[] = [];
  #answerCount = 0;

  /** Packets that wait. */
  get count(): number {
    return this.#packets.length;
  }

  /** Of those: the acknowledgements that end an exchange which the peer began. */
  get answerCount(): number {
    return this.#answerCount;
  }

  get isEmpty(): boolean {
    return this.#packets.length === 0 && this.#waits.length === 0;
  }

  push(packet: HeldPacket): void {
    if (isLastAnswer(packet)) this.#answerCount += 1;
    this.#packets.push(packet);
  }

  peek(): HeldPacket | undefined {
    return this.#packets.peek();
  }

  shift(): void {
    const packet = this.#packets.shift();
    if (packet !== undefined && isLastAnswer(packet)) this.#answerCount -= 1;
  }

  /** Drops the packets. */
  clear(): void {
    this.#packets.clear();
    this.#answerCount = 0;
  }

  /** Resolves at a `releaseWaits` at which `isTrue` says so, or that frees all. */
  when(isTrue: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      this.#waits.push({ isTrue, resolve });
    });
  }

  /** Those whose time has come, or all of them. */
  releaseWaits(areAllDue: boolean): void {
    if (this.#waits.length === 0) return;
    const due = this.#waits.filter(({ isTrue }) => areAllDue || isTrue());
    this.#waits = this.#waits.filter((wait) => !due.includes(wait));
    for (const { resolve } of due) resolve();
  }
}

/** After it the peer's message does not count any more against our Receive Maximum (section 4.9). */
function isLastAnswer(packet: HeldPacket): boolean {
  if (packet.kind !== 'ack') return false;
  const { type, reason } = packet;
  return type === 'puback' || type === 'pubcomp' || (type === 'pubrec' && reason >= Reason.UnspecifiedError);
}
