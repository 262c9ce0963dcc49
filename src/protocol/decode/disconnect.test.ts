import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  type BadRow,
  bytesOf,
  decodeFrame,
  type GoodRow,
  propertiesOf,
  testBad,
  testGood,
  V3,
} from '../codec.fixture.ts';
import { type DisconnectPacket, EMPTY_PROPERTIES } from '../packets.ts';
import { ProtocolError as ProtocolErrorClass } from '../protocol-error.ts';
import { Reason } from '../reasons.ts';
import type { Sender } from './fields.ts';

function disconnect(some: Partial<DisconnectPacket>): DisconnectPacket {
  return { type: 'disconnect', reason: 0, properties: EMPTY_PROPERTIES, ...some };
}

const GOOD: readonly GoodRow[] = [
  ['3.x', V3, 'client', 'e000', disconnect({})],
  ['normal, nothing else', 5, 'client', 'e000', disconnect({})],
  ['normal, said', 5, 'client', 'e001 00', disconnect({}), 'in only'],
  ['normal, and no properties', 5, 'client', 'e002 00 00', disconnect({}), 'in only'],
  ['with the will', 5, 'client', 'e001 04', disconnect({ reason: Reason.DisconnectWithWill })],
  ['session taken over', 5, 'server', 'e001 8e', disconnect({ reason: Reason.SessionTakenOver })],
  [
    'properties of a client',
    5,
    'client',
    'e0 ~ 00 {11 0000000a 1f "bye" 26 "k" "v"}',
    disconnect({
      properties: propertiesOf({
        sessionExpiryInterval: 10,
        reasonString: 'bye',
        userProperties: [{ name: 'k', value: 'v' }],
      }),
    }),
  ],
  [
    'properties of a server',
    5,
    'server',
    'e0 ~ 9d {1c "other" 1f "moved"}',
    disconnect({
      reason: Reason.ServerMoved,
      properties: propertiesOf({ serverReference: 'other', reasonString: 'moved' }),
    }),
  ],
  ['3.1: flags are not looked at', 3, 'client', 'ef00', disconnect({}), 'in only'],
];

const { MalformedPacket, ProtocolError } = Reason;

const BAD: readonly BadRow[] = [
  ['[MQTT3-3.14.1-1] [MQTT3-2.2.2-2] flags', 4, 'client', 'e100', MalformedPacket],
  ['[MQTT5-3.14.1-1] [MQTT5-2.1.3-1] flags', 5, 'client', 'e200', MalformedPacket],
  ['a body in 3.x', V3, 'client', 'e001 00', MalformedPacket],
  ['a DISCONNECT from a server of 3.x', V3, 'server', 'e000', MalformedPacket],
  ['[MQTT5-3.14.2-2] session expiry from a server', 5, 'server', 'e0 ~ 00 {11 00000000}', ProtocolError],
  ['session expiry twice', 5, 'client', 'e0 ~ 00 {11 00000000 11 00000000}', ProtocolError],
  ['properties longer than the packet', 5, 'client', 'e003 00 05 00', MalformedPacket],
  ['bytes behind the properties', 5, 'client', 'e003 00 00 00', MalformedPacket],
  ['a property of CONNECT', 5, 'client', 'e0 ~ 00 {21 0001}', MalformedPacket],
  ['[MQTT5-1.5.4-1] T04 a reason string that is no UTF-8', 5, 'client', 'e0 ~ 00 {1f 0001 ff}', MalformedPacket],
];

/** Table 3-13 of the standard; 0x8C stands in section 2.4 only. */
const BOTH = [0x00, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99];
const CLIENT = [...BOTH, 0x04];
const SERVER = [
  ...BOTH,
  0x87,
  0x89,
  0x8b,
  0x8c,
  0x8d,
  0x8e,
  0x8f,
  0x9a,
  0x9b,
  0x9c,
  0x9d,
  0x9e,
  0x9f,
  0xa0,
  0xa1,
  0xa2,
];

function takenFrom(from: Sender): number[] {
  return Array.from({ length: 256 }, (_, code) => code).filter((code) => {
    try {
      decodeFrame(bytesOf(`e001 ${code.toString(16).padStart(2, '0')}`), 5, from);
      return true;
    } catch (error) {
      assert.ok(error instanceof ProtocolErrorClass && error.reason === ProtocolError);
      return false;
    }
  });
}

describe('DISCONNECT', () => {
  testGood(GOOD);
  testBad(BAD);

  test('[MQTT5-3.14.2-1] takes the codes listed for each side and no other', () => {
    assert.deepEqual(
      takenFrom('client'),
      CLIENT.toSorted((one, two) => one - two),
    );
    assert.deepEqual(
      takenFrom('server'),
      SERVER.toSorted((one, two) => one - two),
    );
  });
});
