import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  ALL,
  assertRefused,
  type BadRow,
  bytesOf,
  decodeFrame,
  type GoodRow,
  propertiesOf,
  testBad,
  testGood,
  topicOf,
} from '../codec.fixture.ts';
import { createFrameHeader, readFrame } from '../frame.ts';
import { type ConnectPacket, EMPTY_PROPERTIES, type WillPacket } from '../packets.ts';
import { Reason } from '../reasons.ts';
import { decodeConnect, readProtocolVersion } from './connect.ts';

function connect(some: Partial<ConnectPacket>): ConnectPacket {
  return {
    type: 'connect',
    version: 4,
    isBridge: false,
    clientId: 'ab',
    cleanStart: true,
    keepAlive: 60,
    userName: null,
    password: null,
    will: null,
    properties: EMPTY_PROPERTIES,
    ...some,
  };
}

function will(some: Partial<WillPacket>): WillPacket {
  return {
    topic: topicOf('w'),
    payload: bytesOf("'bye'"),
    qos: 0,
    retain: false,
    delaySeconds: 0,
    messageExpiryInterval: null,
    forwardedProperties: new Uint8Array(0),
    ...some,
  };
}

const GOOD: readonly GoodRow[] = [
  ['3.1', 3, 'client', '10 ~ "MQIsdp" 03 02 003c "ab"', connect({ version: 3 })],
  ['3.1.1', 4, 'client', '10 ~ "MQTT" 04 02 003c "ab"', connect({})],
  ['[MQTT5-2.2.2-1] 5.0 without properties', 5, 'client', '10 ~ "MQTT" 05 02 003c {} "ab"', connect({ version: 5 })],
  ['a bridge, 3.1', 3, 'client', '10 ~ "MQIsdp" 83 02 003c "ab"', connect({ version: 3, isBridge: true })],
  ['a bridge, 3.1.1', 4, 'client', '10 ~ "MQTT" 84 02 003c "ab"', connect({ isBridge: true })],
  [
    'clean start 0, keep alive 0 and 65535',
    4,
    'client',
    '10 ~ "MQTT" 04 00 ffff "ab"',
    connect({ cleanStart: false, keepAlive: 65_535 }),
  ],
  ['an empty client id', 4, 'client', '10 ~ "MQTT" 04 02 0000 ""', connect({ clientId: '', keepAlive: 0 })],
  [
    '[MQTT5-1.5.4-3] [MQTT3-1.5.3-3] a client id that begins with U+FEFF',
    4,
    'client',
    '10 ~ "MQTT" 04 02 003c 0004 efbbbf 61',
    connect({ clientId: '\ufeffa' }),
  ],
  [
    '[MQTT3-3.1.2-19] [MQTT3-3.1.2-21] [MQTT3-3.1.3-1] user name and password',
    4,
    'client',
    '10 ~ "MQTT" 04 c2 003c "ab" "user" "pass"',
    connect({ userName: 'user', password: bytesOf("'pass'") }),
  ],
  [
    '[MQTT3-3.1.2-20] a user name alone',
    4,
    'client',
    '10 ~ "MQTT" 04 82 003c "ab" "user"',
    connect({ userName: 'user' }),
  ],
  [
    'an empty user name and a password of any bytes',
    4,
    'client',
    '10 ~ "MQTT" 04 c2 003c "ab" "" 0003 00ff80',
    connect({ userName: '', password: Uint8Array.of(0, 255, 128) }),
  ],
  [
    '[MQTT5-3.1.2-19] [MQTT5-3.1.2-16] a password without a user name',
    5,
    'client',
    '10 ~ "MQTT" 05 42 003c {} "ab" "pass"',
    connect({ version: 5, password: bytesOf("'pass'") }),
  ],
  [
    '[MQTT3-3.1.3-1] [MQTT3-3.1.2-9] all fields, in order',
    4,
    'client',
    '10 ~ "MQTT" 04 f6 003c "ab" "w" "bye" "user" "pass"',
    connect({ userName: 'user', password: bytesOf("'pass'"), will: will({ qos: 2, retain: true }) }),
  ],
  [
    '[MQTT5-3.1.3-1] [MQTT5-3.1.2-9] [MQTT5-3.1.2-17] all fields, in order',
    5,
    'client',
    '10 ~ "MQTT" 05 ee 003c {11 0000000a} "ab" {18 00000005 02 0000003c 01 01 26 "k" "v"} "w" "bye" "user" "pass"',
    connect({
      version: 5,
      userName: 'user',
      password: bytesOf("'pass'"),
      properties: propertiesOf({ sessionExpiryInterval: 10 }),
      will: will({
        qos: 1,
        retain: true,
        delaySeconds: 5,
        messageExpiryInterval: 60,
        forwardedProperties: bytesOf('01 01 26 "k" "v"'),
      }),
    }),
  ],
  [
    'an empty will payload',
    4,
    'client',
    '10 ~ "MQTT" 04 06 003c "ab" "w" ""',
    connect({ will: will({ payload: new Uint8Array(0) }) }),
  ],
  [
    '[MQTT5-3.1.3-10] user properties of the will keep their order',
    5,
    'client',
    '10 ~ "MQTT" 05 06 003c {} "ab" {26 "b" "1" 26 "a" "2" 26 "b" "1"} "w" "bye"',
    connect({ version: 5, will: will({ forwardedProperties: bytesOf('26 "b" "1" 26 "a" "2" 26 "b" "1"') }) }),
  ],
  [
    'every property',
    5,
    'client',
    '10 ~ "MQTT" 05 02 003c {22 000a 15 "m" 16 "d" 27 00010000 21 0014 11 ffffffff 17 00 19 01 26 "k" "v"} "ab"',
    connect({
      version: 5,
      properties: propertiesOf({
        topicAliasMaximum: 10,
        authenticationMethod: 'm',
        authenticationData: bytesOf("'d'"),
        maximumPacketSize: 65_536,
        receiveMaximum: 20,
        sessionExpiryInterval: 0xffff_ffff,
        requestProblemInformation: 0,
        requestResponseInformation: 1,
        userProperties: [{ name: 'k', value: 'v' }],
      }),
    }),
  ],
  [
    '3.1: the reserved flag is ignored',
    3,
    'client',
    '10 ~ "MQIsdp" 03 03 003c "ab"',
    connect({ version: 3 }),
    'in only',
  ],
  [
    '3.1: fixed header flags are ignored',
    3,
    'client',
    '1f ~ "MQIsdp" 03 02 003c "ab"',
    connect({ version: 3 }),
    'in only',
  ],
  [
    '3.1: will QoS and retain without a will are ignored',
    3,
    'client',
    '10 ~ "MQIsdp" 03 32 003c "ab"',
    connect({ version: 3 }),
    'in only',
  ],
  [
    '3.1: a user name that is missing at the end is ignored',
    3,
    'client',
    '10 ~ "MQIsdp" 03 82 003c "ab"',
    connect({ version: 3 }),
    'in only',
  ],
  [
    '3.1: a password that is missing at the end is ignored',
    3,
    'client',
    '10 ~ "MQIsdp" 03 c2 003c "ab" "user"',
    connect({ version: 3, userName: 'user' }),
    'in only',
  ],
];

