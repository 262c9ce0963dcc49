/**
 * The crash campaign: traffic, SIGKILL, restart, account, and again.
 *
 *   everybody connected -- traffic -- kill -- restart -- look at what is retained -- everybody returns and goes on -+
 *          ^                                   ^   | killed again                                                    |
 *          |                                   +---+                                                                 |
 *          +---- account of messages, sessions, subscriptions, now and then of wills <---- nothing under way --------+
 *
 * With relaxed durability an acknowledgement promises to be kept after a while: there the broker is killed only when
 * everything has been at rest for that long.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { Chance } from './chance.ts';
import { ChildBroker } from './child-broker.ts';
import {
  type KillPlan,
  killKind,
  killText,
  planKill,
  planRecoveryKills,
  planTimedKill,
  type RecoveryKillPlan,
  Trap,
} from './kill-plan.ts';
import { Ledgers } from './ledger/ledgers.ts';
import { Population } from './population.ts';
import { WILL_DELAY_MS, type WillScene } from './will-clients.ts';

/** A kill at a packet that does not come is done at this time. */
const TRAFFIC_MS_MAX = 400;
/** Every so many cycles all wills that are owed are waited for. */
const WILL_CYCLES = 6;
/** What the wait for wills allows for a slow machine. */
const WILL_SLACK_MS = 2000;
/** What is added to the window of relaxed durability before a kill. */
const WINDOW_SLACK_MS = 100;
/** Nothing has come for so long: everybody is at rest. */
const QUIET_MS = 50;
const POLL_MS = 2;
/** Starts in a row that may fail before the campaign ends. */
const FAILED_STARTS_MAX = 3;
/** Cycles with faults after which it ends: what is wrong is known by then. */
const BAD_CYCLES_MAX = 20;

export interface CampaignPlan {
  readonly cycles: number;
  readonly seed: number;
  readonly port: number;
  /** A program and its arguments that run the broker on `port`. */
  readonly command: readonly string[];
  /** 0 = strict. */
  readonly windowMs: number;
  /** `will_restart_grace` of the broker's configuration. */
  readonly willGraceMs: number;
  /** How long nothing may come before what is missing counts as lost. */
  readonly patienceMs: number;
}

export class Campaign {
  readonly ledgers: Ledgers;
  /** Kills by kind. */
  readonly kills = new Map<string, number>();
  /** From the start of a process to the first CONNACK. */
  readonly recoveriesMs: number[] = [];
  cyclesDone = 0;
  readonly #plan: CampaignPlan;
  readonly #chance: Chance;
  readonly #broker: ChildBroker;
  readonly #population: Population;
  readonly #scene: WillScene;
  readonly #trap = new Trap();
  #lastPacketMs = 0;
  #isStopped = false;

