import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createHarness, type Peer } from '../../fixtures/broker-harness.ts';
import { field, frame, rawAck, rawConnect, splitFrames, u16 } from '../../fixtures/raw-packets.ts';
import { assertEndsClient, assertRefusedSilently, Witness } from '../../fixtures/reactions.ts';

/** Packets of a client that are correct but for their flags, which are added. */
const BY_TYPE: readonly {
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  readonly body: Uint8Array;
}[] = [
  { name: 'PUBACK', type: 4, flags: 0, body: u16(1) },
  { name: 'PUBREC', type: 5, flags: 0, body: u16(1) },
  { name: 'PUBREL', type: 6, flags: 2, body: u16(1) },
  { name: 'PUBCOMP', type: 7, flags: 0, body: u16(1) },
  { name: 'SUBSCRIBE', type: 8, flags: 2, body: Uint8Array.of(0, 1, 0, 1, 0x61, 0) },
  { name: 'UNSUBSCRIBE', type: 10, flags: 2, body: Uint8Array.of(0, 1, 0, 1, 0x61) },
  { name: 'PINGREQ', type: 12, flags: 0, body: new Uint8Array(0) },
  { name: 'DISCONNECT', type: 14, flags: 0, body: new Uint8Array(0) },
];

describe('2.2 fixed header', () => {
  test('[MQTT3-2.2.2-1] every packet that the server sends has its reserved flags as listed', () => {
    const house = createHarness();
    const first = new Map<number, number>();
    const note = (peer: Peer): void => {
      for (const bytes of splitFrames(peer.link.takeSent())) first.set((bytes[0] ?? 0) >> 4, (bytes[0] ?? 0) & 0x0f);
    };
    const peer = house.peer();
    peer.sendConnect({ clientId: 'a' });
    peer.sendSubscribe('t', { qos: 2 });
    peer.publish('t', 'x', { qos: 2, packetId: 1 });
    peer.ack('pubrel', 1);
    peer.publish('t', 'x', { qos: 1, packetId: 2 });
    note(peer);
    peer.ack('pubrec', 1);
    peer.ping();
    peer.send(frame(0xa2, u16(9), field('t')));
    note(peer);
    first.delete(3);
    assert.deepEqual(Object.fromEntries(first), { 2: 0, 4: 0, 5: 0, 6: 2, 7: 0, 9: 0, 11: 0, 13: 0 });
  });

  for (const { name, type, flags, body } of BY_TYPE) {
    test(`[MQTT3-2.2.2-2] ${name} with flags other than ${flags} closes the connection`, () => {
      const house = createHarness();
      const witness = new Witness(house);
      for (let wrong = 0; wrong < 16; wrong += 1) {
        if (wrong === flags) continue;
        const says = new RegExp(`fixed header flags must be ${flags}, not ${wrong}`);
        assertEndsClient({ house, witness, says }, frame((type << 4) | wrong, body));
      }
    });
  }

  test('[MQTT3-2.2.2-2] CONNECT with flags other than 0 closes the connection', () => {
    const house = createHarness();
    const witness = new Witness(house);
    for (let wrong = 1; wrong < 16; wrong += 1) {
      assertRefusedSilently({ house, witness, says: /flags must be 0/ }, rawConnect({ firstByte: 0x10 | wrong }));
    }
  });

  test('[MQTT3-2.2.2-2] the same packets with the right flags are served', () => {
    const house = createHarness();
    for (const { type, flags, body } of BY_TYPE) {
      if (type === 14) continue;
      const client = house.client('client');
      client.send(frame((type << 4) | flags, body));
      assert.equal(client.isClosed, false, `type ${type}`);
    }
    assert.equal(house.broker.counters.protocolErrors, 0);
  });

  test('[MQTT3-2.2.2-2] the reserved packet types close the connection', () => {
    const house = createHarness();
    const witness = new Witness(house);
    for (const type of [0, 15]) assertEndsClient({ house, witness }, rawAck(type << 4, 1));
  });
});
