/**
 * The `memory_limit`: while the process has more memory in use, the broker takes nothing new on. It closes connections when
 * it accepts them, refuses PUBLISH of QoS 1 and 2 where the protocol has a word for that (v5, 0x97), and keeps no message in
 * a queue; who is connected and keeps up is served. It is no bound of bytes: what is there already stays, and what is free
 * but not yet collected counts.
 */
import type { Log } from '../../base/log.ts';
import type { TimerQueue } from '../../base/timer-queue.ts';
import type { BrokerSettings } from './settings.ts';

/** Milliseconds for which the last look at the memory holds. */
const CHECK_MS = 100;

export interface MemoryGuardParts {
  /** Bytes of memory in use; null: it cannot be told, and there is no limit. */
  readonly heapBytes: (() => number) | null;
  readonly timers: TimerQueue;
  readonly log: Log;
  /** Those in force. */
  readonly settings: () => BrokerSettings;
}

export class MemoryGuard {
  readonly #parts: MemoryGuardParts;
  #checkedMs = Number.NEGATIVE_INFINITY;
  #isFull = false;

  constructor(parts: MemoryGuardParts) {
    this.#parts = parts;
  }

  /** True: nothing new is to be taken on. */
  get isFull(): boolean {
    const { heapBytes, settings, timers } = this.#parts;
    const limitBytes = settings().memoryLimitBytes;
    if (limitBytes === 0 || heapBytes === null) return false;
    const now = timers.now;
    if (now - this.#checkedMs < CHECK_MS) return this.#isFull;
    this.#checkedMs = now;
    const usedBytes = heapBytes();
    const isFull = usedBytes > limitBytes;
    if (isFull !== this.#isFull) this.#say(isFull, usedBytes, limitBytes);
    this.#isFull = isFull;
    return isFull;
  }

  #say(isFull: boolean, usedBytes: number, limitBytes: number): void {
    const { log } = this.#parts;
    if (!isFull) {
      log.write('notice', `Memory in use is below memory_limit again: ${usedBytes} of ${limitBytes} bytes.`);
      return;
    }
    log.write(
      'error',
      `Error: Out of memory: ${usedBytes} bytes are in use, memory_limit is ${limitBytes}. Until it is less, new ` +
        'connections and QoS 1 and 2 messages of v5 clients are refused, and messages for queues are dropped.',
    );
  }
}
