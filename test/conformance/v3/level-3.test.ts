/**
 * MQTT 3.1 (protocol level 3) and Mosquitto's private bridge mark, where they differ from 3.1.1. The statements of 3.1.1
 * are not numbered for 3.1; the titles say what is shown.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createHarness, fromHex, type Harness } from '../../fixtures/broker-harness.ts';
import { gatekeeperWith } from '../../fixtures/fake-gatekeeper.ts';
import { field, frame, type RawConnect, rawConnect, rawSubscribe, u16 } from '../../fixtures/raw-packets.ts';
import { assertRefusedSilently, provoke, Witness } from '../../fixtures/reactions.ts';

const V31 = { version: 3 } as const;
const BRIDGE_BIT = 0x80;

function rawConnect31(options: RawConnect = {}): Uint8Array {
  return rawConnect({ name: 'MQIsdp', level: 3, ...options });
}

/** Sends a CONNECT of 3.1 and returns the answer. */
function answer(house: Harness, options: RawConnect = {}): Uint8Array {
  const peer = house.peer();
  peer.send(rawConnect31(options));
  return peer.link.takeSent();
}

describe('MQTT 3.1: CONNECT', () => {
  test('a client of 3.1 is let in', () => {
    assert.deepEqual(answer(createHarness()), fromHex('20 02 00 00'));
  });

  test('the log names the version', () => {
    const house = createHarness();
    house.client('old', { ...V31, keepAlive: 30 });
    assert.match(house.log.texts('notice').at(-1) ?? '', / as old \(p3, c1, k30\)\.$/);
  });

  test('an empty identifier gets return code 2, with Clean Session and without', () => {
    const house = createHarness();
    for (const flags of [0x02, 0x00]) {
      const peer = house.peer();
      peer.send(rawConnect31({ flags, payload: [field('')] }));
      assert.deepEqual(peer.link.takeSent(), fromHex('20 02 00 02'));
      assert.equal(peer.isClosed, true);
    }
  });

  test('CONNACK has no session present bit, though the session goes on', () => {
    const house = createHarness();
    const first = house.client('old', { ...V31, cleanStart: false });
    first.subscribe('t', { qos: 1 });
    first.cut();
    house.client('pub').publish('t', 'kept', { qos: 1 });
    const second = house.peer();
    second.sendConnect({ ...V31, clientId: 'old', cleanStart: false });
    assert.deepEqual(second.link.takeSent().subarray(0, 4), fromHex('20 02 00 00'));
    second.cut();
    const third = house.client('old', { ...V31, cleanStart: false });
    assert.equal(third.expect('publish').text, 'kept');
  });

  test('identifiers of more than 23 characters are taken', () => {
    assert.deepEqual(answer(createHarness(), { payload: [field('x'.repeat(100))] }), fromHex('20 02 00 00'));
  });

  test('the reserved flag, will bits without a will, and missing names at the end are ignored', () => {
    const house = createHarness();
    for (const flags of [0x03, 0x22, 0x0a, 0x12, 0x82, 0xc2])
      assert.deepEqual(answer(house, { flags, payload: [field('id')] }), fromHex('20 02 00 00'), `flags ${flags}`);
    assert.deepEqual(answer(house, { firstByte: 0x1f }), fromHex('20 02 00 00'));
  });

  test('will QoS 3, a password without a user name and surplus bytes close the connection without an answer', () => {
    const house = createHarness();
    const witness = new Witness(house);
    const on = { house, witness };
    assertRefusedSilently(on, rawConnect31({ flags: 0x1e, payload: [field('id'), field('t'), field('')] }));
    assertRefusedSilently(on, rawConnect31({ flags: 0x42, payload: [field('id'), field('secret')] }));
    assertRefusedSilently(on, rawConnect31({ payload: [field('id'), 0] }));
    assertRefusedSilently(on, rawConnect31({ payload: [] }));
  });

  test('a level that does not belong to the name gets return code 1 in the form of 3.x', () => {
    const house = createHarness();
    const levels: readonly (readonly [name: string, level: number])[] = [
      ['MQIsdp', 4],
      ['MQIsdp', 5],
      ['MQIsdp', 2],
      ['MQTT', 3],
      ['MQTT', 6],
      ['MQTT', 0x85],
      ['MQTT', 0x83],
      ['MQIsdp', 0x84],
    ];
    for (const [name, level] of levels) {
      const peer = house.peer();
      peer.send(rawConnect({ name, level }));
      assert.deepEqual(peer.link.takeSent(), fromHex('20 02 00 01'), `${name} ${level}`);
      assert.equal(peer.isClosed, true);
    }
  });
});

