/** `zanzara selftest durability`: a campaign from its folder to its report. */
import { Campaign } from './campaign.ts';
import type { Fault, FaultKind } from './ledger/faults.ts';
import { makeSelftestFolder } from './selftest-folder.ts';

/** `will_restart_grace` of the broker, so that the wait for wills is short. */
const WILL_GRACE_SECONDS = 1;
const PATIENCE_MS = 15_000;

/** What `durability` of the broker is: strict, or acknowledged at once and saved within so many milliseconds. */
export type SelftestDurability = { readonly kind: 'strict' } | { readonly kind: 'relaxed'; readonly windowMs: number };

export interface DurabilityRunPlan {
  readonly cycles: number;
  readonly seed: number;
  /** Where the broker's folder is made and removed. */
  readonly parentFolder: string;
  readonly durability: SelftestDurability;
  /** What runs the broker with `-c FILE` behind it. Its process must be the broker's own. */
  readonly program: readonly string[];
  /** False: a broker without a store, which must fail. */
  readonly isPersistent?: boolean;
  /** How long nothing may come before what is missing counts as lost, in milliseconds. */
  readonly patienceMs?: number;
}

export interface DurabilityReport {
  readonly hasPassed: boolean;
  readonly seed: number;
  readonly durability: string;
  readonly cyclesAsked: number;
  readonly cycles: number;
  readonly seconds: number;
  readonly kills: Readonly<Record<string, number>>;
  readonly messages: Readonly<Record<string, number>>;
  readonly recovery: { readonly count: number; readonly medianMs: number; readonly longestMs: number };
  readonly faultCounts: Readonly<Partial<Record<FaultKind, number>>>;
  /** The first ones. */
  readonly faults: readonly Fault[];
}

export interface DurabilityRun {
  /** Ends after the cycle that runs. */
  stop(): void;
  readonly report: Promise<DurabilityReport>;
}

/** Starts it. `onCycle` is told of each cycle and how many faults there are. */
export function startDurabilityRun(
  plan: DurabilityRunPlan,
  onCycle: (cycle: number, faults: number) => void,
): DurabilityRun {
  let isStopped = false;
  let campaign: Campaign | null = null;
  const run = async (): Promise<DurabilityReport> => {
    const folder = await makeSelftestFolder(plan.parentFolder, {
      durability: durabilityText(plan.durability),
      willGraceSeconds: WILL_GRACE_SECONDS,
      isPersistent: plan.isPersistent ?? true,
    });
    const startMs = performance.now();
    try {
      const made = new Campaign({
        cycles: plan.cycles,
        seed: plan.seed,
        port: folder.port,
        command: [...plan.program, '-c', folder.configFile],
        windowMs: plan.durability.kind === 'strict' ? 0 : plan.durability.windowMs,
        willGraceMs: WILL_GRACE_SECONDS * 1000,
        patienceMs: plan.patienceMs ?? PATIENCE_MS,
      });
      campaign = made;
      if (!isStopped) await made.run((cycle) => onCycle(cycle, made.ledgers.faults.count));
      return reportOf(plan, made, performance.now() - startMs);
    } finally {
      folder.remove();
    }
  };
  return {
    stop: () => {
      isStopped = true;
      campaign?.stop();
    },
    report: run(),
  };
}

function durabilityText(durability: SelftestDurability): string {
  return durability.kind === 'strict' ? 'strict' : `relaxed ${durability.windowMs}`;
}

function reportOf(plan: DurabilityRunPlan, campaign: Campaign, durationMs: number): DurabilityReport {
  const { ledgers, recoveriesMs, cyclesDone } = campaign;
  const { faults, messages, retained, sessions, wills } = ledgers;
  const sorted = recoveriesMs.toSorted((a, b) => a - b);
  return {
    hasPassed: faults.count === 0 && cyclesDone > 0,
    seed: plan.seed,
    durability: durabilityText(plan.durability),
    cyclesAsked: plan.cycles,
    cycles: cyclesDone,
    seconds: Math.round(durationMs / 100) / 10,
    kills: Object.fromEntries([...campaign.kills].toSorted(([a], [b]) => a.localeCompare(b))),
    messages: {
      sent: messages.counts.sent,
      acknowledged: messages.counts.acknowledged,
      delivered: messages.counts.delivered,
      repeatedQos1: messages.counts.repeated,
      retainedSent: retained.counts.sent,
      retainedCleared: retained.counts.cleared,
      retainedChecked: retained.counts.checked,
      willsGiven: wills.counts.given,
      willsCame: wills.counts.came,
      willsDropped: wills.counts.dropped,
      sessionsMade: sessions.counts.made,
      sessionsRemoved: sessions.counts.removed,
      sessionsChecked: sessions.counts.sessionsChecked,
      subscriptionsChecked: sessions.counts.subscriptionsChecked,
    },
    recovery: {
      count: sorted.length,
      medianMs: Math.round(sorted[sorted.length >> 1] ?? 0),
      longestMs: Math.round(sorted.at(-1) ?? 0),
    },
    faultCounts: Object.fromEntries(faults.counts),
    faults: faults.listed,
  };
}
