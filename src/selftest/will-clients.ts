/**
 * Clients with wills. Some stay connected until the broker dies, some are lost, some leave in order. A few have sessions and
 * always the same names: those return after a restart, either in time, which drops the will, or after it came.
 */
import type { ProtocolVersion, Qos } from '../protocol/version.ts';
import type { Chance } from './chance.ts';
import type { WillLedger } from './ledger/will-ledger.ts';
import { Line, type Scene } from './line.ts';

/** More are not begun while the fate of so many is open. */
const OPEN_MAX = 200;
const NAMED_CLIENTS = 4;
const EXPIRY_SECONDS = 86_400;
const DELAY_SECONDS = 1;
/** A client that does not stay goes at most this much later. */
const FATE_MS_MAX = 60;

const FATES = ['stay', 'stay', 'stay', 'stay', 'drop', 'drop', 'leave', 'leave', 'leave', 'leave-with-will'] as const;

export const WILL_FILTER = 'will/#';
/** Longest delay of a will, in milliseconds. */
export const WILL_DELAY_MS = DELAY_SECONDS * 1000;

/** The number of the life whose will this is, or null. */
export function lifeOf(topic: string, payload: Uint8Array): number | null {
  const text = new TextDecoder().decode(payload);
  return topic === `will/${text}` && /^\d+$/.test(text) ? Number(text) : null;
}

export interface WillScene extends Scene {
  readonly isAlive: () => boolean;
}

interface Life {
  readonly number: number;
  readonly clientId: string;
  readonly version: ProtocolVersion;
  readonly delayMs: number;
  readonly line: Line;
  isAccepted: boolean;
  /** It did nothing to end its connection. */
  isStaying: boolean;
}

export class WillClients {
  readonly #ledger: WillLedger;
  readonly #chance: Chance;
  readonly #prefix: string;
  #lives: Life[] = [];
  /** The last life of each client with a name. */
  readonly #named = new Map<string, Life>();
  /** Clients that were connected when the broker died, and did not return. */
  #cutOff: Life[] = [];

  constructor(ledger: WillLedger, chance: Chance, prefix: string) {
    this.#ledger = ledger;
    this.#chance = chance;
    this.#prefix = prefix;
  }

  get lines(): readonly Line[] {
    return this.#lives.map(({ line }) => line);
  }

  /** Begins some lives, each with a fate. */
  begin(scene: WillScene, count: number): void {
    for (let index = 0; index < count && this.#ledger.size < OPEN_MAX; index += 1) {
      const name = this.#chance.below(NAMED_CLIENTS * 2);
      if (name < NAMED_CLIENTS) this.#beginNamed(scene, name);
      else void this.#live(scene, null);
    }
  }

  /** The broker died. */
  crash(): void {
    this.#cutOff = this.#lives.filter(({ isAccepted, isStaying, clientId }) => {
      return isAccepted && isStaying && this.#named.has(clientId);
    });
    this.#lives = [];
  }

  /** Some of those that were cut off come back. `isInTime`: their wills cannot have come when it is asked. */
  async comeBack(scene: WillScene, isInTime: () => boolean): Promise<void> {
    const back = this.#cutOff.filter(() => this.#chance.percent(50));
    this.#cutOff = [];
    await Promise.all(back.map((before) => this.#replace(scene, before, isInTime)));
  }

  async #replace(scene: WillScene, before: Life, isInTime: () => boolean): Promise<void> {
    const life = await this.#live(scene, before);
    if (life.isAccepted && isInTime()) this.#ledger.replaced(before.number);
    else this.#ledger.mayBeReplaced(before.number);
  }

  #beginNamed(scene: WillScene, index: number): void {
    const clientId = `${this.#prefix}${index}`;
    const before = this.#named.get(clientId);
    if (before !== undefined && (before.line.isOpen || this.#ledger.isOpen(before.number))) return;
    void this.#live(scene, {
      clientId,
      version: index % 2 === 0 ? 5 : 4,
      delayMs: index % 4 === 0 ? WILL_DELAY_MS : 0,
    });
  }

  /** `named`: a client with a session; null = one that is never seen again. */
  async #live(scene: WillScene, named: Pick<Life, 'clientId' | 'version' | 'delayMs'> | null): Promise<Life> {
    const number = this.#ledger.give();
    const version = named?.version ?? this.#chance.pick([4, 5] as const);
    const clientId = named?.clientId ?? `${this.#prefix}once-${number}`;
    const delayMs = named?.delayMs ?? 0;
    const qos: Qos = this.#chance.pick([1, 2] as const);
    const will = { topic: `will/${number}`, payload: String(number), qos, delaySeconds: delayMs / 1000 };
    const expirySeconds = named === null ? 0 : EXPIRY_SECONDS;
    const line = new Line(scene, { version, clientId, isClean: named === null, expirySeconds, will }, () => {});
    const life: Life = { number, clientId, version, delayMs, line, isAccepted: false, isStaying: true };
    this.#lives.push(life);
    if (named !== null) this.#named.set(clientId, life);
    const connack = await line.connack;
    if (connack?.reason !== 0) return life;
    life.isAccepted = true;
    this.#ledger.accepted(number);
    const fate = this.#chance.pick(FATES);
    if (fate !== 'stay') setTimeout(() => void this.#meet(scene, life, fate), this.#chance.below(FATE_MS_MAX));
    return life;
  }

  async #meet(scene: WillScene, life: Life, fate: 'drop' | 'leave' | 'leave-with-will'): Promise<void> {
    const { line, number, delayMs, version } = life;
    if (!line.isOpen || !scene.isAlive()) return;
    life.isStaying = false;
    if (fate === 'leave') {
      this.#ledger.leaves(number);
      await line.leave();
      if (scene.isAlive()) this.#ledger.hasLeft(number);
      return;
    }
    this.#ledger.goneFor(number, delayMs);
    if (fate === 'leave-with-will' && version === 5) await line.leave(true);
    else line.drop();
  }
}
