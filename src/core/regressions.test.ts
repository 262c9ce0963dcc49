/** Faults that stood in the core once, each as the test that failed: the journal, claims, sessions. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  type ConnectOptions,
  connectBytes,
  createHarness,
  fromHex,
  type Harness,
  type HarnessOptions,
  type Peer,
} from '../../test/fixtures/broker-harness.ts';
import { gatekeeperWith } from '../../test/fixtures/fake-gatekeeper.ts';
import { usedBytes } from '../../test/fixtures/memory.ts';
import { SlowJournal } from '../../test/fixtures/slow-journal.ts';
import { Reason } from '../protocol/reasons.ts';

const KEPT = { version: 5, properties: { sessionExpiryInterval: 60 } } as const;

interface Scene {
  readonly house: Harness;
  readonly journal: SlowJournal;
}

function scene(options: Omit<HarnessOptions, 'journal'> = {}): Scene {
  const journal = new SlowJournal();
  return { house: createHarness({ ...options, journal }), journal };
}

/** A connected client; everything so far is committed. */
async function come(
  { house, journal }: Scene,
  clientId: string,
  options: Omit<ConnectOptions, 'clientId'> = { cleanStart: false },
): Promise<Peer> {
  const peer = house.peer();
  peer.sendConnect({ ...options, clientId });
  journal.commit();
  await house.settleLater();
  assert.equal(peer.expect('connack').reason, 0);
  return peer;
}

/** The same, subscribed to `filter`. */
async function subscriber(all: Scene, clientId: string, filter: string, qos: 0 | 1 | 2): Promise<Peer> {
  const peer = await come(all, clientId);
  peer.sendSubscribe(filter, { qos });
  all.journal.commit();
  peer.expect('suback');
  return peer;
}

/** The payloads of what was received; each is acknowledged with PUBACK, and what follows is taken as well. */
async function takeAll(house: Harness, peer: Peer): Promise<readonly string[]> {
  const texts: string[] = [];
  for (let round = 0; round < 20; round += 1) {
    await house.settleLater();
    for (const { qos, packetId, text } of peer.publishes()) {
      texts.push(text);
      if (qos === 1) peer.ack('puback', packetId);
    }
  }
  return texts;
}

const typesOf = (peer: Peer): readonly string[] => peer.all().map(({ type }) => type);

describe('the rows that only the journal holds', () => {
  for (const cleanStart of [false, true]) {
    test(`the queue of an ended session never reaches the next one of its client id, clean start ${cleanStart}`, async () => {
      const house = createHarness({ settings: { maxQueuedMessages: 0, queueHeadMax: 2 } });
      const pub = house.client('pub');
      const alice = house.client('x', { cleanStart: false, userName: 'alice' });
      alice.subscribe('secret/#', { qos: 1 });
      alice.cut();
      for (let i = 0; i < 8; i += 1) pub.publish('secret/a', `alice ${i}`, { qos: 1 });
      const bob = { version: 5, userName: 'bob', properties: { sessionExpiryInterval: 60 } } as const;
      const before = house.client('x', { ...bob, cleanStart });
      before.subscribe('open', { qos: 1 });
      before.cut();
      for (let i = 0; i < 3; i += 1) pub.publish('open', `bob ${i}`, { qos: 1 });
      const back = house.client('x', { ...bob, cleanStart: false });
      assert.deepEqual(await takeAll(house, back), ['bob 0', 'bob 1', 'bob 2']);
    });
  }

  test('QoS 0 never joins them', async () => {
    const journal = new SlowJournal({ isAtOnce: true });
    const house = createHarness({ journal, settings: { maxQueuedMessages: 0, queueHeadMax: 2, outboxHighBytes: 10 } });
    const pub = house.client('pub');
    const sub = house.client('sub', { cleanStart: false });
    sub.subscribe('zero', { qos: 0 });
    sub.subscribe('one', { qos: 1 });
    sub.link.block();
    for (let i = 0; i < 8; i += 1) pub.publish('zero', `zero ${i} and more`);
    for (let i = 0; i < 4; i += 1) pub.publish('one', `one ${i}`, { qos: 1 });
    for (let i = 0; i < 8; i += 1) pub.publish('zero', `zero again ${i}`);
    const rows = journal.records.flatMap((record) => (record.kind === 'queued' ? [record.row.delivery.qos] : []));
    assert.deepEqual(rows, [1, 1, 1, 1]);
    sub.link.fail();
    house.settle();
    const back = house.client('sub', { cleanStart: false });
    assert.deepEqual(await takeAll(house, back), ['one 0', 'one 1', 'one 2', 'one 3']);
  });
});

