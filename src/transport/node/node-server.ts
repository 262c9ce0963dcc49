/** A listening socket of node:net, told of each connection. */
import { createServer, type Server, type Socket } from 'node:net';
import type { ListenAt, Listening, UnixAddress } from '../../base/link.ts';
import { INPUT_BYTES_MAX } from './node-link.ts';

/** Connections that the system keeps for us until they are accepted: a whole plant comes back at once. */
const BACKLOG = 1024;

export interface ServerEvents {
  readonly onSocket: (socket: Socket) => void;
  /** A connection could not be accepted; the server goes on. */
  readonly onAcceptError: (error: Error) => void;
}

/** Rejects with the system's code when the address cannot be had. */
export function openServer(at: ListenAt | UnixAddress, events: ServerEvents): Promise<Listening> {
  return new Promise((resolve, reject) => {
    const noDelay = 'path' in at || at.isDelayed !== true;
    const options = { allowHalfOpen: true, noDelay, highWaterMark: INPUT_BYTES_MAX };
    const server = createServer(options, events.onSocket);
    server.once('error', reject);
    const where = 'path' in at ? { path: at.path } : { host: at.host, port: at.port, ipv6Only: at.isIpv6Only };
    server.listen({ ...where, backlog: BACKLOG }, () => {
      server.off('error', reject);
      server.on('error', events.onAcceptError);
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
