/** One soak: starts the broker, loads it, samples it, and says what came of it. */
import type { MqttClient } from '../../src/client/mqtt-client.ts';
import type { ProtocolVersion, Qos } from '../../src/protocol/version.ts';
import { Chance } from '../fixtures/chance.ts';
import { connectLoadClient } from '../fixtures/load-client.ts';
import { type MeasuredBroker, startMeasuredBroker } from '../fixtures/measured-broker.ts';
import { lasting, Paced } from '../fixtures/paced.ts';
import type { ProcessFigures } from '../fixtures/process-figures.ts';
import { Flow } from './flow.ts';
import { PassersBy, type PassersByCounts } from './passers-by.ts';
import { LARGE_TOPIC, SlowReaders } from './slow-readers.ts';

/** How long the flows may take to bring the rest when nothing disturbs any more. */
const REST_MS_MAX = 15_000;
/** How long the broker may take to close what its clients have left. */
const CLOSE_MS_MAX = 10_000;
const LARGE_BYTES = 64 * 1024;
const CHECK_MS = 50;

export interface SoakPlan {
  readonly seed: number;
  readonly seconds: number;
  readonly sampleMs: number;
  /** Pairs of clients whose messages are counted, and what each sends a second. */
  readonly flows: number;
  readonly flowPerSecond: number;
  /** Breaks of one of their connections, all together. */
  readonly breaksPerSecond: number;
  readonly passersByPerSecond: number;
  readonly largePerSecond: number;
  readonly slowReaders: number;
  readonly slowReaderHoldMsMax: number;
  /** New topics with a retained message that nobody takes away: with it the soak must fail. */
  readonly leftBehindPerSecond: number;
}

export interface SoakSample extends ProcessFigures {
  readonly atMs: number;
}

export interface SoakResult {
  readonly samples: readonly SoakSample[];
  /** Before the first client and after the last. */
  readonly descriptors: { readonly atStart: number; readonly atEnd: number };
  readonly flows: FlowCounts;
  readonly passersBy: PassersByCounts;
  readonly slowReadersCome: number;
  /** Lines of the broker's log that tell of a defect. */
  readonly alarms: readonly string[];
  readonly exitCode: number | null;
}

export interface FlowCounts {
  readonly sent: number;
  readonly lost: number;
  readonly duplicated: number;
  readonly disordered: number;
  /** Repetitions that QoS 1 allows. */
  readonly repeated: number;
  readonly refused: number;
  readonly sessionsForgotten: number;
}

/** Tells of each sample. @throws Error when the broker ends before it is asked to. */
export async function runSoak(plan: SoakPlan, onSample: (sample: SoakSample, load: SoakLoad) => void) {
  const broker = await startMeasuredBroker();
  try {
    return await soak(broker, plan, onSample);
  } finally {
    await broker.stop();
  }
}

async function soak(
  broker: MeasuredBroker,
  plan: SoakPlan,
  onSample: (sample: SoakSample, load: SoakLoad) => void,
): Promise<SoakResult> {
  const atStart = broker.figures().descriptors;
  const load = new SoakLoad(broker.port, plan);
  await load.open();
  const samples = await sampled(broker, plan, (sample) => onSample(sample, load));
  const flows = await load.close();
  const atEnd = await broker.descriptorsSettle(atStart, CLOSE_MS_MAX);
  const { code } = await broker.stop();
  return {
    samples,
    descriptors: { atStart, atEnd },
    flows,
    passersBy: load.passersBy.counts,
    slowReadersCome: load.slowReadersCome,
    alarms: broker.alarms,
    exitCode: code,
  };
}

async function sampled(broker: MeasuredBroker, plan: SoakPlan, onSample: (sample: SoakSample) => void) {
  const samples: SoakSample[] = [];
  const startMs = performance.now();
  while (performance.now() - startMs < plan.seconds * 1000) {
    await lasting(plan.sampleMs);
    if (broker.hasEnded) throw new Error(`the broker ended by itself:\n${broker.logTail}`);
    const sample = { atMs: performance.now() - startMs, ...broker.figures() };
    samples.push(sample);
    onSample(sample);
  }
  return samples;
}

