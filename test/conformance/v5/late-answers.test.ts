/** A Gatekeeper that answers late, while the client sends on, hangs up, or is taken over. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { AuthenticateAnswer, ConnectRequest } from '../../../src/core/ports.ts';
import { Reason } from '../../../src/protocol/reasons.ts';
import { createHarness, fromHex, type Harness, type Peer } from '../../fixtures/broker-harness.ts';
import { gatekeeperWith } from '../../fixtures/fake-gatekeeper.ts';
import { joined, rawPublish, rawSubscribe, rawUnsubscribe } from '../../fixtures/raw-packets.ts';
import { assertEmpty, comeBack, enter, enterDurable, numbers, texts } from './clients.ts';

const NONE = Uint8Array.of(0);
const ALLOWED: AuthenticateAnswer = { kind: 'allowed' };

type Pending<Answer> = ReturnType<typeof Promise.withResolvers<Answer>>;

/** A house whose gatekeeper lets everybody wait until the test says so, by client id. */
function waitingAtTheDoor(): { readonly house: Harness; readonly waiting: Map<string, Pending<AuthenticateAnswer>> } {
  const waiting = new Map<string, Pending<AuthenticateAnswer>>();
  const authenticate = ({ clientId, remoteAddress }: ConnectRequest): Promise<AuthenticateAnswer> => {
    const pending = Promise.withResolvers<AuthenticateAnswer>();
    waiting.set(remoteAddress === '127.0.0.1' ? clientId : remoteAddress, pending);
    return pending.promise;
  };
  return { house: createHarness({ gatekeeper: gatekeeperWith({ authenticate }) }), waiting };
}

/** A house in which the right to publish to `slow/...` and to subscribe to it is answered when the test says so. */
function waitingForRights(): { readonly house: Harness; readonly asked: (readonly [string, Pending<boolean>])[] } {
  const asked: (readonly [string, Pending<boolean>])[] = [];
  const ask = (name: string): boolean | Promise<boolean> => {
    if (!name.startsWith('slow')) return true;
    const pending = Promise.withResolvers<boolean>();
    asked.push([name, pending]);
    return pending.promise;
  };
  const gatekeeper = gatekeeperWith({
    mayPublish: (_identity, topic) => ask(topic.text),
    maySubscribe: (_identity, filter) => ask(filter.filter),
  });
  return { house: createHarness({ gatekeeper }), asked };
}

async function answer(
  house: Harness,
  asked: readonly (readonly [string, Pending<boolean>])[],
  value: boolean,
): Promise<void> {
  asked.at(-1)?.[1].resolve(value);
  await house.settleLater();
}

function kinds(peer: Peer): readonly string[] {
  return peer.all().map(({ type }) => type);
}

