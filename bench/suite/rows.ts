/**
 * What is measured: each row is one run of the load generator on a fresh broker, and what is read from it. The targets
 * are those of the project for a 2-core machine, with Mosquitto 2.0.11 as 1.
 */
import type { Target } from './figures.ts';
import type { Lengths } from './lengths.ts';

export type Unit = 'per second' | 'us' | 'ms' | 'bytes' | 'MB';

/** A line of the table. */
export interface Measure {
  readonly title: string;
  /** The name under which the load generator prints it. */
  readonly figure: string;
  readonly unit: Unit;
  readonly target: Target;
}

export interface Row {
  /** For --only. */
  readonly name: string;
  readonly title: string;
  /** `load`: arguments for the load generator; `start`: the broker itself is started, several times. */
  readonly kind: 'load' | 'start';
  readonly load: readonly string[];
  /** Rows that take many minutes are run once, not in every round. */
  readonly isOnce: boolean;
  readonly measures: readonly Measure[];
}

const RATE_UP = { better: 'more', of: 'ratio' } as const;
const COST_DOWN = { better: 'less', of: 'ratio' } as const;
const LIMIT = { better: 'less', of: 'absolute' } as const;

function delivered(required: number | null, goal: number | null): Measure {
  const target = { ...RATE_UP, required, goal };
  return { title: 'delivered', figure: 'delivered_per_s', unit: 'per second', target };
}

function cpu(required: number | null, goal: number | null): Measure {
  const target = { ...COST_DOWN, required, goal };
  return { title: 'CPU per message', figure: 'cpu_us_per_message', unit: 'us', target };
}

function latency(title: string, figure: string, required: number | null, goal: number | null): Measure {
  return { title, figure, unit: 'us', target: { ...COST_DOWN, required, goal } };
}

const LONGEST_PAUSE: Measure = {
  title: 'longest pause',
  figure: 'max_us',
  unit: 'us',
  target: { ...LIMIT, required: 50_000, goal: 20_000 },
};

/** The rows of the targets, then worst cases from the field. */
export function rowsOf(lengths: Lengths, isLong: boolean): readonly Row[] {
  return [...throughputRows(lengths), ...plantRows(lengths, isLong), ...clientRows(lengths), ...worstRows(lengths)];
}

interface Shape {
  readonly name: string;
  readonly title: string;
  readonly load: string;
  readonly measures: readonly Measure[];
}

function makeRow(lengths: Lengths, { name, title, load, measures }: Shape): Row {
  const timing = ['--secs', String(lengths.seconds), '--warm', String(lengths.warmSeconds)];
  return { name, title, kind: 'load', load: [...load.split(' '), ...timing], isOnce: false, measures };
}

function throughputRows(lengths: Lengths): Row[] {
  const shapes: Shape[] = [
    { name: 'qos0-1to1', title: 'QoS 0, 64 B, 1 to 1', load: 'flow', measures: [delivered(4, 6), cpu(null, null)] },
    {
      name: 'qos0-1to100',
      title: 'QoS 0, 64 B, 1 to 100',
      load: 'flow --subs 100 --fan all --window 32',
      measures: [delivered(4, 6), cpu(null, null)],
    },
    {
      name: 'qos0-100to1',
      title: 'QoS 0, 64 B, 100 to 1',
      load: 'flow --pubs 100 --fan one --window 8',
      measures: [delivered(3, 4), cpu(null, null)],
    },
    {
      name: 'qos1-1to1',
      title: 'QoS 1, 64 B, 1 to 1',
      load: 'flow --qos 1',
      measures: [delivered(5, 8), cpu(null, null)],
    },
    {
      name: 'qos2-1to1',
      title: 'QoS 2, 64 B, 1 to 1',
      load: 'flow --qos 2',
      measures: [delivered(5, 8), cpu(null, null)],
    },
  ];
  return shapes.map((shape) => makeRow(lengths, shape));
}

/** A thousand publishers of ten messages a second each, the real load of a plant. */
function plantRows(lengths: Lengths, isLong: boolean): Row[] {
  const { plantSeconds, plantRetained } = lengths;
  const span = isLong ? `${plantSeconds / 60} min` : `${plantSeconds} s instead of 10 min`;
  const timing = { ...lengths, seconds: plantSeconds };
  const common = [cpu(1.1, 0.8), latency('p50', 'p50_us', 1, 0.8), latency('p99', 'p99_us', 1, 0.8)];
  const rare = [latency('p99.9', 'p999_us', 1.5, 1), LONGEST_PAUSE];
  const plant = 'pace --pubs 1000 --rate 10000';
  const rows = [
    makeRow(lengths, {
      name: 'plant-to-1',
      title: 'plant: 1000 slow publishers, 10k/s, to one',
      load: `${plant} --fan one`,
      measures: common,
    }),
    makeRow(timing, {
      name: 'plant-to-1000',
      title: `plant: the same to 1000 (${span})`,
      load: `${plant} --subs 1000`,
      measures: [...common, ...rare],
    }),
    makeRow(timing, {
      name: 'plant-retained',
      title: `plant, ${plantRetained.toLocaleString('en')} retained (${span})`,
      load: `${plant} --subs 1000 --retained ${plantRetained}`,
      measures: rare,
    }),
  ];
  return rows.map((row) => ({ ...row, isOnce: isLong && row.name !== 'plant-to-1' }));
}

