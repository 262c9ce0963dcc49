/**
 * A plant in miniature, played by chance: publishers and subscribers of all versions, QoS 0 to 2, sessions that last and
 * sessions that do not, shared groups, wills, on a network with delays, splits, cuts and take-overs, with slow readers and
 * a clock that jumps. The model says after each step what may have come, and at the end what must have come.
 *
 *     node test/sim/simulation.ts --runs 1000 --seed 1      (a failure prints the seed of its run and the last steps)
 *
 * A run is repeated exactly by its seed.
 */
import assert from 'node:assert/strict';
import { parseArgs } from 'node:util';
import type { ProtocolVersion, Qos } from '../../src/protocol/version.ts';
import { createHarness, type Harness } from '../fixtures/broker-harness.ts';
import { Chance } from '../fixtures/chance.ts';
import { Model, type SimWill } from './model.ts';
import type { SimMessage } from './owed.ts';
import { SimClient } from './sim-client.ts';

const STEPS_PER_RUN = 150;
const LAST_STEPS_SHOWN = 25;
/** More rows of a queue in memory than any queue of a run has. */
const WHOLE_QUEUES = 100_000;
/** Rounds in which everything that is owed must have come, when nothing disturbs any more. */
const LAST_ROUNDS_MAX = 2000;

const TOPICS = ['plant/line1/robot1', 'plant/line1/robot2', 'plant/line2/robot1', 'plant/line2', 'plant', 'office/a'];
const WORK_TOPICS = ['work/a', 'work/a/b', 'work/c'];
const FILTERS = [
  'plant/#',
  'plant/line1/+',
  'plant/+/robot1',
  '+/line2/#',
  'plant/line2',
  'office/a',
  'office/+',
  'plant/line1/robot1',
];
/** Shared filters and the QoS that all their members subscribe with. No topic is matched by two of them. */
const SHARED: readonly (readonly [text: string, qos: Qos])[] = [
  ['$share/two/work/a/#', 2],
  ['$share/one/work/c', 1],
];
const VERSIONS: readonly ProtocolVersion[] = [3, 4, 5];

/** Plays one run. @throws Error that names the seed and the last steps. */
export async function runSimulation(seed: number, steps: number = STEPS_PER_RUN): Promise<void> {
  const simulation = new Simulation(seed);
  try {
    await simulation.play(steps);
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    throw new Error(`seed ${seed} failed: ${text}\nlast steps:\n  ${simulation.lastSteps().join('\n  ')}`);
  }
}

class Simulation {
  readonly #chance: Chance;
  readonly #house: Harness;
  readonly #model: Model;
  readonly #plain: readonly SimClient[];
  readonly #workers: readonly SimClient[];
  readonly #steps: string[] = [];
  readonly #queueHeadMax: number;
  #messageCount = 0;

