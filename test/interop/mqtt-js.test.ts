/** MQTT.js 5 against the broker, in every version it speaks. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import mqtt, { type IClientOptions, type IPublishPacket, type MqttClient } from 'mqtt';
import { type LiveBroker, startLiveBroker } from '../fixtures/live-broker.ts';

const VERSIONS = [
  { name: '3.1', protocolId: 'MQIsdp', protocolVersion: 3 },
  { name: '3.1.1', protocolId: 'MQTT', protocolVersion: 4 },
  { name: '5.0', protocolId: 'MQTT', protocolVersion: 5 },
] as const;
const QOS = [0, 1, 2] as const;

type Options = Partial<IClientOptions>;

/** What arrived at one client, and a way to wait for it. */
class Inbox {
  readonly packets: IPublishPacket[] = [];
  #wake: () => void = () => undefined;

  constructor(client: MqttClient) {
    client.on('message', (_topic, _payload, packet) => {
      this.packets.push(packet);
      this.#wake();
    });
  }

  /** Resolves when `count` messages have come in all. */
  async until(count: number): Promise<readonly IPublishPacket[]> {
    while (this.packets.length < count) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.packets;
  }
}

/** Made before the connection is: the messages of a resumed session come together with CONNACK. */
const inboxes = new WeakMap<MqttClient, Inbox>();

function inboxOf(client: MqttClient): Inbox {
  const inbox = inboxes.get(client);
  assert.ok(inbox !== undefined);
  return inbox;
}

async function withBroker(
  body: (connect: (options: Options) => Promise<MqttClient>, live: LiveBroker) => Promise<void>,
): Promise<void> {
  const live = await startLiveBroker();
  const clients: MqttClient[] = [];
  try {
    await body(async (options) => {
      const client = mqtt.connect(`mqtt://127.0.0.1:${live.port}`, {
        reconnectPeriod: 0,
        connectTimeout: 20_000,
        ...options,
      });
      clients.push(client);
      inboxes.set(client, new Inbox(client));
      await new Promise<void>((resolve, reject) => {
        client.once('connect', () => resolve());
        client.once('error', reject);
      });
      return client;
    }, live);
  } finally {
    await Promise.all(clients.map((client) => client.endAsync(true)));
    await live.stop();
  }
}

for (const { name, ...version } of VERSIONS) {
  test(`MQTT.js ${name}: every QoS of publisher and subscriber`, () =>
    withBroker(async (connect) => {
      const sub = await connect({ ...version, clientId: 'sub' });
      const pub = await connect({ ...version, clientId: 'pub' });
      const inbox = inboxOf(sub);
      for (const subQos of QOS) await sub.subscribeAsync(`q/${subQos}`, { qos: subQos });
      for (const pubQos of QOS) {
        for (const subQos of QOS) await pub.publishAsync(`q/${subQos}`, `${pubQos}`, { qos: pubQos });
      }
      const packets = await inbox.until(9);
      for (const packet of packets) {
        const granted = Number(packet.topic.slice(2));
        assert.equal(packet.qos, Math.min(granted, Number(packet.payload.toString())));
      }
    }));

  test(`MQTT.js ${name}: retained, deleted, and a retained will`, () =>
    withBroker(async (connect, live) => {
      const will = { topic: 'state/machine', payload: Buffer.from('offline'), qos: 1 as const, retain: true };
      const machine = await connect({ ...version, clientId: 'machine', will });
      await machine.publishAsync('state/machine', 'online', { qos: 1, retain: true });
      const gone = live.log.next('Client machine');
      machine.stream.destroy();
      await gone;
      const late = await connect({ ...version, clientId: 'late' });
      const inbox = inboxOf(late);
      await late.subscribeAsync('state/+', { qos: 1 });
      const [packet] = await inbox.until(1);
      assert.equal(packet?.payload.toString(), 'offline');
      assert.equal(packet?.retain, true);
      await late.publishAsync('state/machine', '', { qos: 1, retain: true });
      assert.equal(live.broker.sizes().retained, 0);
    }));

  test(`MQTT.js ${name}: a session is resumed with what it missed, each QoS 2 message once`, () =>
    withBroker(async (connect) => {
      const session = {
        ...version,
        clientId: 'scada',
        clean: false,
        ...(version.protocolVersion === 5 ? { properties: { sessionExpiryInterval: 60 } } : {}),
      };
      const first = await connect(session);
      await first.subscribeAsync({ 'one/#': { qos: 1 }, 'two/#': { qos: 2 } });
      await first.endAsync(true);
      const pub = await connect({ ...version, clientId: 'pub' });
      for (let index = 0; index < 60; index += 1) {
        await pub.publishAsync(index % 2 === 0 ? 'one/x' : 'two/x', String(index), { qos: 2 });
      }
      const again = inboxOf(await connect(session));
      const packets = await again.until(60);
      for (const topic of ['one/x', 'two/x']) {
        const numbers = packets
          .filter((packet) => packet.topic === topic)
          .map((packet) => Number(packet.payload.toString()));
        assert.deepEqual(
          numbers,
          numbers.toSorted((a, b) => a - b),
        );
        assert.equal(new Set(numbers).size, 30);
      }
    }));

  test(`MQTT.js ${name}: a megabyte, QoS 2`, () =>
    withBroker(async (connect) => {
      const sub = await connect({ ...version, clientId: 'sub' });
      const pub = await connect({ ...version, clientId: 'pub' });
      const inbox = inboxOf(sub);
      await sub.subscribeAsync('big', { qos: 2 });
      const payload = Buffer.alloc(1_000_000, 'zanzara');
      await pub.publishAsync('big', payload, { qos: 2 });
      const [packet] = await inbox.until(1);
      assert.ok(Buffer.isBuffer(packet?.payload) && packet.payload.equals(payload));
    }));
}

