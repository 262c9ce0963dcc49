import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { bytesOf, decodeFrame, hexOf, topicOf } from '../codec.fixture.ts';
import type { ProtocolVersion } from '../version.ts';
import { encodePublishPacket } from './packet.ts';
import { type PublishFields, publishFrameBytes, writePublish } from './publish.ts';

function fields(some: Partial<PublishFields>): PublishFields {
  return {
    topic: topicOf('a/b'),
    packetId: 7,
    qos: 0,
    retain: false,
    dup: false,
    topicAlias: 0,
    messageExpiryInterval: null,
    subscriptionIdentifiers: null,
    forwardedProperties: new Uint8Array(0),
    bytes: bytesOf("'xxhixx'"),
    payloadStart: 2,
    payloadEnd: 4,
    ...some,
  };
}

const RICH = {
  topicAlias: 3,
  messageExpiryInterval: 60,
  subscriptionIdentifiers: [1, 128],
  forwardedProperties: bytesOf('01 01 26 "k" "v"'),
};

const ROWS: readonly (readonly [
  name: string,
  version: ProtocolVersion,
  some: Partial<PublishFields>,
  frame: string,
])[] = [
  ['[MQTT3-2.3.1-5] QoS 0 has no packet id', 4, {}, '30 ~ "a/b" \'hi\''],
  ['[MQTT5-2.2.1-2] [MQTT5-2.2.2-1] QoS 0 has no packet id', 5, {}, '30 ~ "a/b" {} \'hi\''],
  ['[MQTT3-3.3.1-2] [MQTT3-4.3.1-1] QoS 0 has no DUP', 4, { dup: true }, '30 ~ "a/b" \'hi\''],
  ['[MQTT5-3.3.1-2] [MQTT5-4.3.1-1] QoS 0 has no DUP', 5, { dup: true }, '30 ~ "a/b" {} \'hi\''],
  ['3.1, QoS 1, DUP, RETAIN', 3, { qos: 1, dup: true, retain: true }, '3b ~ "a/b" 0007 \'hi\''],
  ['QoS 2', 4, { qos: 2, packetId: 65_535 }, '34 ~ "a/b" ffff \'hi\''],
  ['QoS 2', 5, { qos: 2, packetId: 65_535 }, '34 ~ "a/b" ffff {} \'hi\''],
  ['3.x leaves out what only v5 has', 4, RICH, '30 ~ "a/b" \'hi\''],
  [
    'all properties, several identifiers',
    5,
    { ...RICH, qos: 1 },
    '32 ~ "a/b" 0007 {23 0003 02 0000003c 0b 01 0b 8001 01 01 26 "k" "v"} \'hi\'',
  ],
  ['an alias alone', 5, { topic: null, topicAlias: 1 }, '30 ~ "" {23 0001} \'hi\''],
  ['the largest expiry', 5, { messageExpiryInterval: 0xffff_ffff }, '30 ~ "a/b" {02 ffffffff} \'hi\''],
  ['no payload', 4, { payloadEnd: 2 }, '30 ~ "a/b"'],
  ['no identifiers in the list', 5, { subscriptionIdentifiers: [] }, '30 ~ "a/b" {} \'hi\''],
];

/** A payload with which the body has exactly this size: topic a/b, 3.1.1, QoS 0. */
function ofBody(bodyBytes: number): PublishFields {
  const bytes = new Uint8Array(bodyBytes - 5 + 1).fill(0x70);
  return fields({ bytes, payloadStart: 1, payloadEnd: bytes.length });
}

describe('PUBLISH out', () => {
  for (const [name, version, some, frame] of ROWS) {
    test(`version ${version}: ${name}`, () => {
      const expected = bytesOf(frame);
      assert.equal(publishFrameBytes(version, fields(some)), expected.length);
      assert.equal(hexOf(encodePublishPacket(fields(some), version)), hexOf(expected));
    });
  }

  for (const bodyBytes of [5, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152]) {
    test(`[MQTT5-1.5.5-1] a body of ${bodyBytes} bytes, its length in the shortest form`, () => {
      const frame = encodePublishPacket(ofBody(bodyBytes), 4);
      const lengthBytes = bodyBytes < 128 ? 1 : bodyBytes < 16_384 ? 2 : bodyBytes < 2_097_152 ? 3 : 4;
      assert.equal(frame.length, 1 + lengthBytes + bodyBytes);
      const packet = decodeFrame(frame, 4, 'server');
      assert.ok(packet.type === 'publish' && packet.payload.length === bodyBytes - 5);
    });
  }

  test('is written at its place and touches nothing beside it', () => {
    const into = new Uint8Array(64).fill(0xee);
    const some = fields({ qos: 1 });
    const frameBytes = publishFrameBytes(5, some);
    assert.equal(writePublish(5, some, frameBytes, into, 10, true), 10 + frameBytes);
    const frame = hexOf(bytesOf('32 ~ "a/b" 0007 {} \'hi\''));
    assert.equal(hexOf(into), 'ee'.repeat(10) + frame + 'ee'.repeat(54 - frameBytes));
  });

  test('without its payload: all that is in front of it', () => {
    const some = fields({ ...RICH, qos: 2 });
    const frameBytes = publishFrameBytes(5, some);
    const whole = encodePublishPacket(some, 5);
    const into = new Uint8Array(64).fill(0xee);
    const end = writePublish(5, some, frameBytes, into, 0, false);
    assert.equal(end, frameBytes - 2);
    assert.equal(hexOf(into.subarray(0, end)), hexOf(whole.subarray(0, end)));
    assert.equal(hexOf(into.subarray(end)), 'ee'.repeat(64 - end));
  });

  test('payloads of every small size, whole arrays and parts of them', () => {
    for (let count = 0; count < 100; count++) {
      const bytes = Uint8Array.from({ length: count + 2 }, (_, index) => index);
      const part = encodePublishPacket(fields({ bytes, payloadStart: 1, payloadEnd: count + 1 }), 4);
      assert.equal(hexOf(part.subarray(7)), hexOf(bytes.subarray(1, -1)));
      const whole = encodePublishPacket(fields({ bytes, payloadStart: 0, payloadEnd: count + 2 }), 4);
      assert.equal(hexOf(whole.subarray(7)), hexOf(bytes));
    }
  });

  test('neither topic nor alias is our own fault; so is an alias alone in 3.x', () => {
    assert.throws(() => encodePublishPacket(fields({ topic: null }), 5), /neither topic nor alias/);
    assert.throws(() => encodePublishPacket(fields({ topic: null, topicAlias: 1 }), 4), /neither topic nor alias/);
  });

  test('fields that changed after they were measured are our own fault', () => {
    const into = new Uint8Array(64);
    const frameBytes = publishFrameBytes(4, fields({}));
    assert.throws(() => writePublish(4, fields({ payloadEnd: 5 }), frameBytes, into, 0, true), /changed/);
  });

  test('more than MQTT can carry is measured, and not written', () => {
    const some = fields({ payloadStart: 0, payloadEnd: 268_435_455 });
    const frameBytes = publishFrameBytes(4, some);
    assert.ok(frameBytes > 268_435_460);
    assert.throws(() => writePublish(4, some, frameBytes, new Uint8Array(64), 0, false), /larger than MQTT/);
  });
});
