/** A broker of the durability benchmark: its folder of data stays, and it is started on it again and again. */
import type { ChildProcess } from 'node:child_process';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../src/selftest/free-port.ts';
import { processFigures } from '../test/fixtures/process-figures.ts';
import { type BrokerKind, takesConnections } from './suite/brokers.ts';
import { endChild, startChild } from './suite/children.ts';
import { type Figures, parseFigures } from './suite/figures.ts';
import { runLoad } from './suite/load-program.ts';

/** A start may have a million messages to read before it takes connections. */
const START_MS_MAX = 120_000;
const RETRY_MS = 10;
const LOG_CHARS = 600;

export interface StoreSetting {
  /** `off`: nothing is kept. For Zanzara `strict`, for Mosquitto a snapshot each minute. */
  readonly persistence: 'off' | 'strict' | 'relaxed' | 'autosave';
  readonly inflightMax?: number;
  readonly environment?: Readonly<Record<string, string>>;
}

/** What the process has written since it began, as the kernel counts it (/proc/PID/io). */
export interface Written {
  /** Bytes of pages that were handed to the disk. */
  readonly diskBytes: number;
  /** Bytes that were given to write and the like, sockets included. */
  readonly callBytes: number;
}

export class StoredBroker {
  readonly dataFolder: string;
  readonly port: number;
  readonly #kind: BrokerKind;
  readonly #folder: string;
  readonly #setting: StoreSetting;
  #child: ChildProcess | null = null;

  private constructor(kind: BrokerKind, folder: string, port: number, setting: StoreSetting) {
    this.#kind = kind;
    this.#folder = folder;
    this.#setting = setting;
    this.port = port;
    this.dataFolder = join(folder, 'store');
    mkdirSync(this.dataFolder);
  }

  /** A new one with an empty store, running. `parent`: where its files are kept, on the disk that is measured. */
  static async start(kind: BrokerKind, parent: string, setting: StoreSetting): Promise<StoredBroker> {
    const broker = await StoredBroker.prepare(kind, parent, setting);
    await broker.restart();
    return broker;
  }

  /** The same, not started yet: its folder may be looked at first. */
  static async prepare(kind: BrokerKind, parent: string, setting: StoreSetting): Promise<StoredBroker> {
    const folder = mkdtempSync(join(parent, `${kind.name}-`));
    return new StoredBroker(kind, folder, await freePort(), setting);
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  get ownBytes(): number {
    return processFigures(this.pid).ownBytes;
  }

  get residentBytes(): number {
    return processFigures(this.pid).residentBytes;
  }

  get written(): Written {
    const io = readFileSync(`/proc/${this.pid}/io`, 'utf8');
    const count = (name: string): number => Number(new RegExp(`^${name}: (\\d+)$`, 'm').exec(io)?.[1] ?? Number.NaN);
    return { diskBytes: count('write_bytes') - count('cancelled_write_bytes'), callBytes: count('wchar') };
  }

  /** Sizes of the files in the store's folder, by name. */
  fileSizes(): ReadonlyMap<string, number> {
    const names = readdirSync(this.dataFolder);
    return new Map(names.map((name) => [name, sizeOf(join(this.dataFolder, name))]));
  }

  /** Starts it on what is in its folder; it takes connections when this resolves. */
  async restart(environment = this.#setting.environment ?? {}): Promise<void> {
    const log = openSync(this.#logPath, 'a');
    const command = this.command();
    const child = startChild({
      command,
      environment: { ...this.#kind.environment, ...environment },
      output: [log, log],
    });
    closeSync(log);
    this.#child = child;
    const endMs = performance.now() + START_MS_MAX;
    while (!(await takesConnections(this.port))) {
      if (child.exitCode === null && child.signalCode === null && performance.now() < endMs) {
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
        continue;
      }
      await this.kill();
      throw new Error(`${this.#kind.name} did not start: ${this.logTail}`);
    }
  }

  /** The command line that runs it, for a program that starts it itself. */
  command(): readonly string[] {
    const command = this.#kind.command(this.port, this.#folder);
    const path = command.at(-1) ?? '';
    const limits = `max_inflight_messages ${this.#setting.inflightMax ?? 0}\nmax_queued_messages 0\n`;
    writeFileSync(path, `listener ${this.port} 127.0.0.1\nallow_anonymous true\n${limits}${this.#storeLines()}`);
    return command;
  }

  /** Runs the load against it. */
  async load(program: string, options: string): Promise<Figures> {
    try {
      return await runLoad(program, [...options.split(' '), '-p', String(this.port)]);
    } catch (error) {
      throw new Error(`${options}: ${error instanceof Error ? error.message : error}; broker: ${this.logTail}`);
    }
  }

  /** How a start of it goes, measured by zload: time to the first CONNACK, memory two seconds later. It is stopped after that. */
  async measureStart(zload: string): Promise<Figures> {
    const child = startChild({
      command: [zload, 'start', '-p', String(this.port), '--secs', '2', '--', ...this.command()],
      environment: this.#kind.environment,
      output: ['pipe', 'ignore'],
    });
    let printed = '';
    child.stdout?.on('data', (chunk) => (printed += String(chunk)));
    const exitCode = await new Promise((resolve) => child.once('close', resolve));
    if (exitCode !== 0) throw new Error(`no CONNACK: ${printed}`);
    return parseFigures(printed);
  }

  async stop(): Promise<void> {
    if (this.#child !== null) await endChild(this.#child);
    this.#child = null;
  }

  /** As a crash: the process has no moment left. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
  }

  get logTail(): string {
    return readFileSync(this.#logPath, 'utf8').trim().slice(-LOG_CHARS).replaceAll('\n', ' | ');
  }

  get #logPath(): string {
    return join(this.#folder, 'broker.log');
  }

  #storeLines(): string {
    const { persistence } = this.#setting;
    if (persistence === 'off') return 'persistence false\n';
    // Started by root, both brokers would become another user, who may not write here.
    const user = process.getuid?.() === 0 ? 'user root\n' : '';
    const place = `${user}persistence true\npersistence_location ${this.dataFolder}/\n`;
    return `${place}${MODE_LINES[persistence]}\n`;
  }
}

const MODE_LINES = {
  strict: 'durability strict',
  // What may be lost is the same with Mosquitto.
  relaxed: 'durability relaxed 60000',
  autosave: 'autosave_interval 60',
} as const;

function sizeOf(path: string): number {
  // Mosquitto writes a new file and renames it: one that was just listed may be gone.
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
