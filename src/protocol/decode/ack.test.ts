import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  ALL,
  assertRefused,
  type BadRow,
  bytesOf,
  type GoodRow,
  propertiesOf,
  testBad,
  testGood,
  V3,
} from '../codec.fixture.ts';
import { createFrameHeader, readFrame } from '../frame.ts';
import { type AckPacket, EMPTY_PROPERTIES } from '../packets.ts';
import { ProtocolError } from '../protocol-error.ts';
import { Reason } from '../reasons.ts';
import type { ProtocolVersion } from '../version.ts';
import { type AckFields, createAckFields, decodeAckInto } from './ack.ts';

type AckType = AckPacket['type'];

/** Each type: first byte, a first byte with a wrong flag, the reasons that are listed (sections 3.4 to 3.7), statement. */
const TYPES: readonly (readonly [
  type: AckType,
  first: string,
  wrong: string,
  listed: readonly number[],
  rule: string,
])[] = [
  ['puback', '40', '42', [0, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99], '[MQTT5-3.4.2-1]'],
  ['pubrec', '50', '51', [0, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99], '[MQTT5-3.5.2-1]'],
  ['pubrel', '62', '60', [0, 0x92], '[MQTT5-3.6.2-1]'],
  ['pubcomp', '70', '78', [0, 0x92], '[MQTT5-3.7.2-1]'],
];

function ack(type: AckType, some: Partial<AckPacket>): AckPacket {
  return { type, packetId: 0x1234, reason: 0, properties: EMPTY_PROPERTIES, ...some };
}

function goodRows(type: AckType, first: string, failure: '91' | '92'): readonly GoodRow[] {
  const reason = failure === '91' ? Reason.PacketIdentifierInUse : Reason.PacketIdentifierNotFound;
  const text = propertiesOf({ reasonString: 'no', userProperties: [{ name: 'k', value: 'v' }] });
  return [
    [type, ALL, 'client', `${first} 02 1234`, ack(type, {})],
    [`${type} from a server`, ALL, 'server', `${first} 02 ffff`, ack(type, { packetId: 0xffff })],
    [`${type} with reason 0`, 5, 'client', `${first} 03 1234 00`, ack(type, {}), 'in only'],
    [`${type} with a reason`, 5, 'client', `${first} 03 1234 ${failure}`, ack(type, { reason })],
    [`${type} with no properties`, 5, 'client', `${first} ~ 1234 ${failure} {}`, ack(type, { reason }), 'in only'],
    [
      `${type} with properties`,
      5,
      'client',
      `${first} ~ 1234 ${failure} {1f "no" 26 "k" "v"}`,
      ack(type, { reason, properties: text }),
    ],
    [
      `${type}, success with properties`,
      5,
      'client',
      `${first} ~ 1234 00 {1f "no" 26 "k" "v"}`,
      ack(type, { properties: text }),
    ],
  ];
}

function badRows(type: AckType, first: string, wrong: string): readonly BadRow[] {
  const flags = type === 'pubrel' ? '[MQTT5-3.6.1-1]' : '[MQTT5-2.1.3-1]';
  const flags3 = type === 'pubrel' ? '[MQTT3-3.6.1-1] [MQTT3-2.2.2-2]' : '[MQTT3-2.2.2-2]';
  const { MalformedPacket } = Reason;
  return [
    [`${flags} ${type} with wrong flags`, 5, 'client', `${wrong} 02 1234`, MalformedPacket],
    [`${flags3} ${type} with wrong flags`, 4, 'client', `${wrong} 02 1234`, MalformedPacket],
    [`${type} with packet id 0`, ALL, 'client', `${first} 02 0000`, Reason.ProtocolError],
    [`${type} with nothing`, ALL, 'client', `${first} 00`, MalformedPacket],
    [`${type} with half a packet id`, ALL, 'client', `${first} 01 12`, MalformedPacket],
    [`${type} with three bytes`, V3, 'client', `${first} 03 1234 00`, MalformedPacket],
    [`${type} with properties longer than the packet`, 5, 'client', `${first} 04 1234 00 01`, MalformedPacket],
    [`${type} with a property behind the properties`, 5, 'client', `${first} ~ 1234 00 {} 26 "k" "v"`, MalformedPacket],
    [`${type} with bytes behind the properties`, 5, 'client', `${first} 05 1234 00 00 00`, MalformedPacket],
    [
      `[MQTT5-1.5.5-1] T52 ${type}, property length not shortest`,
      5,
      'client',
      `${first} 05 1234 00 8000`,
      MalformedPacket,
    ],
    [`${type} with a property of CONNECT`, 5, 'client', `${first} ~ 1234 00 {11 00000000}`, MalformedPacket],
    [`${type} with two reason strings`, 5, 'client', `${first} ~ 1234 00 {1f "a" 1f "a"}`, Reason.ProtocolError],
    [
      `[MQTT5-1.5.4-1] T04 ${type}, reason string is no UTF-8`,
      5,
      'client',
      `${first} ~ 1234 00 {1f 0001 ff}`,
      MalformedPacket,
    ],
    [
      `[MQTT5-1.5.7-1] T04 ${type}, user property is no UTF-8`,
      5,
      'client',
      `${first} ~ 1234 00 {26 "k" 0001 ff}`,
      MalformedPacket,
    ],
  ];
}

function decode(notation: string, version: ProtocolVersion, fields = createAckFields()): AckFields {
  const frame = bytesOf(notation);
  const header = createFrameHeader();
  readFrame(frame, 0, frame.length, header);
  decodeAckInto(frame, header, version, fields);
  return fields;
}

for (const [type, first, wrong, listed, rule] of TYPES) {
  describe(type.toUpperCase(), () => {
    testGood(goodRows(type, first, listed.includes(0x91) ? '91' : '92'));
    testBad(badRows(type, first, wrong));

    test(`${rule} takes the listed reason codes and no other`, () => {
      const taken = Array.from({ length: 256 }, (_, code) => code).filter((code) => {
        try {
          return decode(`${first} 03 1234 ${code.toString(16).padStart(2, '0')}`, 5).reason === code;
        } catch (error) {
          assert.ok(error instanceof ProtocolError && error.reason === Reason.ProtocolError);
          return false;
        }
      });
      assert.deepEqual(taken, listed);
    });

    test('decodeAckInto checks the properties that it drops', () => {
      assert.deepEqual(decode(`${first} ~ 1234 00 {1f "no"}`, 5), { packetId: 0x1234, reason: 0 });
      assertRefused(() => decode(`${first} ~ 1234 00 {1f 0001 ff}`, 5), Reason.MalformedPacket);
    });

    test('one object serves all: nothing of the last acknowledgement is left', () => {
      const fields = createAckFields();
      decode(`${first} 03 1234 ${listed.includes(0x91) ? '91' : '92'}`, 5, fields);
      assert.deepEqual(decode(`${first} 02 0001`, 5, fields), { packetId: 1, reason: 0 });
    });

    test('in 3.1 the flags are not looked at', () => {
      assert.deepEqual(decode(`${wrong} 02 1234`, 3), { packetId: 0x1234, reason: 0 });
    });
  });
}
