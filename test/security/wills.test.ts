/** Wills: when they are due in every order of events, and with whose rights they are sent. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createHarness, type Harness, type Peer } from '../fixtures/broker-harness.ts';
import { gatekeeperWith } from '../fixtures/fake-gatekeeper.ts';

const WILL = { topic: 'will', payload: 'lost' };

function watch(house: Harness): Peer {
  const watcher = house.client('watcher');
  watcher.subscribe('#', { qos: 2 });
  return watcher;
}

function texts(client: Peer): string[] {
  return client.publishes().map(({ text }) => text);
}

/** What happens after the connection with the will was lost, and when. */
type Later = 'nothing' | 'back' | 'back clean' | 'back in 3.1.1' | 'stop';

interface Case {
  readonly delay: number;
  readonly expiry: number;
  readonly later: Later;
  /** Seconds after the loss. */
  readonly at: number;
}

/** Seconds after the loss at which the will has to be seen; null = never. What the standard says, written down plainly. */
function dueAt({ delay, expiry, later, at }: Case): number | null {
  const byItself = Math.min(delay, expiry);
  if (byItself <= at || later === 'nothing') return byItself;
  // The session is still there and the will still waits.
  return later === 'back' || later === 'back in 3.1.1' ? null : at;
}

function cases(): Case[] {
  const all: Case[] = [];
  for (const delay of [0, 5, 10, 20]) {
    for (const expiry of [0, 5, 10, 20]) {
      for (const later of ['nothing', 'back', 'back clean', 'back in 3.1.1', 'stop'] as const) {
        for (const at of [1, 7, 15, 30]) all.push({ delay, expiry, later, at });
      }
    }
  }
  return all;
}

async function happen(house: Harness, later: Later): Promise<void> {
  const clientId = 'client';
  if (later === 'back') house.client(clientId, { version: 5, cleanStart: false });
  if (later === 'back clean') house.client(clientId, { version: 5, cleanStart: true });
  if (later === 'back in 3.1.1') house.client(clientId, { version: 4, cleanStart: false });
  if (later !== 'stop') return;
  const stopped = house.broker.stop();
  await house.settleLater();
  await stopped;
}

/** Lets a client with a will be lost and everything of the case happen. @returns the seconds at which its will was seen. */
async function play(entry: Case): Promise<readonly number[]> {
  const house = createHarness();
  const watcher = watch(house);
  const will = { ...WILL, delaySeconds: entry.delay };
  const client = house.client('client', { version: 5, will, properties: { sessionExpiryInterval: entry.expiry } });
  client.cut();
  const seenAt: number[] = [];
  for (let second = 0; second <= 40; second += 1) {
    if (second === entry.at) await happen(house, entry.later);
    for (const packet of watcher.all()) if (packet.type === 'publish') seenAt.push(second);
    house.advance(1_000);
  }
  assert.equal(house.broker.counters.internalErrors, 0);
  return seenAt;
}

describe('T14 the will in every order of events', () => {
  for (const later of ['nothing', 'back', 'back clean', 'back in 3.1.1', 'stop'] as const) {
    test(`T14 delay and expiry of 0 to 20 s, then ${later} at 1 to 30 s`, async () => {
      for (const entry of cases()) {
        if (entry.later !== later) continue;
        const due = dueAt(entry);
        assert.deepEqual(await play(entry), due === null ? [] : [due], JSON.stringify(entry));
      }
    });
  }

  test('T14 a taken-over connection: the will goes unless the session goes on and the will has a delay', () => {
    for (const [delaySeconds, cleanStart, expected] of [
      [0, false, ['lost']],
      [0, true, ['lost']],
      [10, false, []],
      [10, true, ['lost']],
    ] as const) {
      const house = createHarness();
      const watcher = watch(house);
      const properties = { sessionExpiryInterval: 100 };
      const first = house.client('client', { version: 5, will: { ...WILL, delaySeconds }, properties });
      house.client('client', { version: 5, cleanStart, properties });
      assert.equal(first.isClosed, true);
      house.advance(200_000);
      assert.deepEqual(texts(watcher), expected, `delay ${delaySeconds}, clean start ${cleanStart}`);
    }
  });

  test('T14 the will of the new connection is its own, not that of the old one', () => {
    const house = createHarness();
    const watcher = watch(house);
    const properties = { sessionExpiryInterval: 100 };
    const will = { ...WILL, delaySeconds: 10 };
    house.client('client', { version: 5, will, properties });
    house.client('client', { version: 5, cleanStart: false, will: { ...will, payload: 'second' }, properties }).cut();
    house.advance(10_000);
    assert.deepEqual(texts(watcher), ['second']);
    house.advance(200_000);
    watcher.expectNothing();
  });

  test('T14 a stop sends the wills of those who are connected and of those who wait, once each', async () => {
    const house = createHarness();
    const watcher = watch(house);
    house.client('connected', { will: { topic: 'w', payload: 'connected' } });
    const properties = { sessionExpiryInterval: 100 };
    const will = { topic: 'w', payload: 'waiting', delaySeconds: 50 };
    house.client('waiting', { version: 5, will, properties }).cut();
    house.client('plain').cut();
    const stopped = house.broker.stop();
    await house.settleLater();
    await stopped;
    const seen = watcher.all().flatMap((packet) => (packet.type === 'publish' ? [packet.text] : []));
    assert.deepEqual(seen.toSorted(), ['connected', 'waiting']);
    house.advance(200_000);
    assert.equal(house.broker.sizes().connections, 0);
  });
});

