/**
 * mosquitto.conf as bytes -> one frozen object with every option's value. The first error ends it, as in Mosquitto.
 * Reading goes in two steps: reading.ts takes the lines as they come, complete-config.ts settles defaults and what
 * depends on several options, and checks it.
 */
import { completeConfig } from './complete-config.ts';
import type { Config, ConfigHost } from './config.ts';
import type { Compat } from './option.ts';
import { emptyReading, readInto } from './reading.ts';

export interface ReadOptions {
  /** Whose defaults count (`--compat`); 2.1 when it is not said. */
  readonly compat?: Compat;
  /** Whether `${NAME}` in values is replaced from the environment (`--expand-env`). */
  readonly isEnvironmentExpanded?: boolean;
  /** Where state is kept when no line speaks of `persistence` (`--persist`); null = nowhere. */
  readonly persistFolder?: string | null;
}

/** A host without files and environment, for configurations that need none. */
const NO_HOST: ConfigHost = {
  readFile: () => new Uint8Array(),
  listFolder: () => [],
  environment: {},
};

/** The configuration of a broker that was started without a file. */
export function defaultConfig(options: ReadOptions = {}): Config {
  return completeConfig(null, emptyReading(NO_HOST, false), options);
}

/**
 * Reads the content of a configuration file and of those that it includes.
 * @param file its name, for messages
 * @throws ConfigError at the first line that is wrong
 */
export function readConfig(source: Uint8Array, file: string, host: ConfigHost, options: ReadOptions = {}): Config {
  const reading = emptyReading(host, options.isEnvironmentExpanded ?? false);
  readInto(reading, source, file);
  return completeConfig(file, reading, options);
}
