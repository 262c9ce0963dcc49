/** What must wait for the journal waits, in order, and nothing else does; a journal that fails, and recovers. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Reason } from '../../../src/protocol/reasons.ts';
import { type ConnectOptions, createHarness, type Harness, type Peer } from '../../fixtures/broker-harness.ts';
import { joined, rawAck, rawSubscribe, rawUnsubscribe } from '../../fixtures/raw-packets.ts';
import { SlowJournal } from '../../fixtures/slow-journal.ts';
import { numbers, takeAll, texts } from './clients.ts';

interface Scene {
  readonly house: Harness;
  readonly journal: SlowJournal;
}

function scene(settings = {}): Scene {
  const journal = new SlowJournal();
  return { house: createHarness({ journal, settings }), journal };
}

/** A connected client; everything so far is committed. */
async function come(
  { house, journal }: Scene,
  clientId: string,
  options: Omit<ConnectOptions, 'clientId'> = {},
): Promise<Peer> {
  const peer = house.peer();
  peer.sendConnect({ version: 5, clientId, ...options });
  journal.commit();
  await house.settleLater();
  assert.equal(peer.expect('connack').reason, 0);
  return peer;
}

async function comeDurable(
  all: Scene,
  clientId: string,
  options: Omit<ConnectOptions, 'clientId'> = {},
): Promise<Peer> {
  return come(all, clientId, { ...options, properties: { sessionExpiryInterval: 60, ...options.properties } });
}

/** A durable subscriber of `t` with QoS 2. */
async function subscriber(all: Scene, options: Omit<ConnectOptions, 'clientId'> = {}): Promise<Peer> {
  const sub = await comeDurable(all, 'sub', options);
  sub.sendSubscribe('t', { qos: 2 });
  all.journal.commit();
  sub.expect('suback');
  return sub;
}

