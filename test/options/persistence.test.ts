/** What survives a restart, a crash (kill -9) included, and what does not, as the options of the store say. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Started, startOnFreePort } from '../app/broker-process.ts';
import { makeFolder, type OneBroker, OPEN, readLines, refusalOf, startOneBroker } from './one-broker.ts';
import { Visitor, type VisitorOptions } from './visitor.ts';

const limit = { timeout: 60_000 };
const HERE = 'persistence_location {FOLDER}';
/** Kept in memory until somebody wants it saved: the longest window, and no bound by time or changes. */
const HOUR = ['durability relaxed 3600000', 'autosave_interval 0'];

const AWAY: VisitorOptions = {
  clientId: 'away',
  cleanStart: false,
  properties: { sessionExpiryInterval: 3600 },
};
const STORE_FILE = 'zanzara.db';

/** A broker as a process of its own, with its configuration in `folder`. */
async function startProcess(t: TestContext, folder: string, lines: readonly string[]): Promise<Started> {
  const file = join(folder, 'test.conf');
  return await startOnFreePort(t, (port) => {
    const text = [...OPEN, ...lines].join('\n').replaceAll('{PORT}', String(port)).replaceAll('{FOLDER}', folder);
    writeFileSync(file, `${text}\n`);
    return ['-c', file];
  });
}

/** A session whose client is away, a message that waits for it, and a retained one; all of them acknowledged. */
async function fill(port: number): Promise<void> {
  const away = await Visitor.connect(port, AWAY);
  await away.subscribe('queued/#');
  await away.leave();
  const desk = await Visitor.connect(port, { clientId: 'desk' });
  assert.equal(await desk.publish('queued/1', 'waits'), 0);
  await desk.publish('kept/1', 'is retained', true);
  await desk.leave();
}

const ALL = ['session', 'waits', 'is retained'];

/** What is there of that. */
async function found(port: number): Promise<readonly string[]> {
  const away = await Visitor.connect(port, AWAY);
  const session = away.client.connack.sessionPresent ? ['session'] : [];
  await away.subscribe('kept/#');
  await away.subscribe('end');
  await away.publish('end', 'end');
  const texts: string[] = [];
  for (let text = await away.next(); text !== 'end'; text = await away.next()) texts.push(text);
  await away.leave();
  return [...session, ...texts];
}

/** Fills a broker, kills it, and tells what the next one knows. */
async function crash(t: TestContext, lines: readonly string[], folder = makeFolder(t)): Promise<readonly string[]> {
  const first = await startProcess(t, folder, lines);
  await fill(first.port);
  await first.broker.stop('SIGKILL');
  const second = await startProcess(t, folder, lines);
  const texts = await found(second.port);
  await second.broker.stop('SIGTERM');
  return texts;
}

/** Fills a broker, stops it in order, and tells what the next one knows. */
async function restart(t: TestContext, lines: readonly string[], more: RestartOptions = {}): Promise<Restarted> {
  const first = await startOneBroker(t, [...OPEN, ...lines], more);
  await fill(first.port);
  await first.stop();
  const second = await startOneBroker(t, [...OPEN, ...lines], { ...more, folder: first.folder });
  return { texts: await found(second.port), broker: second };
}

type RestartOptions = NonNullable<Parameters<typeof startOneBroker>[2]>;

interface Restarted {
  readonly texts: readonly string[];
  readonly broker: OneBroker;
}

test('option persistence: sessions, queues and retained messages survive kill -9', limit, async (t) => {
  assert.deepEqual(await crash(t, ['persistence true', HERE]), ALL);
});

test('option persistence: without it nothing is written, and nothing is there after a restart', limit, async (t) => {
  for (const lines of [[HERE], ['persistence false', HERE]]) {
    const { texts, broker } = await restart(t, lines);
    assert.deepEqual(texts, []);
    assert.ok(!existsSync(join(broker.folder, STORE_FILE)));
  }
});

test('option retained_persistence: is persistence by its old name', limit, async (t) => {
  const { texts, broker } = await restart(t, ['retained_persistence true', HERE]);
  assert.deepEqual(texts, ALL);
  assert.ok(broker.log.hasLine('Restored 1 retained messages'));
});

