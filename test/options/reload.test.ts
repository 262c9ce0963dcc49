/**
 * Options that a reload takes over: the broker starts without the lines, reads them as SIGHUP makes it, and a client that
 * comes then finds them in force. That the rest of a reload is sound stands in test/reload/.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { proxyV2 } from '../../src/transport/proxy-protocol/proxy-header.fixture.ts';
import { certificatesOrSkip } from '../fixtures/certificates.ts';
import { field, rawConnect } from '../fixtures/raw-packets.ts';
import { RawSocket } from '../fixtures/raw-socket.ts';
import { dialTls } from '../fixtures/tls-client.ts';
import { type OneBroker, OPEN, startOneBroker } from './one-broker.ts';
import { passwordLine } from './password-line.ts';
import { cannotReadOptions, hasNoDelay } from './socket-option.ts';
import { admission, Visitor, type VisitorOptions } from './visitor.ts';

interface Row {
  /** The lines that the reload brings. */
  readonly lines: readonly string[];
  /** Those that stand before and after. */
  readonly always?: readonly string[];
  /** Something that a client sees. */
  readonly sees: (broker: OneBroker) => Promise<unknown>;
  readonly before: unknown;
  readonly after: unknown;
}

const comes =
  (options: VisitorOptions = {}) =>
  ({ port }: OneBroker) =>
    admission(port, options);

type Told = keyof Visitor['client']['connack']['properties'];
const told =
  (name: Told, options: VisitorOptions = {}) =>
  async ({ port }: OneBroker) => {
    const { client } = await Visitor.connect(port, options);
    await client.disconnect();
    return client.connack.properties[name];
  };

const ROWS: readonly Row[] = [
  { lines: ['max_keepalive 30'], sees: told('serverKeepAlive'), before: null, after: 30 },
  { lines: ['max_inflight_messages 5'], sees: told('receiveMaximum'), before: 20, after: 5 },
  { lines: ['max_packet_size 999'], sees: told('maximumPacketSize'), before: 2_000_000, after: 999 },
  { lines: ['retain_available false'], sees: told('retainAvailable'), before: null, after: 0 },
  { lines: ['max_qos 1'], sees: told('maximumQos'), before: null, after: 1 },
  { lines: ['max_topic_alias 3'], sees: told('topicAliasMaximum'), before: 10, after: 3 },
  {
    lines: ['persistent_client_expiration 1d'],
    sees: told('sessionExpiryInterval', { properties: { sessionExpiryInterval: 2 ** 31 } }),
    before: null,
    after: 86_400,
  },
  { lines: ['accept_protocol_versions 4'], sees: comes(), before: 'in', after: 0x84 },
  { lines: ['clientid_prefixes plant-'], sees: comes(), before: 'in', after: 0x87 },
  { lines: ['allow_zero_length_clientid false'], sees: comes({ clientId: '' }), before: 'in', after: 0x85 },
  { lines: ['listener_allow_anonymous false'], sees: comes(), before: 'in', after: 0x87 },
  { lines: ['password_file {FOLDER}/passwd'], sees: comes({ userName: 'bob' }), before: 'in', after: 0x87 },
  {
    lines: ['plugin mosquitto_password_file.so', 'plugin_opt_password_file {FOLDER}/passwd'],
    sees: comes({ userName: 'bob' }),
    before: 'in',
    after: 0x87,
  },
  { lines: ['use_username_as_clientid true'], sees: comes(), before: 'in', after: 0x87 },
  { lines: ['memory_limit 1000'], sees: comes(), before: 'in', after: 'closed' },
  { lines: ['acl_file {FOLDER}/acl'], sees: publishes, before: 0x10, after: 0x87 },
  { lines: ['message_size_limit 3'], sees: echoes, before: '12345', after: null },
  { lines: ['mount_point hall/', 'listener {PORT2} 127.0.0.1'], sees: mounted, before: 'a', after: 'hall/a' },
  { lines: ['listener_auto_id_prefix west-'], sees: idBegins, before: 'auto-', after: 'west-' },
  { lines: ['enable_proxy_protocol 2'], sees: proxied, before: false, after: true },
  {
    always: ['enable_proxy_protocol 2'],
    lines: ['proxy_protocol_v2_require_tls true'],
    sees: proxied,
    before: true,
    after: false,
  },
  { lines: ['protocol websockets'], sees: upgrades, before: false, after: true },
  {
    always: ['protocol websockets'],
    lines: ['websockets_origin https://a'],
    sees: upgrades,
    before: true,
    after: false,
  },
  { always: ['protocol websockets'], lines: ['packet_buffer_size 100'], sees: upgrades, before: true, after: false },
];

