/**
 * A client that keeps to the protocol, on a network that does not keep to anything: what it sends travels in pieces and
 * late, what it is sent it looks at later still, and a cut loses both. Its own state (identifiers, QoS 2 it has seen)
 * outlives its connections as long as the session does.
 */
import assert from 'node:assert/strict';
import type { ProtocolVersion, Qos } from '../../src/protocol/version.ts';
import { connectBytes, type Peer, type Seen, type SeenPublish } from '../fixtures/broker-harness.ts';
import type { Chance } from '../fixtures/chance.ts';
import { allOf, rawAck, rawSubscribe, rawUnsubscribe } from '../fixtures/raw-packets.ts';
import type { Claimed, Model } from './model.ts';
import type { SimMessage } from './owed.ts';
import type { SimHouse } from './sim-house.ts';
import { NEVER, type SimSession, type SimWill, type SubscriptionChange } from './sim-session.ts';

/** QoS 1 and 2 messages that a client has on the way at most: less than any server's Receive Maximum. */
const ON_THE_WAY_MAX = 3;
/** Packet ids that a client uses: few, so that each is soon used again. */
const PACKET_IDS = 12;
/** Reasons from here on refuse. */
const REFUSED = 0x80;
const QUOTA_EXCEEDED = 0x97;
/** Aliases that a v5 client uses and takes. */
const ALIASES_MAX = 3;

/** A packet on its way to the broker. */
interface Travelling {
  readonly bytes: Uint8Array;
  /** The broker may leave it lying while its journal takes nothing. */
  readonly mayLie: boolean;
  /** Whether it comes later while the journal takes nothing: the broker would leave it lying, in an order that nobody sees. */
  readonly isKeptBack: () => boolean;
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
  readonly #house: SimHouse;
  readonly #model: Model;
  readonly #chance: Chance;
  #peer: Peer | null = null;
  #version: ProtocolVersion = 4;
  /** The broker's session, once CONNECT has arrived. */
  #claimed: Claimed | null = null;
  /** The session that the client believes to be in, since CONNACK. */
  #known: SimSession | null = null;
  #isWelcome = false;
  #isLossTold = false;
  /** Changes of subscriptions that have arrived, by the packet id of their request. */
  readonly #changes = new Map<number, { readonly filter: string; readonly change: SubscriptionChange }>();
  #windowMax = 0;
  #travelling: Travelling[] = [];
  /** Bytes of the first travelling packet that have arrived. */
  #arrivedOfFirst = 0;
  /** What the broker has got and leaves lying. */
  #lying: Travelling | null = null;
  #inbox: Seen[] = [];
  readonly #onTheWay = new Map<number, OnTheWay>();
  readonly #seenIds = new Set<number>();
  /** What was sent to us and is not acknowledged as far as the broker knows. */
  readonly #unfinished = new Set<number>();
  readonly #aliasesIn = new Map<number, string>();
  readonly #aliasesOut = new Map<string, number>();
  #lastPacketId = 0;

  constructor(options: SimClientOptions, house: SimHouse, model: Model, chance: Chance) {
    this.#options = options;
    this.clientId = options.clientId;
    this.#house = house;
    this.#model = model;
    this.#chance = chance;
  }

  get isLasting(): boolean {
    return this.#options.isLasting;
  }

  get isConnected(): boolean {
    return this.#peer !== null;
  }

  get isWelcome(): boolean {
    return this.#isWelcome;
  }

  /** Whether another connection may come while this one stands: not while the broker leaves something of it lying. */
  get mayBeTakenOver(): boolean {
    if (this.#lying !== null) return false;
    return this.#isWelcome || this.#claimed === null || this.#house.journal === null;
  }

  get session(): SimSession | null {
    return this.#known;
  }

  /** Nothing is on its way in either direction. */
  get isQuiet(): boolean {
    return (
      this.#travelling.length === 0 && this.#inbox.length === 0 && this.#onTheWay.size === 0 && this.#lying === null
    );
  }

  // ------------------------------------------------------------------------------------------------ connections

  /** A new connection; the old one, if it still stands, is left to be taken over. */
  connect(makeWill: (version: ProtocolVersion) => SimWill | null): void {
    const chance = this.#chance;
    this.#forgetConnection();
    const { isLasting } = this.#options;
    const mustStartClean = this.#model.mustStartClean(this.clientId);
    const version = this.#chooseVersion(isLasting && mustStartClean ? 5 : this.#model.isUnsure(this.clientId) ? 4 : 3);
    this.#version = version;
    const will = makeWill(version);
    const isClean = mustStartClean || (!isLasting && chance.percent(30));
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
    const onArrived = (): void => {
      this.#claimed = this.#model.connect({ clientId: this.clientId, isClean, expirySeconds, will });
    };
    this.#travel(bytes, onArrived, false, () => true);
  }

  /** 3.1 does not say whether a session is there; only with 5 one that begins anew can last. */
  #chooseVersion(least: ProtocolVersion): ProtocolVersion {
    return this.#chance.pick(this.#options.versions.filter((version) => version >= least));
  }

  #expiry(isClean: boolean): number {
    if (this.#options.isLasting) return NEVER;
    if (this.#version === 5) return this.#chance.pick([0, 5, 30, NEVER]);
    return isClean ? 0 : NEVER;
  }

  get #session(): SimSession | null {
    return this.#claimed?.session ?? null;
  }

  /** The broker has died: the connection ends without a word. */
  crash(): void {
    this.#forgetConnection();
  }

