/** PUBACK, PUBREC, PUBREL and PUBCOMP: sections 3.4 to 3.7. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Reason, type ReasonCode } from '../../../src/protocol/reasons.ts';
import { createHarness, fromHex, type Harness, type Peer } from '../../fixtures/broker-harness.ts';
import { gatekeeperWith } from '../../fixtures/fake-gatekeeper.ts';
import { field, frame, joined, u16 } from '../../fixtures/raw-packets.ts';
import { assertEndsClientWith, Witness } from '../../fixtures/reactions.ts';
import { SlowJournal } from '../../fixtures/slow-journal.ts';
import { comeBack, enter, enterDurable, texts } from './clients.ts';

const PUBLISH_ANSWERS = [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99] as const;
const RELEASE_ANSWERS = [0x00, 0x92] as const;

interface Kind {
  readonly name: 'puback' | 'pubrec' | 'pubrel' | 'pubcomp';
  readonly firstByte: number;
  readonly listed: readonly number[];
  readonly statement: string;
}

const KINDS: readonly Kind[] = [
  { name: 'puback', firstByte: 0x40, listed: PUBLISH_ANSWERS, statement: '[MQTT5-3.4.2-1]' },
  { name: 'pubrec', firstByte: 0x50, listed: PUBLISH_ANSWERS, statement: '[MQTT5-3.5.2-1]' },
  { name: 'pubrel', firstByte: 0x62, listed: RELEASE_ANSWERS, statement: '[MQTT5-3.6.2-1]' },
  { name: 'pubcomp', firstByte: 0x70, listed: RELEASE_ANSWERS, statement: '[MQTT5-3.7.2-1]' },
];

/** A house in which a QoS 1 and a QoS 2 message are under way to `sub`, and one QoS 2 message of its own is taken in. */
function busy(): { readonly house: Harness; readonly sub: Peer; readonly ids: Readonly<Record<Kind['name'], number>> } {
  const house = createHarness();
  const sub = enter(house, 'sub');
  sub.subscribe(['q1', 'q2'], { qos: 2 });
  const pub = enter(house, 'pub');
  pub.publish('q1', '1', { qos: 1 });
  pub.publish('q2', '2', { qos: 2 });
  pub.publish('q2', '3', { qos: 2 });
  const [one, two, three] = sub.publishes();
  sub.ack('pubrec', three?.packetId ?? 0);
  sub.expect('pubrel');
  sub.publish('own', 'x', { qos: 2, packetId: 77 });
  sub.expect('pubrec');
  return {
    house,
    sub,
    ids: { puback: one?.packetId ?? 0, pubrec: two?.packetId ?? 0, pubrel: 77, pubcomp: three?.packetId ?? 0 },
  };
}

describe('3.4 to 3.7 acknowledgements from a client', () => {
  for (const { name, firstByte, listed, statement } of KINDS) {
    test(`${statement} each code that is listed for ${name.toUpperCase()} is taken, alone and with properties`, () => {
      for (const code of listed) {
        for (const rest of [joined(code), joined(code, 0), joined(code, 5, 0x1f, field('ok'))]) {
          const { sub, ids } = busy();
          sub.send(frame(firstByte, u16(ids[name]), rest));
          assert.equal(sub.isClosed, false, `0x${code.toString(16)}`);
        }
      }
    });

    test(`${statement} any other code for ${name.toUpperCase()} gets DISCONNECT 0x82 and a close`, () => {
      const house = createHarness();
      const witness = new Witness(house);
      for (let code = 0; code < 256; code += 1) {
        if (listed.includes(code)) continue;
        assertEndsClientWith({ house, witness }, frame(firstByte, u16(1), code), Reason.ProtocolError);
      }
    });

    const BAD: readonly { readonly what: string; readonly body: Uint8Array; readonly reason: ReasonCode }[] = [
      { what: 'no identifier', body: joined(), reason: Reason.MalformedPacket },
      { what: 'half an identifier', body: joined(1), reason: Reason.MalformedPacket },
      { what: 'properties cut off', body: joined(u16(1), 0, 5, 0x1f), reason: Reason.MalformedPacket },
      { what: 'bytes behind the properties', body: joined(u16(1), 0, 0, 0), reason: Reason.MalformedPacket },
      { what: 'an unknown property', body: joined(u16(1), 0, 2, 0x01, 1), reason: Reason.MalformedPacket },
      {
        what: 'two reason strings',
        body: joined(u16(1), 0, 8, 0x1f, field('a'), 0x1f, field('a')),
        reason: Reason.ProtocolError,
      },
    ];
    for (const { what, body, reason } of BAD) {
      test(`${name.toUpperCase()} with ${what} gets DISCONNECT 0x${reason.toString(16)} and a close`, () => {
        const house = createHarness();
        assertEndsClientWith({ house, witness: new Witness(house) }, frame(firstByte, body), reason);
      });
    }
  }

  test('an answer that does not belong to the QoS of the message gets DISCONNECT 0x82 and a close', () => {
    for (const wrong of ['puback', 'pubrec'] as const) {
      const { house, sub, ids } = busy();
      sub.ack(wrong, wrong === 'puback' ? ids.pubrec : ids.puback);
      assert.equal(sub.expect('disconnect').reason, Reason.ProtocolError);
      assert.equal(house.broker.counters.protocolErrors, 1);
    }
  });

  test('answers for identifiers that are not in use end nothing: a PUBREC is released, a PUBREL is completed with 0x92', () => {
    const { sub } = busy();
    sub.ack('puback', 9_000);
    sub.ack('pubcomp', 9_000);
    sub.ack('pubrec', 9_000, Reason.UnspecifiedError);
    sub.expectNothing();
    sub.ack('pubrec', 9_000);
    sub.ack('pubrel', 9_000);
    assert.deepEqual(
      sub.all().map((packet) => ('reason' in packet ? [packet.type, packet.reason] : packet.type)),
      [
        ['pubrel', Reason.PacketIdentifierNotFound],
        ['pubcomp', Reason.PacketIdentifierNotFound],
      ],
    );
    assert.equal(sub.isClosed, false);
  });
});

