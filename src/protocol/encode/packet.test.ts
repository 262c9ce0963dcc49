import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ALL, bytesOf, encodePacket, filterOf, hexOf, propertiesOf } from '../codec.fixture.ts';
import { type ConnectPacket, EMPTY_PROPERTIES, type Packet, type SubackPacket } from '../packets.ts';
import type { ProtocolVersion } from '../version.ts';
import { encodeAck, encodeConnack, encodeConnect, encodeSuback, encodeSubscribe, encodeUnsubscribe } from './packet.ts';

const properties = EMPTY_PROPERTIES;
const connect: ConnectPacket = {
  type: 'connect',
  version: 4,
  isBridge: false,
  clientId: 'ab',
  cleanStart: true,
  keepAlive: 60,
  userName: null,
  password: null,
  will: null,
  properties,
};

/** First bytes as table 2-2 of the standard lists them. */
const FIRST_BYTES: readonly (readonly [first: number, packet: Packet])[] = [
  [0x10, connect],
  [0x20, { type: 'connack', sessionPresent: false, reason: 0, properties }],
  [0x40, { type: 'puback', packetId: 1, reason: 0, properties }],
  [0x50, { type: 'pubrec', packetId: 1, reason: 0, properties }],
  [0x62, { type: 'pubrel', packetId: 1, reason: 0, properties }],
  [0x70, { type: 'pubcomp', packetId: 1, reason: 0, properties }],
  [
    0x82,
    {
      type: 'subscribe',
      packetId: 1,
      subscriptions: [{ filter: filterOf('a'), qos: 0, noLocal: false, retainAsPublished: false, retainHandling: 0 }],
      properties,
    },
  ],
  [0x90, { type: 'suback', packetId: 1, reasons: [0], properties }],
  [0xa2, { type: 'unsubscribe', packetId: 1, filters: [filterOf('a')], properties }],
  [0xb0, { type: 'unsuback', packetId: 1, reasons: [0], properties }],
  [0xc0, { type: 'pingreq' }],
  [0xd0, { type: 'pingresp' }],
  [0xe0, { type: 'disconnect', reason: 0, properties }],
];

describe('packets out', () => {
  test('[MQTT5-2.1.3-1] [MQTT3-2.2.2-1] the fixed header flags are those listed', () => {
    for (const version of ALL) {
      for (const [first, packet] of FIRST_BYTES) assert.equal(encodePacket(packet, version)[0], first, packet.type);
    }
  });

  test('[MQTT5-2.2.2-1] properties that are absent have the length 0', () => {
    const frames = FIRST_BYTES.filter(([, { type }]) =>
      ['connack', 'suback', 'unsuback', 'unsubscribe'].includes(type),
    );
    for (const [, packet] of frames) {
      const older = encodePacket({ ...packet }, 4);
      const frame = encodePacket(packet, 5);
      assert.equal(frame[4], 0);
      // In 3.x an UNSUBACK has no reasons.
      assert.equal(frame.length, older.length + (packet.type === 'unsuback' ? 2 : 1));
    }
  });

  test('[MQTT5-3.2.2-1] [MQTT5-3.2.2-6] [MQTT3-3.2.2-4] a refusing CONNACK never says that a session is present', () => {
    const refusal = { type: 'connack', sessionPresent: true, reason: 0x87, properties } as const;
    assert.equal(hexOf(encodeConnack(refusal, 5)), '2003008700');
    assert.equal(hexOf(encodeConnack({ ...refusal, reason: 5 }, 4)), '20020005');
  });

  test('3.1 has no session present flag', () => {
    assert.equal(hexOf(encodeConnack({ type: 'connack', sessionPresent: true, reason: 0, properties }, 3)), '20020000');
  });

  test('3.x leaves out what only v5 has', () => {
    const rich = propertiesOf({ reasonString: 'x' });
    const suback: SubackPacket = { type: 'suback', packetId: 10, reasons: [1, 0x80], properties: rich };
    assert.equal(hexOf(encodeSuback(suback, 4)), hexOf(bytesOf('90 ~ 000a 01 80')));
    assert.equal(hexOf(encodeSuback({ ...suback, type: 'unsuback' }, 3)), hexOf(bytesOf('b0 02 000a')));
    assert.equal(hexOf(encodeAck({ type: 'puback', packetId: 10, reason: 0x87, properties: rich }, 4)), '4002000a');
    const request = {
      filter: filterOf('a'),
      qos: 1,
      noLocal: true,
      retainAsPublished: true,
      retainHandling: 2,
    } as const;
    const subscribe = { type: 'subscribe', packetId: 10, subscriptions: [request], properties } as const;
    assert.equal(hexOf(encodeSubscribe(subscribe, 4)), hexOf(bytesOf('82 ~ 000a "a" 01')));
  });

  test('[MQTT3-3.1.2-22] a password without a user name is not sent in 3.x', () => {
    const password = bytesOf("'p'");
    assert.throws(() => encodeConnect({ ...connect, password }), /password without a user name/);
    assert.equal(
      hexOf(encodeConnect({ ...connect, version: 5, password })),
      hexOf(bytesOf('10 ~ "MQTT" 05 42 003c {} "ab" "p"')),
    );
  });

  test('the bridge bit exists in 3.x only', () => {
    assert.throws(() => encodeConnect({ ...connect, version: 5, isBridge: true }), /bridge bit/);
  });

  test('a body of 128 bytes and more has a longer length', () => {
    const filters = Array.from({ length: 40 }, (_, index) => filterOf(`plant/${index}/#`));
    for (const version of ALL satisfies readonly ProtocolVersion[]) {
      const frame = encodeUnsubscribe({ type: 'unsubscribe', packetId: 1, filters, properties }, version);
      const length = (frame[1] ?? 0) - 128 + 128 * (frame[2] ?? 0);
      assert.equal(frame.length, 3 + length);
    }
  });
});
