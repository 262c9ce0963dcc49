/**
 * A client of MQTT.js that keeps what it is told: for what the command-line clients do not show. Every method gives text
 * that is the same for two brokers that do the same.
 */
import assert from 'node:assert/strict';
import mqtt, {
  type IClientOptions,
  type IClientPublishOptions,
  type IClientSubscribeOptions,
  type MqttClient,
} from 'mqtt';
import type { Place } from './two-brokers.ts';

export type GuestOptions = Partial<IClientOptions>;

/** Connecting took too long for a test. */
const CONNECT_MS_MAX = 20_000;
/** What the time of a run changes, and what each run has anew. */
const VOLATILE_PROPERTIES = new Set(['assignedClientIdentifier']);

/** A client that has its answer to CONNECT. */
export async function visit({ ports }: Pick<Place, 'ports'>, options: GuestOptions, port = 'PORT'): Promise<Guest> {
  const guest = new Guest(`mqtt://127.0.0.1:${ports[port]}`, options);
  await guest.greeting;
  return guest;
}

export class Guest {
  readonly #client: MqttClient;
  /** `topic payload qos N`, with the marks that the message had. */
  readonly messages: string[] = [];
  /** The answer to CONNECT, or what came instead. */
  readonly greeting: Promise<string>;
  /** How the connection ended. */
  readonly farewell: Promise<string>;
  #wake: () => void = () => undefined;
  /** Of the latest acknowledgement that had one: MQTT.js keeps it for itself when it is a success. */
  #ackCode = 0;

  constructor(url: string, options: GuestOptions) {
    const client = mqtt.connect(url, {
      protocolVersion: 4,
      reconnectPeriod: 0,
      connectTimeout: CONNECT_MS_MAX,
      resubscribe: false,
      ...options,
    });
    this.#client = client;
    client.on('message', (topic, payload, { qos, retain, dup, properties = {} }) => {
      const marks = `${retain ? ' retain' : ''}${dup ? ' dup' : ''}${propertyText(properties)}`;
      this.messages.push(`${topic} ${payload} qos ${qos}${marks}`);
      this.#wake();
    });
    client.on('error', () => undefined);
    client.on('packetreceive', (packet) => {
      if (packet.cmd === 'puback' || packet.cmd === 'pubrec') this.#ackCode = packet.reasonCode ?? 0;
    });
    this.greeting = new Promise((resolve) => {
      client.once('connect', ({ sessionPresent, reasonCode = 0, properties = {} }) =>
        resolve(`connack ${reasonCode}${sessionPresent ? ' session' : ''}${propertyText(properties)}`),
      );
      client.once('error', (error) =>
        resolve('code' in error && typeof error.code === 'number' ? `refused ${error.code}` : 'closed'),
      );
      client.once('close', () => resolve('closed'));
    });
    this.farewell = new Promise((resolve) => {
      client.once('disconnect', ({ reasonCode = 0 }) => resolve(`disconnect ${reasonCode}`));
      client.once('close', () => resolve('closed'));
    });
  }

  /** Publishes: `puback N`, `pubrec N`, or `sent` for QoS 0. */
  async publish(topic: string, payload: string, options: IClientPublishOptions = {}): Promise<string> {
    const { promise, resolve } = Promise.withResolvers<string>();
    const qos = options.qos ?? 0;
    this.#client.publish(topic, payload, options, (error) => {
      if (error instanceof Error) resolve(`refused ${'code' in error ? error.code : error.message}`);
      else if (qos === 0) resolve('sent');
      else resolve(`${qos === 1 ? 'puback' : 'pubrec'} ${this.#ackCode}`);
    });
    return await promise;
  }

  /** Subscribes: the code that SUBACK had. */
  async subscribe(filter: string, options: IClientSubscribeOptions = { qos: 0 }): Promise<string> {
    const { promise, resolve } = Promise.withResolvers<string>();
    this.#client.subscribe(filter, options, (error, granted, packet) => {
      const codes = packet?.granted ?? granted?.map(({ qos }) => qos) ?? [];
      resolve(codes.length > 0 ? `suback ${codes.join()}` : `refused ${error instanceof Error ? error.message : ''}`);
    });
    return await promise;
  }

  /** Ends a subscription: the code of UNSUBACK, 0 where it has none. */
  async unsubscribe(filter: string): Promise<string> {
    const { promise, resolve } = Promise.withResolvers<string>();
    this.#client.unsubscribe(filter, (error, packet) => {
      const granted = packet !== undefined && 'granted' in packet ? packet.granted : [];
      resolve(error instanceof Error ? `refused ${error.message}` : `unsuback ${String(granted ?? [])}`);
    });
    return await promise;
  }

  /** The messages, once there are `count` in all. */
  async until(count: number): Promise<string> {
    while (this.messages.length < count) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.messages.join(' / ');
  }

  /** Goes without a word, as after a power cut. */
  async drop(): Promise<void> {
    const { stream } = this.#client;
    assert.ok('destroy' in stream);
    stream.destroy();
    await this.farewell;
  }

  /** Says goodbye. `reasonCode` 4 asks for the will. */
  async leave(reasonCode?: number): Promise<void> {
    await this.#client.endAsync(false, reasonCode === undefined ? {} : { reasonCode });
  }
}

function propertyText(properties: object): string {
  const entries = Object.entries(properties).filter(([name]) => !VOLATILE_PROPERTIES.has(name));
  const text = entries.map(([name, value]) => `${name}=${valueText(value)}`);
  return text.length === 0 ? '' : ` {${text.sort().join(' ')}}`;
}

function valueText(value: unknown): string {
  return value instanceof Uint8Array ? Buffer.from(value).toString() : JSON.stringify(value);
}
