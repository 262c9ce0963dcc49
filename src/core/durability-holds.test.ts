/** While the store fails or is behind, nothing gathers in memory that needs room of its own: who brings it is not read. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type ConnectOptions, createHarness, type Harness, type Peer } from '../../test/fixtures/broker-harness.ts';
import { SlowJournal } from '../../test/fixtures/slow-journal.ts';
import { encodeUnsubscribe } from '../protocol/encode/packet.ts';
import { EMPTY_PROPERTIES } from '../protocol/packets.ts';
import { parseTopicFilter } from '../protocol/topic.ts';

interface Scene {
  readonly house: Harness;
  readonly journal: SlowJournal;
}

const LASTING = { version: 4, cleanStart: false } as const;
const LASTING_V5 = { version: 5, cleanStart: false, properties: { sessionExpiryInterval: 600 } } as const;

function scene(): Scene {
  const journal = new SlowJournal();
  return { house: createHarness({ journal }), journal };
}

async function commit({ house, journal }: Scene): Promise<void> {
  for (let round = 0; round < 3; round += 1) {
    journal.commit();
    await house.settleLater();
  }
}

async function come(all: Scene, clientId: string, options: ConnectOptions = {}): Promise<Peer> {
  const peer = all.house.peer();
  peer.sendConnect({ ...options, clientId });
  await commit(all);
  assert.equal(peer.expect('connack').reason, 0);
  return peer;
}

function sendUnsubscribe(peer: Peer, text: string): void {
  const filter = parseTopicFilter(text);
  assert.ok(filter !== null);
  const packetId = peer.nextPacketId();
  const properties = EMPTY_PROPERTIES;
  peer.send(encodeUnsubscribe({ type: 'unsubscribe', packetId, filters: [filter], properties }, peer.version));
}

const TROUBLES = [
  { words: 'fails', begin: (journal: SlowJournal) => journal.fail(), end: (journal: SlowJournal) => journal.recover() },
  {
    words: 'is behind',
    begin: (journal: SlowJournal) => journal.setBehind(true),
    end: (journal: SlowJournal) => journal.setBehind(false),
  },
];

for (const { words, begin, end } of TROUBLES) {
  describe(`while the store ${words}`, () => {
    for (const options of [LASTING, LASTING_V5]) {
      const kind = `a v${options.version} client with a lasting session`;

      test(`${kind} that subscribes and unsubscribes without end adds nothing, and goes on after it`, async () => {
        const all = scene();
        const { house, journal } = all;
        const peer = await come(all, 'c', { ...options, keepAlive: 10 });
        begin(journal);
        const before = journal.records.length;
        for (let count = 0; count < 50; count += 1) {
          peer.sendSubscribe(`new/${count}`, { qos: 1 });
          sendUnsubscribe(peer, `new/${count}`);
          await house.settleLater();
        }
        assert.equal(journal.records.length, before);
        assert.equal(peer.link.isPaused, true);
        peer.expectNothing();
        // Far beyond keep alive: the silence is ours.
        house.advance(100_000);
        assert.equal(peer.isClosed, false);
        end(journal);
        await commit(all);
        const types = peer.all().map(({ type }) => type);
        assert.deepEqual(types.slice(0, 4), ['suback', 'unsuback', 'suback', 'unsuback']);
        assert.equal(types.length, 100);
        assert.equal(peer.link.isPaused, false);
        assert.equal(house.broker.sizes().subscriptions, 0);
      });
    }

    test('UNSUBSCRIBE alone waits as well', async () => {
      const all = scene();
      const { house, journal } = all;
      const peer = await come(all, 'c', LASTING);
      peer.sendSubscribe('a', { qos: 1 });
      await commit(all);
      peer.expect('suback');
      begin(journal);
      sendUnsubscribe(peer, 'a');
      assert.equal(house.broker.sizes().subscriptions, 1);
      peer.expectNothing();
      end(journal);
      await commit(all);
      peer.expect('unsuback');
      assert.equal(house.broker.sizes().subscriptions, 0);
    });

    test('ever new client ids add nothing, with a session that lasts or with a will', async () => {
      const all = scene();
      const { house, journal } = all;
      begin(journal);
      for (let count = 0; count < 20; count += 1) {
        for (const options of [LASTING, LASTING_V5, { will: { topic: 'w' } }]) {
          const peer = house.peer();
          peer.sendConnect({ ...options, clientId: `c${count}-${options === LASTING ? 4 : 5}` });
          await house.settleLater();
          peer.expectNothing();
          peer.cut();
        }
      }
      await house.settleLater();
      assert.equal(journal.records.length, 0);
      assert.equal(house.broker.sizes().sessions, 0);
      assert.equal(house.broker.sizes().connections, 0);
    });

    test('CONNECT of a new lasting client is answered when that is over', async () => {
      const all = scene();
      const { house, journal } = all;
      begin(journal);
      const peer = house.peer();
      peer.sendConnect({ ...LASTING, clientId: 'c' });
      await house.settleLater();
      peer.expectNothing();
      end(journal);
      await commit(all);
      assert.equal(peer.expect('connack').reason, 0);
      assert.deepEqual(journal.kinds(), ['session']);
    });

    test('who returns to a session is taken for it at once, so that it cannot end meanwhile', async () => {
      const all = scene();
      const { house, journal } = all;
      const before = await come(all, 'c', { ...LASTING_V5, properties: { sessionExpiryInterval: 10 } });
      before.cut();
      await commit(all);
      begin(journal);
      const peer = house.peer();
      peer.sendConnect({ ...LASTING_V5, clientId: 'c' });
      await house.settleLater();
      house.advance(20_000);
      end(journal);
      await commit(all);
      assert.equal(peer.expect('connack').sessionPresent, true);
    });

    test('who needs no store is not held', async () => {
      const all = scene();
      const { house, journal } = all;
      begin(journal);
      const peer = house.client('plain');
      peer.subscribe('a', { qos: 1 });
      peer.unsubscribe('a');
      assert.equal(peer.link.isPaused, false);
      assert.equal(journal.records.length, 0);
    });
  });
}

test('one that goes away, or is taken over, while it is held leaves nothing behind', async () => {
  const all = scene();
  const { house, journal } = all;
  const gone = await come(all, 'gone', LASTING);
  const old = await come(all, 'taken', LASTING);
  journal.fail();
  gone.sendSubscribe('a', { qos: 1 });
  old.sendSubscribe('b', { qos: 1 });
  gone.link.fail();
  const next = house.peer();
  next.sendConnect({ ...LASTING, clientId: 'taken' });
  await house.settleLater();
  assert.equal(old.isClosed, true);
  journal.recover();
  await commit(all);
  assert.equal(next.expect('connack').sessionPresent, true);
  assert.equal(house.broker.sizes().subscriptions, 0);
});
