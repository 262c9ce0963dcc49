/** Faults that stood in the core once, each as the test that failed: connections, what they are sent, and gatekeepers. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createHarness, fromHex, type Harness, type Peer } from '../../test/fixtures/broker-harness.ts';
import { gatekeeperWith } from '../../test/fixtures/fake-gatekeeper.ts';

/** A SUBSCRIBE for r/#, QoS 0, in 3.1.1. */
const SUBSCRIBE_RETAINED = fromHex('82 08 0001 0003 722f23 00');

const textsOf = (peer: Peer): readonly string[] =>
  peer.all().flatMap((packet) => (packet.type === 'publish' ? [packet.text] : []));

describe('a gatekeeper that throws', () => {
  test('when asked what may be received harms neither the publisher nor the next subscriber', () => {
    let willThrow = false;
    const mayReceive = ({ clientId }: { readonly clientId: string }): boolean => {
      if (willThrow && clientId === 'bad') throw new Error('gate');
      return true;
    };
    const house = createHarness({ gatekeeper: gatekeeperWith({ mayReceive }) });
    const bad = house.client('bad');
    bad.subscribe('t');
    const good = house.client('good');
    good.subscribe('t', { qos: 1 });
    const pub = house.client('pub');
    willThrow = true;
    pub.publish('t', 'x', { qos: 1 });
    pub.expect('puback');
    assert.deepEqual(textsOf(good), ['x']);
    bad.expectNothing();
    assert.equal(house.broker.counters.internalErrors, 1);
    assert.match(house.log.texts('error').join(), /gatekeeper failed.*gate/);
  });

  /** A client with a will; from now on asking for the rights to publish it throws. */
  function clientWithWill(keepAlive: number): { readonly house: Harness; readonly client: Peer } {
    let willThrow = false;
    const mayPublish = (): boolean => {
      if (willThrow) throw new Error('gate');
      return true;
    };
    const house = createHarness({ gatekeeper: gatekeeperWith({ mayPublish }) });
    const client = house.client('c', { will: { topic: 'w', payload: 'x' }, keepAlive });
    willThrow = true;
    return { house, client };
  }

  function assertCounted(house: Harness): void {
    assert.deepEqual(house.broker.sizes(), { ...house.broker.sizes(), connections: 0, sessions: 0 });
    assert.equal(house.broker.counters.internalErrors, 1);
    assert.match(house.log.texts('error').join(), /will of c was not published.*gate/);
  }

  test('for a will at the end of the keep alive is counted and logged, and the link is closed', () => {
    const { house, client } = clientWithWill(10);
    house.advance(16_000);
    assert.equal(client.isClosed, true);
    assertCounted(house);
  });

  test('for a will at the end of a link is counted and logged, and the connection is gone', () => {
    const { house, client } = clientWithWill(0);
    client.cut();
    assertCounted(house);
  });

  test('for a will does not keep stop() from ending', async () => {
    const { house } = clientWithWill(0);
    let isStopped = false;
    const stopped = house.broker.stop().then(() => {
      isStopped = true;
    });
    await house.settleLater();
    assert.equal(isStopped, true);
    await stopped;
    assertCounted(house);
  });
});

describe('rights that are answered late', () => {
  test('stop() publishes the wills that wait for them', async () => {
    const mayPublish = (): Promise<boolean> => Promise.resolve(true);
    const house = createHarness({ gatekeeper: gatekeeperWith({ mayPublish }) });
    const sub = house.client('sub');
    sub.subscribe('w', { qos: 1 });
    house.client('c', { will: { topic: 'w', payload: 'gone', qos: 1 } });
    let isStopped = false;
    const stopped = house.broker.stop().then(() => {
      isStopped = true;
    });
    await house.settleLater();
    assert.equal(isStopped, true);
    await stopped;
    assert.deepEqual(textsOf(sub), ['gone']);
  });

  test('stop() does not wait for ever for rights that never come', async () => {
    const mayPublish = (): Promise<boolean> => new Promise(() => undefined);
    const house = createHarness({ gatekeeper: gatekeeperWith({ mayPublish }) });
    house.client('c', { will: { topic: 'w', payload: 'gone' } });
    let isStopped = false;
    const stopped = house.broker.stop().then(() => {
      isStopped = true;
    });
    await house.settleLater();
    assert.equal(isStopped, false);
    house.advance(2000);
    await house.settleLater();
    assert.equal(isStopped, true);
    await stopped;
  });

  test('a client that publishes, disconnects and hangs up in one breath is heard to the end', async () => {
    const answers: ((isAllowed: boolean) => void)[] = [];
    const mayPublish = (): Promise<boolean> => new Promise((resolve) => answers.push(resolve));
    const house = createHarness({ gatekeeper: gatekeeperWith({ mayPublish }) });
    const sub = house.client('sub');
    sub.subscribe('#', { qos: 1 });
    const pub = house.client('pub', { will: { topic: 'will', payload: 'died' } });
    pub.link.deliver(Buffer.concat([pub.publishBytes('t', 'hello'), fromHex('e0 00')]));
    pub.cut();
    for (let round = 0; round < 3; round += 1) {
      for (const answer of answers.splice(0)) answer(true);
      await house.settleLater();
    }
    assert.deepEqual(textsOf(sub), ['hello']);
    assert.equal(house.broker.sizes().connections, 1);
  });
});