describe('T36 rights of a will', () => {
  test('T36 a will without the right to it is not sent', () => {
    const house = createHarness({
      gatekeeper: gatekeeperWith({ mayPublish: (_identity, topic) => topic.text !== 'will' }),
    });
    const watcher = watch(house);
    house.client('client', { will: { ...WILL, retain: true } }).cut();
    watcher.expectNothing();
    assert.equal(house.broker.sizes().retained, 0);
    assert.ok(house.log.texts('notice').some((line) => line.includes("Denied will of client on 'will'")));
  });

  test('T36 T47 the right is asked when the will is due, with the identity of its client', () => {
    let isAllowed = true;
    const asked: (string | null)[] = [];
    const gatekeeper = gatekeeperWith({
      mayPublish: ({ userName }, topic) => {
        if (topic.text === 'will') asked.push(userName);
        return isAllowed;
      },
    });
    let rulesVersion = 0;
    Object.defineProperty(gatekeeper, 'rulesVersion', { get: () => rulesVersion });
    const house = createHarness({ gatekeeper });
    const watcher = watch(house);
    const properties = { sessionExpiryInterval: 100 };
    const client = house.client('client', {
      version: 5,
      userName: 'anna',
      will: { ...WILL, delaySeconds: 10 },
      properties,
    });
    client.publish('will', 'first', { qos: 0 });
    assert.deepEqual(texts(watcher), ['first']);
    client.cut();
    isAllowed = false;
    rulesVersion += 1;
    house.advance(20_000);
    watcher.expectNothing();
    assert.deepEqual(asked, ['anna', 'anna']);
  });

  test('T36 a right that is answered later is waited for; a failing answer sends nothing', async () => {
    const answers = new Map<string, Promise<boolean>>([
      ['yes', Promise.resolve(true)],
      ['no', Promise.resolve(false)],
      ['fails', Promise.reject(new Error('no directory'))],
    ]);
    const gatekeeper = gatekeeperWith({ mayPublish: (_identity, topic) => answers.get(topic.text) ?? true });
    const house = createHarness({ gatekeeper });
    const watcher = watch(house);
    for (const topic of answers.keys()) house.client(topic, { will: { topic, payload: topic } }).cut();
    await house.settleLater();
    assert.deepEqual(texts(watcher), ['yes']);
    assert.equal(house.log.texts('error').length, 1);
    assert.equal(house.broker.counters.internalErrors, 1);
  });
});

describe('rights that change', () => {
  test('T22 T47 what was queued for an absent client is not sent once its right has gone', () => {
    let isAllowed = true;
    let rulesVersion = 0;
    const gatekeeper = gatekeeperWith({ mayReceive: () => isAllowed });
    Object.defineProperty(gatekeeper, 'rulesVersion', { get: () => rulesVersion });
    const house = createHarness({ gatekeeper });
    const first = house.client('client', { cleanStart: false });
    first.subscribe('t', { qos: 1 });
    const pub = house.client('pub');
    pub.publish('t', 'in flight', { qos: 1 });
    first.expect('publish');
    first.cut();
    pub.publish('t', 'queued', { qos: 1, retain: true });
    isAllowed = false;
    rulesVersion += 1;
    pub.publish('t', 'new', { qos: 1 });
    const second = house.client('client', { cleanStart: false });
    second.expectNothing();
    second.subscribe('t', { qos: 1 });
    second.expectNothing();
  });

  test('T24 the right to publish with QoS 2 is judged at PUBLISH, once', () => {
    let isAllowed = true;
    let rulesVersion = 0;
    const gatekeeper = gatekeeperWith({ mayPublish: () => isAllowed });
    Object.defineProperty(gatekeeper, 'rulesVersion', { get: () => rulesVersion });
    const house = createHarness({ gatekeeper });
    const watcher = watch(house);
    const pub = house.client('pub');
    pub.publish('t', 'allowed', { qos: 2, packetId: 1 });
    isAllowed = false;
    rulesVersion += 1;
    pub.ack('pubrel', 1);
    pub.publish('t', 'denied', { qos: 2, packetId: 2 });
    isAllowed = true;
    rulesVersion += 1;
    pub.publish('t', 'denied', { qos: 2, packetId: 2, dup: true });
    pub.ack('pubrel', 2);
    assert.deepEqual(
      pub.all().map(({ type }) => type),
      ['pubrec', 'pubcomp', 'pubrec', 'pubrec', 'pubcomp'],
    );
    assert.deepEqual(texts(watcher), ['allowed']);
  });
});
