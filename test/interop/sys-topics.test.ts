/**
 * The `$SYS` topics of Debian's mosquitto and ours after the same little script: the same names, and the same values where
 * the script decides them. Debian has 2.0.11; what 2.1 has beyond it stands below as data.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectClient } from '../../src/client/connect-client.ts';
import { systemClock } from '../../src/transport/node/node-clock.ts';
import { createNodeTransport } from '../../src/transport/node/node-transport.ts';
import { toolOrSkip } from '../fixtures/debian.ts';
import { observe, type Place, type Scenario } from './drop-in/two-brokers.ts';

const B = '$SYS/broker/';

/** In 2.1, not in 2.0.11 (section 10 of the reference). */
const NEW_IN_2_1 = ['packet/out/count', 'packet/out/bytes', 'connections/socket/count'];

/** What the script decides, whatever the broker's own messages and timers do. */
const DECIDED = [
  'clients/total',
  'clients/maximum',
  'clients/connected',
  'clients/active',
  'clients/disconnected',
  'clients/inactive',
  'clients/expired',
  'subscriptions/count',
  'shared_subscriptions/count',
  'messages/received',
  'bytes/received',
  'publish/messages/dropped',
  'publish/bytes/received',
];

const SCENARIO: Scenario = {
  name: '$SYS',
  files: { 'mosquitto.conf': 'listener {PORT} 127.0.0.1\nallow_anonymous true\nsys_interval 1\n' },
  ports: ['PORT'],
  async script(place) {
    const at = ['-h', '127.0.0.1', '-p', '{PORT}'];
    await place.run('mosquitto_sub', ...at, '-c', '-i', 'keeper', '-q', '1', '-t', 'work/#', '-E');
    for (const text of ['one', 'two', 'three']) {
      await place.run('mosquitto_pub', ...at, '-q', '1', '-t', 'work/a', '-m', text);
    }
    await place.run('mosquitto_pub', ...at, '-r', '-t', 'kept/a', '-m', 'kept');
    return [...(await watch(place))].map(([topic, text]) => `${topic}=${text}`);
  },
};

/** The topics as a client sees them that stays for one whole pass. */
async function watch({ ports }: Place): Promise<ReadonlyMap<string, string>> {
  const seen = new Map<string, string>();
  let passes = 0;
  const { promise, resolve } = Promise.withResolvers<void>();
  const client = await connectClient(createNodeTransport(), systemClock, {
    host: '127.0.0.1',
    port: ports.PORT ?? 0,
    version: 4,
    clientId: 'watcher',
    onMessage: ({ topic, payload, retain }) => {
      seen.set(topic, Buffer.from(payload).toString());
      if (topic === `${B}uptime` && !retain) passes += 1;
      if (passes === 3) resolve();
    },
  });
  await client.subscribe([{ filter: '$share/group/work/#' }, { filter: '$SYS/#' }]);
  await promise;
  client.destroy();
  return seen;
}

function topicsOf(lines: readonly string[]): ReadonlyMap<string, string> {
  return new Map(lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
}

test('$SYS: the topics of mosquitto 2.0.11 and those that 2.1 added, with the values that a script decides', async (t) => {
  const mosquitto = toolOrSkip(t, 'mosquitto', 'mosquitto');
  const client = mosquitto === null ? null : toolOrSkip(t, 'mosquitto_pub', 'mosquitto-clients');
  if (mosquitto === null || client === null) return;
  const theirs = topicsOf(await observe(SCENARIO, 'mosquitto', mosquitto));
  const ours = topicsOf(await observe(SCENARIO, 'zanzara', mosquitto));
  const added = NEW_IN_2_1.map((name) => B + name);
  const names = [...ours.keys()].filter((topic) => !topic.startsWith(`${B}ext/`));
  assert.deepEqual(names.sort(), [...theirs.keys(), ...added].sort());
  const decided = (values: ReadonlyMap<string, string>) => DECIDED.map((name) => `${name} ${values.get(B + name)}`);
  assert.deepEqual(decided(ours), decided(theirs));
  // 2.0.11 leaves retained ones and those of QoS 2 out of this count, and not out of the bytes.
  assert.equal(ours.get(`${B}publish/messages/received`), '4');
  for (const values of [theirs, ours]) {
    // Those of $SYS, and the one of the script; then those that wait for the keeper.
    const retained = [...values.keys()].filter((topic) => topic.startsWith('$SYS/')).length + 1;
    assert.equal(values.get(`${B}retained messages/count`), String(retained));
    assert.equal(values.get(`${B}messages/stored`), String(retained + 3));
    assert.equal(values.get(`${B}store/messages/count`), String(retained + 3));
    assert.match(values.get(`${B}version`) ?? '', /^mosquitto version 2\.\d+\.\d+$/);
    assert.match(values.get(`${B}uptime`) ?? '', /^\d+ seconds$/);
    for (const [topic, text] of values) if (topic.includes('/load/')) assert.match(text, /^\d+\.\d\d$/, topic);
  }
});
