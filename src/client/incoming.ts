/**
 * What the client receives: resolves topic aliases, keeps QoS 2 duplicates away, hands messages to the handler and sends
 * the acknowledgements when it is done with them `[MQTT-4.5.0-2]`.
 *
 *                    deliver at `publish`                      deliver at `release`
 *   QoS 1 PUBLISH    handler, then PUBACK                      the same
 *   QoS 2 PUBLISH    handler, then PUBREC                      kept, PUBREC
 *         PUBREL     PUBCOMP                                   handler, then PUBCOMP
 *
 * Handlers that answer later are counted; above a limit the link is not read until half of them are done.
 */
import type { PublishPacket } from '../protocol/packets.ts';
import { EMPTY_PROPERTIES, PacketType } from '../protocol/packets.ts';
import { readProperties } from '../protocol/properties.ts';
import { ProtocolError, violation } from '../protocol/protocol-error.ts';
import { copyBytes } from '../protocol/read.ts';
import { Reason, type ReasonCode } from '../protocol/reasons.ts';
import type { TopicName } from '../protocol/topic.ts';
import type { ProtocolVersion } from '../protocol/version.ts';
import { AckQueue } from './ack-queue.ts';
import type { ClientSession, ReceivedMessage } from './client-session.ts';
import type { IncomingMessage, MessageHandler } from './client-types.ts';

/** Messages whose handlers are at work; above it the link is not read. */
const HANDLING_MAX = 1000;
/** Their payload bytes; above it the link is not read. */
const HANDLING_BYTES_MAX = 16 * 1024 * 1024;
/** Payload bytes of QoS 2 messages kept until PUBREL; above it the connection ends. */
const KEPT_BYTES_MAX = 256 * 1024 * 1024;

export interface IncomingParts {
  readonly version: ProtocolVersion;
  readonly session: ClientSession;
  /** What was announced to the server. */
  readonly receiveMaximum: number;
  readonly topicAliasMaximum: number;
  readonly deliverQos2At: 'publish' | 'release';
  readonly handler: () => MessageHandler | null;
  readonly sendAck: (type: 'puback' | 'pubrec' | 'pubcomp', packetId: number, reason: ReasonCode) => void;
  readonly setPaused: (isPaused: boolean) => void;
  /** The handler failed: the connection must end. */
  readonly onFault: (error: Error) => void;
}

export class Incoming {
  readonly #parts: IncomingParts;
  /** `[MQTT-3.3.2-7]`: of this connection only. At most Topic Alias Maximum entries. */
  readonly #aliases = new Map<number, TopicName>();
  readonly #acks: AckQueue;
  #unackedQos1 = 0;
  #handlingCount = 0;
  #handlingBytes = 0;
  #keptBytes = 0;
  #isPaused = false;
  #hasEnded = false;

  constructor(parts: IncomingParts) {
    this.#parts = parts;
    this.#acks = new AckQueue((type, packetId) => this.#sendAck(type, packetId));
    for (const { message } of parts.session.received.values()) this.#keptBytes += message?.payload.length ?? 0;
  }

  /** @throws ProtocolError when the server exceeds what was announced to it. */
  onPublish(packet: PublishPacket): void {
    const topic = this.#resolve(packet);
    if (packet.qos === 0) {
      this.#handle(messageOf(packet, topic, this.#parts.version));
      return;
    }
    if (packet.qos === 1) this.#onQos1(packet, topic);
    else this.#onQos2(packet, topic);
  }

