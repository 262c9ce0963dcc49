import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  ALL,
  assertRefused,
  type BadRow,
  bytesOf,
  decodeBefore,
  decodeBorrowed,
  decodeFrame,
  hexOf,
  propertiesOf,
  testBad,
  V3,
} from '../codec.fixture.ts';
import { Reason, type ReasonCode } from '../reasons.ts';
import type { ProtocolVersion } from '../version.ts';
import type { Sender } from './fields.ts';

const { MalformedPacket, ProtocolError, ClientIdentifierNotValid } = Reason;

const BAD: readonly BadRow[] = [
  ['packet type 0', ALL, 'client', '0000', MalformedPacket],
  ['packet type 0', ALL, 'server', '0f 02 0000', MalformedPacket],
  ['T20 CONNACK', V3, 'client', '20 02 00 00', ProtocolError],
  ['T20 CONNACK', 5, 'client', '20 03 00 00 00', ProtocolError],
  ['T20 CONNACK with properties', 5, 'client', '20 ~ 00 00 {12 "id" 1c "srv"}', ProtocolError],
  ['T20 SUBACK', V3, 'client', '90 ~ 0001 00', ProtocolError],
  ['T20 SUBACK', 5, 'client', '90 ~ 0001 {} 00', ProtocolError],
  ['T20 UNSUBACK', V3, 'client', 'b0 02 0001', ProtocolError],
  ['T20 UNSUBACK', 5, 'client', 'b0 ~ 0001 {} 00', ProtocolError],
  ['T20 PINGRESP', ALL, 'client', 'd000', ProtocolError],
  ['T20 an empty CONNACK', ALL, 'client', '2000', ProtocolError],
  ['CONNECT from a server', 4, 'server', '10 ~ "MQTT" 04 02 003c "ab"', ProtocolError],
  ['SUBSCRIBE from a server', 4, 'server', '82 ~ 0001 "a" 00', ProtocolError],
  ['UNSUBSCRIBE from a server', 4, 'server', 'a2 ~ 0001 "a"', ProtocolError],
  ['PINGREQ from a server', ALL, 'server', 'c000', ProtocolError],
];

/** Every text field of every packet, holding four z that are then replaced. */
const TEXT_FIELDS: readonly (readonly [
  name: string,
  version: ProtocolVersion,
  from: Sender,
  frame: string,
  reason?: ReasonCode,
])[] = [
  ['client id', 3, 'client', '10 ~ "MQIsdp" 03 02 003c "zzzz"', ClientIdentifierNotValid],
  ['client id', 4, 'client', '10 ~ "MQTT" 04 02 003c "zzzz"', ClientIdentifierNotValid],
  ['client id', 5, 'client', '10 ~ "MQTT" 05 02 003c {} "zzzz"', ClientIdentifierNotValid],
  ['will topic', 4, 'client', '10 ~ "MQTT" 04 06 003c "ab" "zzzz" ""'],
  ['will topic', 5, 'client', '10 ~ "MQTT" 05 06 003c {} "ab" {} "zzzz" ""'],
  ['user name', 3, 'client', '10 ~ "MQIsdp" 03 82 003c "ab" "zzzz"'],
  ['user name', 4, 'client', '10 ~ "MQTT" 04 c2 003c "ab" "zzzz" ""'],
  ['user name', 5, 'client', '10 ~ "MQTT" 05 82 003c {} "ab" "zzzz"'],
  ['authentication method of CONNECT', 5, 'client', '10 ~ "MQTT" 05 02 003c {15 "zzzz"} "ab"'],
  ['user property name of CONNECT', 5, 'client', '10 ~ "MQTT" 05 02 003c {26 "zzzz" ""} "ab"'],
  ['user property value of CONNECT', 5, 'client', '10 ~ "MQTT" 05 02 003c {26 "" "zzzz"} "ab"'],
  ['content type of the will', 5, 'client', '10 ~ "MQTT" 05 06 003c {} "ab" {03 "zzzz"} "w" ""'],
  ['response topic of the will', 5, 'client', '10 ~ "MQTT" 05 06 003c {} "ab" {08 "zzzz"} "w" ""'],
  ['user property of the will', 5, 'client', '10 ~ "MQTT" 05 06 003c {} "ab" {26 "k" "zzzz"} "w" ""'],
  ['topic', 3, 'client', '30 ~ "zzzz"'],
  ['topic', 4, 'client', '32 ~ "zzzz" 0001'],
  ['topic', 5, 'client', '34 ~ "zzzz" 0001 {}'],
  ['content type', 5, 'client', '30 ~ "a" {03 "zzzz"}'],
  ['response topic', 5, 'client', '30 ~ "a" {08 "zzzz"}'],
  ['user property name', 5, 'client', '30 ~ "a" {26 "zzzz" "v"}'],
  ['user property value', 5, 'client', '30 ~ "a" {26 "k" "v" 26 "k" "zzzz"}'],
  ['reason string of PUBACK', 5, 'client', '40 ~ 0001 00 {1f "zzzz"}'],
  ['user property of PUBREC', 5, 'client', '50 ~ 0001 00 {26 "zzzz" ""}'],
  ['reason string of PUBREL', 5, 'client', '62 ~ 0001 00 {1f "zzzz"}'],
  ['reason string of PUBCOMP', 5, 'client', '70 ~ 0001 00 {1f "zzzz"}'],
  ['filter', 3, 'client', '82 ~ 0001 "zzzz" 00'],
  ['filter', 4, 'client', '82 ~ 0001 "a" 00 "zzzz" 00'],
  ['filter', 5, 'client', '82 ~ 0001 {} "zzzz" 00'],
  ['shared filter', 5, 'client', '82 ~ 0001 {} "$share/zzzz/a" 00'],
  ['user property of SUBSCRIBE', 5, 'client', '82 ~ 0001 {26 "zzzz" ""} "a" 00'],
  ['filter of UNSUBSCRIBE', 3, 'client', 'a2 ~ 0001 "zzzz"'],
  ['filter of UNSUBSCRIBE', 4, 'client', 'a2 ~ 0001 "zzzz"'],
  ['filter of UNSUBSCRIBE', 5, 'client', 'a2 ~ 0001 {} "zzzz"'],
  ['user property of UNSUBSCRIBE', 5, 'client', 'a2 ~ 0001 {26 "" "zzzz"} "a"'],
  ['reason string of DISCONNECT', 5, 'client', 'e0 ~ 00 {1f "zzzz"}'],
  ['server reference of DISCONNECT', 5, 'server', 'e0 ~ 9c {1c "zzzz"}'],
  ['authentication method of AUTH', 5, 'client', 'f0 ~ 18 {15 "zzzz"}'],
  ['assigned client id', 5, 'server', '20 ~ 00 00 {12 "zzzz"}'],
  ['response information', 5, 'server', '20 ~ 00 00 {1a "zzzz"}'],
  ['reason string of SUBACK', 5, 'server', '90 ~ 0001 {1f "zzzz"} 00'],
  ['reason string of UNSUBACK', 5, 'server', 'b0 ~ 0001 {1f "zzzz"} 00'],
];