  constructor(seed: number) {
    const chance = new Chance(seed);
    this.#chance = chance;
    const allowDuplicateMessages = chance.percent(60);
    const maxInflightMessages = chance.pick([1, 3, 20]);
    this.#queueHeadMax = chance.pick([2, 5, WHOLE_QUEUES]);
    this.#house = createHarness({
      settings: {
        allowDuplicateMessages,
        maxInflightMessages,
        maxQueuedMessages: 0,
        queueHeadMax: this.#queueHeadMax,
        outboxHighBytes: chance.pick([200, 256 * 1024]),
        stalledWriteMs: 1_000_000_000,
        connectDeadlineMs: 1_000_000_000,
      },
    });
    this.#model = new Model(this.#house.clock.monotonicMs(), allowDuplicateMessages);
    const client = (clientId: string, isLasting: boolean): SimClient =>
      new SimClient(
        { clientId, versions: VERSIONS, isLasting, windowMax: maxInflightMessages },
        this.#house,
        this.#model,
        chance,
      );
    this.#plain = [...['l1', 'l2', 'l3'].map((id) => client(id, true)), ...['f1', 'f2'].map((id) => client(id, false))];
    this.#workers = ['w1', 'w2', 'w3'].map((id) => client(id, true));
  }

  lastSteps(): readonly string[] {
    return this.#steps.slice(-LAST_STEPS_SHOWN);
  }

  async play(steps: number): Promise<void> {
    for (let step = 0; step < steps; step += 1) {
      this.#pass(1);
      for (const client of [...this.#plain, ...this.#workers]) this.#act(client);
      if (this.#chance.percent(20)) await this.#house.settleLater();
      this.#checkBroker();
    }
    await this.#calmDown();
    this.#checkComplete();
    await this.#checkRetained();
  }

  // ----------------------------------------------------------------------------------------------------- steps

  #act(client: SimClient): void {
    const chance = this.#chance;
    if (!client.isConnected) {
      if (chance.percent(25)) this.#connect(client);
      return;
    }
    const [name, act] = chance.weighted<readonly [name: string, act: () => void]>([
      [60, ['publishes', () => this.#publish(client)]],
      [80, ['arrives', () => client.arrive()]],
      [80, ['looks', () => client.look(chance.between(1, 8))]],
      [8, ['subscribes', () => this.#subscribe(client)]],
      [2, ['unsubscribes', () => this.#unsubscribe(client)]],
      [4, ['is cut', () => client.cut()]],
      [1, ['disconnects', () => client.disconnect()]],
      [1, ['connects anew', () => this.#connect(client)]],
      [2, ['takes no more', () => client.block(chance.below(200))]],
      [4, ['takes all', () => client.release()]],
      [1, ['waits', () => this.#pass(chance.between(1, 8_000))]],
      [1, ['sees the clock jump', () => this.#house.clock.jumpWall(chance.between(-86_400_000, 86_400_000))]],
    ]);
    this.#steps.push(`${client.clientId} ${name}`);
    act();
    if (chance.percent(50)) client.arrive();
  }

  #connect(client: SimClient): void {
    client.connect((version) => (this.#chance.percent(40) ? this.#makeWill(client, version) : null));
  }

  #makeWill(client: SimClient, version: ProtocolVersion): SimWill {
    const message = { ...this.#makeMessage(client, 'will'), isOptional: false };
    return { message, delaySeconds: version === 5 ? this.#chance.pick([0, 0, 3, 10]) : 0 };
  }

  #publish(client: SimClient): void {
    if (!this.#plain.includes(client)) return;
    for (let left = this.#chance.between(1, 3); left > 0; left -= 1)
      client.publish(this.#makeMessage(client, 'message'));
  }

  #makeMessage(client: SimClient, kind: string): SimMessage {
    const chance = this.#chance;
    this.#messageCount += 1;
    const retain = chance.percent(25);
    const isClearing = retain && kind === 'message' && chance.percent(30);
    return {
      text: isClearing ? '' : `${kind} ${this.#messageCount} of ${client.clientId}`,
      topic: chance.pick(chance.percent(25) ? WORK_TOPICS : TOPICS),
      publisher: client.clientId,
      qos: chance.pick([0, 1, 2] as const),
      retain,
      isOptional: !retain && chance.percent(10),
    };
  }

  #subscribe(client: SimClient): void {
    const chance = this.#chance;
    if (this.#workers.includes(client)) client.subscribe(...chance.pick(SHARED));
    else client.subscribe(chance.pick(FILTERS), chance.pick([0, 1, 2] as const));
  }

  #unsubscribe(client: SimClient): void {
    if (this.#plain.includes(client)) client.unsubscribe(this.#chance.pick(FILTERS));
  }

  /** Time goes by, from deadline to deadline, so that it is known what came first. */
  #pass(ms: number): void {
    const { clock } = this.#house;
    const untilMs = clock.monotonicMs() + ms;
    while (clock.monotonicMs() < untilMs) {
      const nextMs = Math.min(untilMs, this.#model.nextDeadlineMs);
      this.#house.advance(Math.max(0, nextMs - clock.monotonicMs()));
      this.#model.passTo(clock.monotonicMs());
    }
  }

  // ---------------------------------------------------------------------------------------------------- checks

  #checkBroker(): void {
    const { counters } = this.#house.broker;
    assert.deepEqual(this.#house.log.texts('error'), []);
    assert.deepEqual([counters.internalErrors, counters.protocolErrors], [0, 0]);
    this.#house.log.lines.splice(0);
  }

  /** Nothing disturbs any more: all are connected, read and acknowledge until nothing is left to do. */
  async #calmDown(): Promise<void> {
    const clients = [...this.#plain, ...this.#workers];
    this.#steps.push('calm');
    for (let round = 0, quietRounds = 0; quietRounds < 3; round += 1) {
      assert.ok(round < LAST_ROUNDS_MAX, 'the end is not reached');
      const sentBefore = this.#house.broker.counters.packetsSent;
      for (const client of clients) {
        if (!client.isConnected) client.connect(() => null);
        client.release();
        client.arriveAll();
        client.look(Number.POSITIVE_INFINITY);
        client.arriveAll();
      }
      await this.#house.settleLater();
      this.#checkBroker();
      const isQuiet =
        clients.every((client) => client.isQuiet) && sentBefore === this.#house.broker.counters.packetsSent;
      quietRounds = isQuiet ? quietRounds + 1 : 0;
    }
  }

  #checkComplete(): void {
    for (const session of this.#model.sessions.values()) {
      for (const owed of session.owed.values()) {
        // QoS 0 for a slow reader does not join the part of its queue that is not in memory.
        if (this.#queueHeadMax < WHOLE_QUEUES) owed.excuseQos0();
        owed.assertComplete(session.clientId);
      }
    }
    for (const [text, book] of this.#model.groups) {
      for (const owed of book.values()) {
        // Of QoS 0 nobody knows which member had it when its connection broke.
        owed.excuseQos0();
        owed.assertComplete(text);
      }
    }
  }

  /** Whoever comes last sees what is retained, and nothing else. */
  async #checkRetained(): Promise<void> {
    const peer = this.#house.client('inspector', { version: 5 });
    peer.sendSubscribe('#', { qos: 0 });
    await this.#house.settleLater();
    const seen = new Map(
      peer.all().flatMap((packet) => (packet.type === 'publish' ? [[packet.topic, packet.text] as const] : [])),
    );
    assert.deepEqual(sorted(seen), sorted(this.#model.retained()));
  }
}

function sorted(texts: ReadonlyMap<unknown, unknown>): readonly unknown[] {
  return [...texts].map(([topic, text]) => `${topic}: ${text}`).toSorted();
}

async function main(): Promise<void> {
  const options = { runs: { type: 'string' }, seed: { type: 'string' }, steps: { type: 'string' } } as const;
  const { values } = parseArgs({ options });
  const runs = Number(values.runs ?? 300);
  const first = Number(values.seed ?? 1);
  const steps = Number(values.steps ?? STEPS_PER_RUN);
  for (let seed = first; seed < first + runs; seed += 1) await runSimulation(seed, steps);
  console.log(`${runs} simulations of ${steps} steps, seeds ${first} to ${first + runs - 1}: no failure`);
}

if (import.meta.main) await main();