  /** The network between client and broker breaks. */
  cut(): void {
    const peer = this.#peer;
    if (peer === null) return;
    // Of a client that hangs up the broker would still take what lies with it.
    const mayHangUp = peer.link.pendingBytes === 0 && this.#lying === null;
    if (this.#chance.percent(50) && mayHangUp) peer.link.hangUp();
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
    this.#claimed = null;
    this.#changes.clear();
    this.#isWelcome = false;
    this.#isLossTold = false;
    this.#travelling = [];
    this.#arrivedOfFirst = 0;
    this.#lying = null;
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
    const packetId = this.#nextPacketId();
    const bytes = rawSubscribe([[text, qos]], { packetId, isV5: this.#version === 5 });
    this.#travel(
      bytes,
      () => {
        if (this.#session === null) return;
        const change = this.#model.subscribe(this.#session, text, qos);
        this.#changes.set(packetId, { filter: text, change });
      },
      false,
      () => true,
    );
  }

  unsubscribe(text: string): void {
    if (!this.#isWelcome) return;
    const packetId = this.#nextPacketId();
    const bytes = rawUnsubscribe([text], { packetId, isV5: this.#version === 5 });
    this.#travel(
      bytes,
      () => {
        if (this.#session === null) return;
        const change = this.#model.unsubscribe(this.#session, text);
        this.#changes.set(packetId, { filter: text, change });
      },
      false,
      () => true,
    );
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
    const onArrived = (): void => {
      if (this.#session === null) return;
      const mayRefuse = this.#version === 5 && qos > 0 && this.#house.journal?.isFailing === true;
      if (mayRefuse) this.#model.publishPerhaps(this.#session, message, packetId);
      else this.#model.publish(this.#session, message, packetId);
    };
    this.#travel(bytes, onArrived, qos > 0);
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
    do this.#lastPacketId = (this.#lastPacketId % PACKET_IDS) + 1;
    while (this.#onTheWay.has(this.#lastPacketId) || this.#changes.has(this.#lastPacketId));
    return this.#lastPacketId;
  }

  // --------------------------------------------------------------------------------------------------- network

  #travel(bytes: Uint8Array, onArrived: () => void, mayLie = false, isKeptBack = (): boolean => false): void {
    this.#travelling.push({ bytes, onArrived, mayLie, isKeptBack });
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
    for (let left = byteCount; left > 0; ) {
      const link = this.#peer?.link;
      // A broker that does not read leaves it in the network.
      if (link === undefined || link.isPaused || this.#isKeptBack) return;
      const portion = this.#portion(left);
      left -= portion;
      const all = allOf(this.#travelling.map(({ bytes }) => bytes));
      link.deliver(all.subarray(this.#arrivedOfFirst, this.#arrivedOfFirst + portion));
      this.#noteArrived(portion);
      this.#house.settle();
    }
  }

  get #isKeptBack(): boolean {
    return !this.#house.takesAll && this.#travelling[0]?.isKeptBack() === true;
  }

  /** While the journal takes nothing one packet at a time, so that it is known which one lies. */
  #portion(byteCount: number): number {
    const first = this.#travelling[0];
    return this.#house.takesAll || first === undefined
      ? byteCount
      : Math.min(byteCount, first.bytes.length - this.#arrivedOfFirst);
  }

  #noteArrived(byteCount: number): void {
    const { takesAll } = this.#house;
    let arrived = this.#arrivedOfFirst + byteCount;
    for (
      let first = this.#travelling[0];
      first !== undefined && first.bytes.length <= arrived;
      first = this.#travelling[0]
    ) {
      this.#travelling.shift();
      arrived -= first.bytes.length;
      if (!takesAll && first.mayLie && this.#peer?.link.isPaused === true) this.#lying = first;
      else first.onArrived();
    }
    this.#arrivedOfFirst = arrived;
  }

  /** The journal may take again what lies with the broker. */
  resume(): void {
    const lying = this.#lying;
    if (lying === null || this.#peer?.link.isPaused !== false) return;
    this.#lying = null;
    lying.onArrived();
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
        this.#onSafe(packet.packetId, packet.reason);
        this.#onTheWay.delete(packet.packetId);
        return;
      case 'pubcomp':
        this.#onTheWay.delete(packet.packetId);
        return;
      case 'pubrec':
        this.#onSafe(packet.packetId, packet.reason);
        if (packet.reason < REFUSED) this.#release(packet.packetId);
        else this.#onTheWay.delete(packet.packetId);
        return;
      default:
        assert.ok(packet.type === 'suback' || packet.type === 'unsuback', `${this.clientId} got ${packet.type}`);
        assert.ok(packet.reasons.every((reason) => reason < 0x80));
        this.#onChanged(packet.packetId);
    }
  }

  #onWelcome(reason: number, sessionPresent: boolean): void {
    assert.equal(reason, 0);
    const claimed = this.#claimed;
    assert.ok(claimed !== null, 'CONNACK before CONNECT has arrived');
    const { isPresent } = claimed;
    // 3.1 does not say it.
    if (this.#version !== 3 && isPresent !== null) {
      assert.equal(sessionPresent, isPresent, `the session of ${this.clientId} is ${isPresent ? '' : 'not '}there`);
    }
    const session = this.#model.welcome(claimed, sessionPresent);
    this.#claimed = { session, isPresent: true };
    const goesOn = session === this.#known;
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

  /** The broker says that it has the message, or does not take it. */
  #onSafe(packetId: number, reason: number): void {
    const message = this.#onTheWay.get(packetId)?.message;
    const session = this.#known;
    if (message === undefined || session === null) return;
    if (reason < REFUSED) this.#model.acknowledge(session, message, packetId);
    else assert.equal(reason, QUOTA_EXCEEDED);
  }

  #onChanged(packetId: number): void {
    const change = this.#changes.get(packetId);
    this.#changes.delete(packetId);
    if (change !== undefined) this.#session?.subscription(change.filter).acknowledge(change.change);
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
    if (!isNew || text === '' || this.#model.isLoose(text)) return;
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
