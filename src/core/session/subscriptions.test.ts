import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseTopicFilter } from '../../protocol/topic.ts';
import type { DeliveryTarget } from '../model/delivery-target.ts';
import type { Subscription } from '../model/subscription.ts';
import { Subscriptions } from './subscriptions.ts';

const target: DeliveryTarget = { clientId: 'c', isOnline: true, hasRoom: true, isDurable: false, offer: () => 0 };

function subscriptionTo(text: string): Subscription {
  const filter = parseTopicFilter(text);
  assert(filter !== null);
  return {
    target,
    filter,
    qos: 0,
    noLocal: false,
    retainAsPublished: false,
    retainHandling: 0,
    identifiers: null,
  };
}

/** What is there, in order. */
function listed(subscriptions: Subscriptions): Subscription[] {
  return [...{ [Symbol.iterator]: () => subscriptions.values() }];
}

test('it is a map by filter, with the characters of its filters, from none to many and back', () => {
  const step = fc.record({
    kind: fc.constantFrom('set', 'set', 'delete', 'clear'),
    text: fc.constantFrom('a', 'b/c', '$share/g/a', 'a/+/#', 'ü'),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const subscriptions = new Subscriptions();
      const model = new Map<string, Subscription>();
      for (const { kind, text } of steps) {
        const subscription = subscriptionTo(text);
        if (kind === 'set') {
          subscriptions.set(subscription);
          model.set(text, subscription);
        } else if (kind === 'delete') assert.equal(subscriptions.delete(text), model.delete(text));
        else {
          subscriptions.clear();
          model.clear();
        }
        assert.deepEqual(listed(subscriptions), [...model.values()]);
        assert.equal(subscriptions.count, model.size);
        assert.equal(subscriptions.has(text), model.has(text));
        assert.equal(subscriptions.has('another'), false);
        assert.equal(
          subscriptions.filterChars,
          [...model.keys()].reduce((sum, key) => sum + key.length, 0),
        );
      }
    }),
  );
});
