import { describe } from 'node:test';
import { ALL, type BadRow, type GoodRow, propertiesOf, testBad, testGood, V3 } from '../codec.fixture.ts';
import { EMPTY_PROPERTIES, type SubackPacket } from '../packets.ts';
import { Reason, type ReasonCode } from '../reasons.ts';

function suback(reasons: readonly ReasonCode[], some: Partial<SubackPacket> = {}): SubackPacket {
  return { type: 'suback', packetId: 10, reasons, properties: EMPTY_PROPERTIES, ...some };
}

const WITH_TEXT = propertiesOf({ reasonString: 'no', userProperties: [{ name: 'k', value: 'v' }] });

const GOOD: readonly GoodRow[] = [
  ['[MQTT3-3.9.3-1] SUBACK, codes in order', V3, 'server', '90 ~ 000a 00 01 02 80', suback([0, 1, 2, 0x80])],
  [
    '[MQTT5-3.9.3-1] [MQTT5-3.9.3-2] SUBACK, every listed code, in order',
    5,
    'server',
    '90 ~ 000a {} 00 01 02 80 83 87 8f 91 97 9e a1 a2',
    suback([0, 1, 2, 0x80, 0x83, 0x87, 0x8f, 0x91, 0x97, 0x9e, 0xa1, 0xa2]),
  ],
  [
    'SUBACK with properties',
    5,
    'server',
    '90 ~ 000a {1f "no" 26 "k" "v"} 87',
    suback([0x87], { properties: WITH_TEXT }),
  ],
  ['UNSUBACK of 3.x has no codes', V3, 'server', 'b0 02 000a', suback([], { type: 'unsuback' })],
  [
    '[MQTT5-3.11.3-1] [MQTT5-3.11.3-2] UNSUBACK, every listed code, in order',
    5,
    'server',
    'b0 ~ 000a {} 91 8f 87 83 80 11 00',
    suback([0x91, 0x8f, 0x87, 0x83, 0x80, 0x11, 0], { type: 'unsuback' }),
  ],
  [
    'UNSUBACK with properties',
    5,
    'server',
    'b0 ~ 000a {1f "no" 26 "k" "v"} 11',
    suback([0x11], { type: 'unsuback', properties: WITH_TEXT }),
  ],
];

const { MalformedPacket, ProtocolError } = Reason;

const BAD: readonly BadRow[] = [
  ['[MQTT3-2.2.2-2] SUBACK with flags', 4, 'server', '92 ~ 000a 00', MalformedPacket],
  ['[MQTT5-2.1.3-1] SUBACK with flags', 5, 'server', '92 ~ 000a {} 00', MalformedPacket],
  ['[MQTT5-2.1.3-1] UNSUBACK with flags', 5, 'server', 'b1 ~ 000a {} 00', MalformedPacket],
  ['SUBACK with packet id 0', V3, 'server', '90 ~ 0000 00', ProtocolError],
  ['UNSUBACK with packet id 0', 5, 'server', 'b0 ~ 0000 {} 00', ProtocolError],
  ['SUBACK without codes', V3, 'server', '90 ~ 000a', MalformedPacket],
  ['SUBACK without codes', 5, 'server', '90 ~ 000a {}', MalformedPacket],
  ['UNSUBACK without codes', 5, 'server', 'b0 ~ 000a {}', MalformedPacket],
  ['[MQTT3-3.9.3-2] SUBACK with code 3', V3, 'server', '90 ~ 000a 03', ProtocolError],
  ['[MQTT3-3.9.3-2] SUBACK with a code of v5', V3, 'server', '90 ~ 000a 87', ProtocolError],
  ['[MQTT5-3.9.3-2] SUBACK with code 3', 5, 'server', '90 ~ 000a {} 03', ProtocolError],
  ['[MQTT5-3.9.3-2] SUBACK with a code of UNSUBACK', 5, 'server', '90 ~ 000a {} 11', ProtocolError],
  ['[MQTT5-3.11.3-2] UNSUBACK with a code of SUBACK', 5, 'server', 'b0 ~ 000a {} 01', ProtocolError],
  ['UNSUBACK of 3.x with a code', V3, 'server', 'b0 ~ 000a 00', MalformedPacket],
  ['SUBACK without properties', 5, 'server', '90 ~ 000a', MalformedPacket],
  ['SUBACK with a property of CONNECT', 5, 'server', '90 ~ 000a {11 00000000} 00', MalformedPacket],
  ['half a packet id', ALL, 'server', '90 01 00', MalformedPacket],
  ['nothing', ALL, 'server', 'b0 00', MalformedPacket],
];

describe('SUBACK and UNSUBACK', () => {
  testGood(GOOD);
  testBad(BAD);
});
