/** What comes back after a crash: a broker is built on what the one before has left on the disk. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createHarness, type Harness, type HarnessOptions, type Peer } from '../../test/fixtures/broker-harness.ts';
import { CrashJournal } from '../../test/fixtures/crash-journal.ts';

type Options = Omit<HarnessOptions, 'journal'>;

/** One process after the other, on one disk whose commits come at the end of each step. */
class Life {
  house: Harness;
  journal: CrashJournal;
  readonly #options: Options;
  #originMs = 0;

  constructor(options: Options = {}) {
    this.#options = options;
    this.journal = new CrashJournal();
    this.house = createHarness({ ...options, journal: this.journal });
    this.journal.follow(this.house.turn);
  }

  commit(): void {
    this.house.settle();
    this.journal.commit();
    this.house.settle();
  }

  /** A client that is in, with everything committed. */
  async enter(clientId: string, options: Parameters<Harness['client']>[1] = {}): Promise<Peer> {
    const peer = this.house.peer({}, options.version ?? 4);
    peer.sendConnect({ ...options, clientId });
    this.commit();
    await this.house.settleLater();
    assert.equal(peer.expect('connack').reason, 0);
    return peer;
  }

  subscribe(peer: Peer, filter: string, qos: 0 | 1 | 2): void {
    peer.sendSubscribe(filter, { qos });
    this.commit();
    peer.expect('suback');
  }

  publish(peer: Peer, topic: string, text: string, qos: 1 | 2, retain = false): void {
    peer.publish(topic, text, { qos, retain });
    this.commit();
    peer.expect(qos === 1 ? 'puback' : 'pubrec');
  }

