/**
 * `$SYS/broker/load/`: how much happens in a minute, averaged over 1, 5 and 15 minutes, as the load of a Unix system is.
 *
 *     rate = (count now - count before) * 60 s / time between
 *     new  = rate + e^(-time between / T) * (old - rate)          T = 60 s, 300 s, 900 s
 *
 * All begin at 0. The time between is measured on the monotonic clock: a jump of the wall clock changes no average.
 */
import type { Counters } from '../../core/ports.ts';

/** What is averaged, below `$SYS/broker/load/`. */
const LOADS: readonly { readonly name: string; readonly count: (counters: Readonly<Counters>) => number }[] = [
  { name: 'messages/received', count: (counters) => counters.packetsReceived },
  { name: 'messages/sent', count: (counters) => counters.packetsSent },
  { name: 'publish/dropped', count: (counters) => counters.publishesDropped },
  { name: 'publish/received', count: (counters) => counters.publishesReceived },
  { name: 'publish/sent', count: (counters) => counters.publishesSent },
  { name: 'bytes/received', count: (counters) => counters.bytesReceived },
  { name: 'bytes/sent', count: (counters) => counters.bytesSent },
  { name: 'sockets', count: (counters) => counters.connectionsAccepted },
  { name: 'connections', count: (counters) => counters.connectsReceived },
];

const SPANS: readonly { readonly name: string; readonly ms: number }[] = [
  { name: '1min', ms: 60_000 },
  { name: '5min', ms: 300_000 },
  { name: '15min', ms: 900_000 },
];

const MINUTE_MS = 60_000;

export interface LoadAverage {
  readonly topic: string;
  readonly value: number;
}

interface Load {
  readonly count: (counters: Readonly<Counters>) => number;
  before: number;
  readonly averages: { readonly topic: string; readonly spanMs: number; value: number }[];
}

export class LoadAverages {
  readonly #loads: readonly Load[];

  /** @param counters as they are when the averages begin */
  constructor(counters: Readonly<Counters>) {
    this.#loads = LOADS.map(({ name, count }) => ({
      count,
      before: count(counters),
      averages: SPANS.map((span) => ({ topic: `$SYS/broker/load/${name}/${span.name}`, spanMs: span.ms, value: 0 })),
    }));
  }

  /** Takes in what has happened in the last `elapsedMs`. */
  advance(counters: Readonly<Counters>, elapsedMs: number): void {
    // Nothing can be said of no time; what happened counts for the next.
    if (elapsedMs <= 0) return;
    for (const load of this.#loads) {
      const now = load.count(counters);
      const rate = ((now - load.before) * MINUTE_MS) / elapsedMs;
      load.before = now;
      for (const average of load.averages) {
        average.value = rate + Math.exp(-elapsedMs / average.spanMs) * (average.value - rate);
      }
    }
  }

  *values(): Generator<LoadAverage> {
    for (const { averages } of this.#loads) yield* averages;
  }
}
