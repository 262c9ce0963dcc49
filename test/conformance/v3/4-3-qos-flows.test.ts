import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createHarness, type Harness, type Peer } from '../../fixtures/broker-harness.ts';
import { SlowJournal } from '../../fixtures/slow-journal.ts';

const DURABLE = { cleanStart: false };

function pair(house: Harness, qos: 0 | 1 | 2): { sub: Peer; pub: Peer } {
  const sub = house.client('sub', DURABLE);
  sub.subscribe('t', { qos });
  return { sub, pub: house.client('pub', DURABLE) };
}

function back(house: Harness, clientId = 'sub'): Peer {
  return house.client(clientId, DURABLE);
}

describe('4.3.1 QoS 0', () => {
  test('[MQTT3-4.3.1-1] QoS 0 leaves with QoS 0 and DUP 0, once, and is not sent again', () => {
    const house = createHarness();
    const { sub, pub } = pair(house, 0);
    pub.publish('t', 'x', { qos: 2 });
    const seen = sub.expect('publish');
    assert.deepEqual([seen.qos, seen.dup, seen.packetId], [0, false, 0]);
    sub.cut();
    back(house).expectNothing();
  });
});

describe('4.3.2 QoS 1', () => {
  test('[MQTT3-4.3.2-1] a message has a free identifier and DUP 0, and is unfinished until its PUBACK', () => {
    const house = createHarness();
    const { sub, pub } = pair(house, 1);
    pub.publish('t', 'one', { qos: 1 });
    pub.publish('t', 'two', { qos: 1 });
    const [one, two] = sub.publishes();
    assert.deepEqual([one?.dup, two?.dup], [false, false]);
    assert.notEqual(one?.packetId, two?.packetId);
    sub.ack('puback', one?.packetId ?? 0);
    sub.cut();
    const again = back(house);
    assert.deepEqual(
      again.publishes().map(({ text, packetId }) => [text, packetId]),
      [['two', two?.packetId]],
    );
    again.ack('puback', two?.packetId ?? 0);
    again.cut();
    back(house).expectNothing();
  });

  test('[MQTT3-4.3.2-1] a PUBACK for what was not sent finishes nothing', () => {
    const house = createHarness();
    const { sub, pub } = pair(house, 1);
    pub.publish('t', 'x', { qos: 1 });
    const { packetId } = sub.expect('publish');
    sub.ack('puback', packetId + 1);
    sub.cut();
    assert.equal(back(house).expect('publish').text, 'x');
  });

  test('[MQTT3-4.3.2-1] an acknowledgement of the other QoS closes the connection and finishes nothing', () => {
    for (const [qos, wrong] of [
      [1, 'pubrec'],
      [2, 'puback'],
    ] as const) {
      const house = createHarness();
      const { sub, pub } = pair(house, qos);
      pub.publish('t', 'x', { qos });
      sub.ack(wrong, sub.expect('publish').packetId);
      assert.equal(sub.isClosed, true);
      assert.equal(back(house).expect('publish').text, 'x');
    }
  });

  test('[MQTT3-4.3.2-2] a message taken in is acknowledged, and its identifier is free for a new one at once', () => {
    const house = createHarness();
    const { sub, pub } = pair(house, 0);
    for (const text of ['one', 'two', 'three']) {
      pub.publish('t', text, { qos: 1, packetId: 1 });
      assert.equal(pub.expect('puback').packetId, 1);
    }
    assert.deepEqual(
      sub.publishes().map(({ text }) => text),
      ['one', 'two', 'three'],
    );
  });

  test('[MQTT3-4.3.2-2] a message that is sent again after its PUBACK was lost counts as a new one', () => {
    const house = createHarness();
    const { sub, pub } = pair(house, 0);
    pub.publish('t', 'x', { qos: 1, packetId: 1 });
    pub.publish('t', 'x', { qos: 1, packetId: 1, dup: true });
    assert.equal(pub.all().length, 2);
    assert.equal(sub.publishes().length, 2);
  });

  test('[MQTT3-4.3.2-2] PUBACK waits until the message is safe', async () => {
    const journal = new SlowJournal();
    const house = createHarness({ journal });
    const sub = house.peer();
    sub.sendConnect({ clientId: 'sub', ...DURABLE });
    journal.commit();
    await house.settleLater();
    sub.sendSubscribe('t', { qos: 1 });
    journal.commit();
    house.settle();
    assert.deepEqual(
      sub.all().map(({ type }) => type),
      ['connack', 'suback'],
    );
    const pub = house.client('pub');
    pub.publish('t', 'x', { qos: 1, packetId: 9 });
    pub.expectNothing();
    journal.commit();
    house.settle();
    assert.equal(pub.expect('puback').packetId, 9);
  });
});

