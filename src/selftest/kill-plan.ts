/** When the broker is killed: at a random time, or the moment a client sees a packet of some kind. */
import type { Chance } from './chance.ts';
import type { ReceivedPacket } from './wire.ts';

/** The packets at whose arrival it may be killed, and which of them at most: more may not come. */
const MOMENTS = [
  { type: 'puback', nthMax: 40 },
  { type: 'pubrec', nthMax: 40 },
  { type: 'pubcomp', nthMax: 40 },
  { type: 'suback', nthMax: 4 },
  { type: 'unsuback', nthMax: 3 },
  { type: 'connack', nthMax: 8 },
  { type: 'publish', nthMax: 120 },
  { type: 'pubrel', nthMax: 60 },
] as const;

const TRAFFIC_MS_MAX = 200;
const START_MS_MAX = 150;
const LISTENING_MS_MAX = 20;

export type PacketMoment = {
  readonly kind: 'packet';
  readonly type: (typeof MOMENTS)[number]['type'];
  readonly nth: number;
};

/** In traffic. */
export type KillPlan = { readonly kind: 'time'; readonly ms: number } | PacketMoment;

/** While it starts again: that much after its process began, after it listened, or while everybody comes back. */
export type RecoveryKillPlan = { readonly kind: 'start' | 'listening'; readonly ms: number } | PacketMoment;

/** Each kind of packet has its turn, and in between any moment. */
export function planKill(chance: Chance, cycle: number): KillPlan {
  if (cycle % 2 === 0) return planPacketMoment(chance, MOMENTS[(cycle / 2) % MOMENTS.length] ?? MOMENTS[0]);
  return planTimedKill(chance);
}

export function planTimedKill(chance: Chance): KillPlan {
  return { kind: 'time', ms: chance.below(TRAFFIC_MS_MAX) };
}

/** Kills of the restarts that follow: mostly none. `onlyEarly`: none of them once clients can be there. */
export function planRecoveryKills(chance: Chance, onlyEarly: boolean): readonly RecoveryKillPlan[] {
  const count = chance.percent(35) ? chance.between(1, 2) : 0;
  return Array.from({ length: count }, () => planRecoveryKill(chance, onlyEarly));
}

function planRecoveryKill(chance: Chance, onlyEarly: boolean): RecoveryKillPlan {
  const kind = onlyEarly ? 'start' : chance.pick(['start', 'listening', 'packet'] as const);
  if (kind === 'packet') return planPacketMoment(chance, chance.pick(MOMENTS));
  return { kind, ms: chance.below(kind === 'start' ? START_MS_MAX : LISTENING_MS_MAX) };
}

function planPacketMoment(chance: Chance, { type, nthMax }: (typeof MOMENTS)[number]): PacketMoment {
  return { kind: 'packet', type, nth: chance.between(1, nthMax) };
}

/** How a kill is named in reports. */
export function killText(plan: KillPlan | RecoveryKillPlan): string {
  switch (plan.kind) {
    case 'time':
      return `after ${plan.ms} ms of traffic`;
    case 'start':
      return `${plan.ms} ms after a restart began`;
    case 'listening':
      return `${plan.ms} ms after a restart listened`;
    case 'packet':
      return `at ${plan.type.toUpperCase()} number ${plan.nth}`;
  }
}

/** The word under which kills are counted. */
export function killKind(plan: KillPlan | RecoveryKillPlan): string {
  return plan.kind === 'packet' ? plan.type : plan.kind;
}

/** Goes off at a packet. */
export class Trap {
  #type: string | null = null;
  #left = 0;
  #spring: () => void = () => {};

  set(moment: PacketMoment, spring: () => void): void {
    this.#type = moment.type;
    this.#left = moment.nth;
    this.#spring = spring;
  }

  clear(): void {
    this.#type = null;
  }

  see(packet: ReceivedPacket): void {
    if (packet.type !== this.#type) return;
    this.#left -= 1;
    if (this.#left > 0) return;
    this.#type = null;
    this.#spring();
  }
}
