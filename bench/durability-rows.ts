/** What the durability benchmark measures, one function for each row. docs/durability.md has the targets. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { slowDisk } from '../test/fixtures/slow-disk.ts';
import { StoredBroker, type StoreSetting } from './durability-broker.ts';
import { diskFigures, measureDisk } from './durability-disk.ts';
import type { BrokerKind } from './suite/brokers.ts';
import { type Figures, median } from './suite/figures.ts';

const STRICT: StoreSetting = { persistence: 'strict' };
/** The load of the target: 50 publishers with 100 messages each on their way. */
const MANY = 'publish --pubs 50 --window 100 --qos 1';
const MEBIBYTE = 2 ** 20;
const DAY_SECONDS = 86_400;
const SLOW_SYNC_MS = 50;
const KILLED_AFTER_MS = 2000;
/** A hundred tags a second. */
const TAG_RATE = 100;

export interface DurabilityLengths {
  readonly rounds: number;
  readonly seconds: number;
  readonly warmSeconds: number;
  /** Messages that are queued, and as many that are retained. */
  readonly kept: number;
  /** One at a time. */
  readonly single: number;
  /** Whole minutes: Mosquitto writes once in each. */
  readonly writeSeconds: number;
}

export interface DurabilityBench {
  readonly zanzara: BrokerKind;
  readonly mosquitto: BrokerKind;
  readonly load: string;
  readonly zload: string;
  /** On the disk that is measured. */
  readonly folder: string;
  readonly lengths: DurabilityLengths;
  readonly progress: (text: string) => void;
}

/** A figure of a row. `isMet` is null where there is no target, or not in this form. */
export interface DurabilityLine {
  readonly title: string;
  readonly value: string;
  readonly target: string;
  readonly isMet: boolean | null;
}

export interface DurabilityResult {
  readonly lines: readonly DurabilityLine[];
  /** Of all rounds, as they were measured. */
  readonly runs: readonly object[];
}

export interface DurabilityRow {
  readonly name: string;
  readonly title: string;
  readonly measure: (bench: DurabilityBench) => Promise<DurabilityResult>;
}

export const DURABILITY_ROWS: readonly DurabilityRow[] = [
  { name: 'rate', title: 'QoS 1 to a durable session, 50 publishers with 100 on their way', measure: measureRate },
  { name: 'single', title: 'QoS 1, one publisher, one message at a time', measure: measureSingle },
  { name: 'restart', title: 'restart with messages queued and retained', measure: measureRestart },
  { name: 'queue', title: 'a long queue of an offline client', measure: measureQueue },
  { name: 'quiet', title: 'QoS 0 while the store commits at full rate', measure: measureQuiet },
  { name: 'written', title: 'bytes written at 100 tags a second', measure: measureWritten },
  { name: 'slow', title: 'a disk whose sync takes 50 ms longer', measure: measureSlow },
];

// -------------------------------------------------------------------------------------------------------------- rate

async function measureRate(bench: DurabilityBench): Promise<DurabilityResult> {
  const runs: { round: number; broker: string; delivered: number; acked: number; lost: number }[] = [];
  const contenders = [
    [bench.zanzara, STRICT],
    [bench.mosquitto, { persistence: 'off' }],
  ] as const;
  for (let round = 1; round <= bench.lengths.rounds; round++) {
    // Each begins in turn: what drifts on a machine falls on both.
    for (const [kind, setting] of round % 2 === 1 ? contenders : contenders.toReversed()) {
      const online = await withBroker(bench, kind, setting, (broker) =>
        broker.load(bench.load, `${MANY} --online 1 ${timing(bench)}`),
      );
      const offline = await withBroker(bench, kind, setting, async (broker) => {
        await broker.load(bench.load, 'subscribe');
        return broker.load(bench.load, `${MANY} ${timing(bench)}`);
      });
      const lost = figure(online, 'lost');
      const delivered = figure(online, 'delivered_per_s');
      const acked = figure(offline, 'acked_per_s');
      runs.push({ round, broker: kind.name, delivered, acked, lost });
      bench.progress(
        `rate ${round}: ${kind.name} ${count(delivered)}/s delivered, ${count(acked)}/s acknowledged, ${lost} lost`,
      );
    }
  }
  const line = (title: string, name: 'delivered' | 'acked'): DurabilityLine => {
    const of = (broker: string) => middle(runs.filter((run) => run.broker === broker).map((run) => run[name]));
    const [ours, theirs] = [of('zanzara'), of('mosquitto')];
    const value = `${count(ours)}/s, Mosquitto without persistence ${count(theirs)}/s: ${(ours / theirs).toFixed(2)}`;
    return { title, value, target: '>= 1 (goal 2)', isMet: ours / theirs >= 1 };
  };
  const lost = runs.filter(({ broker }) => broker === 'zanzara').reduce((sum, run) => sum + run.lost, 0);
  return {
    lines: [
      line('delivered to an online durable subscriber', 'delivered'),
      line('acknowledged for an offline one', 'acked'),
      { title: 'acknowledged and not delivered', value: String(lost), target: '0', isMet: lost === 0 },
    ],
    runs,
  };
}

