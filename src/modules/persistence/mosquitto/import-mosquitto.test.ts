import assert from 'node:assert/strict';
import { readFileSync, statSync, utimesSync } from 'node:fs';
import { test } from 'node:test';
import { UNKNOWN_OWNER } from '../../../core/ports.ts';
import { importMosquitto } from './import-mosquitto.ts';
import { importedLines } from './imported.fixture.ts';
import { FORMATS, type Format, fileFor, HandFile, oneOfEverything } from './mosquitto-files.fixture.ts';

const NEVER = 0xffff_ffff;
const NOW_SECONDS = 1_800_000_000;
const NOW = NOW_SECONDS * 1000;

/** The path of a file that was written a moment ago, by the clock of these tests. */
function written(t: Parameters<typeof fileFor>[0], file: HandFile | Uint8Array, atSeconds = NOW_SECONDS - 60): string {
  const path = fileFor(t, file instanceof HandFile ? file.bytes : file);
  utimesSync(path, atSeconds, atSeconds);
  return path;
}

test('import: one of everything, of each format', async (t) => {
  for (const format of FORMATS) {
    await t.test(`format ${format}`, () => {
      const file = written(t, oneOfEverything(format));
      const before = { bytes: readFileSync(file), mtimeMs: statSync(file).mtimeMs };
      const { lines, told } = importedLines(file, NOW);
      assert.deepEqual(lines, expectedLines(format));
      assert.deepEqual(told.counts, { sessions: 2, subscriptions: 1, rows: 2, retained: 1, wills: 0 });
      assert.deepEqual(
        told.notes.map(({ text }) => /Imported|which users its sessions belong to/.exec(text)?.[0]),
        format === 6 ? ['Imported'] : ['Imported', 'which users its sessions belong to'],
      );
      assert.deepEqual({ bytes: readFileSync(file), mtimeMs: statSync(file).mtimeMs }, before, 'the file is as it was');
    });
  }
});

function expectedLines(format: Format): readonly string[] {
  const [user, port] = format === 6 ? ['ann', 1884] : [UNKNOWN_OWNER, 1883];
  // In format 6 this one came without a name.
  const second = format === 6 ? 'null' : UNKNOWN_OWNER;
  const sourceUser = format >= 4 ? 'ann' : 'null';
  const id = format >= 5 ? ' id 9' : '';
  const options = format >= 5 ? 'true true 2 9' : 'false false 0 null';
  return [
    'received 2 40',
    "retained a/kept 'third' qos 0 retained by source null 1883 {}",
    `row 1/1 sent 11 qos 2 (5): a/b 'first' qos 2 by source ${sourceUser} 1883 {}`,
    `row 1/2 queued 0 qos 1${id} (6): a/c 'second' qos 1 by source null 1883 {}`,
    `session 1 one ${user} ${port} expiry ${NEVER} gone 0`,
    `session 2 two ${second} 1883 expiry ${NEVER} gone 0`,
    `subscribed 1 a/# qos 2 ${options}`,
    `time 0 ${NOW}`,
  ];
}

test('import: what is in flight comes first, in each state that it can be in', (t) => {
  const file = new HandFile(6).client({ clientId: 'c' });
  const states = [11, 1, 2, 3, 4, 5, 6, 9] as const;
  for (const [index, state] of states.entries()) {
    const qos = [1, 0, 1, 1, 2, 2, 2, 2][index] ?? 0;
    file.message({ id: index + 1, topic: `t/${state}`, qos });
    file.row({ clientId: 'c', id: index + 1, packetId: state === 1 ? 0 : index + 1, qos, state });
  }
  const { lines } = importedLines(written(t, file), NOW);
  assert.deepEqual(
    lines.filter((line) => line.startsWith('row')).map((line) => line.replace(/ \(0\).*/, '')),
    [
      'row 1/1 sent 3 qos 1',
      'row 1/2 sent 4 qos 1',
      'row 1/3 sent 5 qos 2',
      'row 1/4 sent 6 qos 2',
      'row 1/5 released 7 qos 2',
      'row 1/6 released 8 qos 2',
      'row 1/7 queued 0 qos 1',
      'row 1/8 queued 0 qos 0',
    ],
  );
});