describe('3.4 to 3.7 acknowledgements to a client', () => {
  test('[MQTT5-3.4.2-1] [MQTT5-3.5.2-1] PUBACK and PUBREC say listed codes: taken, nobody heard it, not allowed, no room', () => {
    const journal = new SlowJournal({ isAtOnce: true });
    const gatekeeper = gatekeeperWith({ mayPublish: (_identity, topic) => topic.text !== 'forbidden' });
    const house = createHarness({ journal, gatekeeper });
    const sub = enterDurable(house, 'sub');
    sub.subscribe('heard', { qos: 2 });
    const pub = enter(house, 'pub');
    const answer = (topic: string, qos: 1 | 2): readonly [string, number] => {
      pub.publish(topic, 'x', { qos });
      const [packet] = pub.all();
      assert.ok(packet !== undefined && 'packetId' in packet && 'reason' in packet);
      if (packet.type === 'pubrec' && packet.reason === 0) {
        pub.ack('pubrel', packet.packetId);
        pub.expect('pubcomp');
      }
      return [packet.type, packet.reason];
    };
    assert.deepEqual(answer('heard', 1), ['puback', 0x00]);
    assert.deepEqual(answer('heard', 2), ['pubrec', 0x00]);
    assert.deepEqual(answer('unheard', 1), ['puback', 0x10]);
    assert.deepEqual(answer('unheard', 2), ['pubrec', 0x00]);
    assert.deepEqual(answer('forbidden', 1), ['puback', 0x87]);
    assert.deepEqual(answer('forbidden', 2), ['pubrec', 0x87]);
    assert.deepEqual(answer('$SYS/broker/uptime', 1), ['puback', 0x87]);
    journal.fail();
    assert.deepEqual(answer('heard', 1), ['puback', 0x97]);
    assert.deepEqual(answer('heard', 2), ['pubrec', 0x97]);
    assert.equal(sub.publishes().length, 2);
  });

  test('[MQTT5-3.6.2-1] [MQTT5-3.7.2-1] PUBREL and PUBCOMP say 0x00 for what is known and 0x92 for what is not', () => {
    const { sub, ids } = busy();
    sub.ack('pubrec', ids.pubrec);
    assert.equal(sub.expect('pubrel').reason, 0x00);
    sub.ack('pubrec', 4_000);
    assert.equal(sub.expect('pubrel').reason, 0x92);
    sub.ack('pubrel', ids.pubrel);
    assert.equal(sub.expect('pubcomp').reason, 0x00);
    sub.ack('pubrel', ids.pubrel);
    assert.equal(sub.expect('pubcomp').reason, 0x92);
  });

  test('acknowledgements of success are four bytes, those with another code five', () => {
    const house = createHarness();
    const client = enter(house, 'client');
    client.subscribe('t');
    client.link.takeSent();
    const other = enter(house, 'other');
    other.publish('t', '', { qos: 1, packetId: 258 });
    assert.deepEqual(other.link.takeSent(), fromHex('4002 0102'));
    other.publish('nobody', '', { qos: 1, packetId: 258 });
    assert.deepEqual(other.link.takeSent(), fromHex('4003 0102 10'));
    other.publish('t', '', { qos: 2, packetId: 258 });
    assert.deepEqual(other.link.takeSent(), fromHex('5002 0102'));
    other.ack('pubrel', 258);
    assert.deepEqual(other.link.takeSent(), fromHex('7002 0102'));
    other.ack('pubrel', 258);
    assert.deepEqual(other.link.takeSent(), fromHex('7003 0102 92'));
    other.ack('pubrec', 258);
    assert.deepEqual(other.link.takeSent(), fromHex('6203 0102 92'));
  });

  test('[MQTT5-3.12.4-1] each PINGREQ gets one PINGRESP', () => {
    const house = createHarness();
    const client = enter(house, 'client');
    client.send(fromHex('c000 c000 c000'));
    assert.deepEqual(client.link.takeSent(), fromHex('d000 d000 d000'));
  });

  test('what was refused with 0x97 while the store failed may be sent again once it works', () => {
    const journal = new SlowJournal({ isAtOnce: true });
    const house = createHarness({ journal });
    enterDurable(house, 'sub').subscribe('t', { qos: 1 });
    const pub = enter(house, 'pub');
    journal.fail();
    pub.publish('t', 'x', { qos: 1, packetId: 1 });
    assert.equal(pub.expect('puback').reason, Reason.QuotaExceeded);
    journal.recover();
    pub.publish('t', 'x', { qos: 1, packetId: 1 });
    assert.equal(pub.expect('puback').reason, Reason.Success);
    assert.deepEqual(texts(comeBack(house, 'sub')), ['x']);
  });
});
