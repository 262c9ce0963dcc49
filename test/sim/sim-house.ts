/**
 * The broker of a simulation and all that it stands on. With a journal it can die and begin again from what was committed,
 * in a process whose clock begins anew.
 */
import { setImmediate } from 'node:timers/promises';
import type { Broker } from '../../src/core/broker.ts';
import type { BrokerSettings } from '../../src/core/model/settings.ts';
import type { Journal } from '../../src/core/ports.ts';
import type { ProtocolVersion } from '../../src/protocol/version.ts';
import { createHarness, type Harness, type Peer } from '../fixtures/broker-harness.ts';
import { CrashJournal } from '../fixtures/crash-journal.ts';
import type { DiskEntry } from '../fixtures/disk-image.ts';
import { FakeClock } from '../fixtures/fake-clock.ts';
import type { FakeLinkOptions } from '../fixtures/fake-link.ts';
import type { MemoryLog } from '../fixtures/memory-log.ts';

/** What the broker is given instead of its journal: a build that is broken on purpose. */
export type BreakJournal = (journal: CrashJournal) => Journal;

export class SimHouse {
  readonly #settings: Partial<BrokerSettings>;
  readonly #breakJournal: BreakJournal;
  #harness: Harness;
  #journal: CrashJournal | null = null;
  /** What the clocks of the processes before have counted. */
  #originMs = 0;

  private constructor(settings: Partial<BrokerSettings>, breakJournal: BreakJournal, hasJournal: boolean) {
    this.#settings = settings;
    this.#breakJournal = breakJournal;
    if (hasJournal) this.#harness = this.#begin([]);
    else this.#harness = createHarness({ settings });
  }

  /** A broker that keeps nothing. */
  static forgetful(settings: Partial<BrokerSettings>): SimHouse {
    return new SimHouse(settings, (journal) => journal, false);
  }

  /** A broker that may die. */
  static mortal(settings: Partial<BrokerSettings>, breakJournal: BreakJournal = (journal) => journal): SimHouse {
    return new SimHouse(settings, breakJournal, true);
  }

  get broker(): Broker {
    return this.#harness.broker;
  }

  get log(): MemoryLog {
    return this.#harness.log;
  }

  /** Null: this broker keeps nothing. */
  get journal(): CrashJournal | null {
    return this.#journal;
  }

  /** Whether the journal lets the broker take whatever comes. */
  get takesAll(): boolean {
    return this.#journal === null || !(this.#journal.isFailing || this.#journal.isBehind);
  }

  /** The time of the simulation. */
  get nowMs(): number {
    return this.#harness.clock.monotonicMs() + this.#originMs;
  }

  peer(options: FakeLinkOptions, version: ProtocolVersion): Peer {
    return this.#harness.peer(options, version);
  }

  client(clientId: string): Peer {
    return this.#harness.client(clientId, { version: 5 });
  }

  settle(): void {
    this.#harness.settle();
  }

  /** The same, with answers that come by promise, however many wait for each other. */
  async settleLater(): Promise<void> {
    for (let round = 0; round < 2; round += 1) {
      this.settle();
      await setImmediate();
    }
    this.settle();
  }

  advance(ms: number): void {
    this.#harness.advance(ms);
  }

  jumpWall(ms: number): void {
    this.#harness.clock.jumpWall(ms);
  }

  /** The process dies, and another one begins `awayMs` later. Nobody is connected then. */
  async restart(awayMs: number): Promise<void> {
    const disk = this.#journal?.crash() ?? [];
    // The next clock does not begin with 0 either.
    this.#originMs = this.nowMs + awayMs - new FakeClock().monotonicMs();
    this.#harness = this.#begin(disk);
    const begin = await this.#harness.broker.restore();
    begin();
    this.advance(0);
  }

  #begin(disk: readonly DiskEntry[]): Harness {
    const journal = new CrashJournal({ disk, originMs: this.#originMs });
    this.#journal = journal;
    const harness = createHarness({ settings: this.#settings, journal: this.#breakJournal(journal) });
    journal.follow(harness.turn);
    return harness;
  }
}
