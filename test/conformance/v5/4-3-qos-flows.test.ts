import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Reason } from '../../../src/protocol/reasons.ts';
import { createHarness, type Harness, type Peer } from '../../fixtures/broker-harness.ts';
import { SlowJournal } from '../../fixtures/slow-journal.ts';
import { comeBack, enter, enterDurable, numbers, texts } from './clients.ts';

interface Couple {
  readonly house: Harness;
  readonly sub: Peer;
  readonly pub: Peer;
}

/** A durable subscriber of `t` and `u` with QoS 2, and a durable publisher. */
function couple(journal?: SlowJournal): Couple {
  const house = createHarness(journal === undefined ? {} : { journal });
  const sub = enterDurable(house, 'sub');
  sub.subscribe(['t', 'u'], { qos: 2 });
  return { house, sub, pub: enterDurable(house, 'pub') };
}

describe('4.3 the server as sender', () => {
  test('[MQTT5-4.3.1-1] QoS 0 leaves once, with DUP 0 and without an identifier, and is never sent again', () => {
    const { house, sub, pub } = couple();
    pub.publish('t', 'x', { qos: 0 });
    const seen = sub.expect('publish');
    assert.deepEqual([seen.qos, seen.dup, seen.packetId], [0, false, 0]);
    sub.cut();
    comeBack(house, 'sub').expectNothing();
  });

  test('[MQTT5-4.3.2-1] [MQTT5-4.3.2-2] [MQTT5-4.3.3-1] [MQTT5-4.3.3-2] each new message has an identifier of its own, its QoS, and DUP 0', () => {
    const { sub, pub } = couple();
    for (const text of numbers(20)) pub.publish('t', text, { qos: Number(text) % 2 === 0 ? 1 : 2, dup: true });
    const seen = sub.publishes();
    assert.equal(new Set(seen.map(({ packetId }) => packetId)).size, 20);
    for (const { qos, dup, text, packetId } of seen) {
      assert.deepEqual([qos, dup], [Number(text) % 2 === 0 ? 1 : 2, false]);
      assert.ok(packetId > 0);
    }
  });

  test('[MQTT5-4.3.2-3] a QoS 1 message stays unfinished until its PUBACK, and only its own', () => {
    const { house, sub, pub } = couple();
    for (const text of ['a', 'b', 'c']) pub.publish('t', text, { qos: 1 });
    const [, b] = sub.publishes();
    sub.ack('puback', b?.packetId ?? 0);
    sub.cut();
    const back = comeBack(house, 'sub');
    const again = back.publishes();
    assert.deepEqual(
      again.map(({ text }) => text),
      ['a', 'c'],
    );
    for (const { packetId } of again) back.ack('puback', packetId);
    back.cut();
    comeBack(house, 'sub').expectNothing();
  });

  test('[MQTT5-4.3.3-3] [MQTT5-4.3.3-4] [MQTT5-4.3.3-5] [MQTT5-4.3.3-6] QoS 2: PUBLISH until PUBREC, then PUBREL until PUBCOMP, then nothing', () => {
    const { house, sub, pub } = couple();
    pub.publish('t', 'x', { qos: 2 });
    const { packetId } = sub.expect('publish');
    sub.cut();
    const second = comeBack(house, 'sub');
    const again = second.expect('publish');
    assert.deepEqual([again.packetId, again.dup], [packetId, true]);
    second.ack('pubrec', packetId);
    assert.deepEqual([second.expect('pubrel').packetId], [packetId]);
    second.cut();
    const third = comeBack(house, 'sub');
    assert.equal(third.expect('pubrel').packetId, packetId);
    third.expectNothing();
    third.cut();
    const fourth = comeBack(house, 'sub');
    assert.equal(fourth.expect('pubrel').packetId, packetId);
    fourth.ack('pubcomp', packetId);
    fourth.cut();
    comeBack(house, 'sub').expectNothing();
  });

  test('[MQTT5-4.3.3-4] each PUBREC without an error is answered by PUBREL, a repeated one too', () => {
    const { sub, pub } = couple();
    pub.publish('t', 'x', { qos: 2 });
    const { packetId } = sub.expect('publish');
    for (const reason of [Reason.Success, Reason.NoMatchingSubscribers, Reason.Success] as const) {
      sub.ack('pubrec', packetId, reason);
      assert.equal(sub.expect('pubrel').packetId, packetId);
    }
    sub.expectNothing();
  });

  const ERRORS = [0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99] as const;
  for (const reason of ERRORS) {
    test(`[MQTT5-4.4.0-2] [MQTT5-4.3.3-9] an answer 0x${reason.toString(16)} ends the delivery: no PUBREL, nothing sent again, the identifier free`, () => {
      const { house, sub, pub } = couple();
      pub.publish('t', '1', { qos: 1 });
      pub.publish('t', '2', { qos: 2 });
      const [one, two] = sub.publishes();
      sub.ack('puback', one?.packetId ?? 0, reason);
      sub.ack('pubrec', two?.packetId ?? 0, reason);
      sub.expectNothing();
      sub.ack('pubrec', two?.packetId ?? 0);
      assert.equal(sub.expect('pubrel').reason, Reason.PacketIdentifierNotFound);
      sub.cut();
      comeBack(house, 'sub').expectNothing();
    });
  }
});

