/**
 * TCP by node:net, for every system that node runs on.
 *
 * What node does not tell: when the process is out of descriptors, libuv accepts and closes the waiting connections by
 * itself (it keeps one descriptor back for that), and neither a connection nor an error is reported; the listener goes
 * on by itself once descriptors are free. Failures of accept that node does report go to `onAcceptError`.
 *
 * `connect` waits as long as the operating system tries, about two minutes; who wants less races it with a timer.
 */
import { connect, createServer, type Server } from 'node:net';
import type { Accept, ListenAt, Listening, Transport } from '../../base/link.ts';
import { INPUT_BYTES_MAX, type LinkContext, openLink, toError } from './node-link.ts';
import { WriteTurn } from './write-turn.ts';

/** Connections that the system keeps for us until they are accepted: a whole plant comes back at once. */
const BACKLOG = 1024;

export interface NodeTransportOptions {
  /**
   * Told of an exception out of a LinkEvents method or an Accept: a defect of ours. That link alone has ended; the
   * process goes on. The exception is also the error of its `onEnd`.
   */
  readonly onFault?: (error: Error) => void;
  /** Told when a connection could not be accepted. The listener goes on. */
  readonly onAcceptError?: (error: Error) => void;
  /** For tests: each chunk is overwritten after `onBytes`, so that whoever keeps a borrow notices. */
  readonly isInputSpoiled?: boolean;
}

/** Options of every socket, accepted or made. A link decides itself what follows on the end of the other side. */
const SOCKET_OPTIONS = { allowHalfOpen: true, noDelay: true, highWaterMark: INPUT_BYTES_MAX } as const;

/** A transport whose links share one tick for their writes; make one for the process. */
export function createNodeTransport(options: NodeTransportOptions = {}): Transport {
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

function listen(at: ListenAt, accept: Accept, { context, onAcceptError }: ListenContext): Promise<Listening> {
  return new Promise((resolve, reject) => {
    const server = createServer(SOCKET_OPTIONS, (socket) => {
      try {
        openLink(socket, context, accept);
      } catch (error) {
        context.onFault(toError(error));
      }
    });
    server.once('error', reject);
    server.listen({ host: at.host, port: at.port, ipv6Only: at.isIpv6Only, backlog: BACKLOG }, () => {
      server.off('error', reject);
      server.on('error', onAcceptError);
      resolve(listening(server));
    });
  });
}

function listening(server: Server): Listening {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('a TCP server has an address and a port');
  return {
    host: address.address,
    port: address.port,
    // The port is free when `close` returns; what node would wait for are the open links.
    async close() {
      server.close();
    },
  };
}

function connectTo(
  to: { readonly host: string; readonly port: number },
  accept: Accept,
  context: LinkContext,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ ...SOCKET_OPTIONS, host: to.host, port: to.port });
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      try {
        if (openLink(socket, context, accept)) resolve();
        else reject(Object.assign(new Error(`connect to ${to.host}:${to.port}: reset`), { code: 'ECONNRESET' }));
      } catch (error) {
        context.onFault(toError(error));
        reject(error);
      }
    });
  });
}
