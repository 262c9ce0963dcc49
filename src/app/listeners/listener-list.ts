/** The listeners that a configuration and the command line ask for. */
import type { Config, ListenerConfig } from '../../config/config.ts';
import { listenerIdentity } from '../../config/config.ts';
import { settle } from '../../config/section.ts';
import type { CompatVersion } from '../broker-request.ts';
import { DEFAULT_PORT } from './listen-plan.ts';

/** Where Mosquitto 2.1 opens its HTTP API when nothing is configured. */
const LOCAL_HTTP_PORT = 9883;

/** One listener to open. */
export interface WantedListener extends ListenerConfig {
  /** Nothing was configured: this machine only. */
  readonly isLocalOnly: boolean;
}

/** What a broker without a configured listener opens: each port of -p, or 1883, for this machine. */
export interface CommandLine {
  /** Those of -p; not used when the configuration has listeners. */
  readonly ports: readonly number[];
  readonly compat: CompatVersion;
  /** Where the HTTP API of local-only mode is opened; only tests have another port than 9883. */
  readonly localHttpPort?: number;
}

export function listenersOf(config: Config, { ports, compat }: CommandLine): readonly WantedListener[] {
  if (config.listeners.length > 0) return config.listeners.map((listener) => ({ ...listener, isLocalOnly: false }));
  const wanted = ports.length === 0 ? [DEFAULT_PORT] : ports;
  return wanted.map((port) => localListener(config, compat, { port, host: null, protocol: 'mqtt' }));
}

/** The HTTP API of a broker without listeners: for this machine only. */
export function localHttpListener(
  config: Config,
  { compat, localHttpPort = LOCAL_HTTP_PORT }: CommandLine,
): WantedListener {
  const listener = localListener(config, compat, { port: localHttpPort, host: '127.0.0.1', protocol: 'http_api' });
  return { ...listener, isLocalOnly: false };
}

/**
 * What makes a listener the same one. That of local-only mode is another than one for every address: its sockets are
 * others, and its rules are those for who is on this machine.
 */
export function keyOf(listener: WantedListener): string {
  return `${listener.isLocalOnly ? 'local ' : ''}${listenerIdentity(listener)}`;
}

interface LocalAddress {
  readonly port: number;
  readonly host: string | null;
  readonly protocol: 'mqtt' | 'http_api';
}

function localListener(config: Config, compat: CompatVersion, { port, host, protocol }: LocalAddress): WantedListener {
  return {
    port,
    host,
    path: null,
    place: { file: config.file ?? 'the default configuration', line: 0 },
    options: { ...settle('listener', new Map(), compat), protocol },
    security: config.security,
    plugins: [],
    isLocalOnly: true,
  };
}
