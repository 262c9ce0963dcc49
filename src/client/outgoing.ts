/**
 * What the client publishes. QoS 0 leaves at once; QoS 1 and 2 leave while there is room in the window and wait in the
 * session's queue otherwise, in order. What the server would refuse is refused here, before it is sent.
 *
 * The window is counted as section 4.9 does, from Receive Maximum on each connection anew; released QoS 2 messages of an
 * earlier connection count as well, so the server never sees more than it allowed, however it counts.
 */
import { assert } from '../base/assert.ts';
import { RingQueue } from '../base/ring-queue.ts';
import { createPublishFields, type PublishFields, publishFrameBytes } from '../protocol/encode/publish.ts';
import type { AckPacket, Properties } from '../protocol/packets.ts';
import { EMPTY_PROPERTIES } from '../protocol/packets.ts';
import { violation } from '../protocol/protocol-error.ts';
import { Reason, type ReasonCode } from '../protocol/reasons.ts';
import { parseTopicName, type TopicName } from '../protocol/topic.ts';
import type { ProtocolVersion } from '../protocol/version.ts';
import type { ClientOutbox } from './client-outbox.ts';
import { type ClientSession, done, lost, type OutgoingMessage, refused } from './client-session.ts';
import type { PublishOptions, PublishOutcome, Topic, TracedPacket } from './client-types.ts';
import type { ServerLimits } from './server-limits.ts';
import { encodeForwarded } from './some-properties.ts';

const NO_BYTES = new Uint8Array(0);
const NO_OPTIONS: PublishOptions = {};
const PACKET_IDS_MAX = 65_535;
const encoder = new TextEncoder();

export interface OutgoingParts {
  readonly version: ProtocolVersion;
  readonly session: ClientSession;
  readonly outbox: ClientOutbox;
  readonly limits: ServerLimits;
  readonly inflightMax: number;
  readonly sendAck: (type: 'pubrel', packetId: number, reason: ReasonCode) => void;
  readonly trace: ((packet: TracedPacket) => void) | null;
}

/** Why a message must not be sent. */
interface Refusal {
  readonly reason: ReasonCode;
  readonly text: string;
}

export class Outgoing {
  readonly #parts: OutgoingParts;
  readonly #windowMax: number;
  /** Packet ids that take room in the window of this connection. */
  readonly #active = new Set<number>();
  /** Sent on an earlier connection, to be sent again on this one, in order. */
  readonly #toRepeat = new RingQueue<OutgoingMessage>();
  /** What the server knows by alias on this connection. At most Topic Alias Maximum entries. `[MQTT-3.3.2-7]` */
  readonly #aliases = new Map<number, string>();
  readonly #fields: PublishFields;
  #lastTopic: TopicName | null = null;

  constructor(parts: OutgoingParts) {
    this.#parts = parts;
    this.#windowMax = Math.min(parts.inflightMax, parts.limits.receiveMaximum);
    this.#fields = createPublishFields();
  }

  /** See MqttClient.publish. */
  publish(topic: Topic, payload: Uint8Array | string, options: PublishOptions = NO_OPTIONS): Promise<PublishOutcome> {
    const topicName = typeof topic === 'string' ? this.#topicName(topic) : topic;
    if (topicName === null) return refuse(Reason.TopicNameInvalid, 'this is no topic name');
    return new Promise((settle) => {
      const bytes = typeof payload === 'string' ? encoder.encode(payload) : payload;
      const message = this.#message(topicName, bytes, options, settle);
      if (message === null) return;
      const refusal = this.#aliasRefusal(message.topicAlias) ?? this.#refusal(message);
      if (refusal !== null) settle(refused(refusal.reason, refusal.text));
      else if (message.qos === 0) this.#sendQos0(message);
      else this.#offer(message);
    });
  }

