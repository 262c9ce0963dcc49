import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Reason, type ReasonCode } from '../../../src/protocol/reasons.ts';
import { createHarness, fromHex, type Harness, type Peer } from '../../fixtures/broker-harness.ts';
import { field, frame, joined, rawAck, rawPublish, splitFrames, u16 } from '../../fixtures/raw-packets.ts';
import { assertEndsClientWith, Witness } from '../../fixtures/reactions.ts';
import { enter } from './clients.ts';

const IDS = [1, 2, 255, 256, 32_768, 65_535] as const;

/** A house with a subscriber to `t` and a publisher. */
function couple(): { readonly house: Harness; readonly sub: Peer; readonly pub: Peer } {
  const house = createHarness();
  const sub = enter(house, 'sub');
  sub.subscribe('t', { qos: 2 });
  return { house, sub, pub: enter(house, 'pub') };
}

describe('2.2 variable header', () => {
  test('[MQTT5-2.2.1-2] a PUBLISH of QoS 0 is read and written without a packet identifier', () => {
    const { sub, pub } = couple();
    sub.link.takeSent();
    const bytes = frame(0x30, field('t'), 0, Uint8Array.of(0x00, 0x07));
    pub.send(bytes);
    assert.deepEqual(Buffer.from(sub.link.takeSent()), Buffer.from(bytes));
  });

  const ZERO: readonly { readonly name: string; readonly bytes: Uint8Array; readonly reason: ReasonCode }[] = [
    {
      name: 'PUBLISH of QoS 1',
      bytes: rawPublish('t', { flags: 2, packetId: 0, properties: Uint8Array.of(0) }),
      reason: Reason.ProtocolError,
    },
    {
      name: 'PUBLISH of QoS 2',
      bytes: rawPublish('t', { flags: 4, packetId: 0, properties: Uint8Array.of(0) }),
      reason: Reason.ProtocolError,
    },
    { name: 'SUBSCRIBE', bytes: frame(0x82, u16(0), 0, field('t'), 0), reason: Reason.MalformedPacket },
    { name: 'UNSUBSCRIBE', bytes: frame(0xa2, u16(0), 0, field('t')), reason: Reason.MalformedPacket },
    { name: 'PUBACK', bytes: rawAck(0x40, 0), reason: Reason.ProtocolError },
    { name: 'PUBREC', bytes: rawAck(0x50, 0), reason: Reason.ProtocolError },
    { name: 'PUBREL', bytes: rawAck(0x62, 0), reason: Reason.ProtocolError },
    { name: 'PUBCOMP', bytes: rawAck(0x70, 0), reason: Reason.ProtocolError },
  ];
  for (const { name, bytes, reason } of ZERO) {
    test(`[MQTT5-2.2.1-3] packet identifier 0 is answered by an error and a close: ${name}`, () => {
      const house = createHarness();
      assertEndsClientWith({ house, witness: new Witness(house) }, bytes, reason);
    });
  }

  test('[MQTT5-2.2.1-4] identifiers of the server are not 0 and not in use, all the way round', () => {
    const { sub, pub, house } = windowOf(1_001);
    pub.publish('t', 'stays open', { qos: 1 });
    pub.expect('puback');
    const stuck = sub.expect('publish').packetId;
    let sent = 0;
    let isRound = false;
    while (sent < 66_000) {
      pub.link.takeSent();
      pub.send(joined(...Array.from({ length: 1_000 }, () => Uint8Array.from(MESSAGE))));
      const ids = splitFrames(sub.link.takeSent()).map(packetIdOf);
      assert.equal(ids.length, 1_000);
      assert.equal(new Set(ids).size, 1_000, 'no identifier twice at a time');
      assert.equal(ids.includes(0), false);
      assert.equal(ids.includes(stuck), false);
      isRound ||= ids.includes(65_535) && ids.includes(stuck + 1);
      sub.send(joined(...ids.map((id) => rawAck(0x40, id))));
      sent += ids.length;
    }
    assert.ok(isRound, 'the identifiers should have begun anew behind 65535');
    assert.equal(house.broker.counters.protocolErrors, 0);
  });

  for (const packetId of IDS) {
    test(`[MQTT5-2.2.1-5] acknowledgements repeat the identifier of the PUBLISH: ${packetId}`, () => {
      const { pub } = couple();
      pub.publish('t', '', { qos: 1, packetId });
      assert.equal(pub.expect('puback').packetId, packetId);
      pub.publish('t', '', { qos: 2, packetId });
      assert.equal(pub.expect('pubrec').packetId, packetId);
      pub.ack('pubrel', packetId);
      assert.equal(pub.expect('pubcomp').packetId, packetId);
    });

    test(`[MQTT5-2.2.1-6] SUBACK and UNSUBACK repeat the identifier of the request: ${packetId}`, () => {
      const { pub } = couple();
      assert.equal(pub.subscribe('x', { packetId }).packetId, packetId);
      pub.send(frame(0xa2, u16(packetId), 0, field('x')));
      assert.equal(pub.expect('unsuback').packetId, packetId);
    });
  }

  test('[MQTT5-2.2.1-5] PUBREL repeats the identifier of the PUBLISH that the server sent', () => {
    const { sub, pub } = couple();
    pub.publish('t', 'first', { qos: 2, packetId: 900 });
    pub.publish('t', 'second', { qos: 2, packetId: 901 });
    const [first, second] = sub.publishes();
    assert.notEqual(first?.packetId, second?.packetId);
    sub.ack('pubrec', second?.packetId ?? 0);
    assert.equal(sub.expect('pubrel').packetId, second?.packetId);
    sub.ack('pubrec', first?.packetId ?? 0);
    assert.equal(sub.expect('pubrel').packetId, first?.packetId);
  });

  test('[MQTT5-2.2.2-1] packets without properties say so with a length of zero', () => {
    const { sub, pub } = couple();
    sub.link.takeSent();
    sub.sendSubscribe('t', { qos: 0, packetId: 7 });
    assert.deepEqual(sub.link.takeSent(), fromHex('90 04 0007 00 00'));
    pub.publish('t', 'x');
    assert.deepEqual(sub.link.takeSent(), fromHex('30 05 0001 74 00 78'));
    sub.send(frame(0xa2, u16(8), 0, field('t')));
    assert.deepEqual(sub.link.takeSent(), fromHex('b0 04 0008 00 00'));
    const refused = createHarness({ listener: { allowZeroLengthClientId: false } }).peer();
    refused.sendConnect({ version: 5, clientId: '' });
    assert.deepEqual(refused.link.takeSent(), fromHex('20 03 00 85 00'));
  });
});

const MESSAGE = rawPublish('t', { flags: 2, packetId: 5, properties: Uint8Array.of(0) });

function windowOf(receiveMaximum: number): { readonly house: Harness; readonly sub: Peer; readonly pub: Peer } {
  const house = createHarness();
  const sub = enter(house, 'sub', { properties: { receiveMaximum } });
  sub.subscribe('t', { qos: 1 });
  return { house, sub, pub: enter(house, 'pub') };
}

/** The packet identifier of a PUBLISH to the topic `t`. */
function packetIdOf(publish: Uint8Array): number {
  return ((publish[5] ?? 0) << 8) | (publish[6] ?? 0);
}
