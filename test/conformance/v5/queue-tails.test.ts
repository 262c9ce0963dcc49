/** Queues whose tail only the journal holds: `queueHeadMax` is small here. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Journal } from '../../../src/core/ports.ts';
import { createMemoryJournal } from '../../../src/modules/persistence/memory-journal.ts';
import { createHarness, type Harness, type Peer, type SeenPublish } from '../../fixtures/broker-harness.ts';
import { SlowJournal } from '../../fixtures/slow-journal.ts';
import { comeBack, EXPIRY_SECONDS, enter, enterDurable, hasSession, numbers } from './clients.ts';

const JOURNALS: readonly { readonly name: string; readonly create: () => Journal }[] = [
  { name: 'memory', create: createMemoryJournal },
  { name: 'a store', create: () => new SlowJournal({ isAtOnce: true }) },
];

interface Scene {
  readonly house: Harness;
  readonly pub: Peer;
}

/** A subscriber of `t` with QoS 2 that is away; 3 rows of its queue stay in memory. */
function away(journal: Journal, settings = {}): Scene {
  const house = createHarness({ journal, settings: { queueHeadMax: 3, maxQueuedMessages: 0, ...settings } });
  const sub = enterDurable(house, 'sub');
  sub.subscribe('t', { qos: 2 });
  sub.cut();
  return { house, pub: enter(house, 'pub') };
}

function publish({ pub }: Scene, texts: readonly string[], qos: 1 | 2 = 1): void {
  for (const text of texts) {
    pub.publish('t', text, { qos, packetId: 1 });
    if (qos === 2) pub.ack('pubrel', 1);
    pub.all();
  }
}

/** Takes and acknowledges whatever comes, also what is read later. @returns it, in order. */
async function takeLater(house: Harness, peer: Peer): Promise<readonly SeenPublish[]> {
  const taken: SeenPublish[] = [];
  for (let idle = 0; idle < 3; idle += 1) {
    await house.settleLater();
    for (const packet of peer.all()) {
      idle = 0;
      if (packet.type === 'pubrel') peer.ack('pubcomp', packet.packetId);
      else {
        assert.ok(packet.type === 'publish', `unexpected ${packet.type}`);
        taken.push(packet);
        if (packet.qos > 0) peer.ack(packet.qos === 1 ? 'puback' : 'pubrec', packet.packetId);
      }
    }
  }
  return taken;
}

function textsOf(seen: readonly SeenPublish[]): readonly string[] {
  return seen.map(({ text }) => text);
}

