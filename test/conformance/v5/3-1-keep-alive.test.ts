import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Reason } from '../../../src/protocol/reasons.ts';
import { createHarness, type Peer } from '../../fixtures/broker-harness.ts';
import { frame, u16 } from '../../fixtures/raw-packets.ts';
import { enter, hasSession, numbers } from './clients.ts';

const KEEP_ALIVE = 10;
const PATIENCE_MS = 15_000;

describe('3.1.2 keep alive', () => {
  test('[MQTT5-3.1.2-22] a client silent for one and a half keep alive times gets 0x8D and is closed', () => {
    const house = createHarness();
    const watcher = enter(house, 'watcher');
    watcher.subscribe('w');
    const client = enter(house, 'client', { keepAlive: KEEP_ALIVE, will: { topic: 'w', payload: 'gone' } });
    house.advance(PATIENCE_MS - 1);
    assert.equal(client.isClosed, false);
    client.expectNothing();
    house.advance(1);
    assert.equal(client.expect('disconnect').reason, Reason.KeepAliveTimeout);
    client.expectNothing();
    assert.equal(client.isClosed, true);
    assert.equal(watcher.expect('publish').text, 'gone');
    assert.ok(
      house.log.texts('notice').some((line) => /^Client client .* disconnected: exceeded timeout\.$/.test(line)),
    );
  });

  test('[MQTT5-3.1.2-22] the session of a client that fell silent is kept like that of any lost connection', () => {
    const house = createHarness();
    enter(house, 'client', { keepAlive: KEEP_ALIVE, properties: { sessionExpiryInterval: 60 } });
    house.advance(PATIENCE_MS);
    assert.equal(hasSession(house, 'client'), true);
  });

  const SIGNS: readonly { readonly name: string; readonly send: (peer: Peer) => void }[] = [
    { name: 'PINGREQ', send: (peer) => peer.ping() },
    { name: 'PUBLISH of QoS 0', send: (peer) => peer.publish('t', 'x') },
    { name: 'PUBLISH of QoS 2', send: (peer) => peer.publish('t', 'x', { qos: 2, packetId: 1 }) },
    { name: 'PUBREL', send: (peer) => peer.ack('pubrel', 1) },
    { name: 'PUBACK', send: (peer) => peer.ack('puback', 1) },
    { name: 'SUBSCRIBE', send: (peer) => peer.sendSubscribe('t') },
    { name: 'UNSUBSCRIBE', send: (peer) => peer.send(frame(0xa2, u16(9), 0, 0, 1, 't')) },
  ];
  for (const { name, send } of SIGNS) {
    test(`[MQTT5-3.1.2-22] any packet of the client counts as a sign of life: ${name}`, () => {
      const house = createHarness();
      const client = enter(house, 'client', { keepAlive: KEEP_ALIVE });
      for (let round = 0; round < 4; round += 1) {
        house.advance(PATIENCE_MS - 1);
        send(client);
      }
      assert.equal(client.isClosed, false);
      house.advance(PATIENCE_MS);
      assert.equal(client.isClosed, true);
    });
  }

  test('[MQTT5-3.1.2-22] T16: what the client is sent, and parts of a small packet, are no signs of life', () => {
    const house = createHarness();
    const client = enter(house, 'client', { keepAlive: KEEP_ALIVE });
    client.subscribe('t');
    const pub = enter(house, 'pub');
    const packet = client.publishBytes('t', 'x'.repeat(900));
    for (let second = 0; second < 15; second += 1) {
      assert.equal(client.isClosed, false, `${second} s`);
      pub.publish('t', 'x');
      client.link.deliver(packet.subarray(second, second + 1));
      house.advance(1_000);
    }
    assert.equal(client.isClosed, true);
  });

  test('a large packet that is still arriving keeps its client alive', () => {
    const house = createHarness();
    const client = enter(house, 'client', { keepAlive: KEEP_ALIVE });
    const packet = client.publishBytes('t', 'x'.repeat(100_000));
    for (let at = 0; at < 90_000; at += 10_000) {
      client.link.deliver(packet.subarray(at, at + 10_000));
      house.advance(10_000);
    }
    assert.equal(client.isClosed, false);
  });

  test('[MQTT5-3.1.2-22] keep alive 0 waits for ever', () => {
    const house = createHarness();
    const client = enter(house, 'client', { keepAlive: 0 });
    house.advance(365 * 24 * 3600 * 1000);
    client.ping();
    client.expect('pingresp');
  });

  for (const [keepAlive, patienceMs] of [
    [1, 1_500],
    [3, 4_500],
    [65_535, 98_302_500],
  ] as const) {
    test(`[MQTT5-3.1.2-22] [MQTT5-3.2.2-22] without one from the server the client's own keep alive counts: ${keepAlive} s`, () => {
      const house = createHarness();
      const peer = house.peer();
      const connack = peer.connect({ version: 5, clientId: 'client', keepAlive });
      assert.equal(connack.properties.serverKeepAlive, null);
      house.advance(patienceMs - 1);
      assert.equal(peer.isClosed, false);
      house.advance(1);
      assert.equal(peer.isClosed, true);
    });
  }

  for (const [asked, told, patienceMs] of [
    [0, 20, 30_000],
    [21, 20, 30_000],
    [20, null, 30_000],
    [10, null, 15_000],
  ] as const) {
    test(`[MQTT5-3.2.2-22] where at most 20 s are allowed, ${asked} s become ${told ?? asked} s`, () => {
      const house = createHarness({ settings: { maxKeepAlive: 20 } });
      const peer = house.peer();
      const connack = peer.connect({ version: 5, clientId: 'client', keepAlive: asked });
      assert.equal(connack.properties.serverKeepAlive, told);
      house.advance(patienceMs - 1);
      assert.equal(peer.isClosed, false);
      house.advance(1);
      assert.equal(peer.expect('disconnect').reason, Reason.KeepAliveTimeout);
    });
  }

  test('a jump of the wall clock makes nobody late', () => {
    const house = createHarness();
    const client = enter(house, 'client', { keepAlive: KEEP_ALIVE });
    house.clock.jumpWall(3_600_000);
    house.advance(PATIENCE_MS - 1);
    assert.equal(client.isClosed, false);
  });

  test('three hundred clients fall silent at different times, each at its own', () => {
    const house = createHarness();
    const clients = numbers(300).map((id) => enter(house, id, { keepAlive: 1 + (Number(id) % 30) }));
    for (let keepAlive = 1; keepAlive <= 30; keepAlive += 1) {
      house.advance(1_500);
      const closed = clients.filter(({ link }) => link.closeLingerMs !== null).length;
      assert.equal(closed, keepAlive * 10);
    }
  });

  test('T16: a client that does not complete its CONNECT is closed at the deadline, in silence', () => {
    const house = createHarness({ settings: { connectDeadlineMs: 5_000 } });
    const silent = house.peer();
    const slow = house.peer();
    for (let second = 0; second < 5; second += 1) {
      assert.equal(silent.isClosed, false);
      slow.send(Uint8Array.of([0x10, 0x20, 0x00, 0x04, 0x4d][second] ?? 0));
      house.advance(1_000);
    }
    for (const peer of [silent, slow]) {
      assert.equal(peer.isClosed, true);
      assert.equal(peer.link.takeSent().length, 0);
    }
    assert.equal(house.broker.sizes().connections, 0);
  });
});
