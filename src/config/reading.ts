/**
 * The lines of all files -> sections, without defaults. The table of options drives it; only the lines that build
 * something (a listener, a bridge, a plugin, another file) are known here by their kind.
 *
 * Where a line belongs is said by lines before it, as in Mosquitto: listener options by the last `listener`, bridge
 * options by the last `connection`, plugin options by the last plugin. Each file begins anew: none continues a listener
 * of another file.
 */
import type { ConfigHost, ConfigNote } from './config.ts';
import { ConfigError, type Place } from './config-error.ts';
import { expandLine } from './environment.ts';
import { includedFiles } from './include-folder.ts';
import { hasControlCharacter, type Line, readLines } from './lines.ts';
import { nameBridge, openListener } from './openings.ts';
import { type GivenValue, keyOf, type Option } from './option.ts';
import { findOption } from './options.ts';
import { type PluginSection, readNamedPlugin, readPlugin, readPluginOption } from './plugin-lines.ts';
import { addTo, noteAt, type Section } from './section.ts';
import { unknownOption } from './unknown-option.ts';
import { shown, takeWords, type ValueContext } from './value-context.ts';
import { readBoolean, readValue, type ValueType } from './values.ts';

/** A listener as far as it has been read. */
export interface ListenerSection {
  readonly port: number;
  readonly host: string | null;
  readonly path: string | null;
  readonly place: Place;
  readonly options: Section;
  /** Its own rules, only under `per_listener_settings true`. */
  readonly security: Section;
  readonly plugins: PluginSection[];
}

/** A bridge as far as it has been read. */
export interface BridgeSection {
  readonly name: string;
  readonly place: Place;
  readonly options: Section;
}

/** What has been read. */
export interface Reading {
  readonly host: ConfigHost;
  readonly isEnvironmentExpanded: boolean;
  readonly notes: ConfigNote[];
  readonly global: Section;
  /** Rules of the whole broker; under `per_listener_settings true` those before any listener. */
  readonly security: Section;
  /** Plugins that are not in a listener, in order. */
  readonly plugins: PluginSection[];
  readonly namedPlugins: Map<string, PluginSection>;
  readonly listeners: ListenerSection[];
  readonly bridges: BridgeSection[];
  /** The options of the default listener, from the line on that makes it. */
  defaultListener: { readonly place: Place; readonly options: Section } | null;
  isPerListener: boolean;
  hasSecurity: boolean;
}

/** What the lines before said about where the next one belongs. */
interface Cursor {
  readonly isMainFile: boolean;
  listener: ListenerSection | null;
  bridge: BridgeSection | null;
  plugin: PluginSection | null;
}

/** A reading of no lines. */
export function emptyReading(host: ConfigHost, isEnvironmentExpanded: boolean): Reading {
  return {
    host,
    isEnvironmentExpanded,
    notes: [],
    global: new Map(),
    security: new Map(),
    plugins: [],
    namedPlugins: new Map(),
    listeners: [],
    bridges: [],
    defaultListener: null,
    isPerListener: false,
    hasSecurity: false,
  };
}

/** Adds the lines of a file, and of those that it includes. @throws ConfigError at the first line that is wrong */
export function readInto(reading: Reading, source: Uint8Array, file: string, isMainFile = true): void {
  const cursor: Cursor = { isMainFile, listener: null, bridge: null, plugin: null };
  for (const line of readLines(source, file)) {
    if (hasControlCharacter(line.name)) throw unknownOption(line);
    takeLine(reading, cursor, reading.isEnvironmentExpanded ? expandLine(line, reading.host) : line);
  }
}

function takeLine(reading: Reading, cursor: Cursor, line: Line): void {
  const option = findOption(line.name);
  if (option === null) throw unknownOption(line);
  noteUse(reading, line, option);
  const { type } = option;
  switch (type.kind) {
    case 'listener':
      cursor.listener = openListener(contextOf(reading, line, []));
      reading.listeners.push(cursor.listener);
      return;
    case 'connection':
      cursor.bridge = nameBridge(contextOf(reading, line, []), reading.bridges);
      reading.bridges.push(cursor.bridge);
      return;
    case 'include-folder':
      takeFolder(reading, cursor, line);
      return;
    case 'plugin-use':
      usePlugin(reading, cursor, line);
      return;
    case 'plugin':
    case 'named-plugin':
      takePlugin(reading, cursor, line, option);
      return;
    case 'plugin-option':
      readPluginOption(line, option, cursor.plugin);
      return;
    case 'plugin-switch':
      takePluginSwitch(reading, cursor, line);
      return;
    case 'refused':
      throw new ConfigError(line, `The '${line.name}' option cannot be used: ${type.reason}`);
    case 'without-effect':
      reading.notes.push(noteAt('warning', `Warning: ${type.warning}`, line));
      return;
    default:
      takeValue(reading, cursor, line, option, type);
  }
}

function noteUse(reading: Reading, line: Line, option: Option): void {
  if (option.isDeprecated !== undefined) {
    const text = `The '${line.name}' option is now deprecated and will be removed in version 3.0.`;
    reading.notes.push(noteAt('notice', option.instead === undefined ? text : `${text} ${option.instead}`, line));
  }
  if (option.advice !== undefined) reading.notes.push(noteAt('notice', option.advice, line));
}

