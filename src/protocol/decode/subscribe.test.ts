import { describe, test } from 'node:test';
import {
  ALL,
  assertRefused,
  type BadRow,
  bytesOf,
  decodeFrame,
  filterOf,
  type GoodRow,
  propertiesOf,
  testBad,
  testGood,
  V3,
} from '../codec.fixture.ts';
import { EMPTY_PROPERTIES, type SubscribePacket, type SubscriptionRequest } from '../packets.ts';
import { Reason } from '../reasons.ts';

function request(text: string, some: Partial<SubscriptionRequest> = {}): SubscriptionRequest {
  return { filter: filterOf(text), qos: 0, noLocal: false, retainAsPublished: false, retainHandling: 0, ...some };
}

function subscribe(
  subscriptions: readonly SubscriptionRequest[],
  some: Partial<SubscribePacket> = {},
): SubscribePacket {
  return { type: 'subscribe', packetId: 10, subscriptions, properties: EMPTY_PROPERTIES, ...some };
}

const GOOD: readonly GoodRow[] = [
  ['one filter', V3, 'client', '82 ~ 000a "a/b" 01', subscribe([request('a/b', { qos: 1 })])],
  ['one filter', 5, 'client', '82 ~ 000a {} "a/b" 01', subscribe([request('a/b', { qos: 1 })])],
  [
    'three filters, in order',
    V3,
    'client',
    '82 ~ 000a "#" 02 "+/b" 00 "a" 01',
    subscribe([request('#', { qos: 2 }), request('+/b'), request('a', { qos: 1 })]),
  ],
  [
    'all options',
    5,
    'client',
    '82 ~ 000a {} "a" 04 "b" 08 "c" 10 "d" 20 "e" 2e',
    subscribe([
      request('a', { noLocal: true }),
      request('b', { retainAsPublished: true }),
      request('c', { retainHandling: 1 }),
      request('d', { retainHandling: 2 }),
      request('e', { qos: 2, noLocal: true, retainAsPublished: true, retainHandling: 2 }),
    ]),
  ],
  [
    '[MQTT5-4.8.2-1] a shared filter',
    5,
    'client',
    '82 ~ 000a {} "$share/g/a/#" 2a',
    subscribe([request('$share/g/a/#', { qos: 2, retainAsPublished: true, retainHandling: 2 })]),
  ],
  [
    'a shared filter in 3.x, as Mosquitto',
    V3,
    'client',
    '82 ~ 000a "$share/g/a" 01',
    subscribe([request('$share/g/a', { qos: 1 })]),
  ],
  [
    'an identifier and user properties',
    5,
    'client',
    '82 ~ 000a {0b ffffff7f 26 "k" "v" 26 "k" "w"} "a" 00',
    subscribe([request('a')], {
      properties: propertiesOf({
        subscriptionIdentifiers: [268_435_455],
        userProperties: [
          { name: 'k', value: 'v' },
          { name: 'k', value: 'w' },
        ],
      }),
    }),
  ],
  ['3.1: DUP is not looked at', 3, 'client', '8a ~ 000a "a" 00', subscribe([request('a')]), 'in only'],
];

const { MalformedPacket, ProtocolError, TopicFilterInvalid } = Reason;

