import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Reason, type ReasonCode } from '../../../src/protocol/reasons.ts';
import { createHarness } from '../../fixtures/broker-harness.ts';
import {
  field,
  frame,
  ILL_FORMED,
  joined,
  rawConnect,
  rawPublish,
  rawSubscribe,
  rawUnsubscribe,
  splitFrames,
  u16,
  variableInteger,
} from '../../fixtures/raw-packets.ts';
import { assertEndsClientWith, provoke, Witness } from '../../fixtures/reactions.ts';
import { enter } from './clients.ts';

/** A property block with its length: the identifier, then the values. */
function block(id: number, ...values: readonly Uint8Array[]): Uint8Array {
  const properties = joined(id, ...values);
  return joined(variableInteger(properties.length), properties);
}

const WILL_FLAGS = 0x06;
const USER_NAME_FLAGS = 0x82;
const GOOD = field('good');

/** Fields of CONNECT that hold text: the packet with that text in it, and what CONNACK says of a bad one. */
const CONNECT_FIELDS: readonly {
  readonly name: string;
  readonly packet: (text: Uint8Array) => Uint8Array;
  readonly reason: ReasonCode;
}[] = [
  {
    name: 'client identifier [MQTT5-3.1.3-4]',
    packet: (text) => rawConnect({ level: 5, payload: [text] }),
    reason: Reason.ClientIdentifierNotValid,
  },
  {
    name: 'will topic [MQTT5-3.1.3-11]',
    packet: (text) => rawConnect({ level: 5, flags: WILL_FLAGS, payload: [GOOD, 0, text, field('')] }),
    reason: Reason.MalformedPacket,
  },
  {
    name: 'user name [MQTT5-3.1.3-12]',
    packet: (text) => rawConnect({ level: 5, flags: USER_NAME_FLAGS, payload: [GOOD, text] }),
    reason: Reason.MalformedPacket,
  },
  {
    name: 'authentication method',
    packet: (text) => rawConnect({ level: 5, properties: joined(0x15, text) }),
    reason: Reason.MalformedPacket,
  },
  {
    name: 'name of a user property [MQTT5-1.5.7-1]',
    packet: (text) => rawConnect({ level: 5, properties: joined(0x26, text, GOOD) }),
    reason: Reason.MalformedPacket,
  },
  {
    name: 'value of a user property [MQTT5-1.5.7-1]',
    packet: (text) => rawConnect({ level: 5, properties: joined(0x26, GOOD, text) }),
    reason: Reason.MalformedPacket,
  },
  {
    name: 'content type of the will',
    packet: (text) => rawConnect({ level: 5, flags: WILL_FLAGS, payload: [GOOD, block(0x03, text), GOOD, field('')] }),
    reason: Reason.MalformedPacket,
  },
];

/** Fields of later packets that hold text. */
const LATER_FIELDS: readonly { readonly name: string; readonly packet: (text: Uint8Array) => Uint8Array }[] = [
  { name: 'topic name [MQTT5-3.3.2-1]', packet: (text) => frame(0x30, text, 0) },
  {
    name: 'response topic [MQTT5-3.3.2-13]',
    packet: (text) => rawPublish('t', { properties: block(0x08, text) }),
  },
  {
    name: 'content type [MQTT5-3.3.2-19]',
    packet: (text) => rawPublish('t', { properties: block(0x03, text) }),
  },
  {
    name: 'name of a user property of PUBLISH [MQTT5-1.5.7-1]',
    packet: (text) => rawPublish('t', { properties: block(0x26, text, GOOD) }),
  },
  {
    name: 'value of a user property of PUBLISH [MQTT5-1.5.7-1]',
    packet: (text) => rawPublish('t', { properties: block(0x26, GOOD, text) }),
  },
  { name: 'filter of SUBSCRIBE [MQTT5-3.8.3-1]', packet: (text) => frame(0x82, u16(1), 0, text, 0) },
  { name: 'user property of SUBSCRIBE', packet: (text) => frame(0x82, u16(1), block(0x26, text, GOOD), GOOD, 0) },
  { name: 'filter of UNSUBSCRIBE [MQTT5-3.10.3-1]', packet: (text) => frame(0xa2, u16(1), 0, text) },
  { name: 'reason string of PUBACK', packet: (text) => frame(0x40, u16(1), 0x80, block(0x1f, text)) },
  { name: 'reason string of DISCONNECT', packet: (text) => frame(0xe0, 0x00, block(0x1f, text)) },
  { name: 'user property of DISCONNECT', packet: (text) => frame(0xe0, 0x00, block(0x26, GOOD, text)) },
];

