/** Maximum Packet Size and Request Problem Information of a client: what it is sent keeps to them. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Reason } from '../../../src/protocol/reasons.ts';
import { createHarness, type Harness, type Peer, type Seen } from '../../fixtures/broker-harness.ts';
import { frame, rawUnsubscribe, u16 } from '../../fixtures/raw-packets.ts';
import { comeBack, enter, enterDurable, numbers, takeAll, texts } from './clients.ts';

/** A PUBLISH to `t` with QoS 1 and no properties has this many bytes beside its payload. */
const OVERHEAD = 8;

function couple(
  maximumPacketSize: number,
  topicAliasMaximum = 0,
): { readonly house: Harness; readonly sub: Peer; readonly pub: Peer } {
  const house = createHarness();
  const sub = enterDurable(house, 'sub', { properties: { maximumPacketSize, topicAliasMaximum } });
  sub.subscribe('t', { qos: 1 });
  return { house, sub, pub: enter(house, 'pub') };
}

describe('3.1.2.11.4 Maximum Packet Size of a client', () => {
  for (const qos of [0, 1, 2] as const) {
    test(`[MQTT5-3.1.2-24] [MQTT5-3.1.2-25] a message too large for one client is left out for it alone, one that just fits is sent: QoS ${qos}`, () => {
      const house = createHarness();
      const small = enter(house, 'small', { properties: { maximumPacketSize: 100 } });
      small.subscribe('t', { qos });
      const large = enter(house, 'large');
      large.subscribe('t', { qos });
      const pub = enter(house, 'pub');
      const overhead = qos === 0 ? OVERHEAD - 2 : OVERHEAD;
      for (const size of [100 - overhead, 101 - overhead, 5_000, 10]) pub.publish('t', 'x'.repeat(size), { qos });
      assert.deepEqual(
        small.publishes().map(({ text }) => text.length),
        [100 - overhead, 10],
      );
      assert.equal(large.publishes().length, 4);
      assert.equal(small.isClosed, false);
      assert.equal(house.broker.counters.publishesDropped, 2);
      assert.ok(small.frameBytes.every((bytes) => bytes <= 100));
    });
  }

  test('[MQTT5-3.1.2-24] every property of the message counts: expiry, user properties, subscription identifiers', () => {
    const house = createHarness();
    const sub = enter(house, 'sub', { properties: { maximumPacketSize: 60 } });
    sub.subscribe('t', { identifier: 268_435_455 });
    const pub = enter(house, 'pub');
    const userProperties = [{ name: 'n', value: 'v' }];
    for (let size = 20; size < 60; size += 1) {
      pub.publish('t', 'x'.repeat(size), { properties: { messageExpiryInterval: 60, userProperties } });
    }
    const seen = sub.publishes();
    assert.equal(Math.max(...sub.frameBytes), 60, 'the largest that fits should have come');
    assert.equal(seen.length, (seen.at(-1)?.text.length ?? 0) - 19, 'every one that fits should have come');
  });

  test('[MQTT5-3.1.2-25] what is left out takes no place in the window, also out of the queue', () => {
    const { house, sub, pub } = couple(50);
    sub.cut();
    for (const text of numbers(40)) pub.publish('t', Number(text) % 2 === 0 ? 'x'.repeat(100) : text, { qos: 1 });
    const back = comeBack(house, 'sub', { properties: { maximumPacketSize: 50, receiveMaximum: 2 } });
    assert.deepEqual(
      takeAll(back).map(({ text }) => text),
      numbers(40).filter((text) => Number(text) % 2 === 1),
    );
    back.cut();
    comeBack(house, 'sub').expectNothing();
  });

  test('[MQTT5-3.1.2-24] [MQTT5-3.1.2-25] what was sent to a connection that took more is not sent again to one that takes less', () => {
    const { house, sub, pub } = couple(5_000);
    pub.publish('t', 'x'.repeat(1_000), { qos: 1 });
    pub.publish('t', 'small', { qos: 1 });
    assert.equal(sub.publishes().length, 2);
    sub.cut();
    const back = comeBack(house, 'sub', { properties: { maximumPacketSize: 100, receiveMaximum: 1 } });
    const seen = back.expect('publish');
    assert.deepEqual([seen.text, seen.dup], ['small', true]);
    back.ack('puback', seen.packetId);
    pub.publish('t', 'next', { qos: 1 });
    assert.deepEqual(texts(back), ['next']);
  });

  test('[MQTT5-3.1.2-24] an alias that would make the packet too large is not given out', () => {
    const { sub, pub } = couple(40, 10);
    const topic = 't';
    pub.publish(topic, 'x'.repeat(40 - OVERHEAD), { qos: 1 });
    const first = sub.expect('publish');
    assert.deepEqual([first.topic, first.topicAlias], [topic, 0]);
    pub.publish(topic, 'x'.repeat(40 - OVERHEAD - 3), { qos: 1 });
    const second = sub.expect('publish');
    assert.deepEqual([second.topic, second.topicAlias], [topic, 1]);
    pub.publish(topic, 'x', { qos: 1 });
    assert.deepEqual([sub.expect('publish').topic], ['']);
    assert.ok(sub.frameBytes.every((bytes) => bytes <= 40));
  });

  test('[MQTT5-3.1.2-24] retained messages and wills keep to it too', () => {
    const house = createHarness();
    const pub = enter(house, 'pub');
    for (const text of numbers(10)) pub.publish(`r/${text}`, 'x'.repeat(10 * Number(text)), { retain: true, qos: 1 });
    const sub = enter(house, 'sub', { properties: { maximumPacketSize: 60 } });
    sub.subscribe(['r/+', 'w'], { qos: 1 });
    enter(house, 'dying', { will: { topic: 'w', payload: 'x'.repeat(100) } }).cut();
    enter(house, 'dying', { will: { topic: 'w', payload: 'gone' } }).cut();
    const seen = takeAll(sub);
    assert.deepEqual(
      seen.map(({ text }) => text.length).toSorted((a, b) => a - b),
      [4, 10, 20, 30, 40, 50],
    );
    assert.ok(sub.frameBytes.every((bytes) => bytes <= 60));
  });

  test('a 3.1.1 client gets messages of any size', () => {
    const house = createHarness();
    const sub = house.client('sub', { version: 4 });
    sub.subscribe('t');
    enter(house, 'pub').publish('t', 'x'.repeat(1_000_000));
    assert.equal(sub.expect('publish').text.length, 1_000_000);
  });
});

