import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createHarness } from '../../../test/fixtures/broker-harness.ts';
import { usedBytes } from '../../../test/fixtures/memory.ts';

describe('the queue of a client that is away', () => {
  test('a message in many queues costs a reference in each', () => {
    const clientCount = 100;
    const messageCount = 500;
    const house = createHarness({ settings: { maxQueuedMessages: 0 } });
    const clients = Array.from({ length: clientCount }, (_, index) => {
      const client = house.client(`c${index}`, { cleanStart: false });
      client.subscribe('t', { qos: 1 });
      return client;
    });
    for (const client of clients) client.cut();
    const publisher = house.client('publisher');
    const payload = 'x'.repeat(500);
    for (let count = 0; count < 10; count += 1) publisher.publish('t', payload);
    const before = usedBytes();
    for (let count = 0; count < messageCount; count += 1) {
      publisher.publish('t', payload, { qos: 1, packetId: 1 + count });
      publisher.expect('puback');
    }
    house.log.lines.splice(0);
    const bytesEach = (usedBytes() - before) / (messageCount * clientCount);
    // Eight for the reference, up to as many for the room that a ring keeps, and a hundredth of the message.
    assert.ok(bytesEach < 32, `${bytesEach.toFixed(1)} bytes for each message in each queue`);
    const back = house.client('c7', { cleanStart: false });
    assert.equal(back.publishes().length, 20, 'a window of them');
  });
});
