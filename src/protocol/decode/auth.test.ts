import { describe } from 'node:test';
import { type BadRow, bytesOf, type GoodRow, propertiesOf, testBad, testGood, V3 } from '../codec.fixture.ts';
import { type AuthPacket, EMPTY_PROPERTIES } from '../packets.ts';
import { Reason } from '../reasons.ts';

const METHOD = propertiesOf({ authenticationMethod: 'm' });

function auth(some: Partial<AuthPacket>): AuthPacket {
  return { type: 'auth', reason: Reason.ContinueAuthentication, properties: METHOD, ...some };
}

const GOOD: readonly GoodRow[] = [
  ['continue, from a client', 5, 'client', 'f0 ~ 18 {15 "m"}', auth({})],
  ['continue, from a server', 5, 'server', 'f0 ~ 18 {15 "m"}', auth({})],
  ['authenticate again', 5, 'client', 'f0 ~ 19 {15 "m"}', auth({ reason: Reason.ReAuthenticate })],
  ['success', 5, 'server', 'f0 ~ 00 {15 "m"}', auth({ reason: 0 })],
  ['success, nothing else', 5, 'server', 'f000', auth({ reason: 0, properties: EMPTY_PROPERTIES })],
  [
    'every property',
    5,
    'server',
    'f0 ~ 18 {15 "m" 16 0003 00ff80 1f "more" 26 "k" "v"}',
    auth({
      properties: propertiesOf({
        authenticationMethod: 'm',
        authenticationData: bytesOf('00ff80'),
        reasonString: 'more',
        userProperties: [{ name: 'k', value: 'v' }],
      }),
    }),
  ],
];

const { MalformedPacket, ProtocolError } = Reason;

const BAD: readonly BadRow[] = [
  ['AUTH in 3.x', V3, 'client', 'f0 ~ 18 {15 "m"}', MalformedPacket],
  ['AUTH in 3.x, from a server', V3, 'server', 'f000', MalformedPacket],
  ['[MQTT5-3.15.1-1] [MQTT5-2.1.3-1] flags', 5, 'client', 'f1 ~ 18 {15 "m"}', MalformedPacket],
  ['[MQTT5-3.15.2-1] a code that is not listed', 5, 'client', 'f0 ~ 87 {15 "m"}', ProtocolError],
  ['[MQTT5-3.15.2-1] success from a client', 5, 'client', 'f0 ~ 00 {15 "m"}', ProtocolError],
  ['[MQTT5-3.15.2-1] success from a client, nothing else', 5, 'client', 'f000', ProtocolError],
  ['[MQTT5-3.15.2-1] authenticate again from a server', 5, 'server', 'f0 ~ 19 {15 "m"}', ProtocolError],
  ['no method', 5, 'client', 'f0 ~ 18 {}', ProtocolError],
  ['data without a method', 5, 'client', 'f0 ~ 18 {16 "d"}', ProtocolError],
  ['no properties', 5, 'client', 'f001 18', MalformedPacket],
  ['bytes behind the properties', 5, 'client', 'f0 ~ 18 {15 "m"} 00', MalformedPacket],
  ['a property of CONNECT', 5, 'client', 'f0 ~ 18 {15 "m" 11 00000000}', MalformedPacket],
  ['two methods', 5, 'client', 'f0 ~ 18 {15 "m" 15 "m"}', ProtocolError],
  ['[MQTT5-1.5.4-1] T04 a method that is no UTF-8', 5, 'client', 'f0 ~ 18 {15 0001 ff}', MalformedPacket],
];

describe('AUTH', () => {
  testGood(GOOD);
  testBad(BAD);
});
