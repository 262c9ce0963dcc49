/**
 * Every configuration of examples/ starts and does what it says: run as it stands there, but for the ports, which are free
 * ones, and the folders of the system, which become one of the test.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Reason } from '../../src/protocol/reasons.ts';
import { proxyV2, tlsTlv } from '../../src/transport/proxy-protocol/proxy-header.fixture.ts';
import { certificatesOrSkip } from '../fixtures/certificates.ts';
import { createTlsClient } from '../fixtures/tls-client.ts';
import { admission, Visitor, type VisitorOptions } from '../options/visitor.ts';
import { BrokerProcess, freePort, MAIN } from './broker-process.ts';

const EXAMPLES = fileURLToPath(new URL('../../examples', import.meta.url));
const CONFIGS = readdirSync(EXAMPLES).filter((name) => name.endsWith('.conf'));
/** How often other ports are tried when somebody else took one in between. */
const STARTS_MAX = 5;
const PORT_LINE = /^listener ([1-9][0-9]*)/gm;

interface Example {
  readonly broker: BrokerProcess;
  readonly folder: string;
  /** The port that stands for this one of the file. */
  port(written: number): number;
}

/** Starts the example in a folder that looks like the project's. */
async function startExample(t: TestContext, name: string): Promise<Example> {
  const folder = mkdtempSync(join(tmpdir(), 'zanzara-examples-'));
  t.after(() => rmSync(folder, { recursive: true }));
  // A broker that root starts is another user's.
  chmodSync(folder, 0o777);
  const copy = join(folder, 'examples');
  cpSync(EXAMPLES, copy, { recursive: true });
  for (const inside of ['run', 'certs']) {
    mkdirSync(join(folder, inside));
    chmodSync(join(folder, inside), 0o777);
  }
  const text = readFileSync(join(EXAMPLES, name), 'utf8')
    .replaceAll('/etc/zanzara/', `${folder}/`)
    .replaceAll('/run/zanzara/', `${folder}/run/`)
    .replaceAll('/var/lib/zanzara/', `${folder}/state/`);
  for (let attempt = 1; ; attempt += 1) {
    const ports = new Map<string, number>();
    for (const [, written = ''] of text.matchAll(PORT_LINE)) ports.set(written, await freePort());
    writeFileSync(
      join(copy, name),
      text.replace(PORT_LINE, (_, written) => `listener ${ports.get(written)}`),
    );
    // Without a listener it opens the ports of -p.
    const args = ports.size === 0 && !text.includes('\nlistener 0') ? ['-p', String(await freePort())] : [];
    const inFolder = ['/bin/sh', '-c', 'cd "$0" && exec "$@"', folder, ...MAIN];
    prepareFiles(t, folder, name);
    // -v: whatever the example logs, the line that it runs is seen.
    const broker = new BrokerProcess(t, ['-v', '-c', `examples/${name}`, ...args], inFolder);
    const isRunning = await broker.sees(' running\n').then(
      () => true,
      () => false,
    );
    if (isRunning) return { broker, folder, port: (written) => ports.get(String(written)) ?? 0 };
    assert.ok(attempt < STARTS_MAX && broker.stderr.includes('Address already in use'), broker.stderr);
  }
}

/** What an example names and nobody should ship: keys and certificates. */
function prepareFiles(t: TestContext, folder: string, name: string): void {
  if (name !== 'tls-clients.conf') return;
  const made = certificatesOrSkip(t);
  if (made === null) return;
  const files = { 'server.crt': made.server.certFile, 'server.key': made.server.keyFile, 'ca.crt': made.root.certFile };
  for (const [file, from] of Object.entries(files)) {
    writeFileSync(join(folder, 'certs', file), readFileSync(from), { mode: 0o644 });
  }
  writeFileSync(join(folder, 'keys.psk'), `pump9:${PSK.toString('hex')}\n`, { mode: 0o644 });
}

const PSK = Buffer.from('a key of sixteen');