test('MQTT.js 5.0: aliases in both directions, on the wire', () =>
  withBroker(async (connect) => {
    const properties = { topicAliasMaximum: 5 };
    const sub = await connect({ protocolVersion: 5, clientId: 'sub', properties });
    const seen: { topic: string; alias: number | undefined }[] = [];
    sub.on('packetreceive', (packet) => {
      if (packet.cmd === 'publish') seen.push({ topic: packet.topic, alias: packet.properties?.topicAlias });
    });
    const inbox = inboxOf(sub);
    await sub.subscribeAsync('plant/line/robot', { qos: 1 });
    const pub = await connect({ protocolVersion: 5, clientId: 'pub', autoAssignTopicAlias: true });
    for (const text of ['1', '2', '3']) await pub.publishAsync('plant/line/robot', text, { qos: 1 });
    const packets = await inbox.until(3);
    assert.deepEqual(
      packets.map((packet) => packet.payload.toString()),
      ['1', '2', '3'],
    );
    assert.equal(seen[0]?.alias, 1);
    assert.equal(seen.length, 3);
  }));

test('MQTT.js 5.0: properties pass through; request and response', () =>
  withBroker(async (connect) => {
    const responder = await connect({ protocolVersion: 5, clientId: 'responder' });
    const requester = await connect({ protocolVersion: 5, clientId: 'requester' });
    responder.on('message', (_topic, payload, packet) => {
      const { responseTopic, correlationData } = packet.properties ?? {};
      assert.ok(responseTopic !== undefined && correlationData !== undefined);
      responder.publish(responseTopic, `re: ${payload.toString()}`, { qos: 1, properties: { correlationData } });
    });
    await responder.subscribeAsync('service/echo', { qos: 1 });
    const inbox = inboxOf(requester);
    await requester.subscribeAsync('reply/requester', { qos: 1 });
    await requester.publishAsync('service/echo', 'ping', {
      qos: 1,
      properties: {
        responseTopic: 'reply/requester',
        correlationData: Buffer.from([1, 2, 3]),
        contentType: 'text/plain',
        payloadFormatIndicator: true,
        messageExpiryInterval: 100,
        userProperties: { site: ['north', 'south'] },
      },
    });
    const [answer] = await inbox.until(1);
    assert.equal(answer?.payload.toString(), 're: ping');
    assert.deepEqual(answer?.properties?.correlationData, Buffer.from([1, 2, 3]));
  }));

test('MQTT.js 5.0: shared subscription, no-local, retain handling and subscription identifiers', () =>
  withBroker(async (connect) => {
    const one = await connect({ protocolVersion: 5, clientId: 'one' });
    const two = await connect({ protocolVersion: 5, clientId: 'two' });
    const [first, second] = [inboxOf(one), inboxOf(two)];
    await one.subscribeAsync('$share/g/work', { qos: 1 });
    await two.subscribeAsync('$share/g/work', { qos: 1 });
    const own = await connect({ protocolVersion: 5, clientId: 'own' });
    const echo = inboxOf(own);
    await own.subscribeAsync('own/#', { qos: 1, nl: true, properties: { subscriptionIdentifier: 9 } });
    for (let index = 0; index < 10; index += 1) await own.publishAsync('work', String(index), { qos: 1 });
    await own.publishAsync('own/x', 'not for me', { qos: 1 });
    await one.publishAsync('own/x', 'for you', { qos: 1, retain: true });
    const [packet] = await echo.until(1);
    assert.equal(packet?.payload.toString(), 'for you');
    assert.equal(packet?.properties?.subscriptionIdentifier, 9);
    await own.subscribeAsync('own/#', { qos: 1, rh: 1 });
    await own.subscribeAsync('own/x', { qos: 1, rh: 2 });
    await first.until(5);
    await second.until(5);
    assert.equal(echo.packets.length, 1);
  }));

test('MQTT.js 5.0: a second client of the same id ends the first with 0x8E [MQTT5-3.1.4-3]', () =>
  withBroker(async (connect) => {
    const first = await connect({ protocolVersion: 5, clientId: 'same' });
    const told = new Promise<number | undefined>((resolve) => {
      first.once('disconnect', (packet) => resolve(packet.reasonCode));
    });
    await connect({ protocolVersion: 5, clientId: 'same' });
    assert.equal(await told, 0x8e);
  }));
