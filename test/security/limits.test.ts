/** Everything that a client can make grow has a limit, and what happens at the limit hurts nobody else. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Turn } from '../../src/base/turn.ts';
import { createBroker } from '../../src/core/broker.ts';
import { DEFAULT_SETTINGS } from '../../src/core/model/settings.ts';
import { createMemoryJournal } from '../../src/modules/persistence/memory-journal.ts';
import { Reason } from '../../src/protocol/reasons.ts';
import { connectBytes, createHarness, type Harness, type Peer } from '../fixtures/broker-harness.ts';
import { cpuMsOf } from '../fixtures/cpu-time.ts';
import { FakeClock } from '../fixtures/fake-clock.ts';
import { FakeLink } from '../fixtures/fake-link.ts';
import { assertNoGrowth, usedBytes } from '../fixtures/memory.ts';
import { MemoryLog } from '../fixtures/memory-log.ts';
import {
  allOf,
  field,
  frame,
  joined,
  rawPublish,
  rawSubscribe,
  u16,
  variableInteger,
} from '../fixtures/raw-packets.ts';
import { SeededRandom } from '../fixtures/seeded-random.ts';

const DURABLE = { cleanStart: false };
const KIB = 1024;
const MIB = 1024 * KIB;

function texts(client: Peer): string[] {
  return client.publishes().map(({ text }) => text);
}

/** A durable session with a subscription to `t`, whose client is away. */
function away(house: Harness, qos: 0 | 1 | 2, clientId = 'away'): void {
  const client = house.client(clientId, DURABLE);
  client.subscribe('t', { qos });
  client.cut();
}

/** Everything that comes to a client which acknowledges all at once. */
function drain(client: Peer): string[] {
  const all: string[] = [];
  for (let packets = client.all(); packets.length > 0; packets = client.all()) {
    for (const packet of packets) {
      if (packet.type === 'pubrel') client.ack('pubcomp', packet.packetId);
      if (packet.type !== 'publish') continue;
      all.push(packet.text);
      if (packet.qos > 0) client.ack(packet.qos === 1 ? 'puback' : 'pubrec', packet.packetId);
    }
  }
  return all;
}

describe('T44 queues', () => {
  for (const qos of [1, 2] as const) {
    test(`T44 an absent client keeps at most max_queued_messages of QoS ${qos}, the oldest, and it is said once`, () => {
      const house = createHarness({ settings: { maxQueuedMessages: 10 } });
      away(house, qos);
      const pub = house.client('pub');
      for (let count = 0; count < 100; count += 1) pub.publish('t', `${count}`, { qos });
      assert.equal(house.broker.counters.publishesDropped, 90);
      assert.deepEqual(house.log.texts('notice').filter((line) => line.includes('being dropped')).length, 1);
      assert.deepEqual(
        drain(house.client('away', DURABLE)),
        Array.from({ length: 10 }, (_, count) => `${count}`),
      );
    });
  }

  test('T44 an absent client keeps at most max_queued_bytes', () => {
    const house = createHarness({ settings: { maxQueuedMessages: 0, maxQueuedBytes: 10_000 } });
    away(house, 1);
    const pub = house.client('pub');
    for (let count = 0; count < 100; count += 1) pub.publish('t', 'x'.repeat(900), { qos: 1 });
    const kept = drain(house.client('away', DURABLE)).length * 900;
    assert.ok(kept >= 9_000 && kept <= 10_900, `${kept} bytes`);
  });

  test('T44 what was taken out of the queue makes room again', () => {
    const house = createHarness({ settings: { maxQueuedMessages: 5, maxQueuedBytes: 50 } });
    const pub = house.client('pub');
    away(house, 1);
    for (let round = 0; round < 5; round += 1) {
      for (let count = 0; count < 10; count += 1) pub.publish('t', `${round}.${count}.......`, { qos: 1 });
      const client = house.client('away', DURABLE);
      assert.equal(drain(client).length, 5);
      client.cut();
    }
  });

  test('T44 QoS 0 for a slow reader is limited too, in messages and in bytes, and the reader stays', () => {
    for (const settings of [{ maxQueuedMessages: 50 }, { maxQueuedMessages: 0, maxQueuedBytes: 50 * KIB }]) {
      const house = createHarness({ settings: { ...settings, outboxHighBytes: 10 * KIB } });
      const slow = house.client('slow');
      slow.subscribe('t');
      slow.link.block();
      const pub = house.client('pub');
      for (let count = 0; count < 1000; count += 1) pub.publish('t', 'x'.repeat(KIB));
      assert.ok(house.broker.counters.publishesDropped > 900);
      assert.ok(slow.link.pendingBytes < 20 * KIB, `${slow.link.pendingBytes}`);
      slow.link.release();
      assert.ok(drain(slow).length < 100);
      pub.publish('t', 'after');
      assert.deepEqual(texts(slow), ['after']);
    }
  });

  test('T44 a client that takes its messages but acknowledges none gets a window and a queue, no more', () => {
    const house = createHarness({ settings: { maxInflightMessages: 7, maxQueuedMessages: 10 } });
    const client = house.client('mute');
    client.subscribe('t', { qos: 2 });
    const pub = house.client('pub');
    for (let count = 0; count < 100; count += 1) pub.publish('t', `${count}`, { qos: 2 });
    assert.equal(client.publishes().length, 7);
    assert.equal(house.broker.counters.publishesDropped, 100 - 17);
  });

  test('T17 a full queue drops QoS 2 and leaves no memory behind, over restarts of the session', () => {
    const house = createHarness({ settings: { maxQueuedMessages: 10, maxInflightMessages: 5 } });
    away(house, 2);
    const pub = house.client('pub');
    const burst = joined(
      ...Array.from({ length: 200 }, (_, index) => [
        rawPublish('t', { flags: 4, packetId: index + 1, payload: 'x'.repeat(500) }),
        frame(0x62, u16(index + 1)),
      ]).flat(),
    );
    assertNoGrowth(200 * KIB, () => {
      for (let round = 0; round < 20; round += 1) {
        pub.send(burst);
        pub.all();
        const client = house.client('away', DURABLE);
        client.all();
        client.cut();
      }
      house.log.lines.splice(0);
    });
    assert.equal(drain(house.client('away', DURABLE)).length, 15);
  });

  test('T17 a publisher that never releases its QoS 2 messages costs its identifiers, no more', () => {
    const house = createHarness();
    assertNoGrowth(200 * KIB, () => {
      for (let round = 0; round < 10; round += 1) {
        const pub = house.client('pub', DURABLE);
        pub.send(
          joined(
            ...Array.from({ length: 1000 }, (_, id) =>
              rawPublish('t', { flags: 4, packetId: id + 1, payload: 'x'.repeat(100) }),
            ),
          ),
        );
        assert.equal(pub.all().length, 1000);
        pub.cut();
      }
      house.log.lines.splice(0);
    });
  });
});

