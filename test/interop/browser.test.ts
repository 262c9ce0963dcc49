/**
 * A real browser: headless Chromium loads a page from the broker's own HTTP listener, and MQTT.js in it publishes and
 * subscribes over ws and wss, in each version of MQTT. What the page saw it publishes itself, for a client outside that
 * watches. A frame of another origin tries too, and must not get in.
 */
import assert from 'node:assert/strict';
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { freePort } from '../app/broker-process.ts';
import { certificatesOrSkip, type TestIdentity } from '../fixtures/certificates.ts';
import { toolOrSkip } from '../fixtures/debian.ts';
import { connectLoadClient } from '../fixtures/load-client.ts';
import { startWatchedBroker } from '../reload/watched-broker.ts';

const LIBRARY = fileURLToPath(new URL('../../node_modules/mqtt/dist/mqtt.min.js', import.meta.url));
const VERSIONS = [3, 4, 5] as const;
const SCHEMES = ['ws', 'wss'] as const;
const PAYLOAD_BYTES = 100_000;
/** The browser ends then by itself, also when this process is gone. */
const BROWSER_SECONDS_MAX = 100;
/** What the page writes to its console when it cannot go on. */
const PAGE_FAILED = 'the page has failed';
/** Bytes of what the browser says that are kept. */
const STDERR_BYTES_MAX = 20_000;

interface Ports {
  readonly mqtt: number;
  readonly http: number;
  readonly ws: number;
  readonly wss: number;
}

/** Publishes to itself in each way, then says what came on `browser/seen/WAY`. */
function pageOf({ ws, wss, http }: Ports): string {
  return `<!doctype html>
<meta charset="utf-8">
<script src="mqtt.js"></script>
<script>
const ports = ${JSON.stringify({ ws, wss })};
const tell = (text) => console.error('${PAGE_FAILED}: ' + text);
window.addEventListener('error', (event) => tell(event.message));
window.addEventListener('unhandledrejection', (event) => tell(event.reason));
function connect(scheme, protocolVersion) {
  const protocolId = protocolVersion === 3 ? 'MQIsdp' : 'MQTT';
  return mqtt.connect(scheme + '://localhost:' + ports[scheme], { protocolVersion, protocolId, reconnectPeriod: 0 });
}
async function visit(scheme, version) {
  const name = scheme + version;
  const client = connect(scheme, version);
  client.on('error', (error) => tell(name + ': ' + error.message));
  client.on('close', () => client.disconnecting || tell(name + ': the connection was closed'));
  await new Promise((resolve) => {
    client.on('message', (topic, payload) => {
      const seen = topic + ' ' + payload.length;
      client.publish('browser/seen/' + name, seen, { qos: 1, retain: true }, () => client.end(false, resolve));
    });
    client.on('connect', () => client.subscribe('from/' + name, { qos: 2 }, () => {
      client.publish('from/' + name, 'x'.repeat(${PAYLOAD_BYTES}), { qos: 2 });
    }));
  });
}
async function watchStranger() {
  const frame = document.createElement('iframe');
  frame.src = 'http://127.0.0.1:${http}/stranger.html';
  const told = new Promise((resolve) => window.addEventListener('message', ({ data }) => resolve(data)));
  document.body.append(frame);
  const client = connect('ws', 5);
  client.publish('browser/seen/stranger', await told, { qos: 1 }, () => client.end());
}
window.addEventListener('load', async () => {
  for (const scheme of ${JSON.stringify(SCHEMES)})
    for (const version of ${JSON.stringify(VERSIONS)}) await visit(scheme, version);
  await watchStranger();
});
</script>
<body></body>`;
}

/** The same broker from a page of another origin. */
function strangerOf({ ws }: Ports): string {
  return `<!doctype html>
<script>
const socket = new WebSocket('ws://localhost:${ws}', 'mqtt');
socket.onopen = () => parent.postMessage('came in', '*');
socket.onerror = () => parent.postMessage('was refused', '*');
</script>`;
}

function configOf({ mqtt, http, ws, wss }: Ports, folder: string, { certFile, keyFile }: TestIdentity): string {
  return `
user root
allow_anonymous true
listener ${mqtt} 127.0.0.1
listener ${ws} 127.0.0.1
protocol websockets
websockets_origin http://localhost:${http}
listener ${wss} 127.0.0.1
protocol websockets
certfile ${certFile}
keyfile ${keyFile}
listener ${http} 127.0.0.1
protocol http_api
http_dir ${join(folder, 'www')}
`;
}

