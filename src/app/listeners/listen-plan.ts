/**
 * Which sockets a listener stands for.
 *
 *   listener PORT                      0.0.0.0 and ::, each with a socket of its own; a machine without IPv6 has one
 *   listener PORT HOST                 the address, or every address that the name stands for
 *   listener 0 PATH                    a unix socket
 *   bind_interface NAME                the addresses of that interface
 *   socket_domain ipv4|ipv6            only those of one family
 *   none configured (local only)       127.0.0.1 and ::1; one of the two is enough
 */
import { networkInterfaces } from 'node:os';
import type { ListenAt, UnixAddress } from '../../base/link.ts';
import { StartFailure } from '../start-failure.ts';

/** Where the broker listens when nothing says otherwise: the port registered for MQTT. */
export const DEFAULT_PORT = 1883;

/** What of a listener decides its sockets. */
export interface ListenRequest {
  readonly port: number;
  /** Address or host name; null = every address. */
  readonly host: string | null;
  /** The file of a unix socket; null = TCP. */
  readonly path: string | null;
  readonly bindInterface: string | null;
  readonly socketDomain: 'ipv4' | 'ipv6' | null;
  /** False: TCP_NODELAY is not set. */
  readonly hasNoDelay: boolean;
  /** Nothing was configured: this machine only. */
  readonly isLocalOnly: boolean;
  /** `FILE:LINE` that asks for it; null = -p or the default. */
  readonly place: string | null;
}

/** Sockets that belong together: one listener. */
export interface ListenGroup {
  readonly port: number;
  readonly at: readonly (ListenAt | UnixAddress)[];
  /**
   * Failures that the group survives while another of its sockets is open. `any`: all of them. `family`: that this
   * machine does not have the address family.
   */
  readonly survives: 'any' | 'family';
  readonly place: string | null;
}

/** @throws StartFailure when a host name or an interface is not known, or has no address of the family asked for */
export async function planListener(request: ListenRequest): Promise<ListenGroup> {
  const { port, path, place, hasNoDelay, isLocalOnly } = request;
  if (path !== null) return { port: 0, at: [{ path }], survives: 'family', place };
  const hosts = await hostsOf(request);
  const wanted = hosts.filter((host) => isOfFamily(host, request.socketDomain));
  if (wanted.length === 0) throw noAddress(request, hosts);
  const at = wanted.map((host) => ({ host, port, isIpv6Only: isIpv6(host), isDelayed: !hasNoDelay }));
  return { port, at, survives: isLocalOnly ? 'any' : 'family', place };
}

/** Whether an address is one of IPv6. Node's own check compiles a pattern for 12 ms; addresses need no more than this. */
export function isIpv6(address: string): boolean {
  return address.includes(':');
}

function isOfFamily(host: string, domain: ListenRequest['socketDomain']): boolean {
  return domain === null || (domain === 'ipv6') === isIpv6(host);
}

async function hostsOf({ host, bindInterface, isLocalOnly, place }: ListenRequest): Promise<readonly string[]> {
  if (isLocalOnly) return ['127.0.0.1', '::1'];
  if (bindInterface === null) return host === null ? ['0.0.0.0', '::'] : await addressesOf(host, place);
  const own = interfaceAddresses(bindInterface, place);
  if (host === null) return own;
  const named = await addressesOf(host, place);
  const both = named.filter((address) => own.includes(address));
  if (both.length > 0) return both;
  throw new StartFailure(`${host} is not on ${bindInterface}`, [
    `Error: Interface address for ${bindInterface} does not match specified listener address (${host}).`,
    `${bindInterface} has: ${own.join(', ')}. Remove bind_interface or the address (${place}).`,
  ]);
}

function interfaceAddresses(name: string, place: string | null): readonly string[] {
  const all = networkInterfaces();
  const found = all[name];
  if (found === undefined) {
    throw new StartFailure(`no interface ${name}`, [
      `Error: Interface ${name} does not exist.`,
      `This machine has: ${Object.keys(all).join(', ')} (bind_interface of ${place}).`,
    ]);
  }
  return found.map(({ address, family, scopeid }) =>
    family === 'IPv6' && scopeid !== undefined && scopeid > 0 ? `${address}%${name}` : address,
  );
}

function noAddress(
  { socketDomain, bindInterface, host, place }: ListenRequest,
  hosts: readonly string[],
): StartFailure {
  const what = bindInterface ?? host ?? 'this machine';
  const family = socketDomain === 'ipv6' ? 'IPv6' : 'IPv4';
  return new StartFailure(`no ${family} address for ${what}`, [
    `Error: ${bindInterface === null ? what : `Interface ${what}`} does not support ${family} configuration.`,
    `It has: ${hosts.join(', ')}. Change socket_domain of the listener (${place}).`,
  ]);
}

async function addressesOf(host: string, place: string | null): Promise<readonly string[]> {
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
