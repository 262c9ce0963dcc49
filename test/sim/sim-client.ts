/**
 * A client that keeps to the protocol, on a network that does not keep to anything: what it sends travels in pieces and
 * late, what it is sent it looks at later still, and a cut loses both. Its own state (identifiers, QoS 2 it has seen)
 * outlives its connections as long as the session does.
 */
import assert from 'node:assert/strict';
import type { ProtocolVersion, Qos } from '../../src/protocol/version.ts';
import { connectBytes, type Harness, type Peer, type Seen, type SeenPublish } from '../fixtures/broker-harness.ts';
import type { Chance } from '../fixtures/chance.ts';
import { allOf, rawAck, rawSubscribe, rawUnsubscribe } from '../fixtures/raw-packets.ts';
import { type Model, NEVER, type SimSession, type SimWill } from './model.ts';
import type { SimMessage } from './owed.ts';

/** QoS 1 and 2 messages that a client has on the way at most: less than any server's Receive Maximum. */
const ON_THE_WAY_MAX = 3;
/** Aliases that a v5 client uses and takes. */
const ALIASES_MAX = 3;

/** A packet on its way to the broker. */
interface Travelling {
  readonly bytes: Uint8Array;
  /** It has reached the broker. */
  readonly onArrived: () => void;
}

/** A QoS 1 or 2 message that is not finished. */
interface OnTheWay {
  readonly message: SimMessage;
  isReleased: boolean;
}

export interface SimClientOptions {
  readonly clientId: string;
  readonly versions: readonly ProtocolVersion[];
  /** Its session never ends. */
  readonly isLasting: boolean;
  /** Messages that the broker sends without acknowledgement, and takes: `max_inflight_messages`. */
  readonly windowMax: number;
}

export class SimClient {
  readonly clientId: string;
  readonly #options: SimClientOptions;
  readonly #house: Harness;
  readonly #model: Model;
  readonly #chance: Chance;
  #peer: Peer | null = null;
  #version: ProtocolVersion = 4;
  /** The broker's session, once CONNECT has arrived. */
  #session: SimSession | null = null;
  /** The session that the client believes to be in, since CONNACK. */
  #known: SimSession | null = null;
  #isWelcome = false;
  #isLossTold = false;
  #windowMax = 0;
  #travelling: Travelling[] = [];
  /** Bytes of the first travelling packet that have arrived. */
  #arrivedOfFirst = 0;
  #inbox: Seen[] = [];
  readonly #onTheWay = new Map<number, OnTheWay>();
  readonly #seenIds = new Set<number>();
  /** What was sent to us and is not acknowledged as far as the broker knows. */
  readonly #unfinished = new Set<number>();
  readonly #aliasesIn = new Map<number, string>();
  readonly #aliasesOut = new Map<string, number>();
  #lastPacketId = 0;

  constructor(options: SimClientOptions, house: Harness, model: Model, chance: Chance) {
    this.#options = options;
    this.clientId = options.clientId;
    this.#house = house;
    this.#model = model;
    this.#chance = chance;
  }

  get isConnected(): boolean {
    return this.#peer !== null;
  }

  get isWelcome(): boolean {
    return this.#isWelcome;
  }

  get session(): SimSession | null {
    return this.#known;
  }

  /** Nothing is on its way in either direction. */
  get isQuiet(): boolean {
    return this.#travelling.length === 0 && this.#inbox.length === 0 && this.#onTheWay.size === 0;
  }

  // ------------------------------------------------------------------------------------------------ connections

