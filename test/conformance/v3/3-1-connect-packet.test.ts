/** CONNECT as bytes: what is taken, what is refused and how. What it does to sessions and wills: 3-1-connect. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ConnectRequest, Gatekeeper } from '../../../src/core/ports.ts';
import { createHarness, fromHex, type Harness } from '../../fixtures/broker-harness.ts';
import { gatekeeperWith } from '../../fixtures/fake-gatekeeper.ts';
import {
  field,
  frame,
  ILL_FORMED,
  joined,
  type Part,
  rawAck,
  rawConnect,
  rawPublish,
  rawSubscribe,
  rawUnsubscribe,
} from '../../fixtures/raw-packets.ts';
import { assertRefusedSilently, provoke, Witness } from '../../fixtures/reactions.ts';

const CLEAN = 0x02;
const WILL = 0x04;
const WILL_QOS_1 = 0x08;
const WILL_QOS_2 = 0x10;
const WILL_RETAIN = 0x20;
const PASSWORD = 0x40;
const USER_NAME = 0x80;
const CONNACK_ACCEPTED = fromHex('20 02 00 00');

/** Sends the CONNECT and returns the bytes of the answer and whether the connection stands. */
function answerTo(house: Harness, bytes: Uint8Array): { readonly sent: Uint8Array; readonly isClosed: boolean } {
  const peer = house.peer();
  peer.send(bytes);
  return { sent: peer.link.takeSent(), isClosed: peer.isClosed };
}

function assertTaken(house: Harness, bytes: Uint8Array): void {
  assert.deepEqual(answerTo(house, bytes), { sent: CONNACK_ACCEPTED, isClosed: false });
}

/** The requests that authentication was asked about. */
function recordRequests(requests: ConnectRequest[]): Gatekeeper {
  return gatekeeperWith({
    authenticate: (request) => {
      requests.push(request);
      return { kind: 'allowed' };
    },
  });
}

describe('3.1.0 where CONNECT stands', () => {
  test('[MQTT3-3.1.0-1] any other first packet closes the connection without an answer', () => {
    const house = createHarness();
    const witness = new Witness(house);
    const on = { house, witness, says: /first packet is not CONNECT/ };
    const others = [
      rawPublish('a', { payload: 'x' }),
      rawAck(0x40, 1),
      rawAck(0x50, 1),
      rawAck(0x62, 1),
      rawAck(0x70, 1),
      rawSubscribe([['a', 0]]),
      rawUnsubscribe(['a']),
      fromHex('c0 00'),
      fromHex('e0 00'),
      fromHex('f0 00'),
      fromHex('00 00'),
      fromHex('20 02 00 00'),
      fromHex('90 03 0001 00'),
      fromHex('b0 02 0001'),
      fromHex('d0 00'),
    ];
    for (const bytes of others) assertRefusedSilently(on, bytes);
  });

  test('[MQTT3-3.1.0-1] one byte of another packet is enough', () => {
    const house = createHarness();
    const witness = new Witness(house);
    assertRefusedSilently({ house, witness }, Uint8Array.of(0xc0));
  });

  test('[MQTT3-3.1.0-1] the packets behind a first packet that is not CONNECT are not looked at', () => {
    const house = createHarness();
    const witness = new Witness(house);
    assertRefusedSilently({ house, witness }, joined(0xc0, 0, rawConnect()));
    assert.equal(house.broker.sizes().sessions, 1);
  });

  test('[MQTT3-3.1.0-2] a second CONNECT closes the connection, whether it comes at once or later', () => {
    const house = createHarness();
    const witness = new Witness(house);
    const on = { house, witness, says: /packet of type 1 while connected/ };
    const twice = house.peer();
    const seen = provoke(on, twice, joined(rawConnect(), rawConnect()));
    assert.deepEqual(
      seen.map(({ type }) => type),
      ['connack'],
    );
    const client = house.client('client');
    assert.deepEqual(provoke(on, client, rawConnect()), []);
  });
});