const { MalformedPacket, ProtocolError, UnsupportedProtocolVersion, ClientIdentifierNotValid, TopicNameInvalid } =
  Reason;

const BAD: readonly BadRow[] = [
  [
    '[MQTT5-3.1.2-1] [MQTT3-3.1.2-1] another protocol name',
    ALL,
    'client',
    '10 ~ "MQTS" 04 02 003c "ab"',
    MalformedPacket,
  ],
  ['a protocol name in lower case', ALL, 'client', '10 ~ "mqtt" 04 02 003c "ab"', MalformedPacket],
  ['an empty protocol name', ALL, 'client', '10 ~ "" 04 02 003c "ab"', MalformedPacket],
  ['a protocol name that begins like ours', ALL, 'client', '10 ~ "MQTTX" 04 02 003c "ab"', MalformedPacket],
  ['a protocol name longer than the packet', ALL, 'client', "10 ~ ffff 'MQTT'", MalformedPacket],
  ['[MQTT5-3.1.2-2] [MQTT3-3.1.2-2] MQTT 6', ALL, 'client', '10 ~ "MQTT" 06 02 003c "ab"', UnsupportedProtocolVersion],
  ['[MQTT5-3.1.2-2] [MQTT3-3.1.2-2] MQTT 3', ALL, 'client', '10 ~ "MQTT" 03 02 003c "ab"', UnsupportedProtocolVersion],
  ['MQTT 0', ALL, 'client', '10 ~ "MQTT" 00 02 003c "ab"', UnsupportedProtocolVersion],
  ['MQIsdp 4', ALL, 'client', '10 ~ "MQIsdp" 04 02 003c "ab"', UnsupportedProtocolVersion],
  ['a bridge of 5.0', ALL, 'client', '10 ~ "MQTT" 85 02 003c {} "ab"', UnsupportedProtocolVersion],
  ['an unknown level and nothing more', ALL, 'client', '10 ~ "MQTT" 07', UnsupportedProtocolVersion],
  ['[MQTT3-3.1.2-3] the reserved flag', 4, 'client', '10 ~ "MQTT" 04 03 003c "ab"', MalformedPacket],
  ['[MQTT5-3.1.2-3] the reserved flag', 5, 'client', '10 ~ "MQTT" 05 03 003c {} "ab"', MalformedPacket],
  ['[MQTT3-2.2.2-2] fixed header flags', 4, 'client', '11 ~ "MQTT" 04 02 003c "ab"', MalformedPacket],
  ['[MQTT5-2.1.3-1] fixed header flags', 5, 'client', '18 ~ "MQTT" 05 02 003c {} "ab"', MalformedPacket],
  ['will QoS 3', 3, 'client', '10 ~ "MQIsdp" 03 1e 003c "ab" "w" "bye"', MalformedPacket],
  ['[MQTT3-3.1.2-14] will QoS 3', 4, 'client', '10 ~ "MQTT" 04 1e 003c "ab" "w" "bye"', MalformedPacket],
  ['[MQTT5-3.1.2-12] will QoS 3', 5, 'client', '10 ~ "MQTT" 05 1e 003c {} "ab" {} "w" "bye"', MalformedPacket],
  [
    '[MQTT3-3.1.2-13] [MQTT3-3.1.2-11] a will QoS without a will',
    4,
    'client',
    '10 ~ "MQTT" 04 0a 003c "ab"',
    MalformedPacket,
  ],
  ['[MQTT5-3.1.2-11] a will QoS without a will', 5, 'client', '10 ~ "MQTT" 05 12 003c {} "ab"', MalformedPacket],
  [
    '[MQTT3-3.1.2-15] [MQTT3-3.1.2-11] will retain without a will',
    4,
    'client',
    '10 ~ "MQTT" 04 22 003c "ab"',
    MalformedPacket,
  ],
  ['[MQTT5-3.1.2-13] will retain without a will', 5, 'client', '10 ~ "MQTT" 05 22 003c {} "ab"', MalformedPacket],
  ['a password without a user name', 3, 'client', '10 ~ "MQIsdp" 03 42 003c "ab" "pass"', MalformedPacket],
  [
    '[MQTT3-3.1.2-22] a password without a user name',
    4,
    'client',
    '10 ~ "MQTT" 04 42 003c "ab" "pass"',
    MalformedPacket,
  ],
  ['[MQTT3-3.1.2-19] a missing user name', 4, 'client', '10 ~ "MQTT" 04 82 003c "ab"', MalformedPacket],
  ['[MQTT3-3.1.2-21] a missing password', 4, 'client', '10 ~ "MQTT" 04 c2 003c "ab" "user"', MalformedPacket],
  ['[MQTT5-3.1.2-17] a missing user name', 5, 'client', '10 ~ "MQTT" 05 82 003c {} "ab"', MalformedPacket],
  ['[MQTT5-3.1.2-19] a missing password', 5, 'client', '10 ~ "MQTT" 05 42 003c {} "ab"', MalformedPacket],
  ['3.1: half a user name', 3, 'client', '10 ~ "MQIsdp" 03 82 003c "ab" 0004 \'us\'', MalformedPacket],
  ['[MQTT3-3.1.2-18] a user name without its flag', 4, 'client', '10 ~ "MQTT" 04 02 003c "ab" "user"', MalformedPacket],
  ['[MQTT3-3.1.2-20] a password without its flag', 4, 'client', '10 ~ "MQTT" 04 82 003c "ab" "u" "p"', MalformedPacket],
  [
    '[MQTT5-3.1.2-16] a user name without its flag',
    5,
    'client',
    '10 ~ "MQTT" 05 02 003c {} "ab" "user"',
    MalformedPacket,
  ],
  [
    '[MQTT5-3.1.2-18] a password without its flag',
    5,
    'client',
    '10 ~ "MQTT" 05 82 003c {} "ab" "u" "p"',
    MalformedPacket,
  ],
  ['3.1: surplus bytes', 3, 'client', '10 ~ "MQIsdp" 03 02 003c "ab" 00', MalformedPacket],
  ['[MQTT3-3.1.2-9] a will without payload', 4, 'client', '10 ~ "MQTT" 04 06 003c "ab" "w"', MalformedPacket],
  ['[MQTT3-3.1.2-9] no will at all', 4, 'client', '10 ~ "MQTT" 04 06 003c "ab"', MalformedPacket],
  [
    '[MQTT5-3.1.2-9] a will without properties',
    5,
    'client',
    '10 ~ "MQTT" 05 06 003c {} "ab" "w" "bye"',
    MalformedPacket,
  ],
  ['[MQTT5-3.1.2-9] a will without topic', 5, 'client', '10 ~ "MQTT" 05 06 003c {} "ab" {}', MalformedPacket],
  ['[MQTT3-3.1.3-3] no client id', 4, 'client', '10 ~ "MQTT" 04 02 003c', MalformedPacket],
  ['[MQTT5-3.1.3-3] no client id', 5, 'client', '10 ~ "MQTT" 05 02 003c {}', MalformedPacket],
  ['half a client id', 4, 'client', '10 ~ "MQTT" 04 02 003c 0003 6162', MalformedPacket],
  ['no properties', 5, 'client', '10 ~ "MQTT" 05 02 003c', MalformedPacket],
  ['properties longer than the packet', 5, 'client', '10 ~ "MQTT" 05 02 003c 7f 11 00', MalformedPacket],
  ['half a keep alive', 4, 'client', '10 ~ "MQTT" 04 02 00', MalformedPacket],
  ['no flags', 4, 'client', '10 ~ "MQTT" 04', MalformedPacket],
  ['no level', 4, 'client', '10 ~ "MQTT"', MalformedPacket],
  ['nothing', 4, 'client', '1000', MalformedPacket],
  [
    '[MQTT3-3.1.3-4] T04 a client id that is no UTF-8',
    4,
    'client',
    '10 ~ "MQTT" 04 02 003c 0002 c080',
    ClientIdentifierNotValid,
  ],
  [
    '[MQTT5-3.1.3-4] T04 a client id that is no UTF-8',
    5,
    'client',
    '10 ~ "MQTT" 05 02 003c {} 0003 eda080',
    ClientIdentifierNotValid,
  ],
  [
    '[MQTT3-1.5.3-2] T04 a client id with U+0000',
    4,
    'client',
    '10 ~ "MQTT" 04 02 003c 0002 6100',
    ClientIdentifierNotValid,
  ],
  [
    '[MQTT3-3.1.3-11] T04 a user name that is no UTF-8',
    4,
    'client',
    '10 ~ "MQTT" 04 82 003c "ab" 0001 ff',
    MalformedPacket,
  ],
  [
    '[MQTT5-3.1.3-12] T04 a user name that is no UTF-8',
    5,
    'client',
    '10 ~ "MQTT" 05 82 003c {} "ab" 0001 ff',
    MalformedPacket,
  ],
  [
    '[MQTT3-3.1.3-10] T04 a will topic that is no UTF-8',
    4,
    'client',
    '10 ~ "MQTT" 04 06 003c "ab" 0001 ff ""',
    MalformedPacket,
  ],
  [
    '[MQTT5-3.1.3-11] T04 a will topic that is no UTF-8',
    5,
    'client',
    '10 ~ "MQTT" 05 06 003c {} "ab" {} 0001 ff ""',
    MalformedPacket,
  ],
  ['an empty will topic', 4, 'client', '10 ~ "MQTT" 04 06 003c "ab" "" "bye"', TopicNameInvalid],
  [
    '[MQTT3-4.7.1-1] a will topic with a wildcard',
    4,
    'client',
    '10 ~ "MQTT" 04 06 003c "ab" "w/#" ""',
    TopicNameInvalid,
  ],
  ['[MQTT5-4.7.0-1] a will topic with +', 5, 'client', '10 ~ "MQTT" 05 06 003c {} "ab" {} "+" ""', TopicNameInvalid],
  ['receive maximum 0', 5, 'client', '10 ~ "MQTT" 05 02 003c {21 0000} "ab"', ProtocolError],
  ['maximum packet size 0', 5, 'client', '10 ~ "MQTT" 05 02 003c {27 00000000} "ab"', ProtocolError],
  ['request problem information 2', 5, 'client', '10 ~ "MQTT" 05 02 003c {17 02} "ab"', ProtocolError],
  ['session expiry twice', 5, 'client', '10 ~ "MQTT" 05 02 003c {11 00000000 11 00000000} "ab"', ProtocolError],
  ['authentication data without a method', 5, 'client', '10 ~ "MQTT" 05 02 003c {16 "d"} "ab"', ProtocolError],
  ['will delay outside the will', 5, 'client', '10 ~ "MQTT" 05 02 003c {18 00000000} "ab"', MalformedPacket],
  ['session expiry in the will', 5, 'client', '10 ~ "MQTT" 05 06 003c {} "ab" {11 00000000} "w" ""', MalformedPacket],
  ['will delay twice', 5, 'client', '10 ~ "MQTT" 05 06 003c {} "ab" {18 00000000 18 00000000} "w" ""', ProtocolError],
];

