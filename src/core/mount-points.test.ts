/** `mount_point`: clients of one listener live below a prefix that they never see. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { createHarness, type Harness, type Peer, type SeenPublish } from '../../test/fixtures/broker-harness.ts';
import { gatekeeperWith } from '../../test/fixtures/fake-gatekeeper.ts';
import { Reason } from '../protocol/reasons.ts';
import type { ProtocolVersion, Qos } from '../protocol/version.ts';
import type { Door } from './broker.ts';

const DURABLE = { cleanStart: false };

interface House {
  readonly house: Harness;
  /** Clients below `plant/`. */
  readonly plant: Door;
  /** Below `office/`. */
  readonly office: Door;
}

function houseWith(gatekeeper: Parameters<typeof createHarness>[0] = {}): House {
  const house = createHarness(gatekeeper);
  const plant = house.openDoor({ id: 1, mountPoint: 'plant/' });
  const office = house.openDoor({ id: 2, mountPoint: 'office/' });
  return { house, plant, office };
}

/** Topic and text of each PUBLISH that came. */
function seenBy(client: Peer): string[] {
  return client.publishes().map(({ topic, text }) => `${topic}=${text}`);
}

// ------------------------------------------------------------------------------------------------------ any topic

const level = fc.constantFrom('', 'a', 'b', 'ä', '$SYS', 'level with spaces');
const topicText = fc
  .array(level, { minLength: 1, maxLength: 6 })
  .map((levels) => levels.join('/'))
  .filter((text) => text !== '' && !text.startsWith('$SYS'));

const passage = fc.record({
  prefix: fc.oneof(
    topicText,
    topicText.map((text) => `${text}/`),
  ),
  topics: fc.array(topicText, { minLength: 1, maxLength: 5 }),
  senderVersion: fc.constantFrom<ProtocolVersion>(3, 4, 5),
  receiverVersion: fc.constantFrom<ProtocolVersion>(3, 4, 5),
  qos: fc.constantFrom<Qos>(0, 1, 2),
  retain: fc.boolean(),
  aliases: fc.constantFrom(0, 1, 10),
  payload: fc.constantFrom('x', 'y'.repeat(20_000)),
});

/** The names under which the messages came, aliases resolved. */
function namesSeen(packets: readonly SeenPublish[]): string[] {
  const byAlias = new Map<number, string>();
  return packets.map(({ topic, topicAlias }) => {
    if (topicAlias > 0 && topic !== '') byAlias.set(topicAlias, topic);
    return topic === '' ? (byAlias.get(topicAlias) ?? assert.fail('an unknown alias')) : topic;
  });
}

test('any topic gets the mount point on the way in and loses it on the way out', () => {
  fc.assert(
    fc.property(passage, ({ prefix, topics, senderVersion, receiverVersion, qos, retain, aliases, payload }) => {
      const house = createHarness({ settings: { maxInflightMessages: 0 } });
      const door = house.openDoor({ id: 1, mountPoint: prefix });
      const properties = receiverVersion === 5 ? { topicAliasMaximum: aliases } : {};
      const outside = house.client('outside', { version: receiverVersion, properties });
      const inside = house.client('inside', { version: receiverVersion, properties }, door);
      for (const text of new Set(topics)) {
        assert.equal(outside.subscribe(`${prefix}${text}`, { qos }).reasons[0], qos);
        assert.equal(inside.subscribe(text, { qos }).reasons[0], qos);
      }
      const worker = house.client('worker', { version: senderVersion }, door);
      const stranger = house.client('stranger', { version: senderVersion });
      for (const text of topics) {
        worker.publish(text, payload, { qos, retain });
        stranger.publish(`${prefix}${text}`, payload, { qos, retain });
      }
      const twice = topics.flatMap((text) => [text, text]);
      assert.deepEqual(namesSeen(inside.publishes()), twice);
      assert.deepEqual(
        namesSeen(outside.publishes()),
        twice.map((text) => `${prefix}${text}`),
      );
    }),
    { numRuns: 60 },
  );
});

