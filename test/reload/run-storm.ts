import { createHash } from 'node:crypto';
import { chmodSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MqttClient } from '../../src/client/mqtt-client.ts';
import { freePort } from '../app/broker-process.ts';
import { connectLoadClient } from '../fixtures/load-client.ts';
import { lasting } from '../fixtures/paced.ts';
import { startWatchedBroker, type WatchedBroker } from './watched-broker.ts';

const STEADY_CLIENTS = 20;
const USER = 'line1';
const PASSWORD = 'reed-3';
/** One round of SHA-512: the storm is about reloads, not about hashes. */
const SALT = Buffer.from('a salt of a storm');
const HASH = createHash('sha512').update(PASSWORD).update(SALT).digest('base64');
const PASSWORDS = `${USER}:$6$${SALT.toString('base64')}$${HASH}\n`;

const RELOADED = 'Configuration reloaded';
const REFUSED = 'stays in force';
const PROGRESS_EVERY = 1000;
/** How long the last messages may take: they can come behind the answers to their senders. */
const REST_MS_MAX = 30_000;
const REST_CHECK_MS = 10;

export interface StormResult {
  readonly reloads: number;
  readonly refusedReloads: number;
  readonly published: number;
  readonly received: number;
  /** Steady clients that were disconnected, and why. */
  readonly dropped: readonly string[];
  /** What an intruder could do, or a good reload that was refused. */
  readonly intrusions: readonly string[];
}

/** What is wrong with a result; empty = nothing. */
export function troublesOf(result: StormResult): readonly string[] {
  const lost = result.published - result.received;
  return [
    ...result.dropped.map((name) => `dropped: ${name}`),
    ...result.intrusions,
    ...(lost === 0 ? [] : [`${lost} messages were lost or doubled`]),
  ];
}

type Variant = 'a' | 'b' | 'unknown-option' | 'broken-passwords' | 'broken-acl' | 'no-acl' | 'taken-port';

const BROKEN: readonly Variant[] = ['unknown-option', 'broken-passwords', 'broken-acl', 'no-acl', 'taken-port'];

/** Two good ones, then a broken one. */
function variantOf(index: number): Variant {
  if (index % 3 < 2) return index % 2 === 0 ? 'a' : 'b';
  return BROKEN[Math.floor(index / 3) % BROKEN.length] ?? 'unknown-option';
}

/** Runs the storm against a broker of its own. @param onProgress told now and then how many reloads are done */
export async function runStorm(reloads: number, onProgress: (done: number) => void = () => {}): Promise<StormResult> {
  const folder = mkdtempSync(join(tmpdir(), 'zanzara-storm-'));
  // A broker that root starts is another user's.
  chmodSync(folder, 0o755);
  const files = new StormFiles(folder, await freePort());
  files.write('a');
  const broker = await startWatchedBroker(join(folder, 'zanzara.conf'));
  try {
    return await blow(reloads, { files, broker, onProgress });
  } finally {
    await broker.stop();
    rmSync(folder, { recursive: true });
  }
}

interface Storm {
  readonly files: StormFiles;
  readonly broker: WatchedBroker;
  readonly onProgress: (done: number) => void;
}

async function blow(reloads: number, { files, broker, onProgress }: Storm): Promise<StormResult> {
  const load = await SteadyLoad.start(files.port);
  const intrusions: string[] = [];
  let refusedReloads = 0;
  for (let index = 0; index < reloads; index++) {
    const variant = variantOf(index);
    files.write(variant);
    const line = await broker.reload([RELOADED, REFUSED]);
    const isRefused = line.includes(REFUSED);
    if (isRefused) refusedReloads += 1;
    if (isRefused !== BROKEN.includes(variant)) intrusions.push(`reload ${index} (${variant}): ${line}`);
    intrusions.push(...(await intrude(files.port, index)));
    await load.round();
    if ((index + 1) % PROGRESS_EVERY === 0) onProgress(index + 1);
  }
  const { published, received, dropped } = await load.end();
  return { reloads, refusedReloads, published, received, dropped, intrusions };
}

