/**
 * The outgoing half of a connection: everything that a client is sent goes through here, in the version it speaks, in
 * the order the standard asks for, and never larger than it allows.
 *
 * What must not leave before it is durable (acknowledgements, QoS 2 PUBLISH, PUBREL) waits in `#held`, a ring of tickets;
 * one that need not wait does not overtake one that does [MQTT-4.6.0-2] [MQTT-4.6.0-3] [MQTT-4.6.0-4].
 */
import type { Link } from '../../base/link.ts';
import { RingQueue } from '../../base/ring-queue.ts';
import { writeAck } from '../../protocol/encode/ack.ts';
import {
  createPublishFields,
  type PublishFields,
  publishFrameBytes,
  writePublish,
} from '../../protocol/encode/publish.ts';
import { FRAME_BYTES_MAX } from '../../protocol/frame.ts';
import { Reason, type ReasonCode } from '../../protocol/reasons.ts';
import type { TopicName } from '../../protocol/topic.ts';
import type { ProtocolVersion, Qos } from '../../protocol/version.ts';
import type { Message } from '../model/message.ts';
import { NO_BYTES } from '../model/message.ts';
import type { Counters, Ticket } from '../ports.ts';
import type { Durability } from './durability.ts';
import type { Flusher } from './flusher.ts';
import { Outbox, type OutboxPools } from './outbox.ts';

export type AckType = 'puback' | 'pubrec' | 'pubrel' | 'pubcomp';

/** How a PUBLISH leaves: what differs from receiver to receiver. */
export interface PublishOptions {
  readonly qos: Qos;
  readonly retain: boolean;
  readonly dup: boolean;
  /** 0 for QoS 0. */
  readonly packetId: number;
  readonly subscriptionIdentifiers: readonly number[] | null;
}

type Held =
  | {
      readonly ticket: Ticket;
      readonly kind: 'ack';
      readonly type: AckType;
      readonly packetId: number;
      readonly reason: ReasonCode;
    }
  | { readonly ticket: Ticket; readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly ticket: Ticket; readonly kind: 'publish'; readonly message: Message; readonly options: PublishOptions };

/** What all channels of a broker share. */
export interface ChannelParts {
  readonly flusher: Flusher;
  readonly pools: OutboxPools;
  readonly durability: Durability;
  readonly counters: Counters;
  readonly outboxHighBytes: number;
  readonly monotonicMs: () => number;
}

interface Wait {
  readonly isTrue: () => boolean;
  readonly resolve: () => void;
}

/** Payloads of at least this many bytes are sent by reference when the message is owned. */
export const SHARED_PAYLOAD_BYTES = 4096;

/** A payload below this fits into the largest packet whatever stands in front of it, if the peer has set no limit. */
const SURELY_FITS_BYTES = 128 * 1024 * 1024;

/** Bytes of all topics that one peer is given aliases for. */
const ALIAS_TOPIC_BYTES_MAX = 1024 * 1024;

export class Channel {
  readonly outbox: Outbox;
  /** Called when held packets have gone. Set by intake. */
  onRelief: () => void = () => undefined;
  readonly #parts: ChannelParts;
  readonly #held = new RingQueue<Held>();
  #waits: Wait[] = [];
  #heldAnswerCount = 0;
  readonly #fields: PublishFields = createPublishFields();
  #version: ProtocolVersion = 4;
  #packetBytesMax = FRAME_BYTES_MAX;
  #aliasesMax = 0;
  #aliases: Map<string, number> | null = null;
  #aliasTopicBytes = 0;
  #isOpen = true;

  constructor(link: Link, parts: ChannelParts) {
    this.#parts = parts;
    this.outbox = new Outbox(link, parts.flusher, parts.pools);
  }

  /** Set once, from CONNECT: what this peer speaks and allows. */
  setPeer(peer: { version: ProtocolVersion; packetBytesMax: number; aliasesMax: number }): void {
    this.#version = peer.version;
    this.#packetBytesMax = Math.min(peer.packetBytesMax, FRAME_BYTES_MAX);
    this.#aliasesMax = peer.aliasesMax;
  }

