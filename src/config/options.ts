/**
 * The table of all options of mosquitto.conf, joined from options/. Reading, the comparison of two configurations, the
 * reference page and the example are driven by these rows, and the types of the values come from them: a new option is
 * a new row and nothing else here.
 */
import { nearestName } from './nearest-name.ts';
import type { Option, OptionScope, ValuesOf } from './option.ts';
import { BRIDGE_OPTIONS } from './options/bridge-options.ts';
import { BRIDGE_TLS_OPTIONS } from './options/bridge-tls-options.ts';
import { GENERAL_OPTIONS } from './options/general-options.ts';
import { LIMIT_OPTIONS } from './options/limit-options.ts';
import { LISTENER_OPTIONS } from './options/listener-options.ts';
import { LOG_OPTIONS } from './options/log-options.ts';
import { PERSISTENCE_OPTIONS } from './options/persistence-options.ts';
import { SECURITY_OPTIONS } from './options/security-options.ts';
import { TLS_OPTIONS } from './options/tls-options.ts';

/** The rows as documents show them. */
export const OPTION_GROUPS: readonly {
  readonly title: string;
  readonly intro?: string;
  readonly rows: readonly Option[];
}[] = [
  { title: 'Listeners', rows: LISTENER_OPTIONS },
  { title: 'TLS of a listener', rows: TLS_OPTIONS },
  { title: 'Users and rights', rows: SECURITY_OPTIONS },
  { title: 'Limits and queues', rows: LIMIT_OPTIONS },
  { title: 'Log', rows: LOG_OPTIONS },
  {
    title: 'State',
    intro: 'The store is the file `zanzara.db`. docs/durability.md says what it holds, and what survives what.',
    rows: PERSISTENCE_OPTIONS,
  },
  { title: 'The rest of the broker', rows: GENERAL_OPTIONS },
  {
    title: 'Bridges',
    intro: 'Bridges are not there yet. Their options are read and checked; a bridge that is configured ends the start.',
    rows: BRIDGE_OPTIONS,
  },
  { title: 'TLS of a bridge', rows: BRIDGE_TLS_OPTIONS },
];

const OPTIONS = [
  ...LISTENER_OPTIONS,
  ...TLS_OPTIONS,
  ...SECURITY_OPTIONS,
  ...LIMIT_OPTIONS,
  ...LOG_OPTIONS,
  ...PERSISTENCE_OPTIONS,
  ...GENERAL_OPTIONS,
  ...BRIDGE_OPTIONS,
  ...BRIDGE_TLS_OPTIONS,
] as const;

type KnownOption = (typeof OPTIONS)[number];

/** The values of the options that concern the whole broker, by key. */
export type GlobalValues = ValuesOf<KnownOption, 'global'>;
/** The values of the options of users and rights, by key. */
export type SecurityValues = ValuesOf<KnownOption, 'security'>;
/** The values of the options of one listener, by key. */
export type ListenerValues = ValuesOf<KnownOption, 'listener'>;
/** The values of the options of one bridge, by key. */
export type BridgeValues = ValuesOf<KnownOption, 'bridge'>;
/** The values by scope. Plugins have no values of ours. */
export interface ScopeValues {
  readonly global: GlobalValues;
  readonly security: SecurityValues;
  readonly listener: ListenerValues;
  readonly bridge: BridgeValues;
}

/** Every option, once. */
export const OPTION_ROWS: readonly Option[] = OPTIONS;

const ROW_BY_NAME: ReadonlyMap<string, Option> = new Map(
  OPTION_ROWS.flatMap((row) => namesOf(row).map((name) => [name, row] as const)),
);
const OPEN_ENDED: readonly Option[] = OPTION_ROWS.filter((row) => row.name.endsWith('_'));

/** All names of an option, its own first. */
export function namesOf(row: Option): readonly string[] {
  return [row.name, ...(row.aliases ?? [])];
}

/** The option that a line with this name is about; null for none. */
export function findOption(name: string): Option | null {
  const row = ROW_BY_NAME.get(name);
  if (row !== undefined) return row;
  return OPEN_ENDED.find((open) => namesOf(open).some((beginning) => name.startsWith(beginning))) ?? null;
}

/** The options whose values stand together. */
export function rowsOf(scope: OptionScope): readonly Option[] {
  return OPTION_ROWS.filter((row) => row.scope === scope);
}

/** The name that a misspelt one was meant to be; null when none is near. */
export function nearestOption(name: string): string | null {
  return nearestName(
    name,
    ROW_BY_NAME.keys().filter((known) => !known.endsWith('_')),
  );
}
