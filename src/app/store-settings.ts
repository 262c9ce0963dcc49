/** Where and how state is kept, from the configuration, the command line and the environment. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Config } from '../config/config.ts';
import type { DurabilityMode, StoreCounts } from '../modules/persistence/index.ts';
import type { BrokerRequest } from './broker-request.ts';
import type { Environment } from './process/open-carefully.ts';

/** As the start has them; a reload may change `mode` (`modeAtReload`). */
export interface StoreSettings {
  /** Absolute; holds the store and whatever stands beside it. */
  readonly folder: string;
  readonly mode: DurabilityMode;
  /** What a new store begins with: a file of Mosquitto's that is there; null = none. */
  readonly mosquittoFile: string | null;
  /** A store that is damaged ends the start; else it is set aside. */
  readonly isDamageRefused: boolean;
  /** The command line asks for it, the configuration says nothing. */
  readonly isPersistAsked: boolean;
}

/** Our own, in the folder. */
export const STORE_FILE = 'zanzara.db';
/** The file of Mosquitto's SQLite plugin. */
const SQLITE_FILE = 'mosquitto.sqlite3';
const SECOND_MS = 1000;

/** @returns null when all state is in memory */
export function storeSettingsOf(
  config: Config,
  { isDamageRefused }: Pick<BrokerRequest, 'isDamageRefused'>,
  environment: Environment,
): StoreSettings | null {
  const { options, isPersistAsked } = config;
  const mode = options.persistence ? modeOf(config) : null;
  if (mode === null) return null;
  const location = locationOf(config, environment);
  const folder = resolve(location);
  // Without a folder the name may be a path, as in Mosquitto.
  const database = location === '' ? resolve(options.persistenceFile) : join(folder, options.persistenceFile);
  const mosquittoFile = [database, join(folder, SQLITE_FILE)].find((file) => existsSync(file)) ?? null;
  return { folder, mode, mosquittoFile, isDamageRefused, isPersistAsked };
}

/** As it is named; '' = the working folder. */
function locationOf({ options }: Config, environment: Environment): string {
  return environment.MOSQUITTO_PERSISTENCE_LOCATION || options.persistenceLocation || '';
}

/** What the log says of the store when it is open; what a crash may take of it is said by the journal. */
export function storeLine({ folder }: StoreSettings): string {
  return `State is kept in ${join(folder, STORE_FILE)}.`;
}

/** What the log says of what was in it, in Mosquitto's words; nothing of a store that is empty. */
export function restoredLines(counts: StoreCounts): readonly string[] {
  const { sessions, subscriptions, rows, retained, wills } = counts;
  if (sessions + subscriptions + rows + retained + wills === 0) return [];
  return [
    `Restored ${retained} retained messages`,
    `Restored ${sessions} clients`,
    `Restored ${subscriptions} subscriptions`,
    `Restored ${rows} client messages`,
    `Restored ${wills} wills`,
  ];
}

export interface ReloadParts {
  /** The new one. */
  readonly config: Config;
  /** The one in force; null = all state is in memory. */
  readonly store: StoreSettings | null;
  readonly environment: Environment;
}

/** What the log says of an option that has changed and takes a restart. */
export function restartLine(name: string, { config, store, environment }: ReloadParts): string {
  const changed = `Warning: '${name}' has changed`;
  if (name !== 'persistence_location' || store === null)
    return `${changed}. That takes a restart: the old value stays.`;
  const { folder } = store;
  const next = resolve(locationOf(config, environment));
  if (next === folder) return `${changed}. State is kept in ${folder} all the same, also after a restart.`;
  return `${changed} from ${folder} to ${next}. That takes a restart, which moves nothing: state is kept in ${folder}.`;
}

/** What a reload makes of the mode. `atStart`: the configuration that the broker was started with. */
export interface ModeAtReload {
  /** Null: it stays as it is. */
  readonly mode: DurabilityMode | null;
  /** What takes a restart, where it is not said already because `persistence` has changed. */
  readonly warning: string | null;
}

export function modeAtReload(atStart: Config, config: Config): ModeAtReload {
  const mode = modeOf(config);
  if (!atStart.options.persistence || !config.options.persistence) return { mode: null, warning: null };
  const isOnDisk = modeOf(atStart) !== null;
  if (isOnDisk === (mode !== null)) return { mode, warning: null };
  const kept = isOnDisk ? 'state is kept on disk as before' : 'all state stays in memory';
  return { mode: null, warning: `Warning: 'durability' has changed from or to 'off'. That takes a restart: ${kept}.` };
}

/** Null = `durability off`. `autosave_interval` is an upper bound of what may be unsaved, in seconds or changes; 0 = none. */
function modeOf({ options }: Config): DurabilityMode | null {
  const { durability, autosaveInterval, autosaveOnChanges } = options;
  switch (durability.kind) {
    case 'off':
      return null;
    case 'strict':
      return { kind: 'strict' };
    case 'relaxed': {
      const changesMax = autosaveOnChanges && autosaveInterval > 0 ? autosaveInterval : null;
      const boundMs = autosaveOnChanges || autosaveInterval === 0 ? Infinity : autosaveInterval * SECOND_MS;
      return { kind: 'relaxed', windowMs: Math.min(durability.windowMs, boundMs), changesMax };
    }
  }
}
