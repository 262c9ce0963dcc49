/** One message for many receivers, each in its own way: what is encoded once and copied must be what each would have got. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { createHarness, type Peer } from '../../../test/fixtures/broker-harness.ts';
import type { ProtocolVersion, Qos } from '../../protocol/version.ts';

interface Receiver {
  readonly version: ProtocolVersion;
  readonly qos: Qos;
  readonly retainAsPublished: boolean;
  readonly identifier: number;
  readonly topicAliasMaximum: number;
}

interface Sent {
  readonly topic: string;
  readonly text: string;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly messageExpiryInterval: number | null;
}

const receivers = fc.array(
  fc.record<Receiver>({
    version: fc.constantFrom(3, 4, 5),
    qos: fc.constantFrom(0, 1, 2),
    retainAsPublished: fc.boolean(),
    identifier: fc.constantFrom(0, 0, 7),
    topicAliasMaximum: fc.constantFrom(0, 0, 1),
  }),
  { minLength: 2, maxLength: 8 },
);

const messages = fc.array(
  fc.record<Sent>({
    topic: fc.constantFrom('t/one', 't/two'),
    text: fc.oneof(fc.constantFrom('equal', 'alike'), fc.constant('x'.repeat(3000)), fc.constant('y'.repeat(5000))),
    qos: fc.constantFrom(0, 1, 2),
    retain: fc.boolean(),
    messageExpiryInterval: fc.constantFrom(null, null, 60),
  }),
  { maxLength: 12 },
);

function enter(clientId: string, house: ReturnType<typeof createHarness>, receiver: Receiver): Peer {
  const { version, qos, retainAsPublished, identifier, topicAliasMaximum } = receiver;
  const properties = version === 5 ? { topicAliasMaximum, receiveMaximum: 100 } : {};
  const peer = house.client(clientId, { version, properties });
  if (version === 5) peer.subscribe('t/#', { qos, retainAsPublished, ...(identifier > 0 ? { identifier } : {}) });
  else peer.subscribe('t/#', { qos });
  return peer;
}

function checkReceived(peer: Peer, receiver: Receiver, sent: readonly Sent[]): void {
  const seen = peer.publishes();
  let alias = '';
  const got = seen.map((publish) => {
    // One alias at most is given: to the first topic.
    if (publish.topicAlias > 0 && publish.topic !== '') alias = publish.topic;
    const { text, qos, retain } = publish;
    const { messageExpiryInterval, subscriptionIdentifiers } = publish.properties;
    return {
      topic: publish.topic === '' ? alias : publish.topic,
      text,
      qos,
      retain,
      messageExpiryInterval,
      subscriptionIdentifiers,
    };
  });
  const isV5 = receiver.version === 5;
  const expected = sent.map(({ topic, text, qos, retain, messageExpiryInterval }) => ({
    topic,
    text,
    qos: Math.min(qos, receiver.qos),
    retain: isV5 && receiver.retainAsPublished && retain,
    messageExpiryInterval: isV5 ? messageExpiryInterval : null,
    subscriptionIdentifiers: isV5 && receiver.identifier > 0 ? [receiver.identifier] : null,
  }));
  assert.deepEqual(got, expected);
  const ids = seen.filter(({ qos }) => qos > 0).map(({ packetId }) => packetId);
  assert.deepEqual(
    ids,
    ids.map((_, index) => index + 1),
    'packet ids in turn',
  );
}

describe('fan-out', () => {
  test('each receiver gets its own version, QoS, flags, packet ids, aliases and identifiers', () => {
    fc.assert(
      fc.property(receivers, messages, fc.boolean(), (wanted, sent, isTogether) => {
        const house = createHarness({ settings: { maxInflightMessages: 0 } });
        const peers = wanted.map((receiver, index) => enter(`c${index}`, house, receiver));
        const publisher = house.client('publisher', { version: 5 });
        const packets = sent.map(({ topic, text, qos, retain, messageExpiryInterval }) =>
          publisher.publishBytes(topic, text, { qos, retain, properties: { messageExpiryInterval } }),
        );
        if (isTogether) publisher.send(new Uint8Array(Buffer.concat(packets)));
        else for (const packet of packets) publisher.send(packet);
        peers.forEach((peer, index) => {
          checkReceived(peer, wanted[index] ?? assert.fail('no such receiver'), sent);
        });
      }),
      { numRuns: 60 },
    );
  });

  test('messages that lie at the same place of the input, one after the other, are not taken for each other', () => {
    const house = createHarness();
    const peers = ['a', 'b', 'c'].map((id) => {
      const peer = house.client(id);
      peer.subscribe('t');
      return peer;
    });
    const publisher = house.client('publisher');
    for (const text of ['one', 'two', 'six']) publisher.publish('t', text);
    for (const peer of peers)
      assert.deepEqual(
        peer.publishes().map(({ text }) => text),
        ['one', 'two', 'six'],
      );
  });
});
