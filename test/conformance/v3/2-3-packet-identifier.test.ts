import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createHarness, fromHex, type Peer } from '../../fixtures/broker-harness.ts';
import { joined, rawAck, rawPublish, rawSubscribe, rawUnsubscribe } from '../../fixtures/raw-packets.ts';
import { assertEndsClient, Witness } from '../../fixtures/reactions.ts';

const IDS = [1, 0x0102, 0x8000, 0xff00, 65535];
const PACKET_ID_MAX = 65535;

describe('2.3 packet identifier', () => {
  test('[MQTT3-2.3.1-1] SUBSCRIBE, UNSUBSCRIBE and PUBLISH of QoS 1 and 2 with identifier 0 close the connection', () => {
    const house = createHarness();
    const witness = new Witness(house);
    const on = { house, witness, says: /packet identifier is 0/ };
    assertEndsClient(on, rawSubscribe([['a', 0]], { packetId: 0 }));
    assertEndsClient(on, rawUnsubscribe(['a'], { packetId: 0 }));
    assertEndsClient(on, rawPublish('a', { flags: 0x02, packetId: 0 }));
    assertEndsClient(on, rawPublish('a', { flags: 0x04, packetId: 0 }));
    assertEndsClient(on, rawPublish('a', { flags: 0x0a, packetId: 0 }));
  });

  test('[MQTT3-2.3.1-1] an acknowledgement of identifier 0 closes the connection', () => {
    const house = createHarness();
    const witness = new Witness(house);
    for (const firstByte of [0x40, 0x50, 0x62, 0x70]) assertEndsClient({ house, witness }, rawAck(firstByte, 0));
  });

  test('[MQTT3-2.3.1-1] [MQTT3-2.3.1-4] all identifiers but 0 are given out once, then the one that is free again', () => {
    const house = createHarness({ settings: { maxInflightMessages: 0, outboxHighBytes: 64 * 1024 * 1024 } });
    const subscriber = house.client('sub');
    subscriber.subscribe('t', { qos: 1 });
    const publisher = house.client('pub');
    publishMany(publisher, PACKET_ID_MAX);
    const ids = new Set(subscriber.publishes().map(({ packetId }) => packetId));
    assert.equal(ids.size, PACKET_ID_MAX);
    assert.equal(ids.has(0), false);
    publishMany(publisher, 1);
    subscriber.expectNothing();
    subscriber.ack('puback', 4711);
    assert.equal(subscriber.expect('publish').packetId, 4711);
    subscriber.expectNothing();
  });

  for (const qos of [1, 2] as const) {
    test(`[MQTT3-2.3.1-4] what is sent again with QoS ${qos} keeps its identifier, and new messages avoid it`, () => {
      const house = createHarness();
      const first = house.client('sub', { cleanStart: false });
      first.subscribe('t', { qos });
      const publisher = house.client('pub');
      publisher.publish('t', 'one', { qos: 1 });
      publisher.publish('t', 'two', { qos: 1 });
      const before = first.publishes().map(({ packetId, text }) => [packetId, text]);
      first.cut();
      const second = house.client('sub', { cleanStart: false });
      const again = second.publishes().map(({ packetId, text }) => [packetId, text]);
      assert.deepEqual(again, before);
      publisher.publish('t', 'three', { qos: 1 });
      const { packetId } = second.expect('publish');
      assert.equal(before.flat().includes(packetId), false);
    });
  }

  test('[MQTT3-2.3.1-5] a PUBLISH of QoS 0 has no identifier: what stands there is payload', () => {
    const house = createHarness();
    const subscriber = house.client('sub');
    subscriber.subscribe('#', { qos: 2 });
    const publisher = house.client('pub');
    publisher.send('30 05 0001 61 0001');
    assert.deepEqual(subscriber.link.takeSent(), fromHex('30 05 0001 61 0001'));
  });

  test('[MQTT3-2.3.1-6] PUBACK, PUBREC and PUBCOMP have the identifier of the PUBLISH', () => {
    const house = createHarness();
    const publisher = house.client('pub');
    for (const id of IDS) {
      publisher.publish('t', 'x', { qos: 1, packetId: id });
      assert.equal(publisher.expect('puback').packetId, id);
      publisher.publish('t', 'x', { qos: 2, packetId: id });
      assert.equal(publisher.expect('pubrec').packetId, id);
      publisher.ack('pubrel', id);
      assert.equal(publisher.expect('pubcomp').packetId, id);
    }
    publisher.expectNothing();
  });

  test('[MQTT3-2.3.1-6] PUBREL has the identifier of the PUBLISH that it releases', () => {
    const house = createHarness();
    const subscriber = house.client('sub');
    subscriber.subscribe('t', { qos: 2 });
    const publisher = house.client('pub');
    for (let count = 0; count < 3; count += 1) publisher.publish('t', 'x', { qos: 2 });
    const ids = subscriber.publishes().map(({ packetId }) => packetId);
    assert.equal(new Set(ids).size, 3);
    for (const id of ids.toReversed()) {
      subscriber.ack('pubrec', id);
      assert.equal(subscriber.expect('pubrel').packetId, id);
    }
  });

  test('[MQTT3-2.3.1-7] SUBACK and UNSUBACK have the identifier of what they answer', () => {
    const house = createHarness();
    const client = house.client('client');
    for (const id of IDS) {
      client.send(rawSubscribe([['a', 0]], { packetId: id }));
      assert.equal(client.expect('suback').packetId, id);
      client.send(rawUnsubscribe(['a'], { packetId: id }));
      assert.equal(client.expect('unsuback').packetId, id);
    }
  });

  test('[MQTT3-2.3.1-7] several requests in one chunk are each answered under their own identifier', () => {
    const house = createHarness();
    const client = house.client('client');
    client.send(joined(...IDS.map((id) => rawSubscribe([['a', 0]], { packetId: id }))));
    assert.deepEqual(packetIds(client), IDS);
  });
});

function publishMany(publisher: Peer, count: number): void {
  const one = publisher.publishBytes('t', '', { qos: 1, packetId: 1 });
  publisher.send(joined(...new Array<Uint8Array>(count).fill(one)));
  publisher.all();
}

function packetIds(client: Peer): number[] {
  return client.all().map((packet) => (packet.type === 'suback' ? packet.packetId : 0));
}
