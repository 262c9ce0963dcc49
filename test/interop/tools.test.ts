/** `zanzara pub` and `zanzara sub` beside Debian's mosquitto_pub and mosquitto_sub: the same arguments, output and end. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runPub } from '../../src/cli/pub.ts';
import { runSub } from '../../src/cli/sub.ts';
import { freePort } from '../app/broker-process.ts';
import { toolOrSkip } from '../fixtures/debian.ts';
import { FakeIo } from '../fixtures/fake-io.ts';
import { type Finished, type LiveBroker, run, startLiveBroker } from '../fixtures/live-broker.ts';
import { settle } from '../fixtures/scripted-server.ts';

const PACKAGE = 'mosquitto-clients';
const ZANZARA = fileURLToPath(new URL('../../bin/zanzara', import.meta.url));

interface Pair {
  readonly live: LiveBroker;
  /** Runs both tools with the same arguments; the broker's address is put in front. */
  readonly both: (
    args: readonly string[],
    input?: string,
  ) => Promise<{ readonly theirs: Finished; readonly ours: Finished }>;
}

async function withTools(t: TestContext, tool: 'pub' | 'sub', body: (pair: Pair) => Promise<void>): Promise<void> {
  const path = toolOrSkip(t, `mosquitto_${tool}`, PACKAGE);
  if (path === null) return;
  const live = await startLiveBroker();
  const both: Pair['both'] = async (args, input) => {
    const all = ['-h', '127.0.0.1', '-p', String(live.port), ...args];
    const theirs = await run(path, all, input ?? null).finished;
    return { theirs, ours: await runOurs(tool, all, input ?? '') };
  };
  try {
    await body({ live, both });
  } finally {
    await live.stop();
  }
}

async function runOurs(tool: 'pub' | 'sub', args: readonly string[], input: string): Promise<Finished> {
  const io = new FakeIo();
  io.stdin.end(input);
  const code = await (tool === 'pub' ? runPub(args, io) : runSub(args, io));
  await settle();
  return { code, stdout: io.out, stderr: io.errors };
}

/** What differs by nature: names of the tools, ids that are made up, empty lines in front of the hint at --help. */
function alike({ code, stdout, stderr }: Finished): Finished {
  const plain = (text: string) =>
    text
      .replaceAll(/mosquitto_(pub|sub)|zanzara (pub|sub)/g, 'TOOL')
      .replaceAll(/(auto|mosq|zanzara)-?[0-9A-Za-z-]{4,40}/g, 'ID')
      // The rest is a process id: one digit or more.
      .replaceAll(/\bpre\d+/g, 'ID')
      .replaceAll(/\n{2,}/g, '\n');
  return { code, stdout: plain(stdout), stderr: plain(stderr) };
}

/** Of a refusal the words count; whether a hint or all of the help follows does not. */
function refusalOf(finished: Finished): readonly [number | null, string | undefined] {
  const { code, stderr } = alike(finished);
  return [code, stderr.split('\n').find((line) => line !== '')];
}

const words = (line: string) => line.split(' ').filter((word) => word !== '');

/** Arguments that both refuse before anything is sent. */
const REFUSED_BY_PUB = [
  '-t',
  '-t a',
  '-m x',
  '-t a -m x -m y',
  '-t a -m x -n',
  '-t a/# -m x',
  '-t a -m x -q 3',
  '-t a -m x -q',
  '-t a -m x -p 70000',
  '-t a -m x -p18830',
  '-t a -m x -rd',
  '-t a -m x more',
  '-t a -m x -k 4',
  '-t a -m x -V 6',
  '-t a -m x -V',
  '-t a -m x -i a -I b',
  '-t a -m x -c',
  '-t a -m x -P p',
  '-t a -m x -M 0',
  '-t a -m x --repeat 0',
  '-t a -m x --repeat-delay -1',
  '-t a -m x --will-payload p',
  '-t a -m x --will-retain',
  '-t a -m x --will-topic a/#',
  '-t a -m x --will-topic w --will-qos 3',
  '-t a -m x -x abc',
  '-t a -m x -x 99999999999',
  '-t a -m x -V 5 -x -1',
  '-t a -m x -D',
  '-t a -m x -D publish content-type',
  '-t a -m x -D publish user-property a',
  '-t a -m x -D other content-type a',
  '-t a -m x -D publish other a',
  '-t a -m x -D publish session-expiry-interval 2',
  '-t a -m x -D publish topic-alias 70000',
  '-m x -L mqtt://h',
  '-m x -L foo://h/a',
  '-t a -s',
];

