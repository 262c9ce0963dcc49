/**
 * A flow: numbered messages from one client to another, both with sessions that last and connections that do not. They
 * leave in order, are cut off, and have their client id taken by somebody who acknowledges nothing; then they come back
 * and go on. The ledger knows what must have come.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import { ClientSession } from '../../src/client/client-session.ts';
import type { IncomingMessage } from '../../src/client/client-types.ts';
import type { MqttClient } from '../../src/client/mqtt-client.ts';
import type { ProtocolVersion, Qos } from '../../src/protocol/version.ts';
import type { Chance } from '../fixtures/chance.ts';
import { connectLoadClient } from '../fixtures/load-client.ts';
import { lasting } from '../fixtures/paced.ts';
import { field, rawConnect } from '../fixtures/raw-packets.ts';
import { Ledger } from './ledger.ts';

const SESSION_SECONDS = 3600;
/** Property 0x11 with that number, for a CONNECT made by hand. */
const SESSION_EXPIRY = Uint8Array.of(0x11, 0, 0, SESSION_SECONDS >>> 8, SESSION_SECONDS & 0xff);
const RETURN_MS_MAX = 1500;
/** Messages that are sent right before a break. */
const BURST = 5;

export interface FlowOptions {
  readonly name: string;
  readonly qos: Qos;
  readonly versions: readonly [publisher: ProtocolVersion, subscriber: ProtocolVersion];
  readonly payloadBytes: number;
}

/** One of the two clients of a flow: it comes back until it is told to leave. */
class LastingClient {
  client: MqttClient | null = null;
  /** Connections that found no session where one had to be. */
  forgottenCount = 0;
  /** Connections that could not be made. */
  failedCount = 0;
  readonly clientId: string;
  readonly version: ProtocolVersion;
  readonly #port: number;
  readonly #chance: Chance;
  readonly #session = new ClientSession({ whenForgotten: 'republish' });
  readonly #events: LastingClientEvents;
  #isKnown = false;
  #hasLeft = false;

  constructor(port: number, chance: Chance, options: LastingClientOptions) {
    this.#port = port;
    this.#chance = chance;
    this.clientId = options.clientId;
    this.version = options.version;
    this.#events = options;
  }

  async open(): Promise<void> {
    const client = await connectLoadClient(this.#port, {
      clientId: this.clientId,
      version: this.version,
      cleanStart: false,
      keepAliveSeconds: this.#chance.pick([5, 60]),
      session: this.#session,
      properties: { sessionExpiryInterval: SESSION_SECONDS },
      onMessage: (message) => this.#events.onMessage(message),
    });
    if (this.#isKnown && !client.connack.sessionPresent) this.forgottenCount += 1;
    if (!this.#isKnown) await this.#events.onFirst(client);
    this.#isKnown = true;
    this.client = client;
    void client.closed.then(() => this.#onClosed(client));
  }

  /** Breaks the connection in one of the ways in which connections break. */
  break(): void {
    const { client } = this;
    if (client === null) return;
    this.#chance.pick([
      () => void client.disconnect(),
      () => client.destroy(),
      () => void takeId(this.#port, this.version, this.clientId).catch(() => {}),
    ])();
  }

  /** Leaves for good, with its session. */
  async leave(): Promise<void> {
    this.#hasLeft = true;
    await this.client?.disconnect();
    const last = await connectLoadClient(this.#port, { clientId: this.clientId, version: this.version });
    await last.disconnect();
  }

  #onClosed(client: MqttClient): void {
    if (this.client === client) this.client = null;
    this.#events.onBreak();
    if (!this.#hasLeft) void this.#return();
  }

  async #return(): Promise<void> {
    await lasting(this.#chance.between(20, RETURN_MS_MAX));
    if (this.#hasLeft) return;
    try {
      await this.open();
    } catch {
      this.failedCount += 1;
      void this.#return();
    }
  }
}

interface LastingClientEvents {
  readonly onMessage: (message: IncomingMessage) => void;
  readonly onFirst: (client: MqttClient) => Promise<void>;
  readonly onBreak: () => void;
}

interface LastingClientOptions extends LastingClientEvents {
  readonly clientId: string;
  readonly version: ProtocolVersion;
}

export class Flow {
  readonly ledger: Ledger;
  /** Answers that were refusals, and messages that the client did not take. */
  refusedCount = 0;
  readonly name: string;
  readonly #options: FlowOptions;
  readonly #publisher: LastingClient;
  readonly #subscriber: LastingClient;

  constructor(port: number, chance: Chance, options: FlowOptions) {
    this.name = options.name;
    this.#options = options;
    this.ledger = new Ledger(options.qos);
    const onBreak = (): void => this.ledger.noteBreak();
    this.#publisher = new LastingClient(port, chance, {
      clientId: `${options.name}-out`,
      version: options.versions[0],
      onMessage: () => {},
      onFirst: async () => {},
      onBreak,
    });
    this.#subscriber = new LastingClient(port, chance, {
      clientId: `${options.name}-in`,
      version: options.versions[1],
      onMessage: ({ payload }) => this.ledger.take(numberOf(payload)),
      onFirst: async (client) => {
        await client.subscribe([{ filter: this.#topic, qos: options.qos }]);
      },
      onBreak,
    });
  }

  async open(): Promise<void> {
    await this.#subscriber.open();
    await this.#publisher.open();
  }

  /** Sends the next message; nothing while its publisher is away or has enough on its way. */
  publish(): void {
    const { client } = this.#publisher;
    if (client === null || !client.isOpen || !client.isWritable) return;
    const payload = new Uint8Array(this.#options.payloadBytes);
    new DataView(payload.buffer).setUint32(0, this.ledger.next());
    void client.publish(this.#topic, payload, { qos: this.#options.qos }).then((outcome) => {
      if (outcome.kind !== 'done' || outcome.reason >= 0x80) this.refusedCount += 1;
    });
  }

  /** Breaks one of its connections, with messages on their way. */
  break(which: 'publisher' | 'subscriber'): void {
    for (let left = BURST; left > 0; left -= 1) this.publish();
    if (which === 'publisher') this.#publisher.break();
    else this.#subscriber.break();
  }

  /** True when both are connected and all that was sent has come. */
  get isComplete(): boolean {
    return this.#publisher.client !== null && this.#subscriber.client !== null && this.ledger.missing === 0;
  }

  get forgottenCount(): number {
    return this.#publisher.forgottenCount + this.#subscriber.forgottenCount;
  }

  get failedCount(): number {
    return this.#publisher.failedCount + this.#subscriber.failedCount;
  }

  async leave(): Promise<void> {
    await this.#publisher.leave();
    await this.#subscriber.leave();
  }

  get #topic(): string {
    return `soak/flow/${this.name}`;
  }
}

function numberOf(payload: Uint8Array): number {
  return new DataView(payload.buffer, payload.byteOffset, payload.byteLength).getUint32(0);
}

/** Takes the client id with a connection that reads a little, acknowledges nothing and is cut off. */
async function takeId(port: number, version: ProtocolVersion, clientId: string): Promise<void> {
  const socket = connect({ host: '127.0.0.1', port });
  socket.on('error', () => {});
  const properties = version === 5 ? { properties: SESSION_EXPIRY } : {};
  socket.write(rawConnect({ level: version, flags: 0, payload: [field(clientId)], ...properties }));
  await Promise.race([once(socket, 'data'), once(socket, 'close')]);
  socket.destroy();
}
