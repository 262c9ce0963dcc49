/** The configuration file: from the disk to one frozen object, or to the lines that say why not. */
import { readFileSync } from 'node:fs';
import { ConfigError } from '../config/config-error.ts';
import { type Config, defaultConfig, readConfig } from '../config/read-config.ts';

/** Whether it could be used. `lines` are those of the log. */
export type LoadedConfig =
  | { readonly kind: 'loaded'; readonly config: Config }
  | { readonly kind: 'failed'; readonly lines: readonly string[] };

/** Loads `file`, or the default configuration for null. */
export function loadConfig(file: string | null): LoadedConfig {
  if (file === null) return { kind: 'loaded', config: defaultConfig() };
  let source: Uint8Array;
  try {
    source = readFileSync(file);
  } catch (error) {
    return { kind: 'failed', lines: [unreadable(file, error)] };
  }
  try {
    return { kind: 'loaded', config: readConfig(source, file) };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const { file: where, line } = error.place;
    return { kind: 'failed', lines: [`Error: ${error.message}`, `Error found at ${where}:${line}.`] };
  }
}

function unreadable(file: string, error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  if (message.startsWith('EISDIR')) return `Error: Config file ${file} is a directory.`;
  // The system's own words end with the call and the path that we have named already.
  return `Error: Unable to open config file ${file}. (${message.split(',')[0]})`;
}