  get version(): ProtocolVersion {
    return this.#version;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** True while the peer takes its bytes more slowly than they come: messages wait in the session instead. */
  get isCongested(): boolean {
    return this.outbox.stuckBytes > this.#parts.outboxHighBytes;
  }

  /** Packets that wait for the journal. */
  get heldCount(): number {
    return this.#held.length;
  }

  /** Of those: the acknowledgements that end an exchange which the peer began. */
  get heldAnswerCount(): number {
    return this.#heldAnswerCount;
  }

  /** Whether a packet of this size may be sent to this peer [MQTT-3.1.2-24]. */
  fits(byteCount: number): boolean {
    return byteCount <= this.#packetBytesMax;
  }

  /** Sends an encoded packet now, whatever is held. */
  send(bytes: Uint8Array): void {
    if (!this.#isOpen) return;
    this.#parts.counters.packetsSent += 1;
    this.outbox.append(bytes);
  }

  /** Sends an encoded reply (SUBACK, UNSUBACK) when `ticket` is durable, in its turn. */
  sendAfter(ticket: Ticket, bytes: Uint8Array): void {
    if (this.#mayGo(ticket)) this.send(bytes);
    else this.#hold({ ticket, kind: 'bytes', bytes });
  }

  /** Sends an acknowledgement when `ticket` is durable, in its turn. */
  ack(ticket: Ticket, type: AckType, packetId: number, reason: ReasonCode): void {
    if (this.#mayGo(ticket)) {
      this.#writeAck(type, packetId, reason);
      return;
    }
    if (isLastAnswer(type, reason)) this.#heldAnswerCount += 1;
    this.#hold({ ticket, kind: 'ack', type, packetId, reason });
  }

  /** Sends a PUBLISH of QoS 2 when `ticket` is durable, in its turn. The message must be owned. */
  publishAfter(ticket: Ticket, message: Message, options: PublishOptions): void {
    if (this.#mayGo(ticket)) this.publish(message, options);
    else this.#hold({ ticket, kind: 'publish', message, options });
  }

  /** Whether the PUBLISH would be within the peer's Maximum Packet Size; asked before a packet id is spent. */
  publishFits(message: Message, qos: Qos, subscriptionIdentifiers: readonly number[] | null): boolean {
    const isSmall = message.payloadEnd - message.payloadStart < SURELY_FITS_BYTES;
    if (this.#packetBytesMax === FRAME_BYTES_MAX && isSmall) return true;
    const fields = this.#fill(message, { qos, retain: false, dup: false, packetId: 1, subscriptionIdentifiers });
    fields.topic = message.topic;
    // An alias that would be new with this message adds three bytes, and is not made when they are too many.
    fields.topicAlias = 0;
    return this.fits(publishFrameBytes(this.#version, fields));
  }

  /** Encodes and sends a PUBLISH now. */
  publish(message: Message, options: PublishOptions): void {
    if (!this.#isOpen) return;
    const fields = this.#fill(message, options);
    if (this.#aliasesMax > 0) this.#alias(message.topic, fields);
    const counters = this.#parts.counters;
    counters.packetsSent += 1;
    counters.publishesSent += 1;
    const frameBytes = publishFrameBytes(this.#version, fields);
    const payloadBytes = message.payloadEnd - message.payloadStart;
    if (payloadBytes >= SHARED_PAYLOAD_BYTES) {
      const at = this.outbox.reserve(frameBytes - payloadBytes);
      writePublish(this.#version, fields, frameBytes, this.outbox.chunk, at, false);
      const owned = message.own();
      this.outbox.appendShared(owned.bytes, owned.payloadStart, owned.payloadEnd);
    } else {
      const at = this.outbox.reserve(frameBytes);
      writePublish(this.#version, fields, frameBytes, this.outbox.chunk, at, true);
    }
    // The borrowed bytes must not be kept alive, nor be used, after this call.
    fields.bytes = NO_BYTES;
  }

  /** Sends what has become durable. Called by Durability. */
  release(): boolean {
    for (let first = this.#held.peek(); first !== undefined; first = this.#held.peek()) {
      if (!this.#parts.durability.isDurable(first.ticket)) break;
      this.#held.shift();
      this.#sendHeld(first);
    }
    this.#releaseWaits();
    this.onRelief();
    return this.#held.length > 0 || this.#waits.length > 0;
  }

  /**
   * Resolves when `ticket` is durable, or when the channel closes: look at `isOpen` then. Never rejects; while the journal
   * fails it waits.
   */
  whenDurable(ticket: Ticket): Promise<void> {
    return this.#when(() => this.#parts.durability.isDurable(ticket));
  }

  /** Resolves when the journal works again, or when the channel closes. */
  whenRecovered(): Promise<void> {
    return this.#when(() => !this.#parts.durability.journal.isFailing);
  }

  #when(isTrue: () => boolean): Promise<void> {
    if (isTrue() || !this.#isOpen) return Promise.resolve();
    this.#parts.durability.wait(this);
    return new Promise((resolve) => {
      this.#waits.push({ isTrue, resolve });
    });
  }

  /** Those whose time has come, and all of them once the channel is closed. */
  #releaseWaits(): void {
    if (this.#waits.length === 0) return;
    const due = this.#waits.filter(({ isTrue }) => !this.#isOpen || isTrue());
    this.#waits = this.#waits.filter((wait) => !due.includes(wait));
    for (const { resolve } of due) resolve();
  }

  /** Nothing is sent any more, held packets included [MQTT-3.14.4-1]. What was appended before still leaves. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.outbox.flush();
    this.outbox.close();
    this.#held.clear();
    this.#parts.durability.forget(this);
    this.#releaseWaits();
  }

  #mayGo(ticket: Ticket): boolean {
    return this.#held.length === 0 && this.#parts.durability.isDurable(ticket);
  }

  #hold(held: Held): void {
    if (!this.#isOpen) return;
    this.#held.push(held);
    this.#parts.durability.wait(this);
  }

  #sendHeld(held: Held): void {
    switch (held.kind) {
      case 'ack':
        if (isLastAnswer(held.type, held.reason)) this.#heldAnswerCount -= 1;
        this.#writeAck(held.type, held.packetId, held.reason);
        return;
      case 'bytes':
        this.send(held.bytes);
        return;
      case 'publish':
        this.publish(held.message, held.options);
        return;
    }
  }

  #writeAck(type: AckType, packetId: number, reason: ReasonCode): void {
    if (!this.#isOpen) return;
    this.#parts.counters.packetsSent += 1;
    const at = this.outbox.reserve(this.#version === 5 && reason !== 0 ? 5 : 4);
    writeAck(this.#version, type, packetId, reason, this.outbox.chunk, at);
  }

  #fill(message: Message, options: PublishOptions): PublishFields {
    const fields = this.#fields;
    fields.topic = message.topic;
    fields.packetId = options.packetId;
    fields.qos = options.qos;
    fields.retain = options.retain;
    fields.dup = options.dup;
    fields.topicAlias = 0;
    fields.subscriptionIdentifiers = options.subscriptionIdentifiers;
    fields.forwardedProperties = message.forwardedProperties;
    fields.messageExpiryInterval = this.#secondsLeft(message.expiresAtMs);
    fields.bytes = message.bytes;
    fields.payloadStart = message.payloadStart;
    fields.payloadEnd = message.payloadEnd;
    return fields;
  }

  /** What is left of the Message Expiry Interval, in whole seconds [MQTT-3.3.2-6]. */
  #secondsLeft(expiresAtMs: number): number | null {
    if (expiresAtMs === Number.POSITIVE_INFINITY) return null;
    return Math.max(0, Math.ceil((expiresAtMs - this.#parts.monotonicMs()) / 1000));
  }

  /** Topics get aliases 1..N as they come; later ones keep their names [MQTT-3.1.2-26] [MQTT-3.1.2-27]. */
  #alias(topic: TopicName, fields: PublishFields): void {
    this.#aliases ??= new Map();
    const known = this.#aliases.get(topic.text);
    if (known !== undefined) {
      fields.topic = null;
      fields.topicAlias = known;
      return;
    }
    const topicBytes = this.#aliasTopicBytes + topic.bytes.length;
    if (this.#aliases.size >= this.#aliasesMax || topicBytes > ALIAS_TOPIC_BYTES_MAX) return;
    fields.topicAlias = this.#aliases.size + 1;
    if (!this.fits(publishFrameBytes(this.#version, fields))) {
      fields.topicAlias = 0;
      return;
    }
    this.#aliases.set(topic.text, fields.topicAlias);
    this.#aliasTopicBytes = topicBytes;
  }
}

/** After it the peer's message does not count any more against our Receive Maximum (section 4.9). */
function isLastAnswer(type: AckType, reason: ReasonCode): boolean {
  return type === 'puback' || type === 'pubcomp' || (type === 'pubrec' && reason >= Reason.UnspecifiedError);
}
