/** What clients may take: messages, bytes, connections, time. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { settingsOf } from '../../src/app/settings.ts';
import { createHarness, type Harness } from '../fixtures/broker-harness.ts';
import { rawConnect, rawPublish } from '../fixtures/raw-packets.ts';
import { RawSocket } from '../fixtures/raw-socket.ts';
import { OPEN, readLines, startOneBroker } from './one-broker.ts';
import { admission, Visitor } from './visitor.ts';

const STAYS = { sessionExpiryInterval: 1000 } as const;

test('option global_max_clients: a new session beyond it is refused, one that exists is not', async (t) => {
  const { port } = await startOneBroker(t, [...OPEN, 'global_max_clients 2']);
  await (await Visitor.connect(port, { clientId: 'away', properties: STAYS })).leave();
  const here = await Visitor.connect(port, { clientId: 'here' });
  assert.equal(await admission(port, { clientId: 'new' }), 0x89);
  assert.equal(await admission(port, { clientId: 'new', version: 4 }), 'closed');
  assert.equal(await admission(port, { clientId: 'away', properties: STAYS, cleanStart: false }), 'in');
  await here.leave();
  const free = await startOneBroker(t, OPEN);
  await Visitor.connect(free.port, { clientId: 'a' });
  await Visitor.connect(free.port, { clientId: 'b' });
  assert.equal(await admission(free.port, { clientId: 'new' }), 'in');
});

test('option global_max_connections: one beyond it is closed at once, on every listener', async (t) => {
  const listeners = [...OPEN, 'listener {PORT2} 127.0.0.1'];
  const { port, port2 } = await startOneBroker(t, [...listeners, 'global_max_connections 2']);
  await Visitor.connect(port, { clientId: 'a' });
  await Visitor.connect(port2, { clientId: 'b' });
  assert.equal(await admission(port, { clientId: 'c' }), 'closed');
  assert.equal(await admission(port2, { clientId: 'c' }), 'closed');
  const free = await startOneBroker(t, listeners);
  await Visitor.connect(free.port, { clientId: 'a' });
  await Visitor.connect(free.port2, { clientId: 'b' });
  assert.equal(await admission(free.port, { clientId: 'c' }), 'in');
});

test('option max_inflight_messages: so many are on their way, and clients are told it', async (t) => {
  assert.equal(await onTheirWay(t, ['max_inflight_messages 3']), 3);
  assert.equal(await onTheirWay(t, []), 20);
  const { port } = await startOneBroker(t, [...OPEN, 'max_inflight_messages 3']);
  assert.equal((await Visitor.connect(port)).client.connack.properties.receiveMaximum, 3);
});

test('option max_inflight_bytes: so many bytes are on their way', async (t) => {
  assert.equal(await onTheirWay(t, ['max_inflight_bytes 20']), 2);
  assert.equal(await onTheirWay(t, ['max_inflight_messages 0']), 30);
});

/** How many of 30 messages of 10 bytes reach a client that acknowledges none; 3.1.1, which has no window of its own. */
async function onTheirWay(t: TestContext, lines: readonly string[]): Promise<number> {
  const { port } = await startOneBroker(t, [...OPEN, ...lines]);
  const silent = await Visitor.connect(port, { version: 4, clientId: 'silent', acknowledges: false });
  await silent.subscribe('a');
  await silent.subscribe('end', { qos: 0 });
  const sender = await Visitor.connect(port, { clientId: 'sender' });
  for (let count = 0; count < 30; count += 1) assert.equal(await sender.publish('a', '0123456789'), 0);
  // QoS 0 does not wait for the window: what could be sent was sent before it.
  await sender.client.publish('end', 'x');
  while ((await silent.nextMessage()).topic !== 'end');
  return silent.received.length - 1;
}

test('option max_keepalive: a longer one is shortened in MQTT 5 and refused before', async (t) => {
  const { port } = await startOneBroker(t, [...OPEN, 'max_keepalive 30']);
  const told = async (keepAliveSeconds: number) =>
    (await Visitor.connect(port, { keepAliveSeconds })).client.connack.properties.serverKeepAlive;
  assert.equal(await told(600), 30);
  assert.equal(await told(0), 30);
  assert.equal(await told(20), null);
  assert.equal(await admission(port, { version: 4, keepAliveSeconds: 600 }), 2);
  assert.equal(await admission(port, { version: 4, keepAliveSeconds: 20 }), 'in');
  const free = await startOneBroker(t, OPEN);
  assert.equal(await admission(free.port, { version: 4, keepAliveSeconds: 600 }), 'in');
});