// ------------------------------------------------------------------------------------------------------------ single

async function measureSingle(bench: DurabilityBench): Promise<DurabilityResult> {
  const { single, rounds } = bench.lengths;
  const runs: { round: number; p50: number; p99: number; append: number; overwrite: number; appendP99: number }[] = [];
  for (let round = 1; round <= rounds; round++) {
    const run = await withBroker(bench, bench.zanzara, STRICT, async (broker) => {
      const disk = measureDisk(broker.dataFolder, single);
      await broker.load(bench.load, 'subscribe');
      const figures = await broker.load(bench.load, `publish --count ${single} --warm 0`);
      const append = diskFigures(disk.appendMs);
      return {
        round,
        p50: figure(figures, 'p50_us') / 1e3,
        p99: figure(figures, 'p99_us') / 1e3,
        append: append.median,
        appendP99: append.p99,
        overwrite: diskFigures(disk.overwriteMs).median,
      };
    });
    runs.push(run);
    bench.progress(
      `single ${round}: PUBACK ${ms(run.p50)}, disk ${ms(run.overwrite)} over, ${ms(run.append)} at the end`,
    );
  }
  const of = (name: 'p50' | 'p99' | 'append' | 'overwrite' | 'appendP99') => middle(runs.map((run) => run[name]));
  // The faster of the two ways of writing: the one that is harder to keep up with.
  const disk = Math.min(of('append'), of('overwrite'));
  const lines: DurabilityLine[] = [
    {
      title: 'PUBACK, median',
      value: `${ms(of('p50'))}; the disk alone ${ms(of('overwrite'))} (over old pages), ${ms(of('append'))} (a growing file)`,
      target: 'disk + 1 ms',
      isMet: of('p50') <= disk + 1,
    },
    { title: 'PUBACK, p99', value: `${ms(of('p99'))}; the disk alone ${ms(of('appendP99'))}`, target: '', isMet: null },
  ];
  return { lines, runs };
}

// ----------------------------------------------------------------------------------------------------------- restart

async function measureRestart(bench: DurabilityBench): Promise<DurabilityResult> {
  const { kept } = bench.lengths;
  return withBroker(bench, bench.zanzara, STRICT, async (broker) => {
    await broker.load(bench.load, 'subscribe --prefix queue');
    await broker.load(bench.load, `publish --prefix queue --window 1000 --warm 0 --count ${kept}`);
    await broker.load(
      bench.load,
      `publish --prefix kept --window 1000 --warm 0 --count ${kept} --topics ${kept} --retain 1`,
    );
    bench.progress(`restart: ${count(kept)} queued, ${count(kept)} retained`);
    await broker.kill();
    const killed = await broker.measureStart(bench.zload);
    const stopped = await broker.measureStart(bench.zload);
    await broker.restart();
    const back = await broker.load(bench.load, `receive --prefix queue --count ${kept}`);
    const seconds = [killed, stopped].map((run) => figure(run, 'first_connack_ms') / 1e3);
    const isWhole = figure(back, 'received') === kept && figure(back, 'missing') === 0;
    // The target is for a million; fewer say nothing about it.
    const isFull = kept >= 1_000_000;
    const lines: DurabilityLine[] = ['after a kill', 'after a stop'].map((when, index) => ({
      title: `${count(kept)} queued and retained: first CONNACK ${when}`,
      value: `${(seconds[index] ?? Number.NaN).toFixed(2)} s`,
      target: '< 10 s with a million',
      isMet: isFull ? (seconds[index] ?? Number.NaN) < 10 : null,
    }));
    lines.push(
      {
        title: 'memory then (resident)',
        value: `${(figure(killed, 'rss_kb') / 1024).toFixed(0)} MB`,
        target: '',
        isMet: null,
      },
      {
        title: 'queued messages that came back',
        value: count(figure(back, 'received')),
        target: count(kept),
        isMet: isWhole,
      },
    );
    return { lines, runs: [plain(killed), plain(stopped), plain(back)] };
  });
}