function clientRows(lengths: Lengths): Row[] {
  const { idleClients, retained } = lengths;
  const start: Row = {
    name: 'start',
    title: 'start',
    kind: 'start',
    load: ['start'],
    isOnce: false,
    measures: [
      limit('to first CONNACK, warm', 'warm_ms', 'ms', [300, 150]),
      limit('to first CONNACK, first ever', 'first_ever_ms', 'ms', [900, null]),
      limit('resident memory after it', 'rss_mb', 'MB', [64, 50]),
    ],
  };
  const connects: Measure = {
    title: 'connects',
    figure: 'connects_per_s',
    unit: 'per second',
    target: { ...RATE_UP, required: 2, goal: 5 },
  };
  return [
    {
      ...makeRow(lengths, {
        name: 'idle',
        title: `${idleClients.toLocaleString('en')} idle clients, 1 subscription each`,
        load: `hold --pubs ${idleClients}`,
        measures: [
          {
            title: 'memory per client',
            figure: 'bytes_per_connection',
            unit: 'bytes',
            target: { ...COST_DOWN, required: 1.2, goal: 1 },
          },
        ],
      }),
    },
    start,
    makeRow(lengths, { name: 'connects', title: 'connects, 64 at once', load: 'churn', measures: [connects] }),
    makeRow(lengths, {
      name: 'retained',
      title: `new # on ${retained.toLocaleString('en')} retained`,
      load: `retained --retained ${retained} --pubs 50 --subs 50 --rate 1000`,
      measures: [
        {
          title: 'time to the last',
          figure: 'last_ms',
          unit: 'ms',
          target: { ...COST_DOWN, required: 1, goal: 0.5 },
        },
        { ...LONGEST_PAUSE, title: 'longest pause for others' },
        untargeted('memory per retained message', 'bytes_per_retained', 'bytes'),
      ],
    }),
  ];
}

function limit(title: string, figure: string, unit: Unit, [required, goal]: [number, number | null]): Measure {
  return { title, figure, unit, target: { ...LIMIT, required, goal } };
}

function untargeted(title: string, figure: string, unit: Unit): Measure {
  return { title, figure, unit, target: { ...COST_DOWN, required: null, goal: null } };
}

/** Worst cases from the field. They have no targets: they must not be surprises. */
function worstRows(lengths: Lengths): Row[] {
  const free = [delivered(null, null), cpu(null, null)];
  const half = Math.floor(lengths.busyClients / 2);
  const shapes: Shape[] = [
    { name: 'payload-16', title: 'QoS 0, 16 B, 1 to 1', load: 'flow --bytes 16', measures: free },
    { name: 'payload-1k', title: 'QoS 0, 1 KB, 1 to 1', load: 'flow --bytes 1024', measures: free },
    { name: 'payload-64k', title: 'QoS 0, 64 KB, 1 to 1', load: 'flow --bytes 65536 --window 16', measures: free },
    {
      name: 'payload-64k-1to100',
      title: 'QoS 0, 64 KB, 1 to 100',
      load: 'flow --bytes 65536 --subs 100 --fan all --window 2',
      measures: free,
    },
    {
      name: 'deep',
      title: 'topics of 50 levels, 1,000 of them',
      load: 'flow --depth 50 --topics 1000',
      measures: free,
    },
    {
      name: 'wildcards',
      title: '100 to 100 by + and #, 100,000 topics, 10,000 other filters',
      load: 'flow --pubs 100 --subs 100 --filter plus --topics 1000 --extra-filters 10000 --window 8',
      measures: free,
    },
    {
      name: 'clients-10k',
      title: `${(2 * half).toLocaleString('en')} clients: 10k/s in all, half to half`,
      load: `pace --pubs ${half} --subs ${half} --rate 10000`,
      measures: [cpu(null, null), latency('p50', 'p50_us', null, null), latency('p99', 'p99_us', null, null)],
    },
    {
      name: 'stalled',
      title: 'QoS 0, 1 KB, 1 to 99 while the 100th reads nothing',
      load: 'flow --bytes 1024 --subs 100 --fan all --window 32 --stalled 1',
      measures: free,
    },
    {
      name: 'stalled-paced',
      title: 'the same at 100/s',
      load: 'pace --bytes 1024 --subs 100 --fan all --rate 100 --stalled 1',
      measures: [latency('p99', 'p99_us', null, null), untargeted('longest pause', 'max_us', 'us')],
    },
  ];
  return shapes.map((shape) => makeRow(lengths, shape));
}
