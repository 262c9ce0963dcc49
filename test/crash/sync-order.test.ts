/** No acknowledgement leaves before the sync that covers it: the broker's own system calls are looked at. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { topicNameOf } from '../../src/selftest/frames.ts';
import { OrderOfActs } from '../../src/selftest/ledger/order-of-acts.ts';
import type { Scene } from '../../src/selftest/line.ts';
import { type Article, Publisher } from '../../src/selftest/publisher.ts';
import { Receiver } from '../../src/selftest/receiver.ts';
import { makeSelftestFolder } from '../../src/selftest/selftest-folder.ts';
import { TRANSPORT_NAMES, type TransportName } from '../../src/transport/choose-transport.ts';
import { BrokerProcess, MAIN } from '../app/broker-process.ts';
import { toolOrSkip } from '../fixtures/debian.ts';
import { checkSyncOrder, readTrace, TRACE_ARGUMENTS } from './sync-trace.ts';

const ONE_BY_ONE = 40;
const PIPELINED = 300;
const DEADLINE_MS = 60_000;

const isStore = (path: string): boolean => path.includes('zanzara.db');
const events = { onSessionLost: assert.fail, onRefused: (_clientId: string, text: string) => assert.fail(text) };

/** Publishes that many messages, QoS 1 and 2 in turns, and waits until a receiver has had all of them and nothing is open. */
async function traffic(
  outside: Scene,
  name: string,
  { count, window }: { readonly count: number; readonly window: number },
) {
  let made = 0;
  const nextArticle = (): Article => {
    made += 1;
    return {
      topic: topicNameOf(`sync/${name}`),
      payload: new TextEncoder().encode(`${name} ${made}`),
      qos: made % 2 === 0 ? 1 : 2,
      isRetained: made % 10 === 0,
      onAcknowledged: () => {},
      onAbandoned: () => assert.fail('a message was given up'),
    };
  };
  let received = 0;
  let released = 0;
  const scene: Scene = {
    ...outside,
    onPacket: (packet) => {
      if (packet.type === 'pubrel') released += 1;
    },
  };
  const options = {
    clientId: `receiver-${name}`,
    version: 5,
    habit: 'online',
    filter: `sync/${name}`,
    qos: 2,
  } as const;
  const receiver = new Receiver(options, {
    ...events,
    onMessage: () => {
      received += 1;
    },
  });
  assert.ok(await receiver.connect(scene));
  const who = { clientId: `publisher-${name}`, version: 4, hasSession: true, window, nextArticle } as const;
  const publisher = new Publisher(who, events, new OrderOfActs());
  assert.ok(await publisher.connect(scene));
  publisher.grant(count);
  const deadline = performance.now() + DEADLINE_MS;
  while (!(publisher.isIdle && received === count && released === count / 2)) {
    assert.ok(performance.now() < deadline, `${received} of ${count} messages came in ${DEADLINE_MS} ms`);
    await publisher.line?.ping();
  }
  await Promise.all([publisher.line?.leave(), receiver.line?.leave()]);
}

for (const transport of TRANSPORT_NAMES) {
  test(`no acknowledgement leaves before its sync: strace, transport ${transport}`, (t) => watchSyncs(t, transport));
}

async function watchSyncs(t: TestContext, transport: TransportName): Promise<void> {
  const strace = toolOrSkip(t, 'strace', 'strace');
  if (strace === null) return;
  const lines = { durability: 'strict', willGraceSeconds: 1, isPersistent: true };
  const { configFile, port, remove } = await makeSelftestFolder(tmpdir(), lines);
  t.after(remove);
  const traceFile = join(configFile, '..', 'trace');
  const program = ['env', `ZANZARA_TRANSPORT=${transport}`, strace, ...TRACE_ARGUMENTS, '-o', traceFile, ...MAIN];
  const broker = new BrokerProcess(t, ['-c', configFile], program);
  await broker.sees(' running\n');
  const scene: Scene = { port, onPacket: () => {}, onNonsense: (_clientId, error) => assert.fail(error) };
  await traffic(scene, 'one-by-one', { count: ONE_BY_ONE, window: 1 });
  await traffic(scene, 'pipelined', { count: PIPELINED, window: 16 });
  // strace holds signals back that are meant for what it watches.
  process.kill(Number(/^\d+/.exec(readFileSync(traceFile, 'utf8'))?.[0]), 'SIGTERM');
  await broker.ended;

  const { lookedAt, early, over, syncs } = checkSyncOrder(readTrace(readFileSync(traceFile, 'utf8')), isStore);
  const count = ONE_BY_ONE + PIPELINED;
  t.diagnostic(
    `acknowledgements: ${JSON.stringify(lookedAt)}, syncs: ${syncs}, before their sync: ${early.length}, ` +
      `needless because the receiver had answered: ${over}`,
  );
  assert.deepEqual(early, []);
  assert.deepEqual(lookedAt, {
    connack: 4,
    suback: 2,
    puback: count / 2,
    pubrec: count / 2,
    pubcomp: count / 2,
    publish: count / 2,
    pubrel: count / 2,
  });
}

const hex = (text: string): string =>
  [...Buffer.from(text, 'latin1')].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('');
const SOCKET = hex('socket:[7]');
const CONNECT = hex('\x10\x0d\x00\x04MQTT\x04\x00\x00\x00\x00\x01c');
const PUBLISH = hex('\x32\x07\x00\x01a\x00\x05hi');
const PUBACK = hex('\x40\x02\x00\x05');
const FIRST = [`1 read(9<${SOCKET}>, "${CONNECT}", 65536) = 15`, `1 read(9<${SOCKET}>, "${PUBLISH}", 65536) = 9`];
const LEAVES = `1 sendto(9<${SOCKET}>, "${PUBACK}", 4, MSG_NOSIGNAL, NULL, 0) = 4`;
const SYNC = `2 fdatasync(5<${hex('/x/zanzara.db-wal')}>) = 0`;
const [SYNC_BEGINS, SYNC_ENDS] = [SYNC.replace(') = 0', ' <unfinished ...>'), '2 <... fdatasync resumed>) = 0'];

for (const { title, trace, isFine } of [
  { title: 'a sync between reading and answering', trace: [...FIRST, SYNC, LEAVES], isFine: true },
  { title: 'a sync in two lines', trace: [...FIRST, SYNC_BEGINS, SYNC_ENDS, LEAVES], isFine: true },
  { title: 'no sync at all', trace: [...FIRST, LEAVES], isFine: false },
  { title: 'a sync before reading', trace: [SYNC, ...FIRST, LEAVES], isFine: false },
  { title: 'a sync that began before reading', trace: [SYNC_BEGINS, ...FIRST, SYNC_ENDS, LEAVES], isFine: false },
  { title: 'a sync that had not ended', trace: [...FIRST, SYNC_BEGINS, LEAVES, SYNC_ENDS], isFine: false },
  { title: 'a sync that failed', trace: [...FIRST, SYNC.replace('= 0', '= -1 EIO'), LEAVES], isFine: false },
  {
    title: 'a sync of another file',
    trace: [...FIRST, SYNC.replace(hex('zanzara'), hex('another')), LEAVES],
    isFine: false,
  },
]) {
  test(`a trace with ${title} is ${isFine ? 'fine' : 'not fine'}`, () => {
    const { early, lookedAt } = checkSyncOrder(readTrace(trace.join('\n')), isStore);
    assert.deepEqual(lookedAt, { puback: 1 });
    assert.equal(early.length, isFine ? 0 : 1);
  });
}
