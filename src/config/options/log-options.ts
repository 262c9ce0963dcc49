/** Where the log goes and what it holds. */
import type { Option } from '../option.ts';

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

export const LOG_OPTIONS = [
  {
    name: 'log_dest',
    scope: 'global',
    type: { kind: 'log-destination' },
    default: Object.freeze([Object.freeze({ kind: 'stderr' })]),
    defaultText: 'stderr',
    valueText: 'none|stderr|stdout|syslog|topic|file PATH',
    isReloaded: true,
    text: 'Where log lines go; may be repeated. `topic` publishes them under `$SYS/broker/log/`, `file` appends to a file that is opened again on SIGHUP and SIGRTMIN. `none` beats all others.',
  },
  {
    name: 'log_facility',
    scope: 'global',
    type: { kind: 'number', min: 0, max: 7 },
    default: null,
    defaultText: 'daemon',
    exampleValue: '0',
    isReloaded: true,
    text: 'The syslog facility local0 to local7 for `log_dest syslog`.',
  },
  {
    name: 'log_timestamp',
    scope: 'global',
    type: { kind: 'boolean' },
    default: true,
    isReloaded: true,
    text: 'Whether a line begins with its time.',
  },
  {
    name: 'log_timestamp_format',
    scope: 'global',
    type: { kind: 'text' },
    default: null,
    defaultText: 'seconds since 1970',
    valueText: 'FORMAT',
    exampleValue: '%Y-%m-%dT%H:%M:%S',
    isReloaded: true,
    text: 'The form of the time, in the letters of strftime.',
  },
  {
    name: 'log_type',
    scope: 'global',
    type: { kind: 'choices', words: LOG_TYPES },
    default: Object.freeze(['error', 'warning', 'notice', 'information']),
    isReloaded: true,
    text: 'Which lines are logged; may be repeated, and the first one replaces the default. `none` forgets what stands before it. `-v` logs everything, `-q` nothing. `websockets` and `internal` are taken and have no lines.',
  },
  {
    name: 'connection_messages',
    scope: 'global',
    type: { kind: 'boolean' },
    default: true,
    isReloaded: true,
    text: 'Whether a line is logged when a client connects or leaves.',
  },
  {
    name: 'websockets_log_level',
    scope: 'global',
    type: { kind: 'number', min: 0, max: 2_147_483_647 },
    default: 0,
    isReloaded: false,
    text: 'Taken so that old files work. It was for a WebSocket library that Mosquitto 2.1 does not use any more, and has no effect there either.',
  },
] as const satisfies readonly Option[];