describe('late answers at CONNECT', () => {
  test('what the client sends meanwhile is not read, and handled in order once it is let in', async () => {
    const { house, waiting } = waitingAtTheDoor();
    const peer = house.peer();
    peer.sendConnect({ version: 5, clientId: 'a' });
    peer.send(joined(rawSubscribe([['t', 1]], { isV5: true }), rawPublish('t', { properties: NONE, payload: '1' })));
    peer.send(joined(rawPublish('t', { properties: NONE, payload: '2' }), fromHex('c000')));
    assert.equal(peer.link.isPaused, true);
    await house.settleLater();
    peer.expectNothing();
    waiting.get('a')?.resolve(ALLOWED);
    await house.settleLater();
    assert.deepEqual(
      peer.all().map((packet) => (packet.type === 'publish' ? packet.text : packet.type)),
      ['connack', 'suback', '1', '2', 'pingresp'],
    );
    assert.equal(peer.link.isPaused, false);
  });

  test('the same when everything came in one chunk with CONNECT, cut in the middle of a packet', async () => {
    const { house, waiting } = waitingAtTheDoor();
    const peer = house.peer({}, 5);
    const connect = fromHex('10 0e 0004 4d515454 05 02 0000 00 0001 61');
    const rest = joined(
      rawSubscribe([['t', 1]], { isV5: true }),
      rawPublish('t', { properties: NONE, payload: 'whole' }),
    );
    peer.send(joined(connect, rest.subarray(0, rest.length - 3)));
    waiting.get('a')?.resolve(ALLOWED);
    await house.settleLater();
    assert.deepEqual(kinds(peer), ['connack', 'suback']);
    peer.send(rest.subarray(rest.length - 3));
    assert.equal(peer.expect('publish').text, 'whole');
  });

  test('[MQTT5-3.1.4-6] what came behind a CONNECT that is refused is not processed', async () => {
    const { house, waiting } = waitingAtTheDoor();
    const peer = house.peer();
    peer.sendConnect({ version: 5, clientId: 'a', will: { topic: 'w', retain: true, payload: 'gone' } });
    peer.send(
      joined(rawPublish('t', { flags: 1, properties: NONE, payload: 'x' }), rawSubscribe([['t', 0]], { isV5: true })),
    );
    waiting.get('a')?.resolve({ kind: 'refused', reason: Reason.NotAuthorized });
    await house.settleLater();
    assert.equal(peer.expect('connack').reason, Reason.NotAuthorized);
    peer.expectNothing();
    peer.send(rawPublish('t', { flags: 1, properties: NONE, payload: 'x' }));
    assertEmpty(house);
  });

  test('[MQTT5-3.1.4-6] the same when the refusal comes at once', () => {
    const gatekeeper = gatekeeperWith({
      authenticate: () => ({ kind: 'refused', reason: Reason.BadUserNameOrPassword }),
    });
    const house = createHarness({ gatekeeper });
    const peer = house.peer({}, 5);
    const connect = fromHex('10 0e 0004 4d515454 05 02 0000 00 0001 61');
    peer.send(joined(connect, rawPublish('t', { flags: 1, properties: NONE, payload: 'x' }), fromHex('c000')));
    assert.deepEqual(kinds(peer), ['connack']);
    assertEmpty(house);
  });

  for (const how of ['hangs up', 'breaks'] as const) {
    test(`a client that ${how} meanwhile leaves nothing behind when the answer comes`, async () => {
      const { house, waiting } = waitingAtTheDoor();
      const peer = house.peer();
      peer.sendConnect({ version: 5, clientId: 'a', properties: { sessionExpiryInterval: 60 }, will: { topic: 'w' } });
      if (how === 'hangs up') peer.link.hangUp();
      else peer.link.fail();
      house.settle();
      assert.equal(house.broker.sizes().connections, 0, 'a hang-up is heard while the answer is awaited');
      waiting.get('a')?.resolve(ALLOWED);
      await house.settleLater();
      assertEmpty(house);
      assert.equal(house.broker.counters.internalErrors, 0);
    });
  }

  test('the deadline of CONNECT runs on: an answer that is too late is for nobody', async () => {
    const { house, waiting } = waitingAtTheDoor();
    const peer = house.peer();
    peer.sendConnect({ version: 5, clientId: 'a' });
    house.advance(30_000);
    assert.equal(peer.isClosed, true);
    waiting.get('a')?.resolve(ALLOWED);
    await house.settleLater();
    assert.equal(peer.link.takeSent().length, 0);
    assertEmpty(house);
  });

  test('[MQTT5-3.1.4-3] an identifier is claimed when its client is let in: who waits at the door takes over nobody', async () => {
    const { house, waiting } = waitingAtTheDoor();
    const first = house.peer();
    first.sendConnect({ version: 5, clientId: 'a' });
    waiting.get('a')?.resolve(ALLOWED);
    await house.settleLater();
    first.expect('connack');
    const second = house.peer();
    second.sendConnect({ version: 5, clientId: 'a' });
    await house.settleLater();
    first.ping();
    first.expect('pingresp');
    waiting.get('a')?.resolve({ kind: 'refused', reason: Reason.NotAuthorized });
    await house.settleLater();
    first.ping();
    assert.deepEqual(kinds(first), ['pingresp'], 'a refused client should not have touched it');
    const third = house.peer();
    third.sendConnect({ version: 5, clientId: 'a' });
    waiting.get('a')?.resolve(ALLOWED);
    await house.settleLater();
    assert.equal(first.expect('disconnect').reason, Reason.SessionTakenOver);
    third.expect('connack');
  });

  test('[MQTT5-3.1.4-3] of two that wait, the one that was let in last stays', async () => {
    const { house, waiting } = waitingAtTheDoor();
    const [one, two] = ['10.0.0.1', '10.0.0.2'].map((remoteAddress) => {
      const peer = house.peer({ remoteAddress });
      peer.sendConnect({ version: 5, clientId: 'a' });
      return peer;
    });
    assert.ok(one !== undefined && two !== undefined);
    waiting.get('10.0.0.2')?.resolve(ALLOWED);
    await house.settleLater();
    assert.deepEqual(kinds(two), ['connack']);
    waiting.get('10.0.0.1')?.resolve(ALLOWED);
    await house.settleLater();
    assert.deepEqual(kinds(one), ['connack']);
    assert.deepEqual(kinds(two), ['disconnect']);
  });

  test('the broker stops while a client waits: it is closed without a word', async () => {
    const { house, waiting } = waitingAtTheDoor();
    const peer = house.peer();
    peer.sendConnect({ version: 5, clientId: 'a' });
    const stopped = house.broker.stop();
    house.settle();
    await stopped;
    waiting.get('a')?.resolve(ALLOWED);
    await house.settleLater();
    assert.equal(peer.link.takeSent().length, 0);
    assertEmpty(house);
  });
});