describe('T28 QoS 2 again and again under one identifier', () => {
  for (const version of [4, 5] as const) {
    test(`T28 a hundred thousand times at level ${version}: one message, one entry, flat memory`, () => {
      const house = createHarness();
      const sub = house.client('sub', { version: 5 });
      sub.subscribe('t', { qos: 0 });
      const pub = house.client('pub', { version });
      const properties = version === 5 ? { properties: Uint8Array.of(0) } : {};
      const pair = [0x04, 0x0c].map((flags) => rawPublish('t', { flags, packetId: 7, payload: 'x', ...properties }));
      const chunk = joined(...new Array<Uint8Array[]>(500).fill(pair).flat());
      assertNoGrowth(200 * KIB, () => {
        for (let round = 0; round < 25; round += 1) {
          pub.send(chunk);
          pub.link.takeSent();
          house.log.lines.splice(0);
        }
      });
      assert.deepEqual(texts(sub), ['x']);
      pub.ack('pubrel', 7);
      pub.ack('pubrel', 7);
      const reasons = pub.all().flatMap((packet) => (packet.type === 'pubcomp' ? [packet.reason] : []));
      assert.deepEqual(reasons, version === 5 ? [Reason.Success, Reason.PacketIdentifierNotFound] : [0, 0]);
    });
  }
});

