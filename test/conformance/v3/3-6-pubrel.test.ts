import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createHarness, fromHex } from '../../fixtures/broker-harness.ts';
import { rawAck } from '../../fixtures/raw-packets.ts';
import { provoke, Witness } from '../../fixtures/reactions.ts';

describe('3.6 PUBREL', () => {
  test('[MQTT3-3.6.1-1] PUBREL with other flags than 0010 closes the connection and releases nothing', () => {
    const house = createHarness();
    const witness = new Witness(house);
    for (let flags = 0; flags < 16; flags += 1) {
      if (flags === 2) continue;
      const pub = house.client('pub', { cleanStart: false });
      pub.publish('t', 'x', { qos: 2, packetId: 3 });
      pub.expect('pubrec');
      assert.deepEqual(provoke({ house, witness, says: /flags must be 2/ }, pub, rawAck(0x60 | flags, 3)), []);
      const again = house.client('pub', { cleanStart: false });
      again.publish('t', 'x', { qos: 2, packetId: 3, dup: true });
      again.send(rawAck(0x62, 3));
      assert.deepEqual(again.link.takeSent(), fromHex('20020100 50020003 70020003').subarray(4));
      again.disconnect();
    }
  });

  test('[MQTT3-3.6.1-1] PUBREL that is too short or too long closes the connection', () => {
    const house = createHarness();
    const witness = new Witness(house);
    for (const hex of ['62 00', '62 01 00', '62 03 0001 00', '62 04 0001 00 00']) {
      const client = house.client('client');
      assert.deepEqual(provoke({ house, witness }, client, fromHex(hex)), []);
    }
  });
});
