import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createHarness, fromHex } from '../../fixtures/broker-harness.ts';
import { field, frame, ILL_FORMED, rawSubscribe, u16 } from '../../fixtures/raw-packets.ts';
import { assertEndsClient, Witness } from '../../fixtures/reactions.ts';

describe('3.8 SUBSCRIBE as bytes', () => {
  test('[MQTT3-3.8.1-1] SUBSCRIBE with other flags than 0010 closes the connection and subscribes nothing', () => {
    const house = createHarness();
    const witness = new Witness(house);
    for (let flags = 0; flags < 16; flags += 1) {
      if (flags === 2) continue;
      const bytes = rawSubscribe([['a', 0]], { firstByte: 0x80 | flags });
      assertEndsClient({ house, witness, says: /flags must be 2/ }, bytes);
    }
    assert.equal(house.broker.sizes().subscriptions, 1);
  });

  test('[MQTT3-3.8.3-1] a filter that is not UTF-8 closes the connection, wherever it stands in the list', () => {
    const house = createHarness();
    const witness = new Witness(house);
    for (const bytes of ILL_FORMED.values()) {
      assertEndsClient(
        { house, witness },
        rawSubscribe([
          [bytes, 0],
          ['b', 0],
        ]),
      );
      assertEndsClient(
        { house, witness },
        rawSubscribe([
          ['a', 0],
          [bytes, 0],
        ]),
      );
    }
    assert.equal(house.broker.sizes().subscriptions, 1);
  });

  test('[MQTT3-3.8.3-1] a filter list that is cut off closes the connection', () => {
    const house = createHarness();
    const witness = new Witness(house);
    for (const hex of [
      '82 01 00',
      '82 03 0001 00',
      '82 05 0001 0001 61',
      '82 05 0001 0002 61',
      '82 07 0001 0001 61 00 00',
    ])
      assertEndsClient({ house, witness }, fromHex(hex));
  });

  test('[MQTT3-3.8.3-2] filters with wildcards are served', () => {
    const house = createHarness();
    const client = house.client('client');
    assert.deepEqual(client.subscribe(['#', '+', '+/#', 'a/+/b/#'], { qos: 2 }).reasons, [2, 2, 2, 2]);
    house.client('pub').publish('a/x/b', 'x');
    assert.equal(client.publishes().length, 3);
  });

  test('[MQTT3-3.8.3-3] a SUBSCRIBE without any filter closes the connection', () => {
    const house = createHarness();
    const witness = new Witness(house);
    assertEndsClient({ house, witness, says: /without a topic filter/ }, rawSubscribe([]));
  });

  test('[MQTT3-3.8.3-4] reserved bits or QoS 3 beside a filter close the connection, and nothing is subscribed', () => {
    const house = createHarness();
    const witness = new Witness(house);
    for (let options = 3; options < 256; options += 1) {
      assertEndsClient({ house, witness }, rawSubscribe([['a', options]]));
      assertEndsClient(
        { house, witness },
        rawSubscribe([
          ['a', 0],
          ['b', options],
        ]),
      );
    }
    assert.equal(house.broker.sizes().subscriptions, 1);
  });
});

