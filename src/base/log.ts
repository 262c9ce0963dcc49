/** The log as every room sees it: a level, a line of text. The text never holds a password or a payload. */
export const LOG_LEVELS = ['error', 'warning', 'notice', 'information', 'debug', 'subscribe', 'unsubscribe'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface Log {
  /** True when lines of this level are written anywhere; asked before a costly line is built. */
  has(level: LogLevel): boolean;
  /** Writes one line. Control characters in `text` are made visible by the writer, so a name cannot forge a line. */
  write(level: LogLevel, text: string): void;
}
