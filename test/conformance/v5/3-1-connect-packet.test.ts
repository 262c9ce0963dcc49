/** What a CONNECT must look like, and what one that does not gets. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ConnectRequest } from '../../../src/core/ports.ts';
import { Reason, type ReasonCode } from '../../../src/protocol/reasons.ts';
import { createHarness, fromHex, type Harness } from '../../fixtures/broker-harness.ts';
import { gatekeeperWith } from '../../fixtures/fake-gatekeeper.ts';
import { field, frame, joined, type RawConnect, rawConnect, rawPublish, u16 } from '../../fixtures/raw-packets.ts';
import { assertRefusedSilently, provoke, Witness } from '../../fixtures/reactions.ts';
import { assertEmpty, enter } from './clients.ts';

const ID = field('raw');
/** Will properties of length 0, topic and payload. */
const WILL = joined(0, field('w'), field('gone'));

/** Sends a CONNECT that must be refused. @returns the reason of the one CONNACK. */
function refusal(house: Harness, witness: Witness, connect: Uint8Array): number {
  const seen = provoke({ house, witness }, house.peer({}, 5), connect);
  assert.equal(seen.length, 1, `one CONNACK is expected, got ${JSON.stringify(seen)}`);
  const [only] = seen;
  assert.equal(only?.type, 'connack');
  assert.equal(house.broker.sizes().sessions, 1, 'no session may be made of it');
  return only?.type === 'connack' ? only.reason : -1;
}

