import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createHarness, type Harness, type Peer, type SeenPublish } from '../../fixtures/broker-harness.ts';
import { comeBack, enter, enterDurable, texts } from './clients.ts';

const SECOND = 1_000;

function expiring(messageExpiryInterval: number | null): { readonly messageExpiryInterval: number | null } {
  return { messageExpiryInterval };
}

function intervals(seen: readonly SeenPublish[]): readonly (number | null)[] {
  return seen.map(({ properties }) => properties.messageExpiryInterval);
}

/** A subscriber of `t` with QoS 2 that is away, and a publisher. */
function withAbsent(): { readonly house: Harness; readonly pub: Peer } {
  const house = createHarness();
  const sub = enterDurable(house, 'sub');
  sub.subscribe('t', { qos: 2 });
  sub.cut();
  return { house, pub: enter(house, 'pub') };
}

describe('3.3.2.3.3 message expiry', () => {
  test('[MQTT5-3.3.2-6] a message that did not wait has the expiry that it was sent with', () => {
    const house = createHarness();
    const sub = enter(house, 'sub');
    sub.subscribe('t');
    const pub = enter(house, 'pub');
    for (const interval of [null, 1, 60, 0xffff_ffff]) pub.publish('t', 'x', { properties: expiring(interval) });
    assert.deepEqual(intervals(sub.publishes()), [null, 1, 60, 0xffff_ffff]);
  });

  test('[MQTT5-3.3.2-6] a message that waited in the queue has what is left', () => {
    const { house, pub } = withAbsent();
    pub.publish('t', '1', { qos: 1, properties: expiring(100) });
    house.advance(30 * SECOND);
    pub.publish('t', '2', { qos: 2, properties: expiring(100) });
    house.advance(12 * SECOND);
    pub.publish('t', '3', { qos: 1 });
    assert.deepEqual(intervals(comeBack(house, 'sub').publishes()), [58, 88, null]);
  });

  test('[MQTT5-3.3.2-5] a waiting copy whose time is over is dropped and counted, the others come', () => {
    const { house, pub } = withAbsent();
    for (const [text, interval] of [
      ['short', 10],
      ['long', 11],
      ['ever', null],
      ['shorter', 9],
    ] as const) {
      pub.publish('t', text, { qos: 1, properties: expiring(interval) });
    }
    house.advance(10 * SECOND);
    assert.deepEqual(texts(comeBack(house, 'sub')), ['long', 'ever']);
    assert.equal(house.broker.counters.messagesExpired, 2);
  });

  test('[MQTT5-3.3.2-5] the copy is dropped for each subscriber by itself', () => {
    const { house, pub } = withAbsent();
    const here = enter(house, 'here');
    here.subscribe('t', { qos: 1 });
    pub.publish('t', 'x', { qos: 1, properties: expiring(5) });
    assert.deepEqual(texts(here), ['x']);
    house.advance(5 * SECOND);
    assert.deepEqual(texts(comeBack(house, 'sub')), []);
  });

  test('[MQTT5-3.3.2-5] a message that waits for room in the window of a client expires too', () => {
    const house = createHarness();
    const sub = enter(house, 'sub', { properties: { receiveMaximum: 1 } });
    sub.subscribe('t', { qos: 1 });
    const pub = enter(house, 'pub');
    pub.publish('t', 'first', { qos: 1, properties: expiring(5) });
    pub.publish('t', 'waits too long', { qos: 1, properties: expiring(5) });
    pub.publish('t', 'waits', { qos: 1, properties: expiring(6) });
    const first = sub.expect('publish');
    house.advance(5 * SECOND);
    sub.ack('puback', first.packetId);
    const next = sub.expect('publish');
    assert.deepEqual([next.text, next.properties.messageExpiryInterval], ['waits', 1]);
  });

  test('an expiry of 0 is over at once: it is delivered to nobody', () => {
    const house = createHarness();
    const sub = enter(house, 'sub');
    sub.subscribe('t', { qos: 1 });
    const pub = enter(house, 'pub');
    pub.publish('t', 'x', { qos: 1, properties: expiring(0) });
    assert.equal(pub.expect('puback').reason, 0);
    sub.expectNothing();
  });

  test('[MQTT5-3.3.2-6] a retained message is handed out with what is left, and not after its time', () => {
    const house = createHarness();
    enter(house, 'pub').publish('t', 'x', { retain: true, properties: expiring(60) });
    const left = (): readonly (number | null)[] => {
      const sub = enter(house, 'sub');
      sub.subscribe('t');
      return intervals(sub.publishes());
    };
    assert.deepEqual(left(), [60]);
    house.advance(20 * SECOND);
    assert.deepEqual(left(), [40]);
    house.advance(39_999);
    assert.deepEqual(left(), [1]);
    house.advance(1);
    assert.deepEqual(left(), []);
    assert.equal(house.broker.sizes().retained, 0, 'it should be gone once it was found to be expired');
  });

  test('a retained message without an expiry takes the place of one with, and lives for ever', () => {
    const house = createHarness();
    const pub = enter(house, 'pub');
    pub.publish('t', 'short', { retain: true, properties: expiring(5) });
    pub.publish('t', 'ever', { retain: true });
    house.advance(3_600 * SECOND);
    const sub = enter(house, 'sub');
    sub.subscribe('t');
    assert.deepEqual(texts(sub), ['ever']);
  });

  for (const qos of [1, 2] as const) {
    test(`[MQTT5-4.3.3-7] a message whose delivery has begun does not expire: QoS ${qos}`, () => {
      const house = createHarness();
      const sub = enterDurable(house, 'sub');
      sub.subscribe('t', { qos });
      enter(house, 'pub').publish('t', 'begun', { qos, properties: expiring(5) });
      const { packetId } = sub.expect('publish');
      sub.cut();
      house.advance(60 * SECOND);
      const again = comeBack(house, 'sub').expect('publish');
      assert.deepEqual([again.text, again.dup, again.packetId], ['begun', true, packetId]);
      assert.equal(again.properties.messageExpiryInterval, 0);
    });
  }

  test('[MQTT5-4.3.3-13] an expired message still finishes its QoS 2 exchange', () => {
    const house = createHarness();
    const sub = enterDurable(house, 'sub', { properties: { receiveMaximum: 1 } });
    sub.subscribe('t', { qos: 2 });
    const pub = enter(house, 'pub');
    pub.publish('t', '1', { qos: 2, packetId: 3, properties: expiring(5) });
    pub.expect('pubrec');
    const { packetId } = sub.expect('publish');
    house.advance(60 * SECOND);
    pub.ack('pubrel', 3);
    assert.deepEqual(pub.expect('pubcomp').reason, 0);
    sub.ack('pubrec', packetId);
    assert.equal(sub.expect('pubrel').packetId, packetId);
    house.advance(60 * SECOND);
    sub.cut();
    const back = comeBack(house, 'sub');
    assert.equal(back.expect('pubrel').packetId, packetId);
    back.ack('pubcomp', packetId);
    pub.publish('t', '2', { qos: 2 });
    assert.equal(back.expect('publish').text, '2');
  });

  test('a jump of the wall clock expires nothing', () => {
    const { house, pub } = withAbsent();
    pub.publish('t', 'x', { qos: 1, properties: expiring(10) });
    house.clock.jumpWall(3_600 * SECOND);
    assert.deepEqual(intervals(comeBack(house, 'sub').publishes()), [10]);
  });
});
