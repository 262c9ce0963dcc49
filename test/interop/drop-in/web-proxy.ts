/** A web server that stands before a broker, as nginx or a cloud's balancer does: it forwards upgrades and says for whom. */
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';

/** Whom the proxy says it asks for. */
const CLIENT_ADDRESS = '203.0.113.7';

export interface WebProxy {
  readonly port: number;
  close(): Promise<void>;
}

/** Opens it on a free port of loopback, in front of `backendPort`. */
export async function openWebProxy(backendPort: number): Promise<WebProxy> {
  const server = createServer((request, response) => {
    const upstream = forward(request, backendPort);
    let answer = '';
    upstream.setEncoding('latin1').on('data', (text: string) => {
      answer += text;
    });
    upstream.on('error', () => undefined);
    upstream.once('close', () => {
      // As a proxy does that got no answer.
      const status = Number(/^HTTP\/1\.\d (\d{3})/.exec(answer)?.[1] ?? 502);
      response.writeHead(status, { connection: 'close' }).end();
    });
  });
  const open = new Set<Duplex>();
  server.on('upgrade', (request, socket, head) => {
    const upstream = forward(request, backendPort);
    if (head.length > 0) upstream.write(head);
    for (const [from, to] of [
      [socket, upstream],
      [upstream, socket],
    ] as const) {
      open.add(from);
      from.on('error', () => undefined);
      from.once('close', () => {
        open.delete(from);
        to.destroy();
      });
      from.pipe(to);
    }
  });
  server.listen({ host: '127.0.0.1', port: 0 });
  await once(server, 'listening');
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    close: async () => {
      for (const socket of open) socket.destroy();
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

/** The same request to the broker, with the lines that proxies add. */
function forward({ method, url, rawHeaders }: IncomingMessage, port: number): Socket {
  const lines = [`${method} ${url} HTTP/1.1`];
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? '';
    lines.push(name.toLowerCase() === 'host' ? 'Host: broker.example' : `${name}: ${rawHeaders[at + 1]}`);
  }
  lines.push(
    `X-Forwarded-For: ${CLIENT_ADDRESS}`,
    `X-Real-IP: ${CLIENT_ADDRESS}`,
    'X-Forwarded-Proto: https',
    'Via: 1.1 proxy',
  );
  const socket = connect({ host: '127.0.0.1', port });
  socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  return socket;
}
