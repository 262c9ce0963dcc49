/** Quiet, then under attack, some times in a row on one broker, and what it is like afterwards. */
import { median } from '../fixtures/figures.ts';
import { connectLoadClient } from '../fixtures/load-client.ts';
import { type MeasuredBroker, startMeasuredBroker } from '../fixtures/measured-broker.ts';
import { lasting } from '../fixtures/paced.ts';
import { descriptorLimit } from '../fixtures/process-figures.ts';
import { GoodClients, type Latency } from './good-clients.ts';
import type { SwarmCounts } from './swarm.ts';
import { SwarmProcess } from './swarm-process.ts';

/** The part of the swarm that must be open before it is measured: some are always between two connections. */
const FULL_SHARE = 0.95;
const WARM_UP_SECONDS = 2;
/** Descriptors that the broker and the swarm need for other things. */
const SPARE_DESCRIPTORS = 300;
const CLOSE_MS_MAX = 10_000;

export interface HostilePlan {
  readonly sockets: number;
  readonly opensPerSecond: number;
  readonly noisesPerSecond: number;
  readonly dripsPerSecond: number;
  /** How long the swarm lasts before it is measured: the broker ends silent sockets after 30 seconds. */
  readonly settleSeconds: number;
  readonly clients: number;
  readonly messagesPerSecond: number;
  readonly quietSeconds: number;
  readonly hostileSeconds: number;
  /** The swarm gets only the processor time that nobody else wants. */
  readonly isSwarmIdle: boolean;
  /** What the swarm must reach of its rates while it is measured, so that the attack was one. */
  readonly rateShareMin: number;
  /** Attacks another broker instead: what the load on the machine alone does to the latency. */
  readonly decoyPort?: number;
}

/** The hostile p99 may be `factor` times the quiet one, or `floorMs` if that is more. */
export interface HostileLimits {
  readonly factor: number;
  readonly floorMs: number;
}

export interface HostileRun {
  readonly quiet: Latency;
  readonly hostile: Latency;
  /** What the swarm had when the measurement ended. */
  readonly swarm: SwarmCounts;
  /** Its connections, its sockets with random bytes and its single bytes a second, while it was measured. */
  readonly rates: { readonly made: number; readonly noises: number; readonly drips: number };
  /** From the call to CONNACK, while the attack went on. */
  readonly connectMs: number;
  readonly brokerCpuShare: number;
  readonly faults: readonly string[];
}

/** What the descriptor limits of broker and swarm allow, at most what is wanted. */
export function socketsPossible(broker: MeasuredBroker, wanted: number): number {
  return Math.min(wanted, Math.min(descriptorLimit(broker.pid), descriptorLimit('self')) - SPARE_DESCRIPTORS);
}

/** Starts a broker, lets `use` work with it, and stops it. @throws Error when it does not end well. */
export async function withBroker<T>(use: (broker: MeasuredBroker) => Promise<T>): Promise<T> {
  const broker = await startMeasuredBroker();
  try {
    const result = await use(broker);
    const { code } = await broker.stop();
    if (code !== 0 || broker.alarms.length > 0) throw new Error(`broker: ${code} ${broker.alarms.join('\n')}`);
    return result;
  } finally {
    await broker.stop();
  }
}

export async function runHostile(broker: MeasuredBroker, plan: HostilePlan, seed: number): Promise<HostileRun> {
  const atStart = broker.figures().descriptors;
  const good = await GoodClients.open(broker.port, plan.clients);
  await good.measure(WARM_UP_SECONDS, plan.messagesPerSecond);
  const quiet = await good.measure(plan.quietSeconds, plan.messagesPerSecond);
  const attack = await underAttack(broker, plan, seed, good);
  await good.close();
  const atEnd = await broker.descriptorsSettle(atStart, CLOSE_MS_MAX);
  const served = await isServed(broker.port);
  const faults = [
    ...attack.faults,
    ...(quiet.received < quiet.sent ? [`${quiet.sent - quiet.received} messages missing in the quiet`] : []),
    ...(atEnd === atStart ? [] : [`${atEnd} descriptors afterwards, ${atStart} before`]),
    ...(served ? [] : ['a new client is not served afterwards']),
  ];
  return { quiet, ...attack, faults };
}

