import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FakeClock } from '../../../test/fixtures/fake-clock.ts';
import { MemoryLog } from '../../../test/fixtures/memory-log.ts';
import type { Clock } from '../../base/clock.ts';
import { parseTopicName } from '../../protocol/topic.ts';
import { FakeSource, someCounters, someSizes } from './sys-source.fixture.ts';
import { createSysTopics, type SysTopicsOptions } from './sys-topics.ts';

const B = '$SYS/broker/';

/** Section 10 of the reference, but for clients/maximum, the bridges and the log. */
const TOPICS_AT_START = [
  ...['version', 'uptime'],
  ...['total', 'disconnected', 'inactive', 'connected', 'active', 'expired'].map((name) => `clients/${name}`),
  ...['messages/stored', 'store/messages/count', 'store/messages/bytes'],
  ...['subscriptions/count', 'shared_subscriptions/count', 'retained messages/count'],
  ...['heap/current', 'heap/maximum'],
  ...['messages/received', 'messages/sent', 'bytes/received', 'bytes/sent'],
  ...['publish/messages/received', 'publish/messages/sent', 'publish/messages/dropped'],
  ...['publish/bytes/received', 'publish/bytes/sent', 'packet/out/count', 'packet/out/bytes'],
  'connections/socket/count',
  ...[
    ...['messages/received', 'messages/sent', 'publish/dropped', 'publish/received', 'publish/sent'],
    ...['bytes/received', 'bytes/sent', 'sockets', 'connections'],
  ].flatMap((name) => ['1min', '5min', '15min'].map((span) => `load/${name}/${span}`)),
].map((name) => B + name);

interface House {
  readonly clock: FakeClock;
  readonly log: MemoryLog;
  readonly source: FakeSource;
  readonly sys: ReturnType<typeof createSysTopics>;
  readonly extra: Map<string, number | string>;
  memoryBytes: number;
}

/** The fake clock begins at a multiple of every interval used here. */
function build(options: Partial<SysTopicsOptions> = {}): House {
  const clock = new FakeClock();
  const log = new MemoryLog();
  const source = new FakeSource();
  const extra = new Map<string, number | string>();
  const sys = createSysTopics({
    operator: source,
    clock,
    log,
    versionText: 'mosquitto version 2.1.3',
    intervalSeconds: 10,
    memory: () => ({ currentBytes: house.memoryBytes }),
    extra: () => extra,
    ...options,
  });
  const house: House = { clock, log, source, sys, extra, memoryBytes: 50_000_000 };
  return house;
}

/** Uptime changes with every pass: it tells when one was. */
function passes(source: FakeSource): number[] {
  const texts = source.messages.splice(0).filter(({ topic }) => topic === `${B}uptime`);
  return texts.map(({ text }) => Number.parseInt(text, 10));
}

test('$SYS: at the start every topic is published once, retained, QoS 2, loads at 0.00', () => {
  const { sys, source } = build();
  sys.start();
  assert.deepEqual(source.messages.map(({ topic }) => topic).sort(), [...TOPICS_AT_START].sort());
  for (const { topic, options } of source.messages) {
    assert.deepEqual(options, { qos: 2, retain: true }, topic);
    assert.notEqual(parseTopicName(topic), null, topic);
  }
  const texts = source.take();
  assert.equal(texts.get(`${B}version`), 'mosquitto version 2.1.3');
  assert.equal(texts.get(`${B}uptime`), '0 seconds');
  assert.equal(texts.get(`${B}clients/connected`), '0');
  assert.equal(texts.get(`${B}heap/current`), '50000000');
  for (const [topic, text] of texts) if (topic.includes('/load/')) assert.equal(text, '0.00', topic);
});

