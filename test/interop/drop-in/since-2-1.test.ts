/**
 * Drop-in: what Mosquitto has since 2.1. Debian's 2.0.11 does not know these options, so Zanzara is alone here, and what is
 * expected is what the documentation of 2.1 says.
 */
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { connect } from 'node:net';
import { test } from 'node:test';
import { readVersion } from '../../../src/app/version.ts';
import { toolOrSkip } from '../../fixtures/debian.ts';
import { field, frame, joined, rawConnect, u16 } from '../../fixtures/raw-packets.ts';
import { visit } from './guest.ts';
import { PASSWORDS, writePasswords } from './scenarios.ts';
import { observe, type Place, type Scenario } from './two-brokers.ts';

// ---------------------------------------------------------------------------------------------- PROXY protocol

const SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
const TLV_SSL = 0x20;
const TLV_COMMON_NAME = 0x22;

function proxyHeader(commandByte: number, family: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const body = joined(...parts);
  return joined(SIGNATURE, commandByte, family, u16(body.length), body);
}

/** From 198.51.100.7:1000 to 192.0.2.1:1883. */
const TCP4 = joined(198, 51, 100, 7, 192, 0, 2, 1, u16(1000), u16(1883));
const TCP6 = joined(Buffer.from('20010db8000000000000000000000007', 'hex'), new Uint8Array(16), u16(1000), u16(1883));

function tlv(type: number, ...content: readonly (number | string | Uint8Array)[]): Uint8Array {
  const bytes = joined(...content);
  return joined(type, u16(bytes.length), bytes);
}

/** `client` 1 = TLS, 7 = and a certificate; `verify` 0 = it was good. */
function tls(client: number, verify: number, name: string): Uint8Array {
  return tlv(TLV_SSL, client, 0, 0, 0, verify, tlv(TLV_COMMON_NAME, name));
}

const CONNECT = rawConnect({ keepAlive: 60, payload: [field('dev')] });
const PUBLISH = frame(0x32, field('own/robot5'), u16(1), 'x');
const LEAVE = frame(0xe0);

const proxied: Scenario = {
  name: 'PROXY protocol, versions 1 and 2',
  ports: ['PORT', 'PORT2', 'PORT3', 'PORT4'],
  files: {
    'mosquitto.conf': [
      'per_listener_settings true',
      'listener {PORT} 127.0.0.1',
      'enable_proxy_protocol 1',
      'allow_anonymous true',
      'listener {PORT2} 127.0.0.1',
      'enable_proxy_protocol 2',
      'allow_anonymous true',
      'listener {PORT3} 127.0.0.1',
      'enable_proxy_protocol 2',
      'proxy_protocol_v2_require_tls true',
      'require_certificate true',
      'use_identity_as_username true',
      'acl_file {FOLDER}/acl',
      'listener {PORT4} 127.0.0.1',
      'enable_proxy_protocol 1',
      'protocol websockets',
      'allow_anonymous true',
      '',
    ].join('\n'),
    acl: 'pattern write own/%u\n',
  },
  async script(place) {
    const lines: string[] = [];
    const say = async (what: string, port: string, ...bytes: readonly Uint8Array[]) => {
      const start = place.output().length;
      const answer = await talk(place, port, bytes);
      const mark = /New client connected from .*|Connection rejected.*/;
      // The line comes on its own way, perhaps after the answer.
      if (answer === '' || answer.startsWith('20020000')) await place.sees(new RegExp(`(${mark.source})\\n`), start);
      const logged = place
        .lines(place.output().slice(start))
        .map((line) => mark.exec(line)?.[0])
        .filter((line) => line !== undefined);
      lines.push(`${what}: ${answer === '' ? 'closed' : answer} | ${logged.join(' / ')}`);
    };
    const v1 = (text: string) => Buffer.from(`${text}\r\n`);
    await say('1, TCP4', 'PORT', v1('PROXY TCP4 198.51.100.7 192.0.2.1 1000 1883'), CONNECT, LEAVE);
    await say('1, TCP6', 'PORT', v1('PROXY TCP6 2001:db8::7 2001:db8::1 1000 1883'), CONNECT, LEAVE);
    await say('1, UNKNOWN', 'PORT', v1('PROXY UNKNOWN'), CONNECT, LEAVE);
    await say('1, wrong address', 'PORT', v1('PROXY TCP4 198.51.100.777 192.0.2.1 1000 1883'), CONNECT, LEAVE);
    await say('1, none', 'PORT', CONNECT, LEAVE);
    await say('1, version 2', 'PORT', proxyHeader(0x21, 0x11, TCP4), CONNECT, LEAVE);
    await say('2, TCP4', 'PORT2', proxyHeader(0x21, 0x11, TCP4), CONNECT, LEAVE);
    await say('2, TCP6', 'PORT2', proxyHeader(0x21, 0x21, TCP6), CONNECT, LEAVE);
    await say('2, version 3', 'PORT2', proxyHeader(0x31, 0x11, TCP4), CONNECT, LEAVE);
    await say('2, none', 'PORT2', CONNECT, LEAVE);
    lines.push(`2, LOCAL: ${await talk(place, 'PORT2', [proxyHeader(0x20, 0)])}`);
    const good = proxyHeader(0x21, 0x11, TCP4, tls(7, 0, 'robot5'));
    await say('2, its certificate', 'PORT3', good, CONNECT, PUBLISH, LEAVE);
    await say('2, no TLS', 'PORT3', proxyHeader(0x21, 0x11, TCP4), CONNECT, LEAVE);
    await say('2, no certificate', 'PORT3', proxyHeader(0x21, 0x11, TCP4, tls(1, 0, '')), CONNECT, LEAVE);
    await say('2, a bad certificate', 'PORT3', proxyHeader(0x21, 0x11, TCP4, tls(7, 1, 'robot5')), CONNECT, LEAVE);
    const upgrade = [
      'GET /mqtt HTTP/1.1',
      'Host: x',
      'Upgrade: websocket',
      'Connection: Upgrade',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
      'Sec-WebSocket-Protocol: mqtt',
    ];
    const closeFrame = Uint8Array.of(0x88, 0x80, 0, 0, 0, 0);
    const hello = [v1('PROXY TCP4 198.51.100.7 192.0.2.1 1000 1883'), Buffer.from(`${upgrade.join('\r\n')}\r\n\r\n`)];
    const answer = Buffer.from(await talk(place, 'PORT4', hello, closeFrame), 'hex').toString('latin1');
    lines.push(`1, WebSocket: ${answer.split('\r\n')[0]}`);
    return lines;
  },
};

