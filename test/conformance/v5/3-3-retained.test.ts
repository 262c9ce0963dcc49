import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createHarness, type Harness, type Peer, type SeenPublish } from '../../fixtures/broker-harness.ts';
import { enter, enterDurable, texts } from './clients.ts';

/** What a client that comes now finds retained for `filter`, as `topic=payload`, sorted. */
function retained(house: Harness, filter = '#'): readonly string[] {
  const reader = enter(house, 'reader');
  reader.subscribe(filter);
  const seen = reader.publishes();
  assert.ok(seen.every(({ retain }) => retain));
  reader.disconnect();
  return seen.map(({ topic, text }) => `${topic}=${text}`).sort();
}

/** The payload and the RETAIN flag of each. */
function flags(seen: readonly SeenPublish[]): readonly (readonly [string, boolean])[] {
  return seen.map(({ text, retain }) => [text, retain]);
}

describe('3.3.1 RETAIN', () => {
  test('[MQTT5-3.3.1-5] a retained PUBLISH takes the place of the one before it, for its topic alone', () => {
    const house = createHarness();
    const pub = enter(house, 'pub');
    pub.publish('a', '1', { retain: true });
    pub.publish('a/b', '2', { retain: true });
    pub.publish('a', '3', { retain: true, qos: 1 });
    pub.publish('a/b/c', '4', { retain: true, qos: 2 });
    assert.deepEqual(retained(house), ['a/b/c=4', 'a/b=2', 'a=3']);
    assert.equal(house.broker.sizes().retained, 3);
  });

  test('[MQTT5-3.3.1-5] what is retained has the QoS and the properties of its PUBLISH, not those of the one before', () => {
    const house = createHarness();
    const pub = enter(house, 'pub');
    pub.publish('a', '1', { retain: true, qos: 2, properties: { contentType: 'one' } });
    pub.publish('a', '2', { retain: true, qos: 1, properties: { responseTopic: 'two' } });
    const sub = enter(house, 'sub');
    sub.subscribe('a', { qos: 2 });
    const seen = sub.expect('publish');
    assert.deepEqual([seen.text, seen.qos], ['2', 1]);
    assert.deepEqual([seen.properties.contentType, seen.properties.responseTopic], [null, 'two']);
  });

  test('[MQTT5-3.3.1-6] [MQTT5-3.3.1-7] a retained PUBLISH without payload is delivered and clears the topic', () => {
    const house = createHarness();
    const pub = enter(house, 'pub');
    pub.publish('a', 'kept', { retain: true });
    pub.publish('b', 'kept', { retain: true });
    const sub = enter(house, 'sub');
    sub.subscribe('+', { retainAsPublished: true });
    sub.publishes();
    pub.publish('a', '', { retain: true });
    assert.deepEqual(flags(sub.publishes()), [['', true]]);
    assert.deepEqual(retained(house), ['b=kept']);
  });

  test('[MQTT5-3.3.1-7] nothing without payload is kept where nothing was', () => {
    const house = createHarness();
    enter(house, 'pub').publish('a', '', { retain: true, qos: 1 });
    assert.equal(house.broker.sizes().retained, 0);
    assert.deepEqual(retained(house), []);
  });

  test('[MQTT5-3.3.1-8] a PUBLISH without RETAIN leaves what is retained as it is, also an empty one', () => {
    const house = createHarness();
    const pub = enter(house, 'pub');
    pub.publish('a', 'kept', { retain: true });
    pub.publish('a', 'passing');
    pub.publish('a', '', { qos: 1 });
    pub.publish('b', 'passing', { qos: 2 });
    assert.deepEqual(retained(house), ['a=kept']);
  });

  test('[MQTT5-3.3.1-9] [MQTT5-3.8.4-4] Retain Handling 0: each subscribe brings the retained messages', () => {
    const { client } = withRetained();
    for (let round = 0; round < 3; round += 1) {
      client.subscribe('a/#', { retainHandling: 0 });
      assert.deepEqual(texts(client), ['1', '2']);
    }
  });

  test('[MQTT5-3.3.1-10] Retain Handling 1: only a subscription that was not there brings the retained messages', () => {
    const { client } = withRetained();
    client.subscribe('a/#', { retainHandling: 1 });
    assert.deepEqual(texts(client), ['1', '2']);
    client.subscribe('a/#', { retainHandling: 1, qos: 1 });
    client.expectNothing();
    client.subscribe('a/+', { retainHandling: 1 });
    assert.deepEqual(texts(client), ['1', '2'], 'another filter is another subscription');
    client.unsubscribe('a/#');
    client.subscribe('a/#', { retainHandling: 1 });
    assert.deepEqual(texts(client), ['1', '2'], 'after UNSUBSCRIBE it is new again');
  });

  test('[MQTT5-3.3.1-10] Retain Handling 1: a subscription of a session that goes on was there already', () => {
    const { house } = withRetained();
    const properties = { sessionExpiryInterval: 60 };
    const first = enter(house, 'other', { properties });
    first.subscribe('a/#', { retainHandling: 1 });
    first.publishes();
    first.cut();
    const back = house.peer();
    back.connect({ version: 5, clientId: 'other', cleanStart: false, properties });
    back.subscribe('a/#', { retainHandling: 1 });
    back.expectNothing();
    back.subscribe('a/#', { retainHandling: 0 });
    assert.deepEqual(texts(back), ['1', '2']);
  });

  test('[MQTT5-3.3.1-11] Retain Handling 2: no subscribe brings retained messages, live ones come', () => {
    const { client, pub } = withRetained();
    client.subscribe('a/#', { retainHandling: 2 });
    client.expectNothing();
    pub.publish('a/1', 'live', { retain: true });
    assert.deepEqual(texts(client), ['live']);
  });

  test('[MQTT5-3.3.1-9] each filter of one SUBSCRIBE has its own Retain Handling', () => {
    const { client } = withRetained();
    client.subscribeEach([
      { filter: 'a/1', retainHandling: 2 },
      { filter: 'a/2', retainHandling: 0 },
      { filter: 'a/2', retainHandling: 1 },
      { filter: 'a/2', retainHandling: 0 },
    ]);
    assert.deepEqual(texts(client), ['2', '2']);
  });

  test('[MQTT5-3.3.1-9] the retained messages come behind the SUBACK, with RETAIN set and the granted QoS', () => {
    const { house, pub } = withRetained();
    pub.publish('b', 'x', { retain: true, qos: 2 });
    const sub = enter(house, 'sub');
    sub.sendSubscribe('b', { qos: 1, identifier: 4 });
    const [suback, seen] = sub.all();
    assert.equal(suback?.type, 'suback');
    assert.ok(seen?.type === 'publish');
    assert.deepEqual([seen.text, seen.retain, seen.qos], ['x', true, 1]);
    assert.deepEqual(seen.properties.subscriptionIdentifiers, [4]);
  });

  test('a shared subscription brings no retained messages', () => {
    const { client } = withRetained();
    client.subscribe('$share/group/a/#', { retainHandling: 0 });
    client.expectNothing();
  });

  test('[MQTT5-3.3.1-12] without Retain As Published live messages come with RETAIN cleared', () => {
    const { client, pub } = withRetained();
    client.subscribe('b', { retainAsPublished: false });
    pub.publish('b', 'retained', { retain: true });
    pub.publish('b', 'plain');
    assert.deepEqual(flags(client.publishes()), [
      ['retained', false],
      ['plain', false],
    ]);
  });

  test('[MQTT5-3.3.1-13] with Retain As Published live messages come with RETAIN as it was sent', () => {
    const { client, pub } = withRetained();
    client.subscribe('b', { retainAsPublished: true });
    pub.publish('b', 'retained', { retain: true });
    pub.publish('b', 'plain');
    assert.deepEqual(flags(client.publishes()), [
      ['retained', true],
      ['plain', false],
    ]);
  });

  for (const retainAsPublished of [false, true]) {
    test(`[MQTT5-3.3.1-12] [MQTT5-3.3.1-13] Retain As Published ${retainAsPublished} also counts for what waited in the queue`, () => {
      const house = createHarness();
      const away = enterDurable(house, 'away');
      away.subscribe('b', { qos: 1, retainAsPublished });
      away.cut();
      enter(house, 'pub').publish('b', 'x', { qos: 1, retain: true });
      const back = house.peer();
      back.connect({ version: 5, clientId: 'away', cleanStart: false });
      assert.equal(back.expect('publish').retain, retainAsPublished);
    });
  }

  test('[MQTT5-3.8.4-4] while a subscription is replaced no message is lost', () => {
    const { house, client, pub } = withRetained();
    client.subscribe('b', { qos: 1 });
    pub.publish('b', 'before', { qos: 1 });
    client.sendSubscribe('b', { qos: 2, identifier: 9 });
    pub.publish('b', 'after', { qos: 1 });
    assert.deepEqual(
      client.all().map((packet) => (packet.type === 'publish' ? packet.text : packet.type)),
      ['before', 'suback', 'after'],
    );
    assert.equal(house.broker.sizes().subscriptions, 1);
  });

  test('a topic with a dollar sign is retained and found by its own name only', () => {
    const house = createHarness();
    enter(house, 'pub').publish('$app/state', 'x', { retain: true });
    assert.deepEqual(retained(house, '#'), []);
    assert.deepEqual(retained(house, '+/state'), []);
    assert.deepEqual(retained(house, '$app/#'), ['$app/state=x']);
  });

  test('a filter that ends in # also brings what is retained on its parent', () => {
    const { house, pub } = withRetained();
    pub.publish('a', 'parent', { retain: true });
    assert.deepEqual(retained(house, 'a/#'), ['a/1=1', 'a/2=2', 'a=parent']);
    assert.deepEqual(retained(house, 'a/+'), ['a/1=1', 'a/2=2']);
  });
});

function withRetained(): { readonly house: Harness; readonly pub: Peer; readonly client: Peer } {
  const house = createHarness();
  const pub = enter(house, 'pub');
  pub.publish('a/1', '1', { retain: true });
  pub.publish('a/2', '2', { retain: true });
  return { house, pub, client: enter(house, 'client') };
}