describe('3.1.2 variable header of CONNECT', () => {
  test('[MQTT3-3.1.2-1] another protocol name is closed on without an answer', () => {
    const house = createHarness();
    const witness = new Witness(house);
    const on = { house, witness, says: /protocol name is neither/ };
    for (const name of [
      '',
      'M',
      'MQT',
      'MQTTT',
      'mqtt',
      'Mqtt',
      'MQTX',
      'MQIsd',
      'MQIsdpp',
      'HTTP',
      Uint8Array.of(0xff),
    ])
      assertRefusedSilently(on, rawConnect({ name }));
  });

  test('[MQTT3-3.1.2-1] the name of 3.1 with the level of 3.1.1 is not served', () => {
    const house = createHarness();
    assert.deepEqual(answerTo(house, rawConnect({ name: 'MQIsdp', level: 4 })), {
      sent: fromHex('20 02 00 01'),
      isClosed: true,
    });
  });

  test('[MQTT3-3.1.2-2] a level that is not served gets return code 1 and a close', () => {
    const house = createHarness();
    const witness = new Witness(house);
    for (const level of [0, 1, 2, 3, 6, 7, 0x80, 0x83, 0x85, 0xff]) {
      const peer = house.peer();
      const seen = provoke({ house, witness, says: /protocol level/ }, peer, rawConnect({ level }));
      assert.deepEqual(
        seen.map((packet) => (packet.type === 'connack' ? packet.reason : packet.type)),
        [1],
      );
    }
  });

  test('[MQTT3-3.1.2-2] the answer to an unknown level has the form of 3.x, whatever stands behind the level', () => {
    const house = createHarness();
    const unknown = rawConnect({ level: 6, flags: 0xff, payload: [fromHex('ffffffff')] });
    assert.deepEqual(answerTo(house, unknown), { sent: fromHex('20 02 00 01'), isClosed: true });
  });

  test('[MQTT3-3.1.2-3] the lowest connect flag closes the connection', () => {
    const house = createHarness();
    const witness = new Witness(house);
    assertRefusedSilently({ house, witness, says: /reserved connect flag/ }, rawConnect({ flags: CLEAN | 1 }));
    assertRefusedSilently({ house, witness, says: /reserved connect flag/ }, rawConnect({ flags: 1 }));
  });

  test('[MQTT3-3.1.2-9] a will flag without a will topic or a will message closes the connection', () => {
    const house = createHarness();
    const witness = new Witness(house);
    const on = { house, witness };
    const flags = CLEAN | WILL;
    assertRefusedSilently(on, rawConnect({ flags, payload: [field('id')] }));
    assertRefusedSilently(on, rawConnect({ flags, payload: [field('id'), field('topic')] }));
    assertRefusedSilently(on, rawConnect({ flags, payload: [field('id'), field('topic'), 0] }));
    assertRefusedSilently(on, rawConnect({ flags, payload: [field('id'), field('topic'), fromHex('0003 6162')] }));
    assertTaken(house, rawConnect({ flags, payload: [field('id'), field('topic'), field('')] }));
  });

  test('[MQTT3-3.1.2-11] will fields without the will flag close the connection', () => {
    const house = createHarness();
    const witness = new Witness(house);
    const payload = [field('id'), field('topic'), field('message')];
    assertRefusedSilently({ house, witness, says: /follow the last field/ }, rawConnect({ flags: CLEAN, payload }));
  });

  test('[MQTT3-3.1.2-11] [MQTT3-3.1.2-13] a will QoS without the will flag closes the connection', () => {
    const house = createHarness();
    const witness = new Witness(house);
    for (const qos of [WILL_QOS_1, WILL_QOS_2])
      assertRefusedSilently({ house, witness, says: /will QoS without a will/ }, rawConnect({ flags: CLEAN | qos }));
  });

  test('[MQTT3-3.1.2-14] will QoS 3 closes the connection, with the will flag and without', () => {
    const house = createHarness();
    const witness = new Witness(house);
    const on = { house, witness, says: /will QoS is 3/ };
    const payload = [field('id'), field('topic'), field('message')];
    assertRefusedSilently(on, rawConnect({ flags: CLEAN | WILL | WILL_QOS_1 | WILL_QOS_2, payload }));
    assertRefusedSilently(on, rawConnect({ flags: CLEAN | WILL_QOS_1 | WILL_QOS_2 }));
    for (const qos of [0, WILL_QOS_1, WILL_QOS_2])
      assertTaken(house, rawConnect({ flags: CLEAN | WILL | qos, payload }));
  });

  test('[MQTT3-3.1.2-11] [MQTT3-3.1.2-15] will retain without the will flag closes the connection', () => {
    const house = createHarness();
    const witness = new Witness(house);
    const says = /will retain without a will/;
    assertRefusedSilently({ house, witness, says }, rawConnect({ flags: CLEAN | WILL_RETAIN }));
  });

  test('[MQTT3-3.1.2-18] a user name without its flag closes the connection', () => {
    const house = createHarness();
    const witness = new Witness(house);
    const payload = [field('id'), field('user')];
    assertRefusedSilently({ house, witness, says: /follow the last field/ }, rawConnect({ flags: CLEAN, payload }));
  });

  test('[MQTT3-3.1.2-19] the user name flag without a user name closes the connection', () => {
    const house = createHarness();
    const witness = new Witness(house);
    const flags = CLEAN | USER_NAME;
    assertRefusedSilently({ house, witness }, rawConnect({ flags, payload: [field('id')] }));
    assertRefusedSilently({ house, witness }, rawConnect({ flags, payload: [field('id'), fromHex('0005 61')] }));
    assertTaken(house, rawConnect({ flags, payload: [field('id'), field('')] }));
  });

  test('[MQTT3-3.1.2-20] a password without its flag closes the connection', () => {
    const house = createHarness();
    const witness = new Witness(house);
    const payload = [field('id'), field('user'), field('secret')];
    const says = /follow the last field/;
    assertRefusedSilently({ house, witness, says }, rawConnect({ flags: CLEAN | USER_NAME, payload }));
  });

  test('[MQTT3-3.1.2-21] the password flag without a password closes the connection', () => {
    const house = createHarness();
    const witness = new Witness(house);
    const flags = CLEAN | USER_NAME | PASSWORD;
    assertRefusedSilently({ house, witness }, rawConnect({ flags, payload: [field('id'), field('user')] }));
    assertTaken(house, rawConnect({ flags, payload: [field('id'), field('user'), Uint8Array.of(0, 2, 0xff, 0)] }));
  });

  test('[MQTT3-3.1.2-22] a password flag without the user name flag closes the connection', () => {
    const house = createHarness();
    const witness = new Witness(house);
    const payload = [field('id'), field('secret')];
    const says = /password without a user name/;
    assertRefusedSilently({ house, witness, says }, rawConnect({ flags: CLEAN | PASSWORD, payload }));
  });
});