function contextOf(reading: Reading, line: Line, earlier: readonly GivenValue[]): ValueContext {
  return { line, earlier, note: (level, text) => reading.notes.push(noteAt(level, text, line)) };
}

function takeValue(reading: Reading, cursor: Cursor, line: Line, option: Option, type: ValueType): void {
  const section = sectionOf(reading, cursor, line, option);
  const key = keyOf(option.name);
  const earlier = section.get(key)?.values ?? [];
  const value = readValue(contextOf(reading, line, earlier), type);
  if (option.name === 'per_listener_settings') changePerListener(reading, line, value === true);
  if (option.name === 'port' || option.name === 'bind_address') makeDefaultListener(reading, line);
  if (option.name === 'port' && earlier.length > 0) {
    const text = 'Warning: Default listener port specified multiple times. Only the latest will be used.';
    reading.notes.push(noteAt('warning', text, line));
  }
  if (option.name === 'topic' && earlier.some((one) => JSON.stringify(one) === JSON.stringify(value))) {
    reading.notes.push(noteAt('information', 'Duplicate bridge topic, skipping.', line));
    return;
  }
  addTo(section, key, line, value);
}

function sectionOf(reading: Reading, cursor: Cursor, line: Line, option: Option): Section {
  switch (option.scope) {
    case 'security':
      reading.hasSecurity = true;
      return reading.isPerListener && cursor.listener !== null ? cursor.listener.security : reading.security;
    case 'listener':
      return cursor.listener?.options ?? defaultListenerFor(reading, line, option).options;
    case 'bridge':
      if (cursor.bridge !== null) return cursor.bridge.options;
      throw new ConfigError(line, `Invalid bridge configuration. '${line.name}' must follow a 'connection' line.`);
    default:
      return reading.global;
  }
}

function changePerListener(reading: Reading, line: Line, isPerListener: boolean): void {
  // In the other direction too: what listeners were told until then would be lost.
  if (isPerListener !== reading.isPerListener && reading.hasSecurity) {
    throw new ConfigError(line, `${line.name} must be set before any other security settings.`);
  }
  reading.isPerListener = isPerListener;
}

/** The default listener, for a listener option that stands before any listener. */
function defaultListenerFor(reading: Reading, line: Line, option: Option): { readonly options: Section } {
  if (reading.defaultListener !== null) return reading.defaultListener;
  if (option.beforeListener !== 'makes-one') throw needsListener(line);
  const text = `Creating the default listener on port 1883, because the '${line.name}' option stands before any listener.`;
  reading.notes.push(noteAt('information', text, line));
  return makeDefaultListener(reading, line);
}

function makeDefaultListener(reading: Reading, place: Place): { readonly options: Section } {
  reading.defaultListener ??= { place: { file: place.file, line: place.line }, options: new Map() };
  return reading.defaultListener;
}

/** The refusal of a line that means nothing without a listener. */
export function needsListener(line: Place & { readonly name: string }): ConfigError {
  return new ConfigError(line, `The '${line.name}' option requires a listener to be defined first.`);
}

function takeFolder(reading: Reading, cursor: Cursor, line: Line): void {
  if (!cursor.isMainFile) {
    const text = `Warning: '${line.name}' is ignored: it works in the main file only.`;
    reading.notes.push(noteAt('warning', text, line));
    return;
  }
  for (const { path, source } of includedFiles(line, reading.host)) readInto(reading, source, path, false);
}

function takePlugin(reading: Reading, cursor: Cursor, line: Line, option: Option): void {
  if (option.type.kind === 'named-plugin') {
    cursor.plugin = readNamedPlugin(line, reading.namedPlugins);
    return;
  }
  cursor.plugin = readPlugin(line, option);
  if (option.scope === 'security') reading.hasSecurity = true;
  const isOfListener = option.scope === 'security' && reading.isPerListener;
  const owner = isOfListener && cursor.listener !== null ? cursor.listener : reading;
  owner.plugins.push(cursor.plugin);
}

function usePlugin(reading: Reading, cursor: Cursor, line: Line): void {
  if (cursor.listener === null) throw needsListener(line);
  const [name] = takeWords(contextOf(reading, line, []), 1);
  const plugin = reading.namedPlugins.get(name);
  if (plugin === undefined)
    throw new ConfigError(line, `Plugin '${shown(line, name)}' not found. 'plugin_load' must define it first.`);
  plugin.isUsed = true;
  cursor.listener.plugins.push(plugin);
  // Its options stand where it is loaded: options here would change it for other listeners too.
  cursor.plugin = null;
}

function takePluginSwitch(reading: Reading, cursor: Cursor, line: Line): void {
  const isOn = readBoolean(contextOf(reading, line, []));
  if (cursor.plugin === null) {
    throw new ConfigError(line, `An ${line.name} option exists in the config file without an auth_plugin.`);
  }
  cursor.plugin.deniesSpecialChars = isOn;
}
