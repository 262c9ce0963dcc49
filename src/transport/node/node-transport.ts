/**
 * TCP and unix sockets by node:net, for every system that node runs on.
 *
 * What node does not tell: when the process is out of descriptors, libuv accepts and closes the waiting connections by
 * itself (it keeps one descriptor back for that), and neither a connection nor an error is reported; the listener goes
 * on by itself once descriptors are free. Failures of accept that node does report go to `onAcceptError`.
 *
 * `connect` waits as long as the operating system tries, about two minutes; who wants less races it with a timer.
 */
import { connect } from 'node:net';
import type { Accept, ConnectTo, ListenAt, Transport, UnixAddress } from '../../base/link.ts';
import { type TransportOptions, toError } from '../transport-options.ts';
import { INPUT_BYTES_MAX, type LinkContext, openLink } from './node-link.ts';
import { openServer } from './node-server.ts';
import { WriteTurn } from './write-turn.ts';

/** Options of every socket that is made; those of accepted ones are node-server's. A link decides itself what follows on the end of the other side. */
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

function listen(at: ListenAt | UnixAddress, accept: Accept, { context, onAcceptError }: ListenContext) {
  return openServer(at, {
    onAcceptError,
    onSocket: (socket) => {
      try {
        openLink(socket, context, accept, 'path' in at);
      } catch (error) {
        context.onFault(toError(error));
      }
    },
  });
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
