/** Where the log goes and what it holds. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import type { BrokerRequest } from '../../src/app/broker-request.ts';
import { createBrokerLog } from '../../src/app/log/broker-log.ts';
import { logSettingsOf } from '../../src/app/log-settings-of.ts';
import { LOG_LEVELS } from '../../src/base/log.ts';
import type { IncomingMessage } from '../../src/client/client-types.ts';
import { systemClock } from '../../src/transport/node/node-clock.ts';
import { startOnFreePort } from '../app/broker-process.ts';
import { cannotReceiveDatagrams, receiveDatagrams } from '../fixtures/datagram-receiver.ts';
import { makeFolder, OPEN, readLines, refusalOf, startOneBroker } from './one-broker.ts';
import { admission, Visitor } from './visitor.ts';

const limit = { timeout: 60_000 };
const onFfi = { skip: cannotReceiveDatagrams };

const REQUEST: BrokerRequest = {
  configFile: null,
  ports: [],
  isVerbose: false,
  isQuiet: false,
  isConfigTest: false,
  tlsKeyLogFile: null,
  compat: '2.1',
  isEnvironmentExpanded: false,
  logFormat: 'text',
  persistFolder: null,
  isDamageRefused: false,
};

/** What a log of that configuration writes when one line of each level is given to it. */
async function written(t: TestContext, lines: readonly string[], syslogPath = '/nowhere'): Promise<Written> {
  const [stderr, stdout] = [new Kept(), new Kept()];
  const config = await readLines(t, lines);
  const log = createBrokerLog(logSettingsOf(config, REQUEST), {
    clock: systemClock,
    stderr,
    stdout,
    environment: {},
    syslogPath,
  });
  for (const level of LOG_LEVELS) log.write(level, `a line of ${level}`);
  await log.close();
  return { stderr: stderr.text, stdout: stdout.text };
}

/** A stream that keeps what is written to it. */
class Kept extends Writable {
  text = '';

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}

interface Written {
  readonly stderr: string;
  readonly stdout: string;
}

test('option log_dest: lines go to each that is named, and to stderr when none is', limit, async (t) => {
  const folder = makeFolder(t);
  const file = join(folder, 'test.conf');
  const { broker, port } = await startOnFreePort(t, (free) => {
    const all = ['stderr', 'stdout', `file ${folder}/z.log`, 'topic'].map((place) => `log_dest ${place}`);
    writeFileSync(file, [`listener ${free} 127.0.0.1`, 'allow_anonymous true', 'user root', ...all, ''].join('\n'));
    return ['-c', file];
  });
  const reader = await Visitor.connect(port, { clientId: 'reader' });
  await reader.subscribe('$SYS/broker/log/#');
  await admission(port, { clientId: 'passer-by' });
  const { topic } = await messageAbout(reader, 'as passer-by');
  assert.equal(topic, '$SYS/broker/log/N');
  reader.client.destroy();
  await broker.stop('SIGTERM');
  for (const text of [broker.stderr, broker.stdout, readFileSync(join(folder, 'z.log'), 'utf8')]) {
    assert.match(text, /^[0-9]+: zanzara version [^ ]+ running$/m);
    assert.match(text, /New client connected from .* as passer-by/);
  }
  const usual = await written(t, []);
  assert.match(usual.stderr, /a line of error/);
  assert.equal(usual.stdout, '');
  const onlyStdout = await written(t, ['log_dest stdout']);
  assert.match(onlyStdout.stdout, /a line of error/);
  assert.equal(onlyStdout.stderr, '');
});

async function messageAbout(reader: Visitor, part: string): Promise<IncomingMessage> {
  for (;;) {
    const message = await reader.nextMessage();
    if (Buffer.from(message.payload).includes(part)) return message;
  }
}

test('option log_dest: none is nowhere, and what does not exist here is refused', async (t) => {
  assert.deepEqual(await written(t, ['log_dest none']), { stderr: '', stdout: '' });
  assert.match(await refusalOf(t, ['log_dest dlt']), /dlt/);
});