/** Sends, and once something has come `last`; hex of all that came until the connection was closed. */
function talk(place: Place, port: string, parts: readonly Uint8Array[], last?: Uint8Array): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port: place.ports[port] ?? 0 });
    let text = '';
    socket.on('data', (chunk) => {
      if (text === '' && last !== undefined) socket.write(last);
      text += chunk.toString('hex');
    });
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(text));
    socket.write(joined(...parts));
  });
}

test(`drop-in, since 2.1: ${proxied.name}`, { timeout: 60_000 }, async () => {
  const corrupt = 'closed | Connection rejected, corrupt PROXY header.';
  assert.deepEqual(await observe(proxied, 'zanzara', ''), [
    '1, TCP4: 20020000 | New client connected from 198.51.100.7:P as dev (p4, c1, k60).',
    '1, TCP6: 20020000 | New client connected from 2001:db8::7:P as dev (p4, c1, k60).',
    '1, UNKNOWN: 20020000 | New client connected from 127.0.0.1:P as dev (p4, c1, k60).',
    `1, wrong address: ${corrupt}`,
    `1, none: ${corrupt}`,
    `1, version 2: ${corrupt}`,
    '2, TCP4: 20020000 | New client connected from 198.51.100.7:P as dev (p4, c1, k60).',
    '2, TCP6: 20020000 | New client connected from 2001:db8::7:P as dev (p4, c1, k60).',
    `2, version 3: ${corrupt}`,
    `2, none: ${corrupt}`,
    '2, LOCAL: ',
    "2, its certificate: 2002000040020001 | New client connected from 198.51.100.7:P as dev (p4, c1, k60, u'robot5').",
    '2, no TLS: closed | Connection rejected, client TLS required.',
    '2, no certificate: closed | Connection rejected, client certificate required.',
    '2, a bad certificate: closed | Connection rejected, client certificate required.',
    '1, WebSocket: HTTP/1.1 101 Switching Protocols',
  ]);
});

// ---------------------------------------------------------------------------------------------------- http_api

