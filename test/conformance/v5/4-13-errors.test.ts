import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Reason, type ReasonCode } from '../../../src/protocol/reasons.ts';
import { createHarness, fromHex } from '../../fixtures/broker-harness.ts';
import { gatekeeperWith } from '../../fixtures/fake-gatekeeper.ts';
import { field, frame, joined, rawConnect, rawPublish, rawSubscribe, u16 } from '../../fixtures/raw-packets.ts';
import { assertEndsClientWith, assertRefusedSilently, provoke, Witness } from '../../fixtures/reactions.ts';
import { comeBack, enter, enterDurable, numbers, texts } from './clients.ts';

const NONE = Uint8Array.of(0);

const ONLY_FROM_SERVERS: readonly { readonly name: string; readonly bytes: Uint8Array }[] = [
  { name: 'CONNACK', bytes: fromHex('20 03 00 00 00') },
  { name: 'SUBACK', bytes: fromHex('90 04 0001 00 00') },
  { name: 'UNSUBACK', bytes: fromHex('b0 04 0001 00 00') },
  { name: 'PINGRESP', bytes: fromHex('d0 00') },
  { name: 'the reserved type 0', bytes: fromHex('00 00') },
];

const BROKEN: readonly { readonly name: string; readonly bytes: Uint8Array; readonly reason: ReasonCode }[] = [
  { name: 'malformed', bytes: frame(0x32, field('t')), reason: Reason.MalformedPacket },
  { name: 'against the protocol', bytes: frame(0x82, u16(1), 0), reason: Reason.ProtocolError },
];

