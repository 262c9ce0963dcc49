/** Messages of shared subscriptions that only the journal holds go to other members when their session ends. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createHarness, type Harness, type Peer } from '../../test/fixtures/broker-harness.ts';
import { CrashJournal } from '../../test/fixtures/crash-journal.ts';
import type { DiskEntry } from '../../test/fixtures/disk-image.ts';
import { SlowJournal } from '../../test/fixtures/slow-journal.ts';

type Qos = 1 | 2;

const SETTINGS = { queueHeadMax: 2, maxInflightMessages: 100 };
const LASTING = { cleanStart: false } as const;
const BRIEF = { version: 5, cleanStart: false, properties: { sessionExpiryInterval: 10 } } as const;
const MESSAGES = ['1', '2', '3', '4', '5', '6', '7'];
/** More than any way to the end has. */
const ROUNDS = 12;

class Plant {
  readonly house: Harness;
  /** Null: the journal of memory. */
  readonly journal: CrashJournal | null;

  constructor(journal: CrashJournal | null) {
    this.journal = journal;
    this.house = createHarness({ settings: SETTINGS, ...(journal === null ? {} : { journal }) });
    journal?.follow(this.house.turn);
  }

  static async from(disk: readonly DiskEntry[]): Promise<Plant> {
    const plant = new Plant(new CrashJournal({ disk }));
    const begin = await plant.house.broker.restore();
    begin();
    return plant;
  }

  async round(): Promise<void> {
    this.house.settle();
    this.journal?.commit();
    this.journal?.answerReads();
    await this.house.settleLater();
  }

  async settle(): Promise<void> {
    for (let round = 0; round < ROUNDS; round += 1) await this.round();
  }

  async enter(clientId: string, options: Parameters<Harness['client']>[1] = {}): Promise<Peer> {
    const peer = this.house.peer({}, options.version ?? 4);
    peer.sendConnect({ ...options, clientId });
    await this.settle();
    assert.equal(peer.expect('connack').reason, 0);
    return peer;
  }

  async member(clientId: string, qos: Qos, options: Parameters<Harness['client']>[1] = LASTING): Promise<Peer> {
    const peer = await this.enter(clientId, options);
    peer.sendSubscribe('$share/g/t', { qos });
    await this.settle();
    peer.expect('suback');
    return peer;
  }

  async publish(qos: Qos, texts: readonly string[] = MESSAGES): Promise<void> {
    const pub = await this.enter('pub');
    for (const text of texts) {
      pub.publish('t', text, { qos });
      await this.round();
    }
    assert.equal(pub.all().length, texts.length);
  }
}

/** Client `a` is away with all messages, most of them in the journal only; `b` is there. */
async function scene(isVolatile: boolean, qos: Qos = 1, options: Parameters<Harness['client']>[1] = LASTING) {
  const plant = new Plant(isVolatile ? null : new CrashJournal());
  const gone = await plant.member('a', qos, options);
  gone.link.fail();
  await plant.settle();
  await plant.publish(qos);
  const other = await plant.member('b', qos);
  return { plant, other };
}

function textsOf(peer: Peer): readonly string[] {
  return peer.all().flatMap((packet) => (packet.type === 'publish' ? [packet.text] : []));
}

for (const isVolatile of [false, true]) {
  describe(`the tail of a shared subscription, ${isVolatile ? 'in memory' : 'on disk'}`, () => {
    test('goes to another member at a clean start, in order', async () => {
      const { plant, other } = await scene(isVolatile);
      await plant.enter('a');
      assert.deepEqual(textsOf(other), MESSAGES);
      if (plant.journal === null) return;
      const next = await Plant.from(plant.journal.crash());
      assert.equal(next.house.broker.sizes().sessions, 1);
    });

    test('ends with the session when nobody takes it', async () => {
      const plant = new Plant(isVolatile ? null : new CrashJournal());
      for (const texts of [MESSAGES, ['new 1', 'new 2', 'new 3', 'new 4']]) {
        const gone = await plant.member('a', 1, { ...BRIEF, cleanStart: true });
        gone.link.fail();
        await plant.settle();
        await plant.publish(1, texts);
      }
      const back = await plant.enter('a', BRIEF);
      assert.deepEqual(textsOf(back), ['new 1', 'new 2', 'new 3', 'new 4']);
    });

    test('goes there when the session expires', async () => {
      const { plant, other } = await scene(isVolatile, 2, BRIEF);
      plant.house.advance(10_000);
      await plant.settle();
      assert.deepEqual(textsOf(other), MESSAGES);
    });

    test('and the next session of the client has nothing of it', async () => {
      const { plant, other } = await scene(isVolatile);
      const again = await plant.member('a', 1, { version: 5, ...LASTING, userName: 'another' });
      again.link.fail();
      other.link.fail();
      await plant.settle();
      textsOf(other);
      await plant.publish(1, ['new 1', 'new 2', 'new 3', 'new 4', 'new 5', 'new 6']);
      const sessions = plant.house.broker.sizes().sessions;
      const back = plant.house.peer({}, 5);
      back.sendConnect({ ...LASTING, version: 5, clientId: 'a', userName: 'another' });
      await plant.settle();
      if (!isVolatile) assert.equal(sessions, 2);
      assert.ok(textsOf(back).every((text) => text.startsWith('new')));
    });
  });
}

