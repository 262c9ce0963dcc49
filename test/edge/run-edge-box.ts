/** A small plant on a small computer: many machines publish once a second, one client collects everything. */
import type { MqttClient } from '../../src/client/mqtt-client.ts';
import { mebibytes, milliseconds, quantile } from '../fixtures/figures.ts';
import { connectLoadClient } from '../fixtures/load-client.ts';
import { type MeasuredBroker, startMeasuredBroker } from '../fixtures/measured-broker.ts';
import { lasting, Paced } from '../fixtures/paced.ts';
import type { ProcessFigures } from '../fixtures/process-figures.ts';

const REST_MS_MAX = 30_000;
const REST_CHECK_MS = 20;
const PAYLOAD_BYTES = 64;
/** Lines of the log of a broker that ended by itself. */
const LAST_LINES = 5;
/** The time between the end of its connections and the news of its end. */
const END_MS_MAX = 2000;

export interface EdgePlan {
  readonly clients: number;
  readonly messagesPerClientPerSecond: number;
  readonly seconds: number;
  readonly sampleMs: number;
  /** A command line in front of the broker's own, that puts it into its box. */
  readonly wrapper: readonly string[];
}

export interface EdgeSample extends ProcessFigures {
  readonly atMs: number;
}

export interface EdgeResult {
  readonly samples: readonly EdgeSample[];
  /** What the plan asks for, and what this process came to send. */
  readonly planned: number;
  readonly sent: number;
  readonly acknowledged: number;
  /** Different messages that the collector got, and those that it got more than once. */
  readonly received: number;
  readonly doubled: number;
  readonly latency: { readonly p50: number; readonly p99: number; readonly p999: number; readonly longest: number };
  /** How the broker ended: its exit code, or the signal that killed it. */
  readonly end: number | NodeJS.Signals | null;
  /** What it had to say, if it ended before it was asked to. */
  readonly lastWords: string;
}

/** Tells of each sample. A broker that is killed in between is a result, not an error. */
export async function runEdgeBox(plan: EdgePlan, onSample: (sample: EdgeSample) => void): Promise<EdgeResult> {
  const broker = await startMeasuredBroker({ wrapper: plan.wrapper });
  const collector = new Collector();
  try {
    const machines = await connectAll(broker.port, plan.clients, collector).catch((error) => goneOr(broker, error));
    const { samples, counts } = await load(broker, plan, { machines, collector, onSample });
    const lastWords = broker.hasEnded ? broker.logTail.split('\n').slice(-LAST_LINES).join('\n') : '';
    await Promise.all(machines.map((machine) => machine.disconnect()));
    await collector.close();
    const { code, signal } = await broker.stop();
    const planned = plan.clients * plan.messagesPerClientPerSecond * plan.seconds;
    return {
      samples,
      planned,
      ...counts,
      ...collector.counts,
      latency: collector.latency,
      end: signal ?? code,
      lastWords,
    };
  } finally {
    await broker.stop();
  }
}

interface LoadParts {
  readonly machines: readonly MqttClient[];
  readonly collector: Collector;
  readonly onSample: (sample: EdgeSample) => void;
}

async function load(broker: MeasuredBroker, plan: EdgePlan, { machines, collector, onSample }: LoadParts) {
  const counts = { sent: 0, acknowledged: 0 };
  const samples: EdgeSample[] = [];
  const startMs = performance.now();
  const sample = (): void => {
    if (broker.hasEnded) return;
    const figures = { atMs: performance.now() - startMs, ...broker.figures() };
    samples.push(figures);
    onSample(figures);
  };
  const sampler = setInterval(sample, plan.sampleMs);
  const pacer = new Paced(plan.clients * plan.messagesPerClientPerSecond, (index) => {
    counts.sent += 1;
    const machine = machines[index % machines.length];
    void machine?.publish(topicOf(index % machines.length), payloadOf(index), { qos: 1 }).then(({ kind }) => {
      if (kind === 'done') counts.acknowledged += 1;
    });
  });
  await Promise.race([lasting(plan.seconds * 1000), broker.ended]);
  pacer.stop();
  const deadline = performance.now() + REST_MS_MAX;
  const isComplete = (): boolean => collector.counts.received === counts.sent && counts.acknowledged === counts.sent;
  while (!isComplete() && !broker.hasEnded && performance.now() < deadline) await lasting(REST_CHECK_MS);
  clearInterval(sampler);
  sample();
  return { samples, counts };
}