describe('what waits for the journal', () => {
  test('held QoS 2 messages beyond one turn of retained messages all leave', async () => {
    const all = scene({ settings: { maxInflightMessages: 0 } });
    const { house, journal } = all;
    const pub = house.client('pub');
    for (let i = 0; i < 1500; i += 1) pub.publish(`r/${i}`, 'x', { qos: 2, retain: true });
    const sub = await come(all, 'sub');
    // The journal makes progress between SUBSCRIBE and the end of its turn.
    sub.link.deliver(fromHex('82 08 0001 0003 722f23 02'));
    journal.commit();
    journal.commit();
    for (let round = 0; round < 4; round += 1) {
      await house.settleLater();
      journal.commit();
    }
    const ids = sub.all().flatMap((packet) => (packet.type === 'publish' ? [packet.packetId] : []));
    assert.equal(ids.length, 1500);
    assert.equal(new Set(ids).size, 1500);
  });

  test('a client that is not read because of held packets is read again though some are always held', async () => {
    const all = scene();
    const { house, journal } = all;
    const durable = await subscriber(all, 'durable', 'd', 1);
    durable.cut();
    const pub = await come(all, 'pub', {});
    const packets = Array.from({ length: 2100 }, (_, i) => pub.publishBytes('d', 'x', { qos: 1, packetId: i + 1 }));
    pub.send(Buffer.concat(packets));
    assert.equal(pub.link.isPaused, true);
    journal.commit(journal.waitingCount - 5);
    house.settle();
    assert.equal(pub.link.isPaused, false);
    pub.ping();
    const types = typesOf(pub);
    assert.equal(types.at(-1), 'pingresp');
    assert.ok(types.length < 2101, 'some are still held');
  });

  test('connections that go away while the journal fails leave nothing behind', async () => {
    const all = scene();
    const { house, journal } = all;
    await subscriber(all, 'durable', 'd', 1);
    journal.fail();
    const before = usedBytes();
    for (let count = 0; count < 40; count += 1) {
      const pub = house.client('pub');
      pub.publish('d', Buffer.alloc(1_000_000), { qos: 1 });
      pub.link.fail();
      house.settle();
    }
    await house.settleLater();
    assert.equal(house.broker.sizes().connections, 1);
    assert.ok(usedBytes() - before < 10_000_000, 'the messages of 40 MB are let go');
  });

  test('more than 8 waiting claims of one client id are refused with server busy', async () => {
    const { house, journal } = scene();
    journal.fail();
    const connect = (version: 4 | 5): Peer => {
      const peer = house.peer();
      peer.sendConnect({ ...KEPT, version, clientId: 'x', cleanStart: false });
      return peer;
    };
    const waiting = Array.from({ length: 8 }, () => connect(5));
    await house.settleLater();
    for (const peer of waiting) peer.expectNothing();
    const refused = connect(5);
    assert.equal(refused.expect('connack').reason, Reason.ServerBusy);
    assert.equal(refused.isClosed, true);
    // 3.1.1 says server unavailable.
    assert.equal(connect(4).expect('connack').reason, 3);
    assert.equal(house.client('other').isClosed, false);
    for (const peer of waiting) peer.cut();
    // They go one after the other.
    for (let round = 0; round < 4; round += 1) await house.settleLater();
    assert.equal(house.broker.sizes().connections, 1);
    const next = connect(5);
    journal.recover();
    await house.settleLater();
    journal.commit();
    await house.settleLater();
    assert.equal(next.expect('connack').reason, 0);
  });

  test('a claim that fails does not take the next one along', async () => {
    let willThrow = false;
    const mayPublish = (): boolean => {
      if (willThrow) throw new Error('gate');
      return true;
    };
    const { house, journal } = scene({ gatekeeper: gatekeeperWith({ mayPublish }) });
    const claims = [undefined, { topic: 'w' }, undefined, undefined].map((will) => {
      const peer = house.peer();
      peer.sendConnect({ ...KEPT, clientId: 'x', cleanStart: false, ...(will === undefined ? {} : { will }) });
      return peer;
    });
    willThrow = true;
    for (let round = 0; round < 4; round += 1) {
      journal.commit();
      await house.settleLater();
    }
    for (const peer of claims) assert.equal(peer.expect('connack').reason, 0);
    assert.deepEqual(
      claims.map((peer) => peer.isClosed),
      [true, true, true, false],
    );
  });

  test('an abandoned claim tells the journal that the session is offline', async () => {
    const { house, journal } = scene();
    const peer = house.peer();
    peer.sendConnect({ ...KEPT, clientId: 'c' });
    peer.cut();
    journal.commit();
    await house.settleLater();
    assert.deepEqual(journal.kinds(), ['session', 'session-offline']);
  });

  test('CONNACK of a clean start waits for the end of the old session', async () => {
    const all = scene();
    const { house, journal } = all;
    const old = await subscriber(all, 'c', 't', 1);
    old.cut();
    journal.commit();
    const peer = house.peer();
    peer.sendConnect({ clientId: 'c', cleanStart: true });
    await house.settleLater();
    peer.expectNothing();
    journal.commit();
    await house.settleLater();
    assert.equal(peer.expect('connack').reason, 0);
    assert.equal(journal.image().clients.has('c'), false);
  });

  test('a QoS 1 message sent again carries DUP though its first sending was never durable', async () => {
    const all = scene();
    const { house } = all;
    const sub = await subscriber(all, 'sub', 't', 1);
    const pub = house.client('pub');
    pub.publish('t', 'one', { qos: 1 });
    const first = sub.expect('publish');
    assert.equal(first.dup, false);
    sub.cut();
    const again = (await come(all, 'sub')).expect('publish');
    assert.deepEqual([again.packetId, again.dup], [first.packetId, true]);
  });

  test('QoS 0 of a 3.x client with late rights does not wait for a failing journal', async () => {
    const mayPublish = (): Promise<boolean> => Promise.resolve(true);
    const all = scene({ gatekeeper: gatekeeperWith({ mayPublish }) });
    const { house, journal } = all;
    const durable = await subscriber(all, 'durable', 't', 1);
    const pub = house.client('pub');
    journal.fail();
    pub.publish('t', 'zero');
    await house.settleLater();
    assert.equal(durable.expect('publish').text, 'zero');
    assert.equal(pub.link.isPaused, false);
  });
});

