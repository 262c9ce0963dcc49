/**
 * Which sockets to open, from the configuration and the command line.
 *
 *   no listener configured   each port of -p (or 1883) on 127.0.0.1 and ::1; one of the two is enough
 *   listener PORT            0.0.0.0 and ::, each with a socket of its own; a machine without IPv6 has one
 *   listener PORT ADDRESS    the address, or every address that the name stands for
 */
import type { ListenAt } from '../base/link.ts';
import type { Config } from '../config/read-config.ts';
import { StartFailure } from './start-failure.ts';

/** Where the broker listens when nothing says otherwise: the port registered for MQTT. */
export const DEFAULT_PORT = 1883;

/** Sockets that belong together: one port, one line of the configuration or one -p. */
export interface ListenGroup {
  readonly port: number;
  readonly at: readonly ListenAt[];
  /**
   * Failures that the group survives while another of its sockets is open. `any`: all of them. `family`: that this
   * machine does not have the address family.
   */
  readonly survives: 'any' | 'family';
  /** The line of the configuration; null = it comes from -p or is the default. */
  readonly line: number | null;
}

/**
 * @param ports those of -p; not used when the configuration has listeners
 * @throws StartFailure when a host name is not known
 */
export async function planListeners(config: Config, ports: readonly number[]): Promise<readonly ListenGroup[]> {
  if (config.listeners.length === 0) return (ports.length === 0 ? [DEFAULT_PORT] : ports).map(localGroup);
  return await Promise.all(
    config.listeners.map(async ({ port, address, line }): Promise<ListenGroup> => {
      const hosts = address === null ? ['0.0.0.0', '::'] : await addressesOf(address, `${config.file}:${line}`);
      return { port, at: hosts.map((host) => listenAt(host, port)), survives: 'family', line };
    }),
  );
}

function localGroup(port: number): ListenGroup {
  return { port, at: ['127.0.0.1', '::1'].map((host) => listenAt(host, port)), survives: 'any', line: null };
}

function listenAt(host: string, port: number): ListenAt {
  return { host, port, isIpv6Only: isIpv6(host) };
}

/** Whether an address is one of IPv6. Node's own check compiles a pattern for 12 ms; addresses need no more than this. */
export function isIpv6(address: string): boolean {
  return address.includes(':');
}

async function addressesOf(host: string, place: string): Promise<readonly string[]> {
  // Loaded only by who needs it: without it and node:net the start is shorter.
  const { lookup } = await import('node:dns/promises');
  try {
    const found = await lookup(host, { all: true });
    return [...new Set(found.map(({ address }) => address))];
  } catch {
    throw new StartFailure(`no address for ${host}`, [
      'Error creating listener: Name or service not known.',
      `'${host}' (${place}) is neither an address nor a name that this machine can look up.`,
    ]);
  }
}
