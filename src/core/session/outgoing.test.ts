/** The options that say what a session sends, keeps and drops. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { createHarness, type Harness, type Peer } from '../../../test/fixtures/broker-harness.ts';
import type { Qos } from '../../protocol/version.ts';
import { type BrokerSettings, DEFAULT_SETTINGS } from '../model/settings.ts';

const DURABLE = { cleanStart: false };
const ALL_QOS: readonly Qos[] = [0, 1, 2];

function houseWith(settings: Partial<BrokerSettings>, qos: Qos = 1): { house: Harness; pub: Peer; sub: Peer } {
  const house = createHarness({ settings });
  const sub = house.client('sub', DURABLE);
  sub.subscribe('t', { qos });
  return { house, sub, pub: house.client('pub') };
}

function textsOf(client: Peer): string[] {
  return client.publishes().map(({ text }) => text);
}

/** All that comes to a client which acknowledges at once. */
function drain(client: Peer): string[] {
  const texts: string[] = [];
  for (let packets = client.all(); packets.length > 0; packets = client.all()) {
    for (const packet of packets) {
      if (packet.type === 'pubrel') client.ack('pubcomp', packet.packetId);
      if (packet.type !== 'publish') continue;
      texts.push(packet.text);
      if (packet.qos > 0) client.ack(packet.qos === 1 ? 'puback' : 'pubrec', packet.packetId);
    }
  }
  return texts;
}

function publishMany(pub: Peer, count: number, qos: Qos, prefix = ''): void {
  for (let index = 0; index < count; index += 1) pub.publish('t', `${prefix}${index}`, { qos });
}

describe('upgrade_outgoing_qos', () => {
  for (const published of ALL_QOS) {
    for (const granted of ALL_QOS) {
      test(`published with ${published}, subscribed with ${granted}`, () => {
        for (const upgradeOutgoingQos of [false, true]) {
          const { house, pub, sub } = houseWith({ upgradeOutgoingQos }, granted);
          const expected = upgradeOutgoingQos ? granted : Math.min(published, granted);
          pub.publish('t', 'x', { qos: published, retain: true });
          const late = house.client('late');
          late.subscribe('t', { qos: granted });
          assert.deepEqual(
            [sub, late].map((client) => client.publishes().map(({ qos }) => qos)),
            [[expected], [expected]],
          );
        }
      });
    }
  }

  test('what was published with QoS 0 waits for an absent subscriber with QoS 1', () => {
    for (const upgradeOutgoingQos of [false, true]) {
      const { house, pub, sub } = houseWith({ upgradeOutgoingQos });
      sub.cut();
      pub.publish('t', 'x');
      assert.deepEqual(drain(house.client('sub', DURABLE)), upgradeOutgoingQos ? ['x'] : []);
    }
  });

  test('a reload turns it on and off for those who are connected', () => {
    const { house, pub, sub } = houseWith({});
    for (const upgradeOutgoingQos of [true, false]) {
      house.broker.change({ ...DEFAULT_SETTINGS, upgradeOutgoingQos });
      pub.publish('t', 'x');
      assert.deepEqual(
        sub.publishes().map(({ qos }) => qos),
        [upgradeOutgoingQos ? 1 : 0],
      );
    }
  });
});