async function underAttack(broker: MeasuredBroker, plan: HostilePlan, seed: number, good: GoodClients) {
  const { sockets, opensPerSecond, messagesPerSecond, hostileSeconds } = plan;
  const startMs = performance.now();
  const swarm = new SwarmProcess({ ...plan, port: plan.decoyPort ?? broker.port, seed }, plan.isSwarmIdle);
  try {
    // Opening takes this long; twice that is too long.
    const fillMs = (2 * 1000 * sockets) / opensPerSecond + CLOSE_MS_MAX;
    const isFull = await swarm.hasOpen(sockets * FULL_SHARE, fillMs);
    await lasting(Math.max(0, startMs + plan.settleSeconds * 1000 - performance.now()));
    const before = { ...swarm.counts, cpuMs: broker.figures().cpuMs, atMs: performance.now() };
    const hostile = await good.measure(hostileSeconds, messagesPerSecond);
    const tookMs = performance.now() - before.atMs;
    const after = swarm.counts;
    const perSecond = (count: number): number => (count * 1000) / tookMs;
    const rates = {
      made: perSecond(after.made - before.made),
      noises: perSecond(after.noises - before.noises),
      drips: perSecond(after.drips - before.drips),
    };
    const brokerCpuShare = (broker.figures().cpuMs - before.cpuMs) / tookMs;
    const connectMs = await timeToConnect(broker.port);
    const faults = [
      ...(isFull ? [] : [`the swarm had only ${after.open} of ${sockets} sockets open`]),
      ...tooSlow('single bytes', rates.drips, plan.dripsPerSecond * plan.rateShareMin),
      ...tooSlow('sockets with random bytes', rates.noises, plan.noisesPerSecond * plan.rateShareMin),
      ...tooSlow('well-behaved messages', hostile.sent / hostileSeconds, messagesPerSecond * plan.rateShareMin),
      ...(hostile.received < hostile.sent ? [`${hostile.sent - hostile.received} messages missing`] : []),
    ];
    return { hostile, swarm: after, rates, connectMs, brokerCpuShare, faults };
  } finally {
    await swarm.stop();
  }
}

/** An attack that was less than planned proves nothing. */
function tooSlow(what: string, perSecond: number, least: number): string[] {
  return perSecond < least ? [`only ${perSecond.toFixed(0)} ${what} a second: this machine is too busy`] : [];
}

/** Judges the medians of all runs. */
export function judgeHostile(runs: readonly HostileRun[], limits: HostileLimits) {
  const quietP99 = median(runs.map(({ quiet }) => quiet.p99));
  const hostileP99 = median(runs.map(({ hostile }) => hostile.p99));
  const allowedMs = Math.max(limits.factor * quietP99, limits.floorMs);
  const faults = runs.flatMap((run, index) => run.faults.map((fault) => `run ${index + 1}: ${fault}`));
  if (!(hostileP99 < allowedMs)) {
    faults.push(`p99 under attack is ${hostileP99.toFixed(2)} ms, it must be below ${allowedMs.toFixed(2)} ms`);
  }
  return { quietP99, hostileP99, allowedMs, faults };
}

async function timeToConnect(port: number): Promise<number> {
  const startMs = performance.now();
  const client = await connectLoadClient(port, { clientId: 'late', version: 5 });
  const tookMs = performance.now() - startMs;
  await client.disconnect();
  return tookMs;
}

/** A new client connects, subscribes, publishes with QoS 2 and gets its own message. */
async function isServed(port: number): Promise<boolean> {
  const client = await connectLoadClient(port, { clientId: 'afterwards', version: 5 });
  const came = new Promise<boolean>((resolve) => {
    client.onMessage = () => resolve(true);
    void client.closed.then(() => resolve(false));
  });
  await client.subscribe([{ filter: 'afterwards', qos: 2 }]);
  const outcome = await client.publish('afterwards', 'still here', { qos: 2 });
  const isBack = await came;
  await client.disconnect();
  return isBack && outcome.kind === 'done' && outcome.reason === 0;
}