/** All clients of a soak. */
export class SoakLoad {
  readonly passersBy: PassersBy;
  readonly #port: number;
  readonly #plan: SoakPlan;
  readonly #chance: Chance;
  readonly #flows: readonly Flow[];
  readonly #pacers: Paced[] = [];
  #largePublisher: MqttClient | null = null;
  #slowReaders: SlowReaders | null = null;

  constructor(port: number, plan: SoakPlan) {
    this.#port = port;
    this.#plan = plan;
    this.#chance = new Chance(plan.seed);
    this.passersBy = new PassersBy(port, this.#chance);
    this.#flows = Array.from({ length: plan.flows }, (_, index) => this.#makeFlow(index));
  }

  get slowReadersCome(): number {
    return this.#slowReaders?.comeCount ?? 0;
  }

  async open(): Promise<void> {
    const { flowPerSecond, breaksPerSecond, passersByPerSecond, largePerSecond } = this.#plan;
    const { slowReaders, slowReaderHoldMsMax, leftBehindPerSecond } = this.#plan;
    const chance = this.#chance;
    await Promise.all(this.#flows.map((flow) => flow.open()));
    const large = await connectLoadClient(this.#port, { clientId: 'large', version: 5 });
    this.#largePublisher = large;
    this.#slowReaders = new SlowReaders(this.#port, chance, { count: slowReaders, holdMsMax: slowReaderHoldMsMax });
    this.#pace(flowPerSecond * this.#flows.length, (index) => this.#flows[index % this.#flows.length]?.publish());
    this.#pace(breaksPerSecond, () => {
      chance.pick(this.#flows).break(chance.pick(['publisher', 'subscriber'] as const));
    });
    this.#pace(passersByPerSecond, () => this.passersBy.send());
    const payload = chance.bytes(LARGE_BYTES);
    this.#pace(largePerSecond, () => void large.publish(LARGE_TOPIC, payload, { qos: chance.pick([0, 1] as const) }));
    this.#pace(leftBehindPerSecond, (index) => {
      void large.publish(`soak/left/${index}`, payload.subarray(0, 1000), { retain: true });
    });
  }

  /** Ends the load: everything that is owed comes, then all leave. */
  async close(): Promise<FlowCounts> {
    for (const pacer of this.#pacers.splice(0)) pacer.stop();
    this.#slowReaders?.stop();
    const deadline = performance.now() + REST_MS_MAX;
    while (performance.now() < deadline && !this.#flows.every((flow) => flow.isComplete)) await lasting(CHECK_MS);
    const counts = this.counts();
    await this.passersBy.allGone();
    await this.passersBy.tidyUp();
    await this.#largePublisher?.disconnect();
    await Promise.all(this.#flows.map((flow) => flow.leave()));
    return counts;
  }

  /** While the load goes on `lost` counts only what was skipped. */
  counts(): FlowCounts {
    const isOver = this.#pacers.length === 0;
    const sum = (of: (flow: Flow) => number): number => this.#flows.reduce((total, flow) => total + of(flow), 0);
    return {
      sent: sum(({ ledger }) => ledger.sent),
      lost: sum(({ ledger }) => (isOver ? ledger.missing : ledger.skipped)),
      duplicated: sum(({ ledger }) => ledger.duplicated),
      disordered: sum(({ ledger }) => ledger.disordered),
      repeated: sum(({ ledger }) => ledger.repeated),
      refused: sum((flow) => flow.refusedCount),
      sessionsForgotten: sum((flow) => flow.forgottenCount),
    };
  }

  #makeFlow(index: number): Flow {
    const version = (shift: number): ProtocolVersion => ((index >> shift) % 2 === 0 ? 5 : 4);
    const qos: Qos = index % 2 === 0 ? 2 : 1;
    // One in ten carries large messages; ten times fewer would do, but then few of them would meet a break.
    const payloadBytes = index % 10 === 9 ? LARGE_BYTES / 4 : 4 + this.#chance.below(200);
    return new Flow(this.#port, this.#chance, {
      name: String(index),
      qos,
      versions: [version(1), version(2)],
      payloadBytes,
    });
  }

  #pace(perSecond: number, act: (index: number) => void): void {
    if (perSecond > 0) this.#pacers.push(new Paced(perSecond, act));
  }
}
