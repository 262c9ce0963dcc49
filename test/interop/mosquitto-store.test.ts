/**
 * Moving in and out: what Debian's Mosquitto has kept is taken over by Zanzara and the other way round, and clients that come
 * back find the same as with the broker that they left. That broker is started again on a copy of its own file, and clients
 * see what they would have seen without the move.
 */
import assert from 'node:assert/strict';
import { chmodSync, copyFileSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { runExport } from '../../src/cli/export.ts';
import { runImport } from '../../src/cli/import.ts';
import { type BrokerProcess, MAIN, startOnFreePort } from '../app/broker-process.ts';
import { toolOrSkip } from '../fixtures/debian.ts';
import { FakeIo } from '../fixtures/fake-io.ts';
import { field, rawAck, rawConnect, rawPublish, rawSubscribe } from '../fixtures/raw-packets.ts';
import { RawSocket } from '../fixtures/raw-socket.ts';
import { Guest, type GuestOptions } from './drop-in/guest.ts';

const PUBREC = 0x50;
const PUBREL = 0x62;
const WINDOW = 2;

interface House {
  readonly folder: string;
  readonly port: number;
  readonly broker: BrokerProcess;
}

function folderFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'zanzara-move-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** Starts a broker whose data is in `folder`. */
async function start(t: TestContext, folder: string, program: readonly string[]): Promise<House> {
  mkdirSync(folder, { recursive: true });
  chmodSync(folder, 0o777);
  const config = join(folder, 'test.conf');
  const lines = ['user root', 'allow_anonymous true', 'persistence true', `persistence_location ${folder}/`];
  writeFileSync(config, [...lines, `max_inflight_messages ${WINDOW}`, ''].join('\n'));
  return { folder, ...(await startOnFreePort(t, (port) => ['-c', config, '-p', String(port)], program)) };
}

async function visit({ port }: House, options: GuestOptions): Promise<Guest> {
  const guest = new Guest(`mqtt://127.0.0.1:${port}`, options);
  await guest.greeting;
  return guest;
}

const KEEPER: GuestOptions = { clientId: 'keeper', clean: false };
const READER: GuestOptions = {
  clientId: 'reader',
  username: 'ann',
  clean: false,
  protocolVersion: 5,
  properties: { sessionExpiryInterval: 3600 },
};
const SLOW: GuestOptions = { clientId: 'slow', clean: false };

/** Leaves sessions, subscriptions, queues, messages in flight in both directions and retained ones behind. */
async function fill(house: House): Promise<void> {
  const keeper = await visit(house, KEEPER);
  await keeper.subscribe('home/#', { qos: 2 });
  await keeper.leave();
  const reader = await visit(house, READER);
  const properties = { subscriptionIdentifier: 7 };
  await reader.subscribe('home/#', { qos: 1, nl: true, rap: true, rh: 1, properties });
  await reader.subscribe('other', { qos: 2 });
  await reader.leave();
  const slow = await fillWindow(house);
  const plant = await visit(house, { clientId: 'plant', protocolVersion: 5, username: 'bob' });
  const full = { contentType: 'text/plain', userProperties: { unit: 'C' }, messageExpiryInterval: 600 };
  await plant.publish('home/1', 'one', { qos: 1 });
  await plant.publish('home/2', 'two', { qos: 2, properties: full });
  await plant.publish('home/kept', 'three', { qos: 1, retain: true });
  await plant.publish('kept', 'four', { qos: 0, retain: true });
  for (const payload of ['a', 'b', 'c', 'd']) await plant.publish('s', payload, { qos: 2 });
  await plant.leave();
  // One of the two in its window is received, but not released to the end.
  await slow.packets(2 + WINDOW);
  slow.send(rawAck(PUBREC, 1));
  await slow.packets(3 + WINDOW);
  slow.destroy();
  await sendHalf(house);
}

/** A session that takes messages and does not acknowledge them. */
async function fillWindow({ port }: House): Promise<RawSocket> {
  const slow = await RawSocket.open(port);
  slow.send(rawConnect({ flags: 0, payload: [field('slow')] }));
  slow.send(rawSubscribe([['s', 2]]));
  await slow.packets(2);
  return slow;
}

/** A QoS 2 message of which the broker has taken the first half. */
async function sendHalf({ port }: House): Promise<void> {
  const sender = await RawSocket.open(port);
  sender.send(rawConnect({ flags: 0, payload: [field('sender')] }));
  await sender.packets(1);
  sender.send(rawPublish('home/half', { flags: 4, packetId: 77, payload: 'five' }));
  await sender.packets(2);
  sender.destroy();
}

/** What the clients find when they come back: a line each. */
async function comeBack(house: House): Promise<readonly string[]> {
  const lines: string[] = [];
  const sender = await RawSocket.open(house.port);
  sender.send(rawConnect({ flags: 0, payload: [field('sender')] }));
  await sender.packets(1);
  // Sent again, it must not come twice.
  sender.send(rawPublish('home/half', { flags: 12, packetId: 77, payload: 'five' }));
  sender.send(rawAck(PUBREL, 77));
  const packets = await sender.packets(3);
  lines.push(`sender: ${packets.map((packet) => Buffer.from(packet).toString('hex')).join(' ')}`);
  sender.end();
  lines.push(...(await found(house, KEEPER, 4)), ...(await found(house, READER, 4)), ...(await found(house, SLOW, 3)));
  const newcomer = await visit(house, { clientId: 'newcomer' });
  await newcomer.subscribe('#');
  await newcomer.until(2);
  lines.push(...newcomer.messages.map((message) => `newcomer: ${message}`));
  await newcomer.leave();
  return lines;
}

/** The order of messages of different QoS is free, and the time that is left runs. */
async function found(house: House, options: GuestOptions, count: number): Promise<readonly string[]> {
  const guest = await visit(house, options);
  await guest.until(count);
  // Publishes to itself, so that all that waited has come before.
  const id = String(options.clientId);
  const own = `${id}/end`;
  await guest.subscribe(own, { qos: 0 });
  const publisher = await visit(house, { clientId: 'ender' });
  await publisher.publish(own, '', { qos: 0 });
  await publisher.leave();
  await guest.until(count + 1);
  const greeting = await guest.greeting;
  await guest.unsubscribe(own);
  await guest.leave();
  const messages = guest.messages.filter((message) => !message.startsWith(own));
  const lines = messages.map((message) => `${id}: ${message.replace(/messageExpiryInterval=\d+/, 'expires')}`);
  return [`${id}: ${greeting.replace(/ \{.*/, '')}`, ...lines.sort()];
}

test('moving in: Zanzara takes over what Mosquitto has kept', { timeout: 120_000 }, async (t) => {
  const mosquitto = toolOrSkip(t, 'mosquitto', 'mosquitto');
  if (mosquitto === null) return;
  const folder = folderFor(t);
  const [left, theirs, ours] = [join(folder, 'left'), join(folder, 'theirs'), join(folder, 'ours')];
  const before = await start(t, left, [mosquitto]);
  await fill(before);
  await before.broker.stop('SIGTERM');
  cpSync(left, theirs, { recursive: true });
  cpSync(left, ours, { recursive: true });

  const expected = await comeBack(await start(t, theirs, [mosquitto]));
  const moved = await start(t, ours, MAIN);
  assert.match(
    moved.broker.stderr,
    /Imported .*mosquitto\.db \(mosquitto\.db, format 6\): 4 sessions, 4 subscriptions/,
  );
  assert.deepEqual(await comeBack(moved), expected);
  await moved.broker.stop('SIGTERM');

  // Once there is a store of ours, the file is a thing of the past.
  const again = await start(t, ours, MAIN);
  assert.doesNotMatch(again.broker.stderr, /Imported/);
});

test('moving out: Mosquitto takes over what Zanzara has kept', { timeout: 120_000 }, async (t) => {
  const mosquitto = toolOrSkip(t, 'mosquitto', 'mosquitto');
  if (mosquitto === null) return;
  const folder = folderFor(t);
  const [left, ours, theirs] = [join(folder, 'left'), join(folder, 'ours'), join(folder, 'theirs')];
  const before = await start(t, left, MAIN);
  await fill(before);
  await before.broker.stop('SIGTERM');
  cpSync(left, ours, { recursive: true });
  // It was open to all for the broker's user; root's tools do not work in such a folder.
  chmodSync(left, 0o755);
  const io = new FakeIo();
  const exported = join(folder, 'mosquitto.db');
  assert.equal(await runExport([left, exported], io), 0, io.errors);
  assert.match(io.out, /Not exported: packet ids of 1 QoS 2 messages/);
  mkdirSync(theirs);
  copyFileSync(exported, join(theirs, 'mosquitto.db'));
  chmodSync(join(theirs, 'mosquitto.db'), 0o666);

  const expected = await comeBack(await start(t, ours, MAIN));
  const moved = await start(t, theirs, [mosquitto]);
  const doubled = 'home/half five qos';
  const found = await comeBack(moved);
  // As the tool has said: what the sender sends again after the move comes again.
  assert.deepEqual(withoutSecond(found, doubled), expected);
  assert.doesNotMatch(moved.broker.stderr, /error|unsupported|corrupt/i);
});

/** Of lines that are there twice in a row, those that hold `text` once. */
function withoutSecond(lines: readonly string[], text: string): readonly string[] {
  return lines.filter((line, index) => !(line.includes(text) && lines[index - 1] === line));
}

test('there and back: what Mosquitto wrote goes through both tools', { timeout: 120_000 }, async (t) => {
  const mosquitto = toolOrSkip(t, 'mosquitto', 'mosquitto');
  if (mosquitto === null) return;
  const folder = folderFor(t);
  const [left, theirs] = [join(folder, 'left'), join(folder, 'theirs')];
  const before = await start(t, left, [mosquitto]);
  await fill(before);
  await before.broker.stop('SIGTERM');
  const io = new FakeIo();
  const [file, store, exported] = [join(left, 'mosquitto.db'), join(folder, 'store'), join(folder, 'exported.db')];
  assert.equal(await runImport([file, store], io), 0, io.errors);
  assert.equal(await runExport([store, exported], io), 0, io.errors);
  mkdirSync(theirs);
  copyFileSync(exported, join(theirs, 'mosquitto.db'));
  chmodSync(join(theirs, 'mosquitto.db'), 0o666);
  const expected = await comeBack(await start(t, left, [mosquitto]));
  const found = await comeBack(await start(t, theirs, [mosquitto]));
  assert.deepEqual(withoutSecond(found, 'home/half five qos'), expected);
});
