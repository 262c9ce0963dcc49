/**
 * A client that publishes. One with a session sends again, in its next connection and with the same packet ids, what was
 * not acknowledged `[MQTT-4.4.0-1]`; one without gives it up.
 */
import { Reason } from '../protocol/reasons.ts';
import type { TopicName } from '../protocol/topic.ts';
import type { ProtocolVersion } from '../protocol/version.ts';
import type { Chance } from './chance.ts';
import { ackFrame, publishFrame } from './frames.ts';
import type { OrderOfActs } from './ledger/order-of-acts.ts';
import { Line, type Scene } from './line.ts';
import type { ReceivedPacket } from './wire.ts';

/** Packet ids 1 to this: few, so that they are soon used again. */
const PACKET_ID_MAX = 40;
const EXPIRY_SECONDS = 86_400;
/** First reason code of v5 that is a refusal. */
const REFUSALS = 0x80;

/** A message to publish, and who wants to know what becomes of it. */
export interface Article {
  readonly topic: TopicName;
  readonly payload: Uint8Array;
  readonly qos: 1 | 2;
  readonly isRetained: boolean;
  /** PUBACK or PUBREC came. */
  onAcknowledged(): void;
  /** It is not sent again, and whether it was taken in is not known. */
  onAbandoned(): void;
}

export interface PublisherOptions {
  readonly clientId: string;
  readonly version: ProtocolVersion;
  readonly hasSession: boolean;
  /** Messages under way at once. */
  readonly window: number;
  /** The next thing to publish. */
  readonly nextArticle: () => Article;
}

export interface PublisherEvents {
  /** Its session must have been there and was not. */
  onSessionLost(clientId: string): void;
  onRefused(clientId: string, text: string): void;
}

interface UnderWay {
  readonly article: Article;
  readonly packetId: number;
  /** PUBREC came: only PUBREL is sent again. */
  isReleased: boolean;
  /** The act of its last sending. */
  act: number;
}

export class Publisher {
  readonly #options: PublisherOptions;
  readonly #events: PublisherEvents;
  readonly #acts: OrderOfActs;
  /** In the order of their first sending. */
  #underWay: UnderWay[] = [];
  #line: Line | null = null;
  #lastPacketId = 0;
  #budget = 0;
  #wasAccepted = false;

  constructor(options: PublisherOptions, events: PublisherEvents, acts: OrderOfActs) {
    this.#options = options;
    this.#events = events;
    this.#acts = acts;
  }

  get line(): Line | null {
    return this.#line;
  }

  /** Nothing is under way. */
  get isIdle(): boolean {
    return this.#underWay.length === 0;
  }

  /** Connects and sends again what is under way. @returns false when the line ended before CONNACK */
  async connect(scene: Scene): Promise<boolean> {
    const { version, clientId, hasSession } = this.#options;
    const plan = { version, clientId, isClean: !hasSession, expirySeconds: hasSession ? EXPIRY_SECONDS : 0 };
    const line = new Line(scene, plan, (packet) => this.#take(line, packet));
    this.#line = line;
    const connack = await line.connack;
    if (connack === null) return false;
    if (connack.reason !== 0) {
      this.#events.onRefused(clientId, `CONNECT of ${clientId} was refused with ${connack.reason}`);
      return false;
    }
    this.#goOn(line, connack.sessionPresent);
    return true;
  }

  /** May publish that many more. */
  grant(budget: number): void {
    this.#budget = budget;
    this.#pump();
  }

  /** Publishes nothing more of its own. */
  stop(): void {
    this.#budget = 0;
  }

  /** Acknowledgements are not seen any more, as if they were lost on the way. */
  loseAnswers(chance: Chance): void {
    if (chance.percent(50)) this.#line?.goDeaf();
    else this.#line?.drop();
  }

  #goOn(line: Line, isPresent: boolean): void {
    const { clientId, version, hasSession } = this.#options;
    const isLost = hasSession && this.#wasAccepted && !isPresent;
    if (isLost) this.#events.onSessionLost(clientId);
    this.#wasAccepted = true;
    if (!hasSession) {
      for (const { article, isReleased } of this.#underWay.splice(0)) if (!isReleased) article.onAbandoned();
    }
    if (!isPresent) this.#underWay = this.#underWay.filter(({ isReleased }) => !isReleased);
    for (const message of this.#underWay) {
      message.act = this.#acts.next();
      if (message.isReleased) line.send(ackFrame(version, 'pubrel', message.packetId));
      else this.#send(line, message, isPresent);
    }
    this.#pump();
  }

  #pump(): void {
    const line = this.#line;
    if (line === null || !line.isOpen) return;
    while (this.#budget > 0 && this.#underWay.length < this.#options.window) {
      this.#budget -= 1;
      const article = this.#options.nextArticle();
      const message = { article, packetId: this.#nextPacketId(), isReleased: false, act: this.#acts.next() };
      this.#underWay.push(message);
      this.#send(line, message, false);
    }
  }

  #send(line: Line, { article, packetId }: UnderWay, isDup: boolean): void {
    const { topic, payload, qos, isRetained } = article;
    line.send(publishFrame(this.#options.version, { topic, payload, qos, isRetained, packetId, isDup }));
  }

  #nextPacketId(): number {
    for (;;) {
      this.#lastPacketId = (this.#lastPacketId % PACKET_ID_MAX) + 1;
      const id = this.#lastPacketId;
      if (!this.#underWay.some(({ packetId }) => packetId === id)) return id;
    }
  }

  #take(line: Line, packet: ReceivedPacket): void {
    if (line !== this.#line) return;
    if (packet.type !== 'puback' && packet.type !== 'pubrec' && packet.type !== 'pubcomp') return;
    const message = this.#underWay.find(({ packetId }) => packetId === packet.packetId);
    if (message === undefined) return;
    // PUBREL that is sent again may find that the broker had done with it.
    const isDone = packet.type === 'pubcomp' && packet.reason === Reason.PacketIdentifierNotFound;
    if (packet.reason >= REFUSALS && !isDone) {
      this.#refuse(message, packet.type, packet.reason);
      return;
    }
    this.#acts.acknowledged(message.act);
    if (packet.type === 'pubrec') this.#release(line, message);
    else {
      if (packet.type === 'puback') message.article.onAcknowledged();
      this.#underWay = this.#underWay.filter((other) => other !== message);
      this.#pump();
    }
  }

  #release(line: Line, message: UnderWay): void {
    if (!message.isReleased) message.article.onAcknowledged();
    message.isReleased = true;
    message.act = this.#acts.next();
    line.send(ackFrame(this.#options.version, 'pubrel', message.packetId));
  }

  #refuse(message: UnderWay, type: string, reason: number): void {
    const { clientId } = this.#options;
    const text = `${clientId}: ${type} with reason 0x${reason.toString(16)} for a message on ${message.article.topic.text}`;
    this.#events.onRefused(clientId, text);
    if (!message.isReleased) message.article.onAbandoned();
    this.#underWay = this.#underWay.filter((other) => other !== message);
  }
}