const REFUSED_BY_SUB = [
  '',
  '-t a#',
  '-t a -U a#',
  '-t a -T a#',
  '-t a -C 0',
  '-t a -C',
  '-t a -W 0',
  '-t a -R --retained-only',
  '-t a -m x',
  '-t a -c',
  '-t a -F %z',
  '-t a -F %',
  '-t a -F \\x',
];

test('pub refuses what mosquitto_pub refuses, in the same words', (t) =>
  withTools(t, 'pub', async ({ both }) => {
    for (const line of REFUSED_BY_PUB) {
      const { theirs, ours } = await both(words(line));
      assert.deepEqual(refusalOf(ours), refusalOf(theirs), line);
    }
  }));

test('sub refuses what mosquitto_sub refuses, in the same words', (t) =>
  withTools(t, 'sub', async ({ both }) => {
    for (const line of REFUSED_BY_SUB) {
      const { theirs, ours } = await both(words(line));
      assert.deepEqual(refusalOf(ours), refusalOf(theirs), line);
    }
  }));

for (const version of ['31', '311', '5']) {
  test(`pub shows the same packets with -d, version ${version}`, (t) =>
    withTools(t, 'pub', async ({ both }) => {
      const lines = [
        '-t a/b -m hello',
        '-t a/b -m hello -q 1 -i me',
        '-t a/b -m hello -q 2 -r',
        '-t a/b -n -r -q 1 -i me -c',
        '-t a/b -m hello -q 1 -I pre --repeat 3',
        '-t a/b -l',
        '-t a/b -s',
        '-t a/b -m hello --will-topic w --will-payload gone --will-qos 1 --will-retain',
        '-t $SYS/denied -m x -q 1',
      ];
      for (const line of lines) {
        const { theirs, ours } = await both(['-V', version, '-d', ...words(line)], 'one\n\nthree');
        assert.deepEqual(alike(ours), alike(theirs), line);
      }
      // Whether the second line is sent before the first is acknowledged is up to the operating system.
      const { theirs, ours } = await both(['-V', version, '-d', '-t', 'a/b', '-l', '-q', '1'], 'one\n\nthree');
      const sorted = (finished: Finished) => alike(finished).stdout.split('\n').sort();
      assert.deepEqual(sorted(ours), sorted(theirs));
      assert.equal(ours.code, theirs.code);
    }));

  test(`sub shows the same packets and messages, version ${version}`, (t) =>
    withTools(t, 'sub', async ({ live, both }) => {
      for (const [topic, text, qos] of [
        ['keep/0', 'zero', '0'],
        ['keep/1', 'one\xff', '1'],
        ['keep/2', 'two', '2'],
      ] as const) {
        const args = ['-p', String(live.port), '-h', '127.0.0.1', '-t', topic, '-m', text, '-q', qos, '-r'];
        assert.equal((await runOurs('pub', args, '')).code, 0);
      }
      const lines = [
        '-t keep/# -C 3',
        '-t keep/# -C 3 -v',
        '-t keep/# -C 3 -N',
        '-t keep/# -C 3 -d -v -q 2',
        '-t keep/0 -t other -C 1 -d -q 1 -i me',
        '-t keep/# -C 2 -T keep/1 -v',
        '-t keep/# -E -d -q 1',
        '-t keep/0 -U other -C 1 -d',
        '-t keep/# -C 3 -F %t|%p|%q|%r|%l|%x|%%',
        '-t keep/0 -C 1 -F [%8t][%-8t][%08p][%8l][%.2t]',
      ];
      for (const line of lines) {
        const { theirs, ours } = await both(['-V', version, ...words(line)]);
        assert.deepEqual(alike(ours), alike(theirs), line);
      }
    }));
}