describe('max_inflight_bytes', () => {
  test('messages are sent until the limit is reached, and go on with the acknowledgements', () => {
    const { pub, sub } = houseWith({ maxInflightBytes: 100 });
    for (let index = 0; index < 6; index += 1) pub.publish('t', `${index}`.padEnd(40, 'x'), { qos: 1 });
    assert.equal(sub.publishes().length, 3, '80 bytes are below the limit, 120 are not');
    for (const [acked, sentThen] of [1, 1, 1, 0, 0, 0].entries()) {
      sub.ack('puback', acked + 1);
      assert.equal(sub.publishes().length, sentThen);
    }
  });

  test('a larger message is sent by itself', () => {
    const { pub, sub } = houseWith({ maxInflightBytes: 100 });
    for (const text of ['a'.repeat(500), 'b'.repeat(500)]) pub.publish('t', text, { qos: 1 });
    const [first, ...others] = sub.publishes();
    assert.deepEqual([first?.text.length, others], [500, []]);
    sub.ack('puback', first?.packetId ?? 0);
    assert.equal(sub.publishes()[0]?.text, 'b'.repeat(500));
  });

  test('a QoS 2 message counts until PUBCOMP', () => {
    const { pub, sub } = houseWith({ maxInflightBytes: 1 }, 2);
    publishMany(pub, 2, 2);
    assert.deepEqual(textsOf(sub), ['0']);
    sub.ack('pubrec', 1);
    sub.expect('pubrel');
    sub.expectNothing();
    sub.ack('pubcomp', 1);
    assert.deepEqual(textsOf(sub), ['1']);
  });

  test('the number of messages is limited all the same, QoS 0 is not', () => {
    const { pub, sub } = houseWith({ maxInflightBytes: 1000, maxInflightMessages: 2 });
    publishMany(pub, 5, 1);
    publishMany(pub, 5, 0, 'zero');
    assert.equal(textsOf(sub).filter((text) => !text.startsWith('zero')).length, 2);
  });

  test('retained messages for a new subscription all come, however small the limit', () => {
    const house = createHarness({ settings: { maxInflightBytes: 10, maxQueuedMessages: 5 } });
    const pub = house.client('pub');
    for (let index = 0; index < 100; index += 1) pub.publish(`r/${index}`, 'x'.repeat(8), { retain: true, qos: 1 });
    const sub = house.client('sub');
    sub.sendSubscribe('r/#', { qos: 1 });
    sub.expect('suback');
    assert.equal(drain(sub).length, 100);
    assert.equal(house.broker.counters.publishesDropped, 0);
  });
});

describe('T44 max_queued_messages and max_queued_bytes', () => {
  test('whichever is reached first', () => {
    for (const settings of [
      { maxQueuedMessages: 5, maxQueuedBytes: 1_000_000 },
      { maxQueuedMessages: 1000, maxQueuedBytes: 5 },
    ]) {
      const { house, pub, sub } = houseWith(settings);
      sub.cut();
      publishMany(pub, 10, 1);
      assert.deepEqual(drain(house.client('sub', DURABLE)), ['0', '1', '2', '3', '4']);
    }
  });

  test('QoS 0 for an absent client counts with the others when queue_qos0_messages is on', () => {
    const { house, pub, sub } = houseWith({ maxQueuedMessages: 4, queueQos0Messages: true });
    sub.cut();
    publishMany(pub, 2, 1, 'one');
    publishMany(pub, 4, 0, 'zero');
    assert.deepEqual(drain(house.client('sub', DURABLE)), ['one0', 'one1', 'zero0', 'zero1']);
  });

  test('a slow reader: neither QoS 0 nor QoS 1 takes the room of the other', () => {
    const settings = { maxQueuedMessages: 10, maxInflightMessages: 1, outboxHighBytes: 100 };
    for (const order of [[0, 1] as const, [1, 0] as const]) {
      const { pub, sub } = houseWith(settings);
      sub.link.block();
      pub.publish('t', 'x'.repeat(200));
      for (const qos of order) publishMany(pub, 30, qos, `${qos}.`);
      sub.link.release();
      const texts = drain(sub);
      assert.equal(texts.filter((text) => text.startsWith('0.')).length, 10);
      assert.ok(texts.filter((text) => text.startsWith('1.')).length >= 10);
    }
  });

  test('when a slow reader leaves, all that is kept for it together is within the limit', () => {
    const settings = { maxQueuedMessages: 10, maxInflightMessages: 1, outboxHighBytes: 100, queueQos0Messages: true };
    const { house, pub, sub } = houseWith(settings);
    sub.link.block();
    pub.publish('t', 'x'.repeat(200));
    publishMany(pub, 30, 0, '0.');
    publishMany(pub, 7, 1, '1.');
    sub.cut();
    const texts = drain(house.client('sub', DURABLE));
    assert.deepEqual(texts, ['0.0', '0.1', '0.2', ...Array.from({ length: 7 }, (_, index) => `1.${index}`)]);
  });

  test('queue_qos0_messages can be turned on by a reload', () => {
    const { house, pub, sub } = houseWith({});
    sub.cut();
    pub.publish('t', 'before');
    house.broker.change({ ...DEFAULT_SETTINGS, queueQos0Messages: true });
    pub.publish('t', 'after');
    assert.deepEqual(drain(house.client('sub', DURABLE)), ['after']);
  });

  test('limits that a reload lowers hold for what comes then', () => {
    const { house, pub, sub } = houseWith({});
    sub.cut();
    publishMany(pub, 5, 1);
    house.broker.change({ ...DEFAULT_SETTINGS, maxQueuedMessages: 3 });
    publishMany(pub, 5, 1, 'more');
    assert.deepEqual(drain(house.client('sub', DURABLE)), ['0', '1', '2', '3', '4']);
  });
});

