/**
 * Sockets that mean no good, kept up. Those that a broker lets live for a while are so many at a time; one that was ended
 * is opened again, at a bounded rate:
 *
 *   silent        sends nothing
 *   endless drip  announces a large CONNECT and sends it one byte at a time, never to the end
 *   valid drip    connects, subscribes, publishes and pings as it should, one byte at a time
 *
 * Those that are ended at once come on top, so many a second:
 *
 *   noise         sends random bytes at once
 *   noise drip    sends random bytes, one at a time
 */
import { connect, type Socket } from 'node:net';
import type { Chance } from '../fixtures/chance.ts';
import { Paced } from '../fixtures/paced.ts';
import { allOf, field, frame, rawConnect, rawPublish, rawSubscribe } from '../fixtures/raw-packets.ts';

export interface SwarmPlan {
  readonly port: number;
  readonly seed: number;
  /** How many of the first sort are to be open at a time. */
  readonly sockets: number;
  /** How many of them are opened a second at most. */
  readonly opensPerSecond: number;
  /** How many of the second sort are opened a second. */
  readonly noisesPerSecond: number;
  /** Single bytes a second, all together. */
  readonly dripsPerSecond: number;
}

export interface SwarmCounts {
  /** Open now, of the first sort. */
  open: number;
  /** Since the start: connections of either sort, those ended by the other side, those that could not be made. */
  made: number;
  noises: number;
  ended: number;
  failed: number;
  /** Single bytes sent. */
  drips: number;
}

export const NO_COUNTS: SwarmCounts = { open: 0, made: 0, noises: 0, ended: 0, failed: 0, drips: 0 };

/** So many addresses of loopback are used, that ports of closed connections need not be free again. */
const SOURCES = 16;
const NOISE_BYTES_MAX = 200;
/** A noise drip waits for its turn; so many seconds' worth of noise may be open. */
const NOISE_SECONDS_MAX = 10;
/** What an endless CONNECT announces: less than the broker's largest packet. */
const ENDLESS_BYTES = 100_000;
const KINDS = [
  [50, 'silent'],
  [25, 'endless drip'],
  [25, 'valid drip'],
] as const;
const NOISE_KINDS = [
  [50, 'noise'],
  [50, 'noise drip'],
] as const;
type Kind = (typeof KINDS | typeof NOISE_KINDS)[number][1];

/** A socket, and where it stands in what it sends byte by byte. */
interface Dripper {
  readonly socket: Socket;
  /** Sent once. */
  readonly first: Uint8Array;
  /** Sent again and again after it; null: random bytes. */
  readonly again: Uint8Array | null;
  at: number;
}

export class Swarm {
  readonly counts: SwarmCounts = { ...NO_COUNTS };
  readonly #plan: SwarmPlan;
  readonly #chance: Chance;
  readonly #sockets = new Set<Socket>();
  #drippers: Dripper[] = [];
  #next = 0;
  #opening = 0;
  #serial = 0;
  readonly #pacers: readonly Paced[];

  constructor(plan: SwarmPlan, chance: Chance) {
    this.#plan = plan;
    this.#chance = chance;
    this.#pacers = [
      new Paced(plan.opensPerSecond, () => this.#openLasting()),
      new Paced(plan.noisesPerSecond, () => this.#openNoise()),
      new Paced(plan.dripsPerSecond, () => this.#drip()),
    ];
  }

  /** Ends all: half of them with a reset. */
  stop(): void {
    for (const pacer of this.#pacers) pacer.stop();
    for (const socket of this.#sockets) {
      if (this.#chance.percent(50)) socket.resetAndDestroy();
      else socket.destroy();
    }
  }

  #openLasting(): void {
    if (this.counts.open + this.#opening >= this.#plan.sockets) return;
    this.#opening += 1;
    const socket = this.#open();
    let isOpen = false;
    socket.once('connect', () => {
      isOpen = true;
      this.#opening -= 1;
      this.counts.open += 1;
      this.#begin(socket, this.#chance.weighted(KINDS));
    });
    socket.once('close', () => {
      if (isOpen) this.counts.open -= 1;
      else this.#opening -= 1;
    });
  }

  #openNoise(): void {
    const { sockets, noisesPerSecond } = this.#plan;
    if (this.#sockets.size >= sockets + noisesPerSecond * NOISE_SECONDS_MAX) return;
    const socket = this.#open();
    socket.once('connect', () => {
      this.counts.noises += 1;
      this.#begin(socket, this.#chance.weighted(NOISE_KINDS));
    });
  }

  #open(): Socket {
    this.#serial += 1;
    const localAddress = `127.0.0.${2 + (this.#serial % SOURCES)}`;
    const socket = connect({ host: '127.0.0.1', port: this.#plan.port, localAddress, noDelay: true });
    let isMade = false;
    socket.on('error', () => {});
    socket.resume();
    socket.once('connect', () => {
      isMade = true;
      this.counts.made += 1;
    });
    socket.once('close', () => {
      this.#sockets.delete(socket);
      if (isMade) this.counts.ended += 1;
      else this.counts.failed += 1;
    });
    this.#sockets.add(socket);
    return socket;
  }

  #begin(socket: Socket, kind: Kind): void {
    const chance = this.#chance;
    const dripping = (first: Uint8Array, again: Uint8Array | null): void => {
      this.#drippers.push({ socket, first, again, at: 0 });
    };
    switch (kind) {
      case 'silent':
        return;
      case 'noise':
        socket.write(chance.bytes(chance.between(1, NOISE_BYTES_MAX)));
        return;
      case 'noise drip':
        dripping(new Uint8Array(0), null);
        return;
      case 'endless drip':
        dripping(frame(0x10, new Uint8Array(ENDLESS_BYTES)), null);
        return;
      case 'valid drip':
        dripping(this.#connect(), this.#talk());
        return;
    }
  }

  /** One byte of the next one in turn. */
  #drip(): void {
    while (this.#drippers.length > 0) {
      if (this.#next >= this.#drippers.length) this.#forgetClosed();
      const dripper = this.#drippers[this.#next++];
      if (dripper === undefined || !dripper.socket.writable) continue;
      dripper.socket.write(Uint8Array.of(this.#byteOf(dripper)));
      this.counts.drips += 1;
      return;
    }
  }

  #forgetClosed(): void {
    this.#next = 0;
    this.#drippers = this.#drippers.filter(({ socket }) => socket.writable);
  }

  #byteOf(dripper: Dripper): number {
    const { first, again } = dripper;
    const at = dripper.at++;
    if (at < first.length) return first[at] ?? 0;
    if (again === null) return this.#chance.below(256);
    return again[(at - first.length) % again.length] ?? 0;
  }

  #connect(): Uint8Array {
    return rawConnect({ keepAlive: 0, payload: [field(`drip-${this.#serial}`)] });
  }

  #talk(): Uint8Array {
    const topic = `drip/${this.#serial % 100}`;
    return allOf([rawSubscribe([[topic, 0]]), rawPublish(topic, { payload: 'drop by drop' }), Uint8Array.of(0xc0, 0)]);
  }
}
