/**
 * Well-behaved clients in a ring: each publishes to the next one, at an even pace, and the time from the call to the
 * arrival is noted. Half of them speak 3.1.1, half 5.0; half send QoS 0, half QoS 1.
 */
import type { MqttClient } from '../../src/client/mqtt-client.ts';
import { quantile } from '../fixtures/figures.ts';
import { connectLoadClient } from '../fixtures/load-client.ts';
import { lasting, Paced } from '../fixtures/paced.ts';

const PAYLOAD_BYTES = 64;
/** How long the last messages may take. */
const REST_MS_MAX = 10_000;
const REST_CHECK_MS = 10;

export interface Latency {
  readonly p50: number;
  readonly p99: number;
  readonly longest: number;
  readonly sent: number;
  readonly received: number;
}

export class GoodClients {
  readonly #clients: readonly MqttClient[];
  #latencies: number[] = [];
  #sent = 0;

  private constructor(clients: readonly MqttClient[]) {
    this.#clients = clients;
    for (const client of clients) {
      client.onMessage = ({ payload }) => {
        const sentMs = new DataView(payload.buffer, payload.byteOffset).getFloat64(0);
        this.#latencies.push(performance.now() - sentMs);
      };
    }
  }

  static async open(port: number, count: number): Promise<GoodClients> {
    const clients: MqttClient[] = [];
    for (let index = 0; index < count; index += 1) {
      const client = await connectLoadClient(port, { clientId: `good-${index}`, version: index % 2 === 0 ? 4 : 5 });
      await client.subscribe([{ filter: topicOf(index), qos: 1 }]);
      clients.push(client);
    }
    return new GoodClients(clients);
  }

  /** Publishes for that time and waits for the last message. */
  async measure(seconds: number, messagesPerSecond: number): Promise<Latency> {
    this.#latencies = [];
    this.#sent = 0;
    const pacer = new Paced(messagesPerSecond, (index) => this.#publish(index % this.#clients.length));
    await lasting(seconds * 1000);
    pacer.stop();
    const deadline = performance.now() + REST_MS_MAX;
    while (this.#latencies.length < this.#sent && performance.now() < deadline) await lasting(REST_CHECK_MS);
    const latencies = this.#latencies;
    return {
      p50: quantile(latencies, 0.5),
      p99: quantile(latencies, 0.99),
      longest: quantile(latencies, 1),
      sent: this.#sent,
      received: latencies.length,
    };
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.disconnect()));
  }

  #publish(index: number): void {
    const payload = new Uint8Array(PAYLOAD_BYTES);
    const qos = index % 4 < 2 ? 0 : 1;
    this.#sent += 1;
    new DataView(payload.buffer).setFloat64(0, performance.now());
    void this.#clients[index]?.publish(topicOf((index + 1) % this.#clients.length), payload, { qos });
  }
}

function topicOf(index: number): string {
  return `good/${index}`;
}
