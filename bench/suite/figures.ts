/** Figures of a run, and what is made of several: medians, ratios, verdicts. Nothing here touches the world. */

/** What one run of the load generator says, by the names it prints. */
export type Figures = ReadonlyMap<string, number>;

/** How a figure is judged. */
export interface Target {
  /** `more`: the higher the better. */
  readonly better: 'more' | 'less';
  /** `ratio`: the limits are for Zanzara's figure divided by Mosquitto's; `absolute`: for Zanzara's figure itself. */
  readonly of: 'ratio' | 'absolute';
  readonly required: number | null;
  readonly goal: number | null;
}

/** `none`: there is no target; `unknown`: there is no figure to hold against it. */
export type Verdict = 'goal' | 'met' | 'missed' | 'none' | 'unknown';

/** Reads the last line of `text` as zload and mqload print it; values that are no numbers are left out. */
export function parseFigures(text: string): Figures {
  const line = text.trim().split('\n').at(-1) ?? '';
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch {
    throw new Error(`expected a line of JSON from the load generator, got: ${line.slice(0, 200)}`);
  }
  if (typeof parsed !== 'object' || parsed === null) throw new Error(`expected a JSON object, got: ${line}`);
  const figures = new Map<string, number>();
  for (const [name, value] of Object.entries(parsed)) if (typeof value === 'number') figures.set(name, value);
  return figures;
}

/** The middle value, the mean of the two middle ones, or null when there is none. */
export function median(values: readonly number[]): number | null {
  if (values.length === 0) return null;
  const sorted = values.toSorted((a, b) => a - b);
  const half = Math.floor(sorted.length / 2);
  const upper = sorted[half] ?? 0;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[half - 1] ?? 0)) / 2;
}

/** The median of one figure over several runs; runs that do not have it do not count. */
export function medianOf(runs: readonly Figures[], name: string): number | null {
  return median(runs.flatMap((run) => run.get(name) ?? []));
}

/** `value` divided by `base`, or null when one of them is missing or there is nothing to divide by. */
export function ratio(value: number | null, base: number | null): number | null {
  return value === null || base === null || base === 0 ? null : value / base;
}

/** Holds Zanzara's figure, or its ratio to Mosquitto's, against the target. */
export function judge(target: Target, value: number | null, toMosquitto: number | null): Verdict {
  if (target.required === null && target.goal === null) return 'none';
  const judged = target.of === 'ratio' ? toMosquitto : value;
  if (judged === null) return 'unknown';
  if (reaches(judged, target.goal, target.better)) return 'goal';
  if (target.required === null) return 'missed';
  return reaches(judged, target.required, target.better) ? 'met' : 'missed';
}

function reaches(value: number, limit: number | null, better: 'more' | 'less'): boolean {
  if (limit === null) return false;
  return better === 'more' ? value >= limit : value <= limit;
}
