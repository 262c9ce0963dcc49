/** What a configuration is, once it has been read: plain, frozen, complete. */
import type { Place } from './config-error.ts';
import type { BridgeValues, GlobalValues, ListenerValues, SecurityValues } from './options.ts';

/** Something to log about a configuration that can be used. The text says file and line where there is one. */
export interface ConfigNote {
  readonly level: 'warning' | 'notice' | 'information';
  readonly text: string;
}

/** A plugin line with the options that follow it. */
export interface PluginConfig {
  /** As the line says it; see `knownPlugin`. */
  readonly path: string;
  /** The name that `plugin_load` gave it; null for one without. */
  readonly name: string | null;
  /** `plugin_opt_KEY VALUE`, in order, with KEY only. */
  readonly options: readonly (readonly [key: string, value: string])[];
  /** `auth_plugin_deny_special_chars` */
  readonly deniesSpecialChars: boolean;
  /** Whether it is asked for the whole broker or for one listener. */
  readonly scope: 'global' | 'listener';
  readonly place: Place;
}

/** One listener. */
export interface ListenerConfig {
  /** 1..65535; 0 = a unix socket. */
  readonly port: number;
  /** Address or host name; null = every address, IPv4 and IPv6. */
  readonly host: string | null;
  /** Of a unix socket; null for one of TCP. */
  readonly path: string | null;
  /** The line that makes it. */
  readonly place: Place;
  readonly options: ListenerValues;
  /**
   * Who may come in: its own rules under `per_listener_settings true`, else those of the broker, with
   * `listener_allow_anonymous` and `listener_auto_id_prefix` applied.
   */
  readonly security: SecurityValues;
  /** Those of this listener alone; those of `Config.plugins` count besides. */
  readonly plugins: readonly PluginConfig[];
}

/** One bridge. */
export interface BridgeConfig {
  readonly name: string;
  readonly place: Place;
  readonly options: BridgeValues;
}

/** The configuration of a broker. */
export interface Config {
  /** Where it was read from; null = the default configuration. */
  readonly file: string | null;
  readonly notes: readonly ConfigNote[];
  readonly options: GlobalValues;
  /** No line speaks of `persistence`, and the command line asks for it (`ReadOptions.persistFolder`). */
  readonly isPersistAsked: boolean;
  /** The rules for the whole broker, also those of local-only mode. */
  readonly security: SecurityValues;
  /** Plugins for the whole broker, in order. */
  readonly plugins: readonly PluginConfig[];
  /** Empty = local-only mode. No two have the same `listenerIdentity`. */
  readonly listeners: readonly ListenerConfig[];
  readonly bridges: readonly BridgeConfig[];
}

/** What reading needs from outside. Both functions throw when they cannot. */
export interface ConfigHost {
  readFile(path: string): Uint8Array;
  /** The names in a folder, in any order. */
  listFolder(path: string): readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** What makes a listener the same one after a reload: what its socket is bound to. */
export function listenerIdentity(listener: ListenerConfig): string {
  const { port, host, path, options } = listener;
  return JSON.stringify([port, host, path, options.bindInterface, options.socketDomain]);
}