test('CONNACK of a clean start comes when the tail has moved, and the session that begins then stays', async () => {
  const { plant, other } = await scene(false);
  const again = plant.house.peer({}, 5);
  again.sendConnect({ ...BRIEF, cleanStart: true, clientId: 'a' });
  for (let round = 0; round < 2; round += 1) await plant.round();
  again.expectNothing();
  await plant.settle();
  const { reason, sessionPresent } = again.expect('connack');
  assert.deepEqual([reason, sessionPresent], [0, false]);
  assert.deepEqual(textsOf(other), MESSAGES);
  const next = await Plant.from(plant.journal?.crash() ?? []);
  const back = next.house.peer({}, 5);
  back.sendConnect({ ...BRIEF, clientId: 'a' });
  await next.settle();
  assert.equal(back.expect('connack').sessionPresent, true);
});

test('who hangs up meanwhile leaves no session', async () => {
  const { plant, other } = await scene(false);
  const again = plant.house.peer({}, 5);
  again.sendConnect({ ...BRIEF, cleanStart: true, clientId: 'a' });
  await plant.round();
  again.link.fail();
  await plant.settle();
  assert.deepEqual(textsOf(other), MESSAGES);
  assert.equal(plant.house.broker.sizes().sessions, 2);
});

for (const qos of [1, 2] as const) {
  test(`a crash in the middle: QoS ${qos} is not lost${qos === 2 ? ', and comes once' : ''}`, async () => {
    for (let rounds = 0; rounds < ROUNDS; rounds += 1) {
      const { plant, other } = await scene(false, qos);
      const again = plant.house.peer({}, 4);
      again.sendConnect({ clientId: 'a' });
      for (let count = 0; count < rounds; count += 1) await plant.round();
      const before = other.all().flatMap((packet) => (packet.type === 'publish' ? [packet] : []));
      const next = await Plant.from(plant.journal?.crash() ?? []);
      const back = await next.enter('b', LASTING);
      await next.enter('a');
      const after = back.all().flatMap((packet) => (packet.type === 'publish' ? [packet] : []));
      const ids = new Set(before.map(({ packetId }) => packetId));
      // What was in flight comes again under its packet id, which is how QoS 2 is recognised.
      const news = after.filter(({ packetId, dup }) => !dup || !ids.has(packetId));
      const all = [...before, ...news].map(({ text }) => text);
      if (qos === 2) assert.deepEqual(all.toSorted(), MESSAGES, `after ${rounds} rounds`);
      else assert.deepEqual([...new Set(all)].toSorted(), MESSAGES, `after ${rounds} rounds`);
    }
  });
}

describe('reads', () => {
  interface Slow {
    readonly house: Harness;
    readonly journal: SlowJournal;
  }

  async function come({ house, journal }: Slow, clientId: string, options = {}): Promise<Peer> {
    const peer = house.peer();
    peer.sendConnect({ ...options, clientId });
    for (let round = 0; round < ROUNDS; round += 1) {
      journal.commit();
      await house.settleLater();
    }
    assert.equal(peer.expect('connack').reason, 0);
    return peer;
  }

  /** Client `a` is away; its queue has a tail. */
  async function away(filter: string): Promise<Slow> {
    const journal = new SlowJournal();
    const all = { journal, house: createHarness({ journal, settings: SETTINGS }) };
    const gone = await come(all, 'a', LASTING);
    gone.sendSubscribe(filter, { qos: 1 });
    gone.link.fail();
    const pub = await come(all, 'pub');
    for (const text of MESSAGES) pub.publish('t', text, { qos: 1 });
    journal.commit();
    return all;
  }

  test('one that failed is tried again, and said once', async () => {
    const all = await away('$share/g/t');
    const other = await come(all, 'b', LASTING);
    other.sendSubscribe('$share/g/t', { qos: 1 });
    all.journal.commit();
    other.expect('suback');
    all.journal.failNextRead(new Error('the disk could not be read'));
    const again = all.house.peer();
    again.sendConnect({ clientId: 'a' });
    await all.house.settleLater();
    all.house.advance(1000);
    for (let round = 0; round < ROUNDS; round += 1) {
      await all.house.settleLater();
      all.journal.commit();
    }
    assert.deepEqual(textsOf(other), MESSAGES);
    assert.equal(all.house.log.texts('error').length, 1);
    assert.equal(again.expect('connack').reason, 0);
  });

  test('the next part is read when the one before is durable', async () => {
    const all = await away('$share/g/t');
    const other = await come(all, 'b', LASTING);
    other.sendSubscribe('$share/g/t', { qos: 1 });
    all.journal.commit();
    all.house.peer().sendConnect({ clientId: 'a' });
    for (let round = 0; round < ROUNDS; round += 1) await all.house.settleLater();
    assert.deepEqual(
      all.journal.reads.map(({ limit }) => limit),
      [2],
    );
  });

  test('none of what nobody else takes, beyond the first part', async () => {
    const all = await away('$share/g/t');
    await come(all, 'a');
    assert.equal(all.journal.reads.length, 1);
  });

  test('none of an ordinary subscription', async () => {
    const all = await away('t');
    await come(all, 'a');
    assert.equal(all.journal.reads.length, 0);
  });
});
