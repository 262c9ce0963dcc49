/** Debian's mosquitto_pub, mosquitto_sub and mosquitto_rr against the broker, in every version they speak. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { toolOrSkip } from '../fixtures/debian.ts';
import { type LiveBroker, run, startLiveBroker } from '../fixtures/live-broker.ts';

const VERSIONS = ['mqttv31', 'mqttv311', 'mqttv5'] as const;
const QOS = [0, 1, 2] as const;
const PACKAGE = 'mosquitto-clients';

interface Tools {
  readonly live: LiveBroker;
  readonly pub: (...args: readonly string[]) => ReturnType<typeof run>;
  readonly sub: (...args: readonly string[]) => ReturnType<typeof run>;
  readonly pubPath: string;
}

/** Runs `body` with a broker and the tools, or skips. */
async function withTools(t: TestContext, body: (tools: Tools) => Promise<void>): Promise<void> {
  const pubPath = toolOrSkip(t, 'mosquitto_pub', PACKAGE);
  const subPath = pubPath === null ? null : toolOrSkip(t, 'mosquitto_sub', PACKAGE);
  if (pubPath === null || subPath === null) return;
  const live = await startLiveBroker();
  const common = ['-h', '127.0.0.1', '-p', String(live.port)];
  try {
    await body({
      live,
      pubPath,
      pub: (...args) => run(pubPath, [...common, ...args]),
      sub: (...args) => run(subPath, [...common, '-W', '20', ...args]),
    });
  } finally {
    await live.stop();
  }
}

for (const version of VERSIONS) {
  test(`mosquitto clients ${version}: every QoS of publisher and subscriber`, (t) =>
    withTools(t, async ({ live, pub, sub }) => {
      for (const pubQos of QOS) {
        for (const subQos of QOS) {
          const topic = `m/${pubQos}/${subQos}`;
          const ready = live.subscribed(topic);
          const subscriber = sub('-V', version, '-t', topic, '-q', String(subQos), '-C', '1', '-F', '%t %q %p');
          await ready;
          const sent = await pub('-V', version, '-t', topic, '-q', String(pubQos), '-m', 'value').finished;
          assert.equal(sent.code, 0, sent.stderr);
          const got = await subscriber.finished;
          assert.equal(got.stdout, `${topic} ${Math.min(pubQos, subQos)} value\n`);
        }
      }
    }));

  test(`mosquitto clients ${version}: a retained message is kept, flagged and deleted`, (t) =>
    withTools(t, async ({ pub, sub }) => {
      await pub('-V', version, '-t', 'keep/it', '-r', '-q', '1', '-m', 'kept').finished;
      assert.equal((await sub('-V', version, '-t', 'keep/#', '-C', '1', '-F', '%r %p').finished).stdout, '1 kept\n');
      await pub('-V', version, '-t', 'keep/it', '-r', '-n').finished;
      await pub('-V', version, '-t', 'keep/other', '-r', '-m', 'x').finished;
      assert.equal((await sub('-V', version, '-t', 'keep/#', '-C', '1', '-F', '%t').finished).stdout, 'keep/other\n');
    }));

  test(`mosquitto clients ${version}: a will is published when the client is killed`, (t) =>
    withTools(t, async ({ live, sub }) => {
      const watching = live.subscribed('last/#');
      const watcher = sub('-V', version, '-t', 'last/#', '-q', '1', '-C', '1', '-v');
      await watching;
      const connected = live.subscribed('any');
      const will = ['--will-topic', 'last/words', '--will-payload', 'gone', '--will-qos', '1'];
      const victim = sub('-V', version, '-t', 'any', ...will);
      await connected;
      victim.kill('SIGKILL');
      assert.equal((await watcher.finished).stdout, 'last/words gone\n');
    }));

  test(`mosquitto clients ${version}: an offline session is queued for and resumed in order`, (t) =>
    withTools(t, async ({ live, pubPath, sub }) => {
      const session = ['-V', version, '-c', '-i', 'logger', '-q', '1', '-t', 'log/#'];
      assert.equal((await sub(...session, '-E').finished).code, 0);
      const lines = Array.from({ length: 50 }, (_, index) => `line ${index}`).join('\n');
      const port = String(live.port);
      await run(pubPath, ['-h', '127.0.0.1', '-p', port, '-V', version, '-t', 'log/a', '-q', '1', '-l'], lines)
        .finished;
      assert.equal((await sub(...session, '-C', '50').finished).stdout, `${lines}\n`);
    }));

  test(`mosquitto clients ${version}: a megabyte arrives as it was sent`, (t) =>
    withTools(t, async ({ live, pubPath, sub }) => {
      const payload = Buffer.alloc(1_000_000, 0);
      for (let index = 0; index < payload.length; index += 1) payload[index] = index % 251;
      for (const qos of ['0', '2']) {
        const ready = live.subscribed('big');
        const subscriber = sub('-V', version, '-t', 'big', '-q', qos, '-C', '1', '-N');
        await ready;
        const args = ['-h', '127.0.0.1', '-p', String(live.port), '-V', version, '-t', 'big', '-q', qos, '-s'];
        await run(pubPath, args, payload).finished;
        const got = Buffer.from((await subscriber.finished).stdout, 'latin1');
        assert.ok(got.equals(payload), `QoS ${qos}: ${got.length} bytes`);
      }
    }));

  test(`mosquitto clients ${version}: a second client of the same id ends the first`, (t) =>
    withTools(t, async ({ live, sub }) => {
      const ready = live.subscribed('one');
      const first = sub('-V', version, '-i', 'same', '-t', 'one');
      await ready;
      const taken = live.log.next('session taken over');
      const second = sub('-V', version, '-i', 'same', '-t', 'two', '-E');
      assert.match(await taken, /^Client same /);
      assert.equal((await second.finished).code, 0);
      first.kill('SIGKILL');
      await first.finished;
    }));
}

