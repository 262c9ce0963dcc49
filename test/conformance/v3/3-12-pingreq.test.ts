import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createHarness, fromHex } from '../../fixtures/broker-harness.ts';
import { joined } from '../../fixtures/raw-packets.ts';
import { assertEndsClient, Witness } from '../../fixtures/reactions.ts';

const PINGREQ = fromHex('c0 00');
const PINGRESP = fromHex('d0 00');

describe('3.12 PINGREQ', () => {
  test('[MQTT3-3.12.4-1] each ping is answered', () => {
    const client = createHarness().client('client');
    client.send(PINGREQ);
    assert.deepEqual(client.link.takeSent(), PINGRESP);
    client.send(joined(PINGREQ, PINGREQ, PINGREQ));
    assert.deepEqual(client.link.takeSent(), joined(PINGRESP, PINGRESP, PINGRESP));
  });

  test('[MQTT3-3.12.4-1] a ping that comes in two parts is answered once', () => {
    const client = createHarness().client('client');
    client.send(PINGREQ.subarray(0, 1));
    client.expectNothing();
    client.send(PINGREQ.subarray(1));
    assert.deepEqual(client.link.takeSent(), PINGRESP);
  });

  test('[MQTT3-3.12.4-1] a ping is answered while messages wait for acknowledgement', () => {
    const house = createHarness();
    const client = house.client('client');
    client.subscribe('t', { qos: 2 });
    const pub = house.client('pub');
    for (let count = 0; count < 100; count += 1) pub.publish('t', 'x', { qos: 2 });
    assert.equal(client.publishes().length, 20);
    client.ping();
    client.expect('pingresp');
    client.expectNothing();
  });

  test('a PINGREQ with a body closes the connection before the body comes', () => {
    const house = createHarness();
    const witness = new Witness(house);
    assertEndsClient({ house, witness }, fromHex('c0 01'));
    assertEndsClient({ house, witness }, fromHex('c0 01 00'));
  });
});
