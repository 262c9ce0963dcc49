/** What survives a restart. */
import type { Durability, Option } from '../option.ts';

const STRICT: Durability = Object.freeze({ kind: 'strict' });

export const PERSISTENCE_OPTIONS = [
  {
    name: 'persistence',
    aliases: ['retained_persistence'],
    scope: 'global',
    type: { kind: 'boolean' },
    default: false,
    isReloaded: false,
    text: 'Whether sessions, their messages, retained messages and wills survive a restart. With false they are in memory only. `--persist FOLDER` on the command line turns it on where no line speaks of it.',
  },
  {
    name: 'durability',
    scope: 'global',
    type: { kind: 'durability' },
    default: STRICT,
    valueText: 'strict|relaxed N|off',
    isReloaded: true,
    isOurs: true,
    text: 'With `persistence true`: `strict` acknowledges what is safe on the disk; `relaxed N` acknowledges at once and saves within N milliseconds (1 to 3600000), which a crash may lose; `off` keeps all in memory, with a warning. Between `off` and the others takes a restart.',
  },
  {
    name: 'persistence_file',
    scope: 'global',
    type: { kind: 'text' },
    default: 'mosquitto.db',
    valueText: 'NAME',
    isReloaded: false,
    text: "The name of Mosquitto's file in `persistence_location`. A first start, without a store of Zanzara's own, takes over what it holds and leaves it as it is. Where it is missing, `mosquitto.sqlite3` is looked for.",
  },
  {
    name: 'persistence_location',
    scope: 'global',
    type: { kind: 'text' },
    default: null,
    defaultText: 'the working directory',
    valueText: 'PATH',
    exampleValue: '/var/lib/mosquitto/',
    isReloaded: false,
    text: 'The folder of the store, `zanzara.db` and the files beside it. The environment variable `MOSQUITTO_PERSISTENCE_LOCATION` beats it.',
  },
  {
    name: 'autosave_interval',
    scope: 'global',
    type: { kind: 'number', min: 0, max: 2_147_483_647, below: 'raise' },
    default: 1800,
    isReloaded: true,
    text: 'The most seconds that may be unsaved. `durability strict` saves at once, whatever this says; with `relaxed N` the shorter of both counts. 0 = no bound of its own. SIGUSR1 and a stop save what is left.',
  },
  {
    name: 'autosave_on_changes',
    scope: 'global',
    type: { kind: 'boolean' },
    default: false,
    isReloaded: true,
    text: 'With true, `autosave_interval` counts changes: with `durability relaxed N` no more than so many are unsaved, nor for longer than N.',
  },
  {
    name: 'will_restart_grace',
    scope: 'global',
    type: { kind: 'number', min: 0, max: 3600 },
    default: 30,
    valueText: 'SECONDS',
    isReloaded: false,
    isOurs: true,
    text: 'After a crash: the wills of clients that were connected are published so many seconds after the start, except of those that are back. 0 = at once.',
  },
] as const satisfies readonly Option[];
