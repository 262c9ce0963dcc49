import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Reason } from '../../../src/protocol/reasons.ts';
import { createHarness, type Peer } from '../../fixtures/broker-harness.ts';
import { gatekeeperWith } from '../../fixtures/fake-gatekeeper.ts';
import { field, frame, joined, rawConnect, splitFrames, u16 } from '../../fixtures/raw-packets.ts';
import { assertEndsClientWith, provoke, Witness } from '../../fixtures/reactions.ts';
import { enter } from './clients.ts';

/** Packets of a client that are correct but for their flags, which are added. */
const BY_TYPE: readonly {
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  readonly body: Uint8Array;
}[] = [
  { name: 'PUBACK', type: 4, flags: 0, body: u16(1) },
  { name: 'PUBREC', type: 5, flags: 0, body: u16(1) },
  { name: 'PUBREL [MQTT5-3.6.1-1]', type: 6, flags: 2, body: u16(1) },
  { name: 'PUBCOMP', type: 7, flags: 0, body: u16(1) },
  { name: 'SUBSCRIBE [MQTT5-3.8.1-1]', type: 8, flags: 2, body: joined(u16(1), 0, field('a'), 0) },
  { name: 'UNSUBSCRIBE [MQTT5-3.10.1-1]', type: 10, flags: 2, body: joined(u16(1), 0, field('a')) },
  { name: 'PINGREQ', type: 12, flags: 0, body: joined() },
  { name: 'DISCONNECT [MQTT5-3.14.1-1]', type: 14, flags: 0, body: joined() },
  { name: 'AUTH [MQTT5-3.15.1-1]', type: 15, flags: 0, body: joined(0x19, 5, 0x15, field('m')) },
];

describe('2.1 fixed header', () => {
  for (const { name, type, flags, body } of BY_TYPE) {
    test(`[MQTT5-2.1.3-1] flags other than ${flags} are answered by 0x81 and a close: ${name}`, () => {
      const house = createHarness();
      const witness = new Witness(house);
      for (let wrong = 0; wrong < 16; wrong += 1) {
        if (wrong === flags) continue;
        const says = new RegExp(`fixed header flags must be ${flags}, not ${wrong}`);
        assertEndsClientWith({ house, witness, says }, frame((type << 4) | wrong, body), Reason.MalformedPacket);
      }
    });
  }

  test('[MQTT5-2.1.3-1] flags of CONNECT other than 0 are answered by CONNACK 0x81 and a close', () => {
    const house = createHarness();
    const witness = new Witness(house);
    for (let wrong = 1; wrong < 16; wrong += 1) {
      const seen = provoke({ house, witness }, house.peer({}, 5), rawConnect({ level: 5, firstByte: 0x10 | wrong }));
      assert.deepEqual(
        seen.map((packet) => (packet.type === 'connack' ? packet.reason : packet.type)),
        [Reason.MalformedPacket],
      );
    }
  });

  test('[MQTT5-2.1.3-1] the same packets with the right flags are served', () => {
    const house = createHarness();
    for (const { name, type, flags, body } of BY_TYPE) {
      if (type === 14 || type === 15) continue;
      const client = enter(house, 'client');
      client.send(frame((type << 4) | flags, body));
      assert.equal(client.isClosed, false, name);
    }
    assert.equal(house.broker.counters.protocolErrors, 0);
  });

  test('[MQTT5-2.1.3-1] every packet that the server sends has its reserved flags as listed', () => {
    const house = createHarness({
      gatekeeper: gatekeeperWith({
        startEnhanced: () => ({
          step: () => ({ kind: 'allowed', data: null, userName: null }),
          abandon: () => undefined,
        }),
      }),
    });
    const first = new Map<number, number>();
    const note = (peer: Peer): void => {
      for (const bytes of splitFrames(peer.link.takeSent())) first.set((bytes[0] ?? 0) >> 4, (bytes[0] ?? 0) & 0x0f);
    };
    const peer = house.peer();
    const authenticationMethod = 'm';
    peer.sendConnect({ version: 5, clientId: 'a', properties: { authenticationMethod } });
    peer.sendSubscribe('t', { qos: 2 });
    peer.publish('t', 'x', { qos: 2, packetId: 1 });
    peer.ack('pubrel', 1);
    peer.publish('t', 'x', { qos: 1, packetId: 2 });
    note(peer);
    peer.ack('pubrec', 1);
    peer.ping();
    peer.auth(Reason.ReAuthenticate, { authenticationMethod });
    peer.send(frame(0xa2, u16(9), 0, field('t')));
    peer.send(frame(0x82, u16(9), 0));
    note(peer);
    first.delete(3);
    assert.deepEqual(Object.fromEntries(first), { 2: 0, 4: 0, 5: 0, 6: 2, 7: 0, 9: 0, 11: 0, 13: 0, 14: 0, 15: 0 });
  });

  test('a packet of the reserved type 0 is answered by a DISCONNECT and a close', () => {
    const house = createHarness();
    assertEndsClientWith({ house, witness: new Witness(house) }, frame(0x00), Reason.ProtocolError);
  });
});
