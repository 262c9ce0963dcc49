import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { assertRefused, bytesOf, hexOf, propertiesOf } from './codec.fixture.ts';
import { createPublishPacket } from './decode/publish.ts';
import { EMPTY_PROPERTIES, PacketType, type Properties } from './packets.ts';
import {
  copyForwardedProperties,
  NO_PROPERTIES,
  type PropertyPacket,
  propertiesBytes,
  propertyBlockBytes,
  readProperties,
  scanPublishProperties,
  WILL,
  writeProperties,
} from './properties.ts';
import { Reason } from './reasons.ts';

const { Connect, Connack, Publish, Puback, Pubrec, Pubrel, Pubcomp, Subscribe, Suback } = PacketType;
const { Unsubscribe, Unsuback, Disconnect, Auth } = PacketType;
const ALL_PACKETS: readonly PropertyPacket[] = [
  WILL,
  Connect,
  Connack,
  Publish,
  Puback,
  Pubrec,
  Pubrel,
  Pubcomp,
  Subscribe,
  Suback,
  Unsubscribe,
  Unsuback,
  Disconnect,
  Auth,
];
const ANSWERS = [Connack, Puback, Pubrec, Pubrel, Pubcomp, Suback, Unsuback, Disconnect, Auth];

/** Table 2-4 of the standard, written down a second time: encoded, decoded, and where it may stand. */
const TABLE: readonly (readonly [encoded: string, decoded: Partial<Properties>, packets: readonly PropertyPacket[]])[] =
  [
    ['01 01', { payloadFormatIndicator: 1 }, [Publish, WILL]],
    ['02 80000001', { messageExpiryInterval: 0x8000_0001 }, [Publish, WILL]],
    ['03 "text/plain"', { contentType: 'text/plain' }, [Publish, WILL]],
    ['08 "r/t"', { responseTopic: 'r/t' }, [Publish, WILL]],
    ['09 0003 00ff80', { correlationData: Uint8Array.of(0, 255, 128) }, [Publish, WILL]],
    ['0b 8001', { subscriptionIdentifiers: [128] }, [Publish, Subscribe]],
    ['11 ffffffff', { sessionExpiryInterval: 0xffff_ffff }, [Connect, Connack, Disconnect]],
    ['12 "id"', { assignedClientIdentifier: 'id' }, [Connack]],
    ['13 ffff', { serverKeepAlive: 65_535 }, [Connack]],
    ['15 "m"', { authenticationMethod: 'm' }, [Connect, Connack, Auth]],
    ['17 00', { requestProblemInformation: 0 }, [Connect]],
    ['18 0000000a', { willDelayInterval: 10 }, [WILL]],
    ['19 01', { requestResponseInformation: 1 }, [Connect]],
    ['1a "r/i"', { responseInformation: 'r/i' }, [Connack]],
    ['1c "srv"', { serverReference: 'srv' }, [Connack, Disconnect]],
    ['1f ""', { reasonString: '' }, ANSWERS],
    ['21 0001', { receiveMaximum: 1 }, [Connect, Connack]],
    ['22 0000', { topicAliasMaximum: 0 }, [Connect, Connack]],
    ['23 ffff', { topicAlias: 65_535 }, [Publish]],
    ['24 00', { maximumQos: 0 }, [Connack]],
    ['25 01', { retainAvailable: 1 }, [Connack]],
    ['26 "k" ""', { userProperties: [{ name: 'k', value: '' }] }, ALL_PACKETS],
    ['27 00000001', { maximumPacketSize: 1 }, [Connect, Connack]],
    ['28 01', { wildcardSubscriptionAvailable: 1 }, [Connack]],
    ['29 00', { subscriptionIdentifierAvailable: 0 }, [Connack]],
    ['2a 01', { sharedSubscriptionAvailable: 1 }, [Connack]],
  ];
/** Needs its method beside it. */
const AUTHENTICATION_DATA = ['16 "d"', { authenticationData: bytesOf("'d'") }, [Connect, Connack, Auth]] as const;

const OUT_OF_RANGE: readonly (readonly [encoded: string, packet: PropertyPacket])[] = [
  ['01 02', Publish],
  ['17 02', Connect],
  ['19 ff', Connect],
  ['24 02', Connack],
  ['25 02', Connack],
  ['28 02', Connack],
  ['29 02', Connack],
  ['2a 80', Connack],
  ['21 0000', Connect],
  ['27 00000000', Connack],
  ['0b 00', Subscribe],
];

