/**
 * Bridges are not there yet: their lines are read and checked, and a bridge that is configured ends the start. So the effect
 * of each option is its value in the configuration, another than without the line, and the refusal of a wrong one.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OPEN, readLines, refusalOf } from './one-broker.ts';

const BASE = ['connection plant', 'address broker.example.org', 'topic sensors/# out'] as const;
const PSK = ['bridge_identity gateway', 'bridge_psk 00ff'] as const;
const CERTIFICATE = ['bridge_certfile /c.crt', 'bridge_keyfile /c.key'] as const;

interface Row {
  readonly title: string;
  /** The line, or the lines that must stand together. */
  readonly lines: readonly string[];
  readonly key: string;
  readonly value: unknown;
  /** A line that is wrong, and what is said about it. */
  readonly wrong: string;
  readonly words: RegExp;
}

/** A row of an option that any text will do for: only an empty one is wrong. */
function text(title: string, line: string, key: string, more: readonly string[] = []): Row {
  const [name = '', value] = line.split(' ');
  return { title, lines: [line, ...more], key, value, wrong: name, words: new RegExp(`Empty '${name}' value`) };
}

/** A row of a switch; `value` is not its default. */
function flag(title: string, name: string, key: string, value: boolean): Row {
  return { title, lines: [`${name} ${value}`], key, value, wrong: `${name} maybe`, words: invalid(name) };
}

function number(title: string, line: string, key: string, wrong: string, words?: RegExp): Row {
  const [name = '', value] = line.split(' ');
  const usual = new RegExp(`'${name}' value \\(${wrong}\\)`);
  return { title, lines: [line], key, value: Number(value), wrong: `${name} ${wrong}`, words: words ?? usual };
}

function invalid(name: string): RegExp {
  return new RegExp(`Invalid '${name}' value \\(maybe\\)`);
}