const UTF8_RULES = {
  3: 'T04',
  4: '[MQTT3-1.5.3-1] [MQTT3-1.5.3-2] T04',
  5: '[MQTT5-1.5.4-1] [MQTT5-1.5.4-2] T04',
} as const;

/** What replaces the four z. */
const ILL_FORMED: readonly (readonly [name: string, hex: string])[] = [
  ['overlong, two bytes', '61c0af61'],
  ['overlong, three bytes', '61e080af'],
  ['overlong, four bytes', 'f08080af'],
  ['a surrogate', '61eda080'],
  ['above U+10FFFF', 'f4908080'],
  ['cut off', '6161e282'],
  ['a continuation byte alone', '61806161'],
  ['FF', '61ff6161'],
  ['U+0000', '61006161'],
  ['a control character', '611b6161'],
  ['a non-character', '61efbfbf'],
];

/** Frames whose last length reaches into the bytes behind them, which would go on as it says. */
const REACHING: readonly (readonly [name: string, version: ProtocolVersion, frame: string, behind: string])[] = [
  ['the topic of PUBLISH', 4, "30 ~ 0004 'abc'", "'d'"],
  ['the packet id of PUBLISH', 4, '32 ~ "abc" 00', '01'],
  ['the properties of PUBLISH', 5, '30 ~ "abc" 04 01 01', '01 00'],
  ['the properties of PUBLISH, wholly', 5, '30 ~ "abc" 05', '02 00000001'],
  ['the property length of PUBLISH', 5, '30 ~ "abc"', '00'],
  ['a property of PUBLISH', 5, '30 ~ "abc" {02 0000}', '0001'],
  ['the packet id of PUBACK', 4, '40 01 00', '01'],
  ['the properties of PUBACK', 5, '40 ~ 0001 00 05', '26 0000 0000'],
  ['a property of PUBREL', 5, '62 ~ 0001 00 {1f 0003}', "'abc'"],
  ['the client id', 4, '10 ~ "MQTT" 04 02 003c 0003 \'ab\'', "'c'"],
  ['the properties of CONNECT', 5, '10 ~ "MQTT" 05 02 003c 05', '11 00000000 0000'],
  ['a filter', 4, "82 ~ 0001 0002 'a'", "'b' 00"],
  ['subscription options', 4, '82 ~ 0001 "a"', '00'],
  ['a filter of UNSUBSCRIBE', 5, "a2 ~ 0001 {} 0002 'a'", "'b'"],
  ['the properties of DISCONNECT', 5, 'e0 ~ 00 05', '11 00000000'],
  ['the properties of AUTH', 5, 'f0 ~ 18', '04 15 0001 6d'],
];

describe('decodePacket', () => {
  testBad(BAD);

  for (const [name, version, frame, behind] of REACHING) {
    test(`version ${version}: ${name} does not reach into the next packet`, () => {
      assertRefused(() => decodeBefore(bytesOf(behind), bytesOf(frame), version, 'client'), MalformedPacket);
    });
  }

  for (const [name, version, from, frame, reason = MalformedPacket] of TEXT_FIELDS) {
    test(`${UTF8_RULES[version]} version ${version}, ${name}: bad UTF-8 is refused`, () => {
      const good = hexOf(bytesOf(frame));
      assert.ok(good.includes('7a7a7a7a'));
      decodeFrame(bytesOf(good), version, from);
      for (const [fault, hex] of ILL_FORMED) {
        const bad = bytesOf(good.replace('7a7a7a7a', hex));
        assert.doesNotThrow(() => assertRefused(() => decodeBorrowed(bad, version, from), reason), fault);
      }
    });
  }

  test('a PUBLISH is an object of its own each time', () => {
    const [one, two] = ['30 ~ "a" {} \'x\'', '30 ~ "b" {} \'y\''].map((frame) =>
      decodeFrame(bytesOf(frame), 5, 'server'),
    );
    assert.notEqual(one, two);
    assert.ok(one?.type === 'publish' && one.topic === 'a');
  });

  test('the version in CONNECT counts, not that of the connection', () => {
    const packet = decodeFrame(bytesOf('10 ~ "MQTT" 05 02 003c {11 00000001} "ab"'), 4, 'client');
    assert.ok(packet.type === 'connect' && packet.version === 5);
    assert.deepEqual(packet.properties, propertiesOf({ sessionExpiryInterval: 1 }));
  });
});
