/** Bytes that are no MQTT, and packets at the wrong time or from the wrong side: each ends its own connection. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Reason } from '../../src/protocol/reasons.ts';
import type { ProtocolVersion } from '../../src/protocol/version.ts';
import { createHarness, fromHex, type Harness, type Peer } from '../fixtures/broker-harness.ts';
import { gatekeeperWith } from '../fixtures/fake-gatekeeper.ts';
import {
  field,
  frame,
  ILL_FORMED,
  joined,
  rawConnect,
  rawPublish,
  rawSubscribe,
  rawUnsubscribe,
  u16,
  variableInteger,
} from '../fixtures/raw-packets.ts';
import { assertEndsClient, assertEndsClientWith, provoke, Witness } from '../fixtures/reactions.ts';
import { SlowJournal } from '../fixtures/slow-journal.ts';

const VERSIONS = [3, 4, 5] as const;

/** A property block: its length and its properties. */
function block(...properties: readonly Uint8Array[]): Uint8Array {
  const bytes = joined(...properties);
  return joined(variableInteger(bytes.length), bytes);
}

function connect(
  version: ProtocolVersion,
  payload: readonly Uint8Array[],
  flags = 0x02,
  properties?: Uint8Array,
): Uint8Array {
  const head = version === 3 ? { name: 'MQIsdp', level: 3 } : { level: version };
  return rawConnect({ ...head, flags, payload, ...(properties === undefined ? {} : { properties }) });
}

/** Text fields of CONNECT in every version, and those that v5 adds. */
function connectsWith(text: Uint8Array): readonly (readonly [version: ProtocolVersion, bytes: Uint8Array])[] {
  const all = VERSIONS.flatMap((version): [ProtocolVersion, Uint8Array][] => {
    const willHead = version === 5 ? [Uint8Array.of(0)] : [];
    return [
      [version, connect(version, [field(text)])],
      [version, connect(version, [field('id'), ...willHead, field(text), field('will')], 0x06)],
      [version, connect(version, [field('id'), field(text)], 0x82)],
    ];
  });
  const inProperties = [
    joined(0x26, field(text), field('v')),
    joined(0x26, field('n'), field(text)),
    joined(0x15, field(text)),
  ];
  const inWill = [
    joined(0x03, field(text)),
    joined(0x08, field(text)),
    joined(0x26, field(text), field('v')),
    joined(0x26, field('n'), field(text)),
  ];
  return [
    ...all,
    ...inProperties.map((property): [ProtocolVersion, Uint8Array] => [5, connect(5, [field('id')], 0x02, property)]),
    ...inWill.map((property): [ProtocolVersion, Uint8Array] => [
      5,
      connect(5, [field('id'), block(property), field('topic'), field('will')], 0x06),
    ]),
  ];
}

/** Packets of a connected v5 client with the text in each of their text fields. */
function packetsWith(text: Uint8Array): readonly Uint8Array[] {
  const pair = (name: Uint8Array | string, value: Uint8Array | string): Uint8Array =>
    joined(0x26, field(name), field(value));
  const inPublish = [joined(0x03, field(text)), joined(0x08, field(text)), pair(text, 'v'), pair('n', text)];
  const inOthers = [pair(text, 'v'), pair('n', text)];
  const inReasoned = [joined(0x1f, field(text)), ...inOthers];
  return [
    rawPublish(text, { properties: Uint8Array.of(0) }),
    ...inPublish.map((property) => rawPublish('a', { properties: block(property) })),
    rawSubscribe([[text, 0]], { isV5: true }),
    rawUnsubscribe([text], { isV5: true }),
    ...inOthers.map((property) => frame(0x82, u16(1), block(property), field('a'), 0)),
    ...inOthers.map((property) => frame(0xa2, u16(1), block(property), field('a'))),
    ...inReasoned.flatMap((property) =>
      [0x40, 0x50, 0x62, 0x70].map((firstByte) => frame(firstByte, u16(1), 0, block(property))),
    ),
    ...inReasoned.map((property) => frame(0xe0, 0, block(property))),
  ];
}