  /**
   * After CONNACK with a session: unacknowledged PUBREL and PUBLISH packets again, with their ids and in their order,
   * then what waits. `[MQTT-4.4.0-1]` `[MQTT-4.6.0-1]` `[MQTT-4.6.0-4]`
   */
  resume(): void {
    for (const packetId of this.#parts.session.released.keys()) {
      this.#active.add(packetId);
      this.#parts.sendAck('pubrel', packetId, Reason.Success);
    }
    for (const message of this.#parts.session.sent.values()) this.#toRepeat.push(message);
    this.#fillWindow();
  }

  /** @throws ProtocolError for an acknowledgement that answers nothing. */
  acknowledge(packet: AckPacket): void {
    switch (packet.type) {
      case 'puback':
        this.#onPuback(packet);
        break;
      case 'pubrec':
        this.#onPubrec(packet);
        break;
      default:
        this.#onPubcomp(packet);
    }
    this.#fillWindow();
  }

  #topicName(text: string): TopicName | null {
    if (this.#lastTopic?.text === text) return this.#lastTopic;
    const topic = parseTopicName(text);
    if (topic !== null) this.#lastTopic = topic;
    return topic;
  }

  /** Null when it was refused because of its properties. */
  #message(
    topic: TopicName,
    payload: Uint8Array,
    options: PublishOptions,
    settle: (outcome: PublishOutcome) => void,
  ): OutgoingMessage | null {
    const { qos = 0, retain = false } = options;
    const properties = this.#parts.version === 5 ? options.properties : undefined;
    const topicAlias = this.#parts.version === 5 ? (options.topicAlias ?? properties?.topicAlias ?? 0) : 0;
    const messageExpiryInterval = properties?.messageExpiryInterval ?? null;
    try {
      const forwardedProperties = properties === undefined ? NO_BYTES : encodeForwarded(properties, 'publish');
      const how = { topic, payload, qos, retain, topicAlias, messageExpiryInterval, forwardedProperties, settle };
      return { ...how, packetId: 0, wasSent: false };
    } catch (error) {
      settle(refused(Reason.ImplementationSpecificError, `its properties cannot be encoded: ${String(error)}`));
      return null;
    }
  }

  /** What the server said in CONNACK that it would not take. */
  #refusal(message: OutgoingMessage): Refusal | null {
    const { limits, version } = this.#parts;
    // [MQTT-3.2.2-11]
    if (message.qos > limits.maximumQos) {
      return { reason: Reason.QosNotSupported, text: `the server takes QoS ${limits.maximumQos} at most` };
    }
    // [MQTT-3.2.2-14]
    if (message.retain && !limits.retainAvailable) {
      return { reason: Reason.RetainNotSupported, text: 'the server keeps no retained messages' };
    }
    // [MQTT-3.2.2-15]: counted with topic and alias, so that it still fits when the topic cannot be left out.
    const byteCount = publishFrameBytes(version, this.#fill(message, message.topic, false));
    if (byteCount <= limits.maximumPacketSize) return null;
    const text = `the packet has ${byteCount} bytes, the server takes ${limits.maximumPacketSize}`;
    return { reason: Reason.PacketTooLarge, text };
  }

