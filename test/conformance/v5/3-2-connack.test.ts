import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Reason, type ReasonCode } from '../../../src/protocol/reasons.ts';
import { type ConnectOptions, createHarness, fromHex } from '../../fixtures/broker-harness.ts';
import { FakeExchange, gatekeeperOffering, gatekeeperWith, goOn, letIn } from '../../fixtures/fake-gatekeeper.ts';
import { field, frame, joined, rawConnect, splitFrames, u16 } from '../../fixtures/raw-packets.ts';
import { assertEndsClientWith, Witness } from '../../fixtures/reactions.ts';
import { SlowJournal } from '../../fixtures/slow-journal.ts';
import { EXPIRY_SECONDS, enter, enterDurable } from './clients.ts';

/** The codes that a CONNACK may carry (table 3-1 of the standard). */
const LISTED = [
  0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8c, 0x90, 0x95, 0x97, 0x99, 0x9a, 0x9b,
  0x9c, 0x9d, 0x9f,
];

describe('3.2 CONNACK', () => {
  test('[MQTT5-3.1.4-5] a client that is let in gets CONNACK 0x00', () => {
    const connack = createHarness().peer().connect({ version: 5, clientId: 'a' });
    assert.equal(connack.reason, 0);
  });

  test('[MQTT5-3.2.0-1] the CONNACK comes before what waits for the session', () => {
    const house = createHarness();
    const first = enterDurable(house, 'client');
    first.subscribe('a', { qos: 2 });
    const pub = enter(house, 'pub');
    pub.publish('a', '1', { qos: 2 });
    first.ack('pubrec', first.expect('publish').packetId);
    first.cut();
    pub.publish('a', '2', { qos: 1 });
    const back = house.peer();
    back.sendConnect({ version: 5, clientId: 'client', cleanStart: false });
    assert.deepEqual(
      back.all().map(({ type }) => type),
      ['connack', 'pubrel', 'publish'],
    );
  });

  test('[MQTT5-3.2.0-1] nothing goes to a client while its CONNACK waits for the journal', () => {
    const journal = new SlowJournal();
    const house = createHarness({ journal });
    const back = house.peer();
    back.sendConnect({ version: 5, clientId: 'client', properties: { sessionExpiryInterval: 60 } });
    back.send(joined(frame(0x82, u16(1), 0, field('a'), 0), fromHex('c000')));
    house.advance(5_000);
    assert.equal(back.link.takeSent().length, 0);
  });

  test('[MQTT5-3.2.0-1] only AUTH goes out before the CONNACK', () => {
    const gatekeeper = gatekeeperOffering('m', [new FakeExchange([goOn('1'), goOn('2'), letIn()])]);
    const house = createHarness({ gatekeeper });
    const peer = house.peer();
    const authenticationMethod = 'm';
    peer.sendConnect({ version: 5, clientId: 'client', properties: { authenticationMethod } });
    peer.auth(Reason.ContinueAuthentication, { authenticationMethod });
    peer.auth(Reason.ContinueAuthentication, { authenticationMethod });
    peer.ping();
    assert.deepEqual(
      peer.all().map(({ type }) => type),
      ['auth', 'auth', 'connack', 'pingresp'],
    );
  });

  test('[MQTT5-3.2.0-2] a connection gets one CONNACK, also for a second CONNECT and after a refusal', () => {
    const house = createHarness({ listener: { allowZeroLengthClientId: false } });
    for (const clientId of ['client', '']) {
      const peer = house.peer();
      const connect = rawConnect({ level: 5, payload: [field(clientId)] });
      peer.send(joined(connect, connect, connect));
      peer.send(connect);
      const kinds = splitFrames(peer.link.takeSent()).map((bytes) => (bytes[0] ?? 0) >> 4);
      assert.equal(kinds.filter((type) => type === 2).length, 1);
    }
  });

  test('[MQTT5-3.2.2-1] only the lowest flag is ever set', () => {
    const house = createHarness({ listener: { allowZeroLengthClientId: false } });
    enterDurable(house, 'kept').cut();
    const flagsOf = (options: ConnectOptions): number | undefined => {
      const peer = house.peer();
      peer.sendConnect({ version: 5, ...options });
      const [bytes] = splitFrames(peer.link.takeSent());
      assert.equal(bytes?.[0], 0x20);
      return bytes[2];
    };
    assert.equal(flagsOf({ clientId: 'kept', cleanStart: false, properties: { sessionExpiryInterval: 9 } }), 1);
    assert.equal(flagsOf({ clientId: 'kept', cleanStart: true }), 0);
    assert.equal(flagsOf({ clientId: 'other', cleanStart: false }), 0);
    assert.equal(flagsOf({ clientId: '' }), 0);
  });

  test('[MQTT5-3.2.2-2] [MQTT5-3.2.2-3] Session Present is true exactly when a kept session goes on', () => {
    const house = createHarness();
    const properties = { sessionExpiryInterval: EXPIRY_SECONDS };
    const present = (cleanStart: boolean): boolean => {
      const peer = house.peer();
      const { sessionPresent } = peer.connect({ version: 5, clientId: 'client', cleanStart, properties });
      peer.cut();
      return sessionPresent;
    };
    assert.deepEqual(
      [false, false, true, false, true, true].map((cleanStart) => present(cleanStart)),
      [false, true, false, true, false, false],
    );
    house.advance(EXPIRY_SECONDS * 1_000);
    assert.equal(present(false), false, 'the session has expired');
  });

  test('[MQTT5-3.2.2-6] [MQTT5-3.2.2-7] [MQTT5-3.1.4-2] a refusal reports no session, even where there is one, and is followed by a close', () => {
    let isOpen = true;
    const gatekeeper = gatekeeperWith({
      authenticate: () => (isOpen ? { kind: 'allowed' } : { kind: 'refused', reason: Reason.NotAuthorized }),
    });
    const house = createHarness({ gatekeeper });
    enterDurable(house, 'client').cut();
    isOpen = false;
    const peer = house.peer();
    peer.sendConnect({ version: 5, clientId: 'client', cleanStart: false });
    assert.deepEqual(peer.link.takeSent(), fromHex('20 03 00 87 00'));
    assert.equal(peer.isClosed, true);
    assert.equal(peer.link.ended?.kind, 'local');
    isOpen = true;
    assert.equal(house.peer().connect({ version: 5, clientId: 'client', cleanStart: false }).sessionPresent, true);
  });

  const REFUSALS: readonly ReasonCode[] = [0x80, 0x83, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8c, 0x97, 0x9c, 0x9d, 0x9f];
  for (const reason of REFUSALS) {
    test(`[MQTT5-3.2.2-7] [MQTT5-3.1.4-2] [MQTT5-4.13.2-1] CONNACK 0x${reason.toString(16)} of the gatekeeper reaches the client, then the connection closes and no other`, () => {
      const gatekeeper = gatekeeperWith({
        authenticate: ({ clientId }) => (clientId === 'bad' ? { kind: 'refused', reason } : { kind: 'allowed' }),
      });
      const house = createHarness({ gatekeeper });
      const witness = new Witness(house);
      const peer = house.peer();
      assert.equal(peer.connect({ version: 5, clientId: 'bad' }).reason, reason);
      assert.equal(peer.isClosed, true);
      peer.expectNothing();
      witness.assertServed();
      assert.equal(house.broker.sizes().sessions, 1);
    });
  }

  test('[MQTT5-3.2.2-8] every CONNACK that the broker itself decides on carries a listed code', () => {
    const house = createHarness({
      settings: { retainAvailable: false },
      listener: { maxQos: 1, allowZeroLengthClientId: false },
    });
    const seen = new Set<number>();
    const will = { topic: 'w' };
    const authenticationMethod = 'unknown';
    const options: readonly ConnectOptions[] = [
      { clientId: 'a' },
      { clientId: '' },
      { clientId: 'a', will: { ...will, qos: 2 } },
      { clientId: 'a', will: { ...will, retain: true } },
      { clientId: 'a', will: { topic: '$CONTROL/x' } },
      { clientId: 'a', properties: { authenticationMethod } },
    ];
    for (const one of options) seen.add(house.peer().connect({ version: 5, ...one }).reason);
    for (const connect of [
      rawConnect({ level: 5, flags: 0x03 }),
      rawConnect({ level: 5, properties: joined(0x21, u16(0)) }),
      rawConnect({ level: 5, payload: [field(Uint8Array.of(0xff))] }),
      rawConnect({ level: 5, flags: 0x06, payload: [field('a'), 0, field('#'), field('')] }),
    ]) {
      const peer = house.peer();
      peer.send(connect);
      seen.add(peer.link.takeSent()[3] ?? -1);
    }
    assert.deepEqual(
      [...seen].sort((a, b) => a - b),
      [0x00, 0x81, 0x82, 0x85, 0x87, 0x8c, 0x90, 0x9a, 0x9b],
    );
    for (const reason of seen) assert.ok(LISTED.includes(reason), `0x${reason.toString(16)} is not listed`);
  });

  for (const maxQos of [0, 1] as const) {
    test(`[MQTT5-3.2.2-9] a server with QoS ${maxQos} at most says so`, () => {
      const house = createHarness({ listener: { maxQos } });
      assert.equal(house.peer().connect({ version: 5, clientId: 'a' }).properties.maximumQos, maxQos);
    });

    test(`[MQTT5-3.2.2-10] with QoS ${maxQos} at most a higher subscription is taken and granted lower`, () => {
      const house = createHarness({ listener: { maxQos } });
      const client = enter(house, 'client');
      const suback = client.subscribeEach([
        { filter: 'a', qos: 0 },
        { filter: 'b', qos: 1 },
        { filter: 'c', qos: 2 },
      ]);
      assert.deepEqual(suback.reasons, [0, Math.min(1, maxQos), maxQos]);
      client.publish('c', 'x', { qos: maxQos });
      assert.equal(client.all().find(({ type }) => type === 'publish')?.type, 'publish');
    });

    test(`[MQTT5-3.2.2-11] a PUBLISH above QoS ${maxQos} gets DISCONNECT 0x9B and a close`, () => {
      const house = createHarness({ listener: { maxQos } });
      const bystander = enter(house, 'bystander');
      for (let qos = maxQos + 1; qos <= 2; qos += 1) {
        const client = enter(house, 'client');
        client.send(frame(0x30 | (qos << 1), field('t'), u16(1), 0));
        assert.equal(client.expect('disconnect').reason, Reason.QosNotSupported);
        assert.equal(client.isClosed, true);
      }
      bystander.ping();
      bystander.expect('pingresp');
      assert.equal(house.broker.counters.protocolErrors, 2 - maxQos);
    });

    test(`[MQTT5-3.2.2-12] a will above QoS ${maxQos} is refused with 0x9B`, () => {
      const house = createHarness({ listener: { maxQos } });
      for (const qos of [0, 1, 2] as const) {
        const peer = house.peer();
        const { reason } = peer.connect({ version: 5, clientId: 'a', will: { topic: 'w', qos } });
        assert.equal(reason, qos > maxQos ? Reason.QosNotSupported : Reason.Success);
        assert.equal(peer.isClosed, qos > maxQos);
      }
    });
  }

  test('[MQTT5-3.2.2-9] a server with QoS 2 says nothing of a maximum', () => {
    assert.equal(createHarness().peer().connect({ version: 5, clientId: 'a' }).properties.maximumQos, null);
  });

  test('[MQTT5-3.2.2-13] where nothing is retained a retained will is refused with 0x9A', () => {
    const house = createHarness({ settings: { retainAvailable: false } });
    const peer = house.peer();
    const { reason, properties } = peer.connect({ version: 5, clientId: 'a', will: { topic: 'w', retain: true } });
    assert.equal(reason, Reason.RetainNotSupported);
    assert.equal(properties.retainAvailable, null);
    assert.equal(peer.isClosed, true);
    const other = house.peer().connect({ version: 5, clientId: 'a', will: { topic: 'w' } });
    assert.deepEqual([other.reason, other.properties.retainAvailable], [0, 0]);
  });

  test('[MQTT5-3.2.2-14] where nothing is retained a retained PUBLISH gets DISCONNECT 0x9A and a close', () => {
    const house = createHarness({ settings: { retainAvailable: false } });
    const bytes = frame(0x31, field('t'), 0, 'x');
    assertEndsClientWith({ house, witness: new Witness(house) }, bytes, Reason.RetainNotSupported);
    assert.equal(house.broker.sizes().retained, 0);
  });

  test('[MQTT5-3.2.2-15] a PUBLISH above the announced size gets DISCONNECT 0x95 before its body has come', () => {
    const house = createHarness({ settings: { maxPacketSize: 1_000 } });
    const witness = new Witness(house);
    assert.equal(house.peer().connect({ version: 5, clientId: 'a' }).properties.maximumPacketSize, 1_000);
    const header = frame(0x30, field('t'), 0, new Uint8Array(994)).subarray(0, 3);
    assertEndsClientWith({ house, witness }, header, Reason.PacketTooLarge);
    const sub = enter(house, 'sub');
    sub.subscribe('t');
    const largest = frame(0x30, field('t'), 0, new Uint8Array(993));
    assert.equal(largest.length, 1_000);
    enter(house, 'pub').send(largest);
    assert.equal(sub.expect('publish').payload.length, 993);
  });

  const LARGE: readonly { readonly name: string; readonly bytes: Uint8Array }[] = [
    { name: 'SUBSCRIBE', bytes: frame(0x82, u16(1), 0, field('x'.repeat(300)), 0) },
    { name: 'UNSUBSCRIBE', bytes: frame(0xa2, u16(1), 0, field('x'.repeat(300))) },
    { name: 'PUBACK', bytes: frame(0x40, u16(1), 0, joined(0xaf, 2, 0x1f, field('x'.repeat(300)))) },
    { name: 'DISCONNECT', bytes: frame(0xe0, 0, joined(0xaf, 2, 0x1f, field('x'.repeat(300)))) },
    { name: 'PINGREQ with a body', bytes: fromHex('c001') },
  ];
  for (const { name, bytes } of LARGE) {
    test(`[MQTT5-3.2.2-15] any packet above the announced size gets DISCONNECT 0x95 and a close: ${name}`, () => {
      const house = createHarness({ settings: { maxPacketSize: 200 } });
      assertEndsClientWith({ house, witness: new Witness(house) }, bytes, Reason.PacketTooLarge);
    });
  }

  test('[MQTT5-3.2.2-19] [MQTT5-3.2.2-20] [MQTT5-3.1.2-24] a client whose maximum packet size CONNACK does not fit gets none', () => {
    const house = createHarness();
    const size = sizeOfConnack(createHarness(), 0xffff);
    for (let maximumPacketSize = 1; maximumPacketSize < size; maximumPacketSize += 1) {
      const peer = house.peer();
      peer.sendConnect({ version: 5, clientId: 'a', properties: { maximumPacketSize } });
      assert.equal(peer.link.takeSent().length, 0, `limit ${maximumPacketSize}`);
      assert.equal(peer.isClosed, true);
    }
    assert.equal(house.broker.sizes().sessions, 0);
    assert.equal(sizeOfConnack(house, size), size, 'at its very size it is sent');
  });

  test('[MQTT5-3.2.2-19] [MQTT5-3.2.2-20] [MQTT5-3.1.2-24] a refusal is sent only where it fits', () => {
    const house = createHarness({ listener: { allowZeroLengthClientId: false } });
    for (let maximumPacketSize = 1; maximumPacketSize <= 6; maximumPacketSize += 1) {
      const peer = house.peer();
      peer.sendConnect({ version: 5, clientId: '', properties: { maximumPacketSize } });
      assert.equal(peer.link.takeSent().length, maximumPacketSize < 5 ? 0 : 5, `limit ${maximumPacketSize}`);
      assert.equal(peer.isClosed, true);
    }
  });

  test('the properties of CONNACK are those of the settings, in the order in which Mosquitto writes them', () => {
    const settings = {
      maxKeepAlive: 60,
      maxPacketSize: 5_000,
      maxInflightMessages: 30,
      retainAvailable: false,
    };
    const peer = createHarness({ settings, listener: { maxTopicAlias: 7, maxQos: 1 } }).peer();
    peer.sendConnect({ version: 5, clientId: 'a', keepAlive: 100 });
    assert.deepEqual(
      Buffer.from(peer.link.takeSent()).toString('hex'),
      Buffer.from(
        frame(0x20, 0, 0, 18, '\x13\0\x3c', '\x22\0\x07', '\x25\0', fromHex('2700001388 21001e 2401')),
      ).toString('hex'),
    );
  });

  test('limits that are off are not mentioned', () => {
    const settings = { maxPacketSize: 0, maxInflightMessages: 0 };
    const peer = createHarness({ settings, listener: { maxTopicAlias: 0 } }).peer();
    peer.sendConnect({ version: 5, clientId: 'a' });
    assert.deepEqual(peer.link.takeSent(), fromHex('20 03 00 00 00'));
  });

  for (const requestResponseInformation of [null, 0, 1] as const) {
    test(`[MQTT5-3.1.2-28] no Response Information is sent, asked for or not: ${requestResponseInformation}`, () => {
      const peer = createHarness().peer();
      const { properties } = peer.connect({ version: 5, clientId: 'a', properties: { requestResponseInformation } });
      assert.equal(properties.responseInformation, null);
    });
  }
});

function sizeOfConnack(house: ReturnType<typeof createHarness>, maximumPacketSize: number): number {
  const peer = house.peer();
  peer.sendConnect({ version: 5, clientId: 'a', properties: { maximumPacketSize } });
  return peer.link.takeSent().length;
}
