/**
 * A client with a session that receives. It keeps the packet ids of QoS 2 as a correct receiver does, across connections:
 * what comes again with an id that it holds is not delivered again.
 */
import type { ProtocolVersion, Qos } from '../protocol/version.ts';
import type { Chance } from './chance.ts';
import { ackFrame, subscribeFrame } from './frames.ts';
import { Line, type Scene } from './line.ts';
import type { ReceivedPacket, ReceivedPublish } from './wire.ts';

const EXPIRY_SECONDS = 86_400;
/** A slow one answers so many at a time, and waits in between. */
const SLOW_BATCH = 2;
const SLOW_PAUSE_MS = 3;
/** The receive maximum of a slow one that speaks v5. */
const SLOW_WINDOW = 4;
const REFUSALS = 0x80;

export type ReceiverHabit = 'online' | 'slow' | 'offline';

export interface ReceiverOptions {
  readonly clientId: string;
  readonly version: ProtocolVersion;
  readonly habit: ReceiverHabit;
  readonly filter: string;
  readonly qos: Qos;
}

export interface ReceiverEvents {
  /** A message is delivered as new. */
  onMessage(clientId: string, message: ReceivedPublish): void;
  onSessionLost(clientId: string): void;
  onRefused(clientId: string, text: string): void;
}

type Answer = 'puback' | 'pubrec' | 'pubcomp';

export class Receiver {
  readonly options: ReceiverOptions;
  readonly #events: ReceiverEvents;
  /** Ids of QoS 2 whose PUBREL has not come. */
  readonly #held = new Set<number>();
  readonly #answers: { readonly type: Answer; readonly packetId: number }[] = [];
  #timer: NodeJS.Timeout | null = null;
  #line: Line | null = null;
  #isSlow = false;
  #wasSubscribed = false;

  constructor(options: ReceiverOptions, events: ReceiverEvents) {
    this.options = options;
    this.#events = events;
  }

  get line(): Line | null {
    return this.#line;
  }

  /** Connects, and subscribes where its session is not there. @returns false when the line ended before that was done */
  async connect(scene: Scene): Promise<boolean> {
    const { version, clientId, habit } = this.options;
    this.#isSlow = false;
    this.#answers.length = 0;
    const line = new Line(
      scene,
      {
        version,
        clientId,
        isClean: false,
        expirySeconds: EXPIRY_SECONDS,
        ...(habit === 'slow' ? { receiveMaximum: SLOW_WINDOW } : {}),
      },
      (packet) => this.#take(line, packet),
    );
    this.#line = line;
    const connack = await line.connack;
    if (connack === null) return false;
    if (connack.reason !== 0) {
      this.#events.onRefused(clientId, `CONNECT of ${clientId} was refused with ${connack.reason}`);
      return false;
    }
    if (connack.sessionPresent) return true;
    this.#held.clear();
    if (this.#wasSubscribed) this.#events.onSessionLost(clientId);
    return await this.#subscribe(line);
  }

  /** From now on a slow one is slow. */
  beSlow(): void {
    this.#isSlow = this.options.habit === 'slow';
  }

  /** Answers all that waits, and from now on at once. */
  hurry(): void {
    this.#isSlow = false;
    this.#sendAnswers(this.#answers.length);
  }

  /** Goes away, in order or not. */
  async goOffline(chance: Chance): Promise<void> {
    const line = this.#line;
    if (line === null || !line.isOpen) return;
    if (chance.percent(50)) line.drop();
    else await line.leave();
  }

  async #subscribe(line: Line): Promise<boolean> {
    const { version, filter, qos, clientId } = this.options;
    const answer = line.answer('suback');
    line.send(subscribeFrame(version, { packetId: 1, filter, qos, identifier: 0 }));
    const suback = await answer;
    if (suback?.type !== 'suback') return false;
    if ((suback.reasons[0] ?? REFUSALS) >= REFUSALS) {
      this.#events.onRefused(clientId, `SUBSCRIBE of ${clientId} to ${filter} was refused`);
      return false;
    }
    this.#wasSubscribed = true;
    return true;
  }

  #take(line: Line, packet: ReceivedPacket): void {
    if (line !== this.#line) return;
    if (packet.type === 'publish') this.#onPublish(packet);
    if (packet.type !== 'pubrel') return;
    this.#held.delete(packet.packetId);
    this.#answer('pubcomp', packet.packetId);
  }

  #onPublish(message: ReceivedPublish): void {
    const { qos, packetId } = message;
    const isNew = qos !== 2 || !this.#held.has(packetId);
    if (isNew) this.#events.onMessage(this.options.clientId, message);
    if (qos === 2) this.#held.add(packetId);
    if (qos !== 0) this.#answer(qos === 1 ? 'puback' : 'pubrec', packetId);
  }

  #answer(type: Answer, packetId: number): void {
    this.#answers.push({ type, packetId });
    if (!this.#isSlow) this.#sendAnswers(this.#answers.length);
    else this.#timer ??= setTimeout(() => this.#sendSome(), SLOW_PAUSE_MS);
  }

  #sendSome(): void {
    this.#timer = null;
    this.#sendAnswers(SLOW_BATCH);
    if (this.#answers.length > 0) this.#timer = setTimeout(() => this.#sendSome(), SLOW_PAUSE_MS);
  }

  #sendAnswers(count: number): void {
    for (const { type, packetId } of this.#answers.splice(0, count)) {
      this.#line?.send(ackFrame(this.options.version, type, packetId));
    }
  }
}