// ------------------------------------------------------------------------------------------------- subscriptions

describe('below a mount point', () => {
  test('# is everything there and nothing else, $SYS of the broker included', () => {
    const { house, plant } = houseWith();
    house.broker.operator.publish('$SYS/broker/version', Buffer.from('v'), { qos: 0, retain: true });
    const inside = house.client('inside', {}, plant);
    inside.subscribe(['#', '$SYS/#', '+/+/#']);
    const outside = house.client('outside');
    for (const topic of ['a', 'plant', 'plants/a', 'office/a', 'plant/a/b', 'plant/$SYS/x']) outside.publish(topic, '');
    assert.deepEqual(seenBy(inside).toSorted(), ['$SYS/x=', '$SYS/x=', '$SYS/x=', 'a/b=', 'a/b=']);
  });

  test('a topic with $ is an ordinary one there, so that a client may publish to it', () => {
    const { house, plant } = houseWith();
    const outside = house.client('outside');
    outside.subscribe('plant/#');
    house.client('inside', {}, plant).publish('$SYS/broker/version', 'mine');
    assert.deepEqual(seenBy(outside), ['plant/$SYS/broker/version=mine']);
  });

  test('a share name stays in front, and members of all listeners share', () => {
    const { house, plant } = houseWith();
    const members = [house.client('inside', {}, plant), house.client('outside')];
    members[0]?.subscribe('$share/g/jobs/+');
    members[1]?.subscribe('$share/g/plant/jobs/+');
    const pub = house.client('pub');
    for (const text of ['1', '2', '3', '4']) pub.publish('plant/jobs/x', text);
    const [inside = [], outside = []] = members.map(seenBy);
    assert.deepEqual([inside.length, outside.length], [2, 2]);
    assert.ok(inside.every((line) => line.startsWith('jobs/x=')));
    assert.ok(outside.every((line) => line.startsWith('plant/jobs/x=')));
  });

  for (const filter of ['a/+', '$share/g/a/+']) {
    test(`T32 UNSUBSCRIBE ends ${filter}, and no other`, () => {
      const { house, plant } = houseWith();
      const inside = house.client('inside', { version: 5 }, plant);
      inside.subscribe(filter);
      assert.deepEqual(inside.unsubscribe(['plant/a/+', '#', filter, filter]).reasons, [
        Reason.NoSubscriptionExisted,
        Reason.NoSubscriptionExisted,
        Reason.Success,
        Reason.NoSubscriptionExisted,
      ]);
      house.client('pub').publish('plant/a/b');
      inside.expectNothing();
      assert.equal(house.broker.sizes().subscriptions, 0);
    });
  }

  test('retained messages are kept under the full topic and handed out without the mount point', () => {
    const { house, plant, office } = houseWith();
    house.client('pub', {}, plant).publish('state', 'on', { retain: true });
    const readers = [house.client('a', {}, plant), house.client('b', {}, office), house.client('c')];
    for (const reader of readers) reader.subscribe('#');
    assert.deepEqual(readers.map(seenBy), [['state=on'], [], ['plant/state=on']]);
    house.client('d', {}, office).publish('state', '', { retain: true });
    assert.equal(house.broker.sizes().retained, 1);
    house.client('e', {}, plant).publish('state', '', { retain: true });
    assert.equal(house.broker.sizes().retained, 0);
  });

  test('a will is published below it', () => {
    const { house, plant } = houseWith();
    const outside = house.client('outside');
    outside.subscribe('#');
    house.client('inside', { will: { topic: 'gone', payload: 'bye' } }, plant).cut();
    assert.deepEqual(seenBy(outside), ['plant/gone=bye']);
  });

  test('aliases stand for the topics that the client named, in both directions', () => {
    const { house, plant } = houseWith();
    const properties = { topicAliasMaximum: 5 };
    const inside = house.client('inside', { version: 5, properties }, plant);
    inside.subscribe('#');
    inside.publish('long/topic', '1', { topicAlias: 3 });
    inside.publish('', '2', { topicAlias: 3 });
    house.client('pub').publish('plant/other', '3');
    const seen = inside.publishes().map(({ topic, topicAlias, text }) => [topic, topicAlias, text]);
    assert.deepEqual(seen, [
      ['long/topic', 1, '1'],
      ['', 1, '2'],
      ['other', 2, '3'],
    ]);
  });

  test('a response topic is passed on as it came', () => {
    const { house, plant } = houseWith();
    const outside = house.client('outside', { version: 5 });
    outside.subscribe('#');
    const inside = house.client('inside', { version: 5 }, plant);
    inside.publish('ask', '', { properties: { responseTopic: 'answers/1' } });
    const [publish] = outside.publishes();
    assert.deepEqual([publish?.topic, publish?.properties.responseTopic], ['plant/ask', 'answers/1']);
  });

  test('one message for many: each listener names it its way, with the packet id of each receiver', () => {
    const { house, plant, office } = houseWith();
    const doors = [house.door, plant, plant, house.door, office, plant, house.door, house.door];
    const peers = doors.map((door, index) => house.client(`c${index}`, {}, door));
    for (const peer of peers) peer.subscribe('one', { qos: 1 });
    // So that ids differ.
    peers.forEach((peer, index) => {
      for (let count = 0; count < index; count += 1) peer.publish('one', 'mine');
      if (index % 2 === 0) peer.publish('one', 'mine', { qos: 1 });
    });
    const lastIds = peers.map((peer) =>
      Math.max(0, ...peer.all().map((packet) => (packet.type === 'publish' ? packet.packetId : 0))),
    );
    assert.ok(new Set(lastIds).size > 1);
    for (const peer of peers) peer.subscribe('#', { qos: 1 });
    house.client('pub').publish('plant/x', 'hello', { qos: 1 });
    const seen = peers.map((peer) => peer.publishes().map(({ topic, text, packetId }) => [topic, text, packetId]));
    const expected = doors.map((door, index) => {
      if (door === office) return [];
      return [[door === plant ? 'x' : 'plant/x', 'hello', (lastIds[index] ?? 0) + 1]];
    });
    assert.deepEqual(seen, expected);
  });
});