describe('4.3.3 QoS 2', () => {
  test('[MQTT3-4.3.3-1] outgoing: PUBLISH until PUBREC, then PUBREL until PUBCOMP, each sent again on reconnect', () => {
    const house = createHarness();
    const { sub, pub } = pair(house, 2);
    pub.publish('t', 'x', { qos: 2 });
    const { packetId, dup } = sub.expect('publish');
    assert.equal(dup, false);
    sub.cut();
    const second = back(house);
    const again = second.expect('publish');
    assert.deepEqual([again.packetId, again.dup], [packetId, true]);
    second.ack('pubrec', packetId);
    assert.equal(second.expect('pubrel').packetId, packetId);
    second.cut();
    const third = back(house);
    assert.equal(third.expect('pubrel').packetId, packetId);
    third.expectNothing();
    third.ack('pubcomp', packetId);
    third.cut();
    back(house).expectNothing();
  });

  test('[MQTT3-4.3.3-1] outgoing: after PUBREC the message itself is never sent again, PUBREL follows each PUBREC', () => {
    const house = createHarness();
    const { sub, pub } = pair(house, 2);
    pub.publish('t', 'x', { qos: 2 });
    const { packetId } = sub.expect('publish');
    for (let count = 0; count < 3; count += 1) {
      sub.ack('pubrec', packetId);
      assert.equal(sub.expect('pubrel').packetId, packetId);
      sub.expectNothing();
    }
    sub.ack('pubcomp', packetId);
    sub.expectNothing();
  });

  test('[MQTT3-4.3.3-1] outgoing: a PUBCOMP before the PUBREC finishes nothing', () => {
    const house = createHarness();
    const { sub, pub } = pair(house, 2);
    pub.publish('t', 'x', { qos: 2 });
    const { packetId } = sub.expect('publish');
    sub.ack('pubcomp', packetId);
    sub.cut();
    assert.equal(back(house).expect('publish').packetId, packetId);
  });

  test('[MQTT3-4.3.3-2] incoming: delivered at once, not again until PUBREL, then the identifier is free', () => {
    const house = createHarness();
    const { sub, pub } = pair(house, 0);
    pub.publish('t', 'one', { qos: 2, packetId: 4 });
    assert.equal(pub.expect('pubrec').packetId, 4);
    assert.equal(sub.expect('publish').text, 'one');
    for (let count = 0; count < 3; count += 1) {
      pub.publish('t', 'one', { qos: 2, packetId: 4, dup: true });
      assert.equal(pub.expect('pubrec').packetId, 4);
    }
    sub.expectNothing();
    pub.ack('pubrel', 4);
    assert.equal(pub.expect('pubcomp').packetId, 4);
    sub.expectNothing();
    pub.publish('t', 'two', { qos: 2, packetId: 4 });
    assert.equal(sub.expect('publish').text, 'two');
  });

  test('[MQTT3-4.3.3-2] incoming: the identifier is known over a reconnect, each PUBREL has its PUBCOMP', () => {
    const house = createHarness();
    const { sub, pub } = pair(house, 0);
    pub.publish('t', 'one', { qos: 2, packetId: 4 });
    pub.cut();
    const second = back(house, 'pub');
    second.publish('t', 'one', { qos: 2, packetId: 4, dup: true });
    assert.equal(second.expect('pubrec').packetId, 4);
    second.ack('pubrel', 4);
    assert.equal(second.expect('pubcomp').packetId, 4);
    second.cut();
    const third = back(house, 'pub');
    third.ack('pubrel', 4);
    assert.equal(third.expect('pubcomp').packetId, 4);
    assert.equal(sub.publishes().length, 1);
  });

  test('[MQTT3-4.3.3-2] incoming: with Clean Session the identifier is forgotten with the session', () => {
    const house = createHarness();
    const { sub } = pair(house, 0);
    const first = house.client('clean');
    first.publish('t', 'one', { qos: 2, packetId: 4 });
    first.cut();
    house.client('clean').publish('t', 'two', { qos: 2, packetId: 4 });
    assert.deepEqual(
      sub.publishes().map(({ text }) => text),
      ['one', 'two'],
    );
  });

  test('[MQTT3-4.3.3-2] incoming: QoS 1 and QoS 2 may use one identifier at the same time', () => {
    const house = createHarness();
    const { sub, pub } = pair(house, 0);
    pub.publish('t', 'two', { qos: 2, packetId: 4 });
    pub.publish('t', 'one', { qos: 1, packetId: 4 });
    assert.deepEqual(
      pub.all().map(({ type }) => type),
      ['pubrec', 'puback'],
    );
    assert.equal(sub.publishes().length, 2);
  });
});