describe('3.1 CONNECT, the packet', () => {
  const FIRST: readonly { readonly name: string; readonly bytes: Uint8Array }[] = [
    { name: 'PUBLISH', bytes: rawPublish('t', { properties: Uint8Array.of(0) }) },
    { name: 'SUBSCRIBE', bytes: frame(0x82, u16(1), 0, field('t'), 0) },
    { name: 'UNSUBSCRIBE', bytes: frame(0xa2, u16(1), 0, field('t')) },
    { name: 'PINGREQ', bytes: fromHex('c000') },
    { name: 'DISCONNECT', bytes: fromHex('e000') },
    { name: 'AUTH', bytes: frame(0xf0, 0x18, 4, 0x15, field('m')) },
    { name: 'PUBACK', bytes: fromHex('40020001') },
    { name: 'PUBREC', bytes: fromHex('50020001') },
    { name: 'PUBREL', bytes: fromHex('62020001') },
    { name: 'PUBCOMP', bytes: fromHex('70020001') },
    { name: 'CONNACK', bytes: fromHex('2003000000') },
    { name: 'SUBACK', bytes: fromHex('900400010000') },
    { name: 'UNSUBACK', bytes: fromHex('b00400010000') },
    { name: 'PINGRESP', bytes: fromHex('d000') },
    { name: 'the reserved type 0', bytes: fromHex('0000') },
    { name: 'the first byte of a PUBLISH alone', bytes: fromHex('30') },
    { name: 'an HTTP request', bytes: joined('GET / HTTP/1.1\r\n') },
  ];
  for (const { name, bytes } of FIRST) {
    test(`[MQTT5-3.1.0-1] a connection that begins with ${name} is closed without an answer`, () => {
      const house = createHarness();
      assertRefusedSilently({ house, witness: new Witness(house), says: /the first packet is not CONNECT/ }, bytes);
    });
  }

  test('a TLS handshake on a listener without TLS is named in the log', () => {
    const house = createHarness();
    const says = /appears to be using TLS to connect to a non-TLS listener/;
    assertRefusedSilently({ house, witness: new Witness(house), says }, fromHex('16030102000100'));
  });

  test('[MQTT5-3.1.0-1] nothing that comes before CONNECT has an effect, not even with a CONNECT behind it', () => {
    const house = createHarness();
    const peer = house.peer();
    peer.send(
      joined(rawPublish('t', { flags: 1, properties: Uint8Array.of(0), payload: 'x' }), rawConnect({ level: 5 })),
    );
    assert.equal(peer.isClosed, true);
    assert.equal(peer.link.takeSent().length, 0);
    assertEmpty(house);
  });

  for (const again of ['raw', 'other']) {
    test(`[MQTT5-3.1.0-2] a second CONNECT is answered by DISCONNECT 0x82 and a close: client id ${again}`, () => {
      const house = createHarness();
      const witness = new Witness(house);
      const peer = house.peer();
      peer.connect({ version: 5, clientId: 'raw' });
      const seen = provoke({ house, witness }, peer, rawConnect({ level: 5, payload: [field(again)] }));
      assert.deepEqual(
        seen.map((packet) => (packet.type === 'disconnect' ? packet.reason : packet.type)),
        [Reason.ProtocolError],
      );
      assert.equal(house.broker.sizes().sessions, 1);
    });
  }

  const NAMES = ['', 'mqtt', 'MQTTX', 'MQT', 'MQIsdp5', '\0MQTT', 'M', 'HTTP', 'MQTT\0'];
  for (const name of NAMES) {
    test(`[MQTT5-3.1.2-1] the protocol name ${JSON.stringify(name)} closes the connection`, () => {
      const house = createHarness();
      assertRefusedSilently({ house, witness: new Witness(house) }, rawConnect({ level: 5, name }));
    });
  }

  const LEVELS: readonly RawConnect[] = [
    ...[0, 1, 2, 3, 6, 7, 127, 133, 255].map((level) => ({ name: 'MQTT', level })),
    { name: 'MQIsdp', level: 4 },
    { name: 'MQIsdp', level: 5 },
  ];
  for (const { name = '', level = 0 } of LEVELS) {
    test(`[MQTT5-3.1.2-2] protocol level ${level} of ${name} is refused in the form of 3.x and closed on`, () => {
      const house = createHarness();
      const witness = new Witness(house);
      const peer = house.peer();
      const seen = provoke({ house, witness }, peer, rawConnect({ name, level }));
      assert.deepEqual(
        seen.map((packet) => (packet.type === 'connack' ? packet.reason : packet.type)),
        [1],
      );
    });
  }

  const BAD_FLAGS: readonly { readonly name: string; readonly connect: RawConnect }[] = [
    { name: '[MQTT5-3.1.2-3] the reserved flag is set', connect: { flags: 0x03 } },
    { name: '[MQTT5-3.1.2-11] a will QoS 1 without a will', connect: { flags: 0x0a } },
    { name: '[MQTT5-3.1.2-11] a will QoS 2 without a will', connect: { flags: 0x12 } },
    { name: '[MQTT5-3.1.2-12] a will QoS 3', connect: { flags: 0x1e, payload: [ID, WILL] } },
    { name: '[MQTT5-3.1.2-12] a will QoS 3 without a will', connect: { flags: 0x1a } },
    { name: '[MQTT5-3.1.2-13] will retain without a will', connect: { flags: 0x22 } },
    { name: '[MQTT5-3.1.2-9] a will without anything of it', connect: { flags: 0x06 } },
    {
      name: '[MQTT5-3.1.2-9] a will without properties',
      connect: { flags: 0x06, payload: [ID, field('w'), field('')] },
    },
    { name: '[MQTT5-3.1.2-9] a will without a topic', connect: { flags: 0x06, payload: [ID, 0] } },
    { name: '[MQTT5-3.1.2-9] a will without a payload', connect: { flags: 0x06, payload: [ID, 0, field('w')] } },
    { name: '[MQTT5-3.1.2-9] a will that was not announced', connect: { flags: 0x02, payload: [ID, WILL] } },
    {
      name: '[MQTT5-3.1.2-16] a user name that was not announced',
      connect: { flags: 0x02, payload: [ID, field('u')] },
    },
    { name: '[MQTT5-3.1.2-17] an announced user name is missing', connect: { flags: 0x82 } },
    {
      name: '[MQTT5-3.1.2-18] a password that was not announced',
      connect: { flags: 0x82, payload: [ID, field('u'), field('p')] },
    },
    { name: '[MQTT5-3.1.2-19] an announced password is missing', connect: { flags: 0x42 } },
    {
      name: '[MQTT5-3.1.2-19] an announced password is missing behind the user name',
      connect: { flags: 0xc2, payload: [ID, field('u')] },
    },
    { name: '[MQTT5-3.1.3-3] there is no client identifier', connect: { payload: [] } },
    { name: '[MQTT5-3.1.4-1] a byte follows the last field', connect: { payload: [ID, 0] } },
    { name: '[MQTT5-3.1.4-1] the client identifier is longer than the packet', connect: { payload: [u16(9), 'raw'] } },
  ];
  for (const { name, connect } of BAD_FLAGS) {
    test(`${name}: CONNACK 0x81 and a close`, () => {
      const house = createHarness();
      const witness = new Witness(house);
      assert.equal(refusal(house, witness, rawConnect({ level: 5, ...connect })), Reason.MalformedPacket);
    });
  }

  const BAD_PROPERTIES: readonly {
    readonly name: string;
    readonly bytes: Uint8Array;
    readonly reason: ReasonCode;
  }[] = [
    { name: 'an unknown property', bytes: joined(0x7f, 0), reason: Reason.MalformedPacket },
    { name: 'a property of PUBLISH', bytes: joined(0x23, u16(1)), reason: Reason.MalformedPacket },
    { name: 'a property of CONNACK', bytes: joined(0x13, u16(1)), reason: Reason.MalformedPacket },
    { name: 'a will property outside the will', bytes: joined(0x18, 0, 0, 0, 1), reason: Reason.MalformedPacket },
    { name: 'a property cut off', bytes: joined(0x11, 0, 0), reason: Reason.MalformedPacket },
    {
      name: 'session expiry twice',
      bytes: joined(0x11, 0, 0, 0, 1, 0x11, 0, 0, 0, 1),
      reason: Reason.ProtocolError,
    },
    { name: 'receive maximum 0', bytes: joined(0x21, u16(0)), reason: Reason.ProtocolError },
    { name: 'receive maximum twice', bytes: joined(0x21, u16(1), 0x21, u16(1)), reason: Reason.ProtocolError },
    { name: 'maximum packet size 0', bytes: joined(0x27, 0, 0, 0, 0), reason: Reason.ProtocolError },
    { name: 'topic alias maximum twice', bytes: joined(0x22, u16(1), 0x22, u16(1)), reason: Reason.ProtocolError },
    { name: 'request response information 2', bytes: joined(0x19, 2), reason: Reason.ProtocolError },
    { name: 'request problem information 2', bytes: joined(0x17, 2), reason: Reason.ProtocolError },
    { name: 'authentication data without a method', bytes: joined(0x16, field('x')), reason: Reason.ProtocolError },
    { name: 'two methods', bytes: joined(0x15, field('m'), 0x15, field('m')), reason: Reason.ProtocolError },
  ];
  for (const { name, bytes, reason } of BAD_PROPERTIES) {
    test(`[MQTT5-3.1.4-1] ${name}: CONNACK 0x${reason.toString(16)} and a close`, () => {
      const house = createHarness();
      assert.equal(refusal(house, new Witness(house), rawConnect({ level: 5, properties: bytes })), reason);
    });
  }

  const BAD_WILLS: readonly { readonly name: string; readonly will: Uint8Array; readonly reason: ReasonCode }[] = [
    { name: 'a will topic with a wildcard', will: joined(0, field('w/#'), field('')), reason: Reason.TopicNameInvalid },
    { name: 'an empty will topic', will: joined(0, field(''), field('')), reason: Reason.TopicNameInvalid },
    {
      name: 'two will delays',
      will: joined(10, 0x18, 0, 0, 0, 1, 0x18, 0, 0, 0, 1, field('w'), field('')),
      reason: Reason.ProtocolError,
    },
    {
      name: 'a topic alias in the will',
      will: joined(3, 0x23, u16(1), field('w'), field('')),
      reason: Reason.MalformedPacket,
    },
    {
      name: 'a response topic of the will with a wildcard',
      will: joined(6, 0x08, field('r/+'), field('w'), field('')),
      reason: Reason.ProtocolError,
    },
  ];
  for (const { name, will, reason } of BAD_WILLS) {
    test(`[MQTT5-3.1.4-1] ${name}: CONNACK 0x${reason.toString(16)} and a close`, () => {
      const house = createHarness();
      const connect = rawConnect({ level: 5, flags: 0x06, payload: [ID, will] });
      assert.equal(refusal(house, new Witness(house), connect), reason);
    });
  }

  test('[MQTT5-3.1.4-1] a CONNECT cut off after any byte of its body is refused and leaves nothing behind', () => {
    const house = createHarness();
    const witness = new Witness(house);
    const whole = rawConnect({
      level: 5,
      flags: 0xc6,
      properties: joined(0x11, 0, 0, 0, 9, 0x26, field('n'), field('v')),
      payload: [ID, WILL, field('user'), field('password')],
    });
    const body = whole.subarray(2);
    for (let kept = 0; kept < body.length; kept += 1) {
      const peer = house.peer({}, 5);
      const seen = provoke({ house, witness }, peer, frame(0x10, body.subarray(0, kept)));
      for (const packet of seen) assert.equal(packet.type === 'connack' ? packet.reason : 0, Reason.MalformedPacket);
      assert.equal(house.broker.sizes().sessions, 1);
    }
    const peer = house.peer({}, 5);
    peer.send(whole);
    assert.equal(peer.expect('connack').reason, 0, 'the whole packet should be taken');
  });

  test('[MQTT5-3.1.3-1] [MQTT5-3.1.3-3] fields are read in their order: id, will, user name, password', () => {
    const requests: ConnectRequest[] = [];
    const authenticate = (request: ConnectRequest): { kind: 'allowed' } => {
      requests.push({ ...request });
      return { kind: 'allowed' };
    };
    const house = createHarness({ gatekeeper: gatekeeperWith({ authenticate }) });
    const watcher = enter(house, 'watcher');
    watcher.subscribe('#');
    const peer = house.peer({}, 5);
    const payload = [field('the id'), joined(0, field('the/topic'), field('the will')), field('user'), field('pass')];
    peer.send(rawConnect({ level: 5, flags: 0xc6, payload }));
    assert.equal(peer.expect('connack').reason, 0);
    const request = requests.at(-1);
    assert.equal(request?.clientId, 'the id');
    assert.equal(request?.userName, 'user');
    assert.equal(Buffer.from(request?.password ?? []).toString(), 'pass');
    peer.cut();
    const will = watcher.expect('publish');
    assert.deepEqual([will.topic, will.text], ['the/topic', 'the will']);
  });

  test('[MQTT5-3.1.3-1] fields in another order are taken for what stands at their place', () => {
    const requests: ConnectRequest[] = [];
    const authenticate = (request: ConnectRequest): { kind: 'allowed' } => {
      requests.push(request);
      return { kind: 'allowed' };
    };
    const house = createHarness({ gatekeeper: gatekeeperWith({ authenticate }) });
    house.peer({}, 5).send(rawConnect({ level: 5, flags: 0x82, payload: [field('user'), field('id')] }));
    assert.deepEqual(
      requests.map(({ clientId, userName }) => [clientId, userName]),
      [['user', 'id']],
    );
    // Where the identifier should be stand the property length of the will and its topic.
    const misplaced = rawConnect({ level: 5, flags: 0x06, payload: [joined(0, field('w'), field('gone')), ID] });
    const other = createHarness();
    assert.equal(refusal(other, new Witness(other), misplaced), Reason.MalformedPacket);
  });

  test('[MQTT5-3.1.2-17] [MQTT5-3.1.2-19] user name and password are read where they are announced', () => {
    const requests: ConnectRequest[] = [];
    const authenticate = (request: ConnectRequest): { kind: 'allowed' } => {
      requests.push(request);
      return { kind: 'allowed' };
    };
    const house = createHarness({ gatekeeper: gatekeeperWith({ authenticate }) });
    const cases: readonly RawConnect[] = [
      { flags: 0x02 },
      { flags: 0x82, payload: [ID, field('u')] },
      { flags: 0x42, payload: [ID, field(Uint8Array.of(0, 255))] },
      { flags: 0xc2, payload: [ID, field(''), field('')] },
    ];
    for (const connect of cases) {
      const peer = house.peer({}, 5);
      peer.send(rawConnect({ level: 5, ...connect }));
      assert.equal(peer.expect('connack').reason, 0);
    }
    assert.deepEqual(
      requests.map(({ userName, password }) => [userName, password === null ? null : [...password]]),
      [
        [null, null],
        ['u', null],
        [null, [0, 255]],
        // An empty name is nobody's.
        [null, []],
      ],
    );
  });

  test('T27: a CONNECT above 100000 bytes is refused before its body has come', () => {
    const house = createHarness();
    const peer = house.peer();
    peer.send(fromHex('10 ffffff7f 0004'));
    assert.equal(peer.isClosed, true);
    assert.equal(peer.link.takeSent().length, 0);
  });

  test('a CONNECT may come byte by byte', () => {
    const house = createHarness();
    const peer = house.peer({}, 5);
    peer.link.deliverSplit(rawConnect({ level: 5 }));
    assert.equal(peer.expect('connack').reason, 0);
  });
});
