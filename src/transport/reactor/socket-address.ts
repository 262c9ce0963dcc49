/**
 * `struct sockaddr` as Linux lays it out, the same on x86-64 and arm64. Family in the machine's order (little-endian on
 * both), port and addresses in the network's.
 *
 *   AF_INET    | family 2 | port 2 | address 4 | zero 8 |
 *   AF_INET6   | family 2 | port 2 | flow 4 | address 16 | scope 4 |
 *   AF_UNIX    | family 2 | path, ended by a zero |
 */
import { networkInterfaces } from 'node:os';
import { ipv4Text, ipv6Text, parseIpv4, parseIpv6 } from './ip-address.ts';

export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;

const INET_BYTES = 16;
const INET6_BYTES = 28;
/** Bytes of a path of a unix socket, its ending zero not counted. */
export const UNIX_PATH_BYTES_MAX = 107;

/** An address that was written, and how to make a socket for it. */
export interface WrittenAddress {
  readonly family: number;
  readonly byteCount: number;
}

/** Writes an IP address into `into`. @throws TypeError when `host` is not one */
export function writeInternetAddress(into: Uint8Array, host: string, port: number): WrittenAddress {
  const ipv4 = parseIpv4(host);
  if (ipv4 !== null) {
    writeHead(into, AF_INET, port);
    into.set(ipv4, 4);
    into.fill(0, 8, INET_BYTES);
    return { family: AF_INET, byteCount: INET_BYTES };
  }
  const [address = '', zone] = host.split('%', 2);
  const ipv6 = parseIpv6(address);
  if (ipv6 === null) throw new TypeError(`'${host}' is not an IP address`);
  writeHead(into, AF_INET6, port);
  into.fill(0, 4, INET6_BYTES);
  into.set(ipv6, 8);
  if (zone !== undefined) writeScope(into, scopeOf(zone));
  return { family: AF_INET6, byteCount: INET6_BYTES };
}

/** Writes the address of a unix socket. @throws RangeError when the path is too long for one */
export function writeUnixAddress(into: Uint8Array, path: string): WrittenAddress {
  const bytes = Buffer.from(path);
  if (bytes.length === 0 || bytes.length > UNIX_PATH_BYTES_MAX || bytes.includes(0)) {
    throw new RangeError(
      `the path of a unix socket has 1 to ${UNIX_PATH_BYTES_MAX} bytes and no zero among them, '${path}' has ${bytes.length}`,
    );
  }
  into[0] = AF_UNIX;
  into[1] = 0;
  into.set(bytes, 2);
  into[2 + bytes.length] = 0;
  return { family: AF_UNIX, byteCount: 3 + bytes.length };
}

/** The address as text; '' for a unix socket. An IPv4 peer of an IPv6 socket is written as everybody writes it. */
export function hostOf(from: Uint8Array): string {
  if (from[0] === AF_INET) return ipv4Text(from, 4);
  if (from[0] !== AF_INET6) return '';
  if (isMappedIpv4(from)) return ipv4Text(from, 20);
  const text = ipv6Text(from, 8);
  // Only a link-local address means nothing without its interface.
  return from[8] === 0xfe && (from[9]! & 0xc0) === 0x80 ? `${text}%${zoneOf(readScope(from))}` : text;
}

/** The same for what a listener is bound to, where '::ffff:' is not hidden. */
export function boundHostOf(from: Uint8Array): string {
  return from[0] === AF_INET6 && isMappedIpv4(from) ? `::ffff:${ipv4Text(from, 20)}` : hostOf(from);
}

/** 0 for a unix socket. */
export function portOf(from: Uint8Array): number {
  return from[0] === AF_UNIX ? 0 : from[2]! * 256 + from[3]!;
}

function writeHead(into: Uint8Array, family: number, port: number): void {
  into[0] = family;
  into[1] = 0;
  into[2] = port >> 8;
  into[3] = port & 0xff;
}

function isMappedIpv4(from: Uint8Array): boolean {
  for (let at = 8; at < 18; at++) if (from[at] !== 0) return false;
  return from[18] === 0xff && from[19] === 0xff;
}

/** The number of an interface: given as such, or looked up. 0 = none. */
function scopeOf(zone: string): number {
  const number = Number(zone);
  if (Number.isInteger(number)) return number;
  const addresses = networkInterfaces()[zone] ?? [];
  return addresses.find(({ family }) => family === 'IPv6')?.scopeid ?? 0;
}

function writeScope(into: Uint8Array, scope: number): void {
  for (let index = 0; index < 4; index++) into[24 + index] = (scope >>> (8 * index)) & 0xff;
}

function readScope(from: Uint8Array): number {
  return from[24]! + from[25]! * 2 ** 8 + from[26]! * 2 ** 16 + from[27]! * 2 ** 24;
}

function zoneOf(scope: number): string {
  for (const [name, addresses = []] of Object.entries(networkInterfaces())) {
    if (addresses.some((address) => address.family === 'IPv6' && address.scopeid === scope)) return name;
  }
  return String(scope);
}
