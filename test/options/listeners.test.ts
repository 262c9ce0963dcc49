/** Where clients come in: sockets, protocols, limits and names of a listener. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { createNodeTransport } from '../../src/transport/node/node-transport.ts';
import { hasIpv6 } from '../app/broker-process.ts';
import { field, rawConnect, rawPublish } from '../fixtures/raw-packets.ts';
import { RawSocket } from '../fixtures/raw-socket.ts';
import { OPEN, openSocketsOf, refusalOf, startOneBroker } from './one-broker.ts';
import { admission, Visitor } from './visitor.ts';

test('option listener: one for a port and an address, one for a unix socket', async (t) => {
  const broker = await startOneBroker(t, [...OPEN, 'listener {PORT2} 127.0.0.1', 'listener 0 {FOLDER}/sock']);
  const path = join(broker.folder, 'sock');
  assert.deepEqual(openSocketsOf(broker), [`127.0.0.1:${broker.port}`, `127.0.0.1:${broker.port2}`, path]);
  assert.equal(await admission(broker.port), 'in');
  assert.equal(await admission(broker.port2), 'in');
  const node = createNodeTransport();
  const onUnix = {
    connect: (_to: unknown, accept: Parameters<typeof node.connect>[1]) => node.connect({ path }, accept),
  };
  assert.equal(await admission(0, { transport: onUnix }), 'in');
  await broker.stop();
  assert.ok(!existsSync(path));
});

test('option listener: without one only this machine is served', async (t) => {
  const broker = await startOneBroker(t, ['max_keepalive 0']);
  const wanted = [`127.0.0.1:${broker.port}`, ...(hasIpv6 ? [`::1:${broker.port}`] : [])];
  assert.deepEqual(openSocketsOf(broker), wanted);
  assert.equal(await admission(broker.port), 'in');
});

test('option port: makes the default listener on that port, and says that it is deprecated', async (t) => {
  const broker = await startOneBroker(t, ['port {PORT2}', 'bind_address 127.0.0.1', 'allow_anonymous true']);
  assert.deepEqual(openSocketsOf(broker), [`127.0.0.1:${broker.port2}`]);
  assert.equal(await admission(broker.port2), 'in');
  assert.ok(broker.log.hasLine("The 'port' option is now deprecated and will be removed in version 3.0."));
});

test('option bind_address: the default listener is open on that address alone', async (t) => {
  const broker = await startOneBroker(t, ['bind_address 127.0.0.3', 'port {PORT}', 'allow_anonymous true']);
  assert.equal(await admission(broker.port, { host: '127.0.0.3' }), 'in');
  await assert.rejects(admission(broker.port, { host: '127.0.0.1' }), { code: 'ECONNREFUSED' });
});

test('option bind_interface: the addresses of that interface, and no others', async (t) => {
  const broker = await startOneBroker(t, ['listener {PORT}', 'bind_interface lo', 'allow_anonymous true']);
  const addresses = openSocketsOf(broker);
  assert.ok(addresses.includes(`127.0.0.1:${broker.port}`));
  assert.ok(
    addresses.every((address) => address.startsWith('127.') || address.startsWith('::1')),
    addresses.join(' '),
  );
  const refused = await refusalOf(t, ['listener {PORT}', 'bind_interface nosuch0']);
  assert.match(refused, /Interface nosuch0 does not exist/);
});

test('option socket_domain: only one family of the addresses', async (t) => {
  const v4 = await startOneBroker(t, ['listener {PORT}', 'bind_interface lo', 'socket_domain ipv4']);
  assert.deepEqual(openSocketsOf(v4), [`127.0.0.1:${v4.port}`]);
  const refused = await refusalOf(t, ['listener {PORT} 127.0.0.1', 'socket_domain ipv6']);
  assert.match(refused, /127\.0\.0\.1 does not support IPv6 configuration/);
});

const CONNACK = Buffer.of(0x20, 2, 0, 0).toString('latin1');

test('option protocol: mqtt, websockets and http_api each answer in their own way', async (t) => {
  const answerOf = async (lines: readonly string[], bytes: Uint8Array, wanted: string) =>
    await answerTo((await startOneBroker(t, [...OPEN, ...lines])).port, bytes, wanted);
  assert.ok((await answerOf(['protocol mqtt'], rawConnect(), CONNACK)).startsWith(CONNACK));
  assert.ok((await answerOf([], rawConnect(), CONNACK)).startsWith(CONNACK));
  const opened = await answerOf(['protocol websockets'], upgrade(), '\r\n\r\n');
  assert.match(opened, /^HTTP\/1\.1 101 Switching Protocols\r\n/);
  const version = await answerOf(['protocol http_api'], get('/api/v1/version'), '0.0.0');
  assert.match(version, /^HTTP\/1\.1 200 OK\r\n/);
  assert.ok(version.endsWith('0.0.0'), version);
  const { log } = await startOneBroker(t, [...OPEN, 'protocol http_api', 'mount_point a/', 'max_connections 1']);
  for (const name of ['mount_point', 'max_connections']) {
    assert.ok(log.hasLine(`Warning: '${name}' has no effect on this listener: it is the HTTP API`), name);
  }
  const onUnix = await refusalOf(t, ['listener 0 {FOLDER}/sock', 'protocol http_api']);
  assert.match(onUnix, /^Error: 'protocol http_api' cannot be used on a unix socket\.\nGive it a port/);
});

test('option accept_protocol_versions: the others are refused with the right CONNACK', async (t) => {
  const only5 = await startOneBroker(t, [...OPEN, 'accept_protocol_versions 5']);
  assert.equal(await admission(only5.port, { version: 3 }), 1);
  assert.equal(await admission(only5.port, { version: 4 }), 1);
  assert.equal(await admission(only5.port, { version: 5 }), 'in');
  const only34 = await startOneBroker(t, [...OPEN, 'accept_protocol_versions 3,4']);
  assert.equal(await admission(only34.port, { version: 5 }), 0x84);
  assert.equal(await admission(only34.port, { version: 4 }), 'in');
  const all = await startOneBroker(t, OPEN);
  for (const version of [3, 4, 5] as const) assert.equal(await admission(all.port, { version }), 'in');
});

test('option max_connections: one beyond it is closed at once, on that listener only', async (t) => {
  const { port, port2, log } = await startOneBroker(t, [...OPEN, 'max_connections 1', 'listener {PORT2} 127.0.0.1']);
  const first = await Visitor.connect(port, { clientId: 'a' });
  assert.equal(await admission(port, { clientId: 'b' }), 'closed');
  assert.match(await log.sees('denied'), /^Client connection from 127\.0\.0\.1 denied: max_connections exceeded\./);
  assert.equal(await admission(port2, { clientId: 'c' }), 'in');
  assert.equal(await admission(port2, { clientId: 'd' }), 'in');
  await first.leave();
  await log.sees('Client a [');
  assert.equal(await admission(port, { clientId: 'b' }), 'in');
});

test('option max_qos: clients are told it, and PUBLISH above it ends the connection', async (t) => {
  await qosIsLimitedBy(t, 'max_qos 1');
  const free = await startOneBroker(t, OPEN);
  const { client } = await Visitor.connect(free.port);
  assert.equal(client.connack.properties.maximumQos, null);
  assert.equal((await client.publish('a', 'x', { qos: 2 })).kind, 'done');
});

test('option maximum_qos: is max_qos by its old name', (t) => qosIsLimitedBy(t, 'maximum_qos 1'));

async function qosIsLimitedBy(t: Parameters<typeof startOneBroker>[0], line: string): Promise<void> {
  const { port } = await startOneBroker(t, [...OPEN, line]);
  const visitor = await Visitor.connect(port);
  assert.equal(visitor.client.connack.properties.maximumQos, 1);
  assert.equal(await visitor.subscribe('a', { qos: 2 }), 1);
  const raw = await connectRaw(port);
  raw.send(rawPublish('a', { flags: 4, packetId: 1, properties: Uint8Array.of(0) }));
  assert.equal(await disconnectReason(raw), 0x9b);
}

test('option max_topic_alias: clients are told it, and a higher alias ends the connection', async (t) => {
  for (const { lines, alias } of [
    { lines: ['max_topic_alias 3'], alias: 3 },
    { lines: [], alias: 10 },
  ]) {
    const { port } = await startOneBroker(t, [...OPEN, ...lines]);
    const { client } = await Visitor.connect(port);
    assert.equal(client.connack.properties.topicAliasMaximum, alias);
    const raw = await connectRaw(port);
    raw.send(aliased(alias));
    raw.send(aliased(alias + 1));
    assert.equal(await disconnectReason(raw), 0x94);
  }
});

test('option max_topic_alias_broker: how many topics the broker shortens for a client that allows it', async (t) => {
  const namesOnTheWire = async (lines: readonly string[]) => {
    const { port } = await startOneBroker(t, [...OPEN, ...lines]);
    const visitor = await Visitor.connect(port, { properties: { topicAliasMaximum: 20 } });
    await visitor.subscribe('#');
    for (const topic of ['a', 'b', 'a', 'b']) {
      await visitor.publish(topic, topic);
      assert.equal((await visitor.nextMessage()).topic, topic);
    }
    return visitor.packets.flatMap((packet) => (packet.type === 'publish' ? [packet.topic] : []));
  };
  assert.deepEqual(await namesOnTheWire([]), ['a', 'b', '', '']);
  assert.deepEqual(await namesOnTheWire(['max_topic_alias_broker 1']), ['a', 'b', '', 'b']);
  assert.deepEqual(await namesOnTheWire(['max_topic_alias_broker 0']), ['a', 'b', 'a', 'b']);
});

test('option mount_point: stands before the topics of the clients, unseen by them', async (t) => {
  const { port, port2 } = await startOneBroker(t, [...OPEN, 'listener {PORT2} 127.0.0.1', 'mount_point hall2/']);
  const outside = await Visitor.connect(port, { clientId: 'outside' });
  const inside = await Visitor.connect(port2, { clientId: 'inside' });
  await outside.subscribe('#');
  await inside.subscribe('#');
  await outside.publish('a', 'not for the inside');
  await inside.publish('a', 'for both');
  assert.equal((await outside.nextMessage()).topic, 'a');
  assert.equal((await outside.nextMessage()).topic, 'hall2/a');
  const seen = await inside.nextMessage();
  assert.equal(`${seen.topic}: ${Buffer.from(seen.payload)}`, 'a: for both');
});

test('option http_dir: the files of that folder are served', async (t) => {
  const files = { 'www/index.html': '<p>dashboard</p>' };
  const lines = [...OPEN, 'protocol http_api'];
  const withFolder = await startOneBroker(t, [...lines, 'http_dir {FOLDER}/www'], { files });
  assert.match(await answerTo(withFolder.port, get('/'), 'dashboard'), /^HTTP\/1\.1 200 OK\r\n/);
  const without = await startOneBroker(t, lines, { files });
  assert.match(await answerTo(without.port, get('/'), 'Not found'), /^HTTP\/1\.1 404 /);
});

test('option websockets_origin: pages of other origins may not connect', async (t) => {
  const lines = [...OPEN, 'protocol websockets'];
  const strict = await startOneBroker(t, [
    ...lines,
    'websockets_origin https://a.example',
    'websockets_origin https://b.example',
  ]);
  const open = await startOneBroker(t, lines);
  const answers = async (port: number, origin: string) =>
    (await answerTo(port, upgrade(`Origin: ${origin}\r\n`), '\r\n\r\n')).startsWith('HTTP/1.1 101');
  assert.ok(await answers(strict.port, 'https://a.example'));
  assert.ok(await answers(strict.port, 'https://b.example'));
  assert.ok(!(await answers(strict.port, 'https://c.example')));
  assert.ok(await answers(open.port, 'https://c.example'));
});

test('option use_username_as_clientid: the user name takes the place of the id', async (t) => {
  const { port, log } = await startOneBroker(t, [...OPEN, 'use_username_as_clientid true']);
  await Visitor.connect(port, { clientId: 'phone', userName: 'anna', password: 'x' });
  assert.match(await log.sees('New client connected'), / as anna \(/);
  assert.equal(await admission(port, { clientId: 'nobody' }), 0x87);
  const plain = await startOneBroker(t, OPEN);
  await Visitor.connect(plain.port, { clientId: 'phone', userName: 'anna', password: 'x' });
  assert.match(await plain.log.sees('New client connected'), / as phone \(/);
});

// ------------------------------------------------------------------------------------------------------------ by bytes

function upgrade(more = ''): Uint8Array {
  const head =
    'GET /mqtt HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n';
  return Buffer.from(`${head}${more}\r\n`);
}

function get(path: string): Uint8Array {
  return Buffer.from(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
}

/** What comes back, as soon as it holds `wanted` or the connection has ended. */
function answerTo(port: number, bytes: Uint8Array, wanted: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port });
    let text = '';
    const finish = () => {
      socket.destroy();
      resolve(text);
    };
    socket.on('error', (error) =>
      text === '' && !('code' in error && error.code === 'ECONNRESET') ? reject(error) : finish(),
    );
    socket.on('close', finish);
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      if (text.includes(wanted)) finish();
    });
    socket.write(bytes);
  });
}

async function connectRaw(port: number): Promise<RawSocket> {
  const raw = await RawSocket.open(port);
  raw.send(rawConnect({ level: 5, payload: [field('raw')] }));
  const [connack] = await raw.packets(1);
  assert.equal(connack?.[3], 0);
  return raw;
}

/** The reason of the DISCONNECT that ends the connection. */
async function disconnectReason(raw: RawSocket): Promise<number | undefined> {
  const frames = await raw.packets(2);
  const last = frames.at(-1);
  assert.equal(last?.[0], 0xe0);
  return last?.[2];
}

function aliased(alias: number): Uint8Array {
  return rawPublish('a', { properties: Uint8Array.of(3, 0x23, 0, alias) });
}