describe('late answers at PUBLISH', () => {
  for (const [qos, ack] of [
    [0, null],
    [1, 'puback'],
    [2, 'pubrec'],
  ] as const) {
    test(`the message waits, owned, and what comes behind it waits too; then all goes on in order: QoS ${qos}`, async () => {
      const { house, asked } = waitingForRights();
      const sub = enter(house, 'sub');
      sub.subscribe('#', { qos: 2 });
      const pub = enter(house, 'pub');
      const second = pub.publishBytes('fast', 'second', { qos: 1, packetId: 8 });
      pub.send(joined(pub.publishBytes('slow/1', 'first', { qos, packetId: 7 }), second, fromHex('c000')));
      await house.settleLater();
      pub.expectNothing();
      sub.expectNothing();
      await answer(house, asked, true);
      assert.deepEqual(texts(sub), ['first', 'second']);
      assert.deepEqual(kinds(pub), [...(ack === null ? [] : [ack]), 'puback', 'pingresp']);
    });
  }

  test('a refusal that comes late is told like one that comes at once', async () => {
    const { house, asked } = waitingForRights();
    const pub = enter(house, 'pub');
    pub.publish('slow/1', 'x', { qos: 2, packetId: 7 });
    await answer(house, asked, false);
    assert.equal(pub.expect('pubrec').reason, Reason.NotAuthorized);
    pub.publish('fast', 'x', { qos: 2, packetId: 7 });
    assert.equal(pub.expect('pubrec').reason, Reason.Success);
  });

  test('a client whose connection breaks meanwhile: its message is not published', async () => {
    const { house, asked } = waitingForRights();
    const sub = enter(house, 'sub');
    sub.subscribe('#');
    const pub = enter(house, 'pub');
    pub.publish('slow/1', 'x', { qos: 1 });
    pub.link.fail();
    house.settle();
    assert.equal(house.broker.sizes().connections, 1);
    await answer(house, asked, true);
    sub.expectNothing();
    assert.equal(house.broker.counters.internalErrors, 0);
  });

  test('a client that publishes, disconnects and hangs up at once is heard to the end: no will, nothing lost', async () => {
    const { house, asked } = waitingForRights();
    const sub = enter(house, 'sub');
    sub.subscribe('#');
    const pub = enter(house, 'pub', { will: { topic: 'fast/will', payload: 'gone' } });
    const second = pub.publishBytes('fast', 'second');
    pub.send(joined(pub.publishBytes('slow/1', 'first'), second, fromHex('e000')));
    pub.cut();
    sub.expectNothing();
    await answer(house, asked, true);
    assert.deepEqual(texts(sub), ['first', 'second']);
    assert.equal(house.broker.sizes().connections, 1);
    assert.equal(house.broker.counters.internalErrors, 0);
  });

  test('one that hangs up without DISCONNECT is heard to the end too, and then its will goes out', async () => {
    const { house, asked } = waitingForRights();
    const sub = enter(house, 'sub');
    sub.subscribe('#');
    const pub = enter(house, 'pub', { will: { topic: 'fast/will', payload: 'gone' } });
    pub.publish('slow/1', 'first');
    pub.cut();
    await answer(house, asked, true);
    assert.deepEqual(texts(sub), ['first', 'gone']);
    assert.equal(house.broker.sizes().connections, 1);
  });

  test('an answer that never comes does not keep a connection that has ended: its will goes out at the deadline', () => {
    const { house } = waitingForRights();
    const sub = enter(house, 'sub');
    sub.subscribe('#');
    const pub = enter(house, 'pub', { will: { topic: 'fast/will', payload: 'gone' } });
    pub.publish('slow/1', 'first');
    pub.cut();
    house.advance(30_000);
    assert.deepEqual(texts(sub), ['gone']);
    assert.equal(house.broker.sizes().connections, 1);
  });

  test('a client that is taken over meanwhile: the answer belongs to the connection that has gone', async () => {
    const { house, asked } = waitingForRights();
    const sub = enter(house, 'sub');
    sub.subscribe('#');
    const first = enterDurable(house, 'pub');
    first.publish('slow/1', 'x', { qos: 2, packetId: 7 });
    const second = comeBack(house, 'pub');
    await answer(house, asked, true);
    sub.expectNothing();
    second.expectNothing();
    second.publish('fast', 'again', { qos: 2, packetId: 7 });
    assert.deepEqual(kinds(second), ['pubrec']);
    assert.deepEqual(texts(sub), ['again']);
  });

  test('others are served meanwhile, and their messages do not get mixed up with the one that waits', async () => {
    const { house, asked } = waitingForRights();
    const sub = enter(house, 'sub');
    sub.subscribe('#');
    const slow = enter(house, 'slow');
    const userProperties = [{ name: 'of', value: 'the slow one' }];
    slow.publish('slow/1', 'slow payload', { properties: { userProperties, messageExpiryInterval: 100 } });
    const fast = enter(house, 'fast');
    for (const text of numbers(10)) fast.publish('fast', text);
    assert.deepEqual(texts(sub), numbers(10));
    house.advance(40_000);
    await answer(house, asked, true);
    const seen = sub.expect('publish');
    assert.deepEqual(
      [seen.topic, seen.text, seen.properties.userProperties],
      ['slow/1', 'slow payload', userProperties],
    );
    assert.equal(seen.properties.messageExpiryInterval, 60, 'the time of waiting counts');
  });

  test('hundreds of clients wait at a time, answered in reverse', async () => {
    const { house, asked } = waitingForRights();
    const sub = enter(house, 'sub');
    sub.subscribe('#');
    for (const text of numbers(200)) enter(house, `c${text}`).publish(`slow/${text}`, text);
    for (const [, pending] of asked.toReversed()) pending.resolve(true);
    await house.settleLater();
    assert.deepEqual(
      texts(sub).toSorted((a, b) => Number(a) - Number(b)),
      numbers(200),
    );
  });

  test('T36: the right for a will may be answered late too', async () => {
    const { house, asked } = waitingForRights();
    const sub = enter(house, 'sub');
    sub.subscribe('#');
    for (const isAllowed of [true, false]) {
      const client = house.peer();
      client.sendConnect({ version: 5, clientId: 'client', will: { topic: 'slow/will', payload: 'gone' } });
      for (let round = 0; round < 3; round += 1) await answer(house, asked, true);
      client.expect('connack');
      const before = asked.length;
      client.cut();
      assert.equal(asked.length, before + 1);
      sub.expectNothing();
      await answer(house, asked, isAllowed);
      assert.deepEqual(texts(sub), isAllowed ? ['gone'] : []);
    }
  });
});

