import { RingQueue } from '../base/ring-queue.ts';

/** An acknowledgement that is due once its message was handled. */
interface PendingAck {
  readonly type: 'puback' | 'pubrec' | 'pubcomp';
  readonly packetId: number;
  isReady: boolean;
}

/**
 * Acknowledgements in the order of the packets they answer, however long each takes to become ready:
 * `[MQTT-4.6.0-2]` PUBACKs, `[MQTT-4.6.0-3]` PUBRECs. Its length is bounded by the Receive Maximum and by the limits of
 * messages being handled, whose owner stops reading.
 */
export class AckQueue {
  readonly #send: (type: PendingAck['type'], packetId: number) => void;
  readonly #pending = new RingQueue<PendingAck>();

  constructor(send: (type: PendingAck['type'], packetId: number) => void) {
    this.#send = send;
  }

  /** Due now, and sent now if nothing is in front of it. */
  ready(type: PendingAck['type'], packetId: number): void {
    if (this.#pending.length === 0) this.#send(type, packetId);
    else this.#pending.push({ type, packetId, isReady: true });
  }

  /** Takes its place. What is returned is to be called when it is due. */
  later(type: PendingAck['type'], packetId: number): () => void {
    const ack: PendingAck = { type, packetId, isReady: false };
    this.#pending.push(ack);
    return () => {
      ack.isReady = true;
      this.#release();
    };
  }

  #release(): void {
    for (let first = this.#pending.peek(); first?.isReady === true; first = this.#pending.peek()) {
      this.#pending.shift();
      this.#send(first.type, first.packetId);
    }
  }
}
