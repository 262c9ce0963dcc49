/**
 * The options of mosquitto.conf that Zanzara reads: one row each, the only place that knows an option's name, type
 * and default. `Config` is derived from these rows, so a new option is a new row and nothing else here.
 */
import type { Option } from './option.ts';

/** What `log_type` may be. `none` forgets what was said before it; `websockets` and `internal` have no lines here. */
export const LOG_TYPES = [
  'error',
  'warning',
  'notice',
  'information',
  'debug',
  'subscribe',
  'unsubscribe',
  'websockets',
  'internal',
  'none',
  'all',
] as const;
export type LogType = (typeof LOG_TYPES)[number];

const PERSISTENCE_NOT_READY =
  "'persistence true' is not ready yet: this version of Zanzara keeps sessions and retained messages in memory only. " +
  "Remove the line or write 'persistence false'.";

export const OPTIONS = [
  {
    name: 'listener',
    key: 'listeners',
    scope: 'global',
    type: { kind: 'listener' },
    default: Object.freeze([]),
    isReloaded: false,
    isDeprecated: false,
  },
  {
    name: 'allow_anonymous',
    key: 'allowAnonymous',
    scope: 'security',
    type: { kind: 'boolean' },
    default: null,
    isReloaded: true,
    isDeprecated: false,
  },
  {
    name: 'log_type',
    key: 'logType',
    scope: 'global',
    type: { kind: 'words', words: LOG_TYPES },
    default: Object.freeze(['error', 'warning', 'notice', 'information']),
    isReloaded: true,
    isDeprecated: false,
  },
  {
    name: 'max_inflight_messages',
    key: 'maxInflightMessages',
    scope: 'global',
    type: { kind: 'count', max: 65_535 },
    default: 20,
    isReloaded: true,
    isDeprecated: false,
  },
  {
    name: 'max_queued_messages',
    key: 'maxQueuedMessages',
    scope: 'global',
    type: { kind: 'count', max: 2_147_483_647 },
    default: 1000,
    isReloaded: true,
    isDeprecated: false,
  },
  {
    name: 'persistence',
    key: 'persistence',
    scope: 'global',
    type: { kind: 'only-false', reason: PERSISTENCE_NOT_READY },
    default: false,
    isReloaded: true,
    isDeprecated: false,
  },
] as const satisfies readonly Option[];