describe('3.8.4 response to SUBSCRIBE', () => {
  test('[MQTT3-3.8.4-1] [MQTT3-3.8.4-2] every SUBSCRIBE gets a SUBACK with its identifier', () => {
    const client = createHarness().client('client');
    client.send(rawSubscribe([['a', 1]], { packetId: 0x1234 }));
    assert.deepEqual(client.link.takeSent(), fromHex('90 03 1234 01'));
    client.send(rawSubscribe([['a', 1]], { packetId: 0x1234 }));
    assert.deepEqual(client.link.takeSent(), fromHex('90 03 1234 01'));
  });

  test('[MQTT3-3.8.4-3] subscribing to a filter again replaces it: one copy, with the new QoS', () => {
    const house = createHarness();
    const client = house.client('client');
    const pub = house.client('pub');
    for (const qos of [0, 2, 1, 0] as const) {
      client.subscribe('a/+', { qos });
      pub.publish('a/b', 'x', { qos: 2 });
      assert.deepEqual(
        client.publishes().map((seen) => seen.qos),
        [qos],
      );
    }
    assert.equal(house.broker.sizes().subscriptions, 1);
  });

  test('[MQTT3-3.8.4-3] subscribing to a filter again brings its retained messages again', () => {
    const house = createHarness();
    house.client('pub').publish('a/b', 'kept', { retain: true });
    const client = house.client('client');
    for (let count = 0; count < 3; count += 1) {
      client.subscribe('a/+', { qos: 1 });
      const seen = client.publishes();
      assert.deepEqual(
        seen.map(({ text, retain }) => [text, retain]),
        [['kept', true]],
      );
    }
  });

  test('[MQTT3-3.8.4-3] subscribing to a filter again misses no message and brings none twice', () => {
    const house = createHarness();
    const client = house.client('client');
    client.subscribe('t', { qos: 1 });
    const pub = house.client('pub');
    const texts: string[] = [];
    for (let count = 0; count < 20; count += 1) {
      pub.publish('t', `${count}`, { qos: 1 });
      client.sendSubscribe('t', { qos: 1 });
      for (const packet of client.all()) {
        if (packet.type !== 'publish') continue;
        texts.push(packet.text);
        client.ack('puback', packet.packetId);
      }
    }
    assert.deepEqual(
      texts,
      Array.from({ length: 20 }, (_, count) => `${count}`),
    );
  });

  test('[MQTT3-3.8.4-3] a filter that differs is a subscription of its own', () => {
    const house = createHarness();
    const client = house.client('client');
    client.subscribe(['a', 'a/', '/a', 'A', 'a/#', '+'], { qos: 0 });
    assert.equal(house.broker.sizes().subscriptions, 6);
  });

  test('[MQTT3-3.8.4-4] several filters act as one after the other, with one answer', () => {
    const house = createHarness();
    const pub = house.client('pub');
    pub.publish('a', 'kept a', { retain: true });
    pub.publish('b', 'kept b', { retain: true });
    const client = house.client('client');
    client.send(
      rawSubscribe(
        [
          ['a', 0],
          ['b', 2],
          ['a', 1],
        ],
        { packetId: 7 },
      ),
    );
    const packets = client.all();
    assert.equal(packets.filter(({ type }) => type === 'suback').length, 1);
    assert.deepEqual(
      packets.flatMap((packet) => (packet.type === 'publish' ? [packet.text] : [])),
      ['kept a', 'kept b', 'kept a'],
    );
    assert.equal(house.broker.sizes().subscriptions, 2);
    pub.publish('a', 'x', { qos: 2 });
    assert.equal(client.expect('publish').qos, 1);
  });

  test('[MQTT3-3.8.4-5] SUBACK has as many codes as there were filters', () => {
    const client = createHarness().client('client');
    for (const count of [1, 2, 127, 128, 1000]) {
      const filters = Array.from({ length: count }, (_, index) => `f${index}`);
      const { reasons } = client.subscribe(filters, { qos: 1 });
      assert.deepEqual(reasons, new Array(count).fill(1));
    }
  });

  test('[MQTT3-3.8.4-6] a delivery has the lower of the published and the granted QoS', () => {
    const house = createHarness();
    const client = house.client('client');
    const pub = house.client('pub');
    for (const granted of [0, 1, 2] as const) {
      client.subscribe('t', { qos: granted });
      for (const published of [0, 1, 2] as const) {
        pub.publish('t', 'x', { qos: published });
        assert.equal(client.expect('publish').qos, Math.min(granted, published));
      }
    }
  });

  test('[MQTT3-3.8.4-6] retained messages and wills have the lower QoS too', () => {
    const house = createHarness();
    house.client('pub').publish('t', 'kept', { qos: 2, retain: true });
    const client = house.client('client');
    client.subscribe('#', { qos: 1 });
    assert.equal(client.expect('publish').qos, 1);
    house.client('lost', { will: { topic: 't', payload: 'lost', qos: 2 } }).cut();
    assert.equal(client.expect('publish').qos, 1);
  });

  test('[MQTT3-3.8.4-6] a QoS above that of the server is granted as what it serves', () => {
    const house = createHarness({ listener: { maxQos: 1 } });
    const client = house.client('client');
    client.send(frame(0x82, u16(1), field('a'), 2, field('b'), 1, field('c'), 0));
    assert.deepEqual(client.expect('suback').reasons, [1, 1, 0]);
  });
});
