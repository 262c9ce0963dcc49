/** A wire with its handshake, and ways to wait for an answer on it. */
import type { ConnackPacket } from '../protocol/packets.ts';
import type { ProtocolVersion } from '../protocol/version.ts';
import { type ConnectPlan, connectFrame, disconnectFrame, PING_FRAME } from './frames.ts';
import { type ReceivedPacket, Wire } from './wire.ts';

/** What all clients of a campaign share: where the broker is, and who looks on. */
export interface Scene {
  readonly port: number;
  /** Told of each packet that comes, before its receiver is. */
  readonly onPacket: (packet: ReceivedPacket) => void;
  readonly onNonsense: (clientId: string, error: Error) => void;
}

export type AnswerType = 'connack' | 'suback' | 'unsuback' | 'pingresp' | 'puback';

interface Waiting {
  readonly type: AnswerType;
  readonly resolve: (packet: ReceivedPacket | null) => void;
}

export class Line {
  readonly version: ProtocolVersion;
  /** CONNACK, or null when the line ended before. */
  readonly connack: Promise<ConnackPacket | null>;
  /** Resolves when the connection is over. */
  readonly ended: Promise<void>;
  readonly #wire: Wire;
  /** Whoever waits for an answer; one of a kind at a time on each line. */
  readonly #waiting: Waiting[] = [];
  readonly #onPacket: (packet: ReceivedPacket) => void;
  #isOpen = true;

  /** Connects and sends CONNECT. `onPacket` is told of every packet but CONNACK and PINGRESP. */
  constructor(scene: Scene, plan: ConnectPlan, onPacket: (packet: ReceivedPacket) => void) {
    this.version = plan.version;
    this.#onPacket = onPacket;
    let end = (): void => {};
    this.ended = new Promise((resolve) => {
      end = resolve;
    });
    this.#wire = new Wire(scene.port, plan.version, {
      onPacket: (packet) => {
        scene.onPacket(packet);
        this.#take(packet);
      },
      onNonsense: (error) => scene.onNonsense(plan.clientId, error),
      onEnd: () => {
        this.#isOpen = false;
        for (const { resolve } of this.#waiting.splice(0)) resolve(null);
        end();
      },
    });
    this.connack = this.answer('connack').then((packet) => (packet?.type === 'connack' ? packet : null));
    this.#wire.send(connectFrame(plan));
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Whether what comes is seen. */
  get isHearing(): boolean {
    return this.#isOpen && !this.#wire.isDeaf;
  }

  send(frame: Uint8Array): void {
    this.#wire.send(frame);
  }

  /** The next packet of that type; null when the line ends before. */
  answer(type: AnswerType): Promise<ReceivedPacket | null> {
    if (!this.#isOpen) return Promise.resolve(null);
    return new Promise((resolve) => this.#waiting.push({ type, resolve }));
  }

  /** @returns false when the line ended before the answer */
  async ping(): Promise<boolean> {
    const answer = this.answer('pingresp');
    this.send(PING_FRAME);
    return (await answer) !== null;
  }

  /** Sends DISCONNECT and waits until the broker has closed the connection. */
  async leave(withWill = false): Promise<void> {
    this.send(disconnectFrame(this.version, withWill));
    await this.ended;
  }

  drop(): void {
    this.#wire.drop();
  }

  goDeaf(): void {
    this.#wire.goDeaf();
  }

  #take(packet: ReceivedPacket): void {
    if (packet.type !== 'connack' && packet.type !== 'pingresp') this.#onPacket(packet);
    const index = this.#waiting.findIndex(({ type }) => type === packet.type);
    if (index >= 0) this.#waiting.splice(index, 1)[0]?.resolve(packet);
  }
}