test('option max_packet_size: clients are told it, and a larger packet ends the connection', async (t) => {
  const { port } = await startOneBroker(t, [...OPEN, 'max_packet_size 100']);
  const visitor = await Visitor.connect(port);
  assert.equal(visitor.client.connack.properties.maximumPacketSize, 100);
  await visitor.subscribe('a');
  const raw = await RawSocket.open(port);
  raw.send(rawConnect());
  raw.send(rawPublish('a', { payload: 'x'.repeat(95) }));
  assert.equal((await visitor.nextMessage()).payload.length, 95);
  raw.send(rawPublish('a', { payload: 'x'.repeat(96) }));
  await raw.closed;
  const usual = await Visitor.connect((await startOneBroker(t, OPEN)).port);
  assert.equal(usual.client.connack.properties.maximumPacketSize, 2_000_000);
  const old = await Visitor.connect((await startOneBroker(t, OPEN, { compat: '2.0' })).port);
  assert.equal(old.client.connack.properties.maximumPacketSize, null);
});

test('option max_queued_messages: so many wait for a client that is away, the newest are dropped', async (t) => {
  assert.deepEqual(await waitingFor(t, ['max_queued_messages 3', 'max_inflight_messages 1']), ['m0', 'm1', 'm2']);
  assert.equal((await waitingFor(t, [])).length, 30);
});

test('option max_queued_bytes: so many bytes wait for a client that is away', async (t) => {
  const waiting = await waitingFor(t, ['max_queued_bytes 6', 'max_inflight_messages 1']);
  assert.deepEqual(waiting, ['m0', 'm1', 'm2']);
});

test('option queue_qos0_messages: messages of QoS 0 wait for clients that are away', async (t) => {
  assert.equal((await waitingFor(t, ['queue_qos0_messages true'], 0)).length, 30);
  assert.deepEqual(await waitingFor(t, [], 0), []);
});

/** What of 30 messages a client gets that was away meanwhile. */
async function waitingFor(t: TestContext, lines: readonly string[], qos: 0 | 1 = 1): Promise<readonly string[]> {
  const { port } = await startOneBroker(t, [...OPEN, ...lines]);
  const away = await Visitor.connect(port, { clientId: 'away', properties: STAYS });
  await away.subscribe('a', { qos });
  await away.leave();
  const sender = await Visitor.connect(port, { clientId: 'sender' });
  for (let count = 0; count < 30; count += 1) await sender.client.publish('a', `m${count}`, { qos });
  // Only after it was answered has the broker seen all of them.
  await sender.publish('b', 'x');
  const back = await Visitor.connect(port, { clientId: 'away', properties: STAYS, cleanStart: false });
  await back.subscribe('end');
  await back.publish('end', 'end');
  const texts: string[] = [];
  for (let text = await back.next(); text !== 'end'; text = await back.next()) texts.push(text);
  return texts;
}

test('option memory_limit: when it is reached, new clients are closed at once', async (t) => {
  const { port, log } = await startOneBroker(t, [...OPEN, 'memory_limit 1000']);
  assert.equal(await admission(port), 'closed');
  assert.match(await log.sees('Out of memory'), /memory_limit is 1000/);
  const roomy = await startOneBroker(t, [...OPEN, 'memory_limit 100000000000']);
  assert.equal(await admission(roomy.port), 'in');
});

test('option message_size_limit: a larger payload is acknowledged with 0x83 and dropped', async (t) => {
  const { port, log } = await startOneBroker(t, [...OPEN, 'message_size_limit 5']);
  const visitor = await Visitor.connect(port);
  await visitor.subscribe('a');
  const publisher = await Visitor.connect(port, { clientId: 'publisher' });
  assert.equal(await publisher.publish('a', '123456'), 0x83);
  assert.equal(await publisher.publish('a', '12345'), 0);
  assert.equal(await visitor.next(), '12345');
  assert.ok(log.hasLine("It is recommended to replace 'message_size_limit' with 'max_packet_size'."));
  const free = await Visitor.connect((await startOneBroker(t, OPEN)).port);
  await free.subscribe('a');
  assert.equal(await free.publish('a', '123456'), 0);
});

