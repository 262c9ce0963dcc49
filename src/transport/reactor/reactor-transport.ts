/**
 * TCP and unix sockets on the reactor. `connect` waits as long as the operating system tries, about two minutes; who
 * wants less races it with a timer.
 */
import type { Accept, ConnectTo, ListenAt, Listening, Transport, UnixAddress } from '../../base/link.ts';
import { TimerQueue } from '../../base/timer-queue.ts';
import { systemClock } from '../node/node-clock.ts';
import type { TransportOptions } from '../transport-options.ts';
import { connectSocket } from './connector.ts';
import { parseIpv4, parseIpv6 } from './ip-address.ts';
import { Listener } from './listener.ts';
import type { Reactor } from './reactor.ts';
import type { LinkContext } from './reactor-link.ts';
import {
  AF_INET6,
  AF_UNIX,
  boundHostOf,
  portOf,
  type WrittenAddress,
  writeInternetAddress,
  writeUnixAddress,
} from './socket-address.ts';
import { systemError } from './system-error.ts';

/** Connections that the system keeps for us until they are accepted: a whole plant comes back at once. */
const BACKLOG = 1024;

/** A transport whose links live in `reactor`. */
export function createReactorTransport(reactor: Reactor, options: TransportOptions = {}): Transport {
  const context: LinkContext = {
    reactor,
    timers: new TimerQueue(systemClock),
    onFault: options.onFault ?? (() => {}),
    isInputSpoiled: options.isInputSpoiled ?? false,
  };
  const onAcceptError = options.onAcceptError ?? (() => {});
  return {
    listen: (at, accept) => listen(at, { context, accept, onAcceptError }),
    connect: (to, accept) => connectTo(to, accept, context),
  };
}

interface ListenRequest {
  readonly context: LinkContext;
  readonly accept: Accept;
  readonly onAcceptError: (error: Error) => void;
}

async function listen(at: ListenAt | UnixAddress, request: ListenRequest): Promise<Listening> {
  if ('path' in at) {
    const write = (into: Uint8Array) => writeUnixAddress(into, at.path);
    const { path } = at;
    return listenSocket({ ...request, write, where: path, isIpv6Only: false, isDelayed: false, path });
  }
  const [host = at.host] = await addressesOf(at.host);
  const write = (into: Uint8Array) => writeInternetAddress(into, host, at.port);
  const { port, isIpv6Only, isDelayed = false } = at;
  return listenSocket({ ...request, write, where: placeOf(host, port), isIpv6Only, isDelayed, path: null });
}

interface SocketRequest extends ListenRequest {
  readonly write: (into: Uint8Array) => WrittenAddress;
  readonly where: string;
  readonly isIpv6Only: boolean;
  readonly isDelayed: boolean;
  readonly path: string | null;
}

function listenSocket(request: SocketRequest): Listener {
  const { context, accept, onAcceptError, write, where, isIpv6Only, isDelayed, path } = request;
  const { native } = context.reactor;
  const address = write(native.socketAddress);
  const fd = native.socket(address.family);
  let isBound = false;
  const check = (result: number) => {
    if (result >= 0) return;
    if (fd >= 0) native.close(fd);
    if (isBound && path !== null) native.unlink(path);
    throw systemError('listen', -result, where);
  };
  check(fd);
  if (address.family !== AF_UNIX) {
    check(native.setReuseAddress(fd));
    // Accepted sockets inherit it.
    if (!isDelayed) check(native.setNoDelay(fd));
  }
  if (address.family === AF_INET6) check(native.setIpv6Only(fd, isIpv6Only));
  check(native.bind(fd, address.byteCount));
  isBound = true;
  check(native.listen(fd, BACKLOG));
  check(native.localAddress(fd));
  const { socketAddress } = native;
  const bound =
    path === null ? { host: boundHostOf(socketAddress), port: portOf(socketAddress) } : { host: path, port: 0 };
  return new Listener(fd, { context, accept, onAcceptError, ...bound, path });
}

async function connectTo(to: ConnectTo, accept: Accept, context: LinkContext): Promise<void> {
  if ('path' in to) {
    const { path } = to;
    const writeAddress = (into: Uint8Array) => writeUnixAddress(into, path);
    return connectSocket({ context, accept, writeAddress, where: path });
  }
  let firstError: unknown = null;
  for (const host of await addressesOf(to.host)) {
    try {
      const writeAddress = (into: Uint8Array) => writeInternetAddress(into, host, to.port);
      return await connectSocket({ context, accept, writeAddress, where: placeOf(host, to.port) });
    } catch (error) {
      firstError ??= error;
    }
  }
  throw firstError;
}

/** The addresses that a name stands for. @throws when it is not known */
async function addressesOf(host: string): Promise<readonly string[]> {
  if (isAddress(host)) return [host];
  const { lookup } = await import('node:dns/promises');
  const found = await lookup(host, { all: true });
  return found.map(({ address }) => address);
}

function isAddress(host: string): boolean {
  const [address = ''] = host.split('%', 1);
  return parseIpv4(host) !== null || parseIpv6(address) !== null;
}

function placeOf(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
