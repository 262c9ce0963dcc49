/**
 * Clients that stay a moment: they connect with any version and perhaps a will, subscribe, publish, and end in each of
 * the ways in which connections end. What they exchange is not checked; that they leave nothing behind is.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { ConnectOptions } from '../../src/client/client-types.ts';
import type { MqttClient } from '../../src/client/mqtt-client.ts';
import type { ProtocolVersion } from '../../src/protocol/version.ts';
import type { Chance } from '../fixtures/chance.ts';
import { connectLoadClient } from '../fixtures/load-client.ts';
import { lasting } from '../fixtures/paced.ts';
import { field, rawConnect, rawPublish, rawSubscribe } from '../fixtures/raw-packets.ts';

/** Few enough that ids are taken over now and then. */
const IDS = 200;
const GROUPS = 20;
const RETAINED = 200;
const STAY_MS_MAX = 2000;
const VERSIONS: readonly ProtocolVersion[] = [3, 4, 5];
/** One and a half times the keep alive of one second, and time to notice. */
const KICKED_MS_MAX = 10_000;

export interface PassersByCounts {
  connected: number;
  /** Connections that the broker ended or refused: their id was taken over. */
  replaced: number;
  published: number;
  received: number;
  /** Silent ones that the broker ended, as it must. */
  kicked: number;
  /** Connections that it did not end in time: silent ones, and those whose other half was closed. */
  forgotten: number;
}

export class PassersBy {
  readonly counts: PassersByCounts = { connected: 0, replaced: 0, published: 0, received: 0, kicked: 0, forgotten: 0 };
  readonly #port: number;
  readonly #chance: Chance;
  readonly #present = new Set<Promise<void>>();

  constructor(port: number, chance: Chance) {
    this.#port = port;
    this.#chance = chance;
  }

  get presentCount(): number {
    return this.#present.size;
  }

