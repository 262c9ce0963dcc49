/** A place that takes lines of the log. None of them blocks the broker or throws, whatever becomes of the place. */
import type { LogLevel } from '../../base/log.ts';

export interface LogEntry {
  readonly level: LogLevel;
  /** In the form that is configured; no line end. */
  readonly line: string;
  /** As text, whatever form is configured; no line end. */
  readonly text: string;
}

export interface Destination {
  /** False when lines of this level never go there. */
  takes(level: LogLevel): boolean;
  write(entry: LogEntry): void;
  /** What waits is written first. */
  close(): void;
}