describe('CONNECT', () => {
  testGood(GOOD);
  testBad(BAD);

  test('T15 a will topic of 65535 slashes is refused', () => {
    const slashes = `ffff ${'2f'.repeat(65_535)}`;
    assertRefused(
      () => decodeFrame(bytesOf(`10 ~ "MQTT" 04 06 003c "ab" ${slashes} ""`), 4, 'client'),
      Reason.TopicNameInvalid,
    );
  });

  test('owns all that it returns: the buffer may be used again', () => {
    const frame = bytesOf('10 ~ "MQTT" 05 ee 003c {15 "m" 16 "d"} "ab" {26 "k" "v"} "w" "bye" "user" "pass"');
    const header = createFrameHeader();
    readFrame(frame, 0, frame.length, header);
    const packet = decodeConnect(frame, header);
    const before = structuredClone(packet);
    frame.fill(0xff);
    assert.deepEqual(structuredClone(packet), before);
  });

  test('readProtocolVersion needs nothing but name and level', () => {
    const body = bytesOf('"MQTT" 05');
    assert.deepEqual(readProtocolVersion(body, 0, body.length), { version: 5, isBridge: false });
    const bridge = bytesOf('ff "MQIsdp" 83 ff');
    assert.deepEqual(readProtocolVersion(bridge, 1, bridge.length), { version: 3, isBridge: true });
  });
});
