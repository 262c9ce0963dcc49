/** Loading at the start: a chunk in each turn, the next one being read meanwhile, so that memory and pauses have a bound. */
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { Turn } from '../../base/turn.ts';
import { readOps } from './ops.ts';
import { StoreFailure } from './store-failure.ts';
import { StoreLoading, type StoreLoadingParts } from './store-loading.ts';
import type { StorePort } from './store-port.ts';
import type { FromStore, StoreCounts } from './thread-messages.ts';

/** How often the log says how far it is. */
export const PROGRESS_MS = 2000;

export interface StoreLoadParts extends StoreLoadingParts {
  readonly clock: Clock;
  readonly turn: Turn;
  readonly log: Log;
  readonly port: StorePort;
  readonly headMax: number;
}

export class StoreLoad {
  readonly #parts: StoreLoadParts;
  readonly #loading: StoreLoading;
  readonly #startedMs: number;
  #saidMs: number;
  #isEnded = false;
  #counts: StoreCounts | null = null;
  /** Rejects with a StoreFailure. */
  readonly ended: Promise<void>;
  #resolve: () => void = () => undefined;
  #reject: (error: StoreFailure) => void = () => undefined;

  constructor(parts: StoreLoadParts) {
    this.#parts = parts;
    this.#loading = new StoreLoading(parts);
    this.#startedMs = parts.clock.monotonicMs();
    this.#saidMs = this.#startedMs;
    this.ended = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** Asks for the first chunk. */
  start(): void {
    const { port, headMax } = this.#parts;
    port.post({ kind: 'load', headMax });
  }

  /** Null before it has ended well. */
  get counts(): StoreCounts | null {
    return this.#counts;
  }

  take(message: FromStore & { readonly kind: 'loaded' | 'load-ended' | 'load-failed' }): void {
    if (message.kind === 'load-failed') {
      this.fail(message.lines, message.isRenewed);
      return;
    }
    // In a turn of its own, so that the loop gets round between two chunks; also the end, which must not overtake.
    this.#parts.turn.atEnd(() => {
      if (this.#isEnded) return;
      if (message.kind === 'load-ended') this.#end(message.counts);
      else this.#takeChunk(message.ops);
    });
  }

  fail(lines: readonly string[], isRenewed: boolean): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#loading.end();
    this.#reject(new StoreFailure(lines, isRenewed));
  }

  #takeChunk(ops: Uint8Array): void {
    this.#parts.port.post({ kind: 'more' });
    try {
      readOps(ops, this.#loading);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.fail(
        [
          `Error: What the store holds cannot be understood: ${reason}.`,
          'Error: Move the store out of the way to begin a new one, or start the program that wrote it.',
        ],
        false,
      );
      return;
    }
    this.#sayProgress();
  }

  #sayProgress(): void {
    const { clock, log } = this.#parts;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#saidMs < PROGRESS_MS) return;
    this.#saidMs = nowMs;
    const { sessionCount, rowCount, retainedCount } = this.#loading;
    const seconds = ((nowMs - this.#startedMs) / 1000).toFixed(0);
    log.write(
      'information',
      `Loading the store, for ${seconds} s now: ${sessionCount} sessions, ${rowCount} messages for them, ` +
        `${retainedCount} retained messages so far.`,
    );
  }

  #end(counts: StoreCounts): void {
    const { clock, log } = this.#parts;
    this.#isEnded = true;
    this.#loading.end();
    this.#counts = counts;
    if (this.#saidMs !== this.#startedMs) {
      const seconds = ((clock.monotonicMs() - this.#startedMs) / 1000).toFixed(1);
      log.write('information', `The store is loaded, in ${seconds} s.`);
    }
    this.#resolve();
  }
}
