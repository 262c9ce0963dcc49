/** Runs the program as a user does: a process of its own, watched through its stderr, its signals and its port. */
import assert from 'node:assert/strict';
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { freePort } from '../../src/selftest/free-port.ts';

export { freePort };

/** `node src/cli/main.ts`. */
export const MAIN = [
  process.execPath,
  '--disable-warning=ExperimentalWarning',
  fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url)),
] as const;
/** The script that users start. */
export const SCRIPT = [fileURLToPath(new URL('../../bin/zanzara', import.meta.url))] as const;

/** Loopback has both families on most machines; in some containers it has only IPv4. */
export const hasIpv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === '::1'));

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export class BrokerProcess {
  stderr = '';
  stdout = '';
  readonly child: ChildProcessByStdio<null, Readable, Readable>;
  /** Resolves when the process has ended and its output was read. */
  readonly ended: Promise<Exit>;

  /** `environment` is added to that of the tests. */
  constructor(
    context: TestContext,
    args: readonly string[],
    program: readonly string[] = MAIN,
    environment: Readonly<Record<string, string>> = {},
  ) {
    const [command = '', ...first] = program;
    const env = { ...process.env, ...environment };
    this.child = spawn(command, [...first, ...args], { stdio: ['ignore', 'pipe', 'pipe'], env });
    this.child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
    });
    this.child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    this.ended = once(this.child, 'close').then(([code, signal]) => ({ code, signal }));
    context.after(() => this.child.kill('SIGKILL'));
  }

  /** Waits until stderr holds `text`. Fails when the process ends before that. */
  async sees(text: string): Promise<void> {
    const ended = this.ended.then(() => 'ended');
    while (!this.stderr.includes(text)) {
      const event = await Promise.race([once(this.child.stderr, 'data'), ended]);
      if (event === 'ended') assert.ok(this.stderr.includes(text), `ended without '${text}':\n${this.stderr}`);
    }
  }

  async stop(signal: NodeJS.Signals): Promise<Exit> {
    this.child.kill(signal);
    return await this.ended;
  }

  /** Lines of stderr, time stamps taken off. */
  get lines(): readonly string[] {
    const lines = this.stderr.split('\n').map((line) => line.replace(/^[0-9]+: /, ''));
    return lines.slice(0, lines.findLastIndex((line) => line !== '') + 1);
  }
}

/** Runs a command line that ends by itself. */
export async function runToEnd(context: TestContext, args: readonly string[]): Promise<BrokerProcess & Exit> {
  const broker = new BrokerProcess(context, args);
  return Object.assign(broker, await broker.ended);
}

export interface Started {
  readonly broker: BrokerProcess;
  readonly port: number;
}

/** Starts a broker on a free port. Another process may take the port in between: then it tries again. */
export async function startOnFreePort(
  context: TestContext,
  argsFor: (port: number) => readonly string[],
  program: readonly string[] = MAIN,
  environment: Readonly<Record<string, string>> = {},
): Promise<Started> {
  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    const broker = new BrokerProcess(context, argsFor(port), program, environment);
    const started = broker.sees(' running\n').then(() => true);
    if (await started.catch(() => false)) return { broker, port };
    assert.ok(attempt < 5 && broker.stderr.includes('Address already in use'), broker.stderr);
  }
}

/** Takes a port on both loopback addresses, as a broker would. */
export async function takePort(context: TestContext): Promise<number> {
  const port = await freePort();
  for (const host of hasIpv6 ? ['127.0.0.1', '::1'] : ['127.0.0.1']) {
    const server = createServer().listen({ host, port });
    context.after(() => server.close());
    await once(server, 'listening');
  }
  return port;
}

/** Writes a configuration file that lives as long as the test. */
export function configFile(context: TestContext, text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'zanzara-app-'));
  context.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'test.conf');
  writeFileSync(file, text);
  return file;
}

/** CONNECT of client `t` without credentials, 3.1.1. */
const CONNECT_V311 = Buffer.from('100d00044d51545404020000000174', 'hex');

/** Connects as MQTT 3.1.1 client and returns the CONNACK's return code. The socket stays open until the test ends. */
export async function connectMqtt(context: TestContext, port: number, host = '127.0.0.1'): Promise<Connected> {
  const socket = connect({ host, port, allowHalfOpen: true });
  context.after(() => socket.destroy());
  socket.on('error', () => {});
  await once(socket, 'connect');
  socket.write(CONNECT_V311);
  const [answer] = await once(socket, 'data');
  assert.ok(Buffer.isBuffer(answer) && answer[0] === 0x20);
  return { socket, returnCode: answer[3] ?? -1 };
}

export interface Connected {
  readonly socket: Socket;
  readonly returnCode: number;
}
