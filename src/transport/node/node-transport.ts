/**
 * TCP and unix sockets by node:net, for every system that node runs on.
 *
 * What node does not tell: when the process is out of descriptors, libuv accepts and closes the waiting connections by
 * itself (it keeps one descriptor back for that), and neither a connection nor an error is reported; the listener goes
 * on by itself once descriptors are free. Failures of accept that node does report go to `onAcceptError`.
 *
 * `connect` waits as long as the operating system tries, about two minutes; who wants less races it with a timer.
 */
import { connect, createServer, type Server } from 'node:net';
import type { Accept, ConnectTo, ListenAt, Listening, Transport, UnixAddress } from '../../base/link.ts';
import { type TransportOptions, toError } from '../transport-options.ts';
import { INPUT_BYTES_MAX, type LinkContext, openLink } from './node-link.ts';
import { WriteTurn } from './write-turn.ts';

/** Connections that the system keeps for us until they are accepted: a whole plant comes back at once. */
const BACKLOG = 1024;

/** Options of every socket, accepted or made. A link decides itself what follows on the end of the other side. */
const SOCKET_OPTIONS = { allowHalfOpen: true, noDelay: true, highWaterMark: INPUT_BYTES_MAX } as const;

/** A transport whose links share one tick for their writes; make one for the process. */
export function createNodeTransport(options: TransportOptions = {}): Transport {
  const context: LinkContext = {
    writeTurn: new WriteTurn(),
    onFault: options.onFault ?? (() => {}),
    isInputSpoiled: options.isInputSpoiled ?? false,
  };
  const onAcceptError = options.onAcceptError ?? (() => {});
  return {
    listen: (at, accept) => listen(at, accept, { context, onAcceptError }),
    connect: (to, accept) => connectTo(to, accept, context),
  };
}

interface ListenContext {
  readonly context: LinkContext;
  readonly onAcceptError: (error: Error) => void;
}

function listen(
  at: ListenAt | UnixAddress,
  accept: Accept,
  { context, onAcceptError }: ListenContext,
): Promise<Listening> {
  return new Promise((resolve, reject) => {
    const noDelay = 'path' in at || at.isDelayed !== true;
    const server = createServer({ ...SOCKET_OPTIONS, noDelay }, (socket) => {
      try {
        openLink(socket, context, accept, 'path' in at);
      } catch (error) {
        context.onFault(toError(error));
      }
    });
    server.once('error', reject);
    const where = 'path' in at ? { path: at.path } : { host: at.host, port: at.port, ipv6Only: at.isIpv6Only };
    server.listen({ ...where, backlog: BACKLOG }, () => {
      server.off('error', reject);
      server.on('error', onAcceptError);
      resolve(listening(server));
    });
  });
}

function listening(server: Server): Listening {
  const address = server.address();
  if (address === null) throw new TypeError('a server that listens has an address');
  return {
    host: typeof address === 'string' ? address : address.address,
    port: typeof address === 'string' ? 0 : address.port,
    // The port is free when `close` returns; what node would wait for are the open links.
    async close() {
      server.close();
    },
  };
}

function connectTo(to: ConnectTo, accept: Accept, context: LinkContext): Promise<void> {
  const place = 'path' in to ? to.path : `${to.host}:${to.port}`;
  return new Promise((resolve, reject) => {
    const where = 'path' in to ? { path: to.path } : { host: to.host, port: to.port };
    const socket = connect({ ...SOCKET_OPTIONS, ...where });
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      try {
        if (openLink(socket, context, accept, 'path' in to)) resolve();
        else reject(Object.assign(new Error(`connect to ${place}: reset`), { code: 'ECONNRESET' }));
      } catch (error) {
        context.onFault(toError(error));
        reject(error);
      }
    });
  });
}