function read(encoded: string, packet: PropertyPacket): Properties {
  const bytes = bytesOf(`ffff ${encoded} 26ff`);
  return readProperties(bytes, 2, bytes.length - 2, packet);
}

function write(properties: Properties, packet: PropertyPacket): string {
  const bytes = new Uint8Array(propertyBlockBytes(properties) + 2);
  assert.equal(writeProperties(properties, packet, bytes, 1), bytes.length - 1);
  return hexOf(bytes.subarray(1, -1));
}

/** Counts how often a byte is looked at: what takes long reads much. */
function countingReads(bytes: Uint8Array): { readonly counted: Uint8Array; readonly reads: () => number } {
  let count = 0;
  const counted = new Proxy(bytes, {
    get(target, key) {
      if (typeof key === 'string' && /^\d/.test(key)) count++;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  return { counted, reads: () => count };
}

describe('properties', () => {
  test('the table has all 27 of the standard', () => {
    assert.equal(TABLE.length + 1, 27);
    const names = [...TABLE, AUTHENTICATION_DATA].flatMap(([, decoded]) => Object.keys(decoded));
    assert.deepEqual(names.toSorted(), Object.keys(EMPTY_PROPERTIES).toSorted());
  });

  for (const [encoded, decoded, packets] of TABLE) {
    const [name = ''] = Object.keys(decoded);
    test(`${name} is read, written, and refused where it does not belong`, () => {
      for (const packet of ALL_PACKETS) {
        if (!packets.includes(packet)) {
          assertRefused(() => read(encoded, packet), Reason.MalformedPacket);
          assert.throws(() => write(propertiesOf(decoded), packet), /cannot carry/);
          continue;
        }
        assert.deepEqual(read(encoded, packet), propertiesOf(decoded));
        assert.equal(write(propertiesOf(decoded), packet), hexOf(bytesOf(`{${encoded}}`)));
      }
    });

    test(`${name} twice is a protocol error, unless it may be repeated`, () => {
      for (const packet of packets) {
        const isRepeatable = name === 'userProperties' || (name === 'subscriptionIdentifiers' && packet === Publish);
        if (isRepeatable)
          assert.equal(
            Object.values(read(`${encoded} ${encoded}`, packet))
              .flat()
              .filter(Boolean).length,
            2,
          );
        else assertRefused(() => read(`${encoded} ${encoded}`, packet), Reason.ProtocolError);
      }
    });

    test(`${name} cut off anywhere is malformed`, () => {
      const bytes = bytesOf(encoded);
      for (let end = 1; end < bytes.length; end++) {
        assertRefused(() => readProperties(bytes, 0, end, packets[0] ?? Publish), Reason.MalformedPacket);
      }
    });
  }

  test('authentication data is read with its method, and a protocol error without', () => {
    const [encoded, decoded, packets] = AUTHENTICATION_DATA;
    for (const packet of packets) {
      const both = propertiesOf({ ...decoded, authenticationMethod: 'm' });
      assert.deepEqual(read(`${encoded} 15 "m"`, packet), both);
      assert.equal(write(both, packet), hexOf(bytesOf(`{15 "m" ${encoded}}`)));
      assertRefused(() => read(encoded, packet), Reason.ProtocolError);
    }
  });

  test('a number that is no property is malformed in every packet', () => {
    const known = new Set([...TABLE, AUTHENTICATION_DATA].map(([encoded]) => Number.parseInt(encoded.slice(0, 2), 16)));
    for (let id = 0; id < 256; id++) {
      if (known.has(id)) continue;
      const hex = id.toString(16).padStart(2, '0');
      for (const packet of ALL_PACKETS) assertRefused(() => read(`${hex} 00000000`, packet), Reason.MalformedPacket);
    }
  });

  for (const [encoded, packet] of OUT_OF_RANGE) {
    test(`${encoded} is out of range`, () => assertRefused(() => read(encoded, packet), Reason.ProtocolError));
  }

  test('[MQTT5-3.3.2-8] topic alias 0 has a reason of its own', () => {
    assertRefused(() => read('23 0000', Publish), Reason.TopicAliasInvalid);
  });

  test('[MQTT5-3.3.2-14] the response topic of a will has no wildcard either', () => {
    assertRefused(() => read('08 "a/#"', WILL), Reason.ProtocolError);
  });

  test('[MQTT5-2.2.2-1] none at all is the length 0', () => {
    assert.equal(write(EMPTY_PROPERTIES, Connack), '00');
    assert.equal(write(propertiesOf({}), Puback), '00');
    assert.equal(propertiesBytes(EMPTY_PROPERTIES), 0);
    assert.equal(readProperties(new Uint8Array(4), 2, 2, Connack), EMPTY_PROPERTIES);
  });

  test('binary values are copies', () => {
    const bytes = bytesOf('09 "xyz"');
    const { correlationData } = readProperties(bytes, 0, bytes.length, Publish);
    bytes.fill(0);
    assert.deepEqual(correlationData, bytesOf("'xyz'"));
  });
});

describe('scanPublishProperties', () => {
  test('notes alias, expiry and whether there is a subscription identifier', () => {
    const bytes = bytesOf('26 "k" "v" 02 80000000 0b 01 23 1234 01 00');
    const packet = createPublishPacket();
    scanPublishProperties(bytes, 0, bytes.length, packet);
    assert.deepEqual(
      [packet.topicAlias, packet.messageExpiryInterval, packet.hasSubscriptionIdentifier],
      [0x1234, 0x8000_0000, true],
    );
  });

  test('T23 looks at each byte a few times, however many properties there are', () => {
    for (const [name, one] of [
      ['the shortest user properties', '26 "" ""'],
      ['user properties', '26 "key" "value"'],
      ['subscription identifiers', '0b 01'],
    ] as const) {
      const bytes = bytesOf(one);
      const many = new Uint8Array(bytes.length * 4_000);
      for (let at = 0; at < many.length; at += bytes.length) many.set(bytes, at);
      const { counted, reads } = countingReads(many);
      scanPublishProperties(counted, 0, many.length, createPublishPacket());
      assert.ok(reads() <= 4 * many.length, `${name}: ${reads()} reads for ${many.length} bytes`);
      const scanned = reads();
      copyForwardedProperties(counted, 0, many.length);
      readProperties(counted, 0, many.length, Publish);
      assert.ok(
        reads() - scanned <= 24 * many.length,
        `${name}: ${reads() - scanned} reads to decode ${many.length} bytes`,
      );
    }
  });

  test('T23 one long text is walked once', () => {
    const bytes = Uint8Array.of(0x03, 0xff, 0xff, ...new Uint8Array(65_535).fill(0x61));
    const { counted, reads } = countingReads(bytes);
    scanPublishProperties(counted, 0, bytes.length, createPublishPacket());
    assert.ok(reads() <= bytes.length + 10, `${reads()} reads`);
  });
});

describe('copyForwardedProperties', () => {
  const copy = (encoded: string): Uint8Array => {
    const bytes = bytesOf(`ffff ${encoded} ff`);
    return copyForwardedProperties(bytes, 2, bytes.length - 1);
  };

  test('[MQTT5-3.3.2-4] [MQTT5-3.3.2-15] [MQTT5-3.3.2-16] [MQTT5-3.3.2-17] [MQTT5-3.3.2-20] leaves all but three as it is', () => {
    const kept = '26 "b" "1" 01 01 03 "text" 26 "a" "2" 08 "r/t" 09 0002 00ff 26 "b" "1"';
    assert.equal(hexOf(copy(kept)), hexOf(bytesOf(kept)));
    const mixed =
      '23 0001 26 "b" "1" 01 01 0b 8001 03 "text" 26 "a" "2" 08 "r/t" 02 00000001 09 0002 00ff 26 "b" "1" 0b 01';
    assert.equal(hexOf(copy(mixed)), hexOf(bytesOf(kept)));
  });

  test('leaves out the will delay', () => assert.equal(hexOf(copy('18 00000001 01 00')), '0100'));

  test('gives the one empty array when nothing is left', () => {
    assert.equal(copy(''), NO_PROPERTIES);
    assert.equal(copy('23 0001 02 00000001 0b ffffff7f'), NO_PROPERTIES);
  });

  test('owns what it returns', () => {
    const bytes = bytesOf('26 "k" "v"');
    const forwarded = copyForwardedProperties(bytes, 0, bytes.length);
    bytes.fill(0);
    assert.equal(hexOf(forwarded), hexOf(bytesOf('26 "k" "v"')));
  });
});