/** What must never work, whatever the rules. @returns what did */
async function intrude(port: number, index: number): Promise<readonly string[]> {
  const found: string[] = [];
  const nobody = await connectLoadClient(port, { version: 5, clientId: `nobody-${index}` }).catch(() => null);
  if (nobody !== null) {
    found.push(`reload ${index}: a client without a name came in`);
    await nobody.disconnect();
  }
  const options = { version: 5, clientId: `insider-${index}`, userName: USER, password: PASSWORD } as const;
  const insider = await connectLoadClient(port, options);
  const outcome = await insider.publish('secret/x', 'x', { qos: 1 });
  if (outcome.reason < 0x80) found.push(`reload ${index}: a message on a forbidden topic was taken`);
  await insider.disconnect();
  return found;
}

/** Clients that publish to themselves, and count. */
class SteadyLoad {
  published = 0;
  received = 0;
  readonly dropped: string[] = [];
  readonly #clients: MqttClient[] = [];
  #isEnding = false;

  static async start(port: number): Promise<SteadyLoad> {
    const load = new SteadyLoad();
    for (let index = 0; index < STEADY_CLIENTS; index++) await load.#add(port, `steady-${index}`);
    return load;
  }

  async #add(port: number, clientId: string): Promise<void> {
    const client = await connectLoadClient(port, {
      version: 5,
      clientId,
      userName: USER,
      password: PASSWORD,
      onMessage: () => {
        this.received += 1;
      },
    });
    client.closed.then((end) => {
      if (!this.#isEnding) this.dropped.push(`${clientId}: ${JSON.stringify(end)}`);
    });
    await client.subscribe([{ filter: `open/${clientId}`, qos: 1 }]);
    this.#clients.push(client);
  }

  /** One message of each. */
  async round(): Promise<void> {
    await Promise.all(
      this.#clients.map(async (client, index) => {
        this.published += 1;
        await client.publish(`open/steady-${index}`, 'on', { qos: 1 });
      }),
    );
  }

  async end(): Promise<SteadyLoad> {
    const deadline = performance.now() + REST_MS_MAX;
    while (this.received < this.published && performance.now() < deadline) await lasting(REST_CHECK_MS);
    this.#isEnding = true;
    await Promise.all(this.#clients.map((client) => client.disconnect()));
    return this;
  }
}

/** The files of the broker, replaced as an editor does it: the new one takes the place of the old one at once. */
class StormFiles {
  readonly port: number;
  readonly #folder: string;

  constructor(folder: string, port: number) {
    this.#folder = folder;
    this.port = port;
  }

  write(variant: Variant): void {
    const { port } = this;
    this.#replace('passwords', variant === 'broken-passwords' ? `${PASSWORDS}half a line:$7$x\n` : PASSWORDS);
    const own = variant === 'b' ? 'topic readwrite extra/#\n' : '';
    const broken = variant === 'broken-acl' ? 'topic everything\ntropic read x\n' : '';
    this.#replace('acl', `user ${USER}\ntopic readwrite open/#\n${own}${broken}`);
    const acl = variant === 'no-acl' ? 'gone' : 'acl';
    const lines = [
      `listener ${port} 127.0.0.1`,
      `password_file ${join(this.#folder, 'passwords')}`,
      `acl_file ${join(this.#folder, acl)}`,
      `max_queued_messages ${variant === 'b' ? 2000 : 1000}`,
      'connection_messages false',
    ];
    if (variant === 'unknown-option') lines.push('max_quued_messages 7');
    // An address that is not of this machine.
    if (variant === 'taken-port') lines.push(`listener ${port} 192.0.2.1`);
    this.#replace('zanzara.conf', `${lines.join('\n')}\n`);
  }

  #replace(name: string, text: string): void {
    const path = join(this.#folder, name);
    writeFileSync(`${path}.new`, text, { mode: 0o644 });
    renameSync(`${path}.new`, path);
  }
}