test('option persistence_location: the folder of the store; the environment beats it', limit, async (t) => {
  const folder = makeFolder(t);
  for (const name of ['named', 'given']) mkdirSync(join(folder, name));
  const lines = ['persistence true', 'persistence_location {FOLDER}/named/'];
  const named = await restart(t, lines, { folder });
  assert.deepEqual(named.texts, ALL);
  assert.ok(existsSync(join(folder, 'named', STORE_FILE)));
  const environment = { MOSQUITTO_PERSISTENCE_LOCATION: join(folder, 'given') };
  assert.deepEqual((await restart(t, lines, { folder, environment })).texts, ALL);
  assert.ok(existsSync(join(folder, 'given', STORE_FILE)));
  assert.match(await refusalOf(t, ['persistence_location']), /persistence_location/);
});

test('option persistence_location: a reload that changes it says from where to where', limit, async (t) => {
  const folder = makeFolder(t);
  const lines = (name: string) => [...OPEN, 'persistence true', `persistence_location {FOLDER}/${name}`];
  for (const name of ['old', 'new']) mkdirSync(join(folder, name));
  const { reloadWith, log } = await startOneBroker(t, lines('old'), { folder });
  await reloadWith({}, lines('new'));
  assert.ok(log.hasLine(`has changed from ${join(folder, 'old')} to ${join(folder, 'new')}.`), log.lines.join('\n'));
});

test('$SYS has the size of the store from the start on', limit, async (t) => {
  const { port } = await startOneBroker(t, [...OPEN, 'persistence true', HERE, 'sys_interval 3600']);
  assert.ok(Number(await storeTopic(port, 'file/bytes')) > 0);
});

test('option persistence_file: a first start takes over what this file of Mosquitto holds', limit, async (t) => {
  const folder = makeFolder(t);
  const database = databaseWith('kept/1', 'of Mosquitto');
  writeFileSync(join(folder, 'state.db'), database, { mode: 0o666 });
  const lines = ['persistence true', HERE, 'persistence_file state.db'];
  const first = await startOneBroker(t, [...OPEN, ...lines], { folder });
  assert.deepEqual(await found(first.port), ['of Mosquitto']);
  const desk = await Visitor.connect(first.port, { clientId: 'desk' });
  await desk.publish('kept/1', 'ours', true);
  await desk.leave();
  await first.stop();
  assert.deepEqual(readFileSync(join(folder, 'state.db')), database);
  // From now on the store is Zanzara's own. The message has waited for the session, and is retained.
  const second = await startOneBroker(t, [...OPEN, ...lines], { folder });
  assert.deepEqual(await found(second.port), ['session', 'ours', 'ours']);
  assert.match(await refusalOf(t, ['persistence_file']), /persistence_file/);
});

test('option durability: strict has everything on the disk that was acknowledged', limit, async (t) => {
  assert.deepEqual(await crash(t, ['persistence true', HERE, 'durability strict']), ALL);
});

test('option durability: relaxed may lose its window in a crash, and nothing in a stop', limit, async (t) => {
  const lines = ['persistence true', HERE, ...HOUR];
  assert.deepEqual(await crash(t, lines), []);
  assert.deepEqual((await restart(t, lines)).texts, ALL);
});

test('option durability: off keeps everything in memory, with a warning', limit, async (t) => {
  const { texts, broker } = await restart(t, ['persistence true', HERE, 'durability off']);
  assert.deepEqual(texts, []);
  assert.ok(broker.log.hasLine("Warning: 'durability off' keeps all state in memory"));
  assert.ok(!existsSync(join(broker.folder, STORE_FILE)));
});

test('option durability: without persistence it does nothing, and a warning says so', async (t) => {
  const { notes } = await readLines(t, ['durability relaxed 5']);
  assert.match(notes.map(({ text }) => text).join('\n'), /'durability' has no effect/);
});

/** The value of a topic below `$SYS/broker/ext/store/`, once it passes. */
async function storeTopic(port: number, name: string, passes = (_value: string) => true): Promise<string> {
  const watcher = await Visitor.connect(port, { clientId: `watcher-${name}` });
  await watcher.subscribe(`$SYS/broker/ext/store/${name}`);
  let value = await watcher.next();
  while (!passes(value)) value = await watcher.next();
  await watcher.leave();
  return value;
}

test('option durability: a reload changes it', limit, async (t) => {
  const always = [...OPEN, 'persistence true', HERE, 'sys_interval 1'];
  const { port, reloadWith, log } = await startOneBroker(t, [...always, 'durability relaxed 500']);
  assert.equal(await storeTopic(port, 'window_ms'), '500');
  await reloadWith({}, [...always, 'durability strict']);
  assert.equal(await storeTopic(port, 'window_ms', (value) => value !== '500'), '0');
  await reloadWith({}, [...always, 'durability off']);
  assert.ok(log.hasLine("'durability' has changed from or to 'off'. That takes a restart"));
});

