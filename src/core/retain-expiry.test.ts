/** How retained messages end by themselves: Message Expiry Interval and `retain_expiry_interval`. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createHarness, type Harness, type HarnessOptions, type Peer } from '../../test/fixtures/broker-harness.ts';
import { DEFAULT_SETTINGS } from './model/settings.ts';

const MINUTE_MS = 60_000;

/** What a new subscriber gets, by topic. */
function keptIn(house: Harness, filter = '#'): string[] {
  const reader: Peer = house.client('reader', { version: 5 });
  reader.subscribe(filter);
  return reader
    .publishes()
    .map(({ topic }) => topic)
    .toSorted();
}

function houseWith(options: HarnessOptions = {}): { house: Harness; pub: Peer } {
  const house = createHarness(options);
  return { house, pub: house.client('pub', { version: 5 }) };
}

function keep(pub: Peer, topic: string, messageExpiryInterval: number | null = null): void {
  pub.publish(topic, 'x', { retain: true, properties: { messageExpiryInterval } });
}

describe('retain_expiry_interval', () => {
  const settings = { retainExpirySeconds: 120 };

  test('a retained message goes so long after it was published, one with a shorter expiry before that', () => {
    const { house, pub } = houseWith({ settings });
    keep(pub, 'plain');
    keep(pub, 'short', 60);
    keep(pub, 'long', 600);
    house.advance(MINUTE_MS);
    assert.deepEqual(keptIn(house), ['long', 'plain']);
    keep(pub, 'long');
    house.advance(MINUTE_MS);
    assert.deepEqual(keptIn(house), ['long']);
    house.advance(MINUTE_MS);
    assert.deepEqual(keptIn(house), []);
  });

  test('it is not told to subscribers, and what waits for one does not end by it', () => {
    const { house, pub } = houseWith({ settings });
    const sub = house.client('sub', { version: 5, properties: { sessionExpiryInterval: 1000, receiveMaximum: 1 } });
    sub.subscribe('plain', { qos: 1 });
    pub.publish('plain', '1', { retain: true, qos: 1 });
    pub.publish('plain', '2', { retain: true, qos: 1 });
    house.advance(2 * MINUTE_MS);
    const [first] = sub.publishes();
    assert.equal(first?.properties.messageExpiryInterval, null);
    sub.ack('puback', first?.packetId ?? 0);
    assert.equal(sub.publishes()[0]?.text, '2');
  });

  test('the broker its own messages stay, since some are published only once', () => {
    const { house } = houseWith({ settings });
    house.broker.operator.publish('$SYS/broker/version', Buffer.from('v'), { qos: 0, retain: true });
    house.advance(10 * MINUTE_MS);
    assert.deepEqual(keptIn(house, '$SYS/#'), ['$SYS/broker/version']);
  });

  test('a reload that turns it on counts for what is published from then on; one that shortens it for all of those', () => {
    const { house, pub } = houseWith();
    keep(pub, 'before');
    house.broker.change({ ...DEFAULT_SETTINGS, retainExpirySeconds: 600 });
    keep(pub, 'after');
    house.broker.change({ ...DEFAULT_SETTINGS, retainExpirySeconds: 60 });
    house.advance(MINUTE_MS);
    assert.deepEqual(keptIn(house), ['before']);
    keep(pub, 'last');
    house.broker.change(DEFAULT_SETTINGS);
    house.advance(MINUTE_MS);
    assert.deepEqual(keptIn(house), ['before', 'last']);
  });
});

describe('expired retained messages', () => {
  for (const settings of [{}, { retainExpirySeconds: 60 }]) {
    test(`leave the counts when nobody asks for them (${Object.keys(settings).join() || 'own expiry'})`, () => {
      const { house, pub } = houseWith({ settings });
      for (let index = 0; index < 3000; index += 1) keep(pub, `t/${index}`, 60);
      house.advance(MINUTE_MS - 1);
      assert.equal(house.broker.sizes().retained, 3000);
      house.advance(2000);
      assert.deepEqual([house.broker.sizes().retained, house.broker.sizes().storedBytes], [0, 0]);
    });
  }

  test('while none can expire, nothing wakes the broker up', () => {
    const { house, pub } = houseWith();
    house.advance(60 * MINUTE_MS);
    const waitingBefore = house.clock.waitingCount;
    keep(pub, 'kept');
    assert.equal(house.clock.waitingCount, waitingBefore);
  });
});