// ------------------------------------------------------------------------------------------------------------- queue

async function measureQueue(bench: DurabilityBench): Promise<DurabilityResult> {
  const { kept } = bench.lengths;
  return withBroker(bench, bench.zanzara, { ...STRICT, inflightMax: 1000 }, async (broker) => {
    await broker.load(bench.load, 'subscribe');
    // What the first messages cost once (buffers, compiled code) is not the queue's.
    await broker.load(bench.load, `publish --prefix other --window 1000 --warm 0 --count 20000`);
    const before = broker.ownBytes;
    const fill = await broker.load(bench.load, `publish --window 1000 --warm 0 --count ${kept}`);
    const grown = (broker.ownBytes - before) / MEBIBYTE;
    const back = await broker.load(bench.load, `receive --count ${kept}`);
    const [received, missing, repeated] = ['received', 'missing', 'repeated'].map((name) => figure(back, name));
    const isWhole = received === kept && missing === 0 && repeated === 0;
    const lines: DurabilityLine[] = [
      {
        title: `memory of ${count(kept)} queued messages`,
        value: `${grown.toFixed(1)} MB`,
        target: '< 100 MB with a million',
        isMet: kept >= 1_000_000 ? grown < 100 : null,
      },
      {
        title: 'come back in order',
        value: `${count(figure(back, 'received_per_s'))}/s; ${missing} missing, ${repeated} repeated`,
        target: 'all, once',
        isMet: isWhole,
      },
      { title: 'were queued at', value: `${count(figure(fill, 'acked_per_s'))}/s`, target: '', isMet: null },
    ];
    return { lines, runs: [{ grownMebibytes: grown }, plain(fill), plain(back)] };
  });
}

// ------------------------------------------------------------------------------------------------------------- quiet

/**
 * Two loads, because they ask different things. The first is as much as goes in: then a message also waits for the thousands
 * before it, with or without a store. With the second the store is never idle, and the broker often is.
 */
const COMMIT_LOADS = [
  { load: 'full', title: 'as much as goes in', options: MANY },
  {
    load: 'steady',
    title: 'ten publishers, one message each on its way',
    options: 'publish --pubs 10 --window 1 --qos 1',
  },
] as const;

interface QuietRun {
  readonly round: number;
  readonly load: string;
  readonly quiet: number;
  readonly busy: number;
  /** The same traffic, and no store. */
  readonly without: number;
  readonly committedPerSecond: number;
}

async function measureQuiet(bench: DurabilityBench): Promise<DurabilityResult> {
  const { seconds, warmSeconds, rounds } = bench.lengths;
  const probe = `probe --prefix probe --rate 500 --secs ${seconds} --warm ${warmSeconds}`;
  const runs: QuietRun[] = [];
  const under = (setting: StoreSetting, options: string) =>
    withBroker(bench, bench.zanzara, setting, async (broker) => {
      await broker.load(bench.load, 'subscribe');
      // The load ends after the probe.
      const load = broker.load(bench.load, `${options} --secs ${seconds + 1} --warm ${warmSeconds}`);
      const [figures, loaded] = await Promise.all([broker.load(bench.load, probe), load]);
      return { p99: figure(figures, 'p99_us') / 1e3, rate: figure(loaded, 'acked_per_s') };
    });
  for (let round = 1; round <= rounds; round++) {
    const alone = await withBroker(bench, bench.zanzara, STRICT, (broker) => broker.load(bench.load, probe));
    const quiet = figure(alone, 'p99_us') / 1e3;
    for (const { load, options } of COMMIT_LOADS) {
      const busy = await under(STRICT, options);
      const without = await under({ persistence: 'off' }, options);
      runs.push({ round, load, quiet, busy: busy.p99, without: without.p99, committedPerSecond: busy.rate });
      bench.progress(
        `quiet ${round}, ${load}: ${ms(quiet)} alone, ${ms(busy.p99)}, without a store ${ms(without.p99)}`,
      );
    }
  }
  return {
    lines: COMMIT_LOADS.map(({ load, title }) =>
      quietLine(
        title,
        runs.filter((run) => run.load === load),
      ),
    ),
    runs,
  };
}