describe('T04 text that is no UTF-8', () => {
  test('T04 in each text field of CONNECT, at each level', () => {
    const house = createHarness();
    const witness = new Witness(house);
    for (const bad of [...ILL_FORMED.values(), Uint8Array.of(0), fromHex('61 00 62')]) {
      for (const [version, bytes] of connectsWith(bad)) {
        const peer = house.peer({}, version);
        const answers = provoke({ house, witness }, peer, bytes).map(({ type }) => type);
        assert.deepEqual(answers, version === 5 ? ['connack'] : []);
      }
    }
    assert.equal(house.broker.sizes().sessions, 1);
  });

  test('T04 in each text field of a connected client', () => {
    const house = createHarness();
    const witness = new Witness(house);
    for (const bad of [...ILL_FORMED.values(), Uint8Array.of(0)]) {
      for (const bytes of packetsWith(bad)) assertEndsClientWith({ house, witness }, bytes, Reason.MalformedPacket);
    }
    assert.equal(house.broker.sizes().subscriptions, 1);
  });

  test('T04 the same fields with good text are taken', () => {
    const house = createHarness();
    for (const [, bytes] of connectsWith(Buffer.from('gut \u00fc')).filter(([version]) => version !== 5)) {
      const peer = house.peer();
      peer.send(bytes);
      assert.deepEqual(peer.link.takeSent().subarray(0, 4), fromHex('20 02 00 00'));
    }
    for (const bytes of packetsWith(Buffer.from('gut \u00fc')).slice(0, -3)) {
      const client = house.client('client', { version: 5 });
      client.send(bytes);
      assert.equal(client.isClosed, false, Buffer.from(bytes).toString('hex'));
    }
  });
});

/** What only servers send, in the form of 3.x and of v5. */
const FROM_SERVERS: readonly (readonly [name: string, v3: string, v5: string])[] = [
  ['CONNACK', '20 02 00 00', '20 03 00 00 00'],
  ['CONNACK with a session', '20 02 01 00', '20 0a 01 85 07 21 000a 27 00ffffff'],
  ['SUBACK', '90 03 0001 00', '90 04 0001 00 00'],
  ['UNSUBACK', 'b0 02 0001', 'b0 04 0001 00 00'],
  ['PINGRESP', 'd0 00', 'd0 00'],
];

/** A connection in some state. `go` lets it leave that state. */
interface Entered {
  readonly house: Harness;
  readonly peer: Peer;
  readonly go: () => Promise<void>;
}

/** Every state of a connection before it is connected, and that one. */
const STATES: ReadonlyMap<string, (version: ProtocolVersion) => Entered> = new Map<
  string,
  (version: ProtocolVersion) => Entered
>([
  [
    'before CONNECT',
    () => {
      const house = createHarness();
      return { house, peer: house.peer(), go: () => house.settleLater() };
    },
  ],
  [
    'while authentication is thought about',
    (version) => {
      let allow: () => void = () => undefined;
      const answer = new Promise<{ readonly kind: 'allowed' }>((resolve) => {
        allow = () => resolve({ kind: 'allowed' });
      });
      const house = createHarness({ gatekeeper: gatekeeperWith({ authenticate: () => answer }) });
      const peer = house.peer();
      peer.sendConnect({ version, clientId: 'c' });
      return {
        house,
        peer,
        go: () => {
          allow();
          return house.settleLater();
        },
      };
    },
  ],
  [
    'while its session becomes durable',
    (version) => {
      const journal = new SlowJournal();
      const house = createHarness({ journal });
      const peer = house.peer();
      peer.sendConnect({ version, clientId: 'c', will: { topic: 'w', payload: 'lost' } });
      return {
        house,
        peer,
        go: async () => {
          journal.commit();
          await house.settleLater();
        },
      };
    },
  ],
  [
    'connected',
    (version) => {
      const house = createHarness();
      return { house, peer: house.client('c', { version }), go: () => house.settleLater() };
    },
  ],
]);

