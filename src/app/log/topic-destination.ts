/**
 * `log_dest topic`: lines as messages on `$SYS/broker/log/...`. They are published in a turn of their own: a line is often
 * written while the broker is in the middle of something. Lines that publishing them causes go to the other destinations
 * only, or a subscriber whose queue is full would make lines without end. Debug lines never go here: each of these messages
 * causes some.
 */
import type { LogLevel } from '../../base/log.ts';
import type { Destination, LogEntry } from './destination.ts';

/** Lines that wait for their turn; those beyond are dropped and counted. */
export const WAITING_LINES_MAX = 1000;

const PREFIX = '$SYS/broker/log/';
const TOPICS: Readonly<Record<LogLevel, string | null>> = {
  error: `${PREFIX}E`,
  warning: `${PREFIX}W`,
  notice: `${PREFIX}N`,
  information: `${PREFIX}I`,
  subscribe: `${PREFIX}M/subscribe`,
  unsubscribe: `${PREFIX}M/unsubscribe`,
  debug: null,
};

/** Publishes one line. */
export type PublishLine = (topic: string, text: string) => void;

interface Waiting {
  readonly topic: string;
  readonly text: string;
}

export class TopicDestination implements Destination {
  #publish: PublishLine | null = null;
  #waiting: Waiting[] = [];
  #droppedCount = 0;
  #isPublishing = false;

  /** Lines before this have no reader: nobody can have subscribed. */
  attach(publish: PublishLine): void {
    this.#publish = publish;
  }

  takes(level: LogLevel): boolean {
    return TOPICS[level] !== null;
  }

  write({ level, text }: LogEntry): void {
    const topic = TOPICS[level];
    if (topic === null || this.#publish === null || this.#isPublishing) return;
    if (this.#waiting.length >= WAITING_LINES_MAX) {
      this.#droppedCount++;
      return;
    }
    this.#waiting.push({ topic, text });
    if (this.#waiting.length === 1) setImmediate(() => this.#publishWaiting());
  }

  close(): void {
    this.#waiting = [];
  }

  #publishWaiting(): void {
    const publish = this.#publish;
    const waiting = this.#waiting;
    this.#waiting = [];
    if (publish === null) return;
    this.#isPublishing = true;
    try {
      for (const { topic, text } of waiting) publish(topic, text);
      if (this.#droppedCount > 0)
        publish(`${PREFIX}W`, `(${this.#droppedCount} log lines were dropped: too many at once)`);
    } finally {
      this.#droppedCount = 0;
      this.#isPublishing = false;
    }
  }
}