/** No machines when the broker was killed while they connected. @throws the error when it lives. */
async function goneOr(broker: MeasuredBroker, error: unknown): Promise<MqttClient[]> {
  await Promise.race([broker.ended, lasting(END_MS_MAX)]);
  if (!broker.hasEnded) throw error;
  return [];
}

/** Machines of both versions, each with a subscription of its own, as those that take commands have. */
async function connectAll(port: number, count: number, collector: Collector): Promise<MqttClient[]> {
  await collector.open(port);
  const machines: MqttClient[] = [];
  for (let index = 0; index < count; index += 1) {
    const version = index % 2 === 0 ? 4 : 5;
    const machine = await connectLoadClient(port, { clientId: `machine-${index}`, version });
    await machine.subscribe([{ filter: `edge/command/${index}`, qos: 1 }]);
    machines.push(machine);
  }
  return machines;
}

/** Gets every message and notes when. */
class Collector {
  readonly counts = { received: 0, doubled: 0 };
  readonly #seen = new Set<number>();
  readonly #latencies: number[] = [];
  #client: MqttClient | null = null;

  async open(port: number): Promise<void> {
    const client = await connectLoadClient(port, { clientId: 'collector', version: 5 });
    client.onMessage = ({ payload }) => this.#take(new DataView(payload.buffer, payload.byteOffset));
    await client.subscribe([{ filter: 'edge/reading/#', qos: 1 }]);
    this.#client = client;
  }

  async close(): Promise<void> {
    await this.#client?.disconnect();
  }

  get latency(): EdgeResult['latency'] {
    const [p50 = 0, p99 = 0, p999 = 0, longest = 0] = [0.5, 0.99, 0.999, 1].map((share) =>
      quantile(this.#latencies, share),
    );
    return { p50, p99, p999, longest };
  }

  #take(payload: DataView): void {
    this.#latencies.push(performance.now() - payload.getFloat64(0));
    const index = payload.getUint32(8);
    if (this.#seen.has(index)) this.counts.doubled += 1;
    else this.counts.received += 1;
    this.#seen.add(index);
  }
}

function topicOf(machine: number): string {
  return `edge/reading/machine-${machine}`;
}

function payloadOf(index: number): Uint8Array {
  const payload = new DataView(new ArrayBuffer(PAYLOAD_BYTES));
  payload.setFloat64(0, performance.now());
  payload.setUint32(8, index);
  return new Uint8Array(payload.buffer);
}

export interface EdgeLimits {
  /** Resident memory as a whole, the program's own mapped files included: what the box has to hold. */
  readonly residentBytesMax: number;
  /** The part of what is planned that must have been sent, so that the load was one. */
  readonly sentShareMin: number;
}

/** Empty when all is well. */
export function judgeEdgeBox(result: EdgeResult, limits: EdgeLimits): string[] {
  const { samples, planned, sent, acknowledged, received, doubled, end } = result;
  const highest = Math.max(...samples.map(({ residentBytes }) => residentBytes));
  const checks: readonly (readonly [isWrong: boolean, fault: string])[] = [
    [end !== 0, `the broker ended with ${end}\n${result.lastWords}`],
    [samples.length === 0, 'no sample was taken'],
    [
      highest > limits.residentBytesMax,
      `resident memory reached ${mebibytes(highest)}, allowed ${mebibytes(limits.residentBytesMax)}`,
    ],
    [sent < planned * limits.sentShareMin, `only ${sent} of ${planned} messages were sent: this machine is too busy`],
    [acknowledged !== sent, `${sent - acknowledged} of ${sent} messages were not acknowledged`],
    [received !== sent, `${sent - received} of ${sent} messages were lost`],
    [doubled > 0, `${doubled} messages came twice, though no connection broke`],
  ];
  return checks.filter(([isWrong]) => isWrong).map(([, fault]) => fault);
}

/** One line on the latency. */
export function latencyLine({ latency }: EdgeResult): string {
  const { p50, p99, p999, longest } = latency;
  return (
    `latency: p50 ${milliseconds(p50)}, p99 ${milliseconds(p99)}, p99.9 ${milliseconds(p999)}, ` +
    `longest ${milliseconds(longest)}`
  );
}