test('$SYS: each value stands under its topic and its alias', () => {
  const { sys, source } = build();
  source.counters = someCounters({
    packetsReceived: 1,
    packetsSent: 2,
    bytesReceived: 3,
    bytesSent: 4,
    publishesReceived: 5,
    publishesSent: 6,
    publishesDropped: 7,
    publishBytesReceived: 8,
    publishBytesSent: 9,
    clientsExpired: 10,
  });
  source.now = someSizes({
    connections: 11,
    clientsConnected: 12,
    clientsDisconnected: 13,
    sessions: 25,
    sessionsMaximum: 26,
    subscriptions: 29,
    sharedSubscriptions: 15,
    retained: 16,
    storedMessages: 17,
    storedBytes: 18,
    unsentConnections: 19,
    unsentBytes: 20,
  });
  sys.start();
  const expected = {
    'messages/received': 1,
    'messages/sent': 2,
    'bytes/received': 3,
    'bytes/sent': 4,
    'publish/messages/received': 5,
    'publish/messages/sent': 6,
    'publish/messages/dropped': 7,
    'publish/bytes/received': 8,
    'publish/bytes/sent': 9,
    'clients/expired': 10,
    'connections/socket/count': 11,
    'clients/connected': 12,
    'clients/active': 12,
    'clients/disconnected': 13,
    'clients/inactive': 13,
    'clients/total': 25,
    'clients/maximum': 26,
    'subscriptions/count': 14,
    'shared_subscriptions/count': 15,
    'retained messages/count': 16,
    'messages/stored': 17,
    'store/messages/count': 17,
    'store/messages/bytes': 18,
    'packet/out/count': 19,
    'packet/out/bytes': 20,
  };
  const texts = source.take();
  for (const [name, value] of Object.entries(expected)) assert.equal(texts.get(B + name), String(value), name);
  assert.equal(texts.size, TOPICS_AT_START.length + 1);
});

test('$SYS: later passes publish only what has changed', () => {
  const { sys, source, clock } = build();
  sys.start();
  source.take();
  clock.advance(10_000);
  assert.deepEqual([...source.take()], [[`${B}uptime`, '10 seconds']]);
  source.counters.publishesReceived = 20;
  source.now = someSizes({ retained: 3 });
  clock.advance(10_000);
  assert.deepEqual(
    new Map([...source.take()].sort()),
    new Map([
      [`${B}load/publish/received/15min`, '1.33'],
      [`${B}load/publish/received/1min`, '18.42'],
      [`${B}load/publish/received/5min`, '3.93'],
      [`${B}publish/messages/received`, '20'],
      [`${B}retained messages/count`, '3'],
      [`${B}uptime`, '20 seconds'],
    ]),
  );
});

test('$SYS: clients/maximum appears with the second client, and stays', () => {
  const { sys, source, clock } = build();
  source.now = someSizes({ sessions: 1, sessionsMaximum: 1 });
  sys.start();
  assert.equal(source.take().get(`${B}clients/maximum`), undefined);
  source.now = someSizes({ sessions: 2, sessionsMaximum: 2 });
  clock.advance(10_000);
  assert.equal(source.take().get(`${B}clients/maximum`), '2');
  source.now = someSizes({ sessions: 0, sessionsMaximum: 2 });
  clock.advance(10_000);
  assert.equal(source.take().has(`${B}clients/maximum`), false);
});

test('$SYS: heap/maximum is the most that a pass or a snapshot has seen', () => {
  const house = build();
  house.sys.start();
  house.memoryBytes = 90;
  house.clock.advance(10_000);
  assert.equal(house.source.take().get(`${B}heap/current`), '90');
  house.memoryBytes = 70_000_000;
  assert.equal(house.sys.snapshot().get(`${B}heap/maximum`), 70_000_000);
  house.memoryBytes = 80;
  house.clock.advance(10_000);
  const texts = house.source.take();
  assert.equal(texts.get(`${B}heap/current`), '80');
  assert.equal(texts.get(`${B}heap/maximum`), '70000000');
});

test('$SYS: an average is published when it has moved by 0.01, and fades to 0.00', () => {
  const { sys, source, clock } = build();
  sys.start();
  source.counters.connectsReceived = 1;
  const seen: string[] = [];
  for (let pass = 0; pass < 1000; pass += 1) {
    clock.advance(10_000);
    const text = source.take().get(`${B}load/connections/15min`);
    if (text !== undefined) seen.push(text);
  }
  assert.equal(seen[0], '0.07');
  assert.equal(seen.at(-1), '0.00');
  const steps = seen.map(Number);
  for (const [index, step] of steps.entries()) {
    const before = steps[index - 1];
    if (before !== undefined) assert(before > step, `${before} then ${step}`);
  }
  assert(seen.length < 10, `published ${seen.length} times`);
});