  /** kill -9, and a new process `downMs` later. */
  async restart(downMs = 0, options: Options = this.#options): Promise<void> {
    const disk = this.journal.crash();
    this.#originMs += this.house.clock.monotonicMs() - 1000 + downMs;
    this.journal = new CrashJournal({ disk, originMs: this.#originMs });
    this.house = createHarness({ ...options, journal: this.journal });
    this.journal.follow(this.house.turn);
    const begin = await this.house.broker.restore();
    begin();
    this.commit();
  }
}

const LASTING = { cleanStart: false } as const;
const LASTING_V5 = { version: 5, cleanStart: false, properties: { sessionExpiryInterval: 60 } } as const;

describe('after a crash', () => {
  test('a session is there with its subscriptions, and what was queued comes in order', async () => {
    const life = new Life();
    const sub = await life.enter('sub', LASTING);
    life.subscribe(sub, 'a/#', 1);
    sub.link.fail();
    const pub = await life.enter('pub');
    for (const text of ['1', '2', '3']) life.publish(pub, 'a/b', text, 1);
    await life.restart();
    const again = life.house.peer();
    again.sendConnect({ ...LASTING, clientId: 'sub' });
    life.commit();
    await life.house.settleLater();
    assert.equal(again.expect('connack').sessionPresent, true);
    for (const text of ['1', '2', '3']) {
      const seen = again.expect('publish');
      assert.deepEqual([seen.text, seen.qos, seen.dup], [text, 1, false]);
    }
    life.publish(await life.enter('pub'), 'a/c', '4', 1);
    assert.equal(again.expect('publish').text, '4');
  });

  test('what was in flight comes again with its packet id and DUP, and a released one as PUBREL [MQTT5-4.4.0-1]', async () => {
    const life = new Life();
    const sub = await life.enter('sub', LASTING);
    life.subscribe(sub, 'a/#', 2);
    const pub = await life.enter('pub');
    life.publish(pub, 'a/1', 'one', 1);
    life.publish(pub, 'a/2', 'two', 2);
    life.publish(pub, 'a/3', 'three', 2);
    const [one, two, three] = [sub.expect('publish'), sub.expect('publish'), sub.expect('publish')];
    sub.send(Uint8Array.of(0x50, 2, 0, two.packetId));
    life.commit();
    sub.expect('pubrel');
    await life.restart();
    const again = await life.enter('sub', LASTING);
    const first = again.expect('publish');
    assert.deepEqual([first.text, first.packetId, first.dup], ['one', one.packetId, true]);
    assert.equal(again.expect('pubrel').packetId, two.packetId);
    const last = again.expect('publish');
    assert.deepEqual([last.text, last.packetId, last.dup], ['three', three.packetId, true]);
  });

  test('a QoS 2 message that was taken in is not taken in again [MQTT5-4.3.3-10]', async () => {
    const life = new Life();
    const sub = await life.enter('sub', LASTING);
    life.subscribe(sub, 'a', 2);
    sub.link.fail();
    const pub = await life.enter('pub', LASTING);
    pub.publish('a', 'once', { qos: 2, packetId: 7 });
    life.commit();
    pub.expect('pubrec');
    await life.restart();
    const back = await life.enter('pub', LASTING);
    back.publish('a', 'once', { qos: 2, packetId: 7, dup: true });
    life.commit();
    assert.equal(back.expect('pubrec').packetId, 7);
    const again = await life.enter('sub', LASTING);
    life.commit();
    assert.equal(again.expect('publish').text, 'once');
    again.expectNothing();
  });

  test('retained messages are there', async () => {
    const life = new Life();
    const pub = await life.enter('pub');
    life.publish(pub, 'r/1', 'old', 1, true);
    life.publish(pub, 'r/1', 'new', 1, true);
    life.publish(pub, 'r/2', 'gone', 1, true);
    life.publish(pub, 'r/2', '', 1, true);
    await life.restart();
    const sub = await life.enter('sub');
    sub.subscribe('r/#');
    const seen = sub.expect('publish');
    assert.deepEqual([seen.topic, seen.text, seen.retain], ['r/1', 'new', true]);
    sub.expectNothing();
  });

  test('a long queue comes back from its tail', async () => {
    const life = new Life({ settings: { queueHeadMax: 2, maxQueuedMessages: 0 } });
    const sub = await life.enter('sub', LASTING);
    life.subscribe(sub, 'a', 1);
    sub.link.fail();
    const pub = await life.enter('pub');
    const texts = Array.from({ length: 9 }, (_, index) => `${index}`);
    for (const text of texts) life.publish(pub, 'a', text, 1);
    await life.restart();
    assert.equal(life.house.broker.sizes().storedMessages, 9);
    const again = await life.enter('sub', LASTING);
    const seen: string[] = [];
    while (seen.length < texts.length) {
      for (const packet of again.all()) if (packet.type === 'publish') seen.push(packet.text);
      life.journal.answerReads();
      await life.house.settleLater();
    }
    assert.deepEqual(seen, texts);
  });
});

describe('sessions expire', () => {
  test('those of clients that were away from when they went, the time between two runs included', async () => {
    const life = new Life();
    const sub = await life.enter('sub', LASTING_V5);
    sub.link.fail();
    life.commit();
    await life.restart(59_000);
    assert.equal(life.house.broker.sizes().sessions, 1);
    life.house.advance(1000);
    assert.equal(life.house.broker.sizes().sessions, 0);
  });

  test('those of clients that were connected from the restart', async () => {
    const life = new Life();
    await life.enter('sub', LASTING_V5);
    await life.restart(1_000_000);
    life.house.advance(59_000);
    assert.equal(life.house.broker.sizes().sessions, 1);
    await life.restart();
    life.house.advance(1000);
    assert.equal(life.house.broker.sizes().sessions, 0, 'the second restart does not begin anew');
  });

  test('nothing ends before everything is there', async () => {
    const life = new Life();
    const sub = await life.enter('sub', LASTING_V5);
    life.subscribe(sub, 'a', 1);
    sub.link.fail();
    life.commit();
    await life.restart(10_000_000);
    life.house.advance(0);
    assert.equal(life.house.broker.sizes().sessions, 0);
    assert.equal(life.house.broker.counters.clientsExpired, 1);
  });
});

describe('wills after a crash', () => {
  const WILL = { topic: 'w', payload: 'gone', qos: 1 } as const;

  async function watched(life: Life): Promise<Peer> {
    const watcher = await life.enter('watcher');
    life.subscribe(watcher, 'w', 1);
    return watcher;
  }

  test('those of clients that were connected are due after the grace time, with a session or without', async () => {
    const life = new Life();
    await life.enter('plain', { will: WILL });
    await life.enter('lasting', { ...LASTING, will: WILL });
    await life.restart();
    const watcher = await watched(life);
    life.house.advance(29_999);
    watcher.expectNothing();
    life.house.advance(1);
    assert.equal(watcher.expect('publish').text, 'gone');
    assert.equal(watcher.expect('publish').text, 'gone');
    life.commit();
    await life.restart();
    const later = await watched(life);
    life.house.advance(100_000);
    later.expectNothing();
  });

  test('a client that returns has none, with a clean start neither', async () => {
    const life = new Life();
    await life.enter('one', { will: WILL });
    await life.enter('two', { ...LASTING, will: WILL });
    await life.restart();
    const watcher = await watched(life);
    await life.enter('one');
    await life.enter('two');
    life.house.advance(100_000);
    watcher.expectNothing();
    await life.restart();
    const later = await watched(life);
    life.house.advance(100_000);
    later.expectNothing();
  });

  test('another user under the same client id is no return', async () => {
    const life = new Life();
    await life.enter('one', { userName: 'ann', will: WILL });
    await life.restart();
    const watcher = await watched(life);
    await life.enter('one', { userName: 'bob' });
    assert.equal(watcher.expect('publish').text, 'gone');
  });

  test('a second crash gives the grace time again', async () => {
    const life = new Life();
    await life.enter('one', { ...LASTING, will: WILL });
    await life.restart();
    life.house.advance(20_000);
    await life.restart();
    const watcher = await watched(life);
    life.house.advance(20_000);
    watcher.expectNothing();
    life.house.advance(10_000);
    assert.equal(watcher.expect('publish').text, 'gone');
  });

  test('one that waited for its delay is due when that is over', async () => {
    const life = new Life();
    const one = await life.enter('one', { ...LASTING_V5, will: { ...WILL, delaySeconds: 20 } });
    one.link.fail();
    life.commit();
    life.house.advance(5000);
    await life.restart(5000);
    const watcher = await watched(life);
    life.house.advance(9999);
    watcher.expectNothing();
    life.house.advance(1);
    assert.equal(watcher.expect('publish').text, 'gone');
  });

  test('a stop in order leaves those that have a delay to the next start', async () => {
    const life = new Life();
    await life.enter('one', { ...LASTING_V5, will: { ...WILL, delaySeconds: 20 } });
    await life.enter('two', { ...LASTING_V5, will: { ...WILL, payload: 'at once' } });
    const before = await watched(life);
    const stopped = life.house.broker.stop();
    life.commit();
    await life.house.settleLater();
    await stopped;
    assert.deepEqual(
      before.all().map((packet) => (packet.type === 'publish' ? packet.text : packet.type)),
      ['at once'],
    );
    life.commit();
    await life.restart();
    const watcher = await watched(life);
    life.house.advance(20_000);
    assert.equal(watcher.expect('publish').text, 'gone');
    watcher.expectNothing();
  });
});

describe('a journal that cannot keep up', () => {
  async function scene() {
    const life = new Life();
    const sub = await life.enter('sub', LASTING);
    life.subscribe(sub, 'a', 1);
    const pub = await life.enter('pub', { version: 5 });
    const old = await life.enter('old');
    return { life, pub, old };
  }

  test('while it is behind publishers to durable receivers are not read, of any version', async () => {
    const { life, pub, old } = await scene();
    life.journal.setBehind(true);
    for (const peer of [pub, old]) {
      peer.publish('elsewhere', 'x', { qos: 1 });
      peer.expect('puback');
      peer.publish('a', 'x', { qos: 1 });
      life.commit();
      peer.expectNothing();
      assert.equal(peer.link.isPaused, true);
    }
    life.journal.setBehind(false);
    await life.house.settleLater();
    life.commit();
    for (const peer of [pub, old]) peer.expect('puback');
  });

  test('while it fails v5 is told 0x97 and 3.x waits, for what is to be retained as well', async () => {
    const { life, pub, old } = await scene();
    life.journal.setFailing(true);
    pub.publish('a', 'x', { qos: 1 });
    assert.equal(pub.expect('puback').reason, 0x97);
    pub.publish('elsewhere', 'x', { qos: 1, retain: true });
    assert.equal(pub.expect('puback').reason, 0x97);
    old.publish('elsewhere', 'x', { qos: 1, retain: true });
    old.expectNothing();
    assert.equal(old.link.isPaused, true);
    life.journal.setFailing(false);
    await life.house.settleLater();
    life.commit();
    old.expect('puback');
  });
});

describe('rows that the store has lost', () => {
  test('what joins the queue while it is looked for in vain comes all the same', async () => {
    const life = new Life({ settings: { queueHeadMax: 1, maxQueuedMessages: 0 } });
    const sub = await life.enter('sub', LASTING);
    life.subscribe(sub, 'a', 1);
    sub.link.fail();
    const pub = await life.enter('pub');
    for (const text of ['1', '2', '3']) life.publish(pub, 'a', text, 1);
    life.journal.loseTails();
    const again = await life.enter('sub', LASTING);
    assert.equal(again.expect('publish').text, '1');
    life.publish(pub, 'a', '4', 1);
    life.journal.answerReads();
    await life.house.settleLater();
    life.journal.answerReads();
    await life.house.settleLater();
    assert.equal(again.expect('publish').text, '4');
  });
});

describe('a will and the end of its session', () => {
  test('it is due at the end of the session at the latest', async () => {
    const life = new Life();
    const will = { topic: 'w', payload: 'gone', qos: 1, delaySeconds: 3600 } as const;
    await life.enter('one', { version: 5, properties: { sessionExpiryInterval: 40 }, will });
    await life.enter('two', { version: 5, will });
    await life.restart();
    const watcher = await life.enter('watcher');
    life.subscribe(watcher, 'w', 1);
    life.house.advance(30_000);
    watcher.expect('publish');
    watcher.expectNothing();
    life.house.advance(10_000);
    watcher.expect('publish');
  });
});
