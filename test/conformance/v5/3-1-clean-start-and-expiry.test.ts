import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createHarness, type Harness, type Peer } from '../../fixtures/broker-harness.ts';
import { comeBack, EXPIRY_SECONDS, enter, enterDurable, hasSession, texts } from './clients.ts';

const FOR_EVER = 0xffff_ffff;
const NEVER_LIKELY_MS = 40 * 365 * 24 * 3600 * 1000;

/** A durable session `away` with a subscription, a message in flight, one queued, and a QoS 2 message taken in. */
function leaveBehind(house: Harness): Peer {
  const away = enterDurable(house, 'away', { properties: { receiveMaximum: 1 } });
  away.subscribe('a', { qos: 1 });
  const pub = enter(house, 'pub');
  pub.publish('a', 'in flight', { qos: 1 });
  pub.publish('a', 'queued', { qos: 1 });
  away.publish('elsewhere', 'half', { qos: 2, packetId: 9 });
  away.cut();
  return pub;
}

describe('3.1.2 Clean Start and Session Expiry Interval', () => {
  test('[MQTT5-3.1.2-4] [MQTT5-3.1.4-4] Clean Start leaves nothing of an earlier session', () => {
    const house = createHarness();
    const pub = leaveBehind(house);
    const back = house.peer();
    const properties = { sessionExpiryInterval: EXPIRY_SECONDS };
    assert.equal(back.connect({ version: 5, clientId: 'away', cleanStart: true, properties }).sessionPresent, false);
    back.expectNothing();
    pub.publish('a', 'nobody subscribed', { qos: 1 });
    back.expectNothing();
    // The identifier of the half-finished QoS 2 message is free.
    back.ack('pubrel', 9);
    assert.equal(back.expect('pubcomp').reason, 0x92);
    back.cut();
    assert.equal(hasSession(house, 'away'), true, 'the new session should be kept in its turn');
  });

  test('[MQTT5-3.1.2-5] without Clean Start a kept session goes on with all its state', () => {
    const house = createHarness();
    const pub = leaveBehind(house);
    const back = comeBack(house, 'away');
    assert.deepEqual(texts(back), ['in flight', 'queued']);
    pub.publish('a', 'still subscribed');
    assert.deepEqual(texts(back), ['still subscribed']);
    back.publish('elsewhere', 'half', { qos: 2, packetId: 9, dup: true });
    assert.equal(back.expect('pubrec').packetId, 9);
    back.ack('pubrel', 9);
    assert.equal(back.expect('pubcomp').reason, 0);
  });

  test('[MQTT5-3.1.2-6] without Clean Start and without a kept session a fresh one begins', () => {
    const house = createHarness();
    const peer = house.peer();
    const properties = { sessionExpiryInterval: EXPIRY_SECONDS };
    const connack = peer.connect({ version: 5, clientId: 'new', cleanStart: false, properties });
    assert.equal(connack.reason, 0);
    assert.equal(connack.sessionPresent, false);
    peer.subscribe('a', { qos: 1 });
    peer.cut();
    enter(house, 'pub').publish('a', 'kept', { qos: 1 });
    assert.deepEqual(texts(comeBack(house, 'new')), ['kept']);
  });

  test('[MQTT5-3.1.2-23] a session with an expiry above zero outlives its connection, one without does not', () => {
    const house = createHarness();
    for (const [clientId, sessionExpiryInterval] of [
      ['none', null],
      ['zero', 0],
      ['one', 1],
      ['ever', FOR_EVER],
    ] as const) {
      enter(house, clientId, { properties: { sessionExpiryInterval } }).cut();
    }
    assert.equal(house.broker.sizes().sessions, 2);
    assert.deepEqual(
      ['none', 'zero', 'one', 'ever'].map((clientId) => hasSession(house, clientId)),
      [false, false, true, true],
    );
  });

  test('[MQTT5-3.1.2-23] the expiry counts from the end of the connection, not from its beginning', () => {
    const house = createHarness();
    const client = enter(house, 'client', { properties: { sessionExpiryInterval: 10 } });
    house.advance(60_000);
    client.disconnect();
    house.advance(9_999);
    assert.equal(house.broker.sizes().sessions, 1);
    house.advance(1);
    assert.equal(house.broker.sizes().sessions, 0);
  });

  test('[MQTT5-4.1.0-1] a session is not dropped under an open connection, however long it lasts', () => {
    const house = createHarness();
    const durable = enter(house, 'durable', { properties: { sessionExpiryInterval: 1 } });
    durable.subscribe('a', { qos: 1 });
    const fleeting = enter(house, 'fleeting');
    fleeting.subscribe('a', { qos: 1 });
    house.advance(NEVER_LIKELY_MS);
    enter(house, 'pub').publish('a', 'x', { qos: 1 });
    assert.deepEqual(texts(durable), ['x']);
    assert.deepEqual(texts(fleeting), ['x']);
  });

  test('[MQTT5-4.1.0-2] a session is dropped with its subscriptions and its queue once its time is over', () => {
    const house = createHarness();
    const client = enter(house, 'client', { properties: { sessionExpiryInterval: 30 } });
    client.subscribe('a', { qos: 1 });
    client.cut();
    const pub = enter(house, 'pub');
    pub.publish('a', 'queued', { qos: 1 });
    assert.equal(pub.expect('puback').reason, 0);
    house.advance(29_999);
    assert.deepEqual(house.broker.sizes().subscriptions, 1);
    house.advance(1);
    assert.deepEqual(house.broker.sizes().subscriptions, 0);
    pub.publish('a', 'nobody', { qos: 1 });
    assert.equal(pub.expect('puback').reason, 0x10);
    assert.equal(hasSession(house, 'client'), false);
  });

  test('[MQTT5-4.1.0-2] with the longest expiry a session never ends', () => {
    const house = createHarness();
    enter(house, 'client', { properties: { sessionExpiryInterval: FOR_EVER } }).cut();
    house.advance(200 * NEVER_LIKELY_MS);
    assert.equal(house.broker.sizes().sessions, 1);
  });

  test('[MQTT5-4.1.0-2] one second less than the longest is a time like any other', () => {
    const house = createHarness();
    enter(house, 'client', { properties: { sessionExpiryInterval: FOR_EVER - 1 } }).cut();
    house.advance((FOR_EVER - 1) * 1000 - 1);
    assert.equal(house.broker.sizes().sessions, 1);
    house.advance(1);
    assert.equal(house.broker.sizes().sessions, 0);
  });

  test('a client that returns stops the clock; its new expiry counts when it leaves again', () => {
    const house = createHarness();
    enter(house, 'client', { properties: { sessionExpiryInterval: 10 } }).cut();
    house.advance(9_000);
    const back = comeBack(house, 'client', { properties: { sessionExpiryInterval: 20 } });
    house.advance(60_000);
    back.cut();
    house.advance(19_999);
    assert.equal(house.broker.sizes().sessions, 1);
    house.advance(1);
    assert.equal(house.broker.sizes().sessions, 0);
  });

  test('a client that returns without an expiry takes its session with it when it leaves', () => {
    const house = createHarness();
    enterDurable(house, 'client').cut();
    const back = house.peer();
    assert.equal(back.connect({ version: 5, clientId: 'client', cleanStart: false }).sessionPresent, true);
    back.cut();
    assert.equal(house.broker.sizes().sessions, 0);
  });

  test('a jump of the wall clock ends no session early', () => {
    const house = createHarness();
    enter(house, 'client', { properties: { sessionExpiryInterval: 10 } }).cut();
    house.clock.jumpWall(NEVER_LIKELY_MS);
    house.advance(9_000);
    assert.equal(house.broker.sizes().sessions, 1);
  });

  test('a bound on the expiry is told in CONNACK and kept', () => {
    const house = createHarness({ settings: { persistentClientExpirationSeconds: 60 } });
    const cases = [
      [0, null],
      [60, null],
      [61, 60],
      [FOR_EVER, 60],
    ] as const;
    for (const [asked, told] of cases) {
      const connack = house
        .peer()
        .connect({ version: 5, clientId: `c${asked}`, properties: { sessionExpiryInterval: asked } });
      assert.equal(connack.properties.sessionExpiryInterval, told, String(asked));
    }
    const client = enter(house, 'client', { properties: { sessionExpiryInterval: FOR_EVER } });
    client.cut();
    house.advance(59_999);
    assert.equal(hasSession(house, 'client'), true);
    house.advance(60_000);
    assert.equal(hasSession(house, 'client'), false);
  });
});
