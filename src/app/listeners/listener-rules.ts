/** The files and rules of each listener, from its options and from the plugin lines that mean the same. */
import type { Log } from '../../base/log.ts';
import type { Config, ListenerConfig, PluginConfig } from '../../config/config.ts';
import { knownPlugin } from '../../config/known-plugin.ts';
import type { ListenerSecurity } from '../../modules/security/index.ts';
import { StartFailure } from '../start-failure.ts';
import { isTls } from './listener-tls.ts';

/** Which option of a plugin names its file. */
const FILE_OPTIONS = { 'password-file': 'password_file', 'acl-file': 'acl_file' } as const;
type FileKind = keyof typeof FILE_OPTIONS;

/**
 * What `modules/security` is told of one listener.
 * @throws StartFailure for a plugin that does not exist here, or lacks its file
 */
export function listenerRulesOf(config: Config, listener: ListenerConfig, listenerId: number): ListenerSecurity {
  const { allowAnonymous, passwordFile, aclFile, pskFile } = listener.security;
  const plugins = [...config.plugins, ...listener.plugins];
  return {
    listenerId,
    allowAnonymous,
    passwordFile: theOnlyFile(plugins, 'password-file', passwordFile),
    aclFile: theOnlyFile(plugins, 'acl-file', aclFile),
    pskFile,
  };
}

/** Whether there is anybody whom a listener without `allow_anonymous` lets in. */
export function hasUsers(config: Config, { options, security, plugins }: ListenerConfig): boolean {
  const isNamed = options.useIdentityAsUsername || options.useSubjectAsUsername;
  if (security.passwordFile !== null || (isNamed && isTls({ options }))) return true;
  return [...config.plugins, ...plugins].some(({ path }) => knownPlugin(path) === 'password-file');
}

/** Warns of options that mean nothing. @throws StartFailure when a plugin line names what Zanzara does not have */
export function checkPlugins(plugins: readonly PluginConfig[], log: Log): void {
  for (const plugin of plugins) {
    const kind = knownPlugin(plugin.path);
    if (kind === 'password-file' || kind === 'acl-file') {
      warnOfOptions(plugin, kind, log);
      continue;
    }
    const { file, line } = plugin.place;
    throw new StartFailure(`plugin ${plugin.path}`, [
      `Error: Unable to load plugin "${plugin.path}".`,
      `${file}:${line}: ${mendFor(kind)}`,
    ]);
  }
}

function warnOfOptions({ options, deniesSpecialChars, path, place }: PluginConfig, kind: FileKind, log: Log): void {
  const strangers = options.map(([name]) => name).filter((name) => name !== FILE_OPTIONS[kind]);
  const lines = strangers.map((name) => `plugin_opt_${name}`);
  if (!deniesSpecialChars) lines.push('auth_plugin_deny_special_chars');
  for (const line of lines) {
    log.write('warning', `Warning: '${line}' means nothing to "${path}" (${place.file}:${place.line}).`);
  }
}

function mendFor(kind: ReturnType<typeof knownPlugin>): string {
  switch (kind) {
    case 'dynamic-security':
      return 'Dynamic security is not there yet. Use password_file and acl_file, and remove the line.';
    case 'persist-sqlite':
      return (
        "Zanzara has a store of its own: remove the line and write 'persistence true'. The first start takes over what " +
        'mosquitto.sqlite3 in persistence_location holds.'
      );
    case 'sparkplug-aware':
      return 'Sparkplug awareness is not there yet: remove the line.';
    default:
      return (
        'Zanzara cannot load plugins made for Mosquitto (shared objects). Of its own plugins, ' +
        'mosquitto_password_file.so and mosquitto_acl_file.so are built in. Remove the line.'
      );
  }
}

/**
 * Mosquitto asks one plugin after the other. To take one file and forget the rest would let in others than were meant, or
 * give them other rights, so it is refused; the same plugin for all listeners and once more for one is no second file.
 */
function theOnlyFile(plugins: readonly PluginConfig[], kind: FileKind, fromOption: string | null): string | null {
  const named = plugins.filter(({ path }) => knownPlugin(path) === kind).map((plugin) => fileOf(plugin, kind));
  const files = [...new Set(fromOption === null ? named : [fromOption, ...named])];
  if (files.length <= 1) return files[0] ?? null;
  const what = kind === 'password-file' ? 'password file' : 'ACL file';
  throw new StartFailure(`more than one ${what}`, [
    `Error: A listener has more than one ${what}: ${files.join(', ')}.`,
    'Zanzara asks one for each listener. Put their lines into one file, and name it once.',
  ]);
}

function fileOf(plugin: PluginConfig, kind: FileKind): string {
  const found = plugin.options.find(([name]) => name === FILE_OPTIONS[kind]);
  if (found !== undefined) return found[1];
  const { file, line } = plugin.place;
  throw new StartFailure(`plugin ${plugin.path}`, [
    `Error: The plugin needs to know its file: plugin_opt_${FILE_OPTIONS[kind]} FILE.`,
    `Error found at ${file}:${line}.`,
  ]);
}