describe('T20 packets that only servers send', () => {
  for (const [state, enter] of STATES) {
    test(`T20 ${state}, at each level`, async () => {
      for (const version of VERSIONS) {
        for (const [name, v3, v5] of FROM_SERVERS) {
          const { house, peer, go } = enter(version);
          peer.send(fromHex(version === 5 ? v5 : v3));
          await go();
          assert.equal(peer.isClosed, true, `${name} at level ${version}`);
          assert.equal(house.broker.counters.internalErrors, 0);
          assert.equal(house.broker.counters.protocolErrors, 1);
          assert.equal(house.broker.sizes().sessions, 0);
        }
      }
    });
  }

  test('T20 the other packets of clients before CONNECT has been answered', async () => {
    const packets = [
      'c0 00',
      '40 02 0001',
      '62 02 0001',
      '82 06 0001 0001 61 00',
      '30 03 0001 61',
      '10 0d 0004 4d515454 04 02 0000 0001 63',
    ];
    for (const hex of packets) {
      const waiting = gatekeeperWith({
        startEnhanced: () => ({ step: () => ({ kind: 'continue', data: null }), abandon: () => undefined }),
      });
      const house = createHarness({ gatekeeper: waiting });
      const peer = house.peer();
      peer.sendConnect({ version: 5, clientId: 'c', properties: { authenticationMethod: 'any' } });
      peer.expect('auth');
      peer.send(fromHex(hex));
      const connack = peer.expect('connack');
      assert.equal(connack.reason, Reason.ProtocolError);
      assert.equal(peer.isClosed, true);
      assert.equal(house.broker.counters.internalErrors, 0);
    }
  });
});

describe('T21 an empty topic', () => {
  test('T21 without an alias it ends the connection, at each level and QoS', () => {
    const house = createHarness();
    const witness = new Witness(house);
    for (const qos of [0, 1, 2]) {
      const id = qos === 0 ? {} : { packetId: 1 };
      const flags = qos << 1;
      for (const version of [3, 4] as const)
        assertEndsClient({ house, witness }, rawPublish('', { flags, ...id }), version);
      const properties = Uint8Array.of(0);
      assertEndsClientWith({ house, witness }, rawPublish('', { flags, ...id, properties }), Reason.ProtocolError);
    }
  });

  test('T21 with an alias of 0, above the limit, or never introduced it ends the connection', () => {
    const house = createHarness();
    const witness = new Witness(house);
    for (const [alias, reason] of [
      [0, Reason.TopicAliasInvalid],
      [11, Reason.TopicAliasInvalid],
      [65535, Reason.TopicAliasInvalid],
      [10, Reason.ProtocolError],
    ] as const) {
      for (const qos of [0, 1, 2]) {
        const id = qos === 0 ? {} : { packetId: 1 };
        const properties = block(joined(0x23, u16(alias)));
        assertEndsClientWith({ house, witness }, rawPublish('', { flags: qos << 1, ...id, properties }), reason);
      }
    }
  });

  test('T21 an alias of an older connection is not known to the next one', () => {
    const house = createHarness();
    const first = house.client('c', { version: 5, cleanStart: false, properties: { sessionExpiryInterval: 100 } });
    first.publish('a', 'x', { topicAlias: 1 });
    first.publish('', 'x', { topicAlias: 1 });
    assert.equal(first.isClosed, false);
    first.cut();
    const second = house.client('c', { version: 5, cleanStart: false, properties: { sessionExpiryInterval: 100 } });
    second.publish('', 'x', { topicAlias: 1 });
    assert.equal(second.expect('disconnect').reason, Reason.ProtocolError);
  });
});

