/** What survives a restart. */
import type { Option } from '../option.ts';

export const PERSISTENCE_OPTIONS = [
  {
    name: 'persistence',
    aliases: ['retained_persistence'],
    scope: 'global',
    type: { kind: 'boolean' },
    default: false,
    isReloaded: true,
    text: 'Whether sessions, their messages and retained messages survive a restart.',
  },
  {
    name: 'persistence_file',
    scope: 'global',
    type: { kind: 'text' },
    default: 'mosquitto.db',
    valueText: 'NAME',
    isReloaded: true,
    text: 'The name of the file of state, in `persistence_location`.',
  },
  {
    name: 'persistence_location',
    scope: 'global',
    type: { kind: 'text' },
    default: null,
    defaultText: 'the working directory',
    valueText: 'PATH',
    exampleValue: '/var/lib/mosquitto/',
    isReloaded: true,
    text: 'The folder of the file of state. The environment variable `MOSQUITTO_PERSISTENCE_LOCATION` beats it.',
  },
  {
    name: 'autosave_interval',
    scope: 'global',
    type: { kind: 'number', min: 0, max: 2_147_483_647, below: 'raise' },
    default: 1800,
    isReloaded: true,
    text: 'Seconds between two writes of the file of state. 0 = only on SIGUSR1 and at the end.',
  },
  {
    name: 'autosave_on_changes',
    scope: 'global',
    type: { kind: 'boolean' },
    default: false,
    isReloaded: true,
    text: 'With true, `autosave_interval` counts changes instead of seconds.',
  },
] as const satisfies readonly Option[];
