/**
 * An MQTT client on our own codec and Link, for 3.1, 3.1.1 and 5.0: one connection, from CONNACK to its end. Whoever
 * wants to connect again does so himself, with the same ClientSession if the session is to go on: when to try again, and
 * how often, is the caller's business.
 *
 * What it keeps is bounded: unanswered messages by the window, waiting ones by the session's limits, received ones by
 * what the handler has not finished. Nothing is thrown out of its callbacks; a server that breaks the protocol is told
 * so and left.
 */
import type { Clock } from '../base/clock.ts';
import { encodeAck, encodeSubscribe, encodeUnsubscribe, PINGREQ_BYTES } from '../protocol/encode/packet.ts';
import {
  type AckPacket,
  type AuthPacket,
  type ConnackPacket,
  EMPTY_PROPERTIES,
  type Packet,
  type SubackPacket,
  type SubscriptionRequest,
} from '../protocol/packets.ts';
import { violation } from '../protocol/protocol-error.ts';
import { Reason, type ReasonCode } from '../protocol/reasons.ts';
import { parseTopicFilter, type TopicFilter } from '../protocol/topic.ts';
import type { ProtocolVersion } from '../protocol/version.ts';
import type { Authentication } from './authentication.ts';
import { ClientSession } from './client-session.ts';
import {
  ClientError,
  type ClosedReason,
  type ConnectOptions,
  describeClosed,
  type MessageHandler,
  type PublishOptions,
  type PublishOutcome,
  type SomeProperties,
  type SubscribeFilter,
  type Topic,
} from './client-types.ts';
import { announced, KEEP_ALIVE_SECONDS_DEFAULT } from './connect-packet.ts';
import type { Connection } from './connection.ts';
import { Incoming } from './incoming.ts';
import { KeepAlive } from './keep-alive.ts';
import { Outgoing } from './outgoing.ts';
import { RequestTable } from './request-table.ts';
import { readServerLimits, refuseFilter, type ServerLimits } from './server-limits.ts';
import { allProperties } from './some-properties.ts';

/** Unsent bytes from which on the client asks its user to wait. */
const WRITABLE_BYTES_MAX = 256 * 1024;
/** The same for messages waiting for the window. */
const WRITABLE_QUEUE_MAX = 100;
const INFLIGHT_MAX = 65_535;

export interface ClientParts {
  readonly connection: Connection;
  readonly authentication: Authentication;
  readonly clock: Clock;
  readonly options: ConnectOptions;
  readonly connack: ConnackPacket;
}

export class MqttClient {
  readonly connack: ConnackPacket;
  readonly version: ProtocolVersion;
  /** The one the server assigned, if it did. Empty in 3.1.1 when the server chose: it does not say. */
  readonly clientId: string;
  readonly session: ClientSession;
  readonly limits: ServerLimits;
  /** Fulfilled when the connection is over. Never rejected. */
  readonly closed: Promise<ClosedReason>;
  /**
   * Takes what is received; null: it is acknowledged and dropped. Give it in the options to miss nothing, since messages
   * may follow CONNACK at once.
   */
  onMessage: MessageHandler | null;
  readonly #connection: Connection;
  readonly #authentication: Authentication;
  readonly #options: ConnectOptions;
  readonly #outgoing: Outgoing;
  readonly #incoming: Incoming;
  readonly #requests: RequestTable;
  readonly #keepAlive: KeepAlive;
  #writableWaiters: (() => void)[] = [];

  /** For connectClient, which has read CONNACK. */
  constructor({ connection, authentication, clock, options, connack }: ClientParts) {
    this.connack = connack;
    this.version = options.version;
    this.clientId = connack.properties.assignedClientIdentifier ?? options.clientId;
    this.session = options.session ?? new ClientSession();
    this.limits = readServerLimits(connack, options.version);
    this.closed = connection.closed;
    this.onMessage = options.onMessage ?? null;
    this.#connection = connection;
    this.#authentication = authentication;
    this.#options = options;
    this.#requests = new RequestTable(this.session.packetIds);
    this.#outgoing = this.#makeOutgoing();
    this.#incoming = this.#makeIncoming();
    this.#keepAlive = this.#makeKeepAlive(clock);
    connection.owner = {
      onPacket: (packet) => this.#onPacket(packet),
      onEnd: (closed) => this.#onEnd(closed),
      onSent: () => this.#wakeWriters(),
      onReceived: () => this.#keepAlive.noteReceived(),
    };
    connection.outbox.onFlush = () => this.#keepAlive.noteSent();
    this.#takeUpSession();
  }

