/**
 * Publishes the state of the broker below `$SYS/broker/`: retained, QoS 2, and only what has changed.
 *
 * When: once at the start, then at the wall clock's multiples of `sys_interval` (10 s: at :00, :10, :20 ...), so that the
 * values of several brokers belong to the same moments. The timer itself runs on the monotonic clock and is set anew each
 * time, so that a jump of the wall clock costs one odd pause: passes are never closer than half an interval, nor further
 * apart than one and a half.
 *
 * What: plain counters and sizes, read when the pass begins. What a pass publishes changes some of them; that is shown by
 * the next pass.
 */
import { assert } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { Operator } from '../../core/ports.ts';
import { LoadAverages } from './load-averages.ts';
import { SYS_VALUES, type SysReading } from './sys-values.ts';

/** The largest `sys_interval`, in seconds. */
const INTERVAL_SECONDS_MAX = 65_535;
const EXTRA_PREFIX = '$SYS/broker/ext/';
/** Topics of `extra` in one pass; those beyond are left out, and the log says so once. */
const EXTRA_TOPICS_MAX = 1000;
/** How far an average moves before it is published again. */
const LOAD_STEP = 0.01;

/** What the topics are made of. */
export type SysSource = Pick<Operator, 'counters' | 'sizes' | 'publish'>;

export interface SysTopicsOptions {
  readonly operator: SysSource;
  readonly clock: Clock;
  readonly log: Log;
  /** Payload of `$SYS/broker/version`. */
  readonly versionText: string;
  /** `sys_interval` in seconds, 0 to 65535; 0 = nothing is published. */
  readonly intervalSeconds: number;
  /** Memory of the process now; the largest that was seen is kept here. */
  readonly memory: () => { readonly currentBytes: number };
  /**
   * Topics of our own: names below `$SYS/broker/ext/`, asked for anew at each pass. One that is not named any more is
   * taken back.
   */
  readonly extra: () => Iterable<readonly [name: string, value: number | string]>;
}

export interface SysTopics {
  /** Publishes everything once, and from then on what changes. Call once; uptime is counted from the making. */
  start(): void;
  /** Another `sys_interval`. With 0 nothing is published any more, and what was published stays as it is. */
  change(intervalSeconds: number): void;
  stop(): void;
  /**
   * The topics with their values as they are now, published or not; the averages are those of the last pass. Numbers
   * but for the version, uptime, the averages (text with two decimals) and what `extra` gives as text.
   */
  snapshot(): ReadonlyMap<string, number | string>;
}

export function createSysTopics(options: SysTopicsOptions): SysTopics {
  return new Publisher(options);
}

const encoder = new TextEncoder();
const NO_PAYLOAD = new Uint8Array(0);

class Publisher implements SysTopics {
  readonly #options: SysTopicsOptions;
  readonly #madeAtMs: number;
  readonly #loads: LoadAverages;
  #intervalMs: number;
  #isStarted = false;
  #cancel: (() => void) | null = null;
  #lastPassMs: number;
  #memoryBytesMaximum = 0;
  /** What subscribers have been told, as text. */
  readonly #published = new Map<string, string>();
  /** The averages as they were when they were published. */
  readonly #publishedLoads = new Map<string, number>();
  #isExtraCut = false;

  constructor(options: SysTopicsOptions) {
    this.#options = options;
    this.#intervalMs = intervalMs(options.intervalSeconds);
    this.#madeAtMs = options.clock.monotonicMs();
    this.#lastPassMs = this.#madeAtMs;
    this.#loads = new LoadAverages(options.operator.counters);
  }

