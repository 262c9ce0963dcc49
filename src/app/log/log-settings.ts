/** What the configuration and the command line say about the log. */
import { LOG_LEVELS, type LogLevel } from '../../base/log.ts';

/** A place that lines go to. */
export type LogDestination =
  | { readonly kind: 'stderr' | 'stdout' | 'syslog' | 'topic' }
  | { readonly kind: 'file'; readonly path: string };

export interface LogSettings {
  /** Each kind at most once; none = nothing is logged. */
  readonly destinations: readonly LogDestination[];
  /** Of syslog: 0 to 7 stand for local0 to local7, null for daemon. */
  readonly facility: number | null;
  readonly levels: ReadonlySet<LogLevel>;
  /** Ours: `json` makes each line one object. */
  readonly format: 'text' | 'json';
  readonly hasTimestamp: boolean;
  /** For strftime, in local time; null = seconds since 1970. */
  readonly timestampFormat: string | null;
}

/** What is in force until a configuration was read. */
export const DEFAULT_LOG_SETTINGS: LogSettings = {
  destinations: [{ kind: 'stderr' }],
  facility: null,
  levels: new Set(['error', 'warning', 'notice', 'information']),
  format: 'text',
  hasTimestamp: true,
  timestampFormat: null,
};

/** The levels that a list of `log_type` values turns on. `none` forgets what stands before it. */
export function levelsOf(types: readonly string[]): ReadonlySet<LogLevel> {
  const levels = new Set<LogLevel>();
  for (const type of types) {
    if (type === 'none') levels.clear();
    for (const level of LOG_LEVELS) {
      if (type === level || type === 'all') levels.add(level);
    }
  }
  return levels;
}