/** What each example promises; one that only has to start stands here with null. */
const PROMISES: Readonly<Record<string, ((example: Example, t: TestContext) => Promise<void>) | null>> = {
  'behind-a-proxy.conf': async ({ broker, port }) => {
    const socket = connect(port(1884), '127.0.0.1');
    await once(socket, 'connect');
    const connectPacket = Buffer.from('100d00044d51545404020000000174', 'hex');
    socket.end(Buffer.concat([proxyV2({ tlvs: [tlsTlv()] }), connectPacket]));
    await broker.sees('New client connected from 192.0.2.7:56324 as t ');
    assert.equal(await admission(port(1884)), 'closed');
    assert.equal(await admission(port(1883)), 'in');
  },
  'home-users.conf': async ({ port }) => {
    assert.equal(await admission(port(1883)), Reason.NotAuthorized);
    assert.equal(await admission(port(1883), userOf('desk', 'wrong')), Reason.NotAuthorized);
    const desk = await Visitor.connect(port(1883), { ...userOf('desk'), clientId: 'desk' });
    const robot = await Visitor.connect(port(1883), { ...userOf('robot5'), clientId: 'robot' });
    await desk.subscribe('Plant1/#');
    assert.equal(await robot.publish('Plant1/robot6/temperature', 'not its own'), Reason.NotAuthorized);
    assert.equal(await robot.publish('Plant1/robot5/temperature', '21.5'), Reason.Success);
    assert.equal(await desk.next(), '21.5');
    await robot.subscribe('Plant1/robot5/command');
    assert.equal(await desk.publish('Plant1/robot5/command', 'stop'), Reason.Success);
    assert.equal(await robot.next(), 'stop');
  },
  'http-api.conf': async ({ port }) => {
    const at = `http://127.0.0.1:${port(9883)}`;
    assert.match(await (await fetch(at)).text(), /<title>Zanzara<\/title>/);
    const topics: unknown = await (await fetch(`${at}/api/v1/systree`)).json();
    assert.ok(typeof topics === 'object' && topics !== null && '$SYS/broker/clients/connected' in topics);
  },
  'open.conf': async ({ port }) => assert.equal(await admission(port(1883)), 'in'),
  'per-listener.conf': async ({ port }) => {
    const local = await Visitor.connect(port(1883), { clientId: 'local' });
    await local.subscribe('hall1/#');
    assert.equal(await admission(port(1884)), Reason.NotAuthorized);
    const machine = await Visitor.connect(port(1884), { ...userOf('robot5'), clientId: 'machine' });
    await machine.publish('state', 'ready');
    const { topic, payload } = await local.nextMessage();
    assert.deepEqual([topic, Buffer.from(payload).toString()], ['hall1/state', 'ready']);
  },
  'plant.conf': async ({ folder, port }) => {
    assert.equal(await admission(port(1883)), 'in');
    assert.equal(await admission(port(1884)), 'in');
    assert.ok(existsSync(join(folder, 'state', 'zanzara.db')));
  },
  'tls-clients.conf': async ({ broker, port }, t) => {
    const made = certificatesOrSkip(t);
    if (made === null) return;
    const ca = readFileSync(made.root.certFile, 'utf8');
    const pump = createTlsClient({ ca, identity: made.client, psk: null });
    const visitor = await Visitor.connect(port(8883), { transport: pump });
    assert.equal(await visitor.publish('Plant1/pump7/pressure', '3.1'), Reason.NoMatchingSubscribers);
    assert.equal(await visitor.publish('Plant1/pump8/pressure', '3.1'), Reason.NotAuthorized);
    const stranger = createTlsClient({ ca, identity: null, psk: null });
    await assert.rejects(Visitor.connect(port(8883), { transport: stranger }));
    await broker.sees('peer did not return a certificate');
    const old = createTlsClient({ ca: null, identity: null, psk: { identity: 'pump9', key: PSK } });
    const pumpNine = await Visitor.connect(port(8884), { transport: old, clientId: 'old' });
    assert.equal(await pumpNine.publish('Plant1/pump9/pressure', '3.1'), Reason.NoMatchingSubscribers);
  },
  'unix-socket.conf': async ({ broker, folder }) => {
    const socket = connect(join(folder, 'run', 'mqtt.sock'));
    await once(socket, 'connect');
    socket.end(Buffer.from('100d00044d51545404020000000174', 'hex'));
    await broker.sees(' as t (');
  },
  'websockets.conf': async ({ broker, port }) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port(9001)}/`, 'mqtt');
    // It sends no origin, and only two are allowed.
    await once(socket, 'error');
    await broker.sees('WebSocket handshake refused');
    assert.equal(await admission(port(1883)), 'in');
  },
  'zanzara.conf': null,
};

function userOf(userName: string, password = 'example'): VisitorOptions {
  return { userName, password: Buffer.from(password) };
}

test('every example has its test', () => {
  assert.deepEqual(Object.keys(PROMISES).sort(), [...CONFIGS].sort());
});

for (const name of CONFIGS) {
  test(`examples/${name} starts and does what it says`, { timeout: 60_000 }, async (t) => {
    if (name === 'tls-clients.conf' && certificatesOrSkip(t) === null) return;
    const example = await startExample(t, name);
    await PROMISES[name]?.(example, t);
    assert.deepEqual(await example.broker.stop('SIGTERM'), { code: 0, signal: null });
  });
}
