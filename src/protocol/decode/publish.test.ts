import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  ALL,
  assertRefused,
  type BadRow,
  bytesOf,
  decodeFrame,
  type GoodRow,
  type PlainPublish,
  propertiesOf,
  testBad,
  testGood,
  V3,
} from '../codec.fixture.ts';
import { createFrameHeader, readFrame } from '../frame.ts';
import { EMPTY_PROPERTIES, type PublishPacket } from '../packets.ts';
import { Reason } from '../reasons.ts';
import { TopicNames } from '../topic.ts';
import { createPublishPacket, decodePublish } from './publish.ts';

function publish(some: Partial<PlainPublish>): PlainPublish {
  return {
    type: 'publish',
    dup: false,
    qos: 0,
    retain: false,
    packetId: 0,
    topic: 'a/b',
    topicAlias: 0,
    messageExpiryInterval: null,
    hasSubscriptionIdentifier: false,
    properties: EMPTY_PROPERTIES,
    payload: bytesOf("'hi'"),
    ...some,
  };
}

const GOOD: readonly GoodRow[] = [
  ['QoS 0', V3, 'client', '30 ~ "a/b" \'hi\'', publish({})],
  ['QoS 0', 5, 'client', '30 ~ "a/b" {} \'hi\'', publish({})],
  ['[MQTT3-2.3.1-5] QoS 0 has no packet id', 4, 'client', '30 ~ "a/b" 0007', publish({ payload: Uint8Array.of(0, 7) })],
  [
    '[MQTT5-2.2.1-2] QoS 0 has no packet id',
    5,
    'client',
    '30 ~ "a/b" {} 0007',
    publish({ payload: Uint8Array.of(0, 7) }),
  ],
  ['no payload', V3, 'client', '30 ~ "a/b"', publish({ payload: new Uint8Array(0) })],
  ['no payload', 5, 'client', '30 ~ "a/b" {}', publish({ payload: new Uint8Array(0) })],
  ['QoS 1', V3, 'client', '32 ~ "a/b" 0001 \'hi\'', publish({ qos: 1, packetId: 1 })],
  ['QoS 1', 5, 'server', '32 ~ "a/b" 0001 {} \'hi\'', publish({ qos: 1, packetId: 1 })],
  [
    'QoS 2, DUP and RETAIN, the highest packet id',
    V3,
    'client',
    '3d ~ "a/b" ffff \'hi\'',
    publish({ qos: 2, dup: true, retain: true, packetId: 65_535 }),
  ],
  [
    'QoS 2, DUP and RETAIN, the highest packet id',
    5,
    'client',
    '3d ~ "a/b" ffff {} \'hi\'',
    publish({ qos: 2, dup: true, retain: true, packetId: 65_535 }),
  ],
  ['a topic of one level', V3, 'client', '31 ~ "/"', publish({ topic: '/', retain: true, payload: new Uint8Array(0) })],
  [
    '[MQTT5-1.5.4-3] [MQTT3-1.5.3-3] a topic that begins with U+FEFF',
    4,
    'client',
    "30 ~ 0004 efbbbf 61 'hi'",
    publish({ topic: '\ufeffa' }),
  ],
  [
    'a topic with an alias',
    5,
    'client',
    '30 ~ "a/b" {23 0001} \'hi\'',
    publish({ topicAlias: 1, properties: propertiesOf({ topicAlias: 1 }) }),
  ],
  [
    'T21 an alias alone',
    5,
    'client',
    '34 ~ "" 0009 {23 ffff} \'hi\'',
    publish({ topic: null, qos: 2, packetId: 9, topicAlias: 65_535, properties: propertiesOf({ topicAlias: 65_535 }) }),
  ],
  [
    'every property',
    5,
    'server',
    '30 ~ "a/b" {23 0002 02 ffffffff 0b 01 0b ffffff7f 01 01 03 "text" 08 "r/t" 09 0002 00ff 26 "k" "v" 26 "k" ""} \'hi\'',
    publish({
      topicAlias: 2,
      messageExpiryInterval: 0xffff_ffff,
      hasSubscriptionIdentifier: true,
      properties: propertiesOf({
        topicAlias: 2,
        messageExpiryInterval: 0xffff_ffff,
        subscriptionIdentifiers: [1, 268_435_455],
        payloadFormatIndicator: 1,
        contentType: 'text',
        responseTopic: 'r/t',
        correlationData: Uint8Array.of(0, 255),
        userProperties: [
          { name: 'k', value: 'v' },
          { name: 'k', value: '' },
        ],
      }),
    }),
  ],
  [
    '[MQTT5-3.3.2-18] user properties keep their order',
    5,
    'client',
    '30 ~ "a/b" {26 "b" "1" 26 "a" "2" 26 "b" "0"} \'hi\'',
    publish({
      properties: propertiesOf({
        userProperties: [
          { name: 'b', value: '1' },
          { name: 'a', value: '2' },
          { name: 'b', value: '0' },
        ],
      }),
    }),
  ],
  [
    'a payload that is no UTF-8 although it is said to be: not checked here',
    5,
    'client',
    '30 ~ "a/b" {01 01} c080',
    publish({ properties: propertiesOf({ payloadFormatIndicator: 1 }), payload: Uint8Array.of(0xc0, 0x80) }),
  ],
];

