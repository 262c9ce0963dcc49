/** Receive Maximum in both directions. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Reason } from '../../../src/protocol/reasons.ts';
import { createHarness, type Harness, type Peer } from '../../fixtures/broker-harness.ts';
import { joined } from '../../fixtures/raw-packets.ts';
import { SlowJournal } from '../../fixtures/slow-journal.ts';
import { comeBack, enter, enterDurable, numbers, takeAll, texts } from './clients.ts';

interface Couple {
  readonly house: Harness;
  readonly sub: Peer;
  readonly pub: Peer;
}

function couple(receiveMaximum: number | null, settings = {}): Couple {
  const house = createHarness({ settings });
  const sub = enterDurable(house, 'sub', { properties: { receiveMaximum } });
  sub.subscribe(['q1', 'q2'], { qos: 2 });
  return { house, sub, pub: enter(house, 'pub') };
}

function publishMany(pub: Peer, topic: string, count: number, qos: 0 | 1 | 2): void {
  for (const text of numbers(count)) {
    pub.publish(topic, text, { qos });
    if (qos === 2) pub.ack('pubrel', pub.all().map((packet) => ('packetId' in packet ? packet.packetId : 0))[0] ?? 0);
    pub.all();
  }
}

describe('4.9 flow control, what the server sends', () => {
  for (const receiveMaximum of [1, 2, 7]) {
    for (const [topic, qos] of [
      ['q1', 1],
      ['q2', 2],
    ] as const) {
      test(`[MQTT5-3.3.4-9] [MQTT5-4.9.0-1] [MQTT5-4.9.0-2] T55: unfinished messages stay within the receive maximum ${receiveMaximum}: QoS ${qos}`, () => {
        const { sub, pub } = couple(receiveMaximum);
        publishMany(pub, topic, 20, qos);
        const open = [...sub.publishes()];
        assert.equal(open.length, receiveMaximum, 'the quota should be used, and no more');
        const taken: string[] = [];
        for (let next = open.shift(); next !== undefined; next = open.shift()) {
          taken.push(next.text);
          if (qos === 1) sub.ack('puback', next.packetId);
          else {
            sub.ack('pubrec', next.packetId);
            assert.equal(sub.expect('pubrel').packetId, next.packetId);
            sub.expectNothing();
            sub.ack('pubcomp', next.packetId);
          }
          open.push(...sub.publishes());
          assert.ok(open.length <= receiveMaximum);
        }
        assert.deepEqual(taken, numbers(20));
      });
    }
  }

  test('[MQTT5-3.3.4-9] QoS 1 and QoS 2 share one quota, a PUBREC with an error gives its place back', () => {
    const { sub, pub } = couple(2);
    pub.publish('q2', 'a', { qos: 2 });
    pub.publish('q1', 'b', { qos: 1 });
    pub.publish('q1', 'c', { qos: 1 });
    pub.publish('q1', 'd', { qos: 1 });
    const [a, b] = sub.publishes();
    sub.ack('pubrec', a?.packetId ?? 0, Reason.QuotaExceeded);
    assert.deepEqual(texts(sub), ['c']);
    sub.ack('puback', b?.packetId ?? 0, Reason.UnspecifiedError);
    assert.deepEqual(texts(sub), ['d']);
  });

  test('[MQTT5-4.9.0-2] acknowledgements for nothing do not raise the quota', () => {
    const { sub, pub } = couple(2);
    for (const id of [1, 2, 500, 65_535]) {
      sub.ack('puback', id);
      sub.ack('pubcomp', id);
    }
    publishMany(pub, 'q1', 5, 1);
    const seen = sub.publishes();
    assert.equal(seen.length, 2);
    sub.ack('puback', seen[0]?.packetId ?? 0);
    sub.ack('puback', seen[0]?.packetId ?? 0);
    assert.equal(sub.publishes().length, 1);
  });

  test('[MQTT5-3.3.4-10] [MQTT5-4.9.0-3] at quota zero everything else is sent and served as ever', () => {
    const { sub, pub } = couple(1);
    publishMany(pub, 'q1', 3, 1);
    const open = sub.expect('publish');
    sub.expectNothing();
    pub.publish('q1', 'qos 0', { qos: 0 });
    assert.equal(sub.expect('publish').text, 'qos 0');
    sub.ping();
    sub.expect('pingresp');
    assert.deepEqual(sub.subscribe('more', { qos: 1 }).reasons, [1]);
    assert.deepEqual(sub.unsubscribe('more').reasons, [0]);
    sub.publish('elsewhere', 'x', { qos: 1, packetId: 1 });
    assert.equal(sub.expect('puback').packetId, 1);
    sub.publish('elsewhere', 'x', { qos: 2, packetId: 2 });
    assert.equal(sub.expect('pubrec').packetId, 2);
    sub.ack('pubrel', 2);
    assert.equal(sub.expect('pubcomp').packetId, 2);
    sub.ack('pubrec', 999);
    assert.equal(sub.expect('pubrel').reason, Reason.PacketIdentifierNotFound);
    sub.ack('puback', open.packetId);
    assert.equal(sub.expect('publish').text, '1');
  });

  test('[MQTT5-4.9.0-1] without a receive maximum the window is that of the settings; with one it counts, also above', () => {
    for (const [receiveMaximum, maxInflightMessages, expected] of [
      [null, 20, 20],
      [null, 5, 5],
      [30, 20, 30],
      [3, 20, 3],
      [null, 0, 50],
      [65_535, 20, 50],
    ] as const) {
      const { sub, pub } = couple(receiveMaximum, { maxInflightMessages });
      publishMany(pub, 'q1', 50, 1);
      assert.equal(sub.publishes().length, expected, `${receiveMaximum} against ${maxInflightMessages}`);
    }
  });

  test('[MQTT5-3.3.4-9] a client that comes back with a smaller receive maximum is sent no more than that again', () => {
    const { house, sub, pub } = couple(10);
    publishMany(pub, 'q1', 15, 1);
    assert.equal(sub.publishes().length, 10);
    sub.cut();
    const back = comeBack(house, 'sub', { properties: { receiveMaximum: 3 } });
    const first = back.publishes();
    assert.deepEqual(
      first.map(({ text, dup }) => [text, dup]),
      [
        ['0', true],
        ['1', true],
        ['2', true],
      ],
    );
    for (const { packetId } of first) back.ack('puback', packetId);
    const rest = takeAll(back);
    assert.deepEqual(
      rest.map(({ text }) => text),
      numbers(15).slice(3),
    );
    assert.deepEqual(
      rest.map(({ dup }) => dup),
      numbers(12).map((index) => Number(index) < 7),
    );
  });

  test('[MQTT5-3.3.4-10] [MQTT5-4.4.0-1] PUBRELs that are sent again do not wait for room in the window', () => {
    const { house, sub, pub } = couple(10);
    publishMany(pub, 'q2', 4, 2);
    const open = sub.publishes();
    for (const { packetId } of open.slice(1)) sub.ack('pubrec', packetId);
    assert.equal(sub.all().length, 3);
    sub.cut();
    const back = comeBack(house, 'sub', { properties: { receiveMaximum: 1 } });
    const released = back.all().flatMap((packet) => (packet.type === 'pubrel' ? [packet.packetId] : []));
    assert.deepEqual(
      released,
      open.slice(1).map(({ packetId }) => packetId),
    );
  });

  test('[MQTT5-3.3.4-9] messages whose PUBREL is open still count against the window', () => {
    const { house, sub, pub } = couple(10);
    publishMany(pub, 'q2', 3, 2);
    for (const { packetId } of sub.publishes()) sub.ack('pubrec', packetId);
    sub.all();
    sub.cut();
    publishMany(pub, 'q1', 3, 1);
    const back = comeBack(house, 'sub', { properties: { receiveMaximum: 4 } });
    const seen = back.all();
    assert.deepEqual(
      seen.map((packet) => (packet.type === 'publish' ? packet.text : packet.type)),
      ['pubrel', 'pubrel', 'pubrel', '0'],
    );
    for (const packet of seen) if (packet.type === 'pubrel') back.ack('pubcomp', packet.packetId);
    assert.deepEqual(texts(back), ['1', '2']);
  });
});

describe('4.9 flow control, what the server takes', () => {
  test('[MQTT5-3.3.4-7] one message more than the receive maximum without PUBREL gets DISCONNECT 0x93 and a close', () => {
    const house = createHarness({ settings: { maxInflightMessages: 3 } });
    const bystander = enter(house, 'bystander');
    const pub = house.peer();
    assert.equal(pub.connect({ version: 5, clientId: 'pub' }).properties.receiveMaximum, 3);
    for (const packetId of [1, 2, 3]) {
      pub.publish('t', 'x', { qos: 2, packetId });
      assert.equal(pub.expect('pubrec').packetId, packetId);
    }
    pub.publish('t', 'x', { qos: 2, packetId: 3, dup: true });
    assert.equal(pub.expect('pubrec').packetId, 3, 'one that was taken before is none more');
    pub.publish('t', 'x', { qos: 1, packetId: 4 });
    assert.equal(pub.expect('disconnect').reason, Reason.ReceiveMaximumExceeded);
    assert.equal(pub.isClosed, true);
    bystander.ping();
    bystander.expect('pingresp');
  });

  test('[MQTT5-3.3.4-7] [MQTT5-4.9.0-1] T55: a client that keeps to the maximum is never told 0x93', () => {
    const house = createHarness({ settings: { maxInflightMessages: 2 } });
    const pub = enter(house, 'pub');
    for (let packetId = 1; packetId <= 100; packetId += 2) {
      pub.publish('t', 'x', { qos: 2, packetId });
      pub.publish('t', 'x', { qos: 1, packetId: packetId + 1 });
      pub.ack('pubrel', packetId);
      assert.deepEqual(
        pub.all().map(({ type }) => type),
        ['pubrec', 'puback', 'pubcomp'],
      );
    }
    assert.equal(pub.isClosed, false);
  });

  test('[MQTT5-3.3.4-7] QoS 0 does not count', () => {
    const house = createHarness({ settings: { maxInflightMessages: 1 } });
    const pub = enter(house, 'pub');
    pub.publish('t', 'x', { qos: 2, packetId: 1 });
    for (const text of numbers(100)) pub.publish('t', text);
    assert.equal(pub.isClosed, false);
  });

  test('[MQTT5-3.3.4-7] a QoS 2 message that waits for the journal counts once, not twice', async () => {
    const journal = new SlowJournal();
    const house = createHarness({ journal, settings: { maxInflightMessages: 4 } });
    const pub = house.peer();
    pub.sendConnect({ version: 5, clientId: 'pub', properties: { sessionExpiryInterval: 60 } });
    journal.commit();
    await house.settleLater();
    pub.expect('connack');
    for (const packetId of [1, 2, 3, 4]) pub.publish('t', 'x', { qos: 2, packetId });
    pub.expectNothing();
    assert.equal(pub.isClosed, false);
    journal.commit();
    assert.equal(pub.all().length, 4);
    for (const packetId of [1, 2]) pub.ack('pubrel', packetId);
    pub.expectNothing();
    pub.publish('t', 'x', { qos: 1, packetId: 7 });
    assert.equal(pub.expect('disconnect').reason, Reason.ReceiveMaximumExceeded, 'a PUBCOMP that waits frees no place');
  });

  test('[MQTT5-3.3.4-7] what the server sends and cannot send yet is not held against the client', async () => {
    const journal = new SlowJournal();
    const house = createHarness({ journal, settings: { maxInflightMessages: 3 } });
    const both = house.peer();
    both.sendConnect({ version: 5, clientId: 'both', properties: { sessionExpiryInterval: 60, receiveMaximum: 10 } });
    journal.commit();
    await house.settleLater();
    both.expect('connack');
    both.sendSubscribe('t', { qos: 2 });
    journal.commit();
    both.expect('suback');
    const other = house.peer();
    other.sendConnect({ version: 5, clientId: 'other' });
    journal.commit();
    await house.settleLater();
    // Three QoS 2 messages that may not leave before the journal has them.
    for (const packetId of [1, 2, 3]) other.publish('t', 'x', { qos: 2, packetId });
    both.expectNothing();
    both.publish('elsewhere', 'x', { qos: 1, packetId: 1 });
    assert.equal(both.isClosed, false);
    journal.commit();
    assert.deepEqual(
      both.all().map(({ type }) => type),
      ['publish', 'publish', 'publish', 'puback'],
    );
  });

  test('[MQTT5-3.3.4-7] T55: the quota begins anew with a connection; what was open before is not held against it', () => {
    const house = createHarness({ settings: { maxInflightMessages: 2 } });
    const first = enterDurable(house, 'pub');
    first.publish('t', 'a', { qos: 2, packetId: 1 });
    first.publish('t', 'b', { qos: 2, packetId: 2 });
    first.cut();
    const back = comeBack(house, 'pub');
    back.publish('t', 'c', { qos: 2, packetId: 3 });
    assert.equal(back.expect('pubrec').packetId, 3);
    back.ack('pubrel', 1);
    back.ack('pubrel', 2);
    back.ack('pubrel', 3);
    assert.deepEqual(
      back.all().map((packet) => ('packetId' in packet ? packet.packetId : packet.type)),
      [1, 2, 3],
    );
    back.publish('t', 'd', { qos: 2, packetId: 4 });
    back.publish('t', 'e', { qos: 2, packetId: 5 });
    assert.equal(back.all().length, 2);
    back.publish('t', 'f', { qos: 2, packetId: 6 });
    assert.equal(back.expect('disconnect').reason, Reason.ReceiveMaximumExceeded);
  });

  test('[MQTT5-3.3.4-7] a refused QoS 2 message is finished with its PUBREC', () => {
    const house = createHarness({ settings: { maxInflightMessages: 1 } });
    const pub = enter(house, 'pub');
    for (const packetId of [1, 2, 3]) {
      pub.publish('$SYS/x', 'x', { qos: 2, packetId });
      assert.equal(pub.expect('pubrec').reason, Reason.NotAuthorized);
    }
    assert.equal(pub.isClosed, false);
  });

  test('3.1.1 knows no receive maximum: its clients are not held to it', () => {
    const house = createHarness({ settings: { maxInflightMessages: 1 } });
    const pub = house.client('pub', { version: 4 });
    pub.send(joined(...[1, 2, 3, 4].map((packetId) => pub.publishBytes('t', 'x', { qos: 2, packetId }))));
    assert.equal(pub.all().length, 4);
    assert.equal(pub.isClosed, false);
  });
});