describe('1.5 data representation', () => {
  for (const { name, packet, reason } of CONNECT_FIELDS) {
    test(`[MQTT5-1.5.4-1] T04: ill-formed UTF-8 in CONNECT is refused and the connection closed: ${name}`, () => {
      const house = createHarness();
      const witness = new Witness(house);
      for (const [fault, bytes] of ILL_FORMED) {
        const seen = provoke({ house, witness }, house.peer({}, 5), packet(field(joined('a', bytes))));
        assert.equal(connackReason(seen), reason, fault);
      }
      assert.equal(house.broker.sizes().sessions, 1);
    });

    test(`[MQTT5-1.5.4-2] the null character in CONNECT is refused: ${name}`, () => {
      const house = createHarness();
      const witness = new Witness(house);
      for (const text of ['\0', 'a\0', 'a\0b']) {
        assert.equal(connackReason(provoke({ house, witness }, house.peer({}, 5), packet(field(text)))), reason);
      }
    });
  }

  for (const { name, packet } of LATER_FIELDS) {
    test(`[MQTT5-1.5.4-1] T04: ill-formed UTF-8 is answered by 0x81 and a close: ${name}`, () => {
      const house = createHarness();
      const witness = new Witness(house);
      for (const bytes of ILL_FORMED.values()) {
        assertEndsClientWith({ house, witness }, packet(field(joined('a', bytes))), Reason.MalformedPacket);
      }
    });

    test(`[MQTT5-1.5.4-2] the null character is answered by 0x81 and a close: ${name}`, () => {
      const house = createHarness();
      const witness = new Witness(house);
      for (const text of ['\0', 'a\0', 'a\0b']) {
        assertEndsClientWith({ house, witness }, packet(field(text)), Reason.MalformedPacket);
      }
    });
  }

  test('[MQTT5-1.5.4-1] the same packets with well-formed text beyond ASCII are served', () => {
    const house = createHarness();
    for (const { name, packet } of LATER_FIELDS) {
      const client = enter(house, 'client');
      client.send(packet(field('Wärme/温度/🌡')));
      if (!name.includes('DISCONNECT')) assert.equal(client.isClosed, false, name);
    }
    for (const { name, packet } of CONNECT_FIELDS) {
      if (name.startsWith('authentication')) continue;
      const peer = house.peer();
      peer.send(packet(field('Wärme/温度/🌡')));
      assert.equal(peer.isClosed, false, name);
    }
    assert.equal(house.broker.counters.protocolErrors, 0);
  });

  test('[MQTT5-1.5.4-3] a byte order mark is a character of the topic and stays in it', () => {
    const house = createHarness();
    const marked = enter(house, 'marked');
    marked.subscribe('\uFEFFa');
    const plain = enter(house, 'plain');
    plain.subscribe('a');
    const pub = enter(house, 'pub');
    pub.send(rawPublish(Uint8Array.of(0xef, 0xbb, 0xbf, 0x61), { properties: Uint8Array.of(0), payload: 'm' }));
    plain.expectNothing();
    assert.deepEqual(
      Buffer.from(marked.link.takeSent()),
      Buffer.from(frame(0x30, field(Uint8Array.of(0xef, 0xbb, 0xbf, 0x61)), 0, 'm')),
    );
  });

  test('[MQTT5-1.5.4-3] a byte order mark tells client identifiers and user properties apart', () => {
    const house = createHarness();
    const plain = enter(house, 'a');
    const marked = enter(house, '\uFEFFa');
    assert.equal(plain.isClosed, false);
    assert.equal(house.broker.sizes().sessions, 2);
    plain.subscribe('t');
    const userProperties = [{ name: '\uFEFFname', value: '\uFEFFvalue' }];
    marked.publish('t', '', { properties: { userProperties } });
    assert.deepEqual(plain.expect('publish').properties.userProperties, userProperties);
  });

  const LENGTHS: readonly { readonly name: string; readonly bytes: Uint8Array }[] = [
    { name: 'remaining length of five bytes', bytes: joined(0x30, 0x80, 0x80, 0x80, 0x80, 0x01) },
    { name: 'remaining length that never ends', bytes: joined(0x30, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff) },
    { name: 'remaining length 2 in two bytes', bytes: joined(0xc0, 0x80, 0x00) },
    { name: 'remaining length 3 in two bytes', bytes: joined(0x30, 0x83, 0x00, 0, 1, 0x74) },
    { name: 'property length in two bytes where one is enough', bytes: frame(0x30, field('t'), 0x80, 0x00) },
    { name: 'property length of five bytes', bytes: frame(0x30, field('t'), 0x80, 0x80, 0x80, 0x80, 0x01) },
    {
      name: 'subscription identifier in two bytes where one is enough',
      bytes: frame(0x82, u16(1), 3, 0x0b, 0x81, 0x00, field('t'), 0),
    },
    {
      name: 'subscription identifier of five bytes',
      bytes: frame(0x82, u16(1), 6, 0x0b, 0x80, 0x80, 0x80, 0x80, 0x01, field('t'), 0),
    },
  ];
  for (const { name, bytes } of LENGTHS) {
    test(`[MQTT5-1.5.5-1] T52: a ${name} is answered by 0x81 and a close`, () => {
      const house = createHarness();
      assertEndsClientWith({ house, witness: new Witness(house) }, bytes, Reason.MalformedPacket);
    });
  }

  test('[MQTT5-1.5.5-1] T52: a length of CONNECT in five bytes closes the connection in silence', () => {
    const house = createHarness();
    const witness = new Witness(house);
    const body = rawConnect({ level: 5 }).subarray(2);
    const length = joined(0x80, 0x80, 0x80, 0x80, 0x01);
    assert.deepEqual(provoke({ house, witness }, house.peer(), joined(0x10, length, body)), []);
  });

  test('[MQTT5-1.5.5-1] T52: a length of CONNECT with a byte it does not need is answered by 0x81', () => {
    const house = createHarness();
    const peer = house.peer();
    const body = rawConnect({ level: 5 }).subarray(2);
    peer.send(joined(0x10, joined(0x80 | body.length, 0x00), body));
    assert.deepEqual(peer.link.takeSent(), Uint8Array.of(0x20, 3, 0, 0x81, 0));
    assert.equal(peer.isClosed, true);
  });

  test('[MQTT5-1.5.5-1] lengths and identifiers that the server sends take as few bytes as possible', () => {
    const house = createHarness();
    const sub = enter(house, 'sub');
    const pub = enter(house, 'pub');
    // Around each step of the remaining length: a topic of one byte and an empty property block take four bytes.
    for (const bodyBytes of [127, 128, 16_383, 16_384, 2_097_151, 2_097_152]) {
      const isLarge = bodyBytes > 2_000_000;
      const own = isLarge ? createHarness({ settings: { maxPacketSize: 0 } }) : house;
      const receiver = isLarge ? enter(own, 'sub') : sub;
      receiver.subscribe('t');
      receiver.link.takeSent();
      (isLarge ? enter(own, 'pub') : pub).publish('t', new Uint8Array(bodyBytes - 4));
      const [sent] = splitFrames(receiver.link.takeSent());
      const length = variableInteger(bodyBytes);
      assert.deepEqual(sent?.subarray(1, 1 + length.length), length, `remaining length ${bodyBytes}`);
      assert.equal(sent?.length, 1 + length.length + bodyBytes);
    }
    for (const identifier of [1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, 268_435_455]) {
      sub.subscribe('i', { identifier });
      pub.publish('i', 'x');
      const property = joined(0x0b, variableInteger(identifier));
      assert.deepEqual(
        Buffer.from(sub.link.takeSent()),
        Buffer.from(frame(0x30, field('i'), property.length, property, 'x')),
        `subscription identifier ${identifier}`,
      );
    }
  });

  test('[MQTT5-1.5.4-1] text of every packet is checked on its own: a bad one after good ones still counts', () => {
    const house = createHarness();
    const witness = new Witness(house);
    const good = rawSubscribe([['a', 0]], { isV5: true });
    const bad = rawUnsubscribe([Uint8Array.of(0xff)], { isV5: true });
    const client = enter(house, 'client');
    const seen = provoke({ house, witness }, client, joined(good, bad));
    assert.deepEqual(
      seen.map(({ type }) => type),
      ['suback', 'disconnect'],
    );
  });
});

function connackReason(seen: ReturnType<typeof provoke>): number | null {
  assert.equal(seen.length, 1, `one CONNACK is expected, got ${JSON.stringify(seen)}`);
  const [only] = seen;
  return only?.type === 'connack' ? only.reason : null;
}