describe('4.13 errors', () => {
  for (const { name, bytes, reason } of BROKEN) {
    test(`[MQTT5-4.13.1-1] [MQTT5-4.13.2-1] a packet that is ${name} closes its connection with a reason, and no other`, () => {
      const house = createHarness();
      const witness = new Witness(house);
      const others = numbers(20).map((id) => enterDurable(house, id));
      assertEndsClientWith({ house, witness }, bytes, reason);
      for (const other of others) {
        other.ping();
        other.expect('pingresp');
      }
      assert.equal(house.broker.sizes().sessions, 21);
    });
  }

  for (const { name, bytes } of ONLY_FROM_SERVERS) {
    test(`[MQTT5-4.13.1-1] T20: ${name} from a client closes the connection in every state`, () => {
      const house = createHarness();
      const witness = new Witness(house);
      assertRefusedSilently({ house, witness }, bytes);
      assertEndsClientWith({ house, witness }, bytes, Reason.ProtocolError);
    });
  }

  test('T20: packets that only servers send, while the gatekeeper thinks, count as soon as it has answered', async () => {
    const answer = Promise.withResolvers<{ readonly kind: 'allowed' }>();
    let isLate = false;
    const gatekeeper = gatekeeperWith({ authenticate: () => (isLate ? answer.promise : { kind: 'allowed' }) });
    const house = createHarness({ gatekeeper });
    const witness = new Witness(house);
    isLate = true;
    const peers = ONLY_FROM_SERVERS.map(({ bytes }, index) => {
      const peer = house.peer();
      peer.sendConnect({ version: 5, clientId: `c${index}` });
      peer.send(bytes);
      assert.equal(peer.isClosed, false);
      return peer;
    });
    answer.resolve({ kind: 'allowed' });
    await house.settleLater();
    for (const peer of peers) {
      assert.deepEqual(
        peer.all().map((packet) => (packet.type === 'disconnect' ? packet.reason : packet.type)),
        ['connack', Reason.ProtocolError],
      );
    }
    witness.assertServed();
  });

  test('[MQTT5-4.13.2-1] after an error the session is kept like that of any lost connection', () => {
    const house = createHarness();
    const client = enterDurable(house, 'client');
    client.subscribe('t', { qos: 1 });
    client.send('00 00');
    client.expect('disconnect');
    enter(house, 'pub').publish('t', 'x', { qos: 1 });
    assert.deepEqual(texts(comeBack(house, 'client')), ['x']);
  });

  test('T37: a fault of our own ends one connection with 0x80, is counted and logged, and nothing else happens', () => {
    const gatekeeper = gatekeeperWith({
      mayPublish: (_identity, topic) => {
        if (topic.text === 'bang') throw new TypeError('a fault in the gatekeeper');
        return true;
      },
    });
    const house = createHarness({ gatekeeper });
    const bystander = enter(house, 'bystander');
    const client = enter(house, 'client');
    client.publish('bang');
    assert.equal(client.expect('disconnect').reason, Reason.UnspecifiedError);
    assert.equal(client.isClosed, true);
    bystander.ping();
    bystander.expect('pingresp');
    assert.equal(house.broker.counters.internalErrors, 1);
    assert.equal(house.broker.counters.protocolErrors, 0);
    assert.match(
      house.log.texts('error')[0] ?? '',
      /Internal error while serving client \[.*please report it.*a fault in the gatekeeper/s,
    );
  });

  test('T37: a fault that comes by promise does the same', async () => {
    const gatekeeper = gatekeeperWith({ mayPublish: () => Promise.reject(new TypeError('later')) });
    const house = createHarness({ gatekeeper });
    const client = enter(house, 'client');
    client.publish('t');
    await house.settleLater();
    assert.equal(client.expect('disconnect').reason, Reason.UnspecifiedError);
    assert.equal(house.broker.counters.internalErrors, 1);
  });

  test('T37: a fault while CONNECT is served closes that connection', () => {
    const gatekeeper = gatekeeperWith({
      authenticate: ({ clientId }) => {
        if (clientId === 'bang') throw new TypeError('a fault');
        return { kind: 'allowed' };
      },
    });
    const house = createHarness({ gatekeeper });
    const peer = house.peer();
    peer.sendConnect({ version: 5, clientId: 'bang' });
    assert.equal(peer.isClosed, true);
    assert.equal(house.peer().connect({ version: 5, clientId: 'other' }).reason, 0);
    assert.equal(house.broker.counters.internalErrors, 1);
  });

  test('[MQTT5-4.13.1-1] one line in the log says who, what was wrong, and which statement was broken', () => {
    const house = createHarness();
    const client = enter(house, 'client');
    client.send(rawPublish('t', { flags: 0x06, packetId: 1, properties: NONE }));
    const lines = house.log.texts('notice').filter((line) => line.startsWith('Protocol error'));
    assert.equal(lines.length, 1);
    assert.match(lines[0] ?? '', /^Protocol error from client: QoS is 3 \[\S+-3\.3\.1-4\]\.$/);
  });

  test('T54: a name with line breaks and escape codes cannot be used to log in', () => {
    const house = createHarness();
    const witness = new Witness(house);
    for (const name of ['a\nClient root connected', 'a\r', '\u001b[2J', '\u009b']) {
      const seen = provoke({ house, witness }, house.peer({}, 5), rawConnect({ level: 5, payload: [field(name)] }));
      assert.equal(seen.length, 1);
    }
    for (const { text } of house.log.lines) {
      for (const character of '\n\r\u001b\u009b') assert.equal(text.includes(character), false);
    }
  });

  test('[MQTT5-4.2-1] packets arrive whole and in order, however the stream is cut', () => {
    const packets = [
      rawSubscribe([['t', 1]], { isV5: true }),
      ...numbers(30).map((text) => rawPublish('t', { properties: NONE, payload: text.repeat(20) })),
      fromHex('c000'),
    ];
    const stream = joined(...packets);
    const answers = (cut: (peer: ReturnType<typeof enter>) => void): readonly string[] => {
      const client = enter(createHarness(), 'client');
      cut(client);
      return client.all().map((packet) => (packet.type === 'publish' ? packet.text : packet.type));
    };
    const whole = answers((client) => client.send(stream));
    assert.equal(whole.length, 32);
    assert.deepEqual(
      answers((client) => client.link.deliverSplit(stream)),
      whole,
    );
    for (const size of [2, 3, 7, 64, 333]) {
      assert.deepEqual(
        answers((client) => {
          for (let at = 0; at < stream.length; at += size) client.link.deliver(stream.subarray(at, at + size));
        }),
        whole,
      );
    }
  });
});