test('import: a QoS 2 message that waits for PUBREL is handed on', (t) => {
  const file = new HandFile(6)
    .message({ id: 1, topic: 'plant/on', payload: 'x', qos: 2, retain: true, sourceId: 'sender' })
    .message({ id: 2, topic: 'plant/queued', payload: 'y' })
    .client({ clientId: 'sender' })
    .client({ clientId: 'reader' })
    .client({ clientId: 'member' })
    .client({ clientId: 'other' })
    .row({ clientId: 'sender', id: 1, packetId: 9, qos: 2, state: 7, isIncoming: true, retain: true })
    .row({ clientId: 'reader', id: 2, packetId: 1, state: 11 })
    .subscription({ clientId: 'sender', filter: 'plant/#', qos: 2, options: 4 })
    .subscription({ clientId: 'reader', filter: '+/on', qos: 1, options: 8, identifier: 3 })
    .subscription({ clientId: 'reader', filter: 'plant/#', qos: 2, identifier: 4 })
    .subscription({ clientId: 'member', filter: '$share/g/plant/on', qos: 1 })
    .subscription({ clientId: 'other', filter: '$share/g/plant/on', qos: 1 })
    .subscription({ clientId: 'other', filter: 'plant/on/below', qos: 2 });
  const { lines, told } = importedLines(written(t, file), NOW);
  const message = "(1): plant/on 'x' qos 2 retained by sender null 1883 {}";
  assert.deepEqual(
    lines.filter((line) => /^(received|row|retained)/.test(line)),
    [
      'received 1 9',
      "retained plant/on 'x' qos 2 retained by sender null 1883 {}",
      "row 2/1 queued 0 qos 1 (1): plant/queued 'y' qos 1 by source null 1883 {}",
      `row 2/2 queued 0 qos 2 retain id 3,4 ${message}`,
      `row 3/1 queued 0 qos 1 ${message}`,
    ],
  );
  assert.equal(told.counts.rows, 3);
});

test('import: a QoS 2 message that was released already is not handed on again', (t) => {
  const file = new HandFile(6)
    .message({ id: 1, topic: 't', qos: 2 })
    .client({ clientId: 'sender' })
    .row({ clientId: 'sender', id: 1, packetId: 9, qos: 2, state: 8, isIncoming: true })
    .subscription({ clientId: 'sender', filter: 't', qos: 2 });
  const { lines } = importedLines(written(t, file), NOW);
  assert.ok(!lines.some((line) => /^(received|row)/.test(line)), lines.join('\n'));
});

test('import: moments', (t) => {
  const file = new HandFile(6)
    .message({ id: 1, topic: 'lives', expiresAt: NOW_SECONDS + 100 })
    .message({ id: 2, topic: 'over', expiresAt: NOW_SECONDS - 1 })
    .client({ clientId: 'away', expiresAt: NOW_SECONDS + 1000, expirySeconds: 3600 })
    .client({ clientId: 'connected', expirySeconds: 3600 })
    .client({ clientId: 'late', expiresAt: NOW_SECONDS - 5, expirySeconds: 60 })
    .row({ clientId: 'away', id: 1, packetId: 1, state: 11 })
    .row({ clientId: 'away', id: 2, packetId: 2, state: 11 })
    .row({ clientId: 'late', id: 1, packetId: 1, state: 11 });
  const { lines, told } = importedLines(written(t, file), NOW);
  assert.deepEqual(lines, [
    "row 1/1 queued 0 qos 1 (0): lives '' qos 1 by source null 1883 expires 100 {}",
    'session 1 away null 1883 expiry 3600 gone 2600',
    'session 2 connected null 1883 expiry 3600 gone 0',
    `time 0 ${NOW}`,
  ]);
  const left = '1 sessions that have expired, 1 messages of sessions that are not there, 1 messages that have expired';
  assert.match(told.notes[1]?.text ?? '', new RegExp(`^Warning: Not imported from .*: ${left}\\.$`));
});

test('import: a clock fifty years off ends nothing early', async (t) => {
  for (const [name, wallSeconds] of Object.entries({ '1970': 1000, '2076': NOW_SECONDS + 50 * 31_557_600 })) {
    await t.test(name, () => {
      const file = new HandFile(6)
        .message({ id: 1, topic: 't', expiresAt: NOW_SECONDS + 40 })
        .client({ clientId: 'c', expiresAt: NOW_SECONDS + 3540, expirySeconds: 3600 })
        .row({ clientId: 'c', id: 1, packetId: 1, state: 11 });
      const { lines, told } = importedLines(written(t, file), wallSeconds * 1000);
      assert.deepEqual(lines, [
        "row 1/1 queued 0 qos 1 (0): t '' qos 1 by source null 1883 expires 100 {}",
        'session 1 c null 1883 expiry 3600 gone 0',
        `time 0 ${wallSeconds * 1000}`,
      ]);
      assert.match(told.notes.at(-1)?.text ?? '', /^Warning: The clock of this machine is implausible/);
    });
  }
});