  constructor(plan: CampaignPlan) {
    this.#plan = plan;
    this.#chance = new Chance(plan.seed);
    this.ledgers = new Ledgers(() => performance.now());
    this.#broker = new ChildBroker(plan.command);
    this.#population = new Population(this.ledgers, this.#chance, plan.seed >>> 0);
    this.#scene = {
      port: plan.port,
      isAlive: () => this.#broker.isAlive,
      onPacket: (packet) => {
        this.#lastPacketMs = performance.now();
        this.#trap.see(packet);
      },
      onNonsense: (clientId, error) => {
        this.ledgers.faults.report('broker-failed', `${clientId} received what is no MQTT: ${error.message}`);
      },
    };
  }

  /** Ends after the cycle that runs. */
  stop(): void {
    this.#isStopped = true;
  }

  /** Runs all cycles; tells of each. Faults are in the ledgers. */
  async run(onCycle: (cycle: number) => void): Promise<void> {
    let badCycles = 0;
    try {
      if (!(await this.#begin())) return;
      while (this.cyclesDone < this.#plan.cycles && !this.#isStopped && badCycles < BAD_CYCLES_MAX) {
        const faultsBefore = this.ledgers.faults.count;
        if (!(await this.#cycle(this.cyclesDone + 1))) return;
        this.cyclesDone += 1;
        if (this.ledgers.faults.count > faultsBefore) badCycles += 1;
        onCycle(this.cyclesDone);
      }
    } finally {
      await this.#broker.end();
      await this.#population.crash();
    }
  }

  /** The first start, on an empty folder. @returns false when it cannot begin */
  async #begin(): Promise<boolean> {
    if (!(await this.#broker.start())) return this.#tellOfFailedStart();
    const isConnected = await this.#population.connect(this.#scene);
    if (!isConnected) this.ledgers.faults.report('broker-failed', `clients could not connect; ${this.#logText()}`);
    return isConnected;
  }

  /** @returns false when the broker does not start any more */
  async #cycle(cycle: number): Promise<boolean> {
    this.ledgers.faults.cycle = cycle;
    const plan = this.#plan.windowMs > 0 ? planTimedKill(this.#chance) : planKill(this.#chance, cycle);
    this.#lastPacketMs = performance.now();
    await this.#afterDeath(await this.#traffic(plan));
    return await this.#recover(cycle);
  }

  /** Traffic until the broker is dead. @returns what killed it: a packet that does not come is not waited for */
  async #traffic(plan: KillPlan): Promise<KillPlan> {
    if (plan.kind === 'packet') this.#trap.set(plan, () => this.#broker.kill());
    this.#population.begin(this.#scene);
    const isDead = this.#broker.died.then(() => true);
    const ms = plan.kind === 'time' ? plan.ms : TRAFFIC_MS_MAX;
    if (await Promise.race([isDead, pause(ms, false)])) return plan;
    if (this.#plan.windowMs > 0) await this.#comeToRest();
    this.#trap.clear();
    this.#broker.kill();
    await this.#broker.died;
    return { kind: 'time', ms };
  }

  async #comeToRest(): Promise<void> {
    this.#population.stop();
    await this.#until(() => this.#population.isAnswered && performance.now() - this.#lastPacketMs > QUIET_MS);
    await pause(this.#plan.windowMs + WINDOW_SLACK_MS);
  }

  async #afterDeath(plan: KillPlan | RecoveryKillPlan): Promise<void> {
    this.#trap.clear();
    this.#note(plan);
    await this.#population.crash();
  }

  #note(plan: KillPlan | RecoveryKillPlan): void {
    const { faults } = this.ledgers;
    const { alarm } = this.#broker;
    if (alarm !== null) faults.report('broker-failed', `its log says: ${alarm}`);
    if (!this.#broker.wasKilled) {
      faults.report('broker-failed', `the broker ended by itself; ${this.#logText()}`);
      return;
    }
    faults.killedBy = killText(plan);
    this.kills.set(killKind(plan), (this.kills.get(killKind(plan)) ?? 0) + 1);
  }

  /** Starts it again until all is well, with the kills that are planned in between. @returns false when it does not start */
  async #recover(cycle: number): Promise<boolean> {
    const kills = [...planRecoveryKills(this.#chance, this.#plan.windowMs > 0)];
    const firstStartMs = performance.now();
    const isInTime = (): boolean => performance.now() - firstStartMs < this.#plan.willGraceMs;
    for (let failed = 0; failed < FAILED_STARTS_MAX; ) {
      const kill = kills.shift() ?? null;
      const isListening = await this.#start(kill);
      if (isListening && (await this.#settle(cycle, kill, isInTime))) return true;
      if (!this.#broker.wasKilled) failed += 1;
      this.#broker.kill();
      await this.#broker.died;
      await this.#afterDeath(kill ?? { kind: 'start', ms: 0 });
    }
    return this.#tellOfFailedStart();
  }

  async #start(kill: RecoveryKillPlan | null): Promise<boolean> {
    const started = this.#broker.start();
    if (kill?.kind === 'start') setTimeout(this.#killLater(), kill.ms);
    const isListening = await started;
    if (isListening && kill?.kind === 'listening') setTimeout(this.#killLater(), kill.ms);
    return isListening;
  }

  /** Kills this process, not one that is started after it. */
  #killLater(): () => void {
    const { pid } = this.#broker;
    return () => {
      if (this.#broker.pid === pid) this.#broker.kill();
    };
  }

  /** Everybody returns, and what is owed comes. @returns false when the broker was killed or died meanwhile */
  async #settle(cycle: number, kill: RecoveryKillPlan | null, isInTime: () => boolean): Promise<boolean> {
    const { ledgers } = this;
    if (kill?.kind === 'packet') this.#trap.set(kill, () => this.#broker.kill());
    const population = this.#population;
    if (!(await population.checkRetained(this.#scene))) return false;
    this.recoveriesMs.push(performance.now() - this.#broker.startedMs);
    const [isConnected] = await Promise.all([
      population.connect(this.#scene),
      population.comeBack(this.#scene, isInTime),
    ]);
    if (!isConnected) return false;
    await this.#until(() => population.isAtRest);
    if (!this.#broker.isAlive || !(await population.checkSessions(this.#scene))) return false;
    if (cycle % WILL_CYCLES === 0 || cycle === this.#plan.cycles) await this.#waitForWills();
    if (!this.#broker.isAlive) return false;
    // Kills that were planned by time and have not come are called off.
    if (kill !== null && kill.kind !== 'packet') await this.#broker.died;
    if (!this.#broker.isAlive) return false;
    this.#trap.clear();
    ledgers.messages.settle();
    return true;
  }

  async #waitForWills(): Promise<void> {
    const { wills } = this.ledgers;
    const due = this.#broker.startedMs + this.#plan.willGraceMs + WILL_DELAY_MS + WILL_SLACK_MS;
    await this.#until(() => wills.owed === 0, due);
    if (this.#broker.isAlive) wills.settle();
  }

  /** Waits until it is so, the broker is dead, or nothing has come for too long, at the earliest at `untilMs`. */
  async #until(isSo: () => boolean, untilMs = 0): Promise<void> {
    this.#lastPacketMs = performance.now();
    while (!isSo() && this.#broker.isAlive) {
      const now = performance.now();
      if (now > untilMs && now - this.#lastPacketMs > this.#plan.patienceMs) return;
      await pause(POLL_MS);
    }
  }

  #tellOfFailedStart(): false {
    this.ledgers.faults.report('broker-failed', `the broker does not start; ${this.#logText()}`);
    return false;
  }

  #logText(): string {
    return `the end of its log:\n${this.#broker.logTail}`;
  }
}