  /** One more comes. */
  send(): void {
    const visit = this.#chance.weighted<() => Promise<void>>([
      [80, () => this.#visit()],
      [8, () => this.#fallSilent()],
      [6, () => this.#halfClose()],
      [6, () => this.#reset()],
    ])();
    const stay = visit
      .catch(() => {
        this.counts.replaced += 1;
      })
      .finally(() => this.#present.delete(stay));
    this.#present.add(stay);
  }

  /** Resolves when all have gone. */
  async allGone(): Promise<void> {
    while (this.#present.size > 0) await Promise.all(this.#present);
  }

  /** Takes away what they left with the broker: the retained messages. */
  async tidyUp(): Promise<void> {
    const client = await connectLoadClient(this.#port, { clientId: 'tidy', version: 4 });
    const topics = [
      ...Array.from({ length: RETAINED }, (_, index) => retainedTopic(index)),
      ...Array.from({ length: IDS }, (_, index) => willTopic(index)),
    ];
    await Promise.all(topics.map((topic) => client.publish(topic, '', { qos: 1, retain: true })));
    await client.disconnect();
  }

  async #visit(): Promise<void> {
    const chance = this.#chance;
    const id = chance.below(IDS);
    const version = chance.pick(VERSIONS);
    const client = await connectLoadClient(this.#port, this.#options(id, version));
    this.counts.connected += 1;
    const group = id % GROUPS;
    const filters = [{ filter: `soak/by/${group}/+`, qos: chance.pick([0, 1, 2] as const) }];
    if (chance.percent(20)) filters.push({ filter: `soak/kept/${group}/#`, qos: 1 });
    if (chance.percent(20)) filters.push({ filter: 'soak/will/+', qos: 0 });
    if (chance.percent(10) && version === 5) filters.push({ filter: `$share/all/soak/by/#`, qos: 1 });
    await client.subscribe(filters);
    for (let left = chance.between(1, 5); left > 0; left -= 1) {
      this.#publish(client, id, group);
      await lasting(chance.below(STAY_MS_MAX / 5));
    }
    if (chance.percent(30)) await client.unsubscribe(filters.map(({ filter }) => filter));
    if (!client.isOpen) this.counts.replaced += 1;
    if (chance.percent(50)) await client.disconnect(version === 5 && chance.percent(30) ? 0x04 : 0x00);
    else client.destroy();
    await client.closed;
  }

  #options(id: number, version: ProtocolVersion): Omit<ConnectOptions, 'host' | 'port'> {
    const chance = this.#chance;
    const will = { topic: willTopic(id), payload: 'gone', qos: chance.pick([0, 1, 2] as const) };
    return {
      clientId: `by-${id}`,
      version,
      cleanStart: version !== 5 || chance.percent(50),
      keepAliveSeconds: chance.pick([1, 30]),
      properties: { sessionExpiryInterval: chance.below(5), receiveMaximum: chance.pick([1, 20, 65_535]) },
      ...(chance.percent(40) ? { will: { ...will, retain: chance.percent(30), delaySeconds: chance.below(3) } } : {}),
      onMessage: () => {
        this.counts.received += 1;
      },
    };
  }

  #publish(client: MqttClient, id: number, group: number): void {
    const chance = this.#chance;
    const qos = chance.pick([0, 1, 2] as const);
    this.counts.published += 1;
    if (chance.percent(30)) {
      const payload = chance.percent(20) ? '' : chance.bytes(chance.between(1, 300));
      void client.publish(retainedTopic(chance.below(RETAINED)), payload, { qos, retain: true });
      return;
    }
    const payload = chance.bytes(chance.between(0, 200));
    const properties = { messageExpiryInterval: 5, userProperties: [{ name: 'from', value: String(id) }] };
    void client.publish(`soak/by/${group}/${id}`, payload, { qos, properties });
  }

  /** Connects with a keep alive of one second and says nothing more, like a machine whose cable was pulled. */
  async #fallSilent(): Promise<void> {
    const socket = this.#enter(1);
    if (await this.#isEnded(socket)) this.counts.kicked += 1;
  }

  /** Publishes, hangs up its half and reads to the end. */
  async #halfClose(): Promise<void> {
    const socket = this.#enter(30);
    socket.end(rawPublish('soak/by/0/half', { payload: 'half' }));
    await this.#isEnded(socket);
  }

  /** False when the broker does not end the connection in time, as it must. */
  async #isEnded(socket: Socket): Promise<boolean> {
    let isForgotten = false;
    const timer = setTimeout(() => {
      isForgotten = true;
      this.counts.forgotten += 1;
      socket.destroy();
    }, KICKED_MS_MAX);
    await closed(socket);
    clearTimeout(timer);
    return !isForgotten;
  }

  /** Breaks with a reset in the middle of a packet. */
  async #reset(): Promise<void> {
    const socket = this.#enter(30);
    await Promise.race([once(socket, 'data'), once(socket, 'close')]);
    const packet = rawPublish('soak/by/0/torn', { payload: new Uint8Array(1000) });
    socket.write(packet.subarray(0, this.#chance.between(1, packet.length - 1)), () => socket.resetAndDestroy());
    await closed(socket);
  }

  #enter(keepAlive: number): Socket {
    const socket = connect({ host: '127.0.0.1', port: this.#port, allowHalfOpen: true });
    socket.on('error', () => {});
    socket.on('data', () => {});
    socket.on('end', () => socket.end());
    socket.write(rawConnect({ keepAlive, payload: [field(`raw-${this.#chance.below(IDS)}`)] }));
    socket.write(rawSubscribe([[`soak/by/${this.#chance.below(GROUPS)}/+`, 1]]));
    this.counts.connected += 1;
    return socket;
  }
}

/** Resolves when the socket is closed, in whatever way. */
async function closed(socket: Socket): Promise<void> {
  if (!socket.closed) await new Promise<void>((resolve) => socket.once('close', () => resolve()));
}

function retainedTopic(index: number): string {
  return `soak/kept/${index % GROUPS}/${index}`;
}

function willTopic(id: number): string {
  return `soak/will/${id}`;
}