describe('3.1.3 payload of CONNECT', () => {
  test('[MQTT3-3.1.3-1] identifier, will topic, will message, user name and password are read in this order', () => {
    const requests: ConnectRequest[] = [];
    const house = createHarness({ gatekeeper: recordRequests(requests) });
    const watcher = house.client('watcher');
    watcher.subscribe('#');
    const peer = house.peer();
    const fields = ['one', 'two', 'three', 'four', 'five'].map(field);
    peer.send(rawConnect({ flags: CLEAN | WILL | USER_NAME | PASSWORD, payload: fields }));
    assert.deepEqual(peer.link.takeSent(), CONNACK_ACCEPTED);
    const request = requests.at(-1);
    assert.equal(request?.clientId, 'one');
    assert.equal(request?.userName, 'four');
    assert.equal(Buffer.from(request?.password ?? '').toString(), 'five');
    peer.cut();
    const will = watcher.expect('publish');
    assert.deepEqual([will.topic, will.text], ['two', 'three']);
  });

  test('[MQTT3-3.1.3-3] a CONNECT without any client identifier field closes the connection', () => {
    const house = createHarness();
    const witness = new Witness(house);
    for (const payload of [[], [0], [fromHex('0004 61')]] satisfies Part[][])
      assertRefusedSilently({ house, witness }, rawConnect({ payload }));
  });

  test('[MQTT3-3.1.3-4] a client identifier that is not UTF-8 closes the connection', () => {
    const house = createHarness();
    const witness = new Witness(house);
    for (const bytes of ILL_FORMED.values())
      assertRefusedSilently({ house, witness, says: /client identifier/ }, rawConnect({ payload: [field(bytes)] }));
    assert.equal(house.broker.sizes().sessions, 1);
  });

  test('[MQTT3-3.1.3-5] identifiers of 1 to 23 letters and digits are taken', () => {
    const house = createHarness();
    const all = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';
    for (let length = 1; length <= 23; length += 1)
      for (const start of [0, 10, 36, all.length - length])
        assertTaken(house, rawConnect({ payload: [field(all.slice(start, start + length))] }));
    for (const letter of all) assertTaken(house, rawConnect({ payload: [field(letter)] }));
  });

  test('[MQTT3-3.1.3-6] [MQTT3-3.1.3-7] every client without an identifier gets one of its own', () => {
    const requests: ConnectRequest[] = [];
    const house = createHarness({ gatekeeper: recordRequests(requests) });
    const peers = Array.from({ length: 50 }, () => house.peer());
    for (const peer of peers) peer.connect({ clientId: '' });
    assert.equal(
      peers.some((peer) => peer.isClosed),
      false,
    );
    const ids = requests.map(({ clientId }) => clientId);
    assert.equal(new Set(ids).size, 50);
    assert.equal(house.broker.sizes().sessions, 50);
    for (const id of ids) assert.match(id, /^auto-[0-9A-F]{8}(?:-[0-9A-F]{4}){3}-[0-9A-F]{12}$/);
  });

  test('[MQTT3-3.1.3-7] [MQTT3-3.1.3-8] an empty identifier without Clean Session gets return code 2 and a close', () => {
    const house = createHarness();
    const refused = answerTo(house, rawConnect({ flags: 0, payload: [field('')] }));
    assert.deepEqual(refused, { sent: fromHex('20 02 00 02'), isClosed: true });
    assert.equal(house.broker.sizes().sessions, 0);
  });

  test('[MQTT3-3.1.3-9] an empty identifier where the server allows none gets return code 2 and a close', () => {
    const house = createHarness({ listener: { allowZeroLengthClientId: false } });
    const refused = answerTo(house, rawConnect({ payload: [field('')] }));
    assert.deepEqual(refused, { sent: fromHex('20 02 00 02'), isClosed: true });
  });

  test('[MQTT3-3.1.3-10] a will topic that is not UTF-8 closes the connection', () => {
    const house = createHarness();
    const witness = new Witness(house);
    for (const bytes of ILL_FORMED.values()) {
      const payload = [field('id'), field(bytes), field('message')];
      assertRefusedSilently({ house, witness }, rawConnect({ flags: CLEAN | WILL, payload }));
    }
  });

  test('[MQTT3-3.1.3-10] a will topic that is no topic name closes the connection', () => {
    const house = createHarness();
    const witness = new Witness(house);
    for (const topic of ['', 'a/+', '#', 'a\0b']) {
      const payload = [field('id'), field(topic), field('message')];
      assertRefusedSilently({ house, witness }, rawConnect({ flags: CLEAN | WILL, payload }));
    }
  });

  test('[MQTT3-3.1.3-11] a user name that is not UTF-8 closes the connection', () => {
    const house = createHarness();
    const witness = new Witness(house);
    for (const bytes of ILL_FORMED.values()) {
      const payload = [field('id'), field(bytes)];
      assertRefusedSilently({ house, witness }, rawConnect({ flags: CLEAN | USER_NAME, payload }));
    }
  });
});