test('$SYS: passes come at the multiples of the wall clock, wherever it began', () => {
  const { sys, source, clock } = build();
  clock.advance(3_200);
  sys.start();
  assert.deepEqual(passes(source), [3]);
  clock.advance(6_799);
  assert.deepEqual(passes(source), []);
  clock.advance(1);
  assert.deepEqual(passes(source), [10]);
  clock.advance(30_000);
  assert.deepEqual(passes(source), [20, 30, 40]);
  assert.equal(clock.waitingCount, 1);
});

test('$SYS: a jump of the wall clock costs one odd pause, the averages do not notice it', () => {
  for (const jumpMs of [3_000, -3_000, 3_600_000, -3_600_000, 9_999, -9_999, 10 ** 12]) {
    const { sys, source, clock } = build();
    sys.start();
    source.counters.publishesReceived = 20;
    clock.jumpWall(jumpMs);
    clock.advance(10_000);
    const texts = source.take();
    assert.equal(texts.get(`${B}load/publish/received/1min`), '18.42', `jump ${jumpMs}`);
    const wallOfPasses: number[] = [];
    source.onPublish = (topic) => {
      if (topic === `${B}uptime`) wallOfPasses.push(clock.wallMs());
    };
    clock.advance(35_000);
    assert(wallOfPasses.length >= 3, `jump ${jumpMs}: ${wallOfPasses.length} passes in 35 s`);
    for (const wallMs of wallOfPasses) assert(Math.abs(wallMs % 10_000) === 0, `jump ${jumpMs}: at ${wallMs}`);
  }
});

test('$SYS: between two passes there is never less than half an interval, nor more than one and a half', () => {
  const events = fc.array(
    fc.record({ ms: fc.nat({ max: 20_000 }), jumpMs: fc.integer({ min: -50_000, max: 50_000 }) }),
  );
  fc.assert(
    fc.property(events, fc.integer({ min: 2, max: 30 }), (steps, intervalSeconds) => {
      const { sys, source, clock } = build({ intervalSeconds });
      sys.start();
      const seen: number[] = [];
      source.onPublish = () => {
        if (clock.monotonicMs() !== seen.at(-1)) seen.push(clock.monotonicMs());
      };
      for (const { ms, jumpMs } of steps) {
        clock.advance(ms);
        clock.jumpWall(jumpMs);
        source.counters.bytesSent += 1;
      }
      clock.advance(intervalSeconds * 1500);
      assert(seen.length > 0);
      for (const [index, now] of seen.entries()) {
        const before = seen[index - 1];
        // Each pass is seen: half an interval is a second at least, and uptime is in seconds.
        if (before === undefined) continue;
        const pause = (now - before) / intervalSeconds / 1000;
        assert(pause >= 0.5 && pause <= 1.5, `${pause} intervals`);
      }
    }),
  );
});

test('$SYS: a loop that stood still for several intervals makes up for them with one pass', () => {
  const clock = new FakeClock();
  const waits: { readonly delayMs: number; readonly run: () => void }[] = [];
  const late: Clock = {
    monotonicMs: () => clock.monotonicMs(),
    wallMs: () => clock.wallMs(),
    after: (delayMs, run) => {
      waits.push({ delayMs, run });
      return () => undefined;
    },
  };
  const { sys, source } = build({ clock: late });
  sys.start();
  passes(source);
  clock.advance(47_000);
  const due = waits.shift();
  assert(due !== undefined);
  due.run();
  assert.deepEqual(passes(source), [47]);
  // The multiple after 47 s is only 3 s away: the one after it.
  assert.deepEqual(
    waits.map(({ delayMs }) => delayMs),
    [13_000],
  );
});

test('$SYS: an interval of 0 publishes nothing at all, the snapshot still works', () => {
  const { sys, source, clock } = build({ intervalSeconds: 0 });
  sys.start();
  clock.advance(100_000);
  assert.deepEqual(source.messages, []);
  assert.equal(clock.waitingCount, 0);
  source.counters.packetsReceived = 4;
  const snapshot = sys.snapshot();
  assert.equal(snapshot.get(`${B}messages/received`), 4);
  assert.equal(snapshot.get(`${B}uptime`), '100 seconds');
  assert.equal(snapshot.get(`${B}load/messages/received/1min`), '0.00');
});

