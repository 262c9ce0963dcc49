/**
 * How long the broker keeps its clients waiting: pauses of the garbage collector and of the loop under the load of a
 * plant, with none, 200,000 and a million retained messages.
 *
 *   node bench/pauses.bench.ts [--seconds 20] [--retained 0,200000,1000000] [--flags=--max-semi-space-size=32]
 *
 * 1,000 publishers send 10,000 messages a second in all. One client has subscribed to all of it, and 1,000 others to one
 * publisher each. Every tenth message is a retained one that replaces one of the large set. In the middle a new client
 * subscribes to `#` and takes every retained message as fast as it comes.
 *
 * The whole core works, behind links without sockets, in a process of its own for each size. What is printed: each kind of
 * collection (how many, median, 99 %, longest), the lateness of a timer of one millisecond (what a client would wait), the
 * processor time that the loop used from one such tick to the next, and memory. Where other programs share the machine, the
 * lateness is also theirs; the processor time is only ours, without the moments in which the loop waits for threads of the
 * collector. The links take all at once and make no garbage of their own.
 */
import { fork } from 'node:child_process';
import { constants, PerformanceObserver } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import type { Accept, Link, LinkEvents } from '../src/base/link.ts';
import { type Broker, createBroker } from '../src/core/broker.ts';
import { DEFAULT_SETTINGS } from '../src/core/model/settings.ts';
import { createMemoryJournal } from '../src/modules/persistence/index.ts';
import { systemClock } from '../src/transport/node/node-clock.ts';
import { systemRandom } from '../src/transport/node/node-random.ts';
import { createImmediateTurn } from '../src/transport/node/node-turn.ts';

const PUBLISHERS = 1000;
const MESSAGES_PER_MS = 10;
const RETAINED_EACH = 10;
const FILL_PER_TURN = 500;
const PAYLOAD = new Uint8Array(60).fill(0x37);
const PUBLISH_RETAIN = 0x31;
const encoder = new TextEncoder();

const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '20' },
    retained: { type: 'string', default: '0,200000,1000000' },
    flags: { type: 'string', default: '' },
    run: { type: 'string' },
  },
});
const seconds = Number(options.seconds);

/** A process for each size, so that none has the garbage of another. */
async function runEach(): Promise<void> {
  for (const count of options.retained.split(',')) {
    const execArgv = options.flags.split(' ').filter((flag) => flag !== '');
    const child = fork(import.meta.filename, ['--run', count, '--seconds', options.seconds], { execArgv });
    await new Promise((resolve) => child.once('exit', resolve));
  }
}

// ------------------------------------------------------------------------------------------------------ one size

async function measure(retainedCount: number): Promise<void> {
  const broker = createBroker({
    clock: systemClock,
    log: { has: () => false, write: () => undefined },
    turn: createImmediateTurn(),
    random: systemRandom,
    journal: createMemoryJournal(),
    gatekeeper: null,
    settings: DEFAULT_SETTINGS,
  });
  title(`${retainedCount.toLocaleString('en')} retained messages, ${seconds} seconds`);
  const publishers = Array.from({ length: PUBLISHERS }, (_, index) => client(broker.accept, `publisher-${index}`));
  client(broker.accept, 'all').subscribe('plant/#');
  for (let index = 0; index < PUBLISHERS; index += 1) {
    client(broker.accept, `reader-${index}`).subscribe(topicText(index));
  }
  const filling = new Pauses();
  await fill(broker, publishers, retainedCount);
  filling.print('while they are stored');
  memory('memory after that');
  await run(broker, publishers, retainedCount);
  process.exit(0);
}

