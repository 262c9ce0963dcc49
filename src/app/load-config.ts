/** The configuration file: from the disk to one frozen object, or to the lines that say why not. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import type { Config, ConfigHost } from '../config/config.ts';
import { ConfigError } from '../config/config-error.ts';
import { defaultConfig, type ReadOptions, readConfig } from '../config/read-config.ts';
import type { BrokerRequest } from './broker-request.ts';

/** Whether it could be used. `lines` are those of the log. */
export type LoadedConfig =
  | { readonly kind: 'loaded'; readonly config: Config }
  | { readonly kind: 'failed'; readonly lines: readonly string[] };

/** Loads the file of the request, or the default configuration when it names none. */
export function loadConfig(request: BrokerRequest): LoadedConfig {
  const { configFile, compat, isEnvironmentExpanded, persistFolder } = request;
  const options: ReadOptions = { compat, isEnvironmentExpanded, persistFolder };
  if (configFile === null) return { kind: 'loaded', config: defaultConfig(options) };
  let source: Uint8Array;
  try {
    source = readLimited(configFile);
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

/** Nobody writes this much by hand, and a file without an end (a device) would fill the memory. */
const FILE_BYTES_MAX = 8 * 1024 * 1024;

function readLimited(path: string): Uint8Array {
  const { size } = statSync(path);
  if (size > FILE_BYTES_MAX) throw new Error(`it has ${size} bytes, ${FILE_BYTES_MAX} are the limit`);
  return readFileSync(path);
}

const HOST: ConfigHost = {
  readFile: readLimited,
  listFolder: (path) => readdirSync(path),
  environment: process.env,
};

function unreadable(file: string, error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  if (message.startsWith('EISDIR')) return `Error: Config file ${file} is a directory.`;
  // The system's own words end with the call and the path that we have named already.
  return `Error: Unable to open config file ${file}. (${message.split(',')[0]})`;
}
