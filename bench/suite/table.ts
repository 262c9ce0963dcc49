/** The table of a comparison as text. */
import { type Figures, judge, medianOf, ratio, type Target, type Verdict } from './figures.ts';
import type { Measure, Row, Unit } from './rows.ts';

/** Runs of each row, by the row's name and the broker's. */
export type Results = ReadonlyMap<string, ReadonlyMap<string, readonly Figures[]>>;

/** One line: the medians and what they mean. */
export interface TableLine {
  readonly row: string;
  readonly workload: string;
  readonly figure: string;
  readonly mosquitto: number | null;
  readonly zanzara: number | null;
  readonly ratio: number | null;
  readonly target: Target;
  readonly verdict: Verdict;
  readonly aedes: number | null;
  readonly aedesRatio: number | null;
  readonly unit: Unit;
  /** Why the figure is to be read with care: the keys of `NOTES`. */
  readonly notes: readonly Note[];
}

export type Note = keyof typeof NOTES;

const NOTES = {
  '*': 'the load generator had no processor left and Zanzara had: the load was the limit',
  '~': 'disturbed: a broker was often ready and had no processor, or the load generator itself was kept from working as long',
  '!': 'messages were lost, or still on their way three seconds after the last was published',
} as const;

const LOAD_BUSY_PERCENT = 95;
const BROKER_IDLE_PERCENT = 85;
const WAITED_PERCENT = 10;
/** A longest latency of which the load generator's own longest gap is so much is not the broker's. */
const GAP_SHARE = 0.5;

/** A line for each measure of each row. */
export function buildLines(rows: readonly Row[], results: Results): TableLine[] {
  return rows.flatMap((row) => row.measures.map((measure) => buildLine(row, measure, results)));
}

function buildLine(row: Row, { title, figure, unit, target }: Measure, results: Results): TableLine {
  const runs = (broker: string) => results.get(row.name)?.get(broker) ?? [];
  const mosquitto = medianOf(runs('mosquitto'), figure);
  const zanzara = medianOf(runs('zanzara'), figure);
  const aedes = medianOf(runs('aedes'), figure);
  const toMosquitto = ratio(zanzara, mosquitto);
  return {
    row: row.name,
    workload: `${row.title}: ${title}`,
    figure,
    mosquitto,
    zanzara,
    ratio: toMosquitto,
    target,
    verdict: judge(target, zanzara, toMosquitto),
    aedes,
    aedesRatio: ratio(aedes, mosquitto),
    unit,
    notes: notesOn(row, figure, [runs('zanzara'), runs('mosquitto')]),
  };
}

function notesOn(
  row: Row,
  figure: string,
  [zanzara, mosquitto]: readonly [readonly Figures[], readonly Figures[]],
): Note[] {
  const notes: Note[] = [];
  const load = medianOf(zanzara, 'load_cpu_percent') ?? 0;
  const broker = medianOf(zanzara, 'broker_cpu_percent') ?? 100;
  if (row.load[0] === 'flow' && load >= LOAD_BUSY_PERCENT && broker < BROKER_IDLE_PERCENT) notes.push('*');
  if ([zanzara, mosquitto].some((runs) => wasDisturbed(runs, figure))) notes.push('~');
  if ([zanzara, mosquitto].some((runs) => hasLost(runs))) notes.push('!');
  return notes;
}

function hasLost(runs: readonly Figures[]): boolean {
  return (medianOf(runs, 'lost') ?? 0) > 0 || (medianOf(runs, 'missing') ?? 0) > 0;
}

function wasDisturbed(runs: readonly Figures[], figure: string): boolean {
  if ((medianOf(runs, 'broker_waited_percent') ?? 0) > WAITED_PERCENT) return true;
  if (figure !== 'max_us') return false;
  const gap = medianOf(runs, 'own_gap_max_us') ?? 0;
  return gap > GAP_SHARE * (medianOf(runs, 'max_us') ?? 0);
}

const HEAD = ['workload', 'mosquitto', 'zanzara', 'ratio', 'required', 'goal', 'verdict', 'aedes'];

/** The lines as a Markdown table with columns in line. */
export function formatTable(lines: readonly TableLine[]): string {
  const cells = lines.map((line) => [
    [line.workload, ...line.notes].join(' '),
    formatFigure(line.mosquitto, line.unit),
    formatFigure(line.zanzara, line.unit),
    formatRatio(line.ratio),
    formatLimit(line.target, line.target.required, line.unit),
    formatLimit(line.target, line.target.goal, line.unit),
    VERDICTS[line.verdict],
    formatRatio(line.aedesRatio),
  ]);
  const widths = HEAD.map((head, column) => Math.max(head.length, ...cells.map((row) => row[column]?.length ?? 0)));
  const format = (row: readonly string[]) =>
    `| ${row.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))).join(' | ')} |`;
  const rule = `|${widths.map((width, at) => (at === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`;
  const seen = new Set(lines.flatMap((line) => line.notes));
  const legend = [...seen].map((note) => `${note} ${NOTES[note]}`);
  const foot = legend.length > 0 ? ['', ...legend] : [];
  return [format(HEAD), rule, ...cells.map(format), ...foot].join('\n');
}

const VERDICTS: Readonly<Record<Verdict, string>> = {
  goal: 'goal',
  met: 'met',
  missed: 'MISSED',
  none: '',
  unknown: 'unknown',
};

/** A figure with as many digits as it is worth: `575,000`, `1.27 us`, `52 MB`. */
export function formatFigure(value: number | null, unit: Unit): string {
  if (value === null) return '-';
  if (unit === 'per second') return Math.round(value).toLocaleString('en');
  if (unit === 'us' && value >= 10_000) return `${digits(value / 1000)} ms`;
  return `${digits(value)} ${unit === 'bytes' ? 'B' : unit}`;
}

function digits(value: number): string {
  const places = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toLocaleString('en', { minimumFractionDigits: places, maximumFractionDigits: places });
}

function formatRatio(value: number | null): string {
  return value === null ? '-' : value.toFixed(2);
}

function formatLimit({ better, of }: Target, value: number | null, unit: Unit): string {
  if (value === null) return '';
  const shown =
    of === 'ratio' ? String(value) : `${unit === 'us' ? value / 1000 : value} ${unit === 'us' ? 'ms' : unit}`;
  return `${better === 'more' ? '>=' : '<='} ${shown}`;
}