describe('T55 receive maximum at its edges', () => {
  test('T55 0 is refused', () => {
    const peer = createHarness().peer();
    assert.equal(peer.connect({ version: 5, properties: { receiveMaximum: 0 } }).reason, Reason.ProtocolError);
    assert.equal(peer.isClosed, true);
  });

  for (const receiveMaximum of [1, 2, 65535]) {
    test(`T55 ${receiveMaximum} is kept: never more without acknowledgement, and nothing is lost`, () => {
      const house = createHarness({ settings: { maxQueuedMessages: 0 } });
      const client = house.client('c', { version: 5, properties: { receiveMaximum } });
      client.subscribe('t', { qos: 2 });
      const pub = house.client('pub');
      const count = receiveMaximum === 65535 ? 200 : 20;
      for (let index = 0; index < count; index += 1) pub.publish('t', `${index}`, { qos: index % 2 === 0 ? 1 : 2 });
      const first = client.publishes();
      assert.equal(first.length, Math.min(count, receiveMaximum));
      const rest: string[] = first.map(({ text }) => text);
      for (const { packetId, qos } of first) client.ack(qos === 1 ? 'puback' : 'pubrec', packetId);
      rest.push(...drain(client));
      assert.deepEqual(
        rest,
        Array.from({ length: count }, (_, index) => `${index}`),
      );
    });
  }

  test('T55 a client beyond the receive maximum of the server is told so', () => {
    const house = createHarness({ settings: { maxInflightMessages: 3 } });
    const pub = house.client('pub', { version: 5 });
    for (let id = 1; id <= 3; id += 1) pub.publish('t', 'x', { qos: 2, packetId: id });
    assert.equal(pub.all().length, 3);
    pub.publish('t', 'again', { qos: 2, packetId: 3, dup: true });
    pub.publish('t', 'one more', { qos: 1, packetId: 5 });
    assert.deepEqual(
      pub.all().map((packet) => ('reason' in packet ? packet.reason : null)),
      [Reason.Success, Reason.ReceiveMaximumExceeded],
    );
    assert.equal(pub.isClosed, true);
  });
});

describe('T40 the ceiling of a connection', () => {
  test('T40 a client that asks and does not read its answers is not read any more', () => {
    const house = createHarness();
    const client = house.client('deaf', { version: 5 });
    client.link.block();
    const requests = allOf(new Array<Uint8Array>(500).fill(rawSubscribe([['t', 0]], { isV5: true })));
    for (let round = 0; round < 200; round += 1) client.send(requests);
    assert.equal(client.link.isPaused, true);
    assert.ok(client.link.pendingBytes < 300 * KIB, `${client.link.pendingBytes}`);
    assert.equal(client.isClosed, false);
    client.link.release();
    house.settle();
    assert.equal(client.all().length, 100_000);
  });

  test('T40 one that is beyond its byte limit in a single turn is ended', () => {
    const house = createHarness({ settings: { outboxHighBytes: 10 * KIB, outboxBytesMax: 100 * KIB } });
    const client = house.client('deaf');
    client.link.block();
    client.send(allOf(new Array<Uint8Array>(60_000).fill(Uint8Array.of(0xc0, 0))));
    assert.equal(client.link.isDestroyed, true);
    assert.match(house.log.texts('notice').at(-1) ?? '', /does not read what it is sent/);
  });

  test('T40 topics of aliases are limited in bytes, whatever number of aliases is allowed', () => {
    const house = createHarness({ listener: { maxTopicAlias: 65535 } });
    const client = house.client('c', { version: 5 });
    const before = usedBytes();
    let sent = 0;
    for (let alias = 1; alias <= 500 && !client.isClosed; alias += 1) {
      const properties = joined(3, 0x23, u16(alias));
      client.send(rawPublish(`${alias}/`.padEnd(60_000, 'x'), { properties }));
      sent += 1;
      house.log.lines.splice(0);
    }
    const { reason } = client.expect('disconnect');
    assert.equal(reason, Reason.QuotaExceeded);
    assert.ok(sent > 10, 'ten aliases of the longest topics must be possible');
    assert.ok(usedBytes() - before < 8 * MIB);
  });

  test('T40 naming one alias anew again and again is no growth', () => {
    const house = createHarness();
    const client = house.client('c', { version: 5 });
    for (let count = 0; count < 500; count += 1) {
      const properties = joined(3, 0x23, u16(1 + (count % 10)));
      client.send(rawPublish(`${count}/`.padEnd(60_000, 'x'), { properties }));
    }
    assert.equal(client.isClosed, false);
  });

  test('T40 the topics of aliases that a subscriber is given are limited in bytes too', () => {
    const house = createHarness({ listener: { maxTopicAliasBroker: 65535 } });
    const client = house.client('c', { version: 5, properties: { topicAliasMaximum: 65535 } });
    client.subscribe('#');
    const pub = house.client('pub');
    let withAlias = 0;
    for (let count = 0; count < 500; count += 1) {
      pub.publish(`${count}/`.padEnd(60_000, 'x'), 'x');
      const seen = client.expect('publish');
      assert.equal(seen.topic.length, 60_000);
      if (seen.topicAlias > 0) withAlias += 1;
    }
    assert.ok(withAlias > 10 && withAlias < 100, `${withAlias} aliases`);
  });
});

