/** Ports of loopback for brokers that are started and killed again. */
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * For listeners: below those that Linux gives to clients, so that no connection of anybody can get one
 * between its choice and its use, and above those that `fetch` refuses.
 */
const [PORT_MIN, PORT_MAX] = [20_000, 32_767];
/** How many are tried; a machine where all of them are taken has other problems. */
const PORT_ATTEMPTS = 1000;
const givenPorts = new Set<number>();

/** A port of loopback that nobody has, and that this process was never given before. @throws Error when there is none */
export async function freePort(): Promise<number> {
  for (let attempt = 1; attempt <= PORT_ATTEMPTS; attempt += 1) {
    const port = randomInt(PORT_MIN, PORT_MAX + 1);
    if (givenPorts.has(port) || !(await isFree(port))) continue;
    givenPorts.add(port);
    return port;
  }
  throw new Error(`none of ${PORT_ATTEMPTS} ports from ${PORT_MIN} to ${PORT_MAX} is free on 127.0.0.1`);
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const isListening = new Promise<boolean>((resolve) => {
    server.once('listening', () => resolve(true)).once('error', () => resolve(false));
  });
  server.listen({ host: '127.0.0.1', port });
  if (!(await isListening)) return false;
  server.close();
  await once(server, 'close');
  return true;
}