test('option autosave_interval: the most seconds that durability relaxed leaves unsaved', limit, async (t) => {
  const window = async (lines: readonly string[]) => {
    const { port } = await startOneBroker(t, [...OPEN, 'persistence true', HERE, ...lines]);
    return await storeTopic(port, 'window_ms');
  };
  assert.equal(await window(['durability relaxed 3600000', 'autosave_interval 7']), '7000');
  assert.equal(await window(['durability relaxed 200', 'autosave_interval 7']), '200');
  assert.equal(await window(['durability relaxed 3600000', 'autosave_interval 0']), '3600000');
  // Strict saves at once, whatever this says.
  assert.equal(await window(['autosave_interval 7']), '0');
});

test('option autosave_on_changes: autosave_interval is the most changes that are left unsaved', limit, async (t) => {
  const lines = ['durability relaxed 3600000', 'autosave_interval 1', 'autosave_on_changes true', 'sys_interval 1'];
  const { port } = await startOneBroker(t, [...OPEN, 'persistence true', HERE, ...lines]);
  // As seconds it would bound the window.
  assert.equal(await storeTopic(port, 'window_ms'), '3600000');
  await fill(port);
  const commits = await storeTopic(port, 'commits', (value) => value !== '0');
  assert.ok(Number(commits) > 0);
  assert.match(await refusalOf(t, ['autosave_on_changes maybe']), /autosave_on_changes/);
});

/** A client with a will is connected, and one that wants to know is away, when the broker is killed. */
async function crashWithWill(t: TestContext, grace: number) {
  const folder = makeFolder(t);
  const lines = ['persistence true', HERE, `will_restart_grace ${grace}`];
  const first = await startProcess(t, folder, lines);
  const away = await Visitor.connect(first.port, AWAY);
  await away.subscribe('state/#');
  await away.leave();
  const will = { topic: 'state/robot', payload: 'gone', qos: 1 as const };
  await Visitor.connect(first.port, { clientId: 'robot', will });
  await first.broker.stop('SIGKILL');
  const second = await startProcess(t, folder, lines);
  return { port: second.port, away: await Visitor.connect(second.port, AWAY) };
}

test('option will_restart_grace: with 0 the will of a client that a crash cut off comes at once', limit, async (t) => {
  const { away } = await crashWithWill(t, 0);
  assert.equal(await away.next(), 'gone');
  await away.leave();
});

test('option will_restart_grace: so many seconds the will waits for its client to return', limit, async (t) => {
  const { port, away } = await crashWithWill(t, 3600);
  const robot = await Visitor.connect(port, { clientId: 'robot' });
  await robot.publish('state/robot', 'is back');
  await robot.leave();
  assert.equal(await away.next(), 'is back');
  await away.leave();
});

test('--persist keeps state where no line speaks of persistence, and only there', limit, async (t) => {
  const folder = makeFolder(t);
  const data = join(folder, 'data');
  mkdirSync(data);
  assert.deepEqual((await restart(t, [], { folder, persistFolder: data })).texts, ALL);
  assert.ok(existsSync(join(data, STORE_FILE)));
  assert.deepEqual((await restart(t, ['persistence false'], { persistFolder: data })).texts, []);
});

/** mosquitto.db of format 6 with one retained message. */
function databaseWith(topic: string, payload: string): Buffer {
  const id = Buffer.alloc(8);
  id.writeBigUInt64LE(1n);
  const head = Buffer.alloc(24);
  head.writeUInt32BE(payload.length, 8);
  head.writeUInt16BE(topic.length, 18);
  head.writeUInt8(1, 22);
  head.writeUInt8(1, 23);
  const config = Buffer.alloc(16);
  id.copy(config);
  config.writeUInt8(1, 8);
  config.writeUInt8(8, 9);
  return Buffer.concat([
    Buffer.from('\0\u00b5\0mosquitto db\0\0\0\0\0\0\0\u0006', 'latin1'),
    chunk(1, config),
    chunk(2, Buffer.concat([id, head, Buffer.from(topic + payload)])),
    chunk(4, id),
  ]);
}

function chunk(type: number, body: Uint8Array): Uint8Array {
  const head = Buffer.alloc(8);
  head.writeUInt32BE(type, 0);
  head.writeUInt32BE(body.length, 4);
  return Buffer.concat([head, body]);
}