const { MalformedPacket, ProtocolError, TopicNameInvalid, TopicAliasInvalid } = Reason;

const BAD: readonly BadRow[] = [
  ['[MQTT3-3.3.1-4] QoS 3', V3, 'client', '36 ~ "a/b" 0001', MalformedPacket],
  ['[MQTT5-3.3.1-4] QoS 3', 5, 'client', '36 ~ "a/b" 0001 {}', MalformedPacket],
  ['[MQTT3-3.3.1-2] DUP with QoS 0', V3, 'client', '38 ~ "a/b"', MalformedPacket],
  ['[MQTT5-3.3.1-2] DUP with QoS 0', 5, 'client', '38 ~ "a/b" {}', MalformedPacket],
  ['[MQTT3-2.3.1-1] packet id 0, QoS 1', V3, 'client', '32 ~ "a/b" 0000', ProtocolError],
  ['[MQTT5-2.2.1-3] packet id 0, QoS 1', 5, 'client', '32 ~ "a/b" 0000 {}', ProtocolError],
  ['[MQTT3-2.3.1-1] packet id 0, QoS 2', V3, 'client', '34 ~ "a/b" 0000', ProtocolError],
  ['[MQTT5-2.2.1-3] packet id 0, QoS 2', 5, 'client', '34 ~ "a/b" 0000 {}', ProtocolError],
  ['[MQTT3-4.7.3-1] T21 an empty topic, QoS 0', V3, 'client', '30 ~ ""', MalformedPacket],
  ['[MQTT3-4.7.3-1] T21 an empty topic, QoS 1', V3, 'client', '32 ~ "" 0001', MalformedPacket],
  ['[MQTT3-4.7.3-1] T21 an empty topic, QoS 2', V3, 'client', '34 ~ "" 0001', MalformedPacket],
  ['[MQTT5-4.7.3-1] T21 an empty topic without alias, QoS 0', 5, 'client', '30 ~ "" {}', ProtocolError],
  ['[MQTT5-4.7.3-1] T21 an empty topic without alias, QoS 1', 5, 'client', '32 ~ "" 0001 {}', ProtocolError],
  ['[MQTT5-4.7.3-1] T21 an empty topic without alias, QoS 2', 5, 'client', '34 ~ "" 0001 {02 00000001}', ProtocolError],
  ['[MQTT3-3.3.2-2] # in the topic', V3, 'client', '30 ~ "a/#"', TopicNameInvalid],
  ['[MQTT5-3.3.2-2] # in the topic', 5, 'client', '30 ~ "a/#" {}', TopicNameInvalid],
  ['[MQTT3-3.3.2-2] + in the topic', V3, 'client', '30 ~ "+/b"', TopicNameInvalid],
  ['[MQTT5-3.3.2-2] + in the topic', 5, 'client', '30 ~ "a+" {}', TopicNameInvalid],
  ['[MQTT3-3.3.2-1] T04 a topic that is no UTF-8', V3, 'client', '30 ~ 0002 c080', MalformedPacket],
  ['[MQTT5-3.3.2-1] T04 a topic that is no UTF-8', 5, 'client', '30 ~ 0003 eda080 {}', MalformedPacket],
  ['[MQTT3-4.7.3-2] a topic with U+0000', V3, 'client', '30 ~ 0003 610062', MalformedPacket],
  ['[MQTT5-4.7.3-2] a topic with U+0000', 5, 'client', '30 ~ 0003 610062 {}', MalformedPacket],
  ['nothing', ALL, 'client', '3000', MalformedPacket],
  ['one byte', ALL, 'client', '300100', MalformedPacket],
  ['half a topic', ALL, 'client', "30 ~ 0004 'abc'", MalformedPacket],
  ['a topic of 65535 bytes that are not there', ALL, 'client', "30 ~ ffff 'abc'", MalformedPacket],
  ['no packet id', ALL, 'client', '32 ~ "a/b"', MalformedPacket],
  ['half a packet id', ALL, 'client', '32 ~ "a/b" 00', MalformedPacket],
  ['no properties', 5, 'client', '30 ~ "a/b"', MalformedPacket],
  ['properties longer than the packet', 5, 'client', '30 ~ "a/b" 05 01 01', MalformedPacket],
  [
    '[MQTT5-1.5.5-1] T52 the length of the properties is not in its shortest form',
    5,
    'client',
    '30 ~ "a/b" 8000',
    MalformedPacket,
  ],
  [
    '[MQTT5-1.5.5-1] T52 the length of the properties in five bytes',
    5,
    'client',
    '30 ~ "a/b" 8080808001',
    MalformedPacket,
  ],
  ['T52 the length of the properties is cut off', 5, 'client', '30 ~ "a/b" 80', MalformedPacket],
  ['[MQTT5-3.3.2-8] alias 0', 5, 'client', '30 ~ "a/b" {23 0000}', TopicAliasInvalid],
  ['[MQTT5-3.3.2-8] T21 alias 0 and an empty topic', 5, 'client', '30 ~ "" {23 0000}', TopicAliasInvalid],
  ['alias twice', 5, 'client', '30 ~ "a/b" {23 0001 23 0001}', ProtocolError],
  ['expiry twice', 5, 'client', '30 ~ "a/b" {02 00000001 02 00000001}', ProtocolError],
  ['content type twice', 5, 'client', '30 ~ "a/b" {03 "a" 03 "a"}', ProtocolError],
  ['payload format 2', 5, 'client', '30 ~ "a/b" {01 02}', ProtocolError],
  ['subscription identifier 0', 5, 'server', '30 ~ "a/b" {0b 00}', ProtocolError],
  [
    '[MQTT5-1.5.5-1] T52 a subscription identifier in five bytes',
    5,
    'server',
    '30 ~ "a/b" {0b 8080808001}',
    MalformedPacket,
  ],
  ['[MQTT5-1.5.5-1] T52 a subscription identifier, not shortest', 5, 'server', '30 ~ "a/b" {0b 8100}', MalformedPacket],
  ['[MQTT5-3.3.2-13] T04 a response topic that is no UTF-8', 5, 'client', '30 ~ "a/b" {08 0001 ff}', MalformedPacket],
  ['[MQTT5-3.3.2-14] a response topic with #', 5, 'client', '30 ~ "a/b" {08 "r/#"}', ProtocolError],
  ['[MQTT5-3.3.2-14] a response topic with +', 5, 'client', '30 ~ "a/b" {08 "+"}', ProtocolError],
  ['an empty response topic', 5, 'client', '30 ~ "a/b" {08 ""}', ProtocolError],
  ['[MQTT5-3.3.2-19] T04 a content type that is no UTF-8', 5, 'client', '30 ~ "a/b" {03 0002 c328}', MalformedPacket],
  [
    '[MQTT5-1.5.7-1] T04 the name of a user property is no UTF-8',
    5,
    'client',
    '30 ~ "a/b" {26 0001 ff "v"}',
    MalformedPacket,
  ],
  [
    '[MQTT5-1.5.7-1] T04 the value of a user property is no UTF-8',
    5,
    'client',
    '30 ~ "a/b" {26 "k" 0001 ff}',
    MalformedPacket,
  ],
  ['a user property without value', 5, 'client', '30 ~ "a/b" {26 "k"}', MalformedPacket],
  ['a property of CONNECT', 5, 'client', '30 ~ "a/b" {11 00000000}', MalformedPacket],
  ['a property that does not exist', 5, 'client', '30 ~ "a/b" {04 00}', MalformedPacket],
  ['a property whose value is cut off', 5, 'client', '30 ~ "a/b" {02 0000} 0000 \'hi\'', MalformedPacket],
];