describe('fan-out', () => {
  test('T44 one large message for hundreds of slow readers is kept once', () => {
    const house = createHarness();
    const clients = Array.from({ length: 300 }, (_, index) => house.client(`c${index}`));
    for (const [index, client] of clients.entries()) {
      client.subscribe('t', { qos: index % 2 === 0 ? 0 : 1 });
      client.link.block();
    }
    const pub = house.client('pub');
    const before = usedBytes();
    pub.publish('t', new Uint8Array(MIB), { qos: 1 });
    const growth = usedBytes() - before;
    assert.ok(growth < 8 * MIB, `${growth} bytes for 300 readers of 1 MiB`);
  });

  test('T44 one large message in the queues of hundreds of absent clients is kept once', () => {
    const house = createHarness();
    for (let index = 0; index < 300; index += 1) away(house, 1, `c${index}`);
    const pub = house.client('pub');
    const before = usedBytes();
    for (let count = 0; count < 3; count += 1) pub.publish('t', new Uint8Array(MIB), { qos: 1, retain: true });
    const growth = usedBytes() - before;
    assert.ok(growth < 8 * MIB, `${growth} bytes for 900 copies of 1 MiB`);
  });
});

/** A turn that runs one thing at a time, so that a test sees what comes between. */
class StepTurn implements Turn {
  readonly #runs: (() => void)[] = [];

  atEnd(run: () => void): void {
    this.#runs.push(run);
  }

  /** @returns false when there was nothing to run. */
  step(): boolean {
    const run = this.#runs.shift();
    run?.();
    return run !== undefined;
  }
}

describe('retained bomb', () => {
  /** A house with many retained messages. */
  function fullHouse(count: number): Harness {
    const house = createHarness();
    const pub = house.client('pub');
    for (let start = 0; start < count; start += 1000) {
      const chunk = Array.from({ length: 1000 }, (_, index) =>
        rawPublish(`r/${start + index}`, { flags: 1, payload: 'kept' }),
      );
      pub.send(joined(...chunk));
    }
    house.log.lines.splice(0);
    return house;
  }

  test('T40 a subscription to everything is fed as fast as its client reads, and no faster', () => {
    const house = fullHouse(50_000);
    const client = house.client('sub');
    client.link.block();
    client.sendSubscribe('#');
    assert.ok(client.link.pendingBytes < 400 * KIB, `${client.link.pendingBytes}`);
    let got = 0;
    for (let round = 0; round < 1000 && got < 50_000; round += 1) {
      client.link.release(50 * KIB);
      house.settle();
      got += client.all().filter(({ type }) => type === 'publish').length;
      assert.ok(client.link.pendingBytes < 400 * KIB);
    }
    assert.equal(got, 50_000);
  });

  test('T40 hundreds of such subscriptions at once cost little each', () => {
    const house = fullHouse(10_000);
    const client = house.client('sub');
    client.link.block();
    const before = usedBytes();
    client.send(joined(...Array.from({ length: 500 }, () => rawSubscribe([['#', 1]]))));
    house.log.lines.splice(0);
    const growth = usedBytes() - before;
    assert.ok(growth < 4 * MIB, `${growth} bytes`);
  });

  test('T40 others are served between the slices of a large answer', () => {
    const turn = new StepTurn();
    const broker = createBroker({
      clock: new FakeClock(),
      log: new MemoryLog(),
      turn,
      random: new SeededRandom(1),
      journal: createMemoryJournal(),
      gatekeeper: null,
      settings: { ...DEFAULT_SETTINGS, outboxHighBytes: 100 * MIB },
    });
    const [sub, other] = ['sub', 'other'].map((clientId) => {
      const link = FakeLink.open(broker.accept);
      link.deliver(connectBytes({ clientId }));
      return link;
    });
    assert.ok(sub !== undefined && other !== undefined);
    for (let index = 0; index < 20_000; index += 1) sub.deliver(rawPublish(`r/${index}`, { flags: 1, payload: 'x' }));
    while (turn.step());
    const sentBefore = broker.counters.publishesSent;
    sub.deliver(rawSubscribe([['#', 0]]));
    other.takeSent();
    let largest = broker.counters.publishesSent - sentBefore;
    let steps = 0;
    for (let last = broker.counters.publishesSent; turn.step(); last = broker.counters.publishesSent) {
      largest = Math.max(largest, broker.counters.publishesSent - last);
      if (last === sentBefore + 20_000) continue;
      steps += 1;
      other.deliver(Uint8Array.of(0xc0, 0));
    }
    assert.equal(broker.counters.publishesSent - sentBefore, 20_000);
    assert.ok(largest <= 1100, `${largest} messages in one go`);
    assert.ok(other.takeSent().length >= steps);
  });
});

