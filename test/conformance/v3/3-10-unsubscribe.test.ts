import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createHarness, fromHex, type Peer } from '../../fixtures/broker-harness.ts';
import { ILL_FORMED, rawUnsubscribe } from '../../fixtures/raw-packets.ts';
import { assertEndsClient, Witness } from '../../fixtures/reactions.ts';

function texts(peer: Peer): string[] {
  return peer.publishes().map(({ text }) => text);
}

describe('3.10 UNSUBSCRIBE as bytes', () => {
  test('[MQTT3-3.10.1-1] UNSUBSCRIBE with other flags than 0010 closes the connection', () => {
    const house = createHarness();
    const witness = new Witness(house);
    for (let flags = 0; flags < 16; flags += 1) {
      if (flags === 2) continue;
      const bytes = rawUnsubscribe(['a'], { firstByte: 0xa0 | flags });
      assertEndsClient({ house, witness, says: /flags must be 2/ }, bytes);
    }
  });

  test('[MQTT3-3.10.3-1] a filter that is not UTF-8 or no filter closes the connection', () => {
    const house = createHarness();
    const witness = new Witness(house);
    for (const bytes of ILL_FORMED.values()) {
      assertEndsClient({ house, witness }, rawUnsubscribe([bytes]));
      assertEndsClient({ house, witness }, rawUnsubscribe(['a', bytes]));
    }
    for (const filter of ['', 'a#', 'a/#/b', 'a+', '#/'])
      assertEndsClient({ house, witness }, rawUnsubscribe([filter]));
    for (const hex of ['a2 01 00', 'a2 03 0001 00', 'a2 05 0001 0002 61'])
      assertEndsClient({ house, witness }, fromHex(hex));
  });

  test('[MQTT3-3.10.3-2] an UNSUBSCRIBE without any filter closes the connection', () => {
    const house = createHarness();
    const witness = new Witness(house);
    assertEndsClient({ house, witness }, rawUnsubscribe([]));
  });
});

describe('3.10.4 response to UNSUBSCRIBE', () => {
  test('[MQTT3-3.10.4-1] only the filter with the very same characters is removed', () => {
    const house = createHarness();
    const client = house.client('client');
    client.subscribe(['a/b', 'a/+', 'a/#', '#', 'A/b', 'a/b/'], { qos: 0 });
    const pub = house.client('pub');
    for (const filter of ['a/B', '+/b', 'a/b/#', 'a', '+/+', ' a/b']) client.unsubscribe(filter);
    assert.equal(house.broker.sizes().subscriptions, 6);
    pub.publish('a/b', 'x');
    assert.equal(texts(client).length, 4);
    for (const [filter, left] of [
      ['a/+', 3],
      ['#', 2],
      ['a/b', 1],
      ['a/#', 0],
    ] as const) {
      client.unsubscribe(filter);
      pub.publish('a/b', 'x');
      assert.equal(texts(client).length, left, filter);
    }
  });

  test('[MQTT3-3.10.4-1] the subscriptions of others stay', () => {
    const house = createHarness();
    const leaver = house.client('leaver');
    const stayer = house.client('stayer');
    for (const client of [leaver, stayer]) client.subscribe(['t', '+'], { qos: 0 });
    leaver.unsubscribe(['t', '+']);
    house.client('pub').publish('t', 'x');
    leaver.expectNothing();
    assert.deepEqual(texts(stayer), ['x', 'x']);
  });

  test('[MQTT3-3.10.4-2] after UNSUBSCRIBE no further message joins the queue', () => {
    const house = createHarness();
    const client = house.client('client', { cleanStart: false });
    client.subscribe('t', { qos: 1 });
    const pub = house.client('pub');
    pub.publish('t', 'before', { qos: 1 });
    client.send(rawUnsubscribe(['t']));
    pub.publish('t', 'after', { qos: 1 });
    client.cut();
    pub.publish('t', 'while away', { qos: 1 });
    assert.deepEqual(texts(house.client('client', { cleanStart: false })), ['before']);
  });

  for (const qos of [1, 2] as const) {
    test(`[MQTT3-3.10.4-3] deliveries of QoS ${qos} under way are finished after UNSUBSCRIBE`, () => {
      const house = createHarness();
      const first = house.client('client', { cleanStart: false });
      first.subscribe('t', { qos });
      house.client('pub').publish('t', 'x', { qos: 2 });
      const { packetId } = first.expect('publish');
      first.unsubscribe('t');
      first.cut();
      const second = house.client('client', { cleanStart: false });
      const again = second.expect('publish');
      assert.deepEqual([again.text, again.packetId, again.dup], ['x', packetId, true]);
      if (qos === 1) second.ack('puback', packetId);
      else {
        second.ack('pubrec', packetId);
        assert.equal(second.expect('pubrel').packetId, packetId);
        second.ack('pubcomp', packetId);
      }
      second.cut();
      house.client('client', { cleanStart: false }).expectNothing();
    });
  }

  test('[MQTT3-3.10.4-3] what waits behind a full window is delivered too', () => {
    const house = createHarness({ settings: { maxInflightMessages: 1 } });
    const client = house.client('client');
    client.subscribe('t', { qos: 1 });
    const pub = house.client('pub');
    for (const text of ['1', '2', '3']) pub.publish('t', text, { qos: 1 });
    const first = client.expect('publish');
    client.unsubscribe('t');
    client.ack('puback', first.packetId);
    const second = client.expect('publish');
    client.ack('puback', second.packetId);
    assert.deepEqual([first.text, second.text, client.expect('publish').text], ['1', '2', '3']);
  });

  test('[MQTT3-3.10.4-4] UNSUBACK has the identifier of its UNSUBSCRIBE', () => {
    const client = createHarness().client('client');
    client.subscribe('a');
    client.send(rawUnsubscribe(['a'], { packetId: 0x1234 }));
    assert.deepEqual(client.link.takeSent(), fromHex('b0 02 1234'));
  });

  test('[MQTT3-3.10.4-5] UNSUBACK comes even when there was nothing to remove', () => {
    const client = createHarness().client('client');
    client.send(rawUnsubscribe(['never'], { packetId: 2 }));
    client.send(rawUnsubscribe(['never', '#'], { packetId: 3 }));
    assert.deepEqual(client.link.takeSent(), fromHex('b0 02 0002 b0 02 0003'));
  });

  test('[MQTT3-3.10.4-6] several filters act as one after the other, with one answer', () => {
    const house = createHarness();
    const client = house.client('client');
    client.subscribe(['a', 'b', 'c', 'd'], { qos: 0 });
    client.send(rawUnsubscribe(['a', 'never', 'c', 'a'], { packetId: 9 }));
    assert.deepEqual(client.link.takeSent(), fromHex('b0 02 0009'));
    const pub = house.client('pub');
    for (const topic of ['a', 'b', 'c', 'd']) pub.publish(topic, topic);
    assert.deepEqual(texts(client), ['b', 'd']);
    assert.equal(house.broker.sizes().subscriptions, 2);
  });
});
