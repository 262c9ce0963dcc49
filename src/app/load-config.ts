/** The configuration file: from the disk to one frozen object, or to the lines that say why not. */
import { readdirSync, readFileSync } from 'node:fs';
import type { Config, ConfigHost } from '../config/config.ts';
import { ConfigError } from '../config/config-error.ts';
import { defaultConfig, type ReadOptions, readConfig } from '../config/read-config.ts';
import type { BrokerRequest } from './broker-request.ts';

/** Whether it could be used. `lines` are those of the log. */
export type LoadedConfig =
  | { readonly kind: 'loaded'; readonly config: Config }
  | { readonly kind: 'failed'; readonly lines: readonly string[] };

/** Loads the file of the request, or the default configuration when it names none. */
export function loadConfig({ configFile, compat, isEnvironmentExpanded }: BrokerRequest): LoadedConfig {
  const options: ReadOptions = { compat, isEnvironmentExpanded };
  if (configFile === null) return { kind: 'loaded', config: defaultConfig(options) };
  let source: Uint8Array;
  try {
    source = readFileSync(configFile);
  } catch (error) {
    return { kind: 'failed', lines: [unreadable(configFile, error)] };
  }
  try {
    return { kind: 'loaded', config: readConfig(source, configFile, HOST, options) };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const { file, line } = error.place;
    return { kind: 'failed', lines: [`Error: ${error.message}`, `Error found at ${file}:${line}.`] };
  }
}

const HOST: ConfigHost = {
  readFile: (path) => readFileSync(path),
  listFolder: (path) => readdirSync(path),
  environment: process.env,
};

function unreadable(file: string, error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  if (message.startsWith('EISDIR')) return `Error: Config file ${file} is a directory.`;
  // The system's own words end with the call and the path that we have named already.
  return `Error: Unable to open config file ${file}. (${message.split(',')[0]})`;
}
