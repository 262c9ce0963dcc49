import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ClientLab, connackHex } from '../../test/fixtures/client-pair.ts';
import { settle } from '../../test/fixtures/scripted-server.ts';
import { ClientSession } from './client-session.ts';
import type { PublishOutcome } from './client-types.ts';

/** What became of a promise so far. */
function watch(promise: Promise<PublishOutcome>): () => PublishOutcome | null {
  let known: PublishOutcome | null = null;
  void promise.then((outcome) => {
    known = outcome;
  });
  return () => known;
}

describe('publishing', () => {
  it('[MQTT3-4.3.1-1] QoS 0 is done when it left, without a packet id', async () => {
    const lab = await ClientLab.open(4);
    const { client, server } = await lab.connect();
    const outcome = await client.publish('a/b', 'hello', { retain: true });
    assert.equal(outcome.kind, 'done');
    const seen = await server.next('publish');
    assert.deepEqual(
      { ...seen },
      {
        type: 'publish',
        topic: 'a/b',
        payload: 'hello',
        payloadBytes: 5,
        qos: 0,
        retain: true,
        dup: false,
        packetId: 0,
        topicAlias: 0,
      },
    );
  });

  it('QoS 0 waits for the operating system', async () => {
    const lab = await ClientLab.open(4, { capacityBytes: 1000, delivery: 'pump' });
    const connecting = lab.begin();
    lab.transport.pump();
    const server = await lab.server.accept();
    await settle();
    lab.transport.pump();
    server.send(connackHex(4));
    lab.transport.pump();
    const client = await connecting;
    server.link.pause();
    const outcome = watch(client.publish('a', new Uint8Array(300_000)));
    await settle();
    lab.transport.pump();
    await settle();
    assert.equal(outcome(), null);
    assert.equal(client.isWritable, false);
    const writable = client.whenWritable();
    server.link.resume();
    lab.transport.pump();
    await writable;
    await settle();
    assert.equal(outcome()?.kind, 'done');
  });

  it('[MQTT3-4.3.2-1] QoS 1 is done at PUBACK', async () => {
    const lab = await ClientLab.open(4);
    const { client, server } = await lab.connect();
    const outcome = watch(client.publish('a', 'x', { qos: 1 }));
    const seen = await server.next('publish');
    assert.equal(seen.qos, 1);
    assert.equal(seen.dup, false);
    assert.equal(seen.packetId, 1);
    await settle();
    assert.equal(outcome(), null);
    server.send('40 02 00 01');
    await settle();
    assert.equal(outcome()?.kind, 'done');
    assert.equal(outcome()?.packetId, 1);
  });

  it('tells what PUBACK says, v5', async () => {
    const lab = await ClientLab.open(5);
    const { client, server } = await lab.connect();
    const outcome = client.publish('a', 'x', { qos: 1 });
    await server.next('publish');
    server.send('40 0b 00 01 87 07 1f 00 04 6e 6f 70 65');
    assert.equal((await outcome).reason, 0x87);
    assert.equal((await outcome).properties.reasonString, 'nope');
  });

  it('[MQTT5-4.3.3-4] [MQTT5-4.3.3-6] QoS 2 goes PUBREC, PUBREL, PUBCOMP', async () => {
    const lab = await ClientLab.open(5);
    const { client, server } = await lab.connect();
    const outcome = watch(client.publish('a', 'x', { qos: 2 }));
    assert.equal((await server.next('publish')).qos, 2);
    server.send('50 03 00 01 10');
    const pubrel = await server.next('pubrel');
    assert.equal(pubrel.packetId, 1);
    assert.equal(outcome(), null);
    server.send('70 02 00 01');
    await settle();
    assert.equal(outcome()?.kind, 'done');
    assert.equal(outcome()?.reason, 0x10);
    assert.equal(client.session.unsettledCount, 0);
  });

  it('[MQTT5-4.3.3-9] a PUBREC that refuses ends it, and its id is free again', async () => {
    const lab = await ClientLab.open(5);
    const { client, server } = await lab.connect();
    const outcome = client.publish('a', 'x', { qos: 2 });
    await server.next('publish');
    server.send('50 03 00 01 97');
    assert.equal((await outcome).reason, 0x97);
    await settle();
    assert.deepEqual(server.waitingTypes, []);
    assert.equal(client.session.packetIds.usedCount, 0);
  });

  it('[MQTT5-4.9.0-2] keeps to the Receive Maximum, in order', async () => {
    const lab = await ClientLab.open(5);
    const { client, server } = await lab.connect({}, '20 06 00 00 03 21 00 02');
    const outcomes = ['1', '2', '3', '4'].map((text) => watch(client.publish('a', text, { qos: 1 })));
    assert.equal((await server.next('publish')).payload, '1');
    assert.equal((await server.next('publish')).payload, '2');
    await settle();
    assert.deepEqual(server.waitingTypes, []);
    server.send('40 02 00 02');
    assert.equal((await server.next('publish')).payload, '3');
    server.send('40 02 00 01 40 02 00 03');
    assert.equal((await server.next('publish')).payload, '4');
    server.send('40 02 00 04');
    await settle();
    assert.deepEqual(
      outcomes.map((outcome) => outcome()?.kind),
      ['done', 'done', 'done', 'done'],
    );
  });

  it('[MQTT5-3.3.4-8] [MQTT5-4.9.0-3] a full window holds up no other packet', async () => {
    const lab = await ClientLab.open(5);
    const { client, server } = await lab.connect({ keepAliveSeconds: 10 }, '20 06 00 00 03 21 00 01');
    void client.publish('a', '1', { qos: 1 });
    void client.publish('a', '2', { qos: 1 });
    void client.publish('a', '0');
    void client.subscribe('b');
    assert.equal((await server.next('publish')).payload, '1');
    assert.equal((await server.next('publish')).payload, '0');
    await server.next('subscribe');
    lab.clock.advance(10_000);
    await server.next('pingreq');
  });

  it('keeps the window of a PUBREC-ed message until PUBCOMP', async () => {
    const lab = await ClientLab.open(5);
    const { client, server } = await lab.connect({}, '20 06 00 00 03 21 00 01');
    void client.publish('a', '1', { qos: 2 });
    void client.publish('a', '2', { qos: 2 });
    await server.next('publish');
    server.send('50 02 00 01');
    await server.next('pubrel');
    await settle();
    assert.deepEqual(server.waitingTypes, []);
    server.send('70 02 00 01');
    assert.equal((await server.next('publish')).payload, '2');
  });

  for (const version of [4, 5] as const) {
    it(`sends PUBRELs in the order of the PUBRECs, level ${version}: [MQTT3-4.6.0-4] [MQTT5-4.6.0-4]`, async () => {
      const lab = await ClientLab.open(version);
      const { client, server } = await lab.connect();
      for (const text of ['1', '2', '3']) void client.publish('a', text, { qos: 2 });
      for (let count = 0; count < 3; count++) await server.next('publish');
      server.send('50 02 00 02 50 02 00 03 50 02 00 01');
      const released = [await server.next('pubrel'), await server.next('pubrel'), await server.next('pubrel')];
      assert.deepEqual(
        released.map(({ packetId }) => packetId),
        [2, 3, 1],
      );
    });
  }

  it('refuses beyond the bound of the queue', async () => {
    const lab = await ClientLab.open(5);
    const session = new ClientSession({ queueMessagesMax: 2 });
    const { client } = await lab.connect({ session, inflightMax: 1 });
    const outcomes = ['1', '2', '3', '4'].map((text) => watch(client.publish('a', text, { qos: 1 })));
    await settle();
    assert.equal(client.isWritable, false);
    assert.deepEqual(
      outcomes.map((outcome) => outcome()?.kind),
      [undefined, undefined, undefined, 'refused'],
    );
    assert.equal(outcomes[3]?.()?.reason, 0x97);
  });

  it('refuses what is no topic name', async () => {
    const lab = await ClientLab.open(4);
    const { client } = await lab.connect();
    for (const topic of ['', 'a/#', '+', 'a\0b']) {
      const outcome = await client.publish(topic, 'x');
      assert.equal(outcome.kind, 'refused');
      assert.equal(outcome.reason, 0x90);
    }
  });

  it('refuses a QoS above Maximum QoS', async () => {
    const lab = await ClientLab.open(5);
    const { client } = await lab.connect({}, '20 05 00 00 02 24 00');
    assert.equal((await client.publish('a', 'x', { qos: 1 })).reason, 0x9b);
    assert.equal((await client.publish('a', 'x', { qos: 0 })).kind, 'done');
  });

  it('refuses RETAIN when there is none', async () => {
    const lab = await ClientLab.open(5);
    const { client } = await lab.connect({}, '20 05 00 00 02 25 00');
    assert.equal((await client.publish('a', 'x', { retain: true })).reason, 0x9a);
  });

  it('refuses a packet above Maximum Packet Size, exactly', async () => {
    const lab = await ClientLab.open(5);
    const { client, server } = await lab.connect({}, '20 08 00 00 05 27 00 00 00 14');
    // 2 + 2 + 1 + 1 + payload = 20
    assert.equal((await client.publish('a', '12345678901234')).kind, 'done');
    assert.equal((await client.publish('a', '123456789012345')).reason, 0x95);
    await assert.rejects(client.subscribe('a-long-topic-filter'), { kind: 'refused' });
    await server.next('publish');
    await settle();
    assert.deepEqual(server.waitingTypes, []);
  });

  it('refuses properties that have no place in a PUBLISH', async () => {
    const lab = await ClientLab.open(5);
    const { client } = await lab.connect();
    const outcome = await client.publish('a', 'x', { properties: { reasonString: 'x' } });
    assert.equal(outcome.kind, 'refused');
    assert.equal(client.isOpen, true);
  });

  it('refuses an alias that the server does not take', async () => {
    const lab = await ClientLab.open(5);
    const { client } = await lab.connect();
    assert.equal((await client.publish('a', 'x', { topicAlias: 1 })).reason, 0x94);
  });

  it('leaves the topic out once the server knows its alias', async () => {
    const lab = await ClientLab.open(5);
    const { client, server } = await lab.connect({}, '20 06 00 00 03 22 00 02');
    for (const topic of ['a', 'a', 'b', 'a']) void client.publish(topic, 'x', { topicAlias: 2 });
    const seen = [];
    for (let count = 0; count < 4; count++) seen.push((await server.next('publish')).topic);
    assert.deepEqual(seen, ['a', null, 'b', 'a']);
  });

  it('sends a large payload as it is', async () => {
    const lab = await ClientLab.open(5);
    const { client, server } = await lab.connect();
    const payload = new Uint8Array(1_000_000).fill(0x78);
    const outcome = client.publish('big', payload, { qos: 1 });
    const seen = await server.next('publish');
    assert.equal(seen.payloadBytes, 1_000_000);
    assert.equal(seen.payload, 'x'.repeat(1_000_000));
    server.send('40 02 00 01');
    assert.equal((await outcome).kind, 'done');
  });

  it('gathers many small messages into few sends', async () => {
    const lab = await ClientLab.open(4);
    const { client, server } = await lab.connect();
    const link = lab.pipe.client;
    const send = link.send.bind(link);
    let sends = 0;
    link.send = (bytes, start, end) => {
      sends++;
      send(bytes, start, end);
    };
    for (let count = 0; count < 1000; count++) void client.publish('a', String(count));
    for (let count = 0; count < 1000; count++) assert.equal((await server.next('publish')).payload, String(count));
    assert.equal(sends, 1);
  });

  it('is lost when the connection ends first', async () => {
    const lab = await ClientLab.open(4);
    const { client, server } = await lab.connect({ inflightMax: 1 });
    const first = client.publish('a', '1', { qos: 1 });
    const second = client.publish('a', '2', { qos: 1 });
    await server.next('publish');
    lab.pipe.cut();
    assert.equal((await first).kind, 'lost');
    assert.equal((await second).kind, 'refused');
    assert.equal((await client.publish('a', '3')).kind, 'refused');
  });
});

