/**
 * Who holds a port, as far as Linux shows it: /proc/net/tcp{,6} name the socket's inode and its user, and the process
 * is the one that has an open descriptor of that inode. Descriptors of other users' processes are visible to root only.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { endianness } from 'node:os';
import { basename } from 'node:path';

/** Descriptors looked at, at most: on a machine with more the answer is "not visible". */
const DESCRIPTORS_MAX = 200_000;

export type PortHolder =
  | { readonly kind: 'process'; readonly pid: number; readonly name: string }
  /** Only the owner of the process is visible. */
  | { readonly kind: 'user'; readonly name: string }
  | { readonly kind: 'hidden' };

interface ListeningSocket {
  readonly address: string;
  readonly port: number;
  readonly userId: string;
  readonly inode: string;
}

/** The holder of `port` on `host`, or on an address that `host` collides with. */
export function findPortHolder(host: string, port: number): PortHolder {
  const wanted = hexOf(host);
  const sockets = listeningSockets().filter((socket) => socket.port === port && collide(socket.address, wanted));
  const [first] = sockets;
  if (first === undefined) return { kind: 'hidden' };
  const pid = processWith(new Set(sockets.map(({ inode }) => `socket:[${inode}]`)));
  if (pid !== null) return { kind: 'process', pid, name: nameOf(pid) };
  return { kind: 'user', name: userName(first.userId) };
}

/** The first port after `port` that nobody listens on, as far as can be seen. */
export function nextFreePort(port: number): number {
  const taken = new Set(listeningSockets().map((socket) => socket.port));
  let next = port + 1;
  while (next < 65_535 && taken.has(next)) next++;
  return next > 65_535 ? 1884 : next;
}

function listeningSockets(): readonly ListeningSocket[] {
  return ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((table) => readText(table).split('\n').slice(1).flatMap(readRow));
}

//  sl  local_address rem_address   st tx_queue:rx_queue tr:tm->when retrnsmt   uid  timeout inode
//   0: 0100007F:075B 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 31415 ...
function readRow(row: string): ListeningSocket[] {
  const [, local = '', , state, , , , userId = '', , inode = ''] = row.trim().split(/\s+/);
  const [address = '', port = ''] = local.split(':');
  return state === '0A' ? [{ address, port: Number.parseInt(port, 16), userId, inode }] : [];
}

function collide(a: string, b: string): boolean {
  return a === b || /^0*$/.test(a) || /^0*$/.test(b);
}

/** An address as /proc/net shows it: words of 32 bits in the byte order of the machine. */
function hexOf(host: string): string {
  const bytes = host.includes(':') ? ipv6Bytes(host) : host.split('.').map(Number);
  const hex = bytes.map((byte) => byte.toString(16).padStart(2, '0').toUpperCase());
  const words = Array.from({ length: hex.length / 4 }, (_, index) => hex.slice(index * 4, index * 4 + 4));
  return words.map((word) => (endianness() === 'LE' ? word.reverse() : word).join('')).join('');
}

function ipv6Bytes(host: string): readonly number[] {
  const [left = '', right] = host.replace(/%.*$/, '').split('::');
  const groups = (part: string) => part.split(':').filter((group) => group !== '');
  const head = groups(left);
  const tail = groups(right ?? '');
  const zeros = Array.from({ length: Math.max(0, 8 - head.length - tail.length) }, () => '0');
  const all = [...head, ...zeros, ...tail].map((group) => Number.parseInt(group, 16));
  return all.flatMap((group) => [group >> 8, group & 0xff]);
}

function processWith(sockets: ReadonlySet<string>): number | null {
  let left = DESCRIPTORS_MAX;
  for (const pid of namesIn('/proc').filter((name) => /^[0-9]+$/.test(name))) {
    const descriptors = namesIn(`/proc/${pid}/fd`);
    left -= descriptors.length;
    if (left < 0) return null;
    if (descriptors.some((descriptor) => sockets.has(linkOf(`/proc/${pid}/fd/${descriptor}`)))) return Number(pid);
  }
  return null;
}

/** What to call a process. Of its arguments only a script's name is shown: others may be secrets. */
function nameOf(pid: number): string {
  const [program = '', ...args] = readText(`/proc/${pid}/cmdline`).split('\0');
  const name = basename(program) || readText(`/proc/${pid}/comm`).trim() || 'a process';
  if (!/^node(js)?$/.test(name)) return name;
  const script = args.find((arg) => arg !== '' && !arg.startsWith('-')) ?? '';
  if (/zanzara|\/(src|dist)\/cli\/main\.c?[jt]s$/.test(script)) return 'another Zanzara';
  return script === '' ? name : `${name} ${basename(script)}`;
}

function userName(userId: string): string {
  const row = readText('/etc/passwd')
    .split('\n')
    .find((line) => line.split(':')[2] === userId);
  return row?.split(':')[0] ?? userId;
}

// Processes come and go while they are looked at, and many are not ours to see: what cannot be read is not there.

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
