/**
 * Is our load generator right, and fast enough? It and an independent one take turns on the same broker; what they say
 * stands side by side. Both must agree within what the machine varies; where ours says less, it is the bottleneck.
 */
import { type BrokerKind, startBroker } from './brokers.ts';
import { type Figures, medianOf, ratio } from './figures.ts';
import { runLoad } from './load-program.ts';

interface Pair {
  readonly title: string;
  readonly zload: string;
  readonly other: string;
  /** The same figure under both names. */
  readonly figures: readonly (readonly [title: string, zload: string, other: string])[];
}

const DELIVERED = ['delivered/s', 'delivered_per_s', 'delivered_per_s'] as const;
const CPU = ['CPU us/message', 'cpu_us_per_message', 'cpu_us_per_msg'] as const;
const P50 = ['p50 us', 'p50_us', 'p50_us'] as const;
const P99 = ['p99 us', 'p99_us', 'p99_us'] as const;

const PAIRS: readonly Pair[] = [
  { title: 'QoS 0, 1 to 1', zload: 'flow', other: 'flow', figures: [DELIVERED, CPU] },
  { title: 'QoS 1, 1 to 1', zload: 'flow --qos 1', other: 'flow -q 1', figures: [DELIVERED, CPU] },
  { title: 'QoS 2, 1 to 1', zload: 'flow --qos 2', other: 'flow -q 2', figures: [DELIVERED, CPU] },
  {
    title: 'QoS 0, 1 to 100',
    zload: 'flow --subs 100 --fan all --window 32',
    other: 'flow -S 100 --fan all -w 32',
    figures: [DELIVERED, CPU],
  },
  {
    title: 'QoS 0, 100 to 1',
    zload: 'flow --pubs 100 --fan one --window 8',
    other: 'flow -P 100 --fan one -w 8',
    figures: [DELIVERED, CPU],
  },
  {
    title: '1000 publishers, 10k/s, to 1000',
    zload: 'pace --pubs 1000 --subs 1000 --rate 10000',
    other: 'pace -P 1000 -S 1000 -r 10000',
    figures: [DELIVERED, CPU, P50, P99],
  },
  {
    title: 'connects, 64 at once',
    zload: 'churn',
    other: 'conn -P 64',
    figures: [
      ['connects/s', 'connects_per_s', 'connects_per_s'],
      ['CPU us/connect', 'cpu_us_per_connect', 'cpu_us_per_connect'],
    ],
  },
  {
    title: '5000 idle clients',
    zload: 'hold --pubs 5000',
    other: 'hold -P 5000',
    figures: [['bytes/client', 'bytes_per_connection', 'bytes_per_conn']],
  },
];

export interface CrossCheck {
  readonly zload: string;
  readonly other: string;
  readonly kind: BrokerKind;
  readonly folder: string;
  readonly rounds: number;
  readonly seconds: number;
  readonly progress: (text: string) => void;
}

/** The table as text. */
export async function crossCheck(check: CrossCheck): Promise<string> {
  const lines: string[] = [
    `on ${check.kind.name}`.padEnd(50) + 'zload'.padStart(12) + 'other'.padStart(12) + 'ratio'.padStart(8),
  ];
  for (const pair of PAIRS) {
    check.progress(pair.title);
    const ours: Figures[] = [];
    const theirs: Figures[] = [];
    for (let round = 0; round < check.rounds; round++) {
      ours.push(await runOn(check, check.zload, [...pair.zload.split(' '), '--secs', String(check.seconds)], '--port'));
      theirs.push(await runOn(check, check.other, [...pair.other.split(' '), '-t', String(check.seconds)], '-p'));
    }
    for (const [title, name, otherName] of pair.figures) {
      const mine = medianOf(ours, name);
      const other = medianOf(theirs, otherName);
      const cells = [format(mine).padStart(12), format(other).padStart(12), format(ratio(mine, other)).padStart(8)];
      lines.push(`${pair.title}: ${title}`.padEnd(50) + cells.join(''));
    }
  }
  return lines.join('\n');
}

async function runOn(
  check: CrossCheck,
  program: string,
  load: readonly string[],
  portOption: string,
): Promise<Figures> {
  const broker = await startBroker(check.kind, check.folder);
  try {
    return await runLoad(program, [...load, portOption, String(broker.port), '--pid', String(broker.pid)]);
  } finally {
    await broker.stop();
  }
}

function format(value: number | null): string {
  if (value === null) return '-';
  return value >= 1000 ? Math.round(value).toLocaleString('en') : value.toFixed(2);
}
