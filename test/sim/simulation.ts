/**
 * A plant in miniature, played by chance: publishers and subscribers of all versions, QoS 0 to 2, sessions that last and
 * sessions that do not, shared groups, wills, on a network with delays, splits, cuts and take-overs, with slow readers and
 * a clock that jumps. The model says after each step what may have come, and at the end what must have come.
 *
 * With `hasCrashes` the broker keeps its state in a journal that commits when chance says so, and dies at any moment.
 *
 *     node test/sim/simulation.ts --seeds 1000 --seed 1             (a failure prints the seed of its run and the last steps)
 *     node test/sim/simulation.ts --seeds 1000 --crashes
 *
 * A run is repeated exactly by its seed.
 */
import assert from 'node:assert/strict';
import { parseArgs } from 'node:util';
import type { ProtocolVersion, Qos } from '../../src/protocol/version.ts';
import { Chance } from '../fixtures/chance.ts';
import { Model } from './model.ts';
import type { SimMessage } from './owed.ts';
import { SimClient } from './sim-client.ts';
import { type BreakJournal, SimHouse } from './sim-house.ts';
import type { SimWill } from './sim-session.ts';

const STEPS_PER_RUN = 150;
const LAST_STEPS_SHOWN = 25;
const WILL_GRACE_MS = 4_000;
/** More rows of a queue in memory than any queue of a run has. */
const WHOLE_QUEUES = 100_000;
/** Longer than the broker waits until it reads again. */
const READ_RETRY_MS = 1_100;
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

export interface SimulationOptions {
  readonly steps?: number;
  readonly hasCrashes?: boolean;
  /** Only with crashes: a journal that is broken on purpose. */
  readonly breakJournal?: BreakJournal;
}

/** Plays one run. @throws Error that names the seed and the last steps. */
export async function runSimulation(seed: number, options: SimulationOptions = {}): Promise<void> {
  const simulation = new Simulation(seed, options);
  try {
    await simulation.play(options.steps ?? STEPS_PER_RUN);
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    throw new Error(`seed ${seed} failed: ${text}\nlast steps:\n  ${simulation.lastSteps().join('\n  ')}`);
  }
}

class Simulation {
  readonly #chance: Chance;
  readonly #house: SimHouse;
  readonly #model: Model;
  readonly #plain: readonly SimClient[];
  readonly #workers: readonly SimClient[];
  readonly #steps: string[] = [];
  readonly #queueHeadMax: number;
  /** What is published to: in some runs so little that clients meet there all the time. */
  readonly #topics: readonly string[];
  readonly #clearingPercent: number;
  /** The journal fails at times, or falls behind. */
  readonly #hasTrouble: boolean;
  #messageCount = 0;
  /** How often it commits. */
  #diskMood: 'quick' | 'slow' | 'stands' = 'quick';