  /** False as soon as it is known that the connection ends. */
  get isOpen(): boolean {
    return this.#connection.isOpen;
  }

  /**
   * Publishes. The payload must not change until the promise is fulfilled; it is never rejected. QoS 0: fulfilled when
   * the operating system has the bytes; QoS 1: at PUBACK; QoS 2: at PUBCOMP, or at a PUBREC that refuses.
   */
  publish(topic: Topic, payload: Uint8Array | string, options?: PublishOptions): Promise<PublishOutcome> {
    if (!this.isOpen) {
      const text = 'the connection is over';
      const reason = Reason.UnspecifiedError;
      return Promise.resolve({ kind: 'refused', packetId: 0, reason, properties: EMPTY_PROPERTIES, text });
    }
    return this.#outgoing.publish(topic, payload, options);
  }

  /** True while publishing more piles nothing up. */
  get isWritable(): boolean {
    const waitingMax = Math.min(WRITABLE_QUEUE_MAX, this.session.queueMessagesMax);
    return this.#connection.outbox.pendingBytes < WRITABLE_BYTES_MAX && this.session.queue.length < waitingMax;
  }

  /** Fulfilled when `isWritable`, or when the connection is over. */
  whenWritable(): Promise<void> {
    if (this.isWritable || !this.isOpen) return Promise.resolve();
    return new Promise((resolve) => {
      this.#writableWaiters.push(resolve);
    });
  }