describe('MQTT 3.1: a connected client', () => {
  test('flags that 3.1.1 fixes are not looked at', () => {
    const house = createHarness();
    const client = house.client('old', V31);
    client.send(rawSubscribe([['t', 1]], { firstByte: 0x80 }));
    assert.deepEqual(client.expect('suback').reasons, [1]);
    client.send(frame(0xa8, u16(2), field('t')));
    client.expect('unsuback');
    client.send(fromHex('c1 00'));
    client.expect('pingresp');
  });

  test('all QoS work in both directions, between 3.1 and the other versions', () => {
    for (const version of [3, 4, 5] as const) {
      for (const qos of [0, 1, 2] as const) {
        const house = createHarness();
        const old = house.client('old', V31);
        const other = house.client('other', { version });
        old.subscribe('to/old', { qos });
        other.subscribe('to/other', { qos });
        other.publish('to/old', 'x', { qos });
        const seen = old.expect('publish');
        assert.deepEqual([seen.text, seen.qos, seen.dup], ['x', qos, false]);
        old.publish('to/other', 'y', { qos });
        const answers = old.all().map(({ type }) => type);
        assert.deepEqual(answers, [[], ['puback'], ['pubrec']][qos]);
        assert.equal(other.all().filter(({ type }) => type === 'publish').length, 1);
      }
    }
  });

  test('a denied subscription is granted on the wire and not made', () => {
    const gatekeeper = gatekeeperWith({ maySubscribe: (_identity, filter) => filter.text !== 'no' });
    const house = createHarness({ gatekeeper });
    const client = house.client('old', V31);
    client.send(
      rawSubscribe(
        [
          ['no', 2],
          ['yes', 1],
        ],
        { packetId: 5 },
      ),
    );
    assert.deepEqual(client.link.takeSent(), fromHex('90 04 0005 02 01'));
    assert.equal(house.broker.sizes().subscriptions, 1);
    const pub = house.client('pub');
    pub.publish('no', 'x');
    pub.publish('yes', 'y');
    assert.equal(client.expect('publish').topic, 'yes');
    client.expectNothing();
  });

  test('a bad packet closes the connection, that one alone', () => {
    const house = createHarness();
    const witness = new Witness(house);
    for (const hex of [
      '00 00',
      'f0 00',
      '30 03 0001 2b',
      '36 05 0001 61 0001',
      '40 03 0001 00',
      'e0 01 00',
      'c0 01 00',
    ]) {
      const client = house.client('old', V31);
      assert.deepEqual(provoke({ house, witness }, client, fromHex(hex)), []);
    }
  });

  test('the will goes out when the connection is lost', () => {
    const house = createHarness();
    const watcher = house.client('watcher');
    watcher.subscribe('#');
    house.client('old', { ...V31, will: { topic: 'will', payload: 'lost', qos: 1 } }).cut();
    assert.equal(watcher.expect('publish').text, 'lost');
  });
});

describe('the bridge mark (bit 0x80 of the protocol level)', () => {
  for (const version of [3, 4] as const) {
    const asBridge = { version, isBridge: true } as const;

    test(`a bridge of level ${version} is let in and logged as one`, () => {
      const house = createHarness();
      const peer = house.peer();
      const name = version === 3 ? 'MQIsdp' : 'MQTT';
      peer.send(rawConnect({ name, level: BRIDGE_BIT | version }));
      assert.deepEqual(peer.link.takeSent(), fromHex('20 02 00 00'));
      assert.match(house.log.texts('notice').at(-1) ?? '', /^New bridge connected from .* as raw \(p[34], c1, k0\)\.$/);
    });

    test(`a bridge of level ${version} does not get back what it publishes`, () => {
      const house = createHarness();
      const bridge = house.client('bridge', asBridge);
      const other = house.client('other');
      for (const client of [bridge, other]) client.subscribe('#', { qos: 1 });
      bridge.publish('t', 'from the bridge', { qos: 0 });
      bridge.expectNothing();
      assert.equal(other.expect('publish').text, 'from the bridge');
      other.publish('t', 'from another', { qos: 0 });
      assert.equal(bridge.expect('publish').text, 'from another');
    });

    test(`a bridge of level ${version} gets RETAIN as it was published, others do not`, () => {
      const house = createHarness();
      const bridge = house.client('bridge', asBridge);
      const plain = house.client('plain', { version });
      for (const client of [bridge, plain]) client.subscribe('#');
      const pub = house.client('pub');
      for (const retain of [true, false]) {
        pub.publish('t', 'x', { retain });
        assert.equal(bridge.expect('publish').retain, retain);
        assert.equal(plain.expect('publish').retain, false);
      }
    });
  }

  test('a shared subscription of a bridge is not no-local', () => {
    const house = createHarness();
    const bridge = house.client('bridge', { version: 4, isBridge: true });
    bridge.subscribe('$share/g/t');
    bridge.publish('t', 'x');
    assert.equal(bridge.expect('publish').topic, 't');
  });
});