describe('late answers at SUBSCRIBE', () => {
  test('the SUBACK waits for every filter, and nothing is subscribed before', async () => {
    const { house, asked } = waitingForRights();
    const client = enter(house, 'client');
    client.sendSubscribe(['fast', 'slow/1', 'slow/2']);
    client.ping();
    const pub = enter(house, 'pub');
    pub.publish('fast', 'too early');
    asked[1]?.[1].resolve(false);
    await house.settleLater();
    client.expectNothing();
    asked[0]?.[1].resolve(true);
    await house.settleLater();
    assert.deepEqual(client.expect('suback').reasons, [0, 0, Reason.NotAuthorized]);
    client.expect('pingresp');
    pub.publish('fast', 'now');
    assert.deepEqual(texts(client), ['now']);
  });

  test('a client whose connection breaks meanwhile is not subscribed', async () => {
    const { house, asked } = waitingForRights();
    const client = enterDurable(house, 'client');
    client.sendSubscribe('slow/1');
    client.link.fail();
    house.settle();
    await answer(house, asked, true);
    assert.equal(house.broker.sizes().subscriptions, 0);
    comeBack(house, 'client').expectNothing();
  });

  test('an UNSUBSCRIBE behind it comes after it', async () => {
    const { house, asked } = waitingForRights();
    const client = enter(house, 'client');
    client.sendSubscribe('slow/1');
    client.send(rawUnsubscribe(['slow/1'], { isV5: true }));
    await answer(house, asked, true);
    assert.deepEqual(kinds(client), ['suback', 'unsuback']);
    assert.equal(house.broker.sizes().subscriptions, 0);
  });

  test('a keep alive does not run out while the client waits for us', async () => {
    const { house, asked } = waitingForRights();
    const client = enter(house, 'client', { keepAlive: 1 });
    client.sendSubscribe('slow/1');
    house.advance(60_000);
    assert.equal(client.isClosed, false);
    await answer(house, asked, true);
    client.expect('suback');
    house.advance(1_499);
    assert.equal(client.isClosed, false);
    house.advance(5_000);
    assert.equal(client.isClosed, true);
  });
});