// ----------------------------------------------------------------------------------------- sessions that come back

describe('a session that comes back', () => {
  function absent(house: Harness, door: Door): void {
    const client = house.client('c', DURABLE, door);
    client.subscribe('t', { qos: 2 });
    client.cut();
    const pub = house.client('pub');
    pub.publish('plant/t', '1', { qos: 2 });
    pub.publish('plant/t', '2', { qos: 1 });
  }

  test('through the same listener gets what was queued by the names it knows', () => {
    const { house, plant } = houseWith();
    absent(house, plant);
    const client = house.client('c', DURABLE, plant);
    assert.deepEqual(seenBy(client), ['t=1', 't=2']);
    client.cut();
    const again = house.client('c', DURABLE, plant).publishes();
    assert.deepEqual(
      again.map(({ topic, dup, packetId }) => [topic, dup, packetId]),
      [
        ['t', true, 1],
        ['t', true, 2],
      ],
    );
  });

  test('through a listener without a mount point gets it by the full names', () => {
    const { house, plant } = houseWith();
    absent(house, plant);
    const client = house.client('c', DURABLE);
    assert.deepEqual(seenBy(client), ['plant/t=1', 'plant/t=2']);
    house.client('pub', {}, plant).publish('t', '3', { qos: 1 });
    assert.deepEqual(seenBy(client), ['plant/t=3'], 'its subscription is the full one');
    assert.deepEqual(client.unsubscribe('plant/t').type, 'unsuback');
    assert.equal(house.broker.sizes().subscriptions, 0);
  });

  test('T50 through another mount point gets nothing of what lies below the first, and is not held up by it', () => {
    const { house, plant, office } = houseWith();
    absent(house, plant);
    const client = house.client('c', DURABLE, office);
    client.expectNothing();
    client.subscribe('#', { qos: 1 });
    const pub = house.client('pub');
    pub.publish('plant/t', 'secret', { qos: 1 });
    pub.publish('office/t', 'open', { qos: 1 });
    assert.deepEqual(seenBy(client), ['t=open']);
    assert.equal(house.broker.sizes().storedMessages, 1);
  });
});