describe('a session that goes on', () => {
  it('[MQTT3-2.3.1-3] [MQTT3-4.4.0-1] [MQTT3-4.6.0-1] sends PUBREL and PUBLISH again, in order, with DUP and the same ids', async () => {
    const lab = await ClientLab.open(4);
    const session = new ClientSession();
    const first = await lab.connect({ session, cleanStart: false });
    const outcomes = ['1', '2', '3', '4'].map((text, index) =>
      first.client.publish('a', text, { qos: index === 0 ? 2 : 1 }),
    );
    for (let count = 0; count < 4; count++) await first.server.next('publish');
    first.server.send('50 02 00 01 40 02 00 03');
    await first.server.next('pubrel');
    lab.pipe.cut();
    await first.client.closed;
    assert.equal(session.unsettledCount, 3);

    const second = await lab.connect({ session, cleanStart: false }, connackHex(4, true));
    assert.equal((await second.server.next('pubrel')).packetId, 1);
    const again = [await second.server.next('publish'), await second.server.next('publish')];
    assert.deepEqual(
      again.map(({ packetId, dup, payload }) => ({ packetId, dup, payload })),
      [
        { packetId: 2, dup: true, payload: '2' },
        { packetId: 4, dup: true, payload: '4' },
      ],
    );
    second.server.send('70 02 00 01 40 02 00 02 40 02 00 04');
    for (const outcome of outcomes) assert.equal((await outcome).kind, 'done');
    assert.equal(session.packetIds.usedCount, 0);
  });

  it('[MQTT5-4.4.0-1] keeps to the new Receive Maximum while it repeats', async () => {
    const lab = await ClientLab.open(5);
    const session = new ClientSession();
    const first = await lab.connect({ session, cleanStart: false });
    for (const text of ['1', '2', '3']) void first.client.publish('a', text, { qos: 1 });
    for (let count = 0; count < 3; count++) await first.server.next('publish');
    lab.pipe.cut();
    await first.client.closed;
    const second = await lab.connect({ session, cleanStart: false }, '20 06 01 00 03 21 00 01');
    void second.client.publish('a', '4', { qos: 1 });
    for (const [index, text] of ['1', '2', '3', '4'].entries()) {
      assert.equal((await second.server.next('publish')).payload, text);
      await settle();
      assert.deepEqual(second.server.waitingTypes, []);
      second.server.send(Uint8Array.of(0x40, 2, 0, index + 1));
    }
  });

  it('[MQTT5-3.3.2-7] repeats with its topic, not with the alias of the old connection', async () => {
    const lab = await ClientLab.open(5);
    const session = new ClientSession();
    const aliased = '20 06 01 00 03 22 00 05';
    const first = await lab.connect({ session, cleanStart: false }, aliased);
    void first.client.publish('a', '1', { topicAlias: 1 });
    void first.client.publish('a', '2', { topicAlias: 1, qos: 1 });
    await first.server.next('publish');
    assert.equal((await first.server.next('publish')).topic, null);
    lab.pipe.cut();
    await first.client.closed;
    const second = await lab.connect({ session, cleanStart: false }, connackHex(5, true));
    const again = await second.server.next('publish');
    assert.equal(again.topic, 'a');
    assert.equal(again.topicAlias, 0);
  });

  it('sends what waited in the queue on the next connection', async () => {
    const lab = await ClientLab.open(5);
    const session = new ClientSession();
    const first = await lab.connect({ session, cleanStart: false, inflightMax: 1 });
    void first.client.publish('a', '1', { qos: 1 });
    const waiting = first.client.publish('a', '2', { qos: 1 });
    await first.server.next('publish');
    lab.pipe.cut();
    await first.client.closed;
    const second = await lab.connect({ session, cleanStart: false }, connackHex(5, true));
    assert.equal((await second.server.next('publish')).dup, true);
    assert.equal((await second.server.next('publish')).dup, false);
    second.server.send('40 02 00 02');
    assert.equal((await waiting).kind, 'done');
  });

  it('[MQTT5-3.2.2-5] forgets what is unanswered when the server did', async () => {
    const lab = await ClientLab.open(5);
    const session = new ClientSession();
    const first = await lab.connect({ session, cleanStart: false });
    const unanswered = first.client.publish('a', '1', { qos: 1 });
    const released = first.client.publish('a', '2', { qos: 2 });
    await first.server.next('publish');
    await first.server.next('publish');
    first.server.send('50 02 00 02');
    await first.server.next('pubrel');
    lab.pipe.cut();
    await first.client.closed;
    const second = await lab.connect({ session, cleanStart: false });
    assert.equal((await unanswered).kind, 'lost');
    assert.equal((await released).kind, 'done');
    await settle();
    assert.deepEqual(second.server.waitingTypes, []);
    assert.equal(session.packetIds.usedCount, 0);
  });

  it('publishes again as new what the server forgot, if asked to', async () => {
    const lab = await ClientLab.open(5);
    const session = new ClientSession({ whenForgotten: 'republish' });
    const first = await lab.connect({ session, inflightMax: 2 });
    const outcomes = ['1', '2', '3'].map((text) => first.client.publish('a', text, { qos: 1 }));
    await first.server.next('publish');
    await first.server.next('publish');
    lab.pipe.cut();
    await first.client.closed;
    const second = await lab.connect({ session });
    for (const text of ['1', '2', '3']) {
      const seen = await second.server.next('publish');
      assert.equal(seen.payload, text);
      assert.equal(seen.dup, false);
      second.server.send(Uint8Array.of(0x40, 2, seen.packetId >> 8, seen.packetId & 0xff));
    }
    for (const outcome of outcomes) assert.equal((await outcome).kind, 'done');
  });
});
