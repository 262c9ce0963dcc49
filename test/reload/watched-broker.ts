/** A broker with a configuration file, as a process, that is told to read it again and whose answer is waited for. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { SCRIPT } from '../app/broker-process.ts';

export class WatchedBroker {
  readonly #child: ChildProcessByStdio<null, null, Readable>;
  readonly #ended: Promise<unknown>;
  #unread = '';

  constructor(file: string) {
    const [program = ''] = SCRIPT;
    this.#child = spawn(program, ['-c', file], { stdio: ['ignore', 'ignore', 'pipe'] });
    this.#ended = once(this.#child, 'close');
    this.#child.stderr.setEncoding('utf8');
  }

  /** Sends SIGHUP. @returns the first line after it that holds one of `parts` */
  async reload(parts: readonly string[]): Promise<string> {
    this.#unread = '';
    this.#child.kill('SIGHUP');
    return await this.sees(parts);
  }

  /** Waits for a line that holds one of `parts`. */
  async sees(parts: readonly string[]): Promise<string> {
    for (;;) {
      const lines = this.#unread.split('\n');
      const found = lines.slice(0, -1).find((line) => parts.some((part) => line.includes(part)));
      if (found !== undefined) return found;
      const [text] = await Promise.race([once(this.#child.stderr, 'data'), this.#ended.then((): [null] => [null])]);
      if (typeof text !== 'string') throw new Error(`the broker ended:\n${this.#unread}`);
      this.#unread += text;
    }
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGTERM');
    await this.#ended;
  }
}

/** Starts it; ready when this resolves. */
export async function startWatchedBroker(file: string): Promise<WatchedBroker> {
  const broker = new WatchedBroker(file);
  await broker.sees([' running']);
  return broker;
}