describe('the end of a session with many subscriptions', () => {
  const FILTERS = 4500;

  /** A session of client x, user alice, that lives on without a connection and has many subscriptions. */
  function manySubscriptions(house: Harness, last: string): void {
    const peer = house.client('x', { ...KEPT, cleanStart: false, userName: 'alice' });
    for (let start = 0; start < FILTERS; start += 900) {
      peer.sendSubscribe(Array.from({ length: 900 }, (_, i) => `a/${start + i}`));
    }
    peer.sendSubscribe(last, { qos: 1 });
    peer.cut();
  }

  /** Ends it, and nothing else: the turn does not. */
  function endSession(house: Harness): Peer {
    const peer = house.peer();
    peer.readAs(5);
    peer.link.deliver(connectBytes({ version: 5, clientId: 'x', userName: 'bob' }));
    return peer;
  }

  test('they are removed in parts, and nothing is delivered to it meanwhile', () => {
    const journal = new SlowJournal({ isAtOnce: true });
    const house = createHarness({ journal });
    manySubscriptions(house, 'last');
    const pub = house.client('pub', { version: 5 });
    endSession(house);
    const left = house.broker.sizes().subscriptions;
    assert.ok(left > 1 && left < FILTERS, `${left} should be left`);
    pub.link.deliver(pub.publishBytes('last', 'x', { qos: 1 }));
    house.settle();
    pub.expect('puback');
    assert.equal(journal.kinds().includes('queued'), false);
    assert.equal(house.broker.sizes().subscriptions, 0);
  });

  test('a shared group does not pick it meanwhile', () => {
    const house = createHarness();
    manySubscriptions(house, '$share/g/t');
    const member = { ...KEPT, cleanStart: false };
    const away = house.client('member', member);
    away.subscribe('$share/g/t', { qos: 1 });
    away.cut();
    const pub = house.client('pub');
    endSession(house);
    for (let i = 0; i < 4; i += 1) pub.link.deliver(pub.publishBytes('t', `${i}`, { qos: 1 }));
    assert.equal(house.client('member', member).publishes().length, 4);
  });

  test('what it was to be sent as a member of a shared group goes to one that is offline', () => {
    const house = createHarness();
    manySubscriptions(house, '$share/g/t');
    const pub = house.client('pub');
    for (let i = 0; i < 3; i += 1) pub.publish('t', `${i}`, { qos: 1 });
    const other = house.client('other', { ...KEPT, cleanStart: false });
    other.subscribe('$share/g/t', { qos: 1 });
    other.cut();
    endSession(house);
    house.settle();
    const back = house.client('other', { ...KEPT, cleanStart: false });
    assert.equal(back.publishes().length, 3);
  });
});