async function fill(broker: Broker, publishers: readonly BenchClient[], count: number): Promise<void> {
  const startMs = performance.now();
  // One frame for all of them: a receive buffer is used again too.
  const frame = publishFrame(retainedTopic(0), PUBLISH_RETAIN);
  const topicPart = frame.subarray(4);
  for (let index = 0; index < count; ) {
    for (let left = FILL_PER_TURN; left > 0 && index < count; left -= 1, index += 1) {
      encoder.encodeInto(retainedTopic(index), topicPart);
      at(publishers, index % PUBLISHERS).deliver(frame);
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  line('stored', `${broker.sizes().retained} in ${(performance.now() - startMs).toFixed(0)} ms`);
}

async function run(broker: Broker, publishers: readonly BenchClient[], retainedCount: number): Promise<void> {
  const frames = publishers.map((_, index) => publishFrame(topicText(index), 0x30));
  const updates = Array.from({ length: 10_000 }, (_, index) =>
    publishFrame(retainedTopic(scatter(index, Math.max(1, retainedCount))), PUBLISH_RETAIN),
  );
  const before = { ...broker.counters };
  const cpuBefore = process.cpuUsage();
  const plant = new Pauses();
  const startMs = performance.now();
  let sent = 0;
  let isAsked = false;
  await new Promise<void>((resolve) => {
    const tick = (): void => {
      const elapsedMs = performance.now() - startMs;
      for (const due = Math.floor(elapsedMs * MESSAGES_PER_MS); sent < due; sent += 1) {
        const isUpdate = retainedCount > 0 && sent % RETAINED_EACH === 0;
        const frame = isUpdate
          ? at(updates, Math.floor(sent / RETAINED_EACH) % updates.length)
          : at(frames, sent % PUBLISHERS);
        at(publishers, sent % PUBLISHERS).deliver(frame);
      }
      if (!isAsked && elapsedMs > seconds * 500 && retainedCount > 0) {
        isAsked = true;
        takeAll(broker.accept, retainedCount);
      }
      if (elapsedMs < seconds * 1000) setTimeout(tick, 1);
      else resolve();
    };
    tick();
  });
  const cpu = process.cpuUsage(cpuBefore);
  const { counters } = broker;
  line('published', `${sent}; sent on ${counters.publishesSent - before.publishesSent}`);
  line('processor time per published message', `${((cpu.user + cpu.system) / sent).toFixed(2)} us`);
  await new Promise((resolve) => setTimeout(resolve, 10));
  plant.print('under load');
  memory('memory at the end');
}

/** A client that subscribes to everything: how long until the last retained message. */
function takeAll(accept: Accept, count: number): void {
  const reader = client(accept, 'newcomer');
  const pauses = new Pauses();
  const startMs = performance.now();
  let seen = 0;
  reader.onSentBytes = (bytes) => {
    seen += bytes;
    if (seen < count * (PAYLOAD.length + 40)) return;
    reader.onSentBytes = () => undefined;
    const tookMs = performance.now() - startMs;
    reader.deliver(disconnectFrame());
    setTimeout(() => {
      line('a new # subscriber: time to the last one', `${tookMs.toFixed(0)} ms`);
      pauses.print('  meanwhile');
    }, 20);
  };
  reader.subscribe('#');
}

// -------------------------------------------------------------------------------------------------------- pauses

/** Collections and lateness since it was made. */
class Pauses {
  readonly #kinds = new Map<string, number[]>();
  readonly #late: number[] = [];
  readonly #busy: number[] = [];
  readonly #observer: PerformanceObserver;
  readonly #startMs = performance.now();
  #isOver = false;

  constructor() {
    this.#observer = new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) this.#add(entry);
    });
    this.#observer.observe({ entryTypes: ['gc'] });
    let dueMs = performance.now() + 1;
    let usedMs = threadMs();
    const tick = (): void => {
      const nowMs = performance.now();
      const nowUsedMs = threadMs();
      this.#late.push(nowMs - dueMs);
      this.#busy.push(nowUsedMs - usedMs);
      if (this.#isOver) return;
      dueMs = nowMs + 1;
      usedMs = nowUsedMs;
      setTimeout(tick, 1);
    };
    setTimeout(tick, 1);
  }

  #add(entry: PerformanceEntry): void {
    if (entry.startTime < this.#startMs) return;
    const kind = kindOf(entry);
    const durations = this.#kinds.get(kind) ?? [];
    durations.push(entry.duration);
    this.#kinds.set(kind, durations);
  }

  print(label: string): void {
    this.#isOver = true;
    for (const entry of this.#observer.takeRecords()) this.#add(entry);
    this.#observer.disconnect();
    line(label, 'count        sum     median       99 %    longest, ms');
    for (const [kind, durations] of this.#kinds) line(`  ${kind}`, figures(durations));
    line('  lateness of a 1 ms timer', figures(this.#late));
    line('    the five latest', longest(this.#late));
    line('  processor time between ticks', figures(this.#busy));
    line('    the five longest', longest(this.#busy));
  }
}

const KINDS = new Map([
  [constants.NODE_PERFORMANCE_GC_MINOR, 'scavenge'],
  [constants.NODE_PERFORMANCE_GC_MAJOR, 'mark-compact'],
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL, 'incremental'],
  [constants.NODE_PERFORMANCE_GC_WEAKCB, 'weak callbacks'],
]);

function kindOf(entry: PerformanceEntry): string {
  const detail: unknown = 'detail' in entry ? entry.detail : null;
  const number = typeof detail === 'object' && detail !== null && 'kind' in detail ? Number(detail.kind) : 0;
  return KINDS.get(number) ?? `collection ${number}`;
}

function longest(durations: readonly number[]): string {
  const sorted = durations.toSorted((one, two) => two - one);
  return sorted
    .slice(0, 5)
    .map((ms) => ms.toFixed(1))
    .join(' ');
}

/** Processor time of the loop's own thread. */
function threadMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

function figures(durations: readonly number[]): string {
  const sorted = durations.toSorted((one, two) => one - two);
  const share = (part: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0;
  const sum = durations.reduce((total, duration) => total + duration, 0);
  return `${String(durations.length).padStart(5)} ${[sum, share(0.5), share(0.99), share(1)].map((ms) => ms.toFixed(2).padStart(10)).join(' ')}`;
}

function memory(label: string): void {
  const { rss, heapUsed, external } = process.memoryUsage();
  line(label, [rss, heapUsed, external].map((bytes) => `${(bytes / 2 ** 20).toFixed(0)}`).join(' / '));
  line('  (resident / heap / outside of it, MiB)', '');
}

// ------------------------------------------------------------------------------------------------ clients, frames

class BenchClient implements Link {
  readonly remoteAddress = '127.0.0.1';
  readonly remotePort = 40_000;
  readonly localPort = 1883;
  readonly pendingBytes = 0;
  onSentBytes: (bytes: number) => void = () => undefined;
  #events: LinkEvents | null = null;

  attach(events: LinkEvents): void {
    this.#events = events;
  }

  deliver(frame: Uint8Array): void {
    this.#events?.onBytes(frame, 0, frame.length);
  }

  subscribe(filter: string): void {
    const text = encoder.encode(filter);
    this.deliver(Uint8Array.of(0x82, text.length + 5, 0, 1, 0, text.length, ...text, 0));
  }

  send(_bytes: Uint8Array, start: number, end: number): void {
    this.#events?.onSent(end - start);
    this.onSentBytes(end - start);
  }

  pause(): void {}
  resume(): void {}

  close(): void {
    const events = this.#events;
    setImmediate(() => events?.onEnd({ kind: 'local' }));
  }

  destroy(): void {
    this.close();
  }
}

function client(accept: Accept, id: string): BenchClient {
  const link = new BenchClient();
  link.attach(accept(link));
  const text = encoder.encode(id);
  const connect = [0x10, text.length + 12, 0, 4, 0x4d, 0x51, 0x54, 0x54, 4, 2, 0, 0, 0, text.length, ...text];
  link.deliver(Uint8Array.from(connect));
  return link;
}

function publishFrame(text: string, firstByte: number): Uint8Array {
  const topic = encoder.encode(text);
  const body = 2 + topic.length + PAYLOAD.length;
  if (body > 127) throw new Error(`too long: ${text}`);
  const frame = new Uint8Array(2 + body);
  frame[0] = firstByte;
  frame[1] = body;
  frame[3] = topic.length;
  frame.set(topic, 4);
  frame.set(PAYLOAD, 4 + topic.length);
  return frame;
}

function disconnectFrame(): Uint8Array {
  return Uint8Array.of(0xe0, 0);
}

/** The topic of a publisher's measurements, of 40 characters or so. */
function topicText(index: number): string {
  return `plant/line-${index % 10}/machine-${String(index).padStart(6, '0')}/sensor-temp`;
}

/** 40 characters: 10 lines, 8 sensors for each machine. */
function retainedTopic(index: number): string {
  const machine = String(Math.floor(index / 80)).padStart(6, '0');
  return `site-a/line-${index % 10}/machine-${machine}/sensor-${100 + (Math.floor(index / 10) % 8)}`;
}

/** Numbers far apart, in an order that repeats. */
function scatter(index: number, size: number): number {
  return (index * 7_368_787) % size;
}

function at<Item>(items: readonly Item[], index: number): Item {
  const item = items[index];
  if (item === undefined) throw new Error(`no item ${index} of ${items.length}`);
  return item;
}

function title(text: string): void {
  console.log(`\n${text}`);
}

function line(label: string, value: string): void {
  console.log(`  ${label.padEnd(44)} ${value}`);
}

if (options.run === undefined) await runEach();
else await measure(Number(options.run));