const FILES = { passwd: passwordLine('anna', 'tulip'), acl: 'topic read #\n' } as const;

for (const { always = [], lines, sees, before, after } of ROWS) {
  test(`a reload brings ${lines.join(', ')}`, async (t) => {
    const broker = await startOneBroker(t, [...OPEN, ...always], { files: FILES });
    assert.deepEqual(await sees(broker), before);
    await broker.reloadWith({}, [...OPEN, ...always, ...lines]);
    assert.deepEqual(await sees(broker), after);
    assert.ok(!broker.log.hasLine('takes a restart'), broker.log.lines.join('\n'));
    await broker.reloadWith({}, [...OPEN, ...always]);
    assert.deepEqual(await sees(broker), before);
  });
}

test('a reload does not bring set_tcp_nodelay, and says so', { skip: cannotReadOptions }, async (t) => {
  const broker = await startOneBroker(t, OPEN);
  await broker.reloadWith({}, [...OPEN, 'set_tcp_nodelay false']);
  await Visitor.connect(broker.port);
  assert.deepEqual(hasNoDelay(broker.port), [true]);
  assert.ok(broker.log.hasLine("Warning: 'set_tcp_nodelay' has changed. That takes a restart: the old value stays."));
});

test('a reload brings sys_interval', async (t) => {
  const broker = await startOneBroker(t, [...OPEN, 'sys_interval 0']);
  const visitor = await Visitor.connect(broker.port);
  await visitor.subscribe('$SYS/broker/version');
  await broker.reloadWith({}, [...OPEN, 'sys_interval 1']);
  assert.match(await visitor.next(), /^mosquitto version 2\.1/);
});

test('a reload brings another certificate', async (t) => {
  const made = certificatesOrSkip(t);
  if (made === null) return;
  const lines = (name: 'server' | 'serverRsa') => [
    ...OPEN,
    `certfile ${made[name].certFile}`,
    `keyfile ${made[name].keyFile}`,
  ];
  const broker = await startOneBroker(t, lines('server'));
  const serverKey = async () => {
    const more = { rejectUnauthorized: false };
    const to = { host: '127.0.0.1', port: broker.port };
    const socket = await dialTls(to, { ca: null, identity: null, psk: null, more });
    const key = socket.getPeerX509Certificate()?.publicKey.asymmetricKeyType;
    const version = socket.getProtocol();
    socket.destroy();
    return [key, version];
  };
  assert.deepEqual(await serverKey(), ['ec', 'TLSv1.3']);
  await broker.reloadWith({}, lines('serverRsa'));
  assert.deepEqual(await serverKey(), ['rsa', 'TLSv1.3']);
});

async function publishes({ port }: OneBroker): Promise<unknown> {
  const visitor = await Visitor.connect(port);
  const reason = await visitor.publish('a', 'x');
  await visitor.leave();
  return reason;
}

/** What comes back of a message of five bytes; null when the next one comes first. */
async function echoes({ port }: OneBroker): Promise<unknown> {
  const visitor = await Visitor.connect(port, { version: 4 });
  await visitor.subscribe('a');
  await visitor.publish('a', '12345');
  await visitor.publish('a', 'end');
  const text = await visitor.next();
  await visitor.leave();
  return text === 'end' ? null : text;
}

/** The name that a topic of the first listener has on the second, or on the first while there is no other. */
async function mounted({ port, port2, running }: OneBroker): Promise<unknown> {
  const isMounted = running.listeners().length > 1;
  const reader = await Visitor.connect(isMounted ? port2 : port, { clientId: 'reader' });
  await reader.subscribe('#');
  const visitor = await Visitor.connect(port);
  await visitor.publish('a', 'x');
  const { topic } = await reader.nextMessage();
  await visitor.leave();
  await reader.leave();
  return topic;
}

async function idBegins({ port }: OneBroker): Promise<unknown> {
  const visitor = await Visitor.connect(port, { clientId: '' });
  await visitor.leave();
  return visitor.client.clientId.slice(0, 5);
}

/** Whether a client comes in behind a PROXY header. */
async function proxied({ port }: OneBroker): Promise<unknown> {
  const socket = await RawSocket.open(port);
  socket.send(proxyV2());
  socket.send(rawConnect({ payload: [field('proxied')] }));
  const [connack] = await socket.packets(1);
  socket.destroy();
  return connack !== undefined;
}

async function upgrades({ port }: OneBroker): Promise<unknown> {
  const socket = await RawSocket.open(port);
  const head =
    'GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n';
  const key =
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mqtt\r\nOrigin: https://b\r\n\r\n';
  socket.send(Buffer.from(head + key));
  const answer = await socket.received(12);
  socket.destroy();
  return answer.toString('latin1').startsWith('HTTP/1.1 101');
}