  /** A new connection; the old one, if it still stands, is left to be taken over. */
  connect(makeWill: (version: ProtocolVersion) => SimWill | null): void {
    const chance = this.#chance;
    this.#forgetConnection();
    const version = chance.pick(this.#options.versions);
    this.#version = version;
    const will = makeWill(version);
    const isClean = !this.#options.isLasting && chance.percent(30);
    const expirySeconds = this.#expiry(isClean);
    const receiveMaximum = version === 5 && chance.percent(50) ? chance.pick([1, 2, 5]) : null;
    const usesAliases = version === 5 && chance.percent(50);
    const peer = this.#house.peer({ isSentLater: chance.percent(50) }, version);
    this.#peer = peer;
    this.#windowMax = receiveMaximum ?? this.#options.windowMax;
    const properties =
      version === 5
        ? { sessionExpiryInterval: expirySeconds, receiveMaximum, topicAliasMaximum: usesAliases ? ALIASES_MAX : null }
        : {};
    const bytes = connectBytes({
      version,
      clientId: this.clientId,
      cleanStart: isClean,
      ...(will === null ? {} : { will: willOptions(will) }),
      properties,
    });
    this.#travel(bytes, () => {
      const { session } = this.#model.connect({ clientId: this.clientId, isClean, expirySeconds, will });
      this.#session = session;
    });
  }

  #expiry(isClean: boolean): number {
    if (this.#options.isLasting) return NEVER;
    if (this.#version === 5) return this.#chance.pick([0, 5, 30, NEVER]);
    return isClean ? 0 : NEVER;
  }

  /** The network between client and broker breaks. */
  cut(): void {
    const peer = this.#peer;
    if (peer === null) return;
    if (this.#chance.percent(50) && peer.link.pendingBytes === 0) peer.link.hangUp();
    else peer.link.fail();
    this.#house.settle();
    assert.ok(peer.link.ended !== null, 'a broken link ends');
    if (this.#session !== null && !this.#isLossTold) this.#model.lose(this.#session);
    this.#forgetConnection();
  }

  /** Says DISCONNECT; whoever waits for something yet, sends it again next time. */
  disconnect(): void {
    if (!this.#isWelcome) return;
    this.#travel(Uint8Array.of(0xe0, 0), () => {
      if (this.#session !== null) this.#model.disconnect(this.#session);
      this.#isLossTold = true;
    });
    this.arriveAll();
    this.cut();
  }

  #forgetConnection(): void {
    this.#peer = null;
    this.#session = null;
    this.#isWelcome = false;
    this.#isLossTold = false;
    this.#travelling = [];
    this.#arrivedOfFirst = 0;
    this.#inbox = [];
    this.#unfinished.clear();
    this.#aliasesIn.clear();
    this.#aliasesOut.clear();
  }

  block(byteCount: number): void {
    this.#peer?.link.block(byteCount);
  }

  release(): void {
    this.#peer?.link.release();
  }

  // -------------------------------------------------------------------------------------------------- requests

  subscribe(text: string, qos: Qos): void {
    if (!this.#isWelcome) return;
    const bytes = rawSubscribe([[text, qos]], { packetId: this.#nextPacketId(), isV5: this.#version === 5 });
    this.#travel(bytes, () => {
      if (this.#session !== null) this.#model.subscribe(this.#session, text, qos);
    });
  }

  unsubscribe(text: string): void {
    if (!this.#isWelcome) return;
    const bytes = rawUnsubscribe([text], { packetId: this.#nextPacketId(), isV5: this.#version === 5 });
    this.#travel(bytes, () => {
      if (this.#session !== null) this.#model.unsubscribe(this.#session, text);
    });
  }

  /** @returns false when the client may not send now. */
  publish(message: SimMessage): boolean {
    const onTheWayMax = Math.min(ON_THE_WAY_MAX, this.#options.windowMax);
    if (!this.#isWelcome || (message.qos > 0 && this.#onTheWay.size >= onTheWayMax)) return false;
    const packetId = message.qos === 0 ? 0 : this.#nextPacketId();
    if (message.qos > 0) this.#onTheWay.set(packetId, { message, isReleased: false });
    this.#sendPublish(message, packetId, false);
    return true;
  }

  #sendPublish(message: SimMessage, packetId: number, dup: boolean): void {
    const peer = this.#peer;
    if (peer === null) return;
    const { topic, text, qos, retain } = message;
    const properties = message.isOptional && this.#version === 5 ? { messageExpiryInterval: 2 } : {};
    const named = this.#withAlias(topic);
    const bytes = peer.publishBytes(named.topic, text, {
      qos,
      retain,
      dup,
      packetId,
      topicAlias: named.alias,
      properties,
    });
    this.#travel(bytes, () => {
      if (this.#session !== null) this.#model.publish(this.#session, message, packetId);
    });
  }

  #withAlias(topic: string): { readonly topic: string; readonly alias: number } {
    const known = this.#aliasesOut.get(topic);
    if (known !== undefined) return { topic: this.#chance.percent(70) ? '' : topic, alias: known };
    if (this.#version !== 5 || this.#aliasesOut.size >= ALIASES_MAX || this.#chance.percent(70))
      return { topic, alias: 0 };
    this.#aliasesOut.set(topic, this.#aliasesOut.size + 1);
    return { topic, alias: this.#aliasesOut.size };
  }

  #nextPacketId(): number {
    do this.#lastPacketId = (this.#lastPacketId % 50) + 1;
    while (this.#onTheWay.has(this.#lastPacketId));
    return this.#lastPacketId;
  }

  // --------------------------------------------------------------------------------------------------- network

  #travel(bytes: Uint8Array, onArrived: () => void): void {
    this.#travelling.push({ bytes, onArrived });
  }

  /** Some more bytes reach the broker. */
  arrive(): void {
    const left = this.#travelling.reduce((sum, { bytes }) => sum + bytes.length, 0) - this.#arrivedOfFirst;
    if (left > 0) this.#arriveBytes(this.#chance.percent(50) ? left : this.#chance.between(1, left));
  }

  arriveAll(): void {
    const left = this.#travelling.reduce((sum, { bytes }) => sum + bytes.length, 0) - this.#arrivedOfFirst;
    if (left > 0) this.#arriveBytes(left);
  }

  #arriveBytes(byteCount: number): void {
    const link = this.#peer?.link;
    // A broker that does not read leaves it in the network.
    if (link === undefined || link.isPaused) return;
    const all = allOf(this.#travelling.map(({ bytes }) => bytes));
    link.deliver(all.subarray(this.#arrivedOfFirst, this.#arrivedOfFirst + byteCount));
    let arrived = this.#arrivedOfFirst + byteCount;
    for (
      let first = this.#travelling[0];
      first !== undefined && first.bytes.length <= arrived;
      first = this.#travelling[0]
    ) {
      this.#travelling.shift();
      arrived -= first.bytes.length;
      first.onArrived();
    }
    this.#arrivedOfFirst = arrived;
    this.#house.settle();
  }

  /** The client looks at up to `count` packets that have come. */
  look(count: number): void {
    const peer = this.#peer;
    if (peer === null) return;
    this.#inbox.push(...peer.all());
    for (const packet of this.#inbox.splice(0, count)) this.#handle(packet);
    const { closeLingerMs, isDestroyed, ended } = peer.link;
    const isClosed = closeLingerMs !== null || isDestroyed || ended !== null;
    assert.equal(isClosed, false, `${this.clientId} was disconnected by the broker`);
  }

  #handle(packet: Seen): void {
    switch (packet.type) {
      case 'connack':
        this.#onWelcome(packet.reason, packet.sessionPresent);
        return;
      case 'publish':
        this.#onPublish(packet);
        return;
      case 'pubrel':
        this.#seenIds.delete(packet.packetId);
        this.#acknowledge(0x70, packet.packetId);
        return;
      case 'puback':
      case 'pubcomp':
        this.#onTheWay.delete(packet.packetId);
        return;
      case 'pubrec':
        this.#release(packet.packetId);
        return;
      case 'suback':
        assert.ok(packet.reasons.every((reason) => reason < 0x80));
        return;
      default:
        assert.equal(packet.type, 'unsuback', `${this.clientId} got ${packet.type}`);
    }
  }

  #onWelcome(reason: number, sessionPresent: boolean): void {
    assert.equal(reason, 0);
    const session = this.#session;
    assert.ok(session !== null, 'CONNACK before CONNECT has arrived');
    const goesOn = session === this.#known;
    // 3.1 does not say it; a session that another connection of ours made is present, and unknown to us.
    if (this.#version !== 3 && goesOn) assert.equal(sessionPresent, true, `the session of ${this.clientId} is there`);
    if (!goesOn) {
      this.#onTheWay.clear();
      this.#seenIds.clear();
    }
    this.#known = session;
    this.#isWelcome = true;
    for (const [packetId, entry] of this.#onTheWay) {
      if (entry.isReleased) this.#sendRelease(packetId);
      else this.#sendPublish(entry.message, packetId, true);
    }
  }

  #release(packetId: number): void {
    const entry = this.#onTheWay.get(packetId);
    if (entry === undefined) return;
    entry.isReleased = true;
    this.#sendRelease(packetId);
  }

  #sendRelease(packetId: number): void {
    this.#travel(rawAck(0x62, packetId), () => {
      if (this.#session !== null) this.#model.release(this.#session, packetId);
    });
  }

  #onPublish(packet: SeenPublish): void {
    const session = this.#known;
    assert.ok(session !== null && this.#isWelcome, 'a PUBLISH before CONNACK');
    const topic = this.#topicOf(packet);
    const { qos, packetId, text, retain, dup } = packet;
    if (qos > 0) this.#unfinished.add(packetId);
    assert.ok(this.#unfinished.size <= this.#windowMax, `more than ${this.#windowMax} on the way to ${this.clientId}`);
    const isNew = qos < 2 || !this.#seenIds.has(packetId);
    if (qos === 1) this.#acknowledge(0x40, packetId);
    if (qos === 2) {
      this.#seenIds.add(packetId);
      this.#acknowledge(0x50, packetId);
    }
    if (!isNew || text === '') return;
    const seen = { text, topic, qos, retain, dup };
    if (retain) this.#model.takeRetained(session, seen);
    else if (topic.startsWith('work/')) this.#model.takeShared(session, seen);
    else session.take(seen);
  }

  #topicOf({ topic, topicAlias }: SeenPublish): string {
    assert.ok(topicAlias <= ALIASES_MAX);
    if (topicAlias > 0 && topic !== '') this.#aliasesIn.set(topicAlias, topic);
    const known = topic === '' ? this.#aliasesIn.get(topicAlias) : topic;
    assert.ok(known !== undefined, `alias ${topicAlias} was not introduced`);
    return known;
  }

  #acknowledge(firstByte: number, packetId: number): void {
    this.#travel(rawAck(firstByte, packetId), () => {
      if (firstByte !== 0x50) this.#unfinished.delete(packetId);
    });
  }
}

function willOptions({ message, delaySeconds }: SimWill): {
  topic: string;
  payload: string;
  qos: Qos;
  retain: boolean;
  delaySeconds: number;
} {
  const { topic, text, qos, retain } = message;
  return { topic, payload: text, qos, retain, delaySeconds };
}