const ROWS: readonly Row[] = [
  text(
    'option remote_clientid: read and checked, the id at the remote broker',
    'remote_clientid far',
    'remoteClientid',
  ),
  text('option clientid: is remote_clientid by its old name', 'clientid far', 'remoteClientid'),
  text(
    'option remote_username: read and checked, the user name at the remote broker',
    'remote_username anna',
    'remoteUsername',
  ),
  text('option username: is remote_username by its old name', 'username anna', 'remoteUsername'),
  text(
    'option remote_password: read and checked, the password at the remote broker',
    'remote_password tulip',
    'remotePassword',
  ),
  text('option password: is remote_password by its old name', 'password tulip', 'remotePassword'),
  text('option local_clientid: read and checked, the id at this broker', 'local_clientid near', 'localClientid'),
  text('option local_username: read and checked, the user name at this broker', 'local_username bob', 'localUsername'),
  text('option local_password: read and checked, the password at this broker', 'local_password rose', 'localPassword'),
  text(
    'option notification_topic: read and checked, the topic of its state',
    'notification_topic up',
    'notificationTopic',
  ),
  text(
    'option bridge_bind_address: read and checked, where it connects from',
    'bridge_bind_address 127.0.0.1',
    'bridgeBindAddress',
  ),
  text('option bridge_cafile: read and checked, whom it trusts', 'bridge_cafile /ca.crt', 'bridgeCafile'),
  text('option bridge_capath: read and checked, a folder of those it trusts', 'bridge_capath /ca', 'bridgeCapath'),
  text(
    'option bridge_ciphers: read and checked, its ciphers up to TLS 1.2',
    'bridge_ciphers ECDHE+AESGCM',
    'bridgeCiphers',
  ),
  text(
    'option bridge_ciphers_tls1.3: read and checked, those of TLS 1.3',
    'bridge_ciphers_tls1.3 X',
    'bridgeCiphersTls13',
  ),
  text('option bridge_alpn: read and checked, the protocol of the handshake', 'bridge_alpn mqtt', 'bridgeAlpn'),
  flag('option cleansession: read and checked, the remote session ends with it', 'cleansession', 'cleansession', true),
  flag(
    'option local_cleansession: read and checked, so does the local one',
    'local_cleansession',
    'localCleansession',
    true,
  ),
  flag('option round_robin: read and checked, all addresses are equal', 'round_robin', 'roundRobin', true),
  flag('option notifications: read and checked, its state is published', 'notifications', 'notifications', false),
  flag(
    'option notifications_local_only: read and checked, only here',
    'notifications_local_only',
    'notificationsLocalOnly',
    true,
  ),
  flag('option try_private: read and checked, it says that it is a bridge', 'try_private', 'tryPrivate', false),
  flag(
    'option bridge_attempt_unsubscribe: read and checked, it unsubscribes what only goes out',
    'bridge_attempt_unsubscribe',
    'bridgeAttemptUnsubscribe',
    false,
  ),
  flag(
    'option bridge_outgoing_retain: read and checked, messages stay retained',
    'bridge_outgoing_retain',
    'bridgeOutgoingRetain',
    false,
  ),
  flag(
    'option bridge_tls_use_os_certs: read and checked, trusts whom the system trusts',
    'bridge_tls_use_os_certs',
    'bridgeTlsUseOsCerts',
    true,
  ),
  flag('option bridge_insecure: read and checked, any host name will do', 'bridge_insecure', 'bridgeInsecure', true),
  flag(
    'option bridge_require_ocsp: read and checked, a stapled proof is needed',
    'bridge_require_ocsp',
    'bridgeRequireOcsp',
    true,
  ),
  number(
    'option keepalive_interval: read and checked, seconds between signs of life',
    'keepalive_interval 90',
    'keepaliveInterval',
    '65536',
    /keepalive value too high/,
  ),
  number('option idle_timeout: read and checked, when a lazy bridge hangs up', 'idle_timeout 5', 'idleTimeout', 'x'),
  number('option threshold: read and checked, when a lazy bridge connects', 'threshold 5', 'threshold', 'x'),
  number(
    'option bridge_max_packet_size: read and checked, the largest packet',
    'bridge_max_packet_size 999',
    'bridgeMaxPacketSize',
    'x',
  ),
  number(
    'option bridge_max_topic_alias: read and checked, aliases it takes',
    'bridge_max_topic_alias 5',
    'bridgeMaxTopicAlias',
    '65536',
  ),
  number(
    'option bridge_receive_maximum: read and checked, messages it takes',
    'bridge_receive_maximum 5',
    'bridgeReceiveMaximum',
    '0',
  ),
  number(
    'option bridge_session_expiry_interval: read and checked, how long it is remembered',
    'bridge_session_expiry_interval 60',
    'bridgeSessionExpiryInterval',
    '-2',
  ),
  number(
    'option bridge_tcp_user_timeout: read and checked, how long bytes may stay unanswered',
    'bridge_tcp_user_timeout 1000',
    'bridgeTcpUserTimeout',
    'x',
  ),
  {
    title: 'option start_type: read and checked, when it connects; manual is refused',
    lines: ['start_type lazy'],
    key: 'startType',
    value: 'lazy',
    wrong: 'start_type manual',
    words: /Manual start_type not supported/,
  },
  {
    title: 'option restart_timeout: read and checked, how long it waits before the next try',
    lines: ['restart_timeout 10 60 120'],
    key: 'restartTimeout',
    value: { base: 10, cap: 60, stable: 120 },
    wrong: 'restart_timeout soon',
    words: /restart_timeout/,
  },
  {
    title: 'option bridge_tcp_keepalive: read and checked, probes of TCP',
    lines: ['bridge_tcp_keepalive 60 10 3'],
    key: 'bridgeTcpKeepalive',
    value: { idle: 60, interval: 10, count: 3 },
    wrong: 'bridge_tcp_keepalive 60 10',
    words: /bridge_tcp_keepalive/,
  },
  {
    title: 'option bridge_protocol_version: read and checked, the version of MQTT that it speaks',
    lines: ['bridge_protocol_version mqttv50'],
    key: 'bridgeProtocolVersion',
    value: 'mqttv50',
    wrong: 'bridge_protocol_version 5',
    words: /bridge_protocol_version/,
  },
  {
    title: 'option bridge_reload_type: read and checked, when a reload takes effect',
    lines: ['bridge_reload_type immediate'],
    key: 'bridgeReloadType',
    value: 'immediate',
    wrong: 'bridge_reload_type soon',
    words: /bridge_reload_type/,
  },
  {
    title: 'option bridge_tls_version: read and checked, the oldest version of TLS that it speaks',
    lines: ['bridge_tls_version tlsv1.3'],
    key: 'bridgeTlsVersion',
    value: 'tlsv1.3',
    wrong: 'bridge_tls_version sslv3',
    words: /bridge_tls_version/,
  },
  {
    title: 'option bridge_certfile: read and checked, its own certificate, with its key',
    lines: CERTIFICATE,
    key: 'bridgeCertfile',
    value: '/c.crt',
    wrong: 'bridge_certfile /c.crt',
    words: /Both bridge_certfile and bridge_keyfile must be provided/,
  },
  {
    title: 'option bridge_keyfile: read and checked, its own key, with the certificate',
    lines: CERTIFICATE,
    key: 'bridgeKeyfile',
    value: '/c.key',
    wrong: 'bridge_keyfile /c.key',
    words: /Both bridge_certfile and bridge_keyfile must be provided/,
  },
  {
    title: 'option bridge_identity: read and checked, the name of a pre-shared key, with the key',
    lines: PSK,
    key: 'bridgeIdentity',
    value: 'gateway',
    wrong: 'bridge_identity gateway',
    words: /missing bridge_psk/,
  },
  {
    title: 'option bridge_psk: read and checked, a pre-shared key, with its name',
    lines: PSK,
    key: 'bridgePsk',
    value: '00ff',
    wrong: 'bridge_psk 00ff',
    words: /missing bridge_identity/,
  },
];

