/**
 * Does something grow? What was sampled after the warm-up is cut into four parts of equal time; the median of the last
 * part may be above the median of the first by an allowance. Medians, because a garbage-collected heap goes up and
 * down by megabytes between two samples; parts and not a fitted line, because one step, such as a heap that is given
 * its next size, is no slope and must not look like one.
 *
 * What it can see: a leak of b bytes per connection, with r connections a second over t seconds after the warm-up, moves
 * the last median above the first by 0.75 x t x r x b.
 */
import { median } from '../fixtures/figures.ts';

const PARTS = 4;

export interface Growth {
  /** Medians of the four parts, in order. */
  readonly medians: readonly number[];
  /** The last minus the first. */
  readonly grownBy: number;
  readonly isGrowing: boolean;
}

export interface Sampled {
  readonly atMs: number;
  readonly value: number;
}

/** `allowed`: what the last median may be above the first. Every part needs a sample. */
export function growthOf(samples: readonly Sampled[], warmUpMs: number, allowed: (first: number) => number): Growth {
  const untilMs = samples.at(-1)?.atMs ?? 0;
  const partMs = (untilMs - warmUpMs) / PARTS;
  const medians = Array.from({ length: PARTS }, (_, part) => {
    const fromMs = warmUpMs + part * partMs;
    const isLast = part === PARTS - 1;
    const inPart = samples.filter(({ atMs }) => atMs >= fromMs && (isLast || atMs < fromMs + partMs));
    if (inPart.length === 0) throw new Error(`no sample between ${fromMs} and ${fromMs + partMs} ms`);
    return median(inPart.map(({ value }) => value));
  });
  const [first = 0] = medians;
  const grownBy = (medians.at(-1) ?? 0) - first;
  return { medians, grownBy, isGrowing: grownBy > allowed(first) };
}
