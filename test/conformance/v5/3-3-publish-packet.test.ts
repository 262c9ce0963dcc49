/** What a PUBLISH must look like, and what one that does not gets. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Reason, type ReasonCode } from '../../../src/protocol/reasons.ts';
import { createHarness } from '../../fixtures/broker-harness.ts';
import { field, frame, joined, rawPublish, splitFrames, u16, variableInteger } from '../../fixtures/raw-packets.ts';
import { assertEndsClientWith, Witness } from '../../fixtures/reactions.ts';
import { comeBack, enter, enterDurable } from './clients.ts';

const NONE = Uint8Array.of(0);

function block(...properties: readonly (number | Uint8Array)[]): Uint8Array {
  const bytes = joined(...properties);
  return joined(variableInteger(bytes.length), bytes);
}

interface Bad {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly reason: ReasonCode;
}

const BAD: readonly Bad[] = [
  {
    name: '[MQTT5-3.3.1-2] DUP with QoS 0',
    bytes: rawPublish('t', { flags: 0x08, properties: NONE }),
    reason: Reason.MalformedPacket,
  },
  {
    name: '[MQTT5-3.3.1-4] QoS 3',
    bytes: rawPublish('t', { flags: 0x06, packetId: 1, properties: NONE }),
    reason: Reason.MalformedPacket,
  },
  {
    name: '[MQTT5-3.3.1-4] QoS 3 with DUP and RETAIN',
    bytes: rawPublish('t', { flags: 0x0f, packetId: 1, properties: NONE }),
    reason: Reason.MalformedPacket,
  },
  ...['#', '+', 'a/#', 'a/+/b', 'a#', 'a+b', '+/'].map((topic) => ({
    name: `[MQTT5-3.3.2-2] [MQTT5-4.7.0-1] the topic name ${topic}`,
    bytes: rawPublish(topic, { properties: NONE }),
    reason: Reason.TopicNameInvalid,
  })),
  {
    name: '[MQTT5-4.7.3-1] T21: an empty topic name without an alias',
    bytes: rawPublish('', { properties: NONE }),
    reason: Reason.ProtocolError,
  },
  {
    name: '[MQTT5-3.3.2-1] a topic name longer than the packet',
    bytes: frame(0x30, u16(9), 't'),
    reason: Reason.MalformedPacket,
  },
  { name: '[MQTT5-3.3.2-1] nothing at all', bytes: frame(0x30), reason: Reason.MalformedPacket },
  { name: 'no packet identifier', bytes: frame(0x32, field('t')), reason: Reason.MalformedPacket },
  { name: 'no property length', bytes: frame(0x30, field('t')), reason: Reason.MalformedPacket },
  {
    name: 'properties longer than the packet',
    bytes: frame(0x30, field('t'), 9, 0x01, 0x00),
    reason: Reason.MalformedPacket,
  },
  {
    name: '[MQTT5-3.3.2-8] topic alias 0',
    bytes: rawPublish('t', { properties: block(0x23, u16(0)) }),
    reason: Reason.TopicAliasInvalid,
  },
  ...['r/#', '+', 'r/+/s'].map((topic) => ({
    name: `[MQTT5-3.3.2-14] the response topic ${topic}`,
    bytes: rawPublish('t', { properties: block(0x08, field(topic)) }),
    reason: Reason.ProtocolError,
  })),
  {
    name: '[MQTT5-3.3.4-6] a subscription identifier from a client',
    bytes: rawPublish('t', { properties: block(0x0b, 1) }),
    reason: Reason.ProtocolError,
  },
  {
    name: 'payload format indicator 2',
    bytes: rawPublish('t', { properties: block(0x01, 2) }),
    reason: Reason.ProtocolError,
  },
  {
    name: 'two content types',
    bytes: rawPublish('t', { properties: block(0x03, field('a'), 0x03, field('a')) }),
    reason: Reason.ProtocolError,
  },
  {
    name: 'two topic aliases',
    bytes: rawPublish('t', { properties: block(0x23, u16(1), 0x23, u16(1)) }),
    reason: Reason.ProtocolError,
  },
  {
    name: 'a property of CONNECT',
    bytes: rawPublish('t', { properties: block(0x11, 0, 0, 0, 1) }),
    reason: Reason.MalformedPacket,
  },
];

describe('3.3 PUBLISH, the packet', () => {
  for (const { name, bytes, reason } of BAD) {
    test(`${name}: DISCONNECT 0x${reason.toString(16)} and a close`, () => {
      const house = createHarness();
      const watcher = enter(house, 'watcher');
      watcher.subscribe('#');
      assertEndsClientWith({ house, witness: new Witness(house) }, bytes, reason);
      assert.deepEqual(
        watcher.publishes().filter(({ topic }) => topic !== 'witness/self'),
        [],
      );
    });
  }

  test('T21: an empty topic name with an alias that was not introduced: DISCONNECT 0x82 and a close, at each QoS', () => {
    const house = createHarness();
    const witness = new Witness(house);
    for (const qos of [0, 1, 2]) {
      const id = qos === 0 ? joined() : u16(1);
      const bytes = frame(0x30 | (qos << 1), field(''), id, block(0x23, u16(1)));
      assertEndsClientWith({ house, witness }, bytes, Reason.ProtocolError);
    }
  });

  test('[MQTT5-4.7.3-3] T15: topic names of 65535 bytes are carried, beyond 200 levels they are refused', () => {
    const house = createHarness();
    const sub = enter(house, 'sub');
    sub.subscribe('#');
    const long = 'x'.repeat(65_535);
    enter(house, 'pub').publish(long, 'long');
    assert.equal(sub.expect('publish').topic, long);
    const deepest = Array.from({ length: 200 }, () => 'a').join('/');
    enter(house, 'pub').publish(deepest, 'deep');
    assert.equal(sub.expect('publish').topic, deepest);
    const tooDeep = rawPublish('/'.repeat(200), { properties: NONE });
    assertEndsClientWith({ house, witness: new Witness(house) }, tooDeep, Reason.TopicNameInvalid);
  });

  test('[MQTT5-3.3.2-1] the topic name is the first field of what the server sends', () => {
    const house = createHarness();
    const sub = enter(house, 'sub');
    sub.subscribe('a/ü', { qos: 1, identifier: 3 });
    sub.link.takeSent();
    enter(house, 'pub').publish('a/ü', 'x', { qos: 1, properties: { contentType: 'c' } });
    const [bytes] = splitFrames(sub.link.takeSent());
    assert.deepEqual(bytes, frame(0x32, field('a/ü'), u16(1), block(0x0b, 3, 0x03, field('c')), 'x'));
  });

  test('[MQTT5-3.3.1-2] [MQTT5-4.3.1-1] a message of QoS 0 leaves without DUP, also after it waited', () => {
    const house = createHarness({ settings: { queueQos0Messages: true } });
    const sub = enterDurable(house, 'sub');
    sub.subscribe('t', { qos: 0 });
    sub.cut();
    const pub = enter(house, 'pub');
    pub.publish('t', 'waited');
    pub.publish('t', 'higher', { qos: 1, dup: true });
    const back = comeBack(house, 'sub');
    pub.publish('t', 'live', { qos: 1, dup: true });
    assert.deepEqual(
      back.publishes().map(({ text, qos, dup }) => [text, qos, dup]),
      [
        ['waited', 0, false],
        ['higher', 0, false],
        ['live', 0, false],
      ],
    );
  });

  for (const qos of [1, 2] as const) {
    test(`[MQTT5-3.3.1-3] DUP of the publisher is not passed on: QoS ${qos}`, () => {
      const house = createHarness();
      const sub = enter(house, 'sub');
      sub.subscribe('t', { qos });
      const pub = enter(house, 'pub');
      pub.publish('t', 'first', { qos, dup: true });
      pub.publish('t', 'second', { qos, dup: false });
      assert.deepEqual(
        sub.publishes().map(({ dup }) => dup),
        [false, false],
      );
    });

    test(`[MQTT5-3.3.1-1] a message that is sent again has DUP, one sent for the first time has not: QoS ${qos}`, () => {
      const house = createHarness();
      const sub = enterDurable(house, 'sub', { properties: { receiveMaximum: 1 } });
      sub.subscribe('t', { qos });
      const pub = enter(house, 'pub');
      pub.publish('t', 'sent', { qos });
      pub.publish('t', 'queued', { qos });
      assert.equal(sub.expect('publish').dup, false);
      sub.cut();
      const back = comeBack(house, 'sub');
      assert.deepEqual(
        back.publishes().map(({ text, dup }) => [text, dup]),
        [
          ['sent', true],
          ['queued', false],
        ],
      );
    });
  }

  test('[MQTT5-3.3.4-1] the QoS decides which packet answers a PUBLISH', () => {
    const house = createHarness();
    const pub = enter(house, 'pub');
    pub.publish('t', 'x', { qos: 0 });
    pub.expectNothing();
    pub.publish('t', 'x', { qos: 1, packetId: 1 });
    pub.publish('t', 'x', { qos: 2, packetId: 2 });
    assert.deepEqual(
      pub.all().map((packet) => packet.type),
      ['puback', 'pubrec'],
    );
  });
});
