import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Reason } from '../../../src/protocol/reasons.ts';
import { createHarness } from '../../fixtures/broker-harness.ts';
import { gatekeeperWith } from '../../fixtures/fake-gatekeeper.ts';
import { comeBack, enter, enterDurable, numbers, texts } from './clients.ts';

describe('3.1.4 take-over', () => {
  test('[MQTT5-3.1.4-3] the older connection of the identifier is told 0x8E and closed, and no other', () => {
    const house = createHarness();
    const bystander = enter(house, 'bystander');
    const first = enter(house, 'client');
    const second = enter(house, 'client');
    assert.equal(first.expect('disconnect').reason, Reason.SessionTakenOver);
    first.expectNothing();
    assert.equal(first.isClosed, true);
    second.ping();
    second.expect('pingresp');
    bystander.ping();
    bystander.expect('pingresp');
    assert.equal(house.broker.sizes().connections, 2);
    assert.ok(
      house.log.texts('notice').some((line) => /^Client client \[.*\] disconnected: session taken over\.$/.test(line)),
    );
  });

  test('[MQTT5-3.1.4-3] a 3.1.1 client that is taken over is closed without a word', () => {
    const house = createHarness();
    const first = house.client('client', { version: 4 });
    enter(house, 'client');
    first.expectNothing();
    assert.equal(first.isClosed, true);
  });

  test('[MQTT5-3.1.4-3] what the older connection still sends has no effect', () => {
    const house = createHarness();
    const watcher = enter(house, 'watcher');
    watcher.subscribe('#');
    const first = enter(house, 'client');
    enter(house, 'client');
    first.publish('a', 'too late');
    watcher.expectNothing();
    assert.equal(house.broker.sizes().subscriptions, 1);
  });

  test('[MQTT5-3.1.4-3] the newer connection goes on with the session: nothing lost, order kept', () => {
    const house = createHarness();
    const first = enterDurable(house, 'client', { properties: { receiveMaximum: 3 } });
    first.subscribe('a', { qos: 1 });
    const pub = enter(house, 'pub');
    for (const text of numbers(6)) pub.publish('a', text, { qos: 1 });
    const [one] = first.publishes();
    first.ack('puback', one?.packetId ?? 0);
    const second = comeBack(house, 'client');
    const seen = second.publishes();
    assert.deepEqual(
      seen.map(({ text, dup }) => [text, dup]),
      [
        ['1', true],
        ['2', true],
        ['3', true],
        ['4', false],
        ['5', false],
      ],
    );
  });

  test('[MQTT5-3.1.4-3] taken over with Clean Start, the newer connection gets nothing of the older one', () => {
    const house = createHarness();
    const first = enterDurable(house, 'client');
    first.subscribe('a', { qos: 1 });
    enter(house, 'pub').publish('a', 'x', { qos: 1 });
    const second = house.peer();
    assert.equal(second.connect({ version: 5, clientId: 'client', cleanStart: true }).sessionPresent, false);
    second.expectNothing();
    assert.equal(house.broker.sizes().subscriptions, 0);
  });

  test('T56: a thousand take-overs of one identifier leave one connection, one session and no error', () => {
    const house = createHarness();
    const watcher = enter(house, 'watcher');
    watcher.subscribe('will');
    const properties = { sessionExpiryInterval: 60 };
    const will = { topic: 'will', payload: 'gone' };
    let last = enter(house, 'client', { properties, will });
    for (let count = 0; count < 1000; count += 1) {
      const next = house.peer();
      next.connect({ version: 5, clientId: 'client', cleanStart: count % 2 === 0, properties, will });
      assert.equal(last.expect('disconnect').reason, Reason.SessionTakenOver);
      last = next;
    }
    const { connections, sessions, subscriptions } = house.broker.sizes();
    assert.deepEqual([connections, sessions, subscriptions], [2, 2, 1]);
    assert.equal(watcher.publishes().length, 1000, 'each connection that was lost had a will without a delay');
    assert.equal(house.broker.counters.internalErrors, 0);
    assert.equal(house.clock.waitingCount <= 2, true, 'timers of connections that are gone should be gone');
  });

  test('T48: a session is not handed to another user of the same identifier', () => {
    const house = createHarness({ gatekeeper: gatekeeperWith({}) });
    const first = enterDurable(house, 'client', { userName: 'anna' });
    first.subscribe('a', { qos: 1 });
    enter(house, 'pub').publish('a', 'for anna', { qos: 1 });
    first.publishes();
    first.cut();
    const other = house.peer();
    const connack = other.connect({
      version: 5,
      clientId: 'client',
      userName: 'bert',
      cleanStart: false,
      properties: { sessionExpiryInterval: 60 },
    });
    assert.equal(connack.reason, 0);
    assert.equal(connack.sessionPresent, false);
    other.expectNothing();
    assert.deepEqual(texts(other), []);
  });
});