/** Headless Chromium with a profile of its own. */
class Browser {
  stderr = '';
  readonly #child: ChildProcessByStdio<null, null, Readable>;
  /** Rejects when the browser ends by itself or its page fails. */
  readonly failed: Promise<never>;

  readonly #closed: Promise<unknown>;

  constructor(path: string, { folder, url }: { readonly folder: string; readonly url: string }) {
    const args = [
      // As root there is no sandbox; /dev/shm of a container is too small; nobody calls home.
      ...['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--disable-breakpad'],
      ...['--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
      ...['--disable-extensions', '--no-default-browser-check', '--no-proxy-server', '--enable-logging=stderr'],
      ...['--ignore-certificate-errors', `--user-data-dir=${join(folder, 'profile')}`, url],
    ];
    const env = { ...process.env, HOME: folder, XDG_CONFIG_HOME: folder, XDG_CACHE_HOME: folder, TMPDIR: folder };
    const limit = ['--signal=KILL', String(BROWSER_SECONDS_MAX), path];
    this.#child = spawn('timeout', [...limit, ...args], { stdio: ['ignore', 'ignore', 'pipe'], detached: true, env });
    this.#closed = once(this.#child, 'close');
    const { promise, reject } = Promise.withResolvers<never>();
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr = (this.stderr + text).slice(-STDERR_BYTES_MAX);
      const complaint = this.stderr.split('\n').find((line) => line.includes(PAGE_FAILED));
      if (complaint !== undefined) reject(new Error(complaint));
    });
    void this.#closed.then(() => reject(new Error(`the browser ended:\n${this.stderr}`)));
    promise.catch(() => undefined);
    this.failed = promise;
  }

  /** Its whole family: the pid of a leader of a group, negative, is the group. */
  async kill(): Promise<void> {
    const { pid, exitCode, signalCode } = this.#child;
    if (pid !== undefined && exitCode === null && signalCode === null) process.kill(-pid, 'SIGKILL');
    await this.#closed;
  }
}

/** Run in this order when the test has ended, also when it ran out of time. */
function stopsAfter(t: TestContext): (() => unknown)[] {
  const stops: (() => unknown)[] = [];
  t.after(async () => {
    for (const stop of stops) await stop();
  });
  return stops;
}

test('a browser publishes and subscribes over ws and wss', { timeout: 90_000 }, async (t) => {
  const chromium = toolOrSkip(t, 'chromium', 'chromium');
  const made = chromium === null ? null : certificatesOrSkip(t);
  if (chromium === null || made === null) return;
  const stops = stopsAfter(t);
  const folder = mkdtempSync(join(tmpdir(), 'zanzara-browser-'));
  chmodSync(folder, 0o755);
  stops.unshift(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  const ports: Ports = { mqtt: await freePort(), http: await freePort(), ws: await freePort(), wss: await freePort() };
  mkdirSync(join(folder, 'www'));
  copyFileSync(LIBRARY, join(folder, 'www', 'mqtt.js'));
  writeFileSync(join(folder, 'www', 'index.html'), pageOf(ports));
  writeFileSync(join(folder, 'www', 'stranger.html'), strangerOf(ports));
  writeFileSync(join(folder, 'zanzara.conf'), configOf(ports, folder, made.server));
  const broker = await startWatchedBroker(join(folder, 'zanzara.conf'));
  stops.unshift(() => broker.stop());

  const wanted = SCHEMES.flatMap((scheme) => VERSIONS.map((version) => `${scheme}${version}`));
  const seen = new Map<string, string>();
  const isAllSeen = Promise.withResolvers<void>();
  const watcher = await connectLoadClient(ports.mqtt, {
    version: 5,
    clientId: 'watcher',
    onMessage: ({ topic, payload }) => {
      seen.set(topic.replace('browser/seen/', ''), Buffer.from(payload).toString());
      if (seen.size === wanted.length + 1) isAllSeen.resolve();
    },
  });
  stops.unshift(() => watcher.disconnect());
  await watcher.subscribe('browser/seen/#');

  const browser = new Browser(chromium, { folder, url: `http://localhost:${ports.http}/` });
  stops.unshift(() => browser.kill());
  await Promise.race([isAllSeen.promise, browser.failed]);
  for (const way of wanted) assert.equal(seen.get(way), `from/${way} ${PAYLOAD_BYTES}`);
  assert.equal(seen.get('stranger'), 'was refused');
});