function quietLine(title: string, runs: readonly QuietRun[]): DurabilityLine {
  const of = (name: 'quiet' | 'busy' | 'without' | 'committedPerSecond') => middle(runs.map((run) => run[name]));
  const limit = Math.max(1.5 * of('quiet'), 5);
  const value = `p99 ${ms(of('busy'))} with ${count(of('committedPerSecond'))}/s, quiet ${ms(of('quiet'))}, the same without a store ${ms(of('without'))}`;
  return { title, value, target: `< ${ms(limit)}`, isMet: of('busy') < limit };
}

// ----------------------------------------------------------------------------------------------------------- written

interface WrittenRun {
  readonly qos: number;
  readonly topics: number;
  readonly broker: string;
  readonly mode: StoreSetting['persistence'];
  readonly diskBytes: number;
  readonly callBytes: number;
  readonly fileBytes: number;
}

/** All at once: each is a process of its own, which the kernel counts by itself, and 100 messages a second are little. */
async function measureWritten(bench: DurabilityBench): Promise<DurabilityResult> {
  const cases = [0, 1].flatMap((qos) => [100, 10_000].map((topics) => ({ qos, topics })));
  const contenders = [
    [bench.zanzara, STRICT],
    [bench.zanzara, { persistence: 'relaxed' }],
    [bench.mosquitto, { persistence: 'autosave' }],
  ] as const;
  const runs = await Promise.all(
    cases.flatMap((what) => contenders.map(([kind, setting]) => writtenBy(bench, kind, setting, what))),
  );
  const lines = cases.flatMap(({ qos, topics }) => {
    const of = (mode: string) =>
      runs.find((run) => run.mode === mode && run.qos === qos && run.topics === topics)?.diskBytes ?? Number.NaN;
    const theirs = of('autosave');
    return (['strict', 'relaxed'] as const).map(
      (mode): DurabilityLine => ({
        title: `retained QoS ${qos}, ${count(topics)} topics, ${mode}${mode === 'relaxed' ? ' 60000' : ''}`,
        value: `${perDay(bench, of(mode))}, Mosquitto ${perDay(bench, theirs)}`,
        target: '<= Mosquitto',
        isMet: of(mode) <= theirs,
      }),
    );
  });
  return { lines, runs };
}

async function writtenBy(
  bench: DurabilityBench,
  kind: BrokerKind,
  setting: StoreSetting,
  { qos, topics }: { qos: number; topics: number },
): Promise<WrittenRun> {
  const { writeSeconds } = bench.lengths;
  return withBroker(bench, kind, setting, async (broker) => {
    // Every topic has a message before it counts: afterwards the store holds as much as it will.
    await broker.load(
      bench.load,
      `publish --qos 1 --retain 1 --window 100 --warm 0 --topics ${topics} --count ${topics}`,
    );
    await sleep(3000);
    const before = broker.written;
    const growth = watchGrowth(broker);
    await broker.load(
      bench.load,
      `publish --qos ${qos} --retain 1 --rate ${TAG_RATE} --topics ${topics} --warm 0 --secs ${writeSeconds}`,
    );
    // What is written within a second belongs to it.
    await sleep(1500);
    const after = broker.written;
    const diskBytes = after.diskBytes - before.diskBytes;
    const callBytes = after.callBytes - before.callBytes;
    bench.progress(
      `written: QoS ${qos}, ${topics} topics, ${kind.name} ${setting.persistence} ${(diskBytes / MEBIBYTE).toFixed(1)} MB`,
    );
    return { qos, topics, broker: kind.name, mode: setting.persistence, diskBytes, callBytes, fileBytes: growth.end() };
  });
}

