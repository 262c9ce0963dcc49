/** The way to the store's thread, and the one that a real thread gives. */
import { Worker } from 'node:worker_threads';
import type { FromStore, ToStore } from './thread-messages.ts';

/** Messages arrive in order on both sides. */
export interface StorePort {
  post(message: ToStore): void;
  /** Set once, before the first `post`. */
  onMessage: (message: FromStore) => void;
  /** The other side is gone, and answers nothing any more. */
  onFault: (error: Error) => void;
  /** Ends the other side, whatever it does; no event after that. */
  end(): Promise<void>;
}

/**
 * The store in a thread of its own; `file`: its entry. While an answer is owed the thread keeps the process alive, otherwise
 * it does not.
 */
export function createThreadPort(file: string): StorePort {
  return new ThreadPort(file);
}

class ThreadPort implements StorePort {
  onMessage: (message: FromStore) => void = () => undefined;
  onFault: (error: Error) => void = () => undefined;
  readonly #worker: Worker;
  /** Answers that are still to come. */
  #owedCount = 0;
  #isEnded = false;

  constructor(file: string) {
    this.#worker = new Worker(file, { name: 'store' });
    this.#worker.unref();
    this.#worker.on('message', (message: FromStore) => this.#take(message));
    this.#worker.on('error', (error) => this.#fail(error instanceof Error ? error : new Error(String(error))));
    this.#worker.on('messageerror', (error) => this.#fail(error));
    this.#worker.on('exit', (code) => this.#fail(new Error(`the thread of the store has ended with code ${code}`)));
  }

  post(message: ToStore): void {
    if (this.#isEnded) return;
    if (this.#owedCount === 0) this.#worker.ref();
    this.#owedCount += 1;
    if (message.kind === 'commit') this.#worker.postMessage(message, [message.ops.buffer]);
    else this.#worker.postMessage(message);
  }

  async end(): Promise<void> {
    this.#isEnded = true;
    await this.#worker.terminate();
  }

  #take(message: FromStore): void {
    if (this.#isEnded) return;
    // Each message is the one answer to one of ours, but for this, which comes beside it.
    if (message.kind !== 'failing') this.#owedCount -= 1;
    if (this.#owedCount === 0) this.#worker.unref();
    this.onMessage(message);
  }

  #fail(error: Error): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.onFault(error);
  }
}