describe('what waits for the journal', () => {
  test('CONNACK waits for a durable session', async () => {
    const { house, journal } = scene();
    const peer = house.peer();
    peer.sendConnect({ version: 5, clientId: 'a', properties: { sessionExpiryInterval: 60 } });
    await house.settleLater();
    peer.expectNothing();
    journal.commit();
    await house.settleLater();
    assert.equal(peer.expect('connack').reason, 0);
    assert.equal(journal.image().clients.get('a')?.expirySeconds, 60);
  });

  test('CONNACK waits for a will, whatever the session', async () => {
    const { house, journal } = scene();
    const peer = house.peer();
    peer.sendConnect({ version: 5, clientId: 'a', will: { topic: 'w', payload: 'gone' } });
    await house.settleLater();
    peer.expectNothing();
    journal.commit();
    await house.settleLater();
    peer.expect('connack');
    assert.equal(journal.image().clients.get('a')?.willText, 'gone');
  });

  test('CONNACK without a will and without a durable session waits for nothing, also while the journal fails', async () => {
    const { house, journal } = scene();
    journal.fail();
    const peer = house.peer();
    assert.equal(peer.connect({ version: 5, clientId: 'a' }).reason, 0);
    assert.equal(journal.records.length, 0);
    peer.disconnect();
    assert.equal(journal.records.length, 0, 'nothing of it is to be written');
  });

  test('a client that hangs up before its CONNACK leaves a session that another connection finds', async () => {
    const all = scene();
    const { house, journal } = all;
    const peer = house.peer();
    peer.sendConnect({ version: 5, clientId: 'a', properties: { sessionExpiryInterval: 60 } });
    peer.cut();
    journal.commit();
    await house.settleLater();
    assert.equal(house.broker.sizes().connections, 0);
    house.advance(60_000);
    assert.equal(house.broker.sizes().sessions, 0, 'and it expires');
  });

  test('claims of one identifier are made in order of arrival; only the last one stays', async () => {
    const { house, journal } = scene();
    const peers = numbers(4).map(() => house.peer());
    for (const peer of peers) {
      peer.sendConnect({ version: 5, clientId: 'a', cleanStart: false, properties: { sessionExpiryInterval: 60 } });
    }
    const order: string[] = [];
    for (let round = 0; round < 10; round += 1) {
      journal.commit();
      await house.settleLater();
      for (const [index, peer] of peers.entries()) {
        for (const packet of peer.all()) {
          if (packet.type === 'connack') order.push(`${index} in, ${packet.sessionPresent ? 'kept' : 'new'}`);
          else order.push(`${index} ${packet.type === 'disconnect' ? packet.reason.toString(16) : packet.type}`);
        }
      }
    }
    assert.deepEqual(order, ['0 in, new', '0 8e', '1 in, kept', '1 8e', '2 in, kept', '2 8e', '3 in, kept']);
    assert.equal(house.broker.sizes().connections, 1);
  });

  for (const [name, qos, answer] of [
    ['PUBACK', 1, 'puback'],
    ['PUBREC', 2, 'pubrec'],
  ] as const) {
    test(`[MQTT5-4.3.2-4] [MQTT5-4.3.3-8] ${name} waits where a durable session gets the message, and nowhere else`, async () => {
      const all = scene();
      await subscriber(all);
      const fleeting = await come(all, 'fleeting');
      fleeting.subscribe('u', { qos: 2 });
      const pub = await come(all, 'pub');
      pub.publish('u', 'x', { qos, packetId: 1 });
      assert.equal(pub.expect(answer).packetId, 1, 'for a session that ends with its connection');
      pub.publish('nobody', 'x', { qos, packetId: 2 });
      assert.equal(pub.expect(answer).packetId, 2);
      pub.publish('t', 'x', { qos, packetId: 3 });
      pub.expectNothing();
      all.journal.commit();
      assert.equal(pub.expect(answer).packetId, 3);
    });
  }

  test('PUBACK of a retained message waits, that of QoS 0 has none and is written all the same', async () => {
    const all = scene();
    const pub = await come(all, 'pub');
    pub.publish('t', 'kept', { qos: 1, packetId: 1, retain: true });
    pub.expectNothing();
    pub.publish('u', 'kept 0', { retain: true });
    all.journal.commit();
    assert.equal(pub.expect('puback').packetId, 1);
    assert.deepEqual(
      [...all.journal.image().retained],
      [
        ['t', 'kept'],
        ['u', 'kept 0'],
      ],
    );
    pub.publish('t', '', { qos: 1, packetId: 2, retain: true });
    pub.expectNothing();
    all.journal.commit();
    pub.expect('puback');
    assert.equal(all.journal.image().retained.has('t'), false);
  });

  test('PUBCOMP of a durable session waits until its identifier is free in the store', async () => {
    const all = scene();
    const pub = await comeDurable(all, 'pub');
    pub.publish('nobody', 'x', { qos: 2, packetId: 1 });
    pub.expectNothing();
    all.journal.commit();
    pub.expect('pubrec');
    pub.ack('pubrel', 1);
    pub.expectNothing();
    assert.deepEqual([...(all.journal.image().clients.get('pub')?.received ?? [])], [1]);
    all.journal.commit();
    pub.expect('pubcomp');
    assert.equal(all.journal.image().clients.get('pub')?.received.size, 0);
  });

  test('SUBACK and UNSUBACK of a durable session wait, those of others do not', async () => {
    const all = scene();
    const durable = await comeDurable(all, 'durable');
    const fleeting = await come(all, 'fleeting');
    for (const [client, isDurable] of [
      [durable, true],
      [fleeting, false],
    ] as const) {
      client.send(joined(rawSubscribe([['a', 1]], { isV5: true }), rawUnsubscribe(['a'], { isV5: true })));
      if (isDurable) {
        client.expectNothing();
        all.journal.commit();
      }
      client.expect('suback');
      client.expect('unsuback');
    }
  });

  test('an outgoing QoS 2 message waits for its identifier, QoS 0 and 1 do not', async () => {
    const all = scene();
    const sub = await subscriber(all);
    const pub = await come(all, 'pub');
    pub.publish('t', '2', { qos: 2 });
    pub.publish('t', '0');
    pub.publish('t', '1', { qos: 1 });
    assert.deepEqual(texts(sub), ['0', '1']);
    all.journal.commit();
    const two = sub.expect('publish');
    assert.deepEqual([two.text, two.dup], ['2', false]);
    const row = [...(all.journal.image().clients.get('sub')?.rows.values() ?? [])].find(({ text }) => text === '2');
    assert.deepEqual([row?.state, row?.packetId], ['sent', two.packetId]);
  });

  test('PUBREL waits until the store knows of the PUBREC', async () => {
    const all = scene();
    const sub = await subscriber(all);
    const pub = await come(all, 'pub');
    pub.publish('t', 'x', { qos: 2 });
    all.journal.commit();
    const { packetId } = sub.expect('publish');
    sub.ack('pubrec', packetId);
    sub.expectNothing();
    all.journal.commit();
    assert.equal(sub.expect('pubrel').packetId, packetId);
    sub.ack('pubcomp', packetId);
    all.journal.commit();
    assert.equal(all.journal.image().clients.get('sub')?.rows.size, 0);
  });

  test('[MQTT5-4.6.0-5] acknowledgements leave in packet order: one that need not wait does not overtake one that does', async () => {
    const all = scene();
    await subscriber(all);
    const pub = await comeDurable(all, 'pub');
    pub.publish('t', 'waits', { qos: 1, packetId: 1 });
    pub.publish('nobody', 'need not', { qos: 1, packetId: 2 });
    pub.publish('$SYS/x', 'refused', { qos: 2, packetId: 3 });
    pub.ack('pubrel', 99);
    pub.sendSubscribe('a', { packetId: 5 });
    pub.publish('nobody', 'need not', { qos: 1, packetId: 6 });
    pub.expectNothing();
    const seen: number[] = [];
    while (seen.length < 6) {
      all.journal.commit(1);
      for (const packet of pub.all()) seen.push('packetId' in packet ? packet.packetId : -1);
    }
    assert.deepEqual(seen, [1, 2, 3, 99, 5, 6]);
  });

  test('PINGRESP waits for nothing', async () => {
    const all = scene();
    await subscriber(all);
    const pub = await come(all, 'pub');
    pub.publish('t', 'waits', { qos: 1, packetId: 1 });
    pub.ping();
    pub.expect('pingresp');
    pub.expectNothing();
  });

  test('an answer for a connection that has gone is thrown away', async () => {
    const all = scene();
    await subscriber(all);
    const pub = await come(all, 'pub');
    pub.publish('t', 'x', { qos: 1, packetId: 1 });
    pub.cut();
    all.journal.commit();
    assert.equal(pub.link.takeSent().length, 0);
    assert.equal(all.house.broker.counters.internalErrors, 0);
  });

  test('[MQTT5-4.3.3-2] a QoS 2 message that waited until its client had gone was never sent: no DUP when it is', async () => {
    const all = scene();
    const sub = await subscriber(all);
    const pub = await come(all, 'pub');
    pub.publish('t', 'x', { qos: 2 });
    sub.expectNothing();
    sub.cut();
    all.journal.commit();
    const back = await comeDurable(all, 'sub', { cleanStart: false });
    const seen = back.expect('publish');
    assert.deepEqual([seen.text, seen.dup], ['x', false]);
    back.cut();
    assert.equal((await comeDurable(all, 'sub', { cleanStart: false })).expect('publish').dup, true);
  });

  test('at every moment the store holds each message that was acknowledged and is not finished', async () => {
    const all = scene({ maxInflightMessages: 100 });
    const sub = await subscriber(all, { properties: { receiveMaximum: 3 } });
    const pub = await come(all, 'pub');
    const acknowledged = new Set<string>();
    const finished = new Set<string>();
    for (const text of numbers(40)) {
      pub.publish('t', text, { qos: 1, packetId: Number(text) + 1 });
      if (Number(text) % 3 === 0) all.journal.commit(2);
      for (const packet of pub.all()) if (packet.type === 'puback') acknowledged.add(String(packet.packetId - 1));
      for (const { text: seen, packetId } of sub.publishes()) {
        finished.add(seen);
        sub.ack('puback', packetId);
      }
      const stored = [...(all.journal.image().clients.get('sub')?.rows.values() ?? [])].map((row) => row.text);
      for (const one of acknowledged)
        assert.ok(finished.has(one) || stored.includes(one), `message ${one} would be lost`);
    }
    all.journal.commit();
    assert.equal(pub.all().length + acknowledged.size, 40);
    takeAll(sub);
    all.journal.commit();
    assert.equal(
      all.journal.image().clients.get('sub')?.rows.size,
      0,
      'what is finished should be gone from the store',
    );
  });

  test('the store follows a session to its end: offline, expiry changed, removed', async () => {
    const all = scene();
    const client = await comeDurable(all, 'client', { will: { topic: 'w', payload: 'gone' } });
    client.sendSubscribe('a', { qos: 1 });
    all.journal.commit();
    client.expect('suback');
    client.disconnect(0, { sessionExpiryInterval: 30 });
    all.journal.commit();
    const stored = all.journal.image().clients.get('client');
    assert.deepEqual(
      [stored?.expirySeconds, stored?.isOffline, stored?.willText, [...(stored?.filters ?? [])]],
      [30, true, null, ['a']],
    );
    all.house.advance(30_000);
    all.journal.commit();
    assert.equal(all.journal.image().clients.size, 0);
  });

  test('messages of QoS 0 that waited for a slow reader are gone from the store when it leaves', async () => {
    const all = scene({ outboxHighBytes: 100 });
    const sub = await subscriber(all);
    sub.link.block();
    const pub = await come(all, 'pub');
    for (const text of numbers(20)) {
      pub.publish('t', text.repeat(60), { qos: 0 });
      all.house.settle();
    }
    sub.link.fail();
    all.house.settle();
    all.journal.commit();
    assert.equal(all.journal.image().clients.get('sub')?.rows.size, 0);
  });
});