  /** `[MQTT-3.2.2-17]` `[MQTT-3.2.2-18]` `[MQTT-3.3.2-9]` */
  #aliasRefusal(alias: number): Refusal | null {
    const { topicAliasMaximum } = this.#parts.limits;
    if (Number.isInteger(alias) && alias >= 0 && alias <= topicAliasMaximum) return null;
    return {
      reason: Reason.TopicAliasInvalid,
      text: `topic alias ${alias}, the server takes 1 to ${topicAliasMaximum}`,
    };
  }

  /** `[MQTT-2.2.1-2]` `[MQTT-4.3.1-1]`: no packet id, never a DUP. */
  #sendQos0(message: OutgoingMessage): void {
    this.#write(message);
    this.#parts.outbox.whenTaken((isTaken) => {
      message.settle(isTaken ? done(0, Reason.Success, EMPTY_PROPERTIES) : lost(0, 'the connection ended'));
    });
  }

  #offer(message: OutgoingMessage): void {
    const { session } = this.#parts;
    if (session.queue.length === 0 && this.#toRepeat.length === 0 && this.#hasRoom) this.#send(message);
    else if (session.hasQueueRoom) session.enqueue(message);
    else message.settle(refused(Reason.QuotaExceeded, `${session.queue.length} messages wait already`));
  }

  /** `[MQTT-3.3.4-7]` `[MQTT-4.9.0-2]` */
  get #hasRoom(): boolean {
    return this.#active.size < this.#windowMax && this.#parts.session.packetIds.usedCount < PACKET_IDS_MAX;
  }

  #fillWindow(): void {
    while (this.#hasRoom) {
      const message = this.#toRepeat.shift();
      if (message === undefined) break;
      this.#repeat(message);
    }
    while (this.#hasRoom) {
      const message = this.#parts.session.dequeue();
      if (message === undefined) break;
      this.#sendQueued(message);
    }
  }

  #repeat(message: OutgoingMessage): void {
    const { session } = this.#parts;
    if (session.sent.get(message.packetId) !== message) return;
    const refusal = this.#refusal(message);
    if (refusal === null) {
      this.#active.add(message.packetId);
      this.#write(message);
      return;
    }
    session.sent.delete(message.packetId);
    session.packetIds.release(message.packetId);
    message.settle(lost(message.packetId, `it cannot be sent again: ${refusal.text}`));
  }

  /** The limits may not be those of the connection on which it was queued. */
  #sendQueued(message: OutgoingMessage): void {
    const refusal = this.#refusal(message);
    if (refusal === null) this.#send(message);
    else message.settle(refused(refusal.reason, refusal.text));
  }

  /** For the first time. `[MQTT-4.3.2-1]` `[MQTT-4.3.2-2]` `[MQTT-4.3.3-1]` `[MQTT-4.3.3-2]` */
  #send(message: OutgoingMessage): void {
    const { session } = this.#parts;
    const packetId = session.packetIds.take();
    assert(packetId !== null, 'a message was sent without a free packet identifier');
    message.packetId = packetId;
    session.sent.set(message.packetId, message);
    this.#active.add(message.packetId);
    this.#write(message);
    message.wasSent = true;
  }

  #write(message: OutgoingMessage): void {
    const { version, outbox, trace, limits } = this.#parts;
    // A message of an earlier connection may have an alias that this one does not offer.
    const alias = message.topicAlias <= limits.topicAliasMaximum ? message.topicAlias : 0;
    const isKnown = alias !== 0 && this.#aliases.get(alias) === message.topic.text;
    if (alias !== 0) this.#aliases.set(alias, message.topic.text);
    const fields = this.#fill(message, isKnown ? null : message.topic, message.wasSent);
    fields.topicAlias = alias;
    if (trace !== null) trace(traced(fields));
    outbox.appendPublish(version, fields);
    fields.bytes = NO_BYTES;
  }

  /** `[MQTT-3.3.1-1]`: DUP says that it was sent before. */
  #fill(message: OutgoingMessage, topic: TopicName | null, dup: boolean): PublishFields {
    const fields = this.#fields;
    fields.topic = topic;
    fields.packetId = message.packetId;
    fields.qos = message.qos;
    fields.retain = message.retain;
    fields.dup = dup;
    fields.topicAlias = message.topicAlias;
    fields.messageExpiryInterval = message.messageExpiryInterval;
    fields.forwardedProperties = message.forwardedProperties;
    fields.bytes = message.payload;
    fields.payloadEnd = message.payload.length;
    return fields;
  }

  /** `[MQTT-4.3.2-3]` */
  #onPuback(packet: AckPacket): void {
    const message = this.#parts.session.sent.get(packet.packetId);
    if (message === undefined || message.qos !== 1) throw nothingAsked(packet);
    this.#finish(message, packet.reason, packet.properties);
  }

  /** `[MQTT-4.3.3-3]` `[MQTT-4.3.3-4]` `[MQTT-4.3.3-6]` `[MQTT-4.3.3-9]` `[MQTT-4.4.0-2]` */
  #onPubrec(packet: AckPacket): void {
    const { session, sendAck, version } = this.#parts;
    const { packetId } = packet;
    const message = session.sent.get(packetId);
    if (message === undefined) {
      const isKnown = session.released.has(packetId) || version !== 5;
      sendAck('pubrel', packetId, isKnown ? Reason.Success : Reason.PacketIdentifierNotFound);
      return;
    }
    if (message.qos !== 2) throw nothingAsked(packet);
    if (packet.reason >= Reason.UnspecifiedError) {
      this.#finish(message, packet.reason, packet.properties);
      return;
    }
    session.sent.delete(packetId);
    const { settle } = message;
    session.released.set(packetId, { packetId, reason: packet.reason, properties: packet.properties, settle });
    this.#active.add(packetId);
    sendAck('pubrel', packetId, Reason.Success);
  }

  /** `[MQTT-4.3.3-5]`. One for an unknown id may answer a PUBREL that said so itself: it is let pass. */
  #onPubcomp(packet: AckPacket): void {
    const { session } = this.#parts;
    if (session.sent.has(packet.packetId)) throw nothingAsked(packet);
    const message = session.released.get(packet.packetId);
    if (message === undefined) return;
    session.released.delete(packet.packetId);
    session.packetIds.release(packet.packetId);
    this.#active.delete(packet.packetId);
    message.settle(done(packet.packetId, message.reason, message.properties));
  }

  #finish(message: OutgoingMessage, reason: ReasonCode, properties: Properties): void {
    const { session } = this.#parts;
    session.sent.delete(message.packetId);
    session.packetIds.release(message.packetId);
    this.#active.delete(message.packetId);
    message.settle(done(message.packetId, reason, properties));
  }
}

function refuse(reason: ReasonCode, text: string): Promise<PublishOutcome> {
  return Promise.resolve(refused(reason, text));
}

function nothingAsked(packet: AckPacket): Error {
  return violation('', `${packet.type.toUpperCase()} for packet id ${packet.packetId}, which waits for none`);
}

function traced(fields: PublishFields): TracedPacket {
  const { dup, qos, retain, packetId } = fields;
  const payloadBytes = fields.payloadEnd - fields.payloadStart;
  return { type: 'publish', dup, qos, retain, packetId, topic: fields.topic?.text ?? '', payloadBytes };
}
