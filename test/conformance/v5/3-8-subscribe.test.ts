import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Reason, type ReasonCode } from '../../../src/protocol/reasons.ts';
import { createHarness } from '../../fixtures/broker-harness.ts';
import { gatekeeperWith } from '../../fixtures/fake-gatekeeper.ts';
import { field, frame, joined, rawSubscribe, u16 } from '../../fixtures/raw-packets.ts';
import { assertEndsClientWith, Witness } from '../../fixtures/reactions.ts';
import { SlowJournal } from '../../fixtures/slow-journal.ts';
import { comeBack, enter, enterDurable, numbers, texts } from './clients.ts';

interface Bad {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly reason: ReasonCode;
}

function withOptions(options: number, filter = 'a'): Uint8Array {
  return rawSubscribe([[filter, options]], { isV5: true });
}

function withProperties(...properties: readonly (number | Uint8Array)[]): Uint8Array {
  const block = joined(...properties);
  return frame(0x82, u16(1), block.length, block, field('a'), 0);
}

const BAD: readonly Bad[] = [
  { name: '[MQTT5-3.8.3-2] no filter at all', bytes: frame(0x82, u16(1), 0), reason: Reason.ProtocolError },
  {
    name: '[MQTT5-3.8.3-4] No Local on a shared subscription',
    bytes: withOptions(0x04, '$share/g/a'),
    reason: Reason.ProtocolError,
  },
  ...[0x40, 0x80, 0xc0, 0x41].map((options) => ({
    name: `[MQTT5-3.8.3-5] reserved bits in the options: 0x${options.toString(16)}`,
    bytes: withOptions(options),
    reason: Reason.MalformedPacket,
  })),
  { name: 'QoS 3', bytes: withOptions(0x03), reason: Reason.ProtocolError },
  { name: 'Retain Handling 3', bytes: withOptions(0x30), reason: Reason.ProtocolError },
  { name: 'subscription identifier 0', bytes: withProperties(0x0b, 0), reason: Reason.ProtocolError },
  { name: 'two subscription identifiers', bytes: withProperties(0x0b, 1, 0x0b, 2), reason: Reason.ProtocolError },
  { name: 'a property of PUBLISH', bytes: withProperties(0x01, 1), reason: Reason.MalformedPacket },
  { name: 'a filter without options', bytes: frame(0x82, u16(1), 0, field('a')), reason: Reason.MalformedPacket },
  {
    name: 'a second filter cut off',
    bytes: frame(0x82, u16(1), 0, field('a'), 0, u16(3), 'b'),
    reason: Reason.MalformedPacket,
  },
];

