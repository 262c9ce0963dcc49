import { describe } from 'node:test';
import { ALL, type BadRow, type GoodRow, propertiesOf, testBad, testGood, V3 } from '../codec.fixture.ts';
import { type ConnackPacket, EMPTY_PROPERTIES } from '../packets.ts';
import { Reason } from '../reasons.ts';

function connack(some: Partial<ConnackPacket>): ConnackPacket {
  return { type: 'connack', sessionPresent: false, reason: 0, properties: EMPTY_PROPERTIES, ...some };
}

const LISTED = '80 81 82 83 84 85 86 87 88 89 8a 8c 90 95 97 99 9a 9b 9c 9d 9f'.split(' ');

const GOOD: readonly GoodRow[] = [
  ['success', V3, 'server', '20 02 00 00', connack({})],
  ['[MQTT5-2.2.2-1] success', 5, 'server', '20 03 00 00 00', connack({})],
  ['session present', 4, 'server', '20 02 01 00', connack({ sessionPresent: true })],
  ['session present', 5, 'server', '20 03 01 00 00', connack({ sessionPresent: true })],
  ['3.1: the first byte is not looked at', 3, 'server', '20 02 ff 00', connack({}), 'in only'],
  ...[1, 2, 3, 4, 5].map(
    (code): GoodRow => [`return code ${code}`, V3, 'server', `20 02 00 0${code}`, connack({ reason: code })],
  ),
  ...LISTED.map((code): GoodRow => {
    const reason = Number.parseInt(code, 16);
    return [`[MQTT5-3.2.2-8] reason ${code}`, 5, 'server', `20 03 00 ${code} 00`, connack({ reason })];
  }),
  [
    'every property, in the order of Mosquitto',
    5,
    'server',
    `20 ~ 00 00 {13 003c 22 000a 12 "id" 15 "m" 16 "d" 25 00 27 000f4240 21 0014 24 01
      11 0000000a 28 00 29 01 2a 00 1a "r/i" 1c "srv" 1f "why" 26 "k" "v" 26 "a" "b"}`.replaceAll(/\s+/g, ' '),
    connack({
      properties: propertiesOf({
        serverKeepAlive: 60,
        topicAliasMaximum: 10,
        assignedClientIdentifier: 'id',
        authenticationMethod: 'm',
        authenticationData: Uint8Array.of(0x64),
        retainAvailable: 0,
        maximumPacketSize: 1_000_000,
        receiveMaximum: 20,
        maximumQos: 1,
        sessionExpiryInterval: 10,
        wildcardSubscriptionAvailable: 0,
        subscriptionIdentifierAvailable: 1,
        sharedSubscriptionAvailable: 0,
        responseInformation: 'r/i',
        serverReference: 'srv',
        reasonString: 'why',
        userProperties: [
          { name: 'k', value: 'v' },
          { name: 'a', value: 'b' },
        ],
      }),
    }),
  ],
  [
    'a server that knows no v5 answers in the form of 3.x',
    5,
    'server',
    '20 02 00 01',
    connack({ reason: Reason.UnsupportedProtocolVersion }),
    'in only',
  ],
];

const { MalformedPacket, ProtocolError } = Reason;

const BAD: readonly BadRow[] = [
  ['[MQTT3-2.2.2-2] fixed header flags', 4, 'server', '21 02 00 00', MalformedPacket],
  ['[MQTT5-2.1.3-1] fixed header flags', 5, 'server', '21 03 00 00 00', MalformedPacket],
  ['reserved flags', 4, 'server', '20 02 02 00', MalformedPacket],
  ['[MQTT5-3.2.2-1] reserved flags', 5, 'server', '20 03 80 00 00', MalformedPacket],
  ['[MQTT3-3.2.2-4] session present in a refusal', 4, 'server', '20 02 01 05', ProtocolError],
  ['[MQTT5-3.2.2-6] session present in a refusal', 5, 'server', '20 03 01 87 00', ProtocolError],
  ['return code 6', V3, 'server', '20 02 00 06', ProtocolError],
  ['[MQTT5-3.2.2-8] a return code of 3.x in the form of v5', 5, 'server', '20 03 00 05 00', ProtocolError],
  ['[MQTT5-3.2.2-8] a reason of DISCONNECT', 5, 'server', '20 03 00 8e 00', ProtocolError],
  ['no properties', 5, 'server', '20 02 00 00', MalformedPacket],
  ['three bytes', V3, 'server', '20 03 00 00 00', MalformedPacket],
  ['bytes behind the properties', 5, 'server', '20 04 00 00 00 00', MalformedPacket],
  ['one byte', ALL, 'server', '20 01 00', MalformedPacket],
  ['nothing', ALL, 'server', '20 00', MalformedPacket],
  ['receive maximum 0', 5, 'server', '20 ~ 00 00 {21 0000}', ProtocolError],
  ['maximum packet size 0', 5, 'server', '20 ~ 00 00 {27 00000000}', ProtocolError],
  ['maximum QoS 2', 5, 'server', '20 ~ 00 00 {24 02}', ProtocolError],
  ['retain available 2', 5, 'server', '20 ~ 00 00 {25 02}', ProtocolError],
  ['shared subscription available twice', 5, 'server', '20 ~ 00 00 {2a 01 2a 01}', ProtocolError],
  ['a will delay', 5, 'server', '20 ~ 00 00 {18 00000001}', MalformedPacket],
  ['authentication data without a method', 5, 'server', '20 ~ 00 00 {16 "d"}', ProtocolError],
  ['[MQTT5-1.5.4-1] T04 a server reference that is no UTF-8', 5, 'server', '20 ~ 00 9c {1c 0001 ff}', MalformedPacket],
];

describe('CONNACK', () => {
  testGood(GOOD);
  testBad(BAD);
});
