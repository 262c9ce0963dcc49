/** Turns a socket that could not be opened into words: what is in the way, and what to do about it. */
import { networkInterfaces } from 'node:os';
import type { ListenAt } from '../../base/link.ts';
import { DEFAULT_PORT } from './listen-plan.ts';
import { findPortHolder, nextFreePort, type PortHolder } from './port-holder.ts';

/** Addresses of this machine that are listed at most. */
const ADDRESSES_SHOWN_MAX = 10;

/** What the mend has to name. */
export interface ListenSource {
  /** How the user starts Zanzara. */
  readonly command: string;
  /** `FILE:LINE` that asks for the socket; null = -p or the default. */
  readonly place: string | null;
}

const TEXTS: ReadonlyMap<string, string> = new Map([
  ['EADDRINUSE', 'Address already in use'],
  ['EACCES', 'Permission denied'],
  ['EADDRNOTAVAIL', 'Cannot assign requested address'],
  ['EINVAL', 'Invalid argument'],
  ['EAFNOSUPPORT', 'Address family not supported by protocol'],
]);

/** The system's code of a failure, '' when it has none. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

/** The failure in the words that C programs use, Mosquitto among them. */
export function listenErrorText(error: unknown): string {
  return TEXTS.get(codeOf(error)) ?? (error instanceof Error ? error.message : String(error));
}

/** Lines that explain why a unix socket could not be opened. */
export function explainUnixFailure(error: unknown, path: string, place: string | null): readonly string[] {
  const named = place === null ? '' : ` (${place})`;
  switch (codeOf(error)) {
    case 'EADDRINUSE':
      return [`'${path}'${named} is there already: another program listens on it, or it is a file of another kind.`];
    case 'EACCES':
    case 'ENOENT':
      return [
        `The folder of '${path}'${named} must be there, and the user of the broker must be allowed to write to it.`,
      ];
    case 'EINVAL':
    case 'ENAMETOOLONG':
      return [`'${path}'${named} is too long for the path of a unix socket: 107 bytes at most.`];
    default:
      return [];
  }
}

/** Lines that explain the failure. */
export function explainListenFailure(error: unknown, at: ListenAt, source: ListenSource): readonly string[] {
  switch (codeOf(error)) {
    case 'EADDRINUSE':
      return explainTaken(at.port, findPortHolder(at.host, at.port), source);
    case 'EACCES':
      return explainForbidden(at.port, source);
    case 'EINVAL':
      return explainInvalid(at.host, source);
    case 'EADDRNOTAVAIL':
      return [`${at.host} is not an address of this machine${named(source)}. It has: ${ownAddresses().join(', ')}.`];
    default:
      return [];
  }
}

function explainTaken(port: number, holder: PortHolder, source: ListenSource): readonly string[] {
  if (holder.kind === 'process' && holder.pid === process.pid) {
    return [`Port ${port} is already open in this broker: it is configured twice${named(source)}.`];
  }
  return [holderLine(port, holder), `${otherPort(source, nextFreePort(port))} ${stopLine(holder)}`];
}

function holderLine(port: number, holder: PortHolder): string {
  if (holder.kind === 'process') return `Port ${port} is held by ${holder.name} (pid ${holder.pid}).`;
  if (holder.kind === 'user') {
    return `Port ${port} is held by a process of user '${holder.name}'; which one is visible to root only.`;
  }
  return `Port ${port} is held by a process that cannot be seen from here.`;
}

function stopLine(holder: PortHolder): string {
  const isMosquitto = holder.kind === 'process' && holder.name === 'mosquitto';
  if (isMosquitto) return 'Or stop the other broker: sudo systemctl stop mosquitto.';
  return holder.kind === 'process' ? `Or stop the other process: kill ${holder.pid}` : 'Or stop the other process.';
}

function explainInvalid(host: string, source: ListenSource): readonly string[] {
  if (!/^fe80:/i.test(host) || host.includes('%')) return [`${host} cannot be listened on${named(source)}.`];
  return [`${host} is a link-local address${named(source)}: it needs the interface behind it, such as ${host}%eth0.`];
}

function explainForbidden(port: number, source: ListenSource): readonly string[] {
  if (port >= 1024) return [];
  return [
    `Ports below 1024, such as ${port}, need the capability CAP_NET_BIND_SERVICE.`,
    `${otherPort(source, DEFAULT_PORT)} Or give it in the systemd unit: AmbientCapabilities=CAP_NET_BIND_SERVICE`,
  ];
}

function otherPort({ command, place }: ListenSource, port: number): string {
  return place === null
    ? `Use another port: ${command} -p ${port}.`
    : `Use another port, such as ${port}, in ${place}.`;
}

function named({ place }: ListenSource): string {
  return place === null ? '' : ` (${place})`;
}

function ownAddresses(): readonly string[] {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return all.slice(0, ADDRESSES_SHOWN_MAX).map(({ address }) => address);
}
