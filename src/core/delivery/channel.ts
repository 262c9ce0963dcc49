/**
 * The outgoing half of a connection: everything that a client is sent goes through here, in the version it speaks, in
 * the order the standard asks for, and never larger than it allows.
 *
 * What must not leave before it is durable (acknowledgements, QoS 2 PUBLISH, PUBREL) is held; one that need not wait does
 * not overtake one that does [MQTT-4.6.0-2] [MQTT-4.6.0-3] [MQTT-4.6.0-4]. What only a busy channel needs, the outbox, the
 * held packets, the aliases, is there while it needs it: most channels are idle most of the time.
 */
import type { Link } from '../../base/link.ts';
import type { Log } from '../../base/log.ts';
import { writeAck } from '../../protocol/encode/ack.ts';
import { type PublishFields, publishFrameBytes, writePublish } from '../../protocol/encode/publish.ts';
import { FRAME_BYTES_MAX } from '../../protocol/frame.ts';
import type { ReasonCode } from '../../protocol/reasons.ts';
import type { ProtocolVersion, Qos } from '../../protocol/version.ts';
import { writeU16 } from '../../protocol/write.ts';
import type { Message } from '../model/message.ts';
import { NO_BYTES } from '../model/message.ts';
import { type MountPoint, unmountTopic } from '../model/mount-point.ts';
import type { BrokerSettings } from '../model/settings.ts';
import type { Counters, Ticket } from '../ports.ts';
import type { Durability, Waiter } from './durability.ts';
import { type FrameMemo, packetIdAt } from './frame-memo.ts';
import { GivenAliases } from './given-aliases.ts';
import { type AckType, type HeldPacket, HeldPackets } from './held-packets.ts';
import type { Outbox, OutboxOwner, OutboxPool } from './outbox.ts';

export type { AckType };

/** What all channels of a broker share. */
export interface ChannelParts {
  readonly outboxes: OutboxPool;
  readonly durability: Durability;
  readonly counters: Counters;
  readonly log: Log;
  /** Those in force now: a reload exchanges them, so they are read at each use. */
  readonly settings: BrokerSettings;
  readonly monotonicMs: () => number;
  /** The PUBLISH being encoded. */
  readonly fields: PublishFields;
  readonly frames: FrameMemo;
}

/** Whose channel it is: a connection. */
export interface ChannelOwner {
  readonly link: Link;
  /** Whom the lines of the log name. */
  readonly clientId: string;
  /** Held packets have gone. */
  onRelief(): void;
  /** The link has bytes that it could not pass on yet. */
  onUnsent(): void;
}

/**
 * Payloads of at least this many bytes are sent by reference. That takes a second send behind the one of the header, which
 * costs more than the copy of a shorter one (measured with 8 KB: 8 us a message by copy, 23 us by reference).
 */
export const SHARED_PAYLOAD_BYTES = 16 * 1024;

/** What a channel has to know of its peer. */
export interface ChannelPeer {
  readonly version: ProtocolVersion;
  readonly packetBytesMax: number;
  readonly aliasesMax: number;
  /** Of the listener that it came through; null or left out = none. */
  readonly mount?: MountPoint | null;
}

/** A payload below this fits into the largest packet whatever stands in front of it, if the peer has set no limit. */
const SURELY_FITS_BYTES = 128 * 1024 * 1024;

export class Channel implements OutboxOwner, Waiter {
  readonly #owner: ChannelOwner;
  readonly #parts: ChannelParts;
  /** Null while nothing is to be sent. */
  #outbox: Outbox | null = null;
  /** Null while nothing waits for the journal. */
  #held: HeldPackets | null = null;
  #aliases: GivenAliases | null = null;
  #version: ProtocolVersion = 4;
  #packetBytesMax = FRAME_BYTES_MAX;
  #aliasesMax = 0;
  #mount: MountPoint | null = null;
  #isOpen = true;

  constructor(owner: ChannelOwner, parts: ChannelParts) {
    this.#owner = owner;
    this.#parts = parts;
  }

