import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Reason } from '../../../src/protocol/reasons.ts';
import { createHarness } from '../../fixtures/broker-harness.ts';
import { field, frame, rawPublish, rawSubscribe, rawUnsubscribe, u16 } from '../../fixtures/raw-packets.ts';
import { assertEndsClientWith, Witness } from '../../fixtures/reactions.ts';
import { enter, texts } from './clients.ts';

const NONE = Uint8Array.of(0);

/** Topic, filter, and whether they match. */
const MATCHES: readonly (readonly [topic: string, filter: string, isMatch: boolean])[] = [
  ['sport/tennis/player1', 'sport/tennis/player1/#', true],
  ['sport/tennis/player1/ranking', 'sport/tennis/player1/#', true],
  ['sport/tennis/player1/score/final', 'sport/tennis/player1/#', true],
  ['sport/tennis/player10', 'sport/tennis/player1/#', false],
  ['sport', 'sport/#', true],
  ['sports', 'sport/#', false],
  ['sport', 'sport/+', false],
  ['sport/', 'sport/+', true],
  ['sport/tennis', 'sport/+', true],
  ['sport/tennis/player1', 'sport/+', false],
  ['sport/tennis/player1', 'sport/+/player1', true],
  ['sport//player1', 'sport/+/player1', true],
  ['/finance', '+/+', true],
  ['/finance', '/+', true],
  ['/finance', '+', false],
  ['/', '+/+', true],
  ['/', '/', true],
  ['//', '/', false],
  ['//', '+/+/+', true],
  ['a', '#', true],
  ['/', '#', true],
  ['a/b/c/d', '+/+/#', true],
  ['a', '+/#', true],
  ['a', '+/+/#', false],
];

/** [MQTT5-4.7.3-4]: what only looks alike. */
const LOOK_ALIKE: readonly (readonly [one: string, other: string])[] = [
  ['ACCOUNTS', 'Accounts'],
  ['a', '/a'],
  ['a', 'a/'],
  ['a/b', 'a//b'],
  ['a b', 'a  b'],
  ['a', ' a'],
  ['ä', 'a\u0308'],
  ['Å', '\u212b'],
  ['ﬁ', 'fi'],
  ['a/../b', 'b'],
  ['a/./b', 'a/b'],
  ['%61', 'a'],
  ['ß', 'ss'],
  ['İ', 'i'],
];

