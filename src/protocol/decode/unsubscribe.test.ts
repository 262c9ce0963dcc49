import { describe } from 'node:test';
import { ALL, type BadRow, filterOf, type GoodRow, propertiesOf, testBad, testGood, V3 } from '../codec.fixture.ts';
import { EMPTY_PROPERTIES, type UnsubscribePacket } from '../packets.ts';
import { Reason } from '../reasons.ts';

function unsubscribe(filters: readonly string[], some: Partial<UnsubscribePacket> = {}): UnsubscribePacket {
  return { type: 'unsubscribe', packetId: 10, filters: filters.map(filterOf), properties: EMPTY_PROPERTIES, ...some };
}

const GOOD: readonly GoodRow[] = [
  ['one filter', V3, 'client', 'a2 ~ 000a "a/b"', unsubscribe(['a/b'])],
  ['one filter', 5, 'client', 'a2 ~ 000a {} "a/b"', unsubscribe(['a/b'])],
  ['three filters, in order', V3, 'client', 'a2 ~ 000a "#" "$share/g/t" "+"', unsubscribe(['#', '$share/g/t', '+'])],
  [
    'user properties',
    5,
    'client',
    'a2 ~ 000a {26 "k" "v"} "a" "b"',
    unsubscribe(['a', 'b'], { properties: propertiesOf({ userProperties: [{ name: 'k', value: 'v' }] }) }),
  ],
  ['3.1: flags are not looked at', 3, 'client', 'aa ~ 000a "a"', unsubscribe(['a']), 'in only'],
];

const { MalformedPacket, ProtocolError, TopicFilterInvalid } = Reason;

const BAD: readonly BadRow[] = [
  ['[MQTT3-3.10.1-1] [MQTT3-2.2.2-2] flags 0', 4, 'client', 'a0 ~ 000a "a"', MalformedPacket],
  ['[MQTT5-3.10.1-1] [MQTT5-2.1.3-1] flags 0', 5, 'client', 'a0 ~ 000a {} "a"', MalformedPacket],
  ['[MQTT3-2.3.1-1] packet id 0', V3, 'client', 'a2 ~ 0000 "a"', MalformedPacket],
  ['[MQTT5-2.2.1-3] packet id 0', 5, 'client', 'a2 ~ 0000 {} "a"', MalformedPacket],
  ['[MQTT3-3.10.3-2] no filter', V3, 'client', 'a2 ~ 000a', ProtocolError],
  ['[MQTT5-3.10.3-2] no filter', 5, 'client', 'a2 ~ 000a {}', ProtocolError],
  ['[MQTT3-3.10.3-1] T04 a filter that is no UTF-8', V3, 'client', 'a2 ~ 000a 0002 c080', MalformedPacket],
  ['[MQTT5-3.10.3-1] T04 a filter that is no UTF-8', 5, 'client', 'a2 ~ 000a {} 0004 f4908080', MalformedPacket],
  ['[MQTT3-4.7.3-1] an empty filter', V3, 'client', 'a2 ~ 000a ""', TopicFilterInvalid],
  ['[MQTT5-4.7.1-1] a misplaced wildcard', 5, 'client', 'a2 ~ 000a {} "a#"', TopicFilterInvalid],
  ['half a filter', ALL, 'client', "a2 ~ 000a 0005 'abc'", MalformedPacket],
  ['no properties', 5, 'client', 'a2 ~ 000a', MalformedPacket],
  ['a subscription identifier', 5, 'client', 'a2 ~ 000a {0b 01} "a"', MalformedPacket],
  ['nothing', ALL, 'client', 'a2 00', MalformedPacket],
];

describe('UNSUBSCRIBE', () => {
  testGood(GOOD);
  testBad(BAD);
});