test('option packet_buffer_size: a longer WebSocket request is refused', (t) =>
  headersAreLimitedBy(t, 'packet_buffer_size'));

test('option websockets_headers_size: is packet_buffer_size by its old name', (t) =>
  headersAreLimitedBy(t, 'websockets_headers_size'));

async function headersAreLimitedBy(t: TestContext, name: string): Promise<void> {
  const lines = [...OPEN, 'protocol websockets'];
  const small = await startOneBroker(t, [...lines, `${name} 300`]);
  assert.equal(await upgradeWith(small.port, 400), false);
  assert.equal(await upgradeWith(small.port, 10), true);
  const usual = await startOneBroker(t, lines);
  assert.equal(await upgradeWith(usual.port, 400), true);
  assert.equal(await upgradeWith(usual.port, 5000), false);
  const zero = await startOneBroker(t, [...lines, `${name} 0`]);
  assert.equal(await upgradeWith(zero.port, 400), true);
  assert.equal(await upgradeWith(zero.port, 5000), false);
}

/** Whether a WebSocket opens whose request has a header of so many bytes beside the others. */
async function upgradeWith(port: number, headerBytes: number): Promise<boolean> {
  const socket = await RawSocket.open(port);
  socket.send(
    Buffer.from(
      'GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n' +
        `Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mqtt\r\nX: ${'x'.repeat(headerBytes)}\r\n\r\n`,
    ),
  );
  const answer = await socket.received(12);
  socket.destroy();
  return answer.toString('latin1').startsWith('HTTP/1.1 101');
}

test('option persistent_client_expiration: the session of a client that stays away ends then', async (t) => {
  const away = async (lines: readonly string[]) => {
    const house = await fakeHouse(t, lines);
    house.client('away', { cleanStart: false }).disconnect();
    house.advance(13 * DAY_MS);
    const wasThere = house.broker.operator.sizes().sessions;
    house.advance(2 * DAY_MS);
    return [wasThere, house.broker.operator.sizes().sessions];
  };
  assert.deepEqual(await away(['persistent_client_expiration 2w']), [1, 0]);
  assert.deepEqual(await away([]), [1, 1]);
});

test('option retain_available: without it nothing is retained, and who tries in MQTT 5 is disconnected', async (t) => {
  const { port } = await startOneBroker(t, [...OPEN, 'retain_available false']);
  const { client } = await Visitor.connect(port);
  assert.equal(client.connack.properties.retainAvailable, 0);
  const raw = await RawSocket.open(port);
  raw.send(rawConnect({ level: 5 }));
  raw.send(rawPublish('a', { flags: 1, properties: Uint8Array.of(0) }));
  assert.equal((await raw.packets(2))[1]?.[2], 0x9a);
  const usual = await Visitor.connect((await startOneBroker(t, OPEN)).port);
  assert.equal(usual.client.connack.properties.retainAvailable, null);
  assert.equal(await usual.publish('a', 'kept', true), 0x10);
  await usual.subscribe('a');
  assert.equal(await usual.next(), 'kept');
});

test('option retain_expiry_interval: a retained message is deleted after so many minutes', async (t) => {
  const kept = async (lines: readonly string[]) => {
    const house = await fakeHouse(t, lines);
    house.client('sender').publish('a', 'x', { retain: true });
    house.advance(119 * MINUTE_MS);
    const before = house.broker.operator.sizes().retained;
    house.advance(2 * MINUTE_MS);
    return [before, house.broker.operator.sizes().retained];
  };
  assert.deepEqual(await kept(['retain_expiry_interval 120']), [1, 0]);
  assert.deepEqual(await kept([]), [1, 1]);
});

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

/** The broker of a configuration with a clock that the test moves. */
async function fakeHouse(t: TestContext, lines: readonly string[]): Promise<Harness> {
  return createHarness({ settings: settingsOf(await readLines(t, [...OPEN, ...lines])) });
}
