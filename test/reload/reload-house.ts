/**
 * A broker as a process in a folder of its own. Its files are replaced while clients are there, and it is told to read
 * them again. `{FOLDER}`, `{PORT}`, `{PORT2}` to `{PORT9}` stand in the files for what only a run knows.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { BrokerProcess, freePort, SCRIPT } from '../app/broker-process.ts';

/** Files by name; `zanzara.conf` is what the broker is started with. */
export type Files = Readonly<Record<string, string>>;

/** What a SIGHUP brought. */
export interface ReloadAnswer {
  /** False: the new files cannot be used, and nothing was changed. */
  readonly isDone: boolean;
  /** The lines of the log from the signal to the verdict. */
  readonly lines: readonly string[];
}

export const RELOADED = 'Configuration reloaded from';
export const REFUSED = 'Nothing was changed: the old one stays in force.';

const CONFIG = 'zanzara.conf';
const PORT_COUNT = 9;
/** How often other ports are tried when somebody else took one in between. */
const STARTS_MAX = 5;

export class ReloadHouse {
  readonly folder: string;
  readonly broker: BrokerProcess;
  readonly #ports: ReadonlyMap<string, number>;

  private constructor(place: Place, broker: BrokerProcess) {
    this.folder = place.folder;
    this.#ports = place.ports;
    this.broker = broker;
  }

  /** Starts it; ready when this resolves. Gone at the end of the test. */
  static async start(t: TestContext, files: Files, args: readonly string[] = []): Promise<ReloadHouse> {
    for (let attempt = 1; ; attempt += 1) {
      const house = await ReloadHouse.begin(t, files, args);
      const isUp = await house.sees(' running').then(
        () => true,
        () => false,
      );
      if (isUp) return house;
      const { stderr } = house.broker;
      assert.ok(attempt < STARTS_MAX && stderr.includes('Address already in use'), stderr);
    }
  }

  /** The same without waiting. */
  static async begin(t: TestContext, files: Files, args: readonly string[] = []): Promise<ReloadHouse> {
    const place: Place = { folder: mkdtempSync(join(tmpdir(), 'zanzara-reload-')), ports: await choosePorts() };
    // A broker that root starts is another user's.
    chmodSync(place.folder, 0o777);
    const filled = args.map((arg) => fill(arg, place));
    writeFiles(files, place);
    const broker = new BrokerProcess(t, ['-c', join(place.folder, CONFIG), ...filled], SCRIPT);
    t.after(async () => {
      broker.child.kill('SIGKILL');
      await broker.ended;
      rmSync(place.folder, { recursive: true });
    });
    return new ReloadHouse(place, broker);
  }

  /** @param number of the port's name; 1 = `{PORT}` */
  port(number = 1): number {
    const port = this.#ports.get(number === 1 ? 'PORT' : `PORT${number}`);
    assert.ok(port !== undefined);
    return port;
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  /** Puts files in the place of those that are there, each at once, as an editor does it. */
  write(files: Files): void {
    writeFiles(files, { folder: this.folder, ports: this.#ports });
  }

  /** How much the broker has written; `sees` can look at what follows. */
  get mark(): number {
    return this.broker.stderr.length;
  }

  /** Waits for a whole line with one of `parts` in what came after `mark`. @returns that line, without its time */
  async sees(parts: string | readonly string[], mark = 0): Promise<string> {
    const wanted = typeof parts === 'string' ? [parts] : parts;
    const { broker } = this;
    for (let isOver = false; ; ) {
      const found = linesOf(broker.stderr.slice(mark)).find((line) => wanted.some((part) => line.includes(part)));
      if (found !== undefined) return found;
      assert.ok(!isOver, `the broker ended without '${wanted.join("' or '")}':\n${broker.stderr}`);
      const more = once(broker.child.stderr, 'data').then(() => false);
      isOver = await Promise.race([more, broker.ended.then(() => true)]);
    }
  }

  /** Lines that came after `mark`. */
  linesSince(mark: number): readonly string[] {
    return linesOf(this.broker.stderr.slice(mark));
  }

  /** Replaces files and sends SIGHUP. */
  async reload(files: Files = {}): Promise<ReloadAnswer> {
    this.write(files);
    const { mark } = this;
    this.broker.child.kill('SIGHUP');
    const verdict = await this.sees([RELOADED, REFUSED], mark);
    return { isDone: verdict.includes(RELOADED), lines: this.linesSince(mark) };
  }

  /** The same, which must work. */
  async reloadWell(files: Files = {}): Promise<readonly string[]> {
    const { isDone, lines } = await this.reload(files);
    assert.ok(isDone, lines.join('\n'));
    return lines;
  }
}

interface Place {
  readonly folder: string;
  readonly ports: ReadonlyMap<string, number>;
}

async function choosePorts(): Promise<ReadonlyMap<string, number>> {
  const ports = new Map<string, number>();
  for (let number = 1; number <= PORT_COUNT; number += 1) {
    ports.set(number === 1 ? 'PORT' : `PORT${number}`, await freePort());
  }
  return ports;
}

function fill(text: string, { folder, ports }: Place): string {
  return text.replaceAll(/\{([A-Z]+\d?)\}/g, (hole, name: string) =>
    name === 'FOLDER' ? folder : String(ports.get(name) ?? hole),
  );
}

function writeFiles(files: Files, place: Place): void {
  for (const [name, text] of Object.entries(files)) {
    const path = join(place.folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(`${path}.new`, fill(text, place), { mode: 0o644 });
    renameSync(`${path}.new`, path);
  }
}

/** The whole ones, without their times. */
function linesOf(text: string): readonly string[] {
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => line.replace(/^[0-9]+: /, ''));
}

/** A line of a password file: one round of SHA-512, which takes no time. */
export function passwordLine(user: string, password: string, saltText = 'some salt of ours'): string {
  const salt = Buffer.from(saltText);
  const hash = createHash('sha512').update(password).update(salt).digest('base64');
  return `${user}:$6$${salt.toString('base64')}$${hash}\n`;
}
