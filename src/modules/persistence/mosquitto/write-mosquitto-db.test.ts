import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { OwnedMessage } from '../../../core/model/message.ts';
import { UNKNOWN_OWNER } from '../../../core/ports.ts';
import { parseTopicName } from '../../../protocol/topic.ts';
import { encodeRow, encodeSession, encodeWill, keyOf } from '../bodies.ts';
import { OpWriter, RowState } from '../ops.ts';
import { Store } from '../store/store.ts';
import { importMosquitto } from './import-mosquitto.ts';
import { importedLines } from './imported.fixture.ts';
import { FORMATS, fileFor, folderFor, HandFile, linesOf, oneOfEverything } from './mosquitto-files.fixture.ts';
import { PORT_SCALE, portOf } from './port-scale.ts';
import { openMosquittoDb } from './read-mosquitto-db.ts';
import { writeMosquittoDb } from './write-mosquitto-db.ts';

const NEVER = 0xffff_ffff;

/** Fills a new store by `fill` and writes it as a mosquitto.db. */
function exported(t: TestContext, fill: (store: Store, wallMs: number) => void) {
  const folder = folderFor(t);
  const wallMs = Date.now();
  const options = { folder: join(folder, 'store'), isDamageRefused: true, mosquittoFile: null, wallMs };
  const { store } = Store.open(options);
  const file = join(folder, 'out.db');
  try {
    fill(store, wallMs);
    const time = { storeMs: 0, wallMs };
    return { file, counts: writeMosquittoDb({ file, pieces: store.load(Number.POSITIVE_INFINITY), time, wallMs }) };
  } finally {
    store.close();
  }
}

/** What is imported from a file, but the time of the import. */
function contentOf(file: string): readonly string[] {
  return importedLines(file, Date.now()).lines.filter((line) => !line.startsWith('time'));
}

test('export: ours to mosquitto.db and back, from a file of each format', async (t) => {
  for (const format of FORMATS) {
    await t.test(`format ${format}`, (own) => {
      const original = fileFor(own, oneOfEverything(format));
      const { file, counts } = exported(
        own,
        (store, wallMs) => void importMosquitto(original, (ops) => store.apply(ops), wallMs),
      );
      const kept = contentOf(original).filter((line) => !line.startsWith('received'));
      // Format 6 has no word for a session whose user nobody knows.
      const expected = kept.map((line) => line.replace(` ${UNKNOWN_OWNER} `, ' null '));
      assert.deepEqual(contentOf(file), expected);
      assert.deepEqual(counts, { sessions: 2, subscriptions: 1, rows: 2, retained: 1, leftWills: 0, leftReceived: 1 });
      assert.equal(statSync(file).mode & 0o777, 0o600);
    });
  }
});

test('export: every byte is where format 6 has it', (t) => {
  const hand = new HandFile(6).client({ clientId: 'c', userName: 'u', port: 1884 });
  const original = fileFor(t, hand.bytes);
  const { file } = exported(t, (store, wallMs) => void importMosquitto(original, (ops) => store.apply(ops), wallMs));
  const bytes = readFileSync(file);
  // The last store id, and the last packet id of the client, are others.
  const wanted = Buffer.from(hand.bytes);
  wanted[31] = 0;
  wanted[23 + 24 + 8 + 13] = 0;
  assert.equal(bytes.toString('hex'), wanted.toString('hex'));
});

test('export: queued messages have packet ids that are not in flight', (t) => {
  const hand = new HandFile(6).message({ id: 1, topic: 't', payload: 'p' }).client({ clientId: 'c' });
  for (const packetId of [65_534, 1, 3]) hand.row({ clientId: 'c', id: 1, packetId, state: 3 });
  for (let count = 0; count < 4; count++) hand.row({ clientId: 'c', id: 1, packetId: 9, state: 11 });
  const original = fileFor(t, hand.bytes);
  const { file } = exported(t, (store, wallMs) => void importMosquitto(original, (ops) => store.apply(ops), wallMs));
  const source = openMosquittoDb(file);
  t.after(() => source.close());
  assert.deepEqual(
    [...source.rows()].map(({ packetId, state }) => `${packetId} ${state}`),
    ['65534 3', '1 3', '3 3', '65535 11', '2 11', '4 11', '5 11'],
  );
});

test('export: moments are times of day again', (t) => {
  const { file } = exported(t, (store) => {
    const ops = new OpWriter();
    const owner = { userName: null, listenerId: 0, expirySeconds: 600 };
    ops.session(1, encodeSession({ ...owner, clientId: 'away', offlineSinceMs: -60_000 }, PORT_SCALE));
    ops.session(2, encodeSession({ ...owner, clientId: 'here', offlineSinceMs: null }, PORT_SCALE));
    const row = { session: 1, position: 1, state: RowState.Queued, packetId: 0, payloadBytes: 1 };
    ops.queued(row, encodeRow(deliveryOf(messageOf(120_000)), PORT_SCALE));
    store.apply(ops.finish());
  });
  const source = openMosquittoDb(file);
  t.after(() => source.close());
  const now = Math.floor(Date.now() / 1000);
  const lines = linesOf(source).map((line) =>
    line.replace(/\b\d{10}\b/g, (seconds) => `now${nearest(Number(seconds) - now)}`),
  );
  assert.deepEqual(lines, [
    "client 'away' null 0 now-60 600",
    "client 'here' null 0 now+0 600",
    "row 'away' 1 1 1 11 false true 0",
    "message 1 't' 'p' 1 false now+120 'source' '' 1883 ''",
  ]);
});

function nearest(seconds: number): string {
  const rounded = Math.round(seconds / 10) * 10;
  return rounded < 0 ? String(rounded) : `+${rounded}`;
}

test('export: wills are left out and counted', (t) => {
  const { file, counts } = exported(t, (store) => {
    const ops = new OpWriter();
    const owner = { clientId: 'c', userName: null, listenerId: 1883 };
    ops.session(1, encodeSession({ ...owner, expirySeconds: NEVER, offlineSinceMs: 0 }, PORT_SCALE));
    const will = { message: messageOf(Number.POSITIVE_INFINITY), delaySeconds: 5, expirySeconds: null };
    ops.will(keyOf('c'), encodeWill(owner, will, PORT_SCALE));
    store.apply(ops.finish());
  });
  assert.equal(counts.leftWills, 1);
  assert.deepEqual(contentOf(file), [`session 1 c null 1883 expiry ${NEVER} gone 0`]);
});

test('export: the file must not be there', (t) => {
  const file = fileFor(t, new Uint8Array(1));
  assert.throws(() => writeMosquittoDb({ file, pieces: [], time: null, wallMs: 0 }), { code: 'EEXIST' });
});

test('export: the port of a listener is found in each name that it may have', () => {
  for (const name of ['port 1884', '[1884,null,null]', 'local [1884,"::1",null]'])
    assert.equal(portOf(name), 1884, name);
  for (const name of ['', 'port 70000', '[null,null,"/run/mqtt"]', 'import 5']) assert.equal(portOf(name), 0, name);
});

function messageOf(expiresAtMs: number): OwnedMessage {
  const topic = parseTopicName('t');
  assert.ok(topic !== null);
  return new OwnedMessage({
    topic,
    qos: 1,
    retain: false,
    expiresAtMs,
    forwardedProperties: new Uint8Array(0),
    publisherId: 'source',
    publisher: { clientId: 'source', userName: null, listenerId: 1883 },
    bytes: Buffer.from('p'),
  });
}

function deliveryOf(message: OwnedMessage) {
  return { message, qos: 1, retain: false, subscriptionIdentifiers: null, shared: null } as const;
}
