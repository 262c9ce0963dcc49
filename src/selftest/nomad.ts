/**
 * A client that makes and removes its session and its subscriptions, as fast as it is answered. After a restart it goes on
 * with its session, and a message on each of its topics shows which of its subscriptions are there.
 */
import type { ProtocolVersion, Qos } from '../protocol/version.ts';
import type { Chance } from './chance.ts';
import { ackFrame, subscribeFrame, unsubscribeFrame } from './frames.ts';
import type { SessionLedger, SubscriptionState } from './ledger/session-ledger.ts';
import { Line, type Scene } from './line.ts';
import type { ReceivedPacket } from './wire.ts';

const EXPIRY_SECONDS = 86_400;
const IDENTIFIER_MAX = 1000;
const decoder = new TextDecoder();

interface Place {
  readonly filter: string;
  /** A topic that this filter alone matches. */
  readonly topic: string;
}

export class Nomad {
  readonly clientId: string;
  readonly places: readonly Place[];
  readonly #version: ProtocolVersion;
  readonly #ledger: SessionLedger;
  readonly #chance: Chance;
  #line: Line | null = null;
  /** A session that ends with its connection. */
  #isVolatile = false;
  #isStopped = false;
  #packetId = 0;
  #round = '';
  readonly #found = new Map<string, SubscriptionState>();

  constructor(clientId: string, version: ProtocolVersion, ledger: SessionLedger, chance: Chance) {
    this.clientId = clientId;
    this.#version = version;
    this.#ledger = ledger;
    this.#chance = chance;
    const root = `nomad/${clientId}`;
    this.places = [
      { filter: `${root}/a`, topic: `${root}/a` },
      { filter: `${root}/b/+`, topic: `${root}/b/x` },
      { filter: `${root}/c/#`, topic: `${root}/c/x/y` },
    ];
  }

  get line(): Line | null {
    return this.#line;
  }

  /** Does up to `acts` things; ends when the broker does. */
  async roam(scene: Scene, acts: number): Promise<void> {
    this.#isStopped = false;
    for (let act = 0; act < acts && !this.#isStopped; act += 1) if (!(await this.#act(scene))) return;
  }

  /** Nothing follows what it does now. */
  stop(): void {
    this.#isStopped = true;
  }

  /** Goes on with its session. @returns false when the line ended before CONNACK */
  async resume(scene: Scene): Promise<boolean> {
    this.#line?.drop();
    return await this.#connect(scene, { isClean: false, isLasting: true });
  }

  /** From now on it notes by which subscriptions messages with this payload come. */
  listen(round: string): void {
    this.#round = round;
    this.#found.clear();
  }

  /** Tells the ledger what came since `listen`. @returns false when the line has ended */
  async tell(): Promise<boolean> {
    if (this.#line === null || !(await this.#line.ping())) return false;
    for (const { filter, topic } of this.places) {
      this.#ledger.check(this.clientId, filter, this.#found.get(topic) ?? null);
    }
    return true;
  }

  /** @returns false when it was cut off */
  async #act(scene: Scene): Promise<boolean> {
    const line = this.#line;
    if (line === null || !line.isOpen) return await this.#connectSomehow(scene);
    if (this.#isVolatile || this.#chance.percent(25)) {
      if (this.#chance.percent(50)) line.drop();
      else await line.leave();
      return true;
    }
    return await this.#changeSubscription(line);
  }

  async #connectSomehow(scene: Scene): Promise<boolean> {
    if (this.#chance.percent(70)) return await this.#connect(scene, { isClean: false, isLasting: true });
    const isLasting = this.#version === 5 && this.#chance.percent(50);
    return await this.#connect(scene, { isClean: true, isLasting });
  }

  async #connect(scene: Scene, how: { readonly isClean: boolean; readonly isLasting: boolean }): Promise<boolean> {
    const { clientId } = this;
    this.#ledger.connects(clientId, how);
    const expirySeconds = how.isLasting ? EXPIRY_SECONDS : 0;
    const plan = { version: this.#version, clientId, isClean: how.isClean, expirySeconds };
    const line = new Line(scene, plan, (packet) => this.#take(line, packet));
    this.#line = line;
    const connack = await line.connack;
    if (connack === null || connack.reason !== 0) return false;
    this.#isVolatile = !how.isLasting;
    if (how.isClean) this.#ledger.began(clientId, how.isLasting);
    else this.#ledger.resumed(clientId, connack.sessionPresent);
    return true;
  }

  async #changeSubscription(line: Line): Promise<boolean> {
    const { filter } = this.#chance.pick(this.places);
    const state = this.#chance.percent(60) ? this.#randomState() : null;
    this.#packetId = (this.#packetId % 100) + 1;
    this.#ledger.subscribes(this.clientId, filter, state);
    const answer = line.answer(state === null ? 'unsuback' : 'suback');
    if (state === null) line.send(unsubscribeFrame(this.#version, this.#packetId, filter));
    else line.send(subscribeFrame(this.#version, { packetId: this.#packetId, filter, ...state }));
    if ((await answer) === null) return false;
    this.#ledger.subscribed(this.clientId, filter, state);
    return true;
  }

  #randomState(): { readonly qos: Qos; readonly identifier: number } {
    const identifier = this.#version === 5 ? this.#chance.below(IDENTIFIER_MAX) : 0;
    return { qos: this.#chance.pick([0, 1] as const), identifier };
  }

  #take(line: Line, packet: ReceivedPacket): void {
    if (line !== this.#line || packet.type !== 'publish') return;
    if (packet.qos === 1) line.send(ackFrame(this.#version, 'puback', packet.packetId));
    if (decoder.decode(packet.payload) !== this.#round) return;
    this.#found.set(packet.topic, { qos: packet.qos, identifier: packet.identifiers[0] ?? 0 });
  }
}