describe('memory_limit', () => {
  test('while it is exceeded queues take nothing, and what can be sent at once is sent', () => {
    let usedBytes = 50;
    const house = createHarness({ settings: { memoryLimitBytes: 100 }, heapBytes: () => usedBytes });
    const [here, away] = ['here', 'away'].map((clientId) => {
      const client = house.client(clientId, DURABLE);
      client.subscribe('t', { qos: 1 });
      return client;
    });
    const pub = house.client('pub');
    away?.cut();
    for (const [text, bytes] of [
      ['1', 50],
      ['2', 200],
      ['3', 50],
    ] as const) {
      usedBytes = bytes;
      house.advance(1000);
      pub.publish('t', text, { qos: 1 });
    }
    assert.deepEqual(here === undefined ? [] : textsOf(here), ['1', '2', '3']);
    assert.deepEqual(drain(house.client('away', DURABLE)), ['1', '3']);
  });
});

describe('stored messages', () => {
  test('queued, in flight and retained, each once', () => {
    const { house, pub, sub } = houseWith({});
    const absent = house.client('absent', DURABLE);
    absent.subscribe('t', { qos: 1 });
    absent.cut();
    const sizes = (): number[] => [house.broker.sizes().storedMessages, house.broker.sizes().storedBytes];
    pub.publish('t', '12345', { qos: 1 });
    assert.deepEqual(sizes(), [1, 5]);
    pub.publish('r', '123', { retain: true });
    pub.publish('t', 'not kept');
    assert.deepEqual(sizes(), [2, 8]);
    sub.all();
    sub.ack('puback', 1);
    assert.deepEqual(sizes(), [2, 8]);
    house.client('absent', { cleanStart: true });
    assert.deepEqual(sizes(), [1, 3]);
  });

  test('whatever happens, nothing is left when all is delivered, dropped or ended', async () => {
    const step = fc.record({
      what: fc.constantFrom('publish', 'publish', 'publish', 'ack', 'cut', 'return', 'start over'),
      qos: fc.constantFrom<Qos>(0, 1, 2),
      count: fc.constantFrom(1, 3, 15),
      clientId: fc.constantFrom('a', 'b'),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), fc.boolean(), async (steps, queueQos0Messages) => {
        const settings = { maxInflightMessages: 2, maxQueuedMessages: 20, queueHeadMax: 4, queueQos0Messages };
        const house = createHarness({ settings });
        const pub = house.client('pub');
        const clients = new Map<string, Peer>();
        const enter = (clientId: string, cleanStart: boolean): void => {
          const client = house.client(clientId, { cleanStart });
          client.sendSubscribe('t', { qos: 2 });
          clients.set(clientId, client);
        };
        enter('a', false);
        enter('b', false);
        for (const { what, qos, count, clientId } of steps) {
          const client = clients.get(clientId);
          if (what === 'publish') publishMany(pub, count, qos);
          else if (what === 'return') enter(clientId, false);
          else if (what === 'start over') enter(clientId, true);
          else if (client !== undefined && !client.isClosed) {
            if (what === 'ack') drain(client);
            else client.cut();
          }
          await house.settleLater();
          const { storedMessages, storedBytes } = house.broker.sizes();
          assert.ok(storedMessages >= 0 && storedBytes >= storedMessages);
        }
        enter('a', false);
        enter('b', true);
        for (let round = 0; round < 20; round += 1) {
          for (const client of clients.values()) drain(client);
          await house.settleLater();
        }
        assert.deepEqual([house.broker.sizes().storedMessages, house.broker.sizes().storedBytes], [0, 0]);
      }),
      { numRuns: 60 },
    );
  });
});
