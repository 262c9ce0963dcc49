import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Reason } from '../../../src/protocol/reasons.ts';
import { createHarness } from '../../fixtures/broker-harness.ts';
import { field, frame, joined, rawUnsubscribe, u16 } from '../../fixtures/raw-packets.ts';
import { assertEndsClientWith, Witness } from '../../fixtures/reactions.ts';
import { SlowJournal } from '../../fixtures/slow-journal.ts';
import { comeBack, enter, enterDurable, numbers, takeAll, texts } from './clients.ts';

describe('3.10 UNSUBSCRIBE', () => {
  const BAD = [
    { name: '[MQTT5-3.10.3-2] no filter at all', bytes: frame(0xa2, u16(1), 0), reason: Reason.ProtocolError },
    { name: 'a filter cut off', bytes: frame(0xa2, u16(1), 0, u16(5), 'a'), reason: Reason.MalformedPacket },
    { name: 'no property length', bytes: frame(0xa2, u16(1)), reason: Reason.MalformedPacket },
    {
      name: 'a subscription identifier',
      bytes: frame(0xa2, u16(1), 2, 0x0b, 1, field('a')),
      reason: Reason.MalformedPacket,
    },
    {
      name: 'a misplaced wildcard',
      bytes: rawUnsubscribe(['a/#/b'], { isV5: true }),
      reason: Reason.TopicFilterInvalid,
    },
  ];
  for (const { name, bytes, reason } of BAD) {
    test(`${name}: DISCONNECT 0x${reason.toString(16)} and a close`, () => {
      const house = createHarness();
      assertEndsClientWith({ house, witness: new Witness(house) }, bytes, reason);
    });
  }

  test('[MQTT5-3.10.4-1] only the filter with the very same characters is removed', () => {
    const house = createHarness();
    const client = enter(house, 'client');
    client.subscribe(['a/b', 'a/+', '#', '$share/g/a/b']);
    const { reasons } = client.unsubscribe(['a/B', 'a/b/', 'a', '+/b', '+/+', 'a/#', '$share/h/a/b', '$share/g/a']);
    assert.deepEqual(reasons, Array(8).fill(Reason.NoSubscriptionExisted));
    assert.equal(house.broker.sizes().subscriptions, 4);
    assert.deepEqual(client.unsubscribe(['a/+', '$share/g/a/b']).reasons, [0, 0]);
    enter(house, 'pub').publish('a/b', 'x');
    assert.equal(client.publishes().length, 2, 'those of a/b and # are left');
  });

  test('[MQTT5-3.10.4-2] after UNSUBSCRIBE no further message comes, nor waits', () => {
    const house = createHarness();
    const client = enterDurable(house, 'client', { properties: { receiveMaximum: 1 } });
    client.subscribe('a', { qos: 1 });
    const pub = enter(house, 'pub');
    pub.publish('a', 'before', { qos: 1 });
    const before = client.expect('publish');
    client.unsubscribe('a');
    pub.publish('a', 'after', { qos: 1 });
    client.ack('puback', before.packetId);
    client.expectNothing();
    client.cut();
    pub.publish('a', 'later', { qos: 1 });
    comeBack(house, 'client').expectNothing();
  });

  test('[MQTT5-3.10.4-3] deliveries of QoS 1 and 2 that have begun are finished after UNSUBSCRIBE', () => {
    const house = createHarness();
    const client = enterDurable(house, 'client');
    client.subscribe('a', { qos: 2 });
    const pub = enter(house, 'pub');
    pub.publish('a', '1', { qos: 1 });
    pub.publish('a', '2', { qos: 2 });
    const [one, two] = client.publishes();
    client.unsubscribe('a');
    client.cut();
    const back = comeBack(house, 'client');
    assert.deepEqual(texts(back), ['1', '2']);
    back.ack('puback', one?.packetId ?? 0);
    back.ack('pubrec', two?.packetId ?? 0);
    assert.equal(back.expect('pubrel').packetId, two?.packetId);
    back.ack('pubcomp', two?.packetId ?? 0);
    back.cut();
    comeBack(house, 'client').expectNothing();
  });

  test('what waits in the queue when its subscription goes is still delivered', () => {
    const house = createHarness();
    const client = enter(house, 'client', { properties: { receiveMaximum: 1 } });
    client.subscribe('a', { qos: 1 });
    const pub = enter(house, 'pub');
    for (const text of numbers(3)) pub.publish('a', text, { qos: 1 });
    const first = client.expect('publish');
    client.unsubscribe('a');
    client.ack('puback', first.packetId);
    assert.deepEqual(
      takeAll(client).map(({ text }) => text),
      ['1', '2'],
    );
  });

  test('[MQTT5-3.10.4-4] [MQTT5-3.10.4-5] every UNSUBSCRIBE gets an UNSUBACK with its identifier, removed or not', () => {
    const client = enter(createHarness(), 'client');
    client.subscribe('a');
    client.send(joined(...[300, 1, 65_535].map((packetId) => rawUnsubscribe(['a'], { isV5: true, packetId }))));
    assert.deepEqual(
      client.all().map((packet) => packet.type === 'unsuback' && [packet.packetId, ...packet.reasons]),
      [
        [300, 0x00],
        [1, 0x11],
        [65_535, 0x11],
      ],
    );
  });

  test('[MQTT5-3.10.4-6] [MQTT5-3.11.3-1] [MQTT5-3.11.3-2] many filters act as one after the other, with a listed code for each, in order', () => {
    const house = createHarness();
    const client = enter(house, 'client');
    client.subscribe(['a', 'b', 'c']);
    const { reasons } = client.unsubscribe(['b', 'x', 'a', 'b']);
    assert.deepEqual(reasons, [0x00, 0x11, 0x00, 0x11]);
    client.expectNothing();
    assert.equal(house.broker.sizes().subscriptions, 1);
  });

  test('a client removes only its own subscription', () => {
    const house = createHarness();
    const [one, two] = ['one', 'two'].map((clientId) => {
      const client = enter(house, clientId);
      client.subscribe(['a', '$share/g/b']);
      return client;
    });
    assert.ok(one !== undefined && two !== undefined);
    one.unsubscribe(['a', '$share/g/b']);
    const pub = enter(house, 'pub');
    pub.publish('a', '1');
    pub.publish('b', '2');
    one.expectNothing();
    assert.deepEqual(texts(two), ['1', '2']);
  });

  test('[MQTT5-3.10.4-4] the UNSUBACK of a durable session waits until the change is durable', async () => {
    const journal = new SlowJournal();
    const house = createHarness({ journal });
    const client = house.peer();
    client.sendConnect({ version: 5, clientId: 'client', properties: { sessionExpiryInterval: 60 } });
    journal.commit();
    await house.settleLater();
    client.expect('connack');
    client.sendSubscribe('a');
    journal.commit();
    client.expect('suback');
    client.send(rawUnsubscribe(['a'], { isV5: true }));
    client.expectNothing();
    enter(house, 'pub').publish('a', 'x');
    client.expectNothing();
    journal.commit();
    assert.deepEqual(client.expect('unsuback').reasons, [0]);
    assert.equal(journal.image().clients.get('client')?.filters.size, 0);
  });

  test('[MQTT5-3.11.2-1] [MQTT5-3.11.2-2] [MQTT5-3.1.2-24] an UNSUBACK that a client cannot take is not sent: 0x95 and a close', () => {
    const house = createHarness();
    const client = enterDurable(house, 'client', { properties: { maximumPacketSize: 24 } });
    client.subscribe('0');
    client.unsubscribe(numbers(19).slice(1));
    client.unsubscribe(numbers(20).slice(1));
    assert.equal(client.frameBytes.at(-1), 24);
    client.send(rawUnsubscribe(numbers(20), { isV5: true }));
    assert.equal(client.expect('disconnect').reason, Reason.PacketTooLarge);
    assert.equal(house.broker.sizes().subscriptions, 1);
  });
});
