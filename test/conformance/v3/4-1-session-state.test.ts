import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createHarness } from '../../fixtures/broker-harness.ts';

const DURABLE = { cleanStart: false };
const DAY_MS = 24 * 3_600_000;

describe('4.1 session state', () => {
  test('[MQTT3-4.1.0-1] everything of a session is kept while its client is away, however long', () => {
    const house = createHarness();
    const first = house.client('client', DURABLE);
    first.subscribe('t', { qos: 2 });
    const pub = house.client('pub');
    pub.publish('t', 'unacknowledged', { qos: 1 });
    pub.publish('t', 'unreleased', { qos: 2 });
    first.expect('publish');
    const released = first.expect('publish');
    first.ack('pubrec', released.packetId);
    first.publish('other', 'taken in', { qos: 2, packetId: 77 });
    first.cut();
    pub.publish('t', 'queued', { qos: 2 });
    house.advance(3650 * DAY_MS);
    house.clock.jumpWall(100 * 365 * DAY_MS);

    const again = house.peer();
    assert.equal(again.connect({ clientId: 'client', ...DURABLE }).sessionPresent, true);
    assert.equal(again.expect('publish').text, 'unacknowledged');
    assert.equal(again.expect('pubrel').packetId, released.packetId);
    assert.equal(again.expect('publish').text, 'queued');
    const watcher = house.client('watcher');
    watcher.subscribe('other');
    again.publish('other', 'taken in', { qos: 2, packetId: 77, dup: true });
    again.expect('pubrec');
    watcher.expectNothing();
    pub.publish('t', 'still subscribed', { qos: 1 });
    assert.equal(again.expect('publish').text, 'still subscribed');
  });

  test('[MQTT3-4.1.0-1] a queue that is longer than what memory holds comes back whole and in order', async () => {
    const house = createHarness({ settings: { queueHeadMax: 10, maxQueuedMessages: 0, maxInflightMessages: 5 } });
    const first = house.client('client', DURABLE);
    first.subscribe('t', { qos: 1 });
    first.cut();
    const pub = house.client('pub');
    for (let count = 0; count < 100; count += 1) pub.publish('t', `${count}`, { qos: 1 });
    const again = house.client('client', DURABLE);
    const texts: string[] = [];
    for (let round = 0; round < 100 && texts.length < 100; round += 1) {
      await house.settleLater();
      for (const { text, packetId } of again.publishes()) {
        texts.push(text);
        again.ack('puback', packetId, 0);
      }
    }
    assert.deepEqual(
      texts,
      Array.from({ length: 100 }, (_, count) => `${count}`),
    );
  });

  test('[MQTT3-4.1.0-2] a session never ends before its connection', () => {
    const house = createHarness({ settings: { persistentClientExpirationSeconds: 60 } });
    const clean = house.client('clean');
    const kept = house.client('kept', DURABLE);
    for (const client of [clean, kept]) client.subscribe('t', { qos: 1 });
    house.advance(3650 * DAY_MS);
    house.client('pub').publish('t', 'x', { qos: 1 });
    assert.equal(clean.expect('publish').text, 'x');
    assert.equal(kept.expect('publish').text, 'x');
  });

  test('[MQTT3-4.1.0-2] where kept sessions have a time to live it runs from the end of the connection', () => {
    const house = createHarness({ settings: { persistentClientExpirationSeconds: 60 } });
    const first = house.client('client', DURABLE);
    house.advance(DAY_MS);
    first.cut();
    house.advance(59_999);
    const second = house.peer();
    assert.equal(second.connect({ clientId: 'client', ...DURABLE }).sessionPresent, true);
    second.cut();
    house.advance(60_000);
    assert.equal(house.broker.sizes().sessions, 0);
    const third = house.peer();
    assert.equal(third.connect({ clientId: 'client', ...DURABLE }).sessionPresent, false);
  });
});
