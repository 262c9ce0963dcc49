import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createHarness, fromHex, type Harness, type Peer } from '../../fixtures/broker-harness.ts';
import { joined, rawPublish } from '../../fixtures/raw-packets.ts';
import { provoke, Witness } from '../../fixtures/reactions.ts';

function houseWithWill(): { house: Harness; watcher: Peer; client: Peer } {
  const house = createHarness();
  const watcher = house.client('watcher');
  watcher.subscribe('#');
  const client = house.client('client', { will: { topic: 'will', payload: 'lost', retain: true }, keepAlive: 10 });
  return { house, watcher, client };
}

describe('3.14 DISCONNECT', () => {
  test('[MQTT3-3.14.1-1] DISCONNECT with a flag bit set closes the connection as an error: the will goes out', () => {
    for (let flags = 1; flags < 16; flags += 1) {
      const { house, watcher, client } = houseWithWill();
      const witness = new Witness(house);
      const bytes = Uint8Array.of(0xe0 | flags, 0);
      assert.deepEqual(provoke({ house, witness, says: /flags must be 0/ }, client, bytes), []);
      assert.equal(watcher.expect('publish').text, 'lost');
    }
  });

  test('[MQTT3-3.14.1-1] DISCONNECT with a body closes the connection as an error', () => {
    const { house, watcher, client } = houseWithWill();
    const witness = new Witness(house);
    assert.deepEqual(provoke({ house, witness }, client, fromHex('e0 01 00')), []);
    assert.equal(watcher.expect('publish').text, 'lost');
  });

  test('[MQTT3-3.14.4-3] DISCONNECT throws the will away and closes without a word', () => {
    const { house, watcher, client } = houseWithWill();
    client.send(fromHex('e0 00'));
    assert.equal(client.isClosed, true);
    client.expectNothing();
    house.advance(3_600_000);
    watcher.expectNothing();
    assert.equal(house.broker.sizes().retained, 0);
    assert.equal(house.broker.sizes().connections, 1);
    assert.match(house.log.texts('notice').at(-1) ?? '', /^Client client \[.*\] disconnected\.$/);
  });

  test('[MQTT3-3.14.4-3] what stands behind DISCONNECT is not looked at', () => {
    const { watcher, client } = houseWithWill();
    client.send(
      joined(rawPublish('t', { payload: 'before' }), fromHex('e0 00'), rawPublish('t', { payload: 'after' })),
    );
    assert.equal(watcher.expect('publish').text, 'before');
    watcher.expectNothing();
  });

  test('[MQTT3-3.14.4-3] acknowledgements of packets before DISCONNECT still leave', () => {
    const { client } = houseWithWill();
    client.send(joined(rawPublish('t', { flags: 2, packetId: 8 }), fromHex('e0 00')));
    assert.deepEqual(client.link.takeSent(), fromHex('40 02 0008'));
  });
});