describe('the tail of a queue', () => {
  for (const { name, create } of JOURNALS) {
    for (const qos of [1, 2] as const) {
      for (const receiveMaximum of [1, 2, 50]) {
        test(`a long queue is handed out whole and in order: ${name}, QoS ${qos}, window ${receiveMaximum}`, async () => {
          const all = away(create());
          publish(all, numbers(40), qos);
          const back = comeBack(all.house, 'sub', { properties: { receiveMaximum } });
          assert.deepEqual(textsOf(await takeLater(all.house, back)), numbers(40));
          back.cut();
          const again = comeBack(all.house, 'sub');
          assert.deepEqual(await takeLater(all.house, again), []);
        });
      }
    }

    test(`live messages join behind the tail: ${name}`, async () => {
      const all = away(create());
      publish(all, numbers(10));
      const back = comeBack(all.house, 'sub', { properties: { receiveMaximum: 2 } });
      publish(all, ['10', '11']);
      const [first, second] = back.publishes();
      back.ack('puback', first?.packetId ?? 0);
      publish(all, ['12']);
      back.ack('puback', second?.packetId ?? 0);
      await all.house.settleLater();
      publish(all, ['13', '14']);
      assert.deepEqual(['0', '1', ...textsOf(await takeLater(all.house, back))], numbers(15));
    });

    test(`a client that leaves in the middle of its tail finds the rest, in order, several times: ${name}`, async () => {
      const all = away(create());
      publish(all, numbers(30));
      const taken: string[] = [];
      for (let round = 0; round < 12 && taken.length < 30; round += 1) {
        const back = comeBack(all.house, 'sub', { properties: { receiveMaximum: 4 } });
        for (let step = 0; step < 1 + (round % 3); step += 1) {
          await all.house.settleLater();
          for (const { text, packetId } of back.publishes().slice(0, 3)) {
            taken.push(text);
            back.ack('puback', packetId);
          }
        }
        back.cut();
      }
      const last = comeBack(all.house, 'sub');
      taken.push(...textsOf(await takeLater(all.house, last)));
      // A message beyond the first three of a batch was seen without an acknowledgement and comes again.
      assert.deepEqual(
        [...new Set(taken)].toSorted((a, b) => Number(a) - Number(b)),
        numbers(30),
      );
    });

    test(`messages of the tail expire like others: ${name}`, async () => {
      const all = away(create());
      for (const text of numbers(20)) {
        const messageExpiryInterval = Number(text) % 2 === 0 ? 5 : 50;
        all.pub.publish('t', text, { qos: 1, properties: { messageExpiryInterval } });
      }
      all.house.advance(10_000);
      const seen = await takeLater(all.house, comeBack(all.house, 'sub'));
      assert.deepEqual(
        textsOf(seen),
        numbers(20).filter((text) => Number(text) % 2 === 1),
      );
      assert.ok(seen.every(({ properties }) => properties.messageExpiryInterval === 40));
      assert.equal(all.house.broker.counters.messagesExpired, 10);
    });

    test(`the limit counts what the journal holds: the newest is dropped: ${name}`, async () => {
      const all = away(create(), { maxQueuedMessages: 12 });
      publish(all, numbers(20));
      assert.equal(all.house.broker.counters.publishesDropped, 8);
      const back = comeBack(all.house, 'sub', { properties: { receiveMaximum: 1 } });
      const first = back.expect('publish');
      publish(all, ['in its place', 'too many']);
      back.ack('puback', first.packetId);
      assert.deepEqual(textsOf(await takeLater(all.house, back)), [...numbers(12).slice(1), 'in its place']);
    });

    test(`the limit in bytes counts it too: ${name}`, async () => {
      const all = away(create(), { maxQueuedBytes: 1_000 });
      publish(all, Array(20).fill('x'.repeat(100)));
      const back = comeBack(all.house, 'sub');
      assert.equal((await takeLater(all.house, back)).length, 10);
      back.cut();
      publish(all, Array(20).fill('y'.repeat(100)));
      assert.equal((await takeLater(all.house, comeBack(all.house, 'sub'))).length, 10, 'bytes given back');
    });

    test(`a session that ends while its tail is read: nothing comes, nothing breaks: ${name}`, async () => {
      const all = away(create());
      publish(all, numbers(20));
      const back = comeBack(all.house, 'sub', { properties: { receiveMaximum: 3 } });
      for (const { packetId } of back.publishes()) back.ack('puback', packetId);
      back.disconnect(0, { sessionExpiryInterval: 0 });
      await all.house.settleLater();
      assert.equal(hasSession(all.house, 'sub'), false);
      const fresh = enterDurable(all.house, 'sub');
      fresh.subscribe('t', { qos: 1 });
      publish(all, ['new']);
      assert.deepEqual(textsOf(await takeLater(all.house, fresh)), ['new']);
      assert.equal(all.house.broker.counters.internalErrors, 0);
    });

    test(`a session that expires takes its tail with it: ${name}`, async () => {
      const all = away(create());
      publish(all, numbers(20));
      all.house.advance(EXPIRY_SECONDS * 1_000);
      const fresh = enterDurable(all.house, 'sub');
      fresh.subscribe('t', { qos: 1 });
      assert.deepEqual(await takeLater(all.house, fresh), []);
    });

    test(`queues of several clients are apart: ${name}`, async () => {
      const house = createHarness({ journal: create(), settings: { queueHeadMax: 2, maxQueuedMessages: 0 } });
      const pub = enter(house, 'pub');
      for (const id of numbers(5)) {
        const sub = enterDurable(house, id);
        sub.subscribe([`own/${id}`, 'all'], { qos: 1 });
        sub.cut();
      }
      for (const text of numbers(20))
        pub.publish(Number(text) % 2 === 0 ? 'all' : `own/${Number(text) % 5}`, text, { qos: 1 });
      for (const id of numbers(5)) {
        const seen = textsOf(await takeLater(house, comeBack(house, id)));
        const expected = numbers(20).filter((text) => Number(text) % 2 === 0 || Number(text) % 5 === Number(id));
        assert.deepEqual(seen, expected);
      }
    });
  }

  test('reads ask for what is next, never for more than the head holds, one at a time', async () => {
    const journal = new SlowJournal({ isAtOnce: true });
    const all = away(journal);
    publish(all, numbers(11));
    const back = comeBack(all.house, 'sub', { properties: { receiveMaximum: 2 } });
    await takeLater(all.house, back);
    assert.deepEqual(
      journal.reads.map(({ after, limit }) => [after, limit]),
      [
        [3, 3],
        [6, 3],
        [9, 3],
      ],
    );
  });

  test('while a read is under way everything else is served, and new messages wait behind it', async () => {
    const journal = new SlowJournal({ isAtOnce: true });
    const all = away(journal);
    publish(all, numbers(6));
    journal.holdReads();
    const back = comeBack(all.house, 'sub', { properties: { receiveMaximum: 3 } });
    for (const { packetId } of back.publishes()) back.ack('puback', packetId);
    publish(all, ['6', '7']);
    await all.house.settleLater();
    back.expectNothing();
    back.ping();
    back.expect('pingresp');
    assert.equal(journal.reads.length, 1);
    journal.releaseReads();
    assert.deepEqual(textsOf(await takeLater(all.house, back)), ['3', '4', '5', '6', '7']);
  });

  test('a client that leaves while a read is under way finds everything later', async () => {
    const journal = new SlowJournal({ isAtOnce: true });
    const all = away(journal);
    publish(all, numbers(9));
    journal.holdReads();
    const back = comeBack(all.house, 'sub', { properties: { receiveMaximum: 3 } });
    for (const { packetId } of back.publishes()) back.ack('puback', packetId);
    back.cut();
    publish(all, ['9']);
    const again = comeBack(all.house, 'sub');
    journal.releaseReads();
    assert.deepEqual(textsOf(await takeLater(all.house, again)), numbers(10).slice(3));
  });

  test('a read that fails is logged and tried again, without the client having to do anything', async () => {
    const journal = new SlowJournal({ isAtOnce: true });
    const all = away(journal);
    publish(all, numbers(6));
    journal.failNextRead(new Error('disk I/O error'));
    const back = comeBack(all.house, 'sub', { properties: { receiveMaximum: 3 } });
    for (const { packetId } of back.publishes()) back.ack('puback', packetId);
    await all.house.settleLater();
    assert.ok(
      all.house.log.texts('error').some((line) => line.includes('queue of sub') && line.includes('disk I/O error')),
    );
    back.expectNothing();
    all.house.advance(60_000);
    assert.deepEqual(textsOf(await takeLater(all.house, back)), ['3', '4', '5']);
  });

  test('the store knows at the end that every row is finished', async () => {
    const journal = new SlowJournal({ isAtOnce: true });
    const all = away(journal);
    publish(all, numbers(10), 2);
    publish(all, numbers(10), 1);
    await takeLater(all.house, comeBack(all.house, 'sub', { properties: { receiveMaximum: 4 } }));
    assert.equal(journal.image().clients.get('sub')?.rows.size, 0);
  });
});