test('sub ends after its time with the same words and exit code', (t) =>
  withTools(t, 'sub', async ({ live, both }) => {
    await runOurs('pub', ['-h', '127.0.0.1', '-p', String(live.port), '-t', 'keep', '-m', 'kept', '-r'], '');
    const lines = ['-t keep -R -W 2', '-t keep --retained-only -W 2'];
    const pairs = await Promise.all(lines.map((line) => both(words(line))));
    for (const { theirs, ours } of pairs) {
      assert.deepEqual(alike(ours), alike(theirs));
      assert.equal(ours.code, 27);
    }
  }));

test('v5 properties of -D arrive as those of mosquitto_pub', (t) =>
  withTools(t, 'pub', async ({ live, both }) => {
    const properties =
      '-D publish content-type text -D publish user-property k v -D publish user-property k2 v2 ' +
      '-D publish response-topic re/x -D publish correlation-data cd -D publish payload-format-indicator 1 ' +
      '-D connect user-property a b -D disconnect user-property a b';
    const shown = '%C|%P|%R|%D|%F|%p';
    const subscribing = live.subscribed('props');
    const io = new FakeIo();
    const args = ['-h', '127.0.0.1', '-p', String(live.port), '-V', '5', '-t', 'props', '-C', '2', '-F', shown];
    const subscriber = runSub(args, io);
    await subscribing;
    const { theirs, ours } = await both([...words(properties), '-t', 'props', '-m', 'x', '-q', '1']);
    assert.deepEqual(alike(ours), alike(theirs));
    assert.equal(await subscriber, 0);
    const [first, second] = io.out.split('\n');
    assert.equal(first, 'text|k:v k2:v2|re/x|cd|1|x');
    assert.equal(second, first);
  }));

test('nobody there: the same words and exit codes', async (t) => {
  const port = await freePort();
  for (const tool of ['pub', 'sub'] as const) {
    const path = toolOrSkip(t, `mosquitto_${tool}`, PACKAGE);
    if (path === null) return;
    const args = ['-h', '127.0.0.1', '-p', String(port), '-t', 'a', ...(tool === 'pub' ? ['-m', 'x'] : [])];
    for (const all of [args, [...args, '--quiet']]) {
      assert.deepEqual(alike(await runOurs(tool, all, '')), alike(await run(path, all).finished));
    }
  }
});

test('the tools as programs: lines through a pipe arrive in order, and Ctrl-C leaves quietly', async () => {
  const live = await startLiveBroker();
  try {
    const at = ['-h', '127.0.0.1', '-p', String(live.port), '-t', 'pipe'];
    const subscribing = live.subscribed('pipe');
    const subscriber = run(ZANZARA, ['sub', ...at, '-q', '1', '-C', '500']);
    await subscribing;
    const lines = Array.from({ length: 500 }, (_, index) => `line ${index}\n`).join('');
    const publisher = await run(ZANZARA, ['pub', ...at, '-q', '1', '-l'], lines).finished;
    assert.deepEqual(publisher, { code: 0, stdout: '', stderr: '' });
    assert.deepEqual(await subscriber.finished, { code: 0, stdout: lines, stderr: '' });

    const waiting = live.subscribed('pipe');
    const leaving = live.log.next('Received DISCONNECT');
    const interrupted = run(ZANZARA, ['sub', ...at]);
    await waiting;
    interrupted.kill('SIGINT');
    assert.deepEqual(await interrupted.finished, { code: 0, stdout: '', stderr: '' });
    await leaving;
  } finally {
    await live.stop();
  }
});
