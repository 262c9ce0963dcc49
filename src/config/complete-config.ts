/**
 * From what the lines gave to a whole configuration: defaults, what depends on several options, and the checks of
 * listeners and bridges.
 *
 * Two things decide who may come in. `allow_anonymous` is false as soon as there is a listener: who opens the broker
 * to a network has to say who may come in, a broker for this machine alone need not. And under
 * `per_listener_settings true` the rules before any listener are those of the default listener, or of local-only mode
 * when there is no listener at all; with other listeners they would be lost, so they are refused.
 */
import { checkBridges } from './check-bridge.ts';
import { checkListeners } from './check-listener.ts';
import { checkPersistence } from './check-persistence.ts';
import type { BridgeConfig, Config, ListenerConfig, PluginConfig } from './config.ts';
import type { Place } from './config-error.ts';
import { type Compat, keyOf } from './option.ts';
import { type GlobalValues, rowsOf, type SecurityValues } from './options.ts';
import { finishPlugin } from './plugin-lines.ts';
import type { ReadOptions } from './read-config.ts';
import { type BridgeSection, type ListenerSection, needsListener, type Reading } from './reading.ts';
import { defaultOf, noteAt, type Section, settle } from './section.ts';

/** @throws ConfigError for what no line alone shows to be wrong */
export function completeConfig(file: string | null, reading: Reading, readOptions: ReadOptions): Config {
  const { compat = '2.1', persistFolder = null } = readOptions;
  const settled = settle('global', reading.global, compat);
  const isPersistAsked = persistFolder !== null && !reading.global.has('persistence');
  const options = isPersistAsked
    ? Object.freeze({ ...settled, persistence: true, persistenceLocation: persistFolder })
    : settled;
  const sections = listenerSections(file, reading, options, compat);
  if (reading.isPerListener) checkEarlySecurity(reading, sections.length, compat);
  noteUnusedPlugins(reading);
  const security = securityOf(reading.security, sections.length === 0, compat);
  const listeners = sections.map((section) => listenerOf(section, reading, security, compat));
  const bridges = reading.bridges.map((section) => bridgeOf(section, compat));
  checkListeners(listeners, reading.notes);
  checkBridges(bridges, reading.notes);
  checkPersistence(options, reading);
  return Object.freeze({
    file,
    notes: Object.freeze([...reading.notes]),
    options,
    isPersistAsked,
    security,
    plugins: globalPlugins(reading, sections.length),
    listeners: Object.freeze(listeners),
    bridges: Object.freeze(bridges),
  });
}

function listenerSections(
  file: string | null,
  reading: Reading,
  options: GlobalValues,
  compat: Compat,
): readonly ListenerSection[] {
  const { defaultListener, listeners } = reading;
  if (defaultListener !== null) {
    return [defaultSection(reading, options, defaultListener.place, defaultListener.options), ...listeners];
  }
  if (compat !== '1.6' || file === null || listeners.length > 0) return listeners;
  const place = { file, line: 1 };
  const text = 'Creating the default listener on port 1883, as Mosquitto 1.6 does: no listener is defined.';
  reading.notes.push(noteAt('information', text, place));
  return [defaultSection(reading, options, place, new Map())];
}

function defaultSection(reading: Reading, values: GlobalValues, place: Place, options: Section): ListenerSection {
  const plugins = reading.isPerListener ? reading.plugins.filter((plugin) => !plugin.isGlobal) : [];
  return {
    port: values.port,
    host: values.bindAddress,
    path: null,
    place,
    options,
    security: reading.security,
    plugins,
  };
}

/** Rules that stand before all listeners of a file where each listener has its own. */
function checkEarlySecurity(reading: Reading, listenerCount: number, compat: Compat): void {
  if (reading.defaultListener !== null || listenerCount === 0) return;
  for (const row of rowsOf('security')) {
    const given = reading.security.get(keyOf(row.name));
    if (given === undefined) continue;
    if (given.values.at(-1) !== defaultOf(row, compat)) throw needsListener({ ...given.place, name: row.name });
    const text = `Warning: '${row.name}' before any listener has no effect under 'per_listener_settings true'.`;
    reading.notes.push(noteAt('warning', text, given.place));
  }
  const plugin = reading.plugins.find((one) => !one.isGlobal);
  if (plugin !== undefined) throw needsListener(plugin.line);
}

function noteUnusedPlugins(reading: Reading): void {
  for (const plugin of reading.namedPlugins.values()) {
    if (plugin.isUsed) continue;
    const text = `Warning: The plugin '${plugin.name}' is used by no listener: 'plugin_use' is missing.`;
    reading.notes.push(noteAt('warning', text, plugin.line));
  }
}

function securityOf(section: Section, isLocalOnly: boolean, compat: Compat): SecurityValues {
  const values = settle('security', section, compat);
  if (!isLocalOnly || section.has('allowAnonymous')) return values;
  return Object.freeze({ ...values, allowAnonymous: true });
}

function listenerOf(
  section: ListenerSection,
  reading: Reading,
  brokerSecurity: SecurityValues,
  compat: Compat,
): ListenerConfig {
  const options = settle('listener', section.options, compat);
  const rules = reading.isPerListener ? securityOf(section.security, false, compat) : brokerSecurity;
  const allowAnonymous = options.listenerAllowAnonymous ?? rules.allowAnonymous;
  const autoIdPrefix = options.listenerAutoIdPrefix ?? rules.autoIdPrefix;
  const isOverruled = allowAnonymous !== rules.allowAnonymous || autoIdPrefix !== rules.autoIdPrefix;
  return Object.freeze({
    port: section.port,
    host: section.host,
    path: section.path,
    place: Object.freeze({ ...section.place }),
    options,
    security: isOverruled ? Object.freeze({ ...rules, allowAnonymous, autoIdPrefix }) : rules,
    plugins: Object.freeze(section.plugins.map((plugin) => finishPlugin(plugin, 'listener'))),
  });
}

function bridgeOf(section: BridgeSection, compat: Compat): BridgeConfig {
  const options = settle('bridge', section.options, compat);
  return Object.freeze({ name: section.name, place: Object.freeze({ ...section.place }), options });
}

function globalPlugins(reading: Reading, listenerCount: number): readonly PluginConfig[] {
  const isForAll = !reading.isPerListener || listenerCount === 0;
  const plugins = reading.plugins.filter((plugin) => plugin.isGlobal || isForAll);
  return Object.freeze(plugins.map((plugin) => finishPlugin(plugin, 'global')));
}
