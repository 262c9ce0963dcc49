import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createHarness, type Harness, type Peer } from '../../fixtures/broker-harness.ts';
import { comeBack, enter, enterDurable } from './clients.ts';

type Copy = readonly [qos: number, identifiers: readonly number[] | null];

/** QoS and subscription identifiers of each copy received, in an order that does not depend on the broker. */
function copies(peer: Peer): readonly Copy[] {
  return peer
    .publishes()
    .map(({ qos, properties }): Copy => [qos, properties.subscriptionIdentifiers?.toSorted((a, b) => a - b) ?? null])
    .sort(([, a], [, b]) => (a?.[0] ?? 0) - (b?.[0] ?? 0));
}

function houseWith(allowDuplicateMessages: boolean): { readonly house: Harness; readonly pub: Peer } {
  const house = createHarness({ settings: { allowDuplicateMessages } });
  return { house, pub: enter(house, 'pub') };
}

describe('3.3.4 overlapping subscriptions, one copy for each', () => {
  test('[MQTT5-3.3.4-2] [MQTT5-3.3.4-3] [MQTT5-3.3.4-5] each copy has the QoS and the identifier of its subscription', () => {
    const { house, pub } = houseWith(true);
    const sub = enter(house, 'sub');
    sub.subscribe('a/b', { qos: 0, identifier: 1 });
    sub.subscribe('a/+', { qos: 1, identifier: 2 });
    sub.subscribe('#', { qos: 2, identifier: 268_435_455 });
    sub.subscribe('a/#', { qos: 2 });
    sub.subscribe('b/#', { qos: 2, identifier: 9 });
    pub.publish('a/b', 'x', { qos: 2 });
    assert.deepEqual(copies(sub), [
      [2, null],
      [0, [1]],
      [1, [2]],
      [2, [268_435_455]],
    ]);
  });

  test('[MQTT5-3.3.4-5] subscriptions may share an identifier; each copy still has its own', () => {
    const { house, pub } = houseWith(true);
    const sub = enter(house, 'sub');
    sub.subscribe(['a', '+'], { identifier: 5 });
    pub.publish('a', 'x');
    assert.deepEqual(copies(sub), [
      [0, [5]],
      [0, [5]],
    ]);
  });

  test('[MQTT5-3.3.4-5] copies that waited in the queue keep their identifiers', () => {
    const { house, pub } = houseWith(true);
    const sub = enterDurable(house, 'sub');
    sub.subscribe('a', { qos: 1, identifier: 1 });
    sub.subscribe('+', { qos: 2, identifier: 2 });
    sub.cut();
    pub.publish('a', 'x', { qos: 2 });
    assert.deepEqual(copies(comeBack(house, 'sub')), [
      [1, [1]],
      [2, [2]],
    ]);
  });
});