  /**
   * Subscribes; the answer has a reason for each filter, in order, which may be a refusal.
   * @throws ClientError refused: what the server cannot take; closed: the connection ended before the answer.
   */
  subscribe(
    filters: string | SubscribeFilter | readonly SubscribeFilter[],
    properties?: SomeProperties,
  ): Promise<SubackPacket> {
    const list = typeof filters === 'string' ? [{ filter: filters }] : Array.isArray(filters) ? filters : [filters];
    return this.#requests.ask('suback', list.length, (packetId) => {
      const subscriptions = list.map((filter) => this.#subscription(filter));
      const all = allProperties(properties, this.version);
      if (all.subscriptionIdentifiers !== null && !this.limits.identifiersAvailable) {
        throw new ClientError('refused', 'the server takes no subscription identifiers');
      }
      const packet = { type: 'subscribe', packetId, subscriptions, properties: all } as const;
      this.#send(encodeSubscribe(packet, this.version), packet);
    });
  }

  /** Ends subscriptions. In 3.x the answer has no reasons. @throws ClientError as `subscribe` does. */
  unsubscribe(filters: string | readonly string[], properties?: SomeProperties): Promise<SubackPacket> {
    const list = typeof filters === 'string' ? [filters] : filters;
    return this.#requests.ask('unsuback', list.length, (packetId) => {
      const parsed = list.map(filterOf);
      const packet = {
        type: 'unsubscribe',
        packetId,
        filters: parsed,
        properties: allProperties(properties, this.version),
      } as const;
      this.#send(encodeUnsubscribe(packet, this.version), packet);
    });
  }

  /**
   * v5: authenticates again with the same method; fulfilled by the server's success.
   * @throws ClientError refused: without a method, or one is under way; closed: the server said no by closing.
   */
  reauthenticate(data: Uint8Array | null): Promise<AuthPacket> {
    return this.#authentication.start(data);
  }

  /**
   * Says goodbye: sends what was handed over, then DISCONNECT, and closes. Fulfilled when the connection is over.
   * @throws ClientError refused: a session expiry interval after a CONNECT without one (section 3.14.2.2.2).
   */
  async disconnect(reason: ReasonCode = Reason.Success, properties?: SomeProperties): Promise<ClosedReason> {
    const all = allProperties(properties, this.version);
    const hadExpiry = (this.#options.properties?.sessionExpiryInterval ?? 0) !== 0;
    if ((all.sessionExpiryInterval ?? 0) !== 0 && !hadExpiry) {
      throw new ClientError('refused', 'a session without expiry interval cannot get one at its end');
    }
    this.#connection.disconnect(reason, all);
    return this.closed;
  }

  /** Cuts the connection without DISCONNECT: the server publishes the will. */
  destroy(): void {
    this.#connection.destroy();
  }

  #makeOutgoing(): Outgoing {
    const connection = this.#connection;
    return new Outgoing({
      version: this.version,
      session: this.session,
      outbox: connection.outbox,
      limits: this.limits,
      inflightMax: this.#options.inflightMax ?? INFLIGHT_MAX,
      sendAck: (type, packetId, reason) => this.#sendAck(type, packetId, reason),
      trace: connection.isTraced ? (packet) => connection.trace(packet) : null,
    });
  }

  #makeIncoming(): Incoming {
    return new Incoming({
      version: this.version,
      session: this.session,
      ...announced(this.#options),
      deliverQos2At: this.#options.deliverQos2At ?? 'publish',
      handler: () => this.onMessage,
      sendAck: (type, packetId, reason) => this.#sendAck(type, packetId, reason),
      setPaused: (isPaused) => {
        this.#keepAlive.setPaused(isPaused);
        this.#connection.setPaused(isPaused);
      },
      onFault: (error) => this.#connection.fault(error),
    });
  }

  /** `[MQTT-3.1.2-21]` `[MQTT-3.2.2-21]`: the server's keep alive, if it named one. */
  #makeKeepAlive(clock: Clock): KeepAlive {
    const asked = this.#options.keepAliveSeconds ?? KEEP_ALIVE_SECONDS_DEFAULT;
    const seconds = this.limits.serverKeepAlive ?? asked;
    return new KeepAlive(clock, seconds * 1000, {
      sendPing: () => this.#connection.send(PINGREQ_BYTES, { type: 'pingreq' }),
      onTimeout: () => this.#connection.fail({ kind: 'ping-timeout' }, Reason.UnspecifiedError),
    });
  }

  /** 3.1 does not say whether the session was there: it is taken for granted if it was asked for. */
  #takeUpSession(): void {
    const isAsked = this.#options.cleanStart === false;
    const isPresent = this.version === 3 ? isAsked : this.connack.sessionPresent;
    if (!isPresent) this.session.forget();
    this.#outgoing.resume();
  }

  #onPacket(packet: Packet): void {
    switch (packet.type) {
      case 'publish':
        this.#incoming.onPublish(packet);
        return;
      case 'pubrel':
        this.#incoming.onPubrel(packet.packetId);
        return;
      case 'puback':
      case 'pubrec':
      case 'pubcomp':
        this.#outgoing.acknowledge(packet);
        this.#wakeWriters();
        return;
      case 'suback':
      case 'unsuback':
        this.#requests.answer(packet, this.version);
        return;
      case 'pingresp':
        this.#keepAlive.answered();
        return;
      case 'disconnect':
        this.#connection.fail(
          { kind: 'server-disconnect', reason: packet.reason, properties: packet.properties },
          null,
        );
        return;
      case 'auth':
        this.#authentication.onAuth(packet);
        return;
      default:
        throw violation('', `${packet.type.toUpperCase()} came where it has no place`);
    }
  }

  #onEnd(closed: ClosedReason): void {
    const text = `the connection is over: ${describeClosed(closed)}`;
    this.#keepAlive.stop();
    this.#incoming.end();
    this.#requests.end(text);
    this.#authentication.end(text);
    if (this.#options.session === undefined) this.session.abandon(text);
    this.#wakeWriters();
  }

  #wakeWriters(): void {
    if (this.#writableWaiters.length === 0 || (this.isOpen && !this.isWritable)) return;
    const waiters = this.#writableWaiters;
    this.#writableWaiters = [];
    for (const wake of waiters) wake();
  }

  #subscription(wanted: SubscribeFilter): SubscriptionRequest {
    const filter = filterOf(wanted.filter);
    const refusal = refuseFilter(filter, this.limits);
    if (refusal !== null) throw new ClientError('refused', refusal);
    const { qos = 0, noLocal = false, retainAsPublished = false, retainHandling = 0 } = wanted;
    // [MQTT-3.8.3-4]
    if (noLocal && filter.shareName !== null) {
      throw new ClientError('refused', 'no local cannot be asked for with a shared subscription');
    }
    return { filter, qos, noLocal, retainAsPublished, retainHandling };
  }

  #send(bytes: Uint8Array, packet: Parameters<Connection['send']>[1]): void {
    if (!this.isOpen) throw new ClientError('closed', 'the connection is over');
    // [MQTT-3.2.2-15]
    if (bytes.length > this.limits.maximumPacketSize) {
      const text = `the packet has ${bytes.length} bytes, the server takes ${this.limits.maximumPacketSize}`;
      throw new ClientError('refused', text);
    }
    this.#connection.send(bytes, packet);
  }

  #sendAck(type: AckPacket['type'], packetId: number, reason: ReasonCode): void {
    const packet: AckPacket = { type, packetId, reason, properties: EMPTY_PROPERTIES };
    this.#connection.send(encodeAck(packet, this.version), packet);
  }
}

function filterOf(text: string): TopicFilter {
  const filter = parseTopicFilter(text);
  if (filter === null) throw new ClientError('refused', `'${text}' is no topic filter`);
  return filter;
}
