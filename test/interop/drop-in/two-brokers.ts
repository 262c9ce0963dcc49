/**
 * One configuration, two brokers, the same script: starts Debian's Mosquitto and Zanzara in turn in a folder of their own
 * with the same files, lets the same programs talk to each, and hands back what was seen.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '../../app/broker-process.ts';
import { NODE_COMMAND } from '../../fixtures/node-command.ts';

const MAIN = fileURLToPath(new URL('../../../src/cli/main.ts', import.meta.url));
/** How long a broker may take until its port answers. */
const START_MS_MAX = 20_000;
const TOOL_SECONDS_MAX = 30;

/** The place a script works in. */
export interface Place {
  readonly name: BrokerName;
  readonly folder: string;
  /** Free ports, by the names that the configuration uses: `{PORT}`, `{PORT2}`, ... */
  readonly ports: Readonly<Record<string, number>>;
  /** The broker's process. */
  readonly broker: ChildProcess;
  /** All that the broker wrote to its stderr and stdout. */
  output(): string;
  /** Runs a program to its end: `exit N`, then what it wrote. Ports and the folder are shown by their names. */
  run(program: string, ...args: readonly string[]): Promise<string>;
  /** Waits until the broker's output holds it, behind so many characters if that is said. */
  sees(pattern: RegExp, start?: number): Promise<void>;
  /** Writes a file of the scenario again, and has the broker read everything anew. Ready when it has. */
  reloadWith(files: Readonly<Record<string, string>>): Promise<void>;
  /** Ends the broker by a signal: `exit N`, or the signal that it died of. */
  stop(signal: NodeJS.Signals): Promise<string>;
  /** Lines of the broker, without their times, and with names where a run has its own values. */
  lines(text?: string): readonly string[];
}

/** Files of a scenario by name; `{FOLDER}` and `{PORT...}` stand for what is only known when it runs. */
export interface Scenario {
  readonly name: string;
  /** `mosquitto.conf` is what the broker is started with, if there is one. */
  readonly files: Readonly<Record<string, string>>;
  /** Names of the ports that the files use; the broker is up when all of them answer. */
  readonly ports: readonly string[];
  /** Those of them that are left alone: Mosquitto 2.0 counts a connection that never says a word wrongly. */
  readonly unprobed?: readonly string[];
  /** Arguments besides `-c`. */
  readonly args?: readonly string[];
  /** Makes what cannot stand here as text: certificates, password files. */
  prepare?(folder: string): void;
  /** What clients do, and what they see. */
  script(place: Place): Promise<readonly string[]>;
}

export type BrokerName = 'mosquitto' | 'zanzara';

/** Runs the script against one broker. */
export async function observe(scenario: Scenario, name: BrokerName, mosquittoPath: string): Promise<readonly string[]> {
  const house = await prepareHouse(scenario, name, mosquittoPath);
  const broker = startBroker(house);
  try {
    const { unprobed = [] } = scenario;
    for (const [port, number] of Object.entries(house.ports)) {
      if (!unprobed.includes(port))
        await answers(
          number,
          () => broker.child.exitCode,
          () => broker.output,
        );
    }
    return await scenario.script(placeOf(house, broker));
  } finally {
    broker.child.kill('SIGTERM');
    await broker.ended;
    rmSync(house.folder, { recursive: true });
  }
}

/** Starts a broker that is expected to end by itself: `exit N`, then its lines. */
export async function observeEnd(
  scenario: Scenario,
  name: BrokerName,
  mosquittoPath: string,
): Promise<readonly string[]> {
  const house = await prepareHouse(scenario, name, mosquittoPath);
  const broker = startBroker(house);
  const late = setTimeout(() => broker.child.kill('SIGKILL'), START_MS_MAX);
  try {
    return [exitText(await broker.ended), ...linesOf(broker.output, house)];
  } finally {
    clearTimeout(late);
    rmSync(house.folder, { recursive: true });
  }
}

/** What is there before the broker starts. */
interface House {
  readonly name: BrokerName;
  readonly folder: string;
  readonly ports: Readonly<Record<string, number>>;
  readonly command: readonly string[];
  fill(text: string): string;
}

async function prepareHouse(scenario: Scenario, name: BrokerName, mosquittoPath: string): Promise<House> {
  const folder = mkdtempSync(join(tmpdir(), `zanzara-${name}-`));
  // Mosquitto gives up root before it reads its files.
  chmodSync(folder, 0o777);
  mkdirSync(join(folder, 'www'));
  const ports: Record<string, number> = {};
  for (const port of scenario.ports) ports[port] = await freePort();
  const fill = (text: string) => filled(text, folder, ports);
  scenario.prepare?.(folder);
  writeFiles(folder, scenario.files, fill);
  const config = 'mosquitto.conf' in scenario.files ? ['-c', join(folder, 'mosquitto.conf')] : [];
  const program = name === 'mosquitto' ? [mosquittoPath] : [...NODE_COMMAND, ...NODE_FLAGS, MAIN];
  return { name, folder, ports, fill, command: [...program, ...(scenario.args ?? []).map(fill), ...config] };
}