  /** Set once, from CONNECT: what this peer speaks and allows. */
  setPeer(peer: ChannelPeer): void {
    this.#version = peer.version;
    this.#packetBytesMax = Math.min(peer.packetBytesMax, FRAME_BYTES_MAX);
    this.#aliasesMax = peer.aliasesMax;
    this.#mount = peer.mount ?? null;
  }

  get version(): ProtocolVersion {
    return this.#version;
  }

  /** In front of all topics of this peer, which does not see it; null = nothing. */
  get mount(): MountPoint | null {
    return this.#mount;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  get link(): Link {
    return this.#owner.link;
  }

  /** True while the peer takes its bytes more slowly than they come: messages wait in the session instead. */
  get isCongested(): boolean {
    const { stuckBytes } = this;
    return stuckBytes > 0 && stuckBytes > this.#parts.settings.outboxHighBytes;
  }

  /** Bytes appended that the peer's socket has not taken. */
  get pendingBytes(): number {
    return this.#outbox === null ? 0 : this.#outbox.pendingBytes;
  }

  /** Of those: bytes that the link could not pass on yet. */
  get stuckBytes(): number {
    return this.#outbox === null ? 0 : this.#outbox.stuckBytes;
  }

  /** Packets that wait for the journal. */
  get heldCount(): number {
    return this.#held === null ? 0 : this.#held.count;
  }

  /** Of those: the acknowledgements that end an exchange which the peer began. */
  get heldAnswerCount(): number {
    return this.#held === null ? 0 : this.#held.answerCount;
  }

  /** Whether a packet of this size may be sent to this peer [MQTT-3.1.2-24]. */
  fits(byteCount: number): boolean {
    return byteCount <= this.#packetBytesMax;
  }

