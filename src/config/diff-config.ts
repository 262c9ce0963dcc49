/**
 * What changed between two configurations: the ground for a reload. It says which options differ and which of them a
 * running broker can take over; what it does about them is the business of app.
 */
import { type BridgeConfig, type Config, type ListenerConfig, listenerIdentity, type PluginConfig } from './config.ts';
import { keyOf } from './option.ts';
import { rowsOf, type ScopeValues } from './options.ts';

/** An option whose value differs. The values are not in it: they may be secrets. */
export interface OptionChange {
  readonly name: string;
  readonly key: string;
  /** False: it needs a restart. */
  readonly isReloaded: boolean;
}

/** A listener that is in both configurations. */
export interface KeptListener {
  readonly before: ListenerConfig;
  readonly after: ListenerConfig;
  /** Of its own options and of its rules. */
  readonly changes: readonly OptionChange[];
  readonly havePluginsChanged: boolean;
}

/** A bridge that is in both configurations. */
export interface KeptBridge {
  readonly before: BridgeConfig;
  readonly after: BridgeConfig;
  readonly changes: readonly OptionChange[];
}

export interface ConfigDiff {
  /** Of the options of the whole broker, its rules included. */
  readonly changes: readonly OptionChange[];
  readonly havePluginsChanged: boolean;
  /** Listeners are the same when their sockets are bound alike (`listenerIdentity`). */
  readonly listeners: {
    readonly added: readonly ListenerConfig[];
    readonly removed: readonly ListenerConfig[];
    readonly kept: readonly KeptListener[];
  };
  /** Bridges are the same when they have the same name. */
  readonly bridges: {
    readonly added: readonly BridgeConfig[];
    readonly removed: readonly BridgeConfig[];
    readonly kept: readonly KeptBridge[];
  };
  /** Every changed option that a running broker cannot take over, wherever it stands; each name once. */
  readonly needRestart: readonly string[];
}

/** Compares the configuration in force with a new one. */
export function diffConfig(before: Config, after: Config): ConfigDiff {
  const changes = [
    ...changesOf('global', before.options, after.options),
    ...changesOf('security', before.security, after.security),
  ];
  const listeners = match(before.listeners, after.listeners, listenerIdentity);
  const bridges = match(before.bridges, after.bridges, (bridge) => bridge.name);
  const kept = listeners.kept.map(keptListener);
  const all = [...changes, ...kept.flatMap((listener) => listener.changes)];
  return {
    changes,
    havePluginsChanged: havePluginsChanged(before.plugins, after.plugins),
    listeners: { ...listeners, kept },
    bridges: { ...bridges, kept: bridges.kept.map(keptBridge) },
    needRestart: [...new Set(all.filter((change) => !change.isReloaded).map((change) => change.name))],
  };
}

function changesOf<Scope extends keyof ScopeValues>(
  scope: Scope,
  before: ScopeValues[Scope],
  after: ScopeValues[Scope],
): readonly OptionChange[] {
  const [old, now] = [before, after].map((values) => new Map<string, unknown>(Object.entries(values)));
  return rowsOf(scope)
    .map(({ name, isReloaded }) => ({ name, key: keyOf(name), isReloaded }))
    .filter(({ key }) => !isSame(old?.get(key), now?.get(key)));
}

function keptListener({ before, after }: Pair<ListenerConfig>): KeptListener {
  const changes = [
    ...changesOf('listener', before.options, after.options),
    ...changesOf('security', before.security, after.security),
  ];
  return { before, after, changes, havePluginsChanged: havePluginsChanged(before.plugins, after.plugins) };
}

function keptBridge({ before, after }: Pair<BridgeConfig>): KeptBridge {
  return { before, after, changes: changesOf('bridge', before.options, after.options) };
}

function havePluginsChanged(before: readonly PluginConfig[], after: readonly PluginConfig[]): boolean {
  const withoutPlaces = (plugins: readonly PluginConfig[]) => plugins.map((plugin) => ({ ...plugin, place: null }));
  return !isSame(withoutPlaces(before), withoutPlaces(after));
}

interface Pair<Item> {
  readonly before: Item;
  readonly after: Item;
}

function match<Item>(before: readonly Item[], after: readonly Item[], identityOf: (item: Item) => string) {
  const old = new Map(before.map((item) => [identityOf(item), item]));
  const kept: Pair<Item>[] = [];
  const added: Item[] = [];
  for (const item of after) {
    const identity = identityOf(item);
    const same = old.get(identity);
    if (same === undefined) added.push(item);
    else kept.push({ before: same, after: item });
    old.delete(identity);
  }
  return { added, removed: [...old.values()], kept };
}

/** Values are plain and made by the same readers, so equal ones have equal JSON. */
function isSame(before: unknown, after: unknown): boolean {
  return JSON.stringify(before) === JSON.stringify(after);
}
