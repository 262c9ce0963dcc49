import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Gatekeeper } from '../../../src/core/ports.ts';
import { createHarness, fromHex } from '../../fixtures/broker-harness.ts';
import { gatekeeperWith } from '../../fixtures/fake-gatekeeper.ts';
import { rawSubscribe } from '../../fixtures/raw-packets.ts';

/** Refuses filters that begin with `no`; answers later where `isLater`. */
function refusing(isLater: boolean): Gatekeeper {
  const isAllowed = (filter: string): boolean => !filter.startsWith('no');
  return gatekeeperWith({
    maySubscribe: (_identity, { text }) => (isLater ? Promise.resolve(isAllowed(text)) : isAllowed(text)),
  });
}

describe('3.9 SUBACK', () => {
  test('[MQTT3-3.9.3-1] codes follow the order of the filters', () => {
    const client = createHarness().client('client');
    client.send(
      rawSubscribe(
        [
          ['a', 2],
          ['b', 0],
          ['c', 1],
          ['a', 0],
          ['d', 2],
        ],
        { packetId: 3 },
      ),
    );
    assert.deepEqual(client.link.takeSent(), fromHex('90 07 0003 02 00 01 00 02'));
  });

  for (const isLater of [false, true]) {
    test(`[MQTT3-3.9.3-1] [MQTT3-3.9.3-2] refused filters are 0x80 in their place${isLater ? ', answered later' : ''}`, async () => {
      const house = createHarness({ gatekeeper: refusing(isLater) });
      const client = house.client('client');
      client.send(
        rawSubscribe(
          [
            ['no/1', 2],
            ['b', 1],
            ['no/2', 0],
            ['c', 2],
          ],
          { packetId: 3 },
        ),
      );
      await house.settleLater();
      assert.deepEqual(client.link.takeSent(), fromHex('90 06 0003 80 01 80 02'));
      assert.equal(house.broker.sizes().subscriptions, 2);
      const pub = house.client('pub');
      for (const topic of ['no/1', 'no/2', 'b', 'c']) pub.publish(topic, 'x');
      assert.deepEqual(
        client.publishes().map(({ topic }) => topic),
        ['b', 'c'],
      );
    });
  }

  test('[MQTT3-3.9.3-2] a filter beyond the limit of the session is 0x80, replacing one is not', () => {
    const house = createHarness({ settings: { subscriptionsPerSessionMax: 2 } });
    const client = house.client('client');
    client.send(
      rawSubscribe([
        ['a', 0],
        ['b', 1],
        ['c', 2],
        ['a', 2],
      ]),
    );
    assert.deepEqual(client.expect('suback').reasons, [0, 1, 0x80, 2]);
  });

  test('[MQTT3-3.9.3-2] no code but 0, 1, 2 and 0x80 is sent, whatever is asked for', () => {
    const house = createHarness({ gatekeeper: refusing(false), settings: { subscriptionsPerSessionMax: 5 } });
    const codes = new Set<number>();
    for (let round = 0; round < 4; round += 1) {
      const client = house.client(`client ${round}`);
      const filters = ['a', 'no', '$SYS/#', '$CONTROL/#', '$share/g/x', '$share/g/no', '#', 'b', 'c', 'd'];
      for (const qos of [0, 1, 2] as const)
        for (const code of client.subscribe(filters, { qos }).reasons) codes.add(code);
    }
    for (const code of codes) assert.ok([0, 1, 2, 0x80].includes(code), `code ${code}`);
  });
});