describe('what a connection is sent', () => {
  test('a socket that begins to stall late gets its full time', () => {
    const house = createHarness({ settings: { stalledWriteMs: 60_000 } });
    const sub = house.peer({ isSentLater: true });
    sub.connect({ clientId: 'sub' });
    sub.subscribe('t');
    const pub = house.client('pub');
    pub.publish('t', 'a');
    assert.deepEqual(textsOf(sub), ['a']);
    house.advance(59_998);
    sub.link.block();
    pub.publish('t', 'b');
    house.advance(59_999);
    assert.equal(sub.link.isDestroyed, false);
    house.advance(2);
    assert.equal(sub.link.isDestroyed, true);
  });

  for (const { retainedBytes, highBytes } of [
    { retainedBytes: 100, highBytes: 5000 },
    { retainedBytes: 60, highBytes: 500 },
  ]) {
    test(`relief inside a send does not put one PUBLISH into another, ${retainedBytes} bytes below ${highBytes}`, () => {
      const settings = { outboxHighBytes: highBytes, maxInflightMessages: 0, maxQueuedMessages: 0 };
      const house = createHarness({ settings });
      const pub = house.client('pub');
      for (let i = 0; i < 3000; i += 1) pub.publish(`r/${i}`, 'q'.repeat(retainedBytes), { retain: true });
      const sub = house.client('sub');
      sub.subscribe('live');
      // A turn's part of the retained messages waits for its flush when the live ones, sent by reference, come.
      sub.link.deliver(SUBSCRIBE_RETAINED);
      const live = Buffer.alloc(6000, 0x41);
      for (let i = 0; i < 3; i += 1) pub.link.deliver(pub.publishBytes('live', live));
      const texts = textsOf(sub);
      assert.equal(texts.filter((text) => text === live.toString()).length, 3);
      assert.equal(texts.filter((text) => text === 'q'.repeat(retainedBytes)).length, 3000);
      assert.equal(house.broker.counters.internalErrors, 0);
    });
  }

  test('unsubscribing retained messages that wait for room lets the next ones go', () => {
    const house = createHarness({ settings: { maxInflightMessages: 1 } });
    const pub = house.client('pub');
    for (const topic of ['a/1', 'a/2', 'b/1']) pub.publish(topic, topic, { retain: true, qos: 1 });
    const sub = house.client('sub');
    sub.subscribe('a/#', { qos: 1 });
    assert.equal(textsOf(sub).length, 1);
    sub.subscribe('b/#', { qos: 0 });
    sub.expectNothing();
    sub.unsubscribe('a/#');
    assert.deepEqual(textsOf(sub), ['b/1']);
  });

  test('subscribing anew without retained messages gives those on their way the new QoS and identifier', () => {
    const house = createHarness({ settings: { maxInflightMessages: 1 } });
    const pub = house.client('pub');
    for (let i = 0; i < 3; i += 1) pub.publish(`a/${i}`, `${i}`, { retain: true, qos: 1 });
    const sub = house.client('sub', { version: 5 });
    sub.subscribe('a/#', { qos: 1, identifier: 1 });
    const first = sub.expect('publish');
    assert.deepEqual([first.qos, first.properties.subscriptionIdentifiers], [1, [1]]);
    sub.expectNothing();
    sub.subscribe('a/#', { qos: 0, retainHandling: 2, identifier: 2 });
    sub.ack('puback', first.packetId);
    const rest = sub.publishes().map(({ qos, properties }) => [qos, properties.subscriptionIdentifiers]);
    assert.deepEqual(rest, [
      [0, [2]],
      [0, [2]],
    ]);
  });
});