for (const { title, lines, key, value, wrong, words } of ROWS) {
  test(title, async (t) => {
    const valueWith = async (more: readonly string[]) => {
      const [bridge] = (await readLines(t, [...BASE, ...more])).bridges;
      return new Map<string, unknown>(Object.entries(bridge?.options ?? {})).get(key);
    };
    assert.deepEqual(await valueWith(lines), value);
    assert.notDeepEqual(await valueWith([]), value);
    await endsTheStart(t, [...BASE, ...lines]);
    assert.match(await refusalOf(t, [...BASE, wrong]), words);
    assert.match(
      await refusalOf(t, lines),
      /Invalid bridge configuration\. '[a-z_0-9.]+' must follow a 'connection' line/,
    );
  });
}

test('option connection: a bridge ends the start, by its name and line; two of one name are refused', async (t) => {
  await endsTheStart(t, BASE);
  assert.match(await refusalOf(t, [...BASE, ...BASE]), /plant/);
  assert.match(await refusalOf(t, ['connection']), /Empty 'connection' value/);
});

const CASES_OF_ADDRESS = [
  {
    line: 'address a.example [::1]:1884',
    is: [
      ['a.example', 1883],
      ['::1', 1884],
    ],
  },
  { line: 'addresses a.example:1885', is: [['a.example', 1885]] },
] as const;

async function addressesAre(t: Parameters<typeof readLines>[0], index: 0 | 1): Promise<void> {
  const { line, is } = CASES_OF_ADDRESS[index];
  const lines = ['connection plant', line, 'topic sensors/# out'];
  const [bridge] = (await readLines(t, lines)).bridges;
  assert.deepEqual(
    bridge?.options.address.map(({ host, port }) => [host, port]),
    is,
  );
  await endsTheStart(t, lines);
  const without = await refusalOf(t, ['connection plant', 'topic a']);
  assert.match(without, /no remote addresses defined/);
  const [name] = line.split(' ');
  assert.match(
    await refusalOf(t, ['connection plant', `${name} a.example:0`, 'topic a']),
    /Invalid 'port' value \(0\)/,
  );
}

test('option address: read and checked, the remote brokers', (t) => addressesAre(t, 0));

test('option addresses: is address by its other name', (t) => addressesAre(t, 1));

test('option topic: read and checked, what is exchanged, which way and under which names', async (t) => {
  const lines = ['connection plant', 'address a.example', 'topic sensors/# both 2 here/ there/', 'topic a'];
  const [bridge] = (await readLines(t, lines)).bridges;
  assert.deepEqual(bridge?.options.topic, [
    { pattern: 'sensors/#', direction: 'both', qos: 2, localPrefix: 'here/', remotePrefix: 'there/' },
    { pattern: 'a', direction: 'out', qos: 0, localPrefix: '', remotePrefix: '' },
  ]);
  await endsTheStart(t, lines);
  const block = ['connection plant', 'address a.example'];
  assert.match(await refusalOf(t, block), /no topics defined/);
  assert.match(await refusalOf(t, [...block, 'topic a sideways']), /Invalid bridge topic direction 'sideways'/);
});

/** Whatever else is right: the broker says which bridge keeps it from starting. */
async function endsTheStart(t: Parameters<typeof readLines>[0], lines: readonly string[]): Promise<void> {
  const refused = await refusalOf(t, [...OPEN, ...lines]);
  assert.match(refused, /^Error: Bridge 'plant' is configured, and bridges are not there yet\.$/m);
  assert.match(refused, /Its options are right\. Remove the block of .*test\.conf:3 to start without it\./);
}
