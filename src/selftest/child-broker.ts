/** The broker as a process of its own that is killed and started again. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';

/** Characters of its log that are kept. */
const LOG_TAIL_CHARS = 16 * 1024;
/** What its log says once it listens. */
const RUNNING = ' running\n';
/** What a line of its log has in it that tells of a defect. */
const ALARMING = /internal error|exception|assert/i;

export class ChildBroker {
  readonly #command: readonly string[];
  #child: ChildProcessByStdio<null, null, Readable> | null = null;
  #logTail = '';
  #isAlive = false;
  #wasKilled = false;
  #died: Promise<void> = Promise.resolve();
  #startedMs = 0;
  readonly #endWithUs = (): void => this.kill();

  /** `command`: a program and its arguments, whose process is the broker's own. */
  constructor(command: readonly string[]) {
    this.#command = command;
    process.on('exit', this.#endWithUs);
  }

  /** True from its start until it is killed or has ended. */
  get isAlive(): boolean {
    return this.#isAlive;
  }

  get wasKilled(): boolean {
    return this.#wasKilled;
  }

  get logTail(): string {
    return this.#logTail;
  }

  /** The last line of its log that tells of a defect; null = none. */
  get alarm(): string | null {
    return this.#logTail.split('\n').findLast((line) => ALARMING.test(line)) ?? null;
  }

  get pid(): number | null {
    return this.#child?.pid ?? null;
  }

  /** Resolves when the process has ended. */
  get died(): Promise<void> {
    return this.#died;
  }

  /** When its process was begun last, by the monotonic clock. */
  get startedMs(): number {
    return this.#startedMs;
  }

  /** Starts it. @returns whether it listens; false = it ended before, killed or by itself */
  start(): Promise<boolean> {
    const [program = '', ...args] = this.#command;
    this.#logTail = '';
    this.#wasKilled = false;
    this.#isAlive = true;
    this.#startedMs = performance.now();
    const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'], detached: true });
    this.#child = child;
    this.#died = new Promise((resolve) => {
      child.once('error', (error) => {
        this.#logTail += error.message;
        this.#isAlive = false;
        resolve();
      });
      child.once('close', () => {
        this.#isAlive = false;
        resolve();
      });
    });
    const listens = new Promise<boolean>((resolve) => {
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        this.#logTail = (this.#logTail + text).slice(-LOG_TAIL_CHARS);
        if (this.#logTail.includes(RUNNING)) resolve(true);
      });
    });
    return Promise.race([listens, this.#died.then(() => false)]);
  }

  /** SIGKILL, at once. */
  kill(): void {
    if (!this.#isAlive) return;
    this.#isAlive = false;
    this.#wasKilled = true;
    this.#child?.kill('SIGKILL');
  }

  /** Kills it for the last time. */
  async end(): Promise<void> {
    this.kill();
    await this.#died;
    process.off('exit', this.#endWithUs);
  }
}
