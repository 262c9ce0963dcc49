/**
 * One broker from the text of a configuration, inside the test's process: read as a file is read, started as the program
 * starts it, on free ports and real sockets. `{PORT}`, `{PORT2}`, `{PORT3}` and `{FOLDER}` stand for what only a run knows.
 */
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { type RunningBroker, startBroker } from '../../src/app/start-broker.ts';
import { StartFailure } from '../../src/app/start-failure.ts';
import { storeSettingsOf } from '../../src/app/store-settings.ts';
import type { Log, LogLevel } from '../../src/base/log.ts';
import type { Config, ConfigHost } from '../../src/config/config.ts';
import { ConfigError } from '../../src/config/config-error.ts';
import type { Compat } from '../../src/config/option.ts';
import { readConfig } from '../../src/config/read-config.ts';
import { freePort } from '../app/broker-process.ts';

/** A listener that everybody may use: the first lines of most configurations. */
export const OPEN = ['listener {PORT} 127.0.0.1', 'allow_anonymous true'] as const;

/** How often other ports are tried when somebody else took one in between. */
const STARTS_MAX = 5;
const PORT_NAMES = ['PORT', 'PORT2', 'PORT3'] as const;

export interface BrokerOptions {
  /** Files of the folder, by name. */
  readonly files?: Readonly<Record<string, string>>;
  readonly compat?: Compat;
  /** `{FOLDER}` of a broker that ran before; a new one when it is not said. */
  readonly folder?: string;
  /** Variables by which the store is found. */
  readonly environment?: Readonly<Record<string, string>>;
  /** `--persist`, where no line speaks of persistence. */
  readonly persistFolder?: string | null;
}

export interface OneBroker {
  /** `{PORT}`, of the first listener in most tests. */
  readonly port: number;
  readonly port2: number;
  readonly folder: string;
  readonly config: Config;
  readonly log: TestLog;
  readonly running: RunningBroker;
  /** Writes these files anew and reads them as SIGHUP does; with the same configuration, or with other lines. */
  reloadWith(files: Readonly<Record<string, string>>, lines?: readonly string[]): Promise<void>;
  stop(): Promise<void>;
}

/** A log that keeps its lines and can be waited for. */
export class TestLog implements Log {
  readonly lines: string[] = [];
  #wake: () => void = () => undefined;

  has(): boolean {
    return true;
  }

  write(_level: LogLevel, text: string): void {
    this.lines.push(text);
    this.#wake();
  }

  /** The first line that holds `part`, written already or later. */
  async sees(part: string): Promise<string> {
    for (;;) {
      const found = this.lines.find((line) => line.includes(part));
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  hasLine(part: string): boolean {
    return this.lines.some((line) => line.includes(part));
  }
}

/** A configuration that was read, with the folder and the ports that it names. */
interface Prepared {
  readonly config: Config;
  readonly folder: string;
  readonly ports: Readonly<Record<string, number>>;
}

/** Starts it; stopped at the end of the test. @throws ConfigError, StartFailure */
export async function startOneBroker(
  t: TestContext,
  lines: readonly string[],
  options: BrokerOptions = {},
): Promise<OneBroker> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await tryToStart(t, lines, options);
    } catch (error) {
      const isTaken = error instanceof StartFailure && error.message.includes('in use');
      if (!isTaken || attempt === STARTS_MAX) throw error;
    }
  }
}

async function tryToStart(t: TestContext, lines: readonly string[], options: BrokerOptions): Promise<OneBroker> {
  const { config, folder, ports } = await prepare(t, lines, options);
  const log = new TestLog();
  for (const note of config.notes) log.write(note.level, note.text);
  const running = await startBroker({
    config,
    commandLine: { ports: [ports.PORT ?? 0], compat: options.compat ?? '2.1' },
    log,
    command: 'zanzara',
    version: '0.0.0',
    store: storeSettingsOf(config, { isDamageRefused: false }, options.environment ?? {}),
    transportName: process.env.ZANZARA_TRANSPORT ?? '',
    readFile: (path) => readFileSync(path),
    onKeyLog: null,
  });
  let isStopped = false;
  const stop = async () => {
    if (isStopped) return;
    isStopped = true;
    await running.stop();
    assert.equal(running.broker.counters.internalErrors, 0, log.lines.join('\n'));
  };
  t.after(stop);
  const reloadWith = async (files: Readonly<Record<string, string>>, others = lines) => {
    writeFiles(folder, files);
    await running.reload(read(others, options, { folder, ports }), () => undefined);
  };
  return { port: ports.PORT ?? 0, port2: ports.PORT2 ?? 0, folder, config, log, running, reloadWith, stop };
}

/** Reads a configuration without starting anything. @throws ConfigError */
export async function readLines(
  t: TestContext,
  lines: readonly string[],
  options: BrokerOptions = {},
): Promise<Config> {
  return (await prepare(t, lines, options)).config;
}

/** What stands in the log of a broker that does not start; an assertion fails when it does. */
export async function refusalOf(
  t: TestContext,
  lines: readonly string[],
  options: BrokerOptions = {},
): Promise<string> {
  try {
    await (await startOneBroker(t, lines, options)).stop();
  } catch (error) {
    if (error instanceof ConfigError) return `${error.message} (line ${error.place.line})`;
    if (error instanceof StartFailure) return error.lines.join('\n');
    throw error;
  }
  assert.fail('the broker has started');
}

async function prepare(t: TestContext, lines: readonly string[], options: BrokerOptions): Promise<Prepared> {
  const folder = options.folder ?? makeFolder(t);
  const ports: Record<string, number> = {};
  for (const name of PORT_NAMES) ports[name] = await freePort();
  writeFiles(folder, options.files ?? {});
  return { config: read(lines, options, { folder, ports }), folder, ports };
}

function read(
  lines: readonly string[],
  { compat = '2.1', persistFolder = null }: BrokerOptions,
  { folder, ports }: Pick<Prepared, 'folder' | 'ports'>,
): Config {
  const source = new TextEncoder().encode(filled(`${lines.join('\n')}\n`, folder, ports));
  return readConfig(source, join(folder, 'test.conf'), HOST, { compat, persistFolder });
}

const HOST: ConfigHost = {
  readFile: (path) => readFileSync(path),
  listFolder: (path) => readdirSync(path),
  environment: {},
};

function writeFiles(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
}

function filled(text: string, folder: string, ports: Readonly<Record<string, number>>): string {
  return text.replaceAll(/\{([A-Z]+\d?)\}/g, (hole, name: string) =>
    name === 'FOLDER' ? folder : String(ports[name] ?? hole),
  );
}

/** A folder that a broker without rights can use, and that is gone after the test. */
export function makeFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'zanzara-options-'));
  chmodSync(folder, 0o777);
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** Where the sockets of all listeners are open, `host:port` or the path. */
export function openSocketsOf({ running }: OneBroker): readonly string[] {
  return running.listeners().flatMap(({ config, listening }) => {
    if (config.path !== null) return [config.path];
    return listening.map(({ host, port }) => `${host}:${port}`);
  });
}