/** Lets a client with these limits be sent every kind of packet, those with a reason to say something included. */
function everyPacket(properties: Parameters<typeof enter>[2]): readonly Seen[] {
  const house = createHarness({ settings: { subscriptionsPerSessionMax: 2 } });
  const client = enterDurable(house, 'client', properties);
  const pub = enter(house, 'pub');
  client.sendSubscribe(['t', 'u', 'v'], { qos: 2 });
  client.publish('nobody', '', { qos: 1, packetId: 1 });
  client.publish('$SYS/x', '', { qos: 1, packetId: 2 });
  client.publish('$SYS/x', '', { qos: 2, packetId: 3 });
  client.ack('pubrel', 4);
  client.ack('pubrec', 5);
  pub.publish('t', 'x', { qos: 2 });
  client.ping();
  client.send(rawUnsubscribe(['t', 'none'], { isV5: true, packetId: 6 }));
  client.send(frame(0x82, u16(7), 0));
  const seen = client.all();
  const limit = properties?.properties?.maximumPacketSize ?? Number.POSITIVE_INFINITY;
  assert.ok(client.frameBytes.every((bytes) => bytes <= limit));
  return seen;
}

const EVERYTHING = [
  'suback',
  'puback',
  'puback',
  'pubrec',
  'pubcomp',
  'pubrel',
  'publish',
  'pingresp',
  'unsuback',
  'disconnect',
];

describe('reason strings and user properties of the server', () => {
  test('[MQTT5-3.4.2-2] [MQTT5-3.4.2-3] [MQTT5-3.5.2-2] [MQTT5-3.5.2-3] [MQTT5-3.6.2-2] [MQTT5-3.6.2-3] [MQTT5-3.7.2-2] [MQTT5-3.7.2-3] [MQTT5-3.9.2-1] [MQTT5-3.9.2-2] [MQTT5-3.11.2-1] [MQTT5-3.11.2-2] [MQTT5-3.14.2-3] [MQTT5-3.14.2-4] every packet still comes, within the limit, to a client that takes hardly anything', () => {
    const seen = everyPacket({ properties: { maximumPacketSize: 20 } });
    assert.deepEqual(
      seen.map(({ type }) => type),
      EVERYTHING,
    );
    assert.deepEqual(
      seen.flatMap((packet) => ('reason' in packet ? [packet.reason] : [])),
      [0x10, 0x87, 0x87, 0x92, 0x92, Reason.ProtocolError],
    );
  });

  test('[MQTT5-3.2.2-19] [MQTT5-3.2.2-20] CONNACK has neither, so that it is as small as it can be', () => {
    const connack = createHarness().peer().connect({ version: 5, clientId: 'a' });
    assert.deepEqual([connack.properties.reasonString, connack.properties.userProperties], [null, null]);
  });

  for (const requestProblemInformation of [0, 1, null] as const) {
    test(`[MQTT5-3.1.2-29] Request Problem Information ${requestProblemInformation}: reason strings and user properties stand in no packet where they must not`, () => {
      const seen = everyPacket({ properties: { requestProblemInformation } });
      assert.deepEqual(
        seen.map(({ type }) => type),
        EVERYTHING,
      );
      for (const packet of seen) {
        if (!('properties' in packet) || packet.type === 'publish') continue;
        if (requestProblemInformation === 0 && packet.type !== 'disconnect') {
          assert.deepEqual([packet.properties.reasonString, packet.properties.userProperties], [null, null]);
        }
      }
    });
  }

  test('[MQTT5-3.1.2-29] user properties of a message come through, wanted or not', () => {
    const house = createHarness();
    const sub = enter(house, 'sub', { properties: { requestProblemInformation: 0 } });
    sub.subscribe('t');
    const userProperties = [{ name: 'n', value: 'v' }];
    enter(house, 'pub').publish('t', 'x', { properties: { userProperties } });
    assert.deepEqual(sub.expect('publish').properties.userProperties, userProperties);
  });
});