describe('3.3.4 overlapping subscriptions, one copy for all', () => {
  test('[MQTT5-3.3.4-2] the one copy has the highest QoS granted, in whatever order was subscribed', () => {
    for (const order of [
      [0, 1, 2],
      [2, 1, 0],
      [1, 2, 0],
    ] as const) {
      const { house, pub } = houseWith(false);
      const sub = enter(house, 'sub');
      ['a/b', 'a/+', '#'].forEach((filter, index) => {
        sub.subscribe(filter, { qos: order[index] ?? 0 });
      });
      for (const qos of [0, 1, 2] as const) {
        pub.publish('a/b', 'x', { qos });
        assert.deepEqual(copies(sub), [[qos, null]]);
      }
    }
  });

  test('[MQTT5-3.3.4-3] [MQTT5-3.3.4-4] the one copy names the identifiers of all, and of no other subscription', () => {
    const { house, pub } = houseWith(false);
    const sub = enter(house, 'sub');
    sub.subscribe('a/b', { identifier: 7 });
    sub.subscribe('a/+', { identifier: 300 });
    sub.subscribe('#');
    sub.subscribe('a/c', { identifier: 8 });
    pub.publish('a/b', 'x');
    assert.deepEqual(copies(sub), [[0, [7, 300]]]);
  });

  test('[MQTT5-3.3.4-4] a subscription that is gone or replaced is not named any more', () => {
    const { house, pub } = houseWith(false);
    const sub = enter(house, 'sub');
    sub.subscribe('a', { identifier: 1 });
    sub.subscribe('+', { identifier: 2 });
    sub.subscribe('#', { identifier: 3 });
    sub.unsubscribe('+');
    sub.subscribe('#', { identifier: 4 });
    pub.publish('a', 'x');
    assert.deepEqual(copies(sub), [[0, [1, 4]]]);
    sub.subscribe('#');
    pub.publish('a', 'x');
    assert.deepEqual(copies(sub), [[0, [1]]]);
  });

  test('other clients get their own copy', () => {
    const { house, pub } = houseWith(false);
    const subs = ['x', 'y'].map((clientId, index) => {
      const sub = enter(house, clientId);
      sub.subscribe(['a', '+'], { qos: 1, identifier: index + 1 });
      return sub;
    });
    pub.publish('a', 'x', { qos: 1 });
    assert.deepEqual(subs.map(copies), [[[1, [1, 1]]], [[1, [2, 2]]]]);
  });

  test('[MQTT5-3.8.3-3] a subscription with No Local gives its publisher no copy, nor its QoS and identifier to the copy of another', () => {
    const { house } = houseWith(false);
    const both = enter(house, 'both');
    both.subscribe('a', { qos: 2, noLocal: true, identifier: 1 });
    both.subscribe('+', { qos: 0, identifier: 2 });
    both.publish('a', 'own', { qos: 2 });
    const own = both.all().flatMap((packet) => (packet.type === 'publish' ? [packet] : []));
    assert.deepEqual(
      own.map(({ qos, properties }) => [qos, properties.subscriptionIdentifiers]),
      [[0, [2]]],
    );
    enter(house, 'other').publish('a', 'x', { qos: 2 });
    assert.deepEqual(copies(both), [[2, [1, 2]]]);
  });

  test('[MQTT5-3.3.1-13] the one copy keeps RETAIN when one of the subscriptions asks for that', () => {
    const { house, pub } = houseWith(false);
    const sub = enter(house, 'sub');
    sub.subscribe('a', { retainAsPublished: false });
    sub.subscribe('+', { retainAsPublished: true });
    pub.publish('a', 'x', { retain: true });
    assert.deepEqual(
      sub.publishes().map(({ retain }) => retain),
      [true],
    );
  });

  test('a shared subscription is not merged with the others: it is another way to the message', () => {
    const { house, pub } = houseWith(false);
    const sub = enter(house, 'sub');
    sub.subscribe('a', { identifier: 1 });
    sub.subscribe('$share/g/a', { identifier: 2 });
    pub.publish('a', 'x');
    assert.deepEqual(copies(sub), [
      [0, [1]],
      [0, [2]],
    ]);
  });
});

describe('3.3.4 in both settings', () => {
  for (const allowDuplicateMessages of [true, false]) {
    test(`[MQTT5-3.8.4-8] min(published, granted) counts for every copy, duplicates ${allowDuplicateMessages}`, () => {
      for (const granted of [0, 1, 2] as const) {
        const { house, pub } = houseWith(allowDuplicateMessages);
        const sub = enter(house, 'sub');
        sub.subscribe('a', { qos: granted });
        for (const qos of [0, 1, 2] as const) {
          pub.publish('a', 'x', { qos });
          assert.deepEqual(copies(sub), [[Math.min(qos, granted), null]]);
        }
      }
    });

    test(`retained messages come once for each subscription that asks, with its identifier, duplicates ${allowDuplicateMessages}`, () => {
      const { house, pub } = houseWith(allowDuplicateMessages);
      pub.publish('a', 'x', { retain: true });
      const sub = enter(house, 'sub');
      sub.subscribe('a', { identifier: 1 });
      assert.deepEqual(copies(sub), [[0, [1]]]);
      sub.subscribe('+', { identifier: 2 });
      assert.deepEqual(copies(sub), [[0, [2]]]);
    });
  }
});
