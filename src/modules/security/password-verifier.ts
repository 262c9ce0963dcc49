/**
 * Checks passwords, a few at a time, in the threads of the runtime. Those threads also read files and look up names, and
 * argon2 takes much memory, so both are bounded; what waits for them is bounded in number, in bytes and in time. Whoever
 * comes when all is taken is told that the server is busy and comes again: a flood of wrong passwords must not make the
 * right ones wait for minutes, and nobody should work for a client that has given up.
 */
import { RingQueue } from '../../base/ring-queue.ts';
import { isPasswordOf, memoryKibOf, type PasswordHash } from './password-hash.ts';

/** Of the runtime's four threads. */
const IN_FLIGHT_MAX = 3;
/** Memory of all checks under way; one that needs more runs alone. Two of mosquitto_passwd's argon2id fit. */
const MEMORY_KIB_MAX = 98_304;
const WAITING_MAX = 10_000;
const WAITING_BYTES_MAX = 16 * 1024 * 1024;
/** Half of the time a client has for its CONNECT. */
const WAIT_MS_MAX = 15_000;

/** `busy`: it was not checked. */
export type PasswordAnswer = 'right' | 'wrong' | 'busy';

export interface PasswordVerifierOptions {
  /** Milliseconds since an arbitrary start, never going back. */
  readonly monotonicMs: () => number;
  /** Told of a check that could not be made, as when there is no memory; its answer is `busy`. */
  readonly onFault: (error: unknown) => void;
  /** How many may wait; default 10000. */
  readonly waitingMax?: number;
}

interface Attempt {
  readonly hash: PasswordHash;
  readonly password: Uint8Array;
  readonly sinceMs: number;
  readonly settle: (answer: PasswordAnswer) => void;
}

export class PasswordVerifier {
  readonly #monotonicMs: () => number;
  readonly #onFault: (error: unknown) => void;
  readonly #waitingMax: number;
  readonly #waiting = new RingQueue<Attempt>();
  #waitingBytes = 0;
  #inFlight = 0;
  #memoryKib = 0;

  constructor({ monotonicMs, onFault, waitingMax = WAITING_MAX }: PasswordVerifierOptions) {
    this.#monotonicMs = monotonicMs;
    this.#onFault = onFault;
    this.#waitingMax = waitingMax;
  }

  /** Is this the password of the hash? The password is copied. Never rejects. */
  verify(hash: PasswordHash, password: Uint8Array): Promise<PasswordAnswer> {
    const isFull = this.#waiting.length >= this.#waitingMax;
    if (isFull || this.#waitingBytes + password.length > WAITING_BYTES_MAX) return Promise.resolve('busy');
    return new Promise((settle) => {
      this.#waiting.push({ hash, password: Uint8Array.from(password), sinceMs: this.#monotonicMs(), settle });
      this.#waitingBytes += password.length;
      this.#startWaiting();
    });
  }

  #startWaiting(): void {
    for (let next = this.#waiting.peek(); next !== undefined; next = this.#waiting.peek()) {
      if (!this.#hasRoomFor(next.hash)) return;
      this.#waiting.shift();
      this.#waitingBytes -= next.password.length;
      if (this.#monotonicMs() - next.sinceMs > WAIT_MS_MAX) next.settle('busy');
      else void this.#run(next);
    }
  }

  #hasRoomFor(hash: PasswordHash): boolean {
    if (this.#inFlight === 0) return true;
    return this.#inFlight < IN_FLIGHT_MAX && this.#memoryKib + memoryKibOf(hash) <= MEMORY_KIB_MAX;
  }

  async #run({ hash, password, settle }: Attempt): Promise<void> {
    this.#inFlight++;
    this.#memoryKib += memoryKibOf(hash);
    try {
      settle((await isPasswordOf(hash, password)) ? 'right' : 'wrong');
    } catch (error) {
      this.#onFault(error);
      settle('busy');
    } finally {
      this.#inFlight--;
      this.#memoryKib -= memoryKibOf(hash);
      this.#startWaiting();
    }
  }
}