describe('4.3 the server as receiver', () => {
  test('[MQTT5-4.3.2-4] PUBACK waits until the message is durable, where a durable session gets it', async () => {
    const journal = new SlowJournal();
    const { house, pub } = await slowCouple(journal);
    pub.publish('t', 'x', { qos: 1, packetId: 5 });
    pub.expectNothing();
    assert.equal(house.broker.counters.publishesReceived, 1);
    journal.commit();
    assert.equal(pub.expect('puback').packetId, 5);
    const rows = [...(journal.image().clients.get('sub')?.rows.values() ?? [])];
    assert.deepEqual(
      rows.map(({ text }) => text),
      ['x'],
    );
  });

  test('[MQTT5-4.3.3-8] PUBREC waits until message and identifier are durable', async () => {
    const journal = new SlowJournal();
    const { pub } = await slowCouple(journal);
    pub.publish('t', 'x', { qos: 2, packetId: 5 });
    while (journal.waitingCount > 0) {
      pub.expectNothing();
      journal.commit(1);
    }
    assert.equal(pub.expect('pubrec').packetId, 5);
    const { clients } = journal.image();
    assert.deepEqual([...(clients.get('pub')?.received ?? [])], [5]);
    assert.equal(clients.get('sub')?.rows.size, 1);
  });

  test('[MQTT5-4.3.2-5] once PUBACK was sent the same identifier is a new message, whatever DUP says', () => {
    const { sub, pub } = couple();
    for (const dup of [false, true, false]) {
      pub.publish('t', `dup ${dup}`, { qos: 1, packetId: 1, dup });
      assert.equal(pub.expect('puback').packetId, 1);
    }
    assert.deepEqual(texts(sub), ['dup false', 'dup true', 'dup false']);
  });

  test('[MQTT5-4.3.3-10] T28: the same identifier again before PUBREL gets PUBREC again and reaches nobody a second time', () => {
    const { house, sub, pub } = couple();
    for (let count = 0; count < 100; count += 1) {
      pub.publish('t', 'x', { qos: 2, packetId: 1, dup: count > 0 });
      assert.equal(pub.expect('pubrec').packetId, 1);
    }
    pub.cut();
    const back = comeBack(house, 'pub');
    back.publish('t', 'x', { qos: 2, packetId: 1, dup: true });
    assert.equal(back.expect('pubrec').packetId, 1);
    assert.deepEqual(texts(sub), ['x']);
  });

  test('[MQTT5-4.3.3-10] what is remembered is the identifier: other content under it is not delivered', () => {
    const { sub, pub } = couple();
    pub.publish('t', 'first', { qos: 2, packetId: 1 });
    pub.publish('u', 'second', { qos: 2, packetId: 1 });
    pub.publish('t', 'third', { qos: 2, packetId: 2 });
    assert.deepEqual(texts(sub), ['first', 'third']);
  });

  test('[MQTT5-4.3.3-11] [MQTT5-4.3.3-12] PUBREL is answered by PUBCOMP; from then on the identifier is a new message', () => {
    const { sub, pub } = couple();
    for (const text of ['1', '2', '3']) {
      pub.publish('t', text, { qos: 2, packetId: 7, dup: text === '3' });
      assert.equal(pub.expect('pubrec').packetId, 7);
      pub.ack('pubrel', 7);
      assert.deepEqual([pub.expect('pubcomp').packetId], [7]);
    }
    assert.deepEqual(texts(sub), ['1', '2', '3']);
  });

  test('[MQTT5-4.3.3-11] a PUBREL that is sent again after a reconnect is completed again', () => {
    const { house, pub } = couple();
    pub.publish('t', 'x', { qos: 2, packetId: 7 });
    pub.cut();
    const second = comeBack(house, 'pub');
    second.ack('pubrel', 7);
    assert.equal(second.expect('pubcomp').reason, Reason.Success);
    second.cut();
    const third = comeBack(house, 'pub');
    third.ack('pubrel', 7);
    const { packetId, reason } = third.expect('pubcomp');
    assert.deepEqual([packetId, reason], [7, Reason.PacketIdentifierNotFound]);
  });

  test('[MQTT5-4.3.3-9] after PUBREC with an error the identifier is a new message', () => {
    const { sub, pub } = couple();
    pub.publish('$CONTROL/x', 'refused', { qos: 2, packetId: 7 });
    assert.equal(pub.expect('pubrec').reason, Reason.NotAuthorized);
    pub.publish('t', 'taken', { qos: 2, packetId: 7 });
    assert.equal(pub.expect('pubrec').reason, Reason.Success);
    assert.deepEqual(texts(sub), ['taken']);
  });

  test('QoS 2 of two clients under one identifier are two messages', () => {
    const { house, sub, pub } = couple();
    pub.publish('t', '1', { qos: 2, packetId: 7 });
    enter(house, 'other').publish('t', '2', { qos: 2, packetId: 7 });
    assert.deepEqual(texts(sub), ['1', '2']);
  });

  test('identifiers of the two directions are apart: the same number may be in use in both', () => {
    const { house, sub } = couple();
    const other = enter(house, 'other');
    other.publish('t', 'to sub', { qos: 2 });
    const { packetId } = sub.expect('publish');
    sub.publish('u', 'of sub', { qos: 2, packetId });
    const [answer, own] = sub.all();
    assert.deepEqual([answer?.type, own?.type].sort(), ['publish', 'pubrec']);
    sub.ack('pubrec', packetId);
    assert.equal(sub.expect('pubrel').packetId, packetId);
    sub.ack('pubrel', packetId);
    assert.equal(sub.expect('pubcomp').packetId, packetId);
    sub.ack('pubcomp', packetId);
    assert.equal(sub.isClosed, false);
  });

  test('all QoS of publisher and subscriber, 3.1.1 and 5.0, in every pair', () => {
    for (const subVersion of [4, 5] as const) {
      for (const pubVersion of [4, 5] as const) {
        for (const granted of [0, 1, 2] as const) {
          for (const qos of [0, 1, 2] as const) {
            const house = createHarness();
            const sub = house.client('sub', { version: subVersion });
            sub.subscribe('t', { qos: granted });
            house.client('pub', { version: pubVersion }).publish('t', 'x', { qos });
            const seen = sub.expect('publish');
            assert.deepEqual([seen.text, seen.qos], ['x', Math.min(qos, granted)]);
          }
        }
      }
    }
  });
});

/** The same as `couple`, on a journal whose commits the test makes. Everything so far is committed. */
async function slowCouple(journal: SlowJournal): Promise<Couple> {
  const house = createHarness({ journal });
  const sub = house.peer();
  const pub = house.peer();
  const properties = { sessionExpiryInterval: 60 };
  sub.sendConnect({ version: 5, clientId: 'sub', properties });
  pub.sendConnect({ version: 5, clientId: 'pub', properties });
  journal.commit();
  await house.settleLater();
  sub.expect('connack');
  pub.expect('connack');
  sub.sendSubscribe(['t', 'u'], { qos: 2 });
  journal.commit();
  sub.expect('suback');
  return { house, sub, pub };
}