// ------------------------------------------------------------------------------------------------ rights and limits

test('T50 rights are asked for full topics: publish, subscribe, receive and wills', () => {
  const asked: string[] = [];
  const note = (kind: string, name: string): boolean => {
    asked.push(`${kind} ${name}`);
    return true;
  };
  const gatekeeper = gatekeeperWith({
    hasRules: true,
    mayPublish: (_, topic) => note('publish', topic.text),
    maySubscribe: (_, filter) => note('subscribe', filter.text),
    mayReceive: (_, topic) => note('receive', topic.text),
  });
  const { house, plant } = houseWith({ gatekeeper });
  const inside = house.client('inside', { will: { topic: 'w' } }, plant);
  inside.subscribe(['a', '$share/g/b']);
  inside.publish('a', 'x');
  inside.cut();
  assert.deepEqual(asked, [
    'subscribe plant/a',
    'subscribe $share/g/plant/b',
    'publish plant/a',
    'receive plant/a',
    'publish plant/w',
  ]);
});

describe('T15 topics that the mount point makes too long', () => {
  const LONG = 'x'.repeat(65_530);
  const DEEP = '/'.repeat(199);

  for (const topic of [LONG, DEEP]) {
    test(`PUBLISH to ${topic.slice(0, 5)}... is refused, and the client stays`, () => {
      const { house, plant } = houseWith();
      const outside = house.client('outside');
      outside.subscribe('#');
      const v5 = house.client('v5', { version: 5 }, plant);
      v5.publish(topic, 'x', { qos: 1 });
      assert.equal(v5.expect('puback').reason, Reason.TopicNameInvalid);
      v5.publish(topic, 'x', { qos: 2 });
      assert.equal(v5.expect('pubrec').reason, Reason.TopicNameInvalid);
      v5.publish(topic, 'x');
      v5.expectNothing();
      const v4 = house.client('v4', {}, plant);
      v4.publish(topic, 'x', { qos: 1 });
      v4.expect('puback');
      v4.publish(topic, 'x', { qos: 2, packetId: 7 });
      v4.expect('pubrec');
      v4.ack('pubrel', 7);
      v4.expect('pubcomp');
      outside.expectNothing();
      assert.equal(house.broker.counters.publishesDropped, 5);
    });

    test(`SUBSCRIBE to ${topic.slice(0, 5)}... is refused`, () => {
      const { house, plant } = houseWith();
      const filters = ['a', topic];
      const v5 = house.client('v5', { version: 5 }, plant);
      assert.deepEqual(v5.subscribe(filters).reasons, [0, Reason.TopicFilterInvalid]);
      assert.deepEqual(v5.unsubscribe(filters).reasons, [0, Reason.NoSubscriptionExisted]);
      assert.deepEqual(house.client('v4', {}, plant).subscribe(filters).reasons, [0, 0x80]);
    });
  }

  test('a wildcard that would not fill its level, because the mount point ends within one, is refused', () => {
    const house = createHarness();
    const door = house.openDoor({ id: 1, mountPoint: 'plant' });
    const client = house.client('c', { version: 5 }, door);
    assert.deepEqual(client.subscribe(['#', 'a', '/#']).reasons, [Reason.TopicFilterInvalid, 0, 0]);
    const pub = house.client('pub');
    for (const topic of ['planta', 'plant/b', 'plant', 'plantb']) pub.publish(topic);
    assert.deepEqual(seenBy(client), ['a=', '/b=']);
  });
});