  constructor(seed: number, { hasCrashes = false, breakJournal }: SimulationOptions) {
    const chance = new Chance(seed);
    this.#chance = chance;
    const allowDuplicateMessages = chance.percent(60);
    const maxInflightMessages = chance.pick([1, 3, 20]);
    this.#queueHeadMax = chance.pick([2, 5, WHOLE_QUEUES]);
    const isNarrow = chance.percent(40);
    this.#topics = isNarrow ? [chance.pick(TOPICS), chance.pick(TOPICS)] : TOPICS;
    this.#clearingPercent = isNarrow ? 60 : 30;
    const outboxHighBytes = chance.pick([200, 256 * 1024]);
    // Only where the broker never stops reading for another reason is it known what it leaves lying.
    this.#hasTrouble = outboxHighBytes > 200;
    const settings = {
      allowDuplicateMessages,
      maxInflightMessages,
      maxQueuedMessages: 0,
      queueHeadMax: this.#queueHeadMax,
      outboxHighBytes,
      stalledWriteMs: 1_000_000_000,
      connectDeadlineMs: 1_000_000_000,
      willGraceMs: WILL_GRACE_MS,
    };
    this.#house = hasCrashes ? SimHouse.mortal(settings, breakJournal) : SimHouse.forgetful(settings);
    this.#model = new Model(this.#house.nowMs, {
      isEachCopyOwed: allowDuplicateMessages,
      willGraceMs: WILL_GRACE_MS,
      isWelcomeLate: hasCrashes,
    });
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

  get #clients(): readonly SimClient[] {
    return [...this.#plain, ...this.#workers];
  }

  lastSteps(): readonly string[] {
    return this.#steps.slice(-LAST_STEPS_SHOWN);
  }

  async play(steps: number): Promise<void> {
    for (let step = 0; step < steps; step += 1) {
      this.#pass(1);
      for (const client of this.#clients) {
        this.#act(client);
        await this.#keep();
      }
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
      [10, ['subscribes', () => this.#subscribe(client)]],
      [4, ['unsubscribes', () => this.#unsubscribe(client)]],
      [client.isLasting ? 3 : 8, ['is cut', () => client.cut()]],
      [client.isLasting ? 1 : 3, ['disconnects', () => client.disconnect()]],
      [client.mayBeTakenOver ? 1 : 0, ['connects anew', () => this.#connect(client)]],
      [2, ['takes no more', () => client.block(chance.below(200))]],
      [4, ['takes all', () => client.release()]],
      [1, ['waits', () => this.#pass(chance.between(1, 8_000))]],
      [1, ['sees the clock jump', () => this.#house.jumpWall(chance.between(-86_400_000, 86_400_000))]],
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
    const isClearing = retain && kind === 'message' && chance.percent(this.#clearingPercent);
    return {
      text: isClearing ? '' : `${kind} ${this.#messageCount} of ${client.clientId}`,
      topic: chance.pick(chance.percent(25) ? WORK_TOPICS : this.#topics),
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
    const chance = this.#chance;
    const own = [...(client.session?.subscriptions.keys() ?? [])];
    const isOwn = own.length > 0 && chance.percent(60);
    if (this.#plain.includes(client)) client.unsubscribe(chance.pick(isOwn ? own : FILTERS));
  }

  /** Time goes by, from deadline to deadline, so that it is known what came first. */
  #pass(ms: number): void {
    const untilMs = this.#house.nowMs + ms;
    while (this.#house.nowMs < untilMs) {
      const nextMs = Math.min(untilMs, this.#model.nextDeadlineMs);
      this.#house.advance(Math.max(0, nextMs - this.#house.nowMs));
      this.#model.passTo(this.#house.nowMs);
    }
  }

  // --------------------------------------------------------------------------------------------------- the journal

  /** The journal does some of its work, or the broker dies. */
  async #keep(): Promise<void> {
    const { journal } = this.#house;
    if (journal === null) return;
    const chance = this.#chance;
    await this.#house.settleLater();
    if (chance.percent(2)) this.#diskMood = chance.pick(['quick', 'slow', 'stands'] as const);
    const trouble = this.#hasTrouble ? 4 : 0;
    const often = { quick: 200, slow: 4, stands: 0 }[this.#diskMood];
    const [name, act] = chance.weighted<readonly [name: string, act: () => void | Promise<void>]>([
      [500, ['', () => undefined]],
      [often, ['all is committed', () => journal.commit()]],
      [often, ['some is committed', () => journal.commit(chance.between(0, journal.waitingTurns))]],
      [
        often / 4,
        ['some is committed, nobody is told', () => journal.commit(chance.between(0, journal.waitingTurns), false)],
      ],
      [100, ['reads are answered', () => journal.answerReads()]],
      [20, ['reads fail', () => journal.answerReads(true)]],
      [trouble, ['the disk fails', () => journal.setFailing(true)]],
      [trouble, ['the journal falls behind', () => journal.setBehind(true)]],
      [journal.isFailing ? 40 : 0, ['the disk works again', () => journal.setFailing(false)]],
      [journal.isBehind ? 40 : 0, ['the journal has caught up', () => journal.setBehind(false)]],
      [{ quick: 2, slow: 6, stands: 12 }[this.#diskMood], ['the broker dies', () => this.#crash()]],
    ]);
    if (name !== '') this.#steps.push(name);
    await act();
    await this.#house.settleLater();
    this.#resume();
    if (journal === this.#house.journal && journal.isAllCommitted) this.#model.settle();
  }

  async #crash(): Promise<void> {
    for (const client of this.#clients) client.crash();
    await this.#house.restart(this.#chance.percent(50) ? this.#chance.between(0, 20) : this.#chance.between(0, 40_000));
    this.#model.crash(this.#house.nowMs);
    this.#model.passTo(this.#house.nowMs);
    // Time enough for wills that are due when nobody comes back.
    if (this.#chance.percent(30)) this.#pass(this.#chance.between(1, 2 * WILL_GRACE_MS));
  }

  /** What the broker left lying while its journal took nothing. */
  #resume(): void {
    this.#model.atOnce(() => {
      for (const client of this.#clients) client.resume();
    });
  }

  /** The journal does all its work. */
  #serve(): void {
    this.#house.journal?.setFailing(false);
    this.#house.journal?.setBehind(false);
    this.#house.journal?.commit();
    this.#house.journal?.answerReads();
  }

  // ---------------------------------------------------------------------------------------------------- checks

  #checkBroker(): void {
    const { counters } = this.#house.broker;
    const errors = this.#house.log.texts('error').filter((text) => !text.includes('Reading the queue'));
    assert.deepEqual(errors, []);
    assert.deepEqual([counters.internalErrors, counters.protocolErrors], [0, 0]);
    this.#house.log.lines.splice(0);
  }

  /** Nothing disturbs any more: all are connected, read and acknowledge until nothing is left to do. */
  async #calmDown(): Promise<void> {
    const clients = this.#clients;
    this.#steps.push('calm');
    // Reads that have failed are tried again.
    if (this.#house.journal !== null) this.#pass(READ_RETRY_MS);
    for (let round = 0, quietRounds = 0; quietRounds < 3; round += 1) {
      assert.ok(round < LAST_ROUNDS_MAX, 'the end is not reached');
      const sentBefore = this.#house.broker.counters.packetsSent;
      for (const client of clients) {
        if (!client.isConnected) client.connect(() => null);
        client.release();
        client.arriveAll();
        client.look(Number.POSITIVE_INFINITY);
        client.arriveAll();
        this.#serve();
      }
      await this.#house.settleLater();
      this.#checkBroker();
      this.#serve();
      await this.#house.settleLater();
      this.#resume();
      const isQuiet =
        clients.every((client) => client.isQuiet) && sentBefore === this.#house.broker.counters.packetsSent;
      quietRounds = isQuiet ? quietRounds + 1 : 0;
    }
  }

  #checkComplete(): void {
    for (const session of this.#model.sessions.values()) {
      for (const [text, owed] of session.owed) {
        if (this.#model.isLoose(text)) continue;
        // QoS 0 for a slow reader does not join the part of its queue that is not in memory.
        if (this.#queueHeadMax < WHOLE_QUEUES) owed.excuseQos0();
        owed.assertComplete(session.clientId);
      }
    }
    for (const [text, book] of this.#model.groups) {
      for (const [message, owed] of book) {
        if (this.#model.isLoose(message)) continue;
        // Of QoS 0 nobody knows which member had it when its connection broke.
        owed.excuseQos0();
        owed.assertComplete(text);
      }
    }
  }

  /** Whoever comes last sees what is retained, and nothing else. */
  async #checkRetained(): Promise<void> {
    const peer = this.#house.client('inspector');
    peer.sendSubscribe('#', { qos: 0 });
    await this.#house.settleLater();
    const seen = new Map<string, string>();
    for (const packet of peer.all()) if (packet.type === 'publish') seen.set(packet.topic, packet.text);
    const retained = this.#model.retained();
    for (const topic of seen.keys()) assert.ok(retained.has(topic), `nothing was ever retained on ${topic}`);
    for (const [topic, possible] of retained) {
      const text = seen.get(topic) ?? '';
      assert.ok(
        possible.includes(text),
        `'${text}' is retained on ${topic}, it should be one of '${possible.join("', '")}'`,
      );
    }
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string' },
      seed: { type: 'string' },
      steps: { type: 'string' },
      crashes: { type: 'boolean' },
    },
  });
  const { crashes: hasCrashes = false } = values;
  const seeds = Number(values.seeds ?? 300);
  const first = Number(values.seed ?? 1);
  const steps = Number(values.steps ?? STEPS_PER_RUN);
  for (let seed = first; seed < first + seeds; seed += 1) await runSimulation(seed, { steps, hasCrashes });
  const kind = hasCrashes ? 'simulations with crashes' : 'simulations';
  console.log(`${seeds} ${kind} of ${steps} steps, seeds ${first} to ${first + seeds - 1}: no failure`);
}

if (import.meta.main) await main();
