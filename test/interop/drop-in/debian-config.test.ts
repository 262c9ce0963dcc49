/**
 * Debian's own /etc/mosquitto/mosquitto.conf, in both brokers, with what the package installed: its folders, its user. It has
 * no listener, so a free port is given with -p. Leaves nothing behind; a machine whose Mosquitto has been used is left alone.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, statSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { toolOrSkip } from '../../fixtures/debian.ts';
import { expectedOf } from './differences.ts';
import { visit } from './guest.ts';
import { observe, type Scenario } from './two-brokers.ts';

const CONFIG = '/etc/mosquitto/mosquitto.conf';
const LOG = '/var/log/mosquitto/mosquitto.log';
const DATABASE = '/var/lib/mosquitto/mosquitto.db';
const RUN_FOLDER = '/run/mosquitto';
const PID_FILE = `${RUN_FOLDER}/mosquitto.pid`;
/** Zanzara's own, in the same folder. */
const STORE = '/var/lib/mosquitto/zanzara.db';
const STORE_FILES = [STORE, `${STORE}-wal`, `${STORE}-shm`, '/var/lib/mosquitto/zanzara.lock'];
const TRACES = [LOG, DATABASE, ...STORE_FILES, PID_FILE];

/** What the pid file holds; '' while it is not there, or is being written. */
function writtenPid(): string {
  return existsSync(PID_FILE) ? readFileSync(PID_FILE, 'utf8').trim() : '';
}

const SCENARIO: Scenario = {
  name: "Debian's own configuration",
  files: {},
  ports: ['PORT'],
  args: ['-c', CONFIG, '-p', '{PORT}'],
  async script(place) {
    const lines: string[] = [];
    lines.push(`runs as mosquitto: ${statSync(`/proc/${place.broker.pid}`).uid === userId()}`);
    const to = ['-h', '127.0.0.1', '-p', '{PORT}'];
    // Ours comes when everything is open, a moment after the port answers.
    while (writtenPid() === '' && place.broker.exitCode === null) await new Promise(setImmediate);
    lines.push(`the pid is there: ${writtenPid() === String(place.broker.pid)}`);
    lines.push(`retained: ${await place.run('mosquitto_pub', ...to, '-q', '1', '-r', '-t', 'home/light', '-m', 'on')}`);
    lines.push(`read: ${await place.run('mosquitto_sub', ...to, '-t', 'home/#', '-v', '-C', '1', '-W', '20')}`);
    const session = { clientId: 'logger', clean: false };
    const logger = await visit(place, session);
    await logger.subscribe('home/+', { qos: 1 });
    await logger.until(1);
    await logger.leave();
    lines.push(`queued: ${await place.run('mosquitto_pub', ...to, '-q', '1', '-t', 'home/door', '-m', 'open')}`);
    const again = await visit(place, session);
    lines.push(`${await again.greeting}: ${await again.until(1)}`);
    await again.leave();
    lines.push(`stop: ${await place.stop('SIGTERM')}, pid file left: ${existsSync(PID_FILE)}`);
    const { uid, mode } = statSync(LOG);
    lines.push(`the log is of mosquitto: ${uid === userId()}, for others to read: ${(mode & 0o004) !== 0}`);
    lines.push(`a database: ${existsSync(place.name === 'mosquitto' ? DATABASE : STORE)}`);
    const log = place.lines(readFileSync(LOG, 'utf8')).map((line) => line.replace(/auto-[0-9A-F-]{36}/, 'auto-UUID'));
    // The HTTP API, since 2.1: its port is the machine's.
    return [...lines, ...log.filter((line) => !/^(New connection|Client <unknown>)|9883/.test(line))];
  },
};

test(`drop-in: ${SCENARIO.name}`, { timeout: 120_000 }, async (t) => {
  const mosquitto = toolOrSkip(t, 'mosquitto', 'mosquitto');
  const clients = mosquitto === null ? null : toolOrSkip(t, 'mosquitto_pub', 'mosquitto-clients');
  if (mosquitto === null || clients === null || isImpossible(t)) return;
  const hadRunFolder = existsSync(RUN_FOLDER);
  try {
    // As the package's unit file does.
    if (!hadRunFolder) mkdirSync(RUN_FOLDER, { mode: 0o740 });
    execFileSync('chown', ['mosquitto', RUN_FOLDER]);
    const theirs = await observe(SCENARIO, 'mosquitto', mosquitto);
    removeTraces();
    const ours = await observe(SCENARIO, 'zanzara', mosquitto);
    assert.deepEqual(ours, expectedOf(SCENARIO.name, theirs));
  } finally {
    removeTraces();
    if (!hadRunFolder) rmdirSync(RUN_FOLDER);
  }
});

function isImpossible(t: TestContext): boolean {
  const reason = reasonToSkip();
  if (reason !== null) t.skip(reason);
  return reason !== null;
}

function reasonToSkip(): string | null {
  if (process.getuid?.() !== 0) return 'needs root, as the service is started';
  if (!existsSync(CONFIG)) return `needs ${CONFIG} of the package mosquitto`;
  if (readdirSync('/etc/mosquitto/conf.d').some((name) => name.endsWith('.conf'))) return 'Mosquitto is set up here';
  if (TRACES.some((file) => existsSync(file))) return 'Mosquitto is in use here';
  return null;
}

function removeTraces(): void {
  for (const file of TRACES) rmSync(file, { force: true });
}

function userId(): number {
  return Number(execFileSync('id', ['-u', 'mosquitto'], { encoding: 'utf8' }));
}