describe('4.7 topic names and filters', () => {
  for (const [topic, filter, isMatch] of MATCHES) {
    test(`[MQTT5-4.7.1-1] [MQTT5-4.7.1-2] ${topic} ${isMatch ? 'matches' : 'does not match'} ${filter}, live and retained`, () => {
      const house = createHarness();
      const live = enter(house, 'live');
      live.subscribe(filter);
      enter(house, 'pub').publish(topic, 'x', { retain: true });
      const late = enter(house, 'late');
      late.subscribe(filter);
      assert.deepEqual([texts(live).length, texts(late).length], isMatch ? [1, 1] : [0, 0]);
    });
  }

  for (const [one, other] of LOOK_ALIKE) {
    test(`[MQTT5-4.7.3-4] ${JSON.stringify(one)} and ${JSON.stringify(other)} are different topics`, () => {
      const house = createHarness();
      const client = enter(house, 'client');
      client.subscribe(one);
      const pub = enter(house, 'pub');
      pub.publish(other, 'x', { retain: true });
      client.expectNothing();
      pub.publish(one, 'y', { retain: true });
      assert.deepEqual(texts(client), ['y']);
      assert.equal(house.broker.sizes().retained, 2);
      client.unsubscribe(other);
      assert.equal(house.broker.sizes().subscriptions, 1);
    });
  }

  const BAD_FILTERS = ['a#', '#a', 'a/#/b', 'a/b#', '#/', '##', 'a+', '+a', 'a/+b/c', 'a/b+', '++', '$share/g/a#'];
  for (const filter of BAD_FILTERS) {
    const id = filter.includes('#') ? '[MQTT5-4.7.1-1]' : '[MQTT5-4.7.1-2]';
    test(`${id} the filter ${filter} gets DISCONNECT 0x8F and a close, in SUBSCRIBE and UNSUBSCRIBE`, () => {
      const house = createHarness();
      const witness = new Witness(house);
      const subscribe = rawSubscribe([[filter, 0]], { isV5: true });
      assertEndsClientWith({ house, witness }, subscribe, Reason.TopicFilterInvalid);
      assertEndsClientWith({ house, witness }, rawUnsubscribe([filter], { isV5: true }), Reason.TopicFilterInvalid);
      assert.equal(house.broker.sizes().subscriptions, 1);
    });
  }

  test('[MQTT5-4.7.1-1] [MQTT5-4.7.1-2] one bad filter among good ones: nothing of the SUBSCRIBE is applied', () => {
    const house = createHarness();
    const bytes = rawSubscribe(
      [
        ['good', 0],
        ['bad#', 0],
      ],
      { isV5: true },
    );
    assertEndsClientWith({ house, witness: new Witness(house) }, bytes, Reason.TopicFilterInvalid);
    assert.equal(house.broker.sizes().subscriptions, 1);
  });

  for (const topic of ['#', '+', 'a/#', 'a/+/b', 'a+']) {
    test(`[MQTT5-4.7.0-1] the topic name ${topic} gets DISCONNECT 0x90 and a close, also from an alias user`, () => {
      const house = createHarness();
      const witness = new Witness(house);
      const plain = rawPublish(topic, { properties: NONE });
      assertEndsClientWith({ house, witness }, plain, Reason.TopicNameInvalid);
      const aliased = rawPublish(topic, { properties: Uint8Array.of(3, 0x23, 0, 1) });
      assertEndsClientWith({ house, witness }, aliased, Reason.TopicNameInvalid);
    });
  }

  test('[MQTT5-4.7.3-1] an empty filter gets DISCONNECT 0x8F and a close', () => {
    const house = createHarness();
    const witness = new Witness(house);
    assertEndsClientWith({ house, witness }, rawSubscribe([['', 0]], { isV5: true }), Reason.TopicFilterInvalid);
    assertEndsClientWith({ house, witness }, rawUnsubscribe([''], { isV5: true }), Reason.TopicFilterInvalid);
  });

  test('[MQTT5-4.7.3-1] names of one character and of separators alone are taken', () => {
    const house = createHarness();
    const client = enter(house, 'client');
    const topics = ['a', '/', '//', ' ', '$'];
    client.subscribe(topics);
    const pub = enter(house, 'pub');
    for (const topic of topics) pub.publish(topic, topic);
    assert.deepEqual(texts(client), topics);
  });

  test('[MQTT5-4.7.3-2] the null character in a topic name or filter gets DISCONNECT 0x81 and a close', () => {
    const house = createHarness();
    const witness = new Witness(house);
    for (const text of ['a\0', '\0', 'a/\0/b']) {
      assertEndsClientWith({ house, witness }, frame(0x30, field(text), 0), Reason.MalformedPacket);
      assertEndsClientWith({ house, witness }, frame(0x82, u16(1), 0, field(text), 0), Reason.MalformedPacket);
      assertEndsClientWith({ house, witness }, frame(0xa2, u16(1), 0, field(text)), Reason.MalformedPacket);
    }
  });

  test('[MQTT5-4.7.3-3] topics and filters of 65535 bytes work together', () => {
    const house = createHarness();
    const client = enter(house, 'client');
    const topic = `${'ü'.repeat(32_767)}x`;
    assert.equal(Buffer.byteLength(topic), 65_535);
    assert.deepEqual(client.subscribe(topic).reasons, [0]);
    const pub = enter(house, 'pub');
    pub.publish(topic, 'long');
    assert.deepEqual(texts(client), ['long']);
    assert.deepEqual(client.unsubscribe(topic).reasons, [0]);
  });

  test('[MQTT5-4.7.2-1] T08: filters that begin with a wildcard do not see topics with a dollar sign, live or retained', () => {
    const house = createHarness();
    const client = enter(house, 'client');
    client.subscribe(['#', '+/state', '+/#', '+', '$share/g/#', '$share/g/+/state']);
    const pub = enter(house, 'pub');
    for (const topic of ['$app', '$app/state', '$', '$/state', '$SYS/broker/connection/b/state']) {
      pub.publish(topic, topic, { retain: true });
    }
    client.expectNothing();
    const late = enter(house, 'late');
    late.subscribe(['#', '+/state', '+/#', '+']);
    late.expectNothing();
  });

  test('[MQTT5-4.7.2-1] T08: filters that name the first level see them, also with wildcards behind it', () => {
    const house = createHarness();
    const client = enter(house, 'client');
    client.subscribe(['$app/#', '$app/+', '$app/state', '$share/g/$app/#', '$app/+/#']);
    enter(house, 'pub').publish('$app/state', 'x');
    assert.equal(client.publishes().length, 5);
  });

  test('[MQTT5-4.7.2-1] a dollar sign further behind is nothing special', () => {
    const house = createHarness();
    const client = enter(house, 'client');
    client.subscribe(['#', '+/+', 'a/#']);
    enter(house, 'pub').publish('a/$b', 'x');
    assert.equal(client.publishes().length, 3);
  });

  test('T08: topics that belong to the broker are not published to by clients, whatever the QoS', () => {
    const house = createHarness();
    const client = enter(house, 'client');
    client.subscribe(['$SYS/#', '$CONTROL/#', '$share/g/#']);
    for (const topic of ['$SYS', '$SYS/broker/version', '$CONTROL/x/v1', '$CONTROL', '$share/g/a', '$share']) {
      client.publish(topic, 'x', { retain: true });
      client.publish(topic, 'x', { qos: 1, packetId: 1, retain: true });
      assert.equal(client.expect('puback').reason, Reason.NotAuthorized, topic);
      client.publish(topic, 'x', { qos: 2, packetId: 1 });
      assert.equal(client.expect('pubrec').reason, Reason.NotAuthorized, topic);
    }
    client.expectNothing();
    assert.equal(house.broker.sizes().retained, 0);
  });

  test('names that differ from those of the broker in a letter are ordinary', () => {
    const house = createHarness();
    const client = enter(house, 'client');
    const topics = ['$SYSTEM/x', '$sys/x', '$controls', '$shared/x', '$CONTROLS/x'];
    for (const topic of topics) client.subscribe(topic);
    for (const topic of topics) client.publish(topic, topic);
    assert.deepEqual(texts(client), topics);
  });
});