describe('3.8 SUBSCRIBE', () => {
  for (const { name, bytes, reason } of BAD) {
    test(`${name}: DISCONNECT 0x${reason.toString(16)}, a close, and nothing subscribed`, () => {
      const house = createHarness();
      assertEndsClientWith({ house, witness: new Witness(house) }, bytes, reason);
      assert.equal(house.broker.sizes().subscriptions, 1);
    });
  }

  test('[MQTT5-3.8.4-1] [MQTT5-3.8.4-2] every SUBSCRIBE gets a SUBACK with its identifier, in the order they came', () => {
    const client = enter(createHarness(), 'client');
    const ids = [9, 1, 65_535, 2];
    client.send(joined(...ids.map((packetId) => rawSubscribe([['a', 0]], { isV5: true, packetId }))));
    assert.deepEqual(
      client.all().map((packet) => packet.type === 'suback' && packet.packetId),
      ids,
    );
  });

  test('[MQTT5-3.8.4-6] [MQTT5-3.8.4-7] [MQTT5-3.9.3-1] SUBACK says for each filter, in their order, what was granted', () => {
    const gatekeeper = gatekeeperWith({ maySubscribe: (_identity, filter) => !filter.filter.startsWith('secret') });
    const client = enter(createHarness({ gatekeeper }), 'client');
    const suback = client.subscribeEach([
      { filter: 'a', qos: 2 },
      { filter: 'secret/x', qos: 2 },
      { filter: 'b', qos: 0 },
      { filter: '$share/g/secret', qos: 1 },
      { filter: '$share/g/c', qos: 1 },
    ]);
    assert.deepEqual(suback.reasons, [2, 0x87, 0, 0x87, 1]);
  });

  test('[MQTT5-3.8.4-7] a filter that was refused is not subscribed', () => {
    const gatekeeper = gatekeeperWith({ maySubscribe: (_identity, filter) => filter.filter !== 'a' });
    const house = createHarness({ gatekeeper });
    const client = enter(house, 'client');
    client.subscribe(['a', 'b']);
    const pub = enter(house, 'pub');
    pub.publish('a', '1');
    pub.publish('b', '2');
    assert.deepEqual(texts(client), ['2']);
    assert.equal(house.broker.sizes().subscriptions, 1);
  });

  test('[MQTT5-3.9.3-2] more subscriptions than a session may have are refused with 0x97, replacing is not', () => {
    const house = createHarness({ settings: { subscriptionsPerSessionMax: 2 } });
    const client = enter(house, 'client');
    assert.deepEqual(client.subscribe(['a', 'b', 'c', 'a']).reasons, [0, 0, 0x97, 0]);
    client.unsubscribe('b');
    assert.deepEqual(client.subscribe(['c', 'd']).reasons, [0, 0x97]);
    assert.equal(house.broker.sizes().subscriptions, 2);
  });

  test('[MQTT5-3.9.3-2] every code of SUBACK is a listed one', () => {
    const listed = [0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8f, 0x91, 0x97, 0x9e, 0xa1, 0xa2];
    const gatekeeper = gatekeeperWith({ maySubscribe: (_identity, filter) => filter.filter !== 'no' });
    const client = enter(createHarness({ gatekeeper, settings: { subscriptionsPerSessionMax: 3 } }), 'client');
    const { reasons } = client.subscribeEach([
      { filter: 'a', qos: 0 },
      { filter: 'b', qos: 1 },
      { filter: 'c', qos: 2 },
      { filter: 'd', qos: 2 },
      { filter: 'no', qos: 2 },
    ]);
    assert.deepEqual(reasons, [0, 1, 2, 0x97, 0x87]);
    for (const reason of reasons) assert.ok(listed.includes(reason));
  });

  test('[MQTT5-3.8.4-3] subscribing to a filter again replaces the subscription: one copy, the new QoS, options and identifier', () => {
    const house = createHarness();
    const client = enter(house, 'client');
    client.subscribe('a', { qos: 2, identifier: 1, noLocal: true, retainAsPublished: true });
    client.subscribe('a', { qos: 1, identifier: 2 });
    assert.equal(house.broker.sizes().subscriptions, 1);
    client.publish('a', 'x', { qos: 2, retain: true });
    const seen = client.all().flatMap((packet) => (packet.type === 'publish' ? [packet] : []));
    assert.deepEqual(
      seen.map(({ qos, retain, properties }) => [qos, retain, properties.subscriptionIdentifiers]),
      [[1, false, [2]]],
    );
    client.subscribe('a');
    enter(house, 'pub').publish('a', 'y', { qos: 2 });
    const [, second] = client.publishes();
    assert.deepEqual([second?.qos, second?.properties.subscriptionIdentifiers], [0, null]);
  });

  test('[MQTT5-3.8.4-3] filters that differ in anything are different subscriptions', () => {
    const house = createHarness();
    const client = enter(house, 'client');
    client.subscribe(['a', 'A', 'a/', '/a', '+', '#', '$share/g/a', '$share/h/a']);
    assert.equal(house.broker.sizes().subscriptions, 8);
  });

  test('[MQTT5-3.8.4-5] many filters in one SUBSCRIBE act as one after the other, with one SUBACK', () => {
    const house = createHarness();
    enter(house, 'pub').publish('a', 'kept', { retain: true, qos: 2 });
    const client = enter(house, 'client');
    client.send(
      rawSubscribe(
        [
          ['a', 2],
          ['b', 0],
          ['a', 1],
        ],
        { isV5: true },
      ),
    );
    assert.deepEqual(
      client
        .all()
        .map((packet) => (packet.type === 'publish' ? packet.qos : packet.type === 'suback' && packet.reasons)),
      [[2, 0, 1], 2, 1],
    );
    assert.equal(house.broker.sizes().subscriptions, 2);
    enter(house, 'pub').publish('a', 'live', { qos: 2 });
    assert.equal(client.expect('publish').qos, 1);
  });

  test('[MQTT5-3.8.3-3] with No Local a client does not get its own messages, whatever its connection', () => {
    const house = createHarness();
    const client = enterDurable(house, 'client');
    client.subscribe('a', { qos: 1, noLocal: true });
    client.subscribe('b', { qos: 1, noLocal: false });
    client.publish('a', 'own');
    client.expectNothing();
    client.publish('b', 'own');
    assert.deepEqual(texts(client), ['own']);
    const other = enter(house, 'other');
    other.publish('a', 'foreign');
    assert.deepEqual(texts(client), ['foreign']);
    client.cut();
    const back = comeBack(house, 'client');
    back.publish('a', 'own again');
    back.expectNothing();
  });

  test('[MQTT5-3.8.3-3] what a client has retained itself does not come back to it with No Local, others get it', () => {
    const house = createHarness();
    const client = enterDurable(house, 'client');
    client.publish('a', 'own', { retain: true });
    enter(house, 'other').publish('b', 'foreign', { retain: true });
    client.subscribe('+', { noLocal: true });
    assert.deepEqual(texts(client), ['foreign']);
    client.cut();
    const back = comeBack(house, 'client');
    back.subscribe('+', { noLocal: true });
    assert.deepEqual(texts(back), ['foreign']);
    const third = enter(house, 'third');
    third.subscribe('+', { noLocal: true });
    assert.deepEqual(texts(third).toSorted(), ['foreign', 'own']);
  });

  test('[MQTT5-3.8.4-8] what is delivered has the lower of the published and the granted QoS', () => {
    for (const granted of [0, 1, 2] as const) {
      const house = createHarness();
      const sub = enter(house, 'sub');
      assert.deepEqual(sub.subscribe('t', { qos: granted }).reasons, [granted]);
      const pub = enter(house, 'pub');
      for (const qos of [0, 1, 2] as const) pub.publish('t', String(qos), { qos });
      assert.deepEqual(
        sub.publishes().map(({ text, qos }) => [Number(text), qos]),
        [0, 1, 2].map((qos) => [qos, Math.min(qos, granted)]),
      );
    }
  });

  test('[MQTT5-3.8.4-1] the SUBACK of a durable session waits until its subscriptions are durable, the messages do not', async () => {
    const journal = new SlowJournal();
    const house = createHarness({ journal });
    const client = house.peer();
    client.sendConnect({ version: 5, clientId: 'client', properties: { sessionExpiryInterval: 60 } });
    journal.commit();
    await house.settleLater();
    client.expect('connack');
    client.sendSubscribe(['a', 'b'], { qos: 1 });
    client.expectNothing();
    journal.commit(1);
    client.expectNothing();
    journal.commit();
    assert.deepEqual(client.expect('suback').reasons, [1, 1]);
    assert.deepEqual([...(journal.image().clients.get('client')?.filters ?? [])], ['a', 'b']);
  });

  test('T40: a SUBSCRIBE of thousands of filters is served, one above 100000 bytes is refused before it has come', () => {
    const house = createHarness();
    const client = enter(house, 'client');
    const filters = numbers(9_000);
    assert.equal(client.subscribe(filters, { qos: 1 }).reasons.length, 9_000);
    enter(house, 'pub').publish('8999', 'x');
    assert.deepEqual(texts(client), ['x']);
    assertEndsClientWith({ house, witness: new Witness(house) }, joined(0x82, 0xa1, 0x8d, 0x06), Reason.PacketTooLarge);
  });
});

describe('3.9 SUBACK', () => {
  test('[MQTT5-3.9.2-1] [MQTT5-3.9.2-2] [MQTT5-3.1.2-24] a SUBACK that a client cannot take is not sent: 0x95 and a close, nothing subscribed', () => {
    const house = createHarness();
    const client = enter(house, 'client', { properties: { maximumPacketSize: 24 } });
    client.subscribe(numbers(19), { qos: 1 });
    assert.equal(client.frameBytes.at(-1), 24);
    client.sendSubscribe(
      numbers(20).map((text) => `other/${text}`),
      { qos: 1 },
    );
    assert.equal(client.expect('disconnect').reason, Reason.PacketTooLarge);
    assert.equal(client.isClosed, true);
    assert.equal(house.broker.sizes().subscriptions, 0);
  });
});
