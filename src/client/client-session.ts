/**
 * The client's half of the session state (section 4.1): what was sent and is not answered, what waits to be sent, and
 * the QoS 2 messages taken in that are not released yet. It outlives the connection: whoever wants to go on with it
 * hands it to the next connect. `[MQTT-4.1.0-1]`
 *
 *   publish -> queue -> sent -> (QoS 1) PUBACK                      -> done
 *                            -> (QoS 2) PUBREC -> released, PUBCOMP -> done
 *
 * The promises of its messages live in it too, so that one connection may publish and a later one be told the answer.
 */
import { RingQueue } from '../base/ring-queue.ts';
import type { Properties } from '../protocol/packets.ts';
import { EMPTY_PROPERTIES } from '../protocol/packets.ts';
import type { ReasonCode } from '../protocol/reasons.ts';
import { Reason } from '../protocol/reasons.ts';
import type { TopicName } from '../protocol/topic.ts';
import type { Qos } from '../protocol/version.ts';
import type { IncomingMessage, PublishOutcome } from './client-types.ts';
import { PacketIds } from './packet-ids.ts';

export interface ClientSessionOptions {
  /**
   * What becomes of unanswered messages when the server has forgotten the session: `republish` sends them as new ones
   * (nothing is lost, but what had arrived arrives again), `lose` settles them as lost. Default: lose.
   */
  readonly whenForgotten?: 'republish' | 'lose';
  /** Messages that may wait for room in the window; beyond it a publish is refused. Default 1000. */
  readonly queueMessagesMax?: number;
  /** Payload bytes that may wait; one message may exceed it. Default 16 MiB. */
  readonly queueBytesMax?: number;
}

/** A QoS 1 or 2 message on its way out. */
export interface OutgoingMessage {
  readonly topic: TopicName;
  readonly payload: Uint8Array;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly messageExpiryInterval: number | null;
  readonly forwardedProperties: Uint8Array;
  readonly topicAlias: number;
  /** 0 while it waits in the queue. */
  packetId: number;
  /** True once it was sent on any connection: a repetition carries DUP. */
  wasSent: boolean;
  readonly settle: (outcome: PublishOutcome) => void;
}

/** A QoS 2 message after PUBREC: only PUBREL is ever sent again, so its content is gone. */
export interface ReleasedMessage {
  readonly packetId: number;
  /** What PUBREC said. */
  readonly reason: ReasonCode;
  readonly properties: Properties;
  readonly settle: (outcome: PublishOutcome) => void;
}

/** A QoS 2 message that was taken in and not yet released. */
export interface ReceivedMessage {
  /** Kept only when it is handed out at PUBREL. */
  readonly message: IncomingMessage | null;
  /** Fulfilled when the handler is done with it; null when it is. */
  handling: Promise<void> | null;
}

/** State of one client id at one server. Belongs to one connection at a time. */
export class ClientSession {
  readonly whenForgotten: 'republish' | 'lose';
  readonly queueMessagesMax: number;
  readonly queueBytesMax: number;
  readonly packetIds = new PacketIds();
  /** Sent and not acknowledged, by packet id, in the order of sending. At most 65535. */
  readonly sent = new Map<number, OutgoingMessage>();
  /** PUBREC came, PUBCOMP not yet, in the order of the PUBRECs. */
  readonly released = new Map<number, ReleasedMessage>();
  /** Not yet sent. */
  readonly queue = new RingQueue<OutgoingMessage>();
  queuedBytes = 0;
  /** By packet id; bounded by the Receive Maximum of the connection. */
  readonly received = new Map<number, ReceivedMessage>();

  constructor(options: ClientSessionOptions = {}) {
    this.whenForgotten = options.whenForgotten ?? 'lose';
    this.queueMessagesMax = options.queueMessagesMax ?? 1000;
    this.queueBytesMax = options.queueBytesMax ?? 16 * 1024 * 1024;
  }

  /** Messages that were published and have no outcome. */
  get unsettledCount(): number {
    return this.sent.size + this.released.size + this.queue.length;
  }

  get hasQueueRoom(): boolean {
    return this.queue.length < this.queueMessagesMax && this.queuedBytes < this.queueBytesMax;
  }

  enqueue(message: OutgoingMessage): void {
    this.queue.push(message);
    this.queuedBytes += message.payload.length;
  }

  dequeue(): OutgoingMessage | undefined {
    const message = this.queue.shift();
    if (message !== undefined) this.queuedBytes -= message.payload.length;
    return message;
  }

  /** `[MQTT-3.2.2-5]`: the server has no state, so ours is void as well. */
  forget(): void {
    this.received.clear();
    // What was released has arrived: PUBREC said so.
    for (const message of this.released.values()) {
      this.#drop(message, done(message.packetId, message.reason, message.properties));
    }
    this.released.clear();
    const unanswered = [...this.sent.values()];
    this.sent.clear();
    if (this.whenForgotten === 'republish') this.#putBack(unanswered);
    else for (const message of unanswered) this.#drop(message, lost(message.packetId, 'the server forgot the session'));
  }

  /** Nobody will go on with this session: everything without an answer is lost. */
  abandon(text: string): void {
    for (const message of this.sent.values()) this.#drop(message, lost(message.packetId, text));
    for (const message of this.released.values()) this.#drop(message, lost(message.packetId, text));
    this.sent.clear();
    this.released.clear();
    this.received.clear();
    for (let next = this.dequeue(); next !== undefined; next = this.dequeue()) {
      next.settle(refused(Reason.UnspecifiedError, text));
    }
  }

  #drop(message: OutgoingMessage | ReleasedMessage, how: PublishOutcome): void {
    this.packetIds.release(message.packetId);
    message.settle(how);
  }

  /** In front of what waits, in the old order, as messages that were never sent. */
  #putBack(messages: readonly OutgoingMessage[]): void {
    const waiting: OutgoingMessage[] = [];
    for (let next = this.dequeue(); next !== undefined; next = this.dequeue()) waiting.push(next);
    for (const message of messages) {
      this.packetIds.release(message.packetId);
      message.packetId = 0;
      message.wasSent = false;
      this.enqueue(message);
    }
    for (const message of waiting) this.enqueue(message);
  }
}

/** The server answered, or for QoS 0 the operating system has it. */
export function done(packetId: number, reason: ReasonCode, properties: Properties): PublishOutcome {
  return { kind: 'done', packetId, reason, properties, text: '' };
}

export function lost(packetId: number, text: string): PublishOutcome {
  return { kind: 'lost', packetId, reason: Reason.UnspecifiedError, properties: EMPTY_PROPERTIES, text };
}

export function refused(reason: ReasonCode, text: string): PublishOutcome {
  return { kind: 'refused', packetId: 0, reason, properties: EMPTY_PROPERTIES, text };
}