describe('subscription bomb', () => {
  test('T40 a session has at most so many subscriptions; one more is refused and nobody suffers', () => {
    const house = createHarness({ settings: { subscriptionsPerSessionMax: 1000 } });
    for (const version of [4, 5] as const) {
      const client = house.client('bomber', { version });
      const { reasons } = client.subscribe(Array.from({ length: 5000 }, (_, index) => `f/${index}`));
      assert.equal(reasons.filter((reason) => reason === 0).length, 1000);
      assert.equal(reasons.at(-1), version === 5 ? Reason.QuotaExceeded : 0x80);
      assert.equal(house.broker.sizes().subscriptions, 1000);
      client.unsubscribe('f/0');
      assert.deepEqual(client.subscribe('one more').reasons, [0]);
      client.cut();
      assert.equal(house.broker.sizes().subscriptions, 0);
    }
  });

  test('T40 one SUBSCRIBE of 256 KiB with tens of thousands of filters is answered in time', () => {
    const house = createHarness();
    const client = house.client('bomber');
    const filters = Array.from({ length: 40_000 }, (_, index): [string, number] => [index.toString(36), 0]);
    const tookMs = cpuMsOf(() => {
      client.send(rawSubscribe(filters));
      assert.equal(client.expect('suback').reasons.length, 40_000);
      client.cut();
    });
    assert.ok(tookMs < 10_000, `${tookMs} ms`);
    assert.equal(house.broker.sizes().subscriptions, 0);
  });

  test('T40 the filters of a session are limited in bytes', () => {
    const house = createHarness({ settings: { filterCharsPerSessionMax: MIB } });
    const client = house.client('bomber', { version: 5 });
    const before = usedBytes();
    const reasons: number[] = [];
    for (let count = 0; count < 50; count += 1) {
      const filter = `${count}/`.padEnd(45_000, 'x');
      client.send(frame(0x82, u16(1), 0, field(filter), 0, field(`${filter}y`), 0));
      reasons.push(...client.expect('suback').reasons);
      house.log.lines.splice(0);
    }
    assert.equal(reasons.filter((reason) => reason === 0).length, Math.floor(MIB / 45_001));
    assert.deepEqual([...new Set(reasons)], [0, Reason.QuotaExceeded]);
    const held = usedBytes() - before;
    assert.ok(held < 8 * MIB, `${held} bytes for the filters of one client`);
    const known = `0/`.padEnd(45_000, 'x');
    assert.deepEqual(client.subscribe(known, { qos: 1 }).reasons, [1]);
    client.unsubscribe(known);
    assert.deepEqual(client.subscribe('z'.repeat(45_000)).reasons, [0]);
    client.cut();
    assert.equal(house.broker.sizes().subscriptions, 0);
  });
});

describe('T23 user properties', () => {
  test('T23 a PUBLISH full of the smallest user properties is passed on in time, whole', () => {
    const house = createHarness({ settings: { maxPacketSize: 0 } });
    const sub = house.client('sub', { version: 5 });
    sub.subscribe('t');
    const pub = house.client('pub', { version: 5 });
    const count = 300_000;
    const properties = new Uint8Array(5 * count);
    for (let at = 0; at < properties.length; at += 5) properties[at] = 0x26;
    const packet = rawPublish('t', { properties: joined(variableInteger(properties.length), properties) });
    const ownMs = cpuMsOf(() => pub.send(packet));
    assert.equal(sub.link.takeSent().length > properties.length, true);
    assert.ok(ownMs < 5_000, `${ownMs} ms`);
  });

  test('T23 CONNECT, SUBSCRIBE and DISCONNECT full of user properties are taken in time', () => {
    const house = createHarness();
    const properties = new Uint8Array(5 * 19_000);
    for (let at = 0; at < properties.length; at += 5) properties[at] = 0x26;
    const userProperties = Array.from({ length: 19_000 }, () => ({ name: '', value: '' }));
    const tookMs = cpuMsOf(() => {
      for (let round = 0; round < 10; round += 1) {
        const client = house.client('c', { version: 5, properties: { userProperties } });
        client.send(frame(0x82, u16(1), variableInteger(properties.length), properties, field('t'), 0));
        assert.deepEqual(client.expect('suback').reasons, [0]);
        client.disconnect(0, { userProperties: userProperties.slice(0, 1900) });
        assert.equal(client.isClosed, true);
      }
    });
    assert.ok(tookMs < 5_000, `${tookMs} ms`);
    assert.equal(house.broker.counters.protocolErrors, 0);
  });
});