/** Sums up by how much each file has grown, looking once a second. */
function watchGrowth(broker: StoredBroker): { end(): number } {
  let before = broker.fileSizes();
  let sum = 0;
  const look = (): void => {
    const now = broker.fileSizes();
    for (const [name, bytes] of now) sum += Math.max(0, bytes - (before.get(name) ?? 0));
    before = now;
  };
  const timer = setInterval(look, 1000);
  return {
    end: () => {
      clearInterval(timer);
      look();
      return sum;
    },
  };
}

function perDay({ lengths }: DurabilityBench, bytes: number): string {
  return `${((bytes / lengths.writeSeconds) * (DAY_SECONDS / 1e9)).toFixed(2)} GB a day`;
}

// -------------------------------------------------------------------------------------------------------------- slow

async function measureSlow(bench: DurabilityBench): Promise<DurabilityResult> {
  const prepared = await StoredBroker.prepare(bench.zanzara, bench.folder, STRICT);
  const disk = slowDisk({ folder: prepared.dataFolder, syncMs: SLOW_SYNC_MS });
  try {
    await prepared.restart(disk.environment);
    await prepared.load(bench.load, 'subscribe');
    const single = await prepared.load(bench.load, 'publish --count 20 --warm 0');
    const figures = await prepared.load(bench.load, `${MANY} --prefix load ${timing(bench)}`);
    // Killed in the middle of it: what was acknowledged until then must be there.
    const ledger = join(bench.folder, 'ledger');
    await prepared.load(bench.load, 'subscribe --name late --prefix late');
    const late = prepared.load(bench.load, `${MANY} --prefix late --secs 60 --until-closed 1 --ledger ${ledger}`);
    await sleep(KILLED_AFTER_MS);
    await prepared.kill();
    const cut = await late;
    await prepared.restart({});
    const back = await prepared.load(
      bench.load,
      `receive --name late --prefix late --count 100000000 --quiet 3 --ledger ${ledger}`,
    );
    const lost = figure(back, 'lost');
    const singleMs = figure(single, 'p50_us') / 1e3;
    const lines: DurabilityLine[] = [
      { title: 'acknowledged', value: `${count(figure(figures, 'acked_per_s'))}/s`, target: 'stated', isMet: null },
      {
        // Less than that: what was acknowledged had not been waited for.
        title: 'one at a time, median',
        value: ms(singleMs),
        target: `>= ${SLOW_SYNC_MS} ms`,
        isMet: singleMs >= SLOW_SYNC_MS,
      },
      {
        title: 'acknowledged and lost by a kill',
        value: `${lost} of ${count(figure(cut, 'acked'))}`,
        target: '0 of more than 0',
        isMet: lost === 0 && figure(cut, 'acked') > 0,
      },
    ];
    return { lines, runs: [plain(single), plain(figures), plain(cut), plain(back)] };
  } finally {
    await prepared.kill();
  }
}

// ------------------------------------------------------------------------------------------------------------ common

async function withBroker<T>(
  { folder }: DurabilityBench,
  kind: BrokerKind,
  setting: StoreSetting,
  run: (broker: StoredBroker) => Promise<T>,
): Promise<T> {
  const broker = await StoredBroker.start(kind, folder, setting);
  try {
    return await run(broker);
  } finally {
    await broker.kill();
  }
}

function timing({ lengths: { seconds, warmSeconds } }: DurabilityBench): string {
  return `--secs ${seconds} --warm ${warmSeconds}`;
}

function figure(figures: Figures, name: string): number {
  const value = figures.get(name);
  if (value === undefined) throw new Error(`the load says nothing about ${name}`);
  return value;
}

function middle(values: readonly number[]): number {
  return median(values) ?? Number.NaN;
}

function plain(figures: Figures): Readonly<Record<string, number>> {
  return Object.fromEntries(figures);
}

function ms(value: number): string {
  return `${value.toFixed(2)} ms`;
}

function count(value: number): string {
  return Math.round(value).toLocaleString('en');
}
