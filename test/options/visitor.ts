/** Our own client, as tests of options use it: it keeps what it receives, and says how it was refused. */
import assert from 'node:assert/strict';
import type { Transport } from '../../src/base/link.ts';
import {
  ConnectFailedError,
  type ConnectOptions,
  ConnectRefusedError,
  type IncomingMessage,
  type SubscribeFilter,
  type TracedPacket,
} from '../../src/client/client-types.ts';
import { connectClient } from '../../src/client/connect-client.ts';
import type { MqttClient } from '../../src/client/mqtt-client.ts';
import { systemClock } from '../../src/transport/node/node-clock.ts';
import { createNodeTransport } from '../../src/transport/node/node-transport.ts';

const PLAIN = createNodeTransport();

export interface VisitorOptions extends Partial<Omit<ConnectOptions, 'onMessage' | 'onTrace'>> {
  /** How it gets to the broker; plain TCP by default. */
  readonly transport?: Pick<Transport, 'connect'>;
  /** False: it takes messages and never acknowledges them. */
  readonly acknowledges?: boolean;
}

export class Visitor {
  /** All that came, in order. */
  readonly received: IncomingMessage[] = [];
  /** Every packet that came, as it was on the wire. */
  readonly packets: TracedPacket[] = [];
  #taken = 0;
  #wake: () => void = () => undefined;
  #client: MqttClient | null = null;

  /** Connects; MQTT 5 as `visitor` when nothing else is said. @throws as connectClient does */
  static async connect(port: number, options: VisitorOptions = {}): Promise<Visitor> {
    const visitor = new Visitor();
    const { transport = PLAIN, acknowledges = true, ...given } = options;
    const dial: Transport = { connect: (to, accept) => transport.connect(to, accept), listen: PLAIN.listen };
    visitor.#client = await connectClient(dial, systemClock, {
      host: '127.0.0.1',
      port,
      version: 5,
      clientId: 'visitor',
      ...given,
      onMessage: (message) => visitor.#take(message, acknowledges),
      onTrace: (direction, packet) => {
        if (direction === 'received') visitor.packets.push(packet);
      },
    });
    return visitor;
  }

  get client(): MqttClient {
    assert.ok(this.#client !== null);
    return this.#client;
  }

  /** Text of the next message that was not taken yet. */
  async next(): Promise<string> {
    return Buffer.from((await this.nextMessage()).payload).toString();
  }

  async nextMessage(): Promise<IncomingMessage> {
    for (;;) {
      const message = this.received[this.#taken];
      if (message !== undefined) {
        this.#taken += 1;
        return message;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async subscribe(filter: string, more: Omit<SubscribeFilter, 'filter'> = {}): Promise<number> {
    const { reasons } = await this.client.subscribe({ filter, qos: 1, ...more });
    return reasons[0] ?? -1;
  }

  /** Publishes with QoS 1. @returns the reason of the answer, -1 when there was none */
  async publish(topic: string, text: string, retain = false): Promise<number> {
    const { kind, reason } = await this.client.publish(topic, text, { qos: 1, retain });
    return kind === 'done' ? reason : -1;
  }

  async leave(): Promise<void> {
    await this.client.disconnect();
  }

  #take(message: IncomingMessage, acknowledges: boolean): void | Promise<void> {
    this.received.push(message);
    this.#wake();
    return acknowledges ? undefined : new Promise(() => undefined);
  }
}

/** How the broker answers a client: 'in', the reason of its refusal, or 'closed'. */
export async function admission(port: number, options: VisitorOptions = {}): Promise<number | 'in' | 'closed'> {
  try {
    await (await Visitor.connect(port, options)).leave();
    return 'in';
  } catch (error) {
    if (error instanceof ConnectRefusedError) return error.reason;
    if (error instanceof ConnectFailedError) return 'closed';
    // Which of them it is depends on whether the end has come before or after what was written.
    if (error instanceof Error && 'code' in error && /^(ECONNRESET|EPIPE)$/.test(String(error.code))) return 'closed';
    throw error;
  }
}