function decodeInto(notation: string, topics: TopicNames, packet: PublishPacket): void {
  const frame = bytesOf(notation);
  const header = createFrameHeader();
  readFrame(frame, 0, frame.length, header);
  decodePublish(frame, 0, header, 5, topics, packet);
}

describe('PUBLISH', () => {
  testGood(GOOD);
  testBad(BAD);

  test('T15 a topic and a response topic of 65535 slashes are refused', () => {
    const slashes = `ffff ${'2f'.repeat(65_535)}`;
    assertRefused(() => decodeFrame(bytesOf(`30 ~ ${slashes}`), 4, 'client'), Reason.TopicNameInvalid);
    assertRefused(() => decodeFrame(bytesOf(`30 ~ ${slashes} {}`), 5, 'client'), Reason.TopicNameInvalid);
    assertRefused(() => decodeFrame(bytesOf(`30 ~ "a" {08 ${slashes}}`), 5, 'client'), Reason.ProtocolError);
  });

  test('one packet object serves all: nothing of the last PUBLISH is left', () => {
    const topics = new TopicNames();
    const used = createPublishPacket();
    decodeInto('3d ~ "a/b" 0007 {23 0002 02 0000003c 0b 01} \'hi\'', topics, used);
    decodeInto('30 ~ "c" {}', topics, used);
    const fresh = createPublishPacket();
    decodeInto('30 ~ "c" {}', topics, fresh);
    assert.deepEqual(used, fresh);
  });

  test('offsets point into the given bytes', () => {
    const frame = bytesOf('ffff 32 ~ "a/b" 0001 {01 01} \'hi\'');
    const header = createFrameHeader();
    readFrame(frame, 2, frame.length, header);
    const packet = createPublishPacket();
    decodePublish(frame, 2, header, 5, new TopicNames(), packet);
    const { bytes, frameStart, propertiesStart, propertiesEnd, payloadStart, payloadEnd } = packet;
    assert.equal(bytes, frame);
    assert.deepEqual([frameStart, propertiesStart, propertiesEnd, payloadStart, payloadEnd], [2, 12, 14, 14, 16]);
  });

  test('the same topic gives the same object', () => {
    const topics = new TopicNames();
    const packet = createPublishPacket();
    decodeInto('30 ~ "a/b" {}', topics, packet);
    const first = packet.topic;
    decodeInto('32 ~ "a/b" 0001 {}', topics, packet);
    assert.equal(packet.topic, first);
  });
});
