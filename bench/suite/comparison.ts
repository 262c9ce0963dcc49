/** All rows on all brokers, round by round, in turn: what drifts on the machine then falls on all of them alike. */
import type { BrokerKind } from './brokers.ts';
import type { Figures } from './figures.ts';
import { type Bench, measure } from './measure.ts';
import type { Row } from './rows.ts';
import { formatFigure } from './table.ts';

/** A run as it is written to the file of results. */
export interface Run {
  readonly row: string;
  readonly broker: string;
  readonly round: number;
  /** Null: it failed, `error` says why. */
  readonly figures: Figures | null;
  readonly error: string | null;
}

export interface Comparison {
  readonly bench: Bench;
  readonly rows: readonly Row[];
  readonly kinds: readonly BrokerKind[];
  readonly rounds: number;
  /** Told one line per run. */
  readonly progress: (text: string) => void;
}

/** Runs everything. A run that fails is in the result with its error, and the rest goes on. */
export async function compare(comparison: Comparison): Promise<Run[]> {
  const runs: Run[] = [];
  for (let round = 1; round <= comparison.rounds; round++) {
    for (const row of comparison.rows) {
      if (row.isOnce && round > 1) continue;
      for (const kind of inTurn(comparison.kinds, round)) runs.push(await runOne(comparison, row, kind, round));
    }
  }
  return runs;
}

/** Another broker is the first in each round. */
function inTurn<T>(items: readonly T[], round: number): T[] {
  const first = (round - 1) % items.length;
  return [...items.slice(first), ...items.slice(0, first)];
}

async function runOne(comparison: Comparison, row: Row, kind: BrokerKind, round: number): Promise<Run> {
  const head = `[${round}/${comparison.rounds}] ${row.name.padEnd(18)} ${kind.name.padEnd(9)}`;
  try {
    const figures = await measure(comparison.bench, row, kind);
    const shown = row.measures.map(({ figure, unit, title }) => {
      return `${title} ${formatFigure(figures.get(figure) ?? null, unit)}`;
    });
    comparison.progress(`${head} ${shown.join(', ')}`);
    return { row: row.name, broker: kind.name, round, figures, error: null };
  } catch (failure) {
    const error = failure instanceof Error ? failure.message : String(failure);
    comparison.progress(`${head} failed: ${error}`);
    return { row: row.name, broker: kind.name, round, figures: null, error };
  }
}

/** The figures of the runs that did not fail, by row and broker. */
export function groupRuns(runs: readonly Run[]): Map<string, Map<string, Figures[]>> {
  const rows = new Map<string, Map<string, Figures[]>>();
  for (const { row, broker, figures } of runs) {
    if (figures === null) continue;
    const brokers = rows.get(row) ?? new Map<string, Figures[]>();
    rows.set(row, brokers.set(broker, [...(brokers.get(broker) ?? []), figures]));
  }
  return rows;
}
