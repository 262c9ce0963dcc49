import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Reason } from '../../../src/protocol/reasons.ts';
import { type ConnectOptions, createHarness, type Harness, type Peer } from '../../fixtures/broker-harness.ts';
import { enter, texts } from './clients.ts';

const FOR_EVER = 0xffff_ffff;
const SECOND = 1_000;

type Will = NonNullable<ConnectOptions['will']>;

interface Scene {
  readonly house: Harness;
  readonly watcher: Peer;
  readonly client: Peer;
}

/** A client with a will on `w`, and one who watches that topic. */
function scene(will: Partial<Will> = {}, sessionExpiryInterval = 0): Scene {
  const house = createHarness();
  const watcher = enter(house, 'watcher');
  watcher.subscribe('w', { qos: 2 });
  const properties = { sessionExpiryInterval };
  const client = enter(house, 'client', { will: { topic: 'w', payload: 'gone', ...will }, properties });
  return { house, watcher, client };
}

function again(house: Harness, options: Omit<ConnectOptions, 'version' | 'clientId'> = {}): Peer {
  const peer = house.peer();
  peer.connect({ version: 5, clientId: 'client', cleanStart: false, ...options });
  return peer;
}

describe('3.1.2 wills', () => {
  test('[MQTT5-3.1.2-7] [MQTT5-3.1.2-8] a will is kept, and published once the connection is lost', () => {
    const { house, watcher, client } = scene();
    house.advance(3_600 * SECOND);
    watcher.expectNothing();
    client.cut();
    assert.deepEqual(texts(watcher), ['gone']);
  });

  for (const qos of [0, 1, 2] as const) {
    test(`[MQTT5-3.1.2-7] the will has its topic, payload and QoS ${qos}`, () => {
      const { watcher, client } = scene({ qos, payload: 'gone' });
      client.cut();
      const seen = watcher.expect('publish');
      assert.deepEqual([seen.topic, seen.text, seen.qos], ['w', 'gone', qos]);
    });
  }

  const ENDS: readonly { readonly name: string; readonly end: (client: Peer, house: Harness) => void }[] = [
    { name: 'the socket closes', end: (client) => client.cut() },
    {
      name: 'the socket breaks',
      end: (client, house) => {
        client.link.fail();
        house.settle();
      },
    },
    { name: 'the client breaks the protocol', end: (client) => client.send('00 00') },
    { name: 'the client sends a malformed packet', end: (client) => client.send('60 02 00 01') },
    { name: 'the client falls silent', end: (_client, house) => house.advance(90 * SECOND) },
    { name: 'another connection takes over', end: (_client, house) => again(house) },
    { name: 'the client says 0x04', end: (client) => client.disconnect(Reason.DisconnectWithWill) },
    { name: 'the broker stops', end: (_client, house) => void house.broker.stop() },
  ];
  for (const { name, end } of ENDS) {
    test(`[MQTT5-3.1.2-8] the will goes out, once, when ${name}`, () => {
      const house = createHarness();
      const watcher = enter(house, 'watcher');
      watcher.subscribe('w');
      const client = enter(house, 'client', { keepAlive: 60, will: { topic: 'w', payload: 'gone' } });
      end(client, house);
      house.advance(3_600 * SECOND);
      const seen = watcher.all().filter(({ type }) => type === 'publish');
      assert.equal(seen.length, 1);
    });
  }

  test('[MQTT5-3.1.2-10] [MQTT5-3.14.4-3] DISCONNECT 0x00 throws the will away for good', () => {
    const { house, watcher, client } = scene({}, 5);
    client.disconnect();
    house.advance(3_600 * SECOND);
    watcher.expectNothing();
    again(house).cut();
    house.advance(3_600 * SECOND);
    watcher.expectNothing();
  });

  test('[MQTT5-3.1.2-10] [MQTT5-3.14.4-3] an empty DISCONNECT means 0x00', () => {
    const { house, watcher, client } = scene();
    client.send('e0 00');
    house.advance(3_600 * SECOND);
    watcher.expectNothing();
  });

  const KEEPING = [0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99] as const;
  for (const reason of KEEPING) {
    test(`[MQTT5-3.14.4-3] DISCONNECT 0x${reason.toString(16)} keeps the will and lets it go out`, () => {
      const { watcher, client } = scene();
      client.disconnect(reason);
      assert.deepEqual(texts(watcher), ['gone']);
    });
  }

  test('[MQTT5-3.1.2-10] a will that was published is not published again', () => {
    const { house, watcher, client } = scene({}, FOR_EVER);
    client.cut();
    assert.deepEqual(texts(watcher), ['gone']);
    const back = again(house, { properties: { sessionExpiryInterval: 1 } });
    back.cut();
    house.advance(3_600 * SECOND);
    watcher.expectNothing();
  });

  test('[MQTT5-3.1.2-7] a new connection brings its own will, or none, in the place of the old one', () => {
    const { house, watcher, client } = scene({ delaySeconds: 10 }, FOR_EVER);
    client.cut();
    const second = again(house, {
      will: { topic: 'w', payload: 'second' },
      properties: { sessionExpiryInterval: 100 },
    });
    house.advance(3_600 * SECOND);
    watcher.expectNothing();
    second.cut();
    assert.deepEqual(texts(watcher), ['second']);
    again(house).cut();
    house.advance(3_600 * SECOND);
    watcher.expectNothing();
  });

  test('[MQTT5-3.1.2-14] a will without the retain flag is not kept, and what is retained stays', () => {
    const { house, watcher, client } = scene({ retain: false });
    enter(house, 'pub').publish('w', 'before', { retain: true });
    client.cut();
    assert.deepEqual(
      watcher.publishes().map(({ text, retain }) => [text, retain]),
      [
        ['before', false],
        ['gone', false],
      ],
    );
    const late = enter(house, 'late');
    late.subscribe('w');
    assert.deepEqual(texts(late), ['before']);
  });

  test('[MQTT5-3.1.2-15] a will with the retain flag becomes the retained message', () => {
    const { house, watcher, client } = scene({ retain: true });
    enter(house, 'pub').publish('w', 'before', { retain: true });
    client.cut();
    assert.equal(watcher.publishes().length, 2);
    const late = enter(house, 'late');
    late.subscribe('w');
    const seen = late.expect('publish');
    assert.deepEqual([seen.text, seen.retain], ['gone', true]);
  });

  test('[MQTT5-3.1.2-15] a retained will without payload clears the topic', () => {
    const { house, client } = scene({ retain: true, payload: '' });
    enter(house, 'pub').publish('w', 'before', { retain: true });
    client.cut();
    assert.equal(house.broker.sizes().retained, 0);
  });

  test('[MQTT5-3.1.3-10] the properties of a will arrive as they were set, user properties in order', () => {
    const userProperties = ['c', 'a', 'b', 'a'].map((name, index) => ({ name, value: String(index) }));
    const properties = {
      payloadFormatIndicator: 1,
      contentType: 'text/plain',
      responseTopic: 'answers/here',
      correlationData: Buffer.from([0, 255, 7]),
      userProperties,
    } as const;
    const { watcher, client } = scene({ properties });
    client.cut();
    const seen = watcher.expect('publish').properties;
    assert.deepEqual(seen.userProperties, userProperties);
    assert.equal(seen.payloadFormatIndicator, 1);
    assert.equal(seen.contentType, 'text/plain');
    assert.equal(seen.responseTopic, 'answers/here');
    assert.deepEqual(Buffer.from(seen.correlationData ?? []), properties.correlationData);
    assert.equal(seen.willDelayInterval, null);
  });

  test('the expiry of a will begins when it is published, and is counted down from then', () => {
    const { house, client } = scene({ retain: true, messageExpiryInterval: 20, delaySeconds: 30 }, FOR_EVER);
    client.cut();
    house.advance(30 * SECOND);
    house.advance(5 * SECOND);
    const late = enter(house, 'late');
    late.subscribe('w');
    assert.equal(late.expect('publish').properties.messageExpiryInterval, 15);
    house.advance(15 * SECOND);
    const later = enter(house, 'later');
    later.subscribe('w');
    later.expectNothing();
  });

  test('a will reaches sessions that are away, and not the subscriptions of a session that ended with it', () => {
    const house = createHarness();
    const away = enter(house, 'away', { properties: { sessionExpiryInterval: 100 } });
    away.subscribe('w', { qos: 1 });
    away.cut();
    const client = enter(house, 'client', { will: { topic: 'w', payload: 'gone', qos: 1 } });
    client.subscribe('w', { qos: 1 });
    client.cut();
    const back = house.peer();
    back.connect({ version: 5, clientId: 'away', cleanStart: false });
    assert.deepEqual(texts(back), ['gone']);
    assert.equal(house.broker.sizes().subscriptions, 1);
  });

  test('a delayed will also joins the queue of its own session, when that subscribed to it', () => {
    const { house, client } = scene({ qos: 1, delaySeconds: 60 }, FOR_EVER);
    client.subscribe('w', { qos: 1 });
    client.cut();
    house.advance(60 * SECOND);
    assert.deepEqual(texts(again(house)), ['gone']);
  });
});