describe('a journal that fails', () => {
  test('QoS 1 and 2 for durable receivers are refused with 0x97 and reach nobody; everything else goes on', async () => {
    const all = scene();
    const sub = await subscriber(all);
    const live = await come(all, 'live');
    live.subscribe(['t', 'u'], { qos: 2 });
    const pub = await come(all, 'pub');
    all.journal.fail();
    pub.publish('t', 'refused 1', { qos: 1 });
    assert.equal(pub.expect('puback').reason, Reason.QuotaExceeded);
    pub.publish('t', 'refused 2', { qos: 2, packetId: 9 });
    assert.equal(pub.expect('pubrec').reason, Reason.QuotaExceeded);
    pub.publish('t', 'zero');
    pub.publish('u', 'one', { qos: 1 });
    assert.equal(pub.expect('puback').reason, Reason.Success);
    pub.publish('u', 'two', { qos: 2, packetId: 9 });
    assert.equal(pub.expect('pubrec').reason, Reason.Success);
    assert.deepEqual(texts(live), ['zero', 'one', 'two']);
    assert.deepEqual(texts(sub), ['zero']);
    pub.ping();
    pub.expect('pingresp');
    assert.equal(pub.isClosed, false);
  });

  test('once it has recovered they are taken again, under the same identifiers', async () => {
    const all = scene();
    const sub = await subscriber(all);
    const pub = await come(all, 'pub');
    all.journal.fail();
    pub.publish('t', 'x', { qos: 2, packetId: 9 });
    assert.equal(pub.expect('pubrec').reason, Reason.QuotaExceeded);
    all.journal.recover();
    pub.publish('t', 'x', { qos: 2, packetId: 9 });
    all.journal.commit();
    assert.equal(pub.expect('pubrec').reason, Reason.Success);
    assert.deepEqual(texts(sub), ['x']);
  });

  test('what was already waiting is acknowledged once it has recovered', async () => {
    const all = scene();
    const sub = await subscriber(all);
    const pub = await come(all, 'pub');
    pub.publish('t', 'x', { qos: 1, packetId: 4 });
    all.journal.fail();
    pub.expectNothing();
    all.journal.recover();
    pub.expectNothing();
    all.journal.commit();
    assert.equal(pub.expect('puback').packetId, 4);
    assert.deepEqual(texts(sub), ['x']);
  });

  test('a 3.1.1 publisher is not read meanwhile and goes on afterwards, in order', async () => {
    const all = scene();
    const sub = await subscriber(all);
    const pub = await come(all, 'pub', { version: 4 });
    all.journal.fail();
    for (const packetId of [1, 2, 3]) pub.publish('t', String(packetId), { qos: 1, packetId });
    pub.ping();
    await all.house.settleLater();
    pub.expectNothing();
    assert.equal(pub.isClosed, false);
    all.journal.recover();
    await all.house.settleLater();
    all.journal.commit();
    assert.deepEqual(texts(sub), ['1', '2', '3']);
    assert.deepEqual(
      pub
        .all()
        .map((packet) => packet.type)
        .toSorted(),
      ['pingresp', 'puback', 'puback', 'puback'],
    );
  });

  test('a durable client that comes meanwhile is let in once it has recovered, or ended at the deadline', async () => {
    const all = scene({ connectDeadlineMs: 5_000 });
    const { house, journal } = all;
    journal.fail();
    const patient = house.peer();
    patient.sendConnect({ version: 5, clientId: 'patient', properties: { sessionExpiryInterval: 60 } });
    house.advance(4_000);
    const late = house.peer();
    late.sendConnect({ version: 5, clientId: 'late', properties: { sessionExpiryInterval: 60 } });
    house.advance(1_000);
    assert.equal(patient.isClosed, true);
    assert.equal(patient.link.takeSent().length, 0);
    journal.recover();
    // Only now is its session a record that can be committed.
    await house.settleLater();
    late.expectNothing();
    journal.commit();
    await house.settleLater();
    assert.equal(late.expect('connack').reason, 0);
  });

  test('acknowledgements of a client count their identifier as held until the journal has it: none is lost, none twice', async () => {
    const all = scene();
    const sub = await subscriber(all);
    const pub = await come(all, 'pub');
    pub.publish('t', 'x', { qos: 1 });
    sub.ack('puback', sub.expect('publish').packetId);
    all.journal.fail();
    sub.cut();
    all.journal.recover();
    const back = await comeDurable(all, 'sub', { cleanStart: false });
    back.expectNothing();
  });

  test('a flood of requests whose answers wait stops being read at a limit, and goes on afterwards', async () => {
    const all = scene();
    await subscriber(all);
    const pub = await come(all, 'pub', { version: 4 });
    const flood = joined(
      ...Array.from({ length: 1_000 }, (_, index) => pub.publishBytes('t', 'x', { qos: 1, packetId: index + 1 })),
    );
    for (let round = 0; round < 6; round += 1) pub.send(flood);
    assert.equal(pub.link.isPaused, true);
    const taken = all.house.broker.counters.publishesReceived;
    assert.ok(taken < 4_000, `${taken} were taken`);
    for (let round = 0; round < 10; round += 1) {
      all.journal.commit();
      all.house.settle();
    }
    assert.equal(pub.all().length, 6_000);
    assert.equal(pub.link.isPaused, false);
  });

  test('PUBREC before the journal knows of the message is answered in its time', async () => {
    const all = scene();
    const sub = await subscriber(all);
    const pub = await come(all, 'pub');
    pub.publish('t', 'x', { qos: 2 });
    all.journal.commit();
    const { packetId } = sub.expect('publish');
    sub.send(joined(rawAck(0x50, packetId), rawAck(0x50, packetId)));
    all.journal.commit();
    assert.deepEqual(
      sub.all().map(({ type }) => type),
      ['pubrel', 'pubrel'],
    );
    sub.ack('pubcomp', packetId);
    sub.expectNothing();
  });
});