test('option log_dest: syslog takes datagrams with the facility daemon', onFfi, async (t) => {
  assert.match(await firstDatagram(t, ['log_dest syslog']), /^<27>.* zanzara\[\d+\]: (?:\d+: )?a line of error$/);
});

test('option log_facility: syslog gets local0 to local7', onFfi, async (t) => {
  for (const facility of [0, 5, 7]) {
    const datagram = await firstDatagram(t, ['log_dest syslog', `log_facility ${facility}`]);
    assert.ok(datagram.startsWith(`<${(16 + facility) * 8 + 3}>`), datagram);
  }
  assert.match(await refusalOf(t, ['log_facility 8']), /log_facility/);
});

async function firstDatagram(t: TestContext, lines: readonly string[]): Promise<string> {
  const path = join(makeFolder(t), 'log');
  const receiver = receiveDatagrams(path);
  try {
    await written(t, lines, path);
    return receiver.take()[0] ?? '';
  } finally {
    receiver.close();
  }
}

test('option log_timestamp: without it a line is its text', async (t) => {
  const { stderr } = await written(t, ['log_timestamp false', 'log_type error']);
  assert.equal(stderr, 'a line of error\n');
  assert.match((await written(t, ['log_type error'])).stderr, /^\d{10}: a line of error\n$/);
});

test('option log_timestamp_format: the time in the letters of strftime', async (t) => {
  const { stderr } = await written(t, ['log_timestamp_format %Y-%m-%dT%H:%M:%S', 'log_type error']);
  const [, stamp = ''] = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d): a line of error\n$/.exec(stderr) ?? [];
  assert.ok(Math.abs(Date.now() - new Date(stamp).getTime()) < 3_600_000, stderr);
});

const CASES_OF_TYPE: readonly (readonly [types: readonly string[], levels: readonly string[]])[] = [
  [[], ['error', 'warning', 'notice', 'information']],
  [
    ['warning', 'subscribe'],
    ['warning', 'subscribe'],
  ],
  [['debug'], ['debug']],
  [['unsubscribe'], ['unsubscribe']],
  [['all'], LOG_LEVELS],
  [['error', 'none'], []],
  [['websockets', 'internal'], []],
];

test('option log_type: only lines of these kinds are written', async (t) => {
  for (const [types, levels] of CASES_OF_TYPE) {
    const lines = types.map((type) => `log_type ${type}`);
    const { stderr } = await written(t, ['log_timestamp false', ...lines]);
    assert.equal(stderr, levels.map((level) => `a line of ${level}\n`).join(''), types.join(' '));
  }
  assert.match(await refusalOf(t, ['log_type everything']), /log_type/);
});

test('option connection_messages: without it nobody hears who comes and goes', async (t) => {
  const said = async (lines: readonly string[]) => {
    const { port, log } = await startOneBroker(t, [...OPEN, ...lines]);
    assert.equal(await admission(port, { clientId: 'passer-by' }), 'in');
    const last = await Visitor.connect(port, { clientId: 'last' });
    await last.subscribe('a');
    return log.lines.filter((line) => /^New client .* as passer-by |^Client passer-by .*disconnected/.test(line));
  };
  assert.deepEqual(await said(['connection_messages false']), []);
  const [came = '', left = ''] = await said([]);
  assert.match(came, /^New client connected from .* as passer-by/);
  assert.match(left, /^Client passer-by \[127\.0\.0\.1:\d+\] disconnected\.$/);
});

test('option websockets_log_level: is taken and has no effect, as in Mosquitto 2.1; a wrong value is refused', async (t) => {
  const types = async (lines: readonly string[]) => (await written(t, ['log_timestamp false', ...lines])).stderr;
  assert.equal(await types(['websockets_log_level 255']), await types([]));
  assert.match(await refusalOf(t, ['websockets_log_level much']), /websockets_log_level/);
});