  /** Sends an encoded packet now, whatever is held. */
  send(bytes: Uint8Array): void {
    if (!this.#isOpen) return;
    this.#parts.counters.packetsSent += 1;
    this.#openOutbox().append(bytes);
  }

  /** Sends an encoded reply (SUBACK, UNSUBACK) when `ticket` is durable, in its turn. */
  sendAfter(ticket: Ticket, bytes: Uint8Array): void {
    if (this.#mayGo(ticket)) this.send(bytes);
    else this.#hold({ ticket, kind: 'bytes', bytes });
  }

  /** Sends an acknowledgement when `ticket` is durable, in its turn. */
  ack(ticket: Ticket, type: AckType, packetId: number, reason: ReasonCode): void {
    if (this.#mayGo(ticket)) this.#writeAck(type, packetId, reason);
    else this.#hold({ ticket, kind: 'ack', type, packetId, reason });
  }

  /** Sends a PUBLISH of QoS 2 when `ticket` is durable, in its turn. The message must be owned. */
  publishAfter(
    ticket: Ticket,
    message: Message,
    qos: Qos,
    retain: boolean,
    packetId: number,
    dup: boolean,
    subscriptionIdentifiers: readonly number[] | null,
  ): void {
    if (this.#mayGo(ticket)) this.publish(message, qos, retain, packetId, dup, subscriptionIdentifiers);
    else this.#hold({ ticket, kind: 'publish', message, qos, retain, packetId, dup, subscriptionIdentifiers });
  }

  /**
   * Whether the peer can be sent the PUBLISH: its topic lies below the peer's mount point, and it is within the peer's Maximum
   * Packet Size. Asked before a packet id is spent, and before each `publish`.
   */
  publishFits(message: Message, qos: Qos, subscriptionIdentifiers: readonly number[] | null): boolean {
    if (this.#mount !== null && this.#mount.unmount(message.topic) === null) return false;
    const isSmall = message.payloadEnd - message.payloadStart < SURELY_FITS_BYTES;
    if (this.#packetBytesMax === FRAME_BYTES_MAX && isSmall) return true;
    // An alias that would be new with this message adds three bytes, and is not made when they are too many.
    const fields = this.#fill(message, qos, false, 1, false, subscriptionIdentifiers);
    const isFitting = this.fits(publishFrameBytes(this.#version, fields));
    fields.bytes = NO_BYTES;
    return isFitting;
  }

  /**
   * Encodes and sends a PUBLISH now, as this receiver is to get it. Not an object of options: it is the hottest call.
   * `packetId` is 0 for QoS 0.
   */
  publish(
    message: Message,
    qos: Qos,
    retain: boolean,
    packetId: number,
    dup: boolean,
    subscriptionIdentifiers: readonly number[] | null,
  ): void {
    if (!this.#isOpen) return;
    const { counters, frames, log } = this.#parts;
    const payloadBytes = message.payloadEnd - message.payloadStart;
    counters.packetsSent += 1;
    counters.publishesSent += 1;
    counters.publishBytesSent += payloadBytes;
    if (log.has('debug')) this.#logPublish(message, qos, retain, packetId, dup);
    const isPlain = this.#aliasesMax === 0 && subscriptionIdentifiers === null && !dup;
    if (isPlain && payloadBytes < SHARED_PAYLOAD_BYTES && message.expiresAtMs === Number.POSITIVE_INFINITY) {
      if (frames.hasSeen(message, this.#version, qos, retain, this.#mount)) {
        this.#copyFrame(message, qos, retain, packetId);
        return;
      }
    }
    const fields = this.#fill(message, qos, retain, packetId, dup, subscriptionIdentifiers);
    if (this.#aliasesMax > 0) this.#alias(fields);
    const frameBytes = publishFrameBytes(this.#version, fields);
    const outbox = this.#openOutbox();
    if (payloadBytes >= SHARED_PAYLOAD_BYTES) {
      const at = outbox.reserve(frameBytes - payloadBytes);
      writePublish(this.#version, fields, frameBytes, outbox.chunk, at, false);
      const owned = message.own();
      outbox.appendShared(owned.bytes, owned.payloadStart, owned.payloadEnd);
    } else {
      const at = outbox.reserve(frameBytes);
      writePublish(this.#version, fields, frameBytes, outbox.chunk, at, true);
    }
    // The borrowed bytes must not be kept alive, nor be used, after this call.
    fields.bytes = NO_BYTES;
  }

  #copyFrame(message: Message, qos: Qos, retain: boolean, packetId: number): void {
    const { frames } = this.#parts;
    if (frames.frame === null) {
      const fields = this.#fill(message, qos, retain, packetId, false, null);
      frames.frame = new Uint8Array(publishFrameBytes(this.#version, fields));
      writePublish(this.#version, fields, frames.frame.length, frames.frame, 0, true);
      fields.bytes = NO_BYTES;
    }
    const { frame } = frames;
    const outbox = this.#openOutbox();
    const at = outbox.reserve(frame.length);
    outbox.chunk.set(frame, at);
    if (qos > 0) writeU16(packetId, outbox.chunk, at + packetIdAt(frame));
  }

  /** The link's report that `byteCount` more bytes were taken. */
  onSent(byteCount: number): void {
    this.#outbox?.onSent(byteCount);
  }

  /** A flush has left bytes with the link. Called by the outbox. */
  onUnsent(): void {
    this.#owner.onUnsent();
  }

  /** Everything has left. Called by the outbox. */
  dropOutbox(): void {
    this.#outbox = null;
  }

  /** Sends what has become durable. Called by Durability. */
  release(): boolean {
    const held = this.#held;
    if (held === null) return false;
    for (let first = held.peek(); first !== undefined; first = held.peek()) {
      if (!this.#parts.durability.isDurable(first.ticket)) break;
      held.shift();
      this.#sendHeld(first);
    }
    held.releaseWaits(!this.#isOpen);
    if (held.isEmpty) this.#held = null;
    this.#owner.onRelief();
    return this.#held !== null;
  }

  /**
   * Resolves when `ticket` is durable, or when the channel closes: look at `isOpen` then. Never rejects; while the journal
   * fails it waits.
   */
  whenDurable(ticket: Ticket): Promise<void> {
    return this.#when(() => this.#parts.durability.isDurable(ticket));
  }

  /** Resolves when the journal takes what this peer publishes, or when the channel closes. */
  whenJournalTakes(): Promise<void> {
    return this.#when(() => this.#parts.durability.takesFrom(this.#version));
  }

  /** Resolves when the journal takes new subscriptions and sessions, or when the channel closes. */
  whenJournalTakesNewKeys(): Promise<void> {
    return this.#when(() => this.#parts.durability.takesNewKeys);
  }

  #when(isTrue: () => boolean): Promise<void> {
    if (isTrue() || !this.#isOpen) return Promise.resolve();
    return this.#openHeld().when(isTrue);
  }

  /** Nothing is sent any more, held packets included [MQTT-3.14.4-1]. What was appended before still leaves. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#outbox?.flush();
    const held = this.#held;
    if (held === null) return;
    this.#held = null;
    this.#parts.durability.forget(this);
    held.releaseWaits(true);
  }

  /** The link has ended and keeps no bytes of ours. */
  end(): void {
    this.#outbox?.end();
  }

  #openOutbox(): Outbox {
    this.#outbox ??= this.#parts.outboxes.take(this);
    return this.#outbox;
  }

  #mayGo(ticket: Ticket): boolean {
    return this.heldCount === 0 && this.#parts.durability.isDurable(ticket);
  }

  #hold(packet: HeldPacket): void {
    if (this.#isOpen) this.#openHeld().push(packet);
  }

  #openHeld(): HeldPackets {
    if (this.#held === null) {
      this.#held = new HeldPackets();
      this.#parts.durability.wait(this);
    }
    return this.#held;
  }

  #sendHeld(held: HeldPacket): void {
    switch (held.kind) {
      case 'ack':
        this.#writeAck(held.type, held.packetId, held.reason);
        return;
      case 'bytes':
        this.send(held.bytes);
        return;
      case 'publish':
        this.publish(held.message, held.qos, held.retain, held.packetId, held.dup, held.subscriptionIdentifiers);
        return;
    }
  }

  #writeAck(type: AckType, packetId: number, reason: ReasonCode): void {
    if (!this.#isOpen) return;
    const { counters, log } = this.#parts;
    counters.packetsSent += 1;
    if (log.has('debug')) this.#logAck(type, packetId, reason);
    const outbox = this.#openOutbox();
    const at = outbox.reserve(this.#version === 5 && reason !== 0 ? 5 : 4);
    writeAck(this.#version, type, packetId, reason, outbox.chunk, at);
  }

  #fill(
    message: Message,
    qos: Qos,
    retain: boolean,
    packetId: number,
    dup: boolean,
    subscriptionIdentifiers: readonly number[] | null,
  ): PublishFields {
    const { fields } = this.#parts;
    fields.topic = unmountTopic(this.#mount, message.topic);
    fields.packetId = packetId;
    fields.qos = qos;
    fields.retain = retain;
    fields.dup = dup;
    fields.topicAlias = 0;
    fields.subscriptionIdentifiers = subscriptionIdentifiers;
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

  /** Names the topic by its alias if it has one, or gives it one if the packet then still fits. */
  #alias(fields: PublishFields): void {
    const { topic } = fields;
    if (topic === null) return;
    this.#aliases ??= new GivenAliases(this.#aliasesMax);
    const known = this.#aliases.find(topic);
    if (known > 0) {
      fields.topic = null;
      fields.topicAlias = known;
      return;
    }
    fields.topicAlias = this.#aliases.nextFor(topic);
    if (fields.topicAlias === 0) return;
    if (this.fits(publishFrameBytes(this.#version, fields))) this.#aliases.give(topic);
    else fields.topicAlias = 0;
  }

  #logPublish(message: Message, qos: Qos, retain: boolean, packetId: number, dup: boolean): void {
    const flags = `d${Number(dup)}, q${qos}, r${Number(retain)}, m${packetId}`;
    const topic = unmountTopic(this.#mount, message.topic)?.text ?? '';
    const size = message.payloadEnd - message.payloadStart;
    const text = `Sending PUBLISH to ${this.#owner.clientId} (${flags}, '${topic}', ... (${size} bytes))`;
    this.#parts.log.write('debug', text);
  }

  #logAck(type: AckType, packetId: number, reason: ReasonCode): void {
    const hasReason = type === 'puback' || type === 'pubrec';
    const facts = hasReason ? `m${packetId}, rc${reason}` : `m${packetId}`;
    this.#parts.log.write('debug', `Sending ${type.toUpperCase()} to ${this.#owner.clientId} (${facts})`);
  }
}
