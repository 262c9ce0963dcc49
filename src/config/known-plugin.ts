/** Plugins of Mosquitto whose work Zanzara does itself. */

/** What a plugin of Mosquitto is here. */
export type KnownPlugin = 'password-file' | 'acl-file' | 'dynamic-security' | 'persist-sqlite' | 'sparkplug-aware';

const KNOWN_PLUGINS: ReadonlyMap<string, KnownPlugin> = new Map([
  ['mosquitto_password_file', 'password-file'],
  ['mosquitto_acl_file', 'acl-file'],
  ['mosquitto_dynamic_security', 'dynamic-security'],
  ['mosquitto_persist_sqlite', 'persist-sqlite'],
  ['mosquitto_sparkplug_aware', 'sparkplug-aware'],
]);

/** The plugin of Mosquitto that a path names, by its file name alone; null for any other. */
export function knownPlugin(path: string): KnownPlugin | null {
  const fileName = path.slice(path.lastIndexOf('/') + 1).replace(/\.(?:so|dylib|dll)$/, '');
  return KNOWN_PLUGINS.get(fileName) ?? null;
}