describe('T52 variable byte integers', () => {
  test('T52 a length of five bytes or not in its shortest form ends the connection, of each packet type', () => {
    const house = createHarness();
    const witness = new Witness(house);
    for (let type = 1; type < 16; type += 1) {
      if (type === 1 || type === 2 || type === 9 || type === 11 || type === 13 || type === 15) continue;
      const first = (type << 4) | (type === 6 || type === 8 || type === 10 ? 2 : 0);
      for (const hex of ['80 80 80 80 01', '80 80 80 80 00', 'ff ff ff ff 7f', '80 00', '82 80 00', '82 80 80 00'])
        assertEndsClientWith(
          { house, witness },
          joined(first, fromHex(hex), new Uint8Array(8)),
          Reason.MalformedPacket,
        );
    }
  });

  test('T52 the same in CONNECT, at each cut of the input', () => {
    for (const hex of ['10 80 80 80 80 01', '10 ff ff ff ff 7f', '10 ff ff ff ff']) {
      const bytes = fromHex(hex);
      for (let cut = 1; cut < bytes.length; cut += 1) {
        const house = createHarness();
        const peer = house.peer();
        peer.send(bytes.subarray(0, cut));
        peer.send(bytes.subarray(cut));
        assert.equal(peer.isClosed, true);
        assert.equal(house.broker.counters.protocolErrors, 1);
        assert.equal(peer.link.takeSent().length, 0);
      }
    }
  });

  test('T52 property lengths and subscription identifiers that are too long, not shortest, or point behind the end', () => {
    const house = createHarness();
    const witness = new Witness(house);
    for (const bad of ['80 80 80 80 01', '80 00', 'ff ff ff 7f', '05', '80']) {
      const properties = fromHex(bad);
      assertEndsClientWith({ house, witness }, rawPublish('a', { properties }), Reason.MalformedPacket);
      assertEndsClientWith({ house, witness }, frame(0x82, u16(1), properties), Reason.MalformedPacket);
      assertEndsClientWith({ house, witness }, frame(0xe0, 0, properties), Reason.MalformedPacket);
    }
    for (const bad of ['0b 80 80 80 80 01', '0b 81 00', '0b ff'])
      assertEndsClientWith(
        { house, witness },
        frame(0x82, u16(1), block(fromHex(bad)), field('a'), 0),
        Reason.MalformedPacket,
      );
  });
});

describe('T37 one connection, never the process', () => {
  test('T37 every packet type with a body of every small size, all zeros or all ones', () => {
    const house = createHarness();
    const witness = new Witness(house);
    for (const version of VERSIONS) {
      for (let firstByte = 0; firstByte < 256; firstByte += 1) {
        for (const filled of [0x00, 0xff]) {
          for (const size of [0, 1, 2, 3, 4, 7, 11]) {
            const client = house.client('c', { version });
            client.link.deliver(frame(firstByte, new Uint8Array(size).fill(filled)));
          }
        }
      }
      witness.assertServed();
    }
    house.client('c').disconnect();
    const { connections, sessions, subscriptions, retained, outboxChunks } = house.broker.sizes();
    assert.deepEqual([connections, sessions, subscriptions, retained, outboxChunks], [1, 1, 1, 0, 0]);
  });

  test('T37 a gatekeeper that throws, rejects or hangs for one client leaves the others alone', async () => {
    const fail = (name: string): never => {
      throw new Error(`defect for ${name}`);
    };
    const gatekeeper = gatekeeperWith({
      authenticate: ({ clientId }) => {
        if (clientId === 'throws') return fail(clientId);
        if (clientId === 'rejects') return Promise.reject(new Error('no directory'));
        return clientId === 'hangs' ? new Promise(() => undefined) : { kind: 'allowed' };
      },
      maySubscribe: (_identity, filter) => (filter.text === 'throws' ? fail(filter.text) : true),
      mayPublish: (_identity, topic) => (topic.text === 'throws' ? fail(topic.text) : true),
    });
    const house = createHarness({ gatekeeper });
    const other = house.client('other');
    other.subscribe('t', { qos: 1 });
    for (const clientId of ['throws', 'rejects', 'hangs']) {
      const peer = house.peer();
      peer.sendConnect({ clientId });
      await house.settleLater();
      assert.equal(peer.isClosed, clientId !== 'hangs');
      peer.expectNothing();
    }
    const asks = house.client('asks');
    asks.sendSubscribe('throws');
    await house.settleLater();
    assert.equal(asks.isClosed, true);
    const says = house.client('says');
    says.publish('throws', 'x', { qos: 1 });
    assert.equal(says.isClosed, true);
    assert.equal(house.broker.counters.internalErrors, 4);
    other.publish('t', 'served', { qos: 0 });
    assert.equal(other.expect('publish').text, 'served');
  });
});