function writeFiles(folder: string, files: Readonly<Record<string, string>>, fill: (text: string) => string): void {
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), fill(text), { mode: 0o644 });
  }
}

interface Started {
  readonly child: ChildProcess;
  readonly output: string;
  readonly ended: Promise<readonly unknown[]>;
  /** It has, and all that it wrote is in the output. */
  readonly hasEnded: boolean;
  /** Resolves when there is more output, or none will come. */
  more(): Promise<void>;
}

function startBroker({ command, folder }: House): Started {
  const [program = '', ...args] = command;
  const child = spawn(program, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  let wake: () => void = () => undefined;
  const keep = (text: string) => {
    output += text;
    wake();
  };
  child.stdout.setEncoding('utf8').on('data', keep);
  child.stderr.setEncoding('utf8').on('data', keep);
  let hasEnded = false;
  const ended = once(child, 'close');
  void ended.then(() => {
    hasEnded = true;
    wake();
  });
  return {
    child,
    ended,
    more: () =>
      new Promise((resolve) => {
        wake = resolve;
      }),
    get output() {
      return output;
    },
    get hasEnded() {
      return hasEnded;
    },
  };
}

function placeOf(house: House, broker: Started): Place {
  const { name, folder, ports, fill } = house;
  const seesAfter = async (start: number, pattern: RegExp) => {
    while (!pattern.test(broker.output.slice(start))) {
      assert.ok(!broker.hasEnded, `the broker ended without ${pattern}:\n${broker.output}`);
      await broker.more();
    }
  };
  return {
    name,
    folder,
    ports,
    broker: broker.child,
    output: () => broker.output,
    run: (tool, ...words) => runTool(tool, words.map(fill), house),
    sees: (pattern, start = 0) => seesAfter(start, pattern),
    reloadWith: async (files) => {
      writeFiles(folder, files, fill);
      const start = broker.output.length;
      broker.child.kill('SIGHUP');
      await seesAfter(start, RELOADED[name]);
    },
    stop: async (signal) => {
      broker.child.kill(signal);
      return exitText(await broker.ended);
    },
    lines: (text = broker.output) => linesOf(text, house),
  };
}

/** Mosquitto has read everything before it looks at another connection; Zanzara says when it has. */
const RELOADED: Readonly<Record<BrokerName, RegExp>> = {
  mosquitto: /Reloading config\./,
  zanzara: /Configuration reloaded from|Nothing was changed/,
};

function exitText([code, signal]: readonly unknown[]): string {
  return code === null ? `died of ${signal}` : `exit ${code}`;
}

function linesOf(text: string, house: House): readonly string[] {
  const lines = named(text, house)
    .split('\n')
    .filter((line) => line !== '');
  return lines.map((line) =>
    line
      .replace(/^\d{10}: /, '')
      .replace(/\b(mosquitto|zanzara) version \S+/, 'BROKER version')
      .replace(/:\d{4,5}(?!\d)/g, ':P'),
  );
}

const NODE_FLAGS = ['--disable-warning=ExperimentalWarning'];

function filled(text: string, folder: string, ports: Readonly<Record<string, number>>): string {
  return text.replaceAll(/\{([A-Z]+\d?)\}/g, (_, name: string) => {
    if (name === 'FOLDER') return folder;
    const port = ports[name];
    assert.ok(port !== undefined, `nothing is known of ${name}`);
    return String(port);
  });
}

/** Tries until the port takes a connection. */
async function answers(port: number, exitCode: () => number | null, output: () => string): Promise<void> {
  const until = Date.now() + START_MS_MAX;
  for (;;) {
    assert.equal(exitCode(), null, `the broker ended:\n${output()}`);
    assert.ok(Date.now() < until, `port ${port} does not answer:\n${output()}`);
    const socket = connect({ host: '127.0.0.1', port });
    const isUp = await Promise.race([
      once(socket, 'connect').then(
        () => true,
        () => false,
      ),
    ]);
    socket.destroy();
    if (isUp) return;
    // The broker needs the processor more than the next try.
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function runTool(program: string, args: readonly string[], house: House): Promise<string> {
  const child = spawn('timeout', [String(TOOL_SECONDS_MAX), program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const [code] = await once(child, 'close');
  return named(`exit ${code} | ${stdout.trim()} | ${stderr.trim()}`, house).replaceAll('\n', ' / ');
}

/** The same text in every run: ports and the folder by their names. */
function named(text: string, { folder, ports }: House): string {
  let shown = text.replaceAll(folder, 'FOLDER');
  for (const [name, port] of Object.entries(ports)) shown = shown.replaceAll(String(port), name);
  return shown;
}