const BAD: readonly BadRow[] = [
  ['[MQTT3-3.8.1-1] [MQTT3-2.2.2-2] flags 0', 4, 'client', '80 ~ 000a "a" 00', MalformedPacket],
  ['[MQTT5-3.8.1-1] [MQTT5-2.1.3-1] flags 0', 5, 'client', '80 ~ 000a {} "a" 00', MalformedPacket],
  ['[MQTT5-3.8.1-1] flags 3', 5, 'client', '83 ~ 000a {} "a" 00', MalformedPacket],
  ['[MQTT3-2.3.1-1] packet id 0', V3, 'client', '82 ~ 0000 "a" 00', MalformedPacket],
  ['[MQTT5-2.2.1-3] packet id 0', 5, 'client', '82 ~ 0000 {} "a" 00', MalformedPacket],
  ['[MQTT3-3.8.3-3] no filter', V3, 'client', '82 ~ 000a', ProtocolError],
  ['[MQTT5-3.8.3-2] no filter', 5, 'client', '82 ~ 000a {}', ProtocolError],
  ['[MQTT3-3.8.3-4] QoS 3', V3, 'client', '82 ~ 000a "a" 03', MalformedPacket],
  ['QoS 3', 5, 'client', '82 ~ 000a {} "a" 03', ProtocolError],
  ['[MQTT3-3.8.3-4] a reserved bit, which in v5 is no local', V3, 'client', '82 ~ 000a "a" 04', MalformedPacket],
  ['[MQTT3-3.8.3-4] the highest reserved bit', V3, 'client', '82 ~ 000a "a" 80', MalformedPacket],
  ['[MQTT5-3.8.3-5] reserved bit 6', 5, 'client', '82 ~ 000a {} "a" 40', MalformedPacket],
  ['[MQTT5-3.8.3-5] reserved bit 7', 5, 'client', '82 ~ 000a {} "a" 80', MalformedPacket],
  ['retain handling 3', 5, 'client', '82 ~ 000a {} "a" 30', ProtocolError],
  ['[MQTT5-3.8.3-4] no local on a shared subscription', 5, 'client', '82 ~ 000a {} "$share/g/a" 04', ProtocolError],
  ['[MQTT3-4.7.3-1] an empty filter', V3, 'client', '82 ~ 000a "" 00', TopicFilterInvalid],
  ['[MQTT5-4.7.3-1] an empty filter', 5, 'client', '82 ~ 000a {} "" 00', TopicFilterInvalid],
  ['[MQTT3-4.7.1-2] # within a level', V3, 'client', '82 ~ 000a "a#" 00', TopicFilterInvalid],
  ['[MQTT5-4.7.1-1] # not last', 5, 'client', '82 ~ 000a {} "#/a" 00', TopicFilterInvalid],
  ['[MQTT3-4.7.1-3] + within a level', V3, 'client', '82 ~ 000a "a+/b" 00', TopicFilterInvalid],
  ['[MQTT5-4.7.1-2] + within a level', 5, 'client', '82 ~ 000a {} "a/+b" 00', TopicFilterInvalid],
  ['[MQTT3-3.8.3-1] T04 a filter that is no UTF-8', V3, 'client', '82 ~ 000a 0002 c080 00', MalformedPacket],
  ['[MQTT5-3.8.3-1] T04 a filter that is no UTF-8', 5, 'client', '82 ~ 000a {} 0003 eda080 00', MalformedPacket],
  ['the second filter is bad', 5, 'client', '82 ~ 000a {} "a" 00 "b#" 00', TopicFilterInvalid],
  ['a filter without options', V3, 'client', '82 ~ 000a "a"', MalformedPacket],
  ['a filter without options', 5, 'client', '82 ~ 000a {} "a"', MalformedPacket],
  ['half a filter', V3, 'client', "82 ~ 000a 0005 'abc'", MalformedPacket],
  ['no properties', 5, 'client', '82 ~ 000a', MalformedPacket],
  ['half a packet id', ALL, 'client', '82 01 00', MalformedPacket],
  ['nothing', ALL, 'client', '82 00', MalformedPacket],
  ['identifier 0', 5, 'client', '82 ~ 000a {0b 00} "a" 00', ProtocolError],
  ['two identifiers', 5, 'client', '82 ~ 000a {0b 01 0b 02} "a" 00', ProtocolError],
  [
    '[MQTT5-1.5.5-1] T52 an identifier that is not in its shortest form',
    5,
    'client',
    '82 ~ 000a {0b 8100} "a" 00',
    MalformedPacket,
  ],
  ['[MQTT5-1.5.5-1] T52 an identifier in five bytes', 5, 'client', '82 ~ 000a {0b ffffffff01} "a" 00', MalformedPacket],
  ['a reason string', 5, 'client', '82 ~ 000a {1f "x"} "a" 00', MalformedPacket],
];

/** Every malformed share form is refused in a packet too. */
const BAD_SHARES = ['$share', '$share/', '$share//', '$share//t', '$share/g', '$share/+/t', '$share/#/t', '$share/g/'];

describe('SUBSCRIBE', () => {
  testGood(GOOD);
  testBad(BAD);

  for (const text of BAD_SHARES) {
    test(`[MQTT5-4.8.2-1] [MQTT5-4.8.2-2] T43 ${text} is refused`, () => {
      assertRefused(() => decodeFrame(bytesOf(`82 ~ 000a {} "${text}" 00`), 5, 'client'), TopicFilterInvalid);
      assertRefused(() => decodeFrame(bytesOf(`82 ~ 000a "${text}" 00`), 4, 'client'), TopicFilterInvalid);
      assertRefused(() => decodeFrame(bytesOf(`a2 ~ 000a {} "${text}"`), 5, 'client'), TopicFilterInvalid);
    });
  }

  test('T15 a filter of 65535 slashes is refused', () => {
    const slashes = `ffff ${'2f'.repeat(65_535)}`;
    assertRefused(() => decodeFrame(bytesOf(`82 ~ 000a ${slashes} 00`), 4, 'client'), TopicFilterInvalid);
    assertRefused(() => decodeFrame(bytesOf(`82 ~ 000a {} ${slashes} 00`), 5, 'client'), TopicFilterInvalid);
    assertRefused(() => decodeFrame(bytesOf(`a2 ~ 000a {} ${slashes}`), 5, 'client'), TopicFilterInvalid);
  });
});
