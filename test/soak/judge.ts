/** What a soak must show, as a list of what it did not show. */
import { mebibytes } from '../fixtures/figures.ts';
import { type Growth, growthOf } from './growth.ts';
import type { SoakResult } from './run-soak.ts';

const MEBIBYTE = 1024 * 1024;
/** Descriptors follow the number of clients, which goes up and down by chance. */
const DESCRIPTORS_SHARE = 0.1;
const DESCRIPTORS_MIN = 10;
const WARM_UP_MAX = 0.6;

export interface SoakLimits {
  /** The part of the run that is not looked at for growth: this share, but at least so long, and at most 60 %. */
  readonly warmUpShare: number;
  readonly warmUpSecondsMin: number;
  /** What the last median of the process's own memory may be above the first: this, or the share of the first if more. */
  readonly growthBytes: number;
  readonly growthShare: number;
  /** What no sample may be above. */
  readonly ownBytesMax: number;
}

/**
 * For the long form. The heap has its size after two to three minutes; from then on the medians of a run without a leak
 * lie within 1 MB. In 30 minutes of the long plan a leak of some 100 bytes for each of its 45,000 later connections, or of
 * 3 bytes for each of its messages, moves the last median by what is allowed.
 */
export const LONG_LIMITS: SoakLimits = {
  warmUpShare: 0.2,
  warmUpSecondsMin: 180,
  growthBytes: 4 * MEBIBYTE,
  growthShare: 0.06,
  ownBytesMax: 128 * MEBIBYTE,
};

/** In seconds the heap is still finding its size: only what is far out can be seen. */
export const SHORT_LIMITS: SoakLimits = {
  warmUpShare: 0.2,
  warmUpSecondsMin: 2,
  growthBytes: 24 * MEBIBYTE,
  growthShare: 0,
  ownBytesMax: 96 * MEBIBYTE,
};

export interface SoakGrowth {
  readonly ownBytes: Growth;
  readonly descriptors: Growth;
  readonly threads: Growth;
}

export function soakGrowth({ samples }: SoakResult, limits: SoakLimits): SoakGrowth {
  const runMs = samples.at(-1)?.atMs ?? 0;
  const warmUpMs = Math.max(limits.warmUpShare * runMs, Math.min(limits.warmUpSecondsMin * 1000, WARM_UP_MAX * runMs));
  const growth = (key: 'ownBytes' | 'descriptors' | 'threads', allowed: (first: number) => number): Growth =>
    growthOf(
      samples.map((sample) => ({ atMs: sample.atMs, value: sample[key] })),
      warmUpMs,
      allowed,
    );
  return {
    ownBytes: growth('ownBytes', (first) => Math.max(limits.growthBytes, first * limits.growthShare)),
    descriptors: growth('descriptors', (first) => Math.max(DESCRIPTORS_MIN, first * DESCRIPTORS_SHARE)),
    threads: growth('threads', () => 0),
  };
}

/** Empty when all is well. */
export function judgeSoak(result: SoakResult, limits: SoakLimits): string[] {
  const { flows, passersBy, descriptors, samples } = result;
  const growth = soakGrowth(result, limits);
  const highest = Math.max(...samples.map(({ ownBytes }) => ownBytes));
  const checks: readonly (readonly [isWrong: boolean, fault: string])[] = [
    [growth.ownBytes.isGrowing, `memory grows: by ${mebibytes(growth.ownBytes.grownBy)} after the warm-up`],
    [highest > limits.ownBytesMax, `memory reached ${mebibytes(highest)}, allowed ${mebibytes(limits.ownBytesMax)}`],
    [growth.descriptors.isGrowing, `descriptors grow: by ${growth.descriptors.grownBy} after the warm-up`],
    [growth.threads.isGrowing, `threads grow: by ${growth.threads.grownBy} after the warm-up`],
    [
      descriptors.atEnd !== descriptors.atStart,
      `${descriptors.atEnd} descriptors when all clients had left, ${descriptors.atStart} before they came`,
    ],
    [flows.sent === 0 || passersBy.connected === 0, 'nothing was sent, or nobody came'],
    [flows.lost > 0, `${flows.lost} QoS 1 and 2 messages were lost`],
    [flows.duplicated > 0, `${flows.duplicated} messages came twice without an excuse`],
    [flows.disordered > 0, `${flows.disordered} messages came out of order`],
    [flows.refused > 0, `${flows.refused} messages were refused`],
    [flows.sessionsForgotten > 0, `${flows.sessionsForgotten} sessions were forgotten`],
    [passersBy.forgotten > 0, `${passersBy.forgotten} silent or half-closed connections were not ended`],
    [result.alarms.length > 0, `the log tells of defects:\n  ${result.alarms.join('\n  ')}`],
    [result.exitCode !== 0, `the broker ended with code ${result.exitCode}`],
  ];
  return checks.filter(([isWrong]) => isWrong).map(([, fault]) => fault);
}