test('import: a user name that Mosquitto 2.0 wrote for a client that has none', (t) => {
  const memory = `ann\0${'m'.repeat(764)}`;
  const names = ['ann', memory, 'ann', memory, 'bob', 'ann', ''];
  const file = new HandFile(6);
  for (const [index, userName] of names.entries()) file.client({ clientId: `c${index}`, userName });
  const { lines, told } = importedLines(written(t, file), NOW);
  assert.deepEqual(
    lines.filter((line) => line.startsWith('session')).map((line) => line.split(' ')[3]),
    ['ann', 'null', 'null', 'null', 'bob', 'ann', 'null'],
  );
  assert.match(told.notes[1]?.text ?? '', /^Warning: 1 sessions stand in .* with the user name of another client/);
});

test('import: what cannot be carried over is counted', (t) => {
  const badText = Uint8Array.of(0x74, 0xff);
  const file = new HandFile(6)
    .message({ id: 1, topic: '$SYS/broker/uptime', payload: '1 seconds', sourceId: '' })
    .message({ id: 2, topic: badText })
    .message({ id: 3, topic: 'wild/#' })
    .message({ id: 4, topic: 'qos', qos: 3 })
    .message({ id: 5, topic: 'properties', properties: Uint8Array.of(0x7f) })
    .message({ id: 6, topic: 'fine', payload: 'p' })
    .client({ clientId: 'c' })
    .client({ clientId: 'c' })
    .client({ clientId: 'brief', expirySeconds: 0 })
    .subscription({ clientId: 'c', filter: 'a/#/b' })
    .subscription({ clientId: 'c', filter: 'ok', qos: 3 })
    .subscription({ clientId: 'gone', filter: 'ok' })
    .retained(1)
    .retained(2)
    .retained(77);
  for (const id of [2, 3, 4, 5, 6, 88]) file.row({ clientId: 'c', id, packetId: id, state: 11 });
  file.row({ clientId: 'c', id: 6, packetId: 6, state: 3 }).row({ clientId: 'c', id: 6, packetId: 6, state: 3 });
  file.row({ clientId: 'c', id: 6, qos: 3, state: 11 });
  const { lines, told } = importedLines(written(t, file), NOW);
  assert.deepEqual(lines, [
    "row 1/1 sent 6 qos 1 (1): fine 'p' qos 1 by source null 1883 {}",
    "row 1/6 queued 0 qos 1 (1): fine 'p' qos 1 by source null 1883 {}",
    `session 1 c null 1883 expiry ${NEVER} gone 0`,
    `time 0 ${NOW}`,
  ]);
  const words = told.notes[1]?.text.replace(/^.*?: .*?: /, '').replace(/\.$/, '');
  assert.deepEqual(words?.split(', ').sort(), [
    '1 clients that stand there twice',
    '1 messages in flight with a packet id in use',
    '1 messages of an unknown QoS',
    '1 retained messages of $SYS',
    '1 sessions that end with their connection',
    '1 subscriptions of sessions that are not there',
    '2 messages that are not there',
    '2 subscriptions that cannot be read',
    '4 messages that cannot be read',
  ]);
});

test('import: a message for many sessions is written once in each piece', (t) => {
  const file = new HandFile(6).message({ id: 1, topic: 't', payload: 'x'.repeat(100_000) });
  for (let index = 0; index < 200; index++) {
    file.client({ clientId: `c${index}` }).row({ clientId: `c${index}`, id: 1, packetId: 1, state: 11 });
  }
  const sizes: number[] = [];
  const path = written(t, file);
  const { counts } = importMosquitto(path, (ops) => sizes.push(ops.length), NOW);
  assert.equal(counts.rows, 200);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  assert.ok(total < 400_000, `${total} bytes for one message of 100,000`);
});

test('import: time grows with the subscriptions of a session, not with their square', (t) => {
  const count = 60_000;
  const file = new HandFile(6).client({ clientId: 'c' });
  for (let index = 0; index < count; index++) file.subscription({ clientId: 'c', filter: `a/${index}` });
  file.subscription({ clientId: 'c', filter: 'a/7' });
  const path = written(t, file);
  // Time of the processor: what others do on the machine does not count.
  const before = process.threadCpuUsage();
  const { counts } = importMosquitto(path, () => undefined, NOW);
  const { user, system } = process.threadCpuUsage(before);
  const tookMs = (user + system) / 1000;
  assert.equal(counts.subscriptions, count, 'one that stands there twice counts once');
  assert.ok(tookMs < 4000, `${tookMs} ms, which is 300 when it does not look through all for each`);
});
