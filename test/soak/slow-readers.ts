/**
 * Subscribers to large messages that do not read: what waits for them fills their socket and then their queue. After a
 * while each either reads on or breaks, and another one comes.
 */
import { connect, type Socket } from 'node:net';
import type { Chance } from '../fixtures/chance.ts';
import { field, rawConnect, rawSubscribe } from '../fixtures/raw-packets.ts';

export const LARGE_TOPIC = 'soak/large';

export interface SlowReaderOptions {
  readonly count: number;
  /** The longest time for which one does not read. */
  readonly holdMsMax: number;
}

export class SlowReaders {
  /** Bytes that they read after all. */
  readBytes = 0;
  comeCount = 0;
  readonly #port: number;
  readonly #chance: Chance;
  readonly #options: SlowReaderOptions;
  readonly #sockets = new Map<Socket, NodeJS.Timeout>();
  #isOver = false;

  constructor(port: number, chance: Chance, options: SlowReaderOptions) {
    this.#port = port;
    this.#chance = chance;
    this.#options = options;
    for (let index = 0; index < options.count; index += 1) this.#come(index);
  }

  /** All leave, whatever waits for them. */
  stop(): void {
    this.#isOver = true;
    for (const [socket, timer] of this.#sockets) {
      clearTimeout(timer);
      socket.destroy();
    }
  }

  #come(index: number): void {
    const chance = this.#chance;
    this.comeCount += 1;
    const socket = connect({ host: '127.0.0.1', port: this.#port });
    socket.on('error', () => {});
    socket.on('close', () => {
      clearTimeout(this.#sockets.get(socket));
      this.#sockets.delete(socket);
      if (!this.#isOver) this.#come(index);
    });
    socket.write(rawConnect({ keepAlive: 0, payload: [field(`slow-${index}`)] }));
    socket.write(rawSubscribe([[LARGE_TOPIC, chance.below(2)]]));
    socket.pause();
    const holdMs = chance.between(this.#options.holdMsMax / 4, this.#options.holdMsMax);
    this.#sockets.set(
      socket,
      setTimeout(() => this.#leave(socket), holdMs),
    );
  }

  /** Breaks, or reads what has come and says goodbye. */
  #leave(socket: Socket): void {
    if (this.#chance.percent(50)) {
      socket.destroy();
      return;
    }
    socket.on('data', (chunk: Buffer) => {
      this.readBytes += chunk.length;
    });
    socket.resume();
    socket.end(Uint8Array.of(0xe0, 0));
  }
}