test('mosquitto clients: a wildcard at the front does not match $ topics [MQTT3-4.7.2-1] [MQTT5-4.7.2-1]', (t) =>
  withTools(t, async ({ live, pub, sub }) => {
    const ready = live.subscribed('#');
    const subscriber = sub('-t', '#', '-t', '+/x', '-C', '1', '-v');
    await ready;
    await pub('-t', '$app/x', '-m', 'hidden').finished;
    await pub('-t', 'y', '-m', 'seen').finished;
    assert.equal((await subscriber.finished).stdout, 'y seen\n');
    const dollar = live.subscribed('$app/#');
    const insider = sub('-t', '$app/#', '-C', '1', '-v');
    await dollar;
    await pub('-t', '$app/x', '-m', 'hidden').finished;
    assert.equal((await insider.finished).stdout, '$app/x hidden\n');
  }));

test('mosquitto clients mqttv5: a delayed will waits, and is not sent when the client returns', (t) =>
  withTools(t, async ({ live, sub }) => {
    const watching = live.subscribed('will/#');
    const watcher = sub('-t', 'will/#', '-C', '1', '-v');
    await watching;
    const start = (id: string, topic: string, delay: string): ReturnType<typeof run> => {
      const will = ['--will-topic', topic, '--will-payload', 'x', '-D', 'will', 'will-delay-interval', delay];
      return sub('-V', 'mqttv5', '-c', '-x', '60', '-i', id, '-t', 'any', ...will);
    };
    for (const [id, topic, delay] of [
      ['returns', 'will/returns', '30'],
      ['stays', 'will/stays', '1'],
    ] as const) {
      const ready = live.subscribed('any');
      const client = start(id, topic, delay);
      await ready;
      const gone = live.log.next(`Client ${id}`);
      client.kill('SIGKILL');
      await gone;
    }
    const back = live.subscribed('any');
    const again = start('returns', 'will/returns', '30');
    await back;
    assert.equal((await watcher.finished).stdout, 'will/stays x\n');
    again.kill('SIGTERM');
    await again.finished;
  }));

test('mosquitto clients mqttv5: a shared subscription gives each message to one member', (t) =>
  withTools(t, async ({ live, pubPath, sub }) => {
    const workers = [];
    for (let index = 0; index < 3; index += 1) {
      const ready = live.subscribed('$share/team/jobs/#');
      workers.push(sub('-V', 'mqttv5', '-q', '1', '-t', '$share/team/jobs/#', '-C', '4'));
      await ready;
    }
    const jobs = Array.from({ length: 12 }, (_, index) => `job ${index}`);
    const args = ['-h', '127.0.0.1', '-p', String(live.port), '-V', 'mqttv5', '-t', 'jobs/x', '-q', '1', '-l'];
    await run(pubPath, args, jobs.join('\n')).finished;
    const done = await Promise.all(workers.map((worker) => worker.finished));
    const lines = done.flatMap((one) => one.stdout.trim().split('\n'));
    assert.deepEqual(lines.toSorted(), jobs.toSorted());
  }));

test('mosquitto clients mqttv5: request and response with correlation data', (t) =>
  withTools(t, async ({ live, pub, sub }) => {
    const rr = toolOrSkip(t, 'mosquitto_rr', PACKAGE);
    if (rr === null) return;
    const ready = live.subscribed('ask');
    const responder = sub('-V', 'mqttv5', '-t', 'ask', '-C', '1', '-F', '%R %D %p');
    await ready;
    const waiting = live.subscribed('answer');
    const args = [
      '-h',
      '127.0.0.1',
      '-p',
      String(live.port),
      '-t',
      'ask',
      '-e',
      'answer',
      '-m',
      'question',
      '-W',
      '20',
    ];
    const requester = run(rr, [...args, '-D', 'publish', 'correlation-data', 'id-7']);
    await waiting;
    assert.equal((await responder.finished).stdout, 'answer id-7 question\n');
    await pub('-V', 'mqttv5', '-t', 'answer', '-m', 'reply', '-D', 'publish', 'correlation-data', 'id-7').finished;
    assert.equal((await requester.finished).stdout, 'reply\n');
  }));