  /** `[MQTT-4.3.3-11]`: answered even when the id is unknown. */
  onPubrel(packetId: number): void {
    const { session, version, sendAck } = this.#parts;
    const received = session.received.get(packetId);
    if (received === undefined) {
      sendAck('pubcomp', packetId, version === 5 ? Reason.PacketIdentifierNotFound : Reason.Success);
      return;
    }
    if (received.handling !== null) {
      received.handling.then(this.#acks.later('pubcomp', packetId), () => {});
      return;
    }
    if (received.message === null) {
      session.received.delete(packetId);
      this.#acks.ready('pubcomp', packetId);
      return;
    }
    // It stays until it was handled, so that it is not lost should the handler fail.
    const { message } = received;
    received.handling = this.#handleAndAck(message, 'pubcomp');
    this.#whenHandled(received, () => {
      session.received.delete(packetId);
      this.#keptBytes -= message.payload.length;
    });
  }

  /** The connection is over: acknowledgements would go nowhere. */
  end(): void {
    this.#hasEnded = true;
  }

  /** A PUBLISH without a resolved topic is not a message yet. */
  #resolve(packet: PublishPacket): TopicName {
    const alias = packet.topicAlias;
    // [MQTT-3.3.2-11], and [MQTT-3.1.2-27] for a maximum of 0.
    if (alias > this.#parts.topicAliasMaximum) {
      const text = `topic alias ${alias} came, the maximum is ${this.#parts.topicAliasMaximum}`;
      throw new ProtocolError(Reason.TopicAliasInvalid, 'MQTT-3.3.2-11', text);
    }
    if (packet.topic !== null) {
      if (alias !== 0) this.#aliases.set(alias, packet.topic);
      return packet.topic;
    }
    const topic = this.#aliases.get(alias);
    if (topic === undefined) throw violation('', `topic alias ${alias} came without a topic before it`);
    return topic;
  }

  #onQos1(packet: PublishPacket, topic: TopicName): void {
    this.#checkWindow();
    this.#unackedQos1++;
    this.#handleAndAck(messageOf(packet, topic, this.#parts.version), 'puback');
  }

  #onQos2(packet: PublishPacket, topic: TopicName): void {
    const { session, deliverQos2At, version } = this.#parts;
    const { packetId } = packet;
    const known = session.received.get(packetId);
    if (known !== undefined) {
      // [MQTT-4.3.3-10]: acknowledged again, not delivered again; but not before the first delivery was a success.
      if (known.handling === null) this.#acks.ready('pubrec', packetId);
      else known.handling.then(this.#acks.later('pubrec', packetId), () => {});
      return;
    }
    this.#checkWindow();
    const message = messageOf(packet, topic, version);
    if (deliverQos2At === 'publish') {
      const received: ReceivedMessage = { message: null, handling: null };
      session.received.set(packetId, received);
      received.handling = this.#handleAndAck(message, 'pubrec');
      this.#whenHandled(
        received,
        () => {},
        () => session.received.delete(packetId),
      );
      return;
    }
    this.#keptBytes += message.payload.length;
    if (this.#keptBytes > KEPT_BYTES_MAX) {
      throw new ProtocolError(Reason.QuotaExceeded, '', `more than ${KEPT_BYTES_MAX} bytes wait for their PUBREL`);
    }
    session.received.set(packetId, { message, handling: null });
    this.#acks.ready('pubrec', packetId);
  }

  /** `[MQTT-3.3.4-9]`: the server keeps to our Receive Maximum. */
  #checkWindow(): void {
    const { version, session, receiveMaximum } = this.#parts;
    if (version !== 5 || this.#unackedQos1 + session.received.size < receiveMaximum) return;
    const text = `more than ${receiveMaximum} unacknowledged messages came`;
    throw new ProtocolError(Reason.ReceiveMaximumExceeded, 'MQTT-3.3.4-9', text);
  }

  /** Null when it is done; otherwise fulfilled when it is, and rejected when the handler failed. */
  #handleAndAck(message: IncomingMessage, ack: 'puback' | 'pubrec' | 'pubcomp'): Promise<void> | null {
    const handling = this.#handle(message);
    if (handling === null) {
      this.#acks.ready(ack, message.packetId);
      return null;
    }
    handling.then(this.#acks.later(ack, message.packetId), () => {});
    return handling;
  }

  #whenHandled(received: ReceivedMessage, onDone: () => void, onFailed = () => {}): void {
    const after = (next: () => void) => () => {
      received.handling = null;
      next();
    };
    if (received.handling === null) onDone();
    else received.handling.then(after(onDone), after(onFailed));
  }

  #handle(message: IncomingMessage): Promise<void> | null {
    const handler = this.#parts.handler();
    if (handler === null) return null;
    try {
      const handling = handler(message);
      if (!(handling instanceof Promise)) return null;
      this.#count(message, 1);
      handling.then(
        () => this.#count(message, -1),
        (error: unknown) => this.#fail(error),
      );
      return handling;
    } catch (error) {
      this.#fail(error);
      const failed = Promise.reject<void>(error);
      failed.catch(() => {});
      return failed;
    }
  }

  #fail(error: unknown): void {
    this.#parts.onFault(error instanceof Error ? error : new Error(String(error)));
  }

  #count(message: IncomingMessage, by: 1 | -1): void {
    this.#handlingCount += by;
    this.#handlingBytes += by * message.payload.length;
    if (this.#isPaused) {
      if (this.#handlingCount * 2 <= HANDLING_MAX && this.#handlingBytes * 2 <= HANDLING_BYTES_MAX) this.#pause(false);
    } else if (this.#handlingCount > HANDLING_MAX || this.#handlingBytes > HANDLING_BYTES_MAX) this.#pause(true);
  }

  #pause(isPaused: boolean): void {
    this.#isPaused = isPaused;
    if (!this.#hasEnded) this.#parts.setPaused(isPaused);
  }

  #sendAck(type: 'puback' | 'pubrec' | 'pubcomp', packetId: number): void {
    if (type === 'puback') this.#unackedQos1--;
    if (!this.#hasEnded) this.#parts.sendAck(type, packetId, Reason.Success);
  }
}

/** An owned copy of what was received. */
function messageOf(packet: PublishPacket, topic: TopicName, version: ProtocolVersion): IncomingMessage {
  const { bytes, qos, retain, dup, packetId } = packet;
  return {
    topic: topic.text,
    payload: copyBytes(bytes, packet.payloadStart, packet.payloadEnd),
    qos,
    retain,
    dup,
    packetId,
    properties: propertiesOf(packet, version),
  };
}

function propertiesOf(packet: PublishPacket, version: ProtocolVersion) {
  if (version !== 5) return EMPTY_PROPERTIES;
  return readProperties(packet.bytes, packet.propertiesStart, packet.propertiesEnd, PacketType.Publish);
}