const httpApi: Scenario = {
  name: 'http_api',
  ports: ['PORT', 'PORT2'],
  files: {
    'mosquitto.conf': [
      'password_file {FOLDER}/passwords',
      'acl_file {FOLDER}/acl',
      'sys_interval 1',
      'listener {PORT} 127.0.0.1',
      'listener {PORT2} 127.0.0.1',
      'protocol http_api',
      'http_dir {FOLDER}/www',
      '',
    ].join('\n'),
    acl: 'user operator\ntopic readwrite #\nuser sensor1\ntopic read /api/v1/version\n',
    'www/index.html': '<title>Dashboard</title>\n',
    'www/app.js': 'start();\n',
    'secret.html': 'not for the web\n',
  },
  prepare: writePasswords,
  async script(place) {
    const [[operator, password], [sensor, sensorPassword]] = PASSWORDS;
    const own = `${operator}:${password}`;
    const client = await visit(place, { clientId: 'c', username: operator, password });
    const lines: string[] = [];
    const say = async (what: string, path: string, { auth = own, method = 'GET' } = {}) => {
      lines.push(`${what}: ${await ask(place, { path, auth, method })}`);
    };
    await say('nobody', '/api/v1/version', { auth: '' });
    await say('wrong password', '/api/v1/version', { auth: `${operator}:x` });
    await say('version', '/api/v1/version');
    await say('a right to this', '/api/v1/version', { auth: `${sensor}:${sensorPassword}` });
    await say('no right to that', '/api/v1/systree', { auth: `${sensor}:${sensorPassword}` });
    await say('listeners', '/api/v1/listeners');
    await say('POST', '/api/v1/version', { method: 'POST' });
    await say('the page', '/');
    await say('a file', '/app.js');
    await say('no file', '/other.js');
    await say('out of the folder', '/../secret.html');
    await say('out of the folder, hidden', '/%2e%2e/secret.html');
    const tree: unknown = JSON.parse(
      (await ask(place, { path: '/api/v1/systree', auth: own, method: 'GET' })).split(' | ')[2] ?? '',
    );
    assert.ok(typeof tree === 'object' && tree !== null);
    const kinds = Object.entries(tree).filter(
      ([name, value]) => typeof value !== 'number' && name !== '$SYS/broker/uptime',
    );
    lines.push(
      `all are numbers: ${kinds.length === 0}, loads: ${Object.keys(tree).some((name) => name.includes('/load/'))}`,
    );
    lines.push(`connected: ${'$SYS/broker/clients/connected' in tree && tree['$SYS/broker/clients/connected']}`);
    await client.leave();
    return lines;
  },
};

interface Question {
  readonly path: string;
  readonly auth: string;
  readonly method: string;
}

function ask({ ports }: Place, { path, auth, method }: Question): Promise<string> {
  return new Promise((resolve, reject) => {
    const port = ports.PORT2 ?? 0;
    const options = { host: '127.0.0.1', port, path, method, ...(auth === '' ? {} : { auth }) };
    const asked = request(options, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      response.on('end', () => {
        const { 'www-authenticate': realm, 'access-control-allow-origin': origin } = response.headers;
        const headers = [realm, origin === undefined ? undefined : `origin ${origin}`].filter(
          (one) => one !== undefined,
        );
        const shown = text.trim().replaceAll(String(ports.PORT2), '2').replaceAll(String(ports.PORT), '1');
        resolve(`${response.statusCode} | ${headers.join()} | ${shown}`);
      });
    });
    asked.on('error', reject);
    asked.end();
  });
}

test(`drop-in, since 2.1: ${httpApi.name}`, { timeout: 60_000 }, async (t) => {
  if (toolOrSkip(t, 'mosquitto_passwd', 'mosquitto') === null) return;
  const refused = '401 | Basic realm="Mosquitto API" | Not authorised';
  const notFound = '404 |  | Not found.';
  const listener = { tls: false, mtls: false, allow_anonymous: false };
  const listeners = [
    { port: 1, protocol: 'mqtt', ...listener },
    { port: 2, protocol: 'httpapi', ...listener },
  ];
  assert.deepEqual(await observe(httpApi, 'zanzara', ''), [
    `nobody: ${refused}`,
    `wrong password: ${refused}`,
    `version: 200 | origin * | ${readVersion()}`,
    `a right to this: 200 | origin * | ${readVersion()}`,
    `no right to that: ${refused}`,
    `listeners: 200 | origin * | ${JSON.stringify({ listeners })}`,
    'POST: 405 |  | Invalid HTTP Method',
    'the page: 200 |  | <title>Dashboard</title>',
    'a file: 200 |  | start();',
    `no file: ${notFound}`,
    `out of the folder: ${notFound}`,
    `out of the folder, hidden: ${notFound}`,
    'all are numbers: true, loads: false',
    'connected: 1',
  ]);
});