  start(): void {
    assert(!this.#isStarted, 'the $SYS topics were started twice');
    this.#isStarted = true;
    if (this.#intervalMs === 0) return;
    this.#pass();
    this.#schedule(0);
  }

  change(intervalSeconds: number): void {
    const before = this.#intervalMs;
    this.#intervalMs = intervalMs(intervalSeconds);
    if (!this.#isStarted || this.#intervalMs === before) return;
    this.#cancel?.();
    this.#cancel = null;
    if (this.#intervalMs === 0) return;
    if (before === 0) this.#pass();
    this.#schedule(0);
  }

  stop(): void {
    this.#isStarted = false;
    this.#cancel?.();
    this.#cancel = null;
  }

  snapshot(): ReadonlyMap<string, number | string> {
    const values = new Map<string, number | string>();
    const reading = this.#read();
    for (const { topic, read } of SYS_VALUES) {
      const value = read(reading);
      if (value !== null) values.set(topic, value);
    }
    for (const { topic, value } of this.#loads.values()) values.set(topic, value.toFixed(2));
    for (const [topic, value] of this.#extra()) values.set(topic, value);
    return values;
  }

  /** Sets the timer for the next multiple that is at least `pauseMs` away. */
  #schedule(pauseMs: number): void {
    const { clock } = this.#options;
    const every = this.#intervalMs;
    const untilNext = every - (clock.wallMs() % every);
    const delayMs = untilNext < pauseMs ? untilNext + every : untilNext;
    this.#cancel = clock.after(delayMs, () => {
      this.#schedule(every / 2);
      this.#pass();
    });
  }

  /** A pass that fails is reported and made up for by the next one. */
  #pass(): void {
    try {
      this.#publishAll();
    } catch (error) {
      this.#options.log.write('error', `Error: The $SYS topics could not be published: ${String(error)}.`);
    }
  }

  #publishAll(): void {
    const { operator, clock } = this.#options;
    const nowMs = clock.monotonicMs();
    this.#loads.advance(operator.counters, nowMs - this.#lastPassMs);
    this.#lastPassMs = nowMs;
    const reading = this.#read();
    const extra = this.#extra();
    for (const { topic, read } of SYS_VALUES) {
      const value = read(reading);
      if (value !== null) this.#publishChanged(topic, String(value));
    }
    for (const { topic, value } of this.#loads.values()) this.#publishLoad(topic, value);
    for (const [topic, value] of extra) this.#publishChanged(topic, String(value));
    this.#takeBack(extra);
  }

  #read(): SysReading {
    const { operator, clock, memory, versionText } = this.#options;
    const { currentBytes } = memory();
    this.#memoryBytesMaximum = Math.max(this.#memoryBytesMaximum, currentBytes);
    return {
      versionText,
      uptimeSeconds: Math.floor((clock.monotonicMs() - this.#madeAtMs) / 1000),
      counters: { ...operator.counters },
      sizes: operator.sizes(),
      memoryBytes: currentBytes,
      memoryBytesMaximum: this.#memoryBytesMaximum,
    };
  }

  /** Whole topics of `extra`. */
  #extra(): ReadonlyMap<string, number | string> {
    const topics = new Map<string, number | string>();
    for (const [name, value] of this.#options.extra()) {
      if (topics.size === EXTRA_TOPICS_MAX) {
        this.#sayExtraCut();
        break;
      }
      topics.set(EXTRA_PREFIX + name, value);
    }
    return topics;
  }

  #sayExtraCut(): void {
    if (this.#isExtraCut) return;
    this.#isExtraCut = true;
    this.#options.log.write('warning', `Warning: Only ${EXTRA_TOPICS_MAX} topics are shown below ${EXTRA_PREFIX}.`);
  }

  #publishLoad(topic: string, value: number): void {
    const before = this.#publishedLoads.get(topic);
    const text = value.toFixed(2);
    // The last step down to nothing may be a smaller one.
    const hasMoved = before === undefined || Math.abs(value - before) >= LOAD_STEP || text === '0.00';
    if (hasMoved && this.#publishChanged(topic, text)) this.#publishedLoads.set(topic, value);
  }

  /** @returns true when it was published */
  #publishChanged(topic: string, text: string): boolean {
    if (this.#published.get(topic) === text) return false;
    this.#options.operator.publish(topic, encoder.encode(text), { qos: 2, retain: true });
    this.#published.set(topic, text);
    return true;
  }

  /** An empty retained message removes what is shown of topics that `extra` does not name any more. */
  #takeBack(extra: ReadonlyMap<string, unknown>): void {
    for (const topic of this.#published.keys()) {
      if (!topic.startsWith(EXTRA_PREFIX) || extra.has(topic)) continue;
      this.#options.operator.publish(topic, NO_PAYLOAD, { qos: 2, retain: true });
      this.#published.delete(topic);
    }
  }
}

function intervalMs(intervalSeconds: number): number {
  const isValid = Number.isInteger(intervalSeconds) && intervalSeconds >= 0 && intervalSeconds <= INTERVAL_SECONDS_MAX;
  assert(isValid, `sys_interval is 0 to ${INTERVAL_SECONDS_MAX} seconds, got ${intervalSeconds}`);
  return intervalSeconds * 1000;
}