describe('T22, T47: rights that change', () => {
  test('a message that waits is not handed out once the right to receive it is gone', () => {
    let rulesVersion = 1;
    let isOpen = true;
    const gatekeeper = {
      ...gatekeeperWith({ mayReceive: (_identity, topic) => isOpen || topic.text !== 'secret' }),
      get rulesVersion() {
        return rulesVersion;
      },
    };
    const house = createHarness({ gatekeeper });
    const sub = enterDurable(house, 'sub', { properties: { receiveMaximum: 1 } });
    sub.subscribe(['secret', 'open'], { qos: 1 });
    const pub = enter(house, 'pub');
    for (const text of numbers(4)) pub.publish(Number(text) % 2 === 0 ? 'secret' : 'open', text, { qos: 1 });
    const first = sub.expect('publish');
    isOpen = false;
    rulesVersion = 2;
    sub.ack('puback', first.packetId);
    const second = sub.expect('publish');
    assert.equal(second.text, '1');
    sub.cut();
    isOpen = true;
    rulesVersion = 3;
    pub.publish('secret', '4', { qos: 1 });
    isOpen = false;
    rulesVersion = 4;
    const back = comeBack(house, 'sub');
    assert.deepEqual(texts(back), ['1', '3']);
    pub.publish('secret', '5', { qos: 1 });
    back.expectNothing();
  });
});