describe('3.1.4 response to CONNECT', () => {
  test('[MQTT3-3.1.4-1] a CONNECT that is cut off at any byte, or goes on too long, is closed on without an answer', () => {
    const house = createHarness();
    const witness = new Witness(house);
    const flags = CLEAN | WILL | USER_NAME | PASSWORD;
    const whole = rawConnect({ flags, payload: ['id', 'topic', 'message', 'user', 'secret'].map(field) });
    const body = whole.subarray(2);
    for (let length = 0; length < body.length; length += 1)
      assertRefusedSilently({ house, witness }, frame(0x10, body.subarray(0, length)));
    assertRefusedSilently({ house, witness, says: /1 bytes follow/ }, frame(0x10, body, 0));
    assertTaken(house, whole);
  });

  test('[MQTT3-3.1.4-1] a CONNECT of more than 100000 bytes is refused before its body comes', () => {
    const house = createHarness();
    const witness = new Witness(house);
    assertRefusedSilently({ house, witness, says: /too large/ }, fromHex('10 a1 8d 06'));
  });

  test('[MQTT3-3.1.4-4] a client that is let in gets return code 0', () => {
    assertTaken(createHarness(), rawConnect());
  });

  test('[MQTT3-3.1.4-5] what stands behind a refused CONNECT is not looked at', () => {
    const house = createHarness();
    const watcher = house.client('watcher');
    watcher.subscribe('#');
    const rest = [rawPublish('a', { flags: 1, payload: 'x' }), rawSubscribe([['#', 0]]), rawConnect()];
    const refused = joined(rawConnect({ flags: 0, payload: [field('')] }), ...rest);
    assert.deepEqual(answerTo(house, refused), { sent: fromHex('20 02 00 02'), isClosed: true });
    const malformed = joined(rawConnect({ flags: 1 }), ...rest);
    assert.deepEqual(answerTo(house, malformed), { sent: new Uint8Array(0), isClosed: true });
    watcher.expectNothing();
    const { connections, sessions, subscriptions, retained, outboxChunks } = house.broker.sizes();
    assert.deepEqual([connections, sessions, subscriptions, retained, outboxChunks], [1, 1, 1, 0, 0]);
  });

  test('[MQTT3-3.1.4-5] what comes later on a refused connection is not looked at', () => {
    const house = createHarness();
    const peer = house.peer();
    peer.send(rawConnect({ flags: 0, payload: [field('')] }));
    peer.link.takeSent();
    peer.send(joined(rawConnect(), rawPublish('a', { flags: 1, payload: 'x' })));
    assert.equal(peer.link.takeSent().length, 0);
    assert.equal(house.broker.sizes().retained, 0);
  });

  test('[MQTT3-3.1.4-5] packets that wait for an answer about CONNECT are dropped when it is a refusal', async () => {
    const gatekeeper = gatekeeperWith({ authenticate: () => Promise.resolve({ kind: 'refused', reason: 0x87 }) });
    const house = createHarness({ gatekeeper });
    const peer = house.peer();
    peer.send(joined(rawConnect(), rawPublish('a', { flags: 1, payload: 'x' })));
    await house.settleLater();
    assert.deepEqual(peer.link.takeSent(), fromHex('20 02 00 05'));
    assert.equal(peer.isClosed, true);
    assert.equal(house.broker.sizes().retained, 0);
  });
});
