/** The lines of plugins. */
import type { PluginConfig } from './config.ts';
import { ConfigError, type Place } from './config-error.ts';
import { afterFirstWord, type Line, wordsOf } from './lines.ts';
import type { Option } from './option.ts';
import { takeRest } from './value-context.ts';

/** A plugin as far as it has been read. */
export interface PluginSection {
  readonly path: string;
  readonly name: string | null;
  /** True for `global_plugin`: for the whole broker also under `per_listener_settings true`. */
  readonly isGlobal: boolean;
  readonly line: Line;
  readonly options: (readonly [key: string, value: string])[];
  deniesSpecialChars: boolean;
  /** A listener said `plugin_use`. */
  isUsed: boolean;
}

/** `plugin PATH`, `auth_plugin PATH` or `global_plugin PATH` @throws ConfigError */
export function readPlugin(line: Line, option: Option): PluginSection {
  return section(line, { path: takeRest(line), name: null, isGlobal: option.scope === 'global' });
}

/** `plugin_load NAME PATH`; adds it to `named`. @throws ConfigError */
export function readNamedPlugin(line: Line, named: Map<string, PluginSection>): PluginSection {
  takeRest(line);
  const [name = ''] = wordsOf(line.rest);
  const path = afterFirstWord(line.rest).trimEnd();
  if (path === '') throw new ConfigError(line, `Invalid '${line.name}' value. Expected a name and a path.`);
  const same = named.get(name);
  if (same !== undefined) {
    const { file, line: number } = same.line;
    throw new ConfigError(line, `Duplicate '${line.name}' name '${name}'. The first stands at ${file}:${number}.`);
  }
  const plugin = section(line, { path, name, isGlobal: false });
  named.set(name, plugin);
  return plugin;
}

/** `plugin_opt_KEY VALUE` @throws ConfigError */
export function readPluginOption(line: Line, option: Option, plugin: PluginSection | null): void {
  const beginning = [option.name, ...(option.aliases ?? [])].find((open) => line.name.startsWith(open)) ?? option.name;
  const key = line.name.slice(beginning.length);
  if (key === '') throw new ConfigError(line, `Invalid ${beginning} config option.`);
  if (plugin === null) {
    const wanted = beginning === 'auth_opt_' ? 'an auth_plugin' : 'a plugin';
    const article = beginning === 'auth_opt_' ? 'An' : 'A';
    throw new ConfigError(line, `${article} ${beginning} option exists in the config file without ${wanted}.`);
  }
  plugin.options.push(Object.freeze([key, takeRest(line)] as const));
}

/** The plugin as it stands in a configuration. */
export function finishPlugin(plugin: PluginSection, scope: PluginConfig['scope']): PluginConfig {
  const { path, name, line, options, deniesSpecialChars } = plugin;
  return Object.freeze({
    path,
    name,
    options: Object.freeze([...options]),
    deniesSpecialChars,
    scope,
    place: placeOf(line),
  });
}

function section(line: Line, of: Pick<PluginSection, 'path' | 'name' | 'isGlobal'>): PluginSection {
  return { ...of, line, options: [], deniesSpecialChars: true, isUsed: false };
}

function placeOf({ file, line }: Line): Place {
  return Object.freeze({ file, line });
}