test('$SYS: another interval at a reload: longer, off, on again', () => {
  const { sys, source, clock } = build();
  sys.start();
  sys.change(10);
  assert.deepEqual(passes(source), [0]);
  sys.change(60);
  clock.advance(60_000);
  assert.deepEqual(passes(source), [60]);
  sys.change(0);
  assert.equal(clock.waitingCount, 0);
  clock.advance(15_000);
  assert.deepEqual(passes(source), []);
  sys.change(10);
  assert.deepEqual(passes(source), [75]);
  clock.advance(5_000);
  assert.deepEqual(passes(source), [80]);
  sys.stop();
  assert.equal(clock.waitingCount, 0);
  sys.change(5);
  assert.equal(clock.waitingCount, 0, 'a change after the stop starts nothing');
});

test('$SYS: ext: what is named is shown, what is not named any more is taken back', () => {
  const { sys, source, clock, extra } = build();
  extra.set('version', 'zanzara version 1.0').set('errors/protocol', 0).set('listeners/1883', 7);
  sys.start();
  const texts = source.take();
  assert.equal(texts.get(`${B}ext/version`), 'zanzara version 1.0');
  assert.equal(texts.get(`${B}ext/errors/protocol`), '0');
  extra.set('errors/protocol', 2).delete('listeners/1883');
  clock.advance(10_000);
  assert.deepEqual(
    [...source.take()].filter(([topic]) => topic.includes('/ext/')),
    [
      [`${B}ext/errors/protocol`, '2'],
      [`${B}ext/listeners/1883`, ''],
    ],
  );
  clock.advance(10_000);
  assert.deepEqual([...source.take().keys()], [`${B}uptime`]);
  assert.equal(sys.snapshot().get(`${B}ext/errors/protocol`), 2);
});

test('$SYS: ext: too many topics are cut, which the log says once', () => {
  const { sys, source, clock, log, extra } = build();
  for (let index = 0; index < 1500; index += 1) extra.set(`many/${index}`, index);
  sys.start();
  clock.advance(20_000);
  const shown = source.messages.filter(({ topic }) => topic.startsWith(`${B}ext/`));
  assert.equal(shown.length, 1000);
  assert.equal(log.texts('warning').length, 1);
});

test('$SYS: a pass that fails is reported, and the next one makes up for it', () => {
  const { sys, source, clock, log } = build();
  let isFailing = true;
  source.onPublish = (topic) => {
    if (isFailing && topic === `${B}clients/total`) throw new Error('no room');
  };
  sys.start();
  assert.deepEqual([...source.take().keys()], [`${B}version`, `${B}uptime`]);
  assert.deepEqual(log.texts('error'), ['Error: The $SYS topics could not be published: Error: no room.']);
  isFailing = false;
  clock.advance(10_000);
  assert.deepEqual([...source.take().keys()].sort(), TOPICS_AT_START.filter((topic) => topic !== `${B}version`).sort());
  assert.equal(clock.waitingCount, 1);
});

test('$SYS: values are those of the begin of a pass, whatever the pass itself sends', () => {
  const { sys, source, clock } = build();
  source.onPublish = () => {
    source.counters.packetsSent += 1;
    source.counters.bytesSent += 100;
  };
  sys.start();
  assert.equal(source.take().get(`${B}messages/sent`), '0');
  const sentByStart = source.counters.packetsSent;
  clock.advance(10_000);
  const texts = source.take();
  assert.equal(texts.get(`${B}messages/sent`), String(sentByStart));
  assert.equal(texts.get(`${B}bytes/sent`), String(sentByStart * 100));
});

test('$SYS: snapshot has every topic, numbers as numbers', () => {
  const { sys } = build();
  const snapshot = sys.snapshot();
  assert.deepEqual([...snapshot.keys()].sort(), [...TOPICS_AT_START].sort());
  const texts = [...snapshot].filter(([, value]) => typeof value === 'string').map(([topic]) => topic);
  assert.deepEqual(
    texts.filter((topic) => !topic.includes('/load/')),
    [`${B}version`, `${B}uptime`],
  );
});

test('$SYS: an interval that is none is a defect', () => {
  for (const intervalSeconds of [-1, 0.5, 65_536, Number.NaN]) {
    assert.throws(() => build({ intervalSeconds }), /sys_interval is 0 to 65535 seconds/);
  }
});
