/** What a PUBLISH meets before it is passed on: sizes, limits of its listener, what is counted. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createHarness, type Harness, type Peer } from '../../../test/fixtures/broker-harness.ts';
import { Reason } from '../../protocol/reasons.ts';
import type { ProtocolVersion, Qos } from '../../protocol/version.ts';
import { DEFAULT_SETTINGS } from '../model/settings.ts';

/** The bytes that came, as hex: for answers that the codec of a client would not take. */
function hexFrom(client: Peer): string {
  return Buffer.from(client.link.takeSent()).toString('hex');
}

function houseWith(messageSizeLimit: number): { house: Harness; sub: Peer } {
  const house = createHarness({ settings: { messageSizeLimit } });
  const sub = house.client('sub');
  sub.subscribe('#', { qos: 2 });
  return { house, sub };
}

describe('message_size_limit', () => {
  const ANSWERS: readonly (readonly [version: ProtocolVersion, qos: Qos, answer: string])[] = [
    [4, 0, ''],
    [4, 1, '40020007'],
    [4, 2, '50020007'],
    [5, 0, ''],
    // Packet Too Large.
    [5, 1, '4003000783'],
    [5, 2, '5003000783'],
  ];
  for (const [version, qos, answer] of ANSWERS) {
    test(`a larger payload is not passed on, level ${version}, QoS ${qos}`, () => {
      const { house, sub } = houseWith(10);
      const pub = house.client('pub', { version });
      pub.publish('t', 'x'.repeat(11), { qos, packetId: 7, retain: true });
      assert.equal(hexFrom(pub), answer);
      assert.equal(pub.isClosed, false);
      sub.expectNothing();
      assert.equal(house.broker.sizes().retained, 0);
      assert.equal(house.broker.counters.publishesDropped, 1);
      pub.publish('t', 'x'.repeat(10));
      assert.equal(sub.publishes().length, 1);
    });
  }

  test('a 3.x client ends its QoS 2 exchange', () => {
    const { house } = houseWith(1);
    const pub = house.client('pub');
    pub.publish('t', 'xx', { qos: 2, packetId: 7 });
    pub.expect('pubrec');
    pub.ack('pubrel', 7);
    assert.equal(pub.expect('pubcomp').packetId, 7);
  });

  test('a reload sets it for those who are connected', () => {
    const { house, sub } = houseWith(0);
    const pub = house.client('pub');
    house.broker.change({ ...DEFAULT_SETTINGS, messageSizeLimit: 1 });
    pub.publish('t', 'xx');
    sub.expectNothing();
    house.broker.change(DEFAULT_SETTINGS);
    pub.publish('t', 'xx');
    assert.equal(sub.publishes().length, 1);
  });
});

describe('what the listener allows', () => {
  test('max_qos: a higher QoS ends the connection, subscriptions are granted it', () => {
    const house = createHarness({ listener: { maxQos: 1 } });
    const other = house.openDoor({ id: 1 });
    const client = house.client('c', { version: 5 });
    assert.deepEqual(client.subscribe(['a', 'b'], { qos: 2 }).reasons, [1, 1]);
    house.client('elsewhere', {}, other).publish('a', 'x', { qos: 2 });
    assert.equal(client.expect('publish').qos, 1);
    client.publish('a', 'x', { qos: 2 });
    assert.equal(client.expect('disconnect').reason, Reason.QosNotSupported);
  });

  test('max_topic_alias', () => {
    const house = createHarness({ listener: { maxTopicAlias: 2 } });
    const client = house.client('c', { version: 5 });
    client.publish('a', 'x', { topicAlias: 2 });
    client.publish('a', 'x', { topicAlias: 3 });
    assert.equal(client.expect('disconnect').reason, Reason.TopicAliasInvalid);
  });
});

test('retain_available: a reload that turns it off ends who publishes a retained message then', () => {
  const house = createHarness();
  const client = house.client('c', { version: 5 });
  client.publish('kept', 'x', { retain: true });
  house.broker.change({ ...DEFAULT_SETTINGS, retainAvailable: false });
  client.publish('t', 'x');
  assert.equal(client.isClosed, false);
  client.publish('t', 'x', { retain: true });
  assert.equal(client.expect('disconnect').reason, Reason.RetainNotSupported);
  assert.equal(house.broker.sizes().retained, 1);
});

test('retain_available: while it is off none is kept or handed out, those of the broker and those kept before included', () => {
  const house = createHarness();
  house.client('pub').publish('kept', 'x', { retain: true });
  for (const [retainAvailable, expected] of [
    [false, []],
    [true, ['kept']],
  ] as const) {
    house.broker.change({ ...DEFAULT_SETTINGS, retainAvailable });
    house.broker.operator.publish('$SYS/x', Buffer.from('x'), { qos: 0, retain: !retainAvailable });
    const sub = house.client('sub');
    sub.subscribe(['#', '$SYS/#']);
    assert.deepEqual(
      sub.publishes().map(({ topic }) => topic),
      expected,
    );
  }
});

test('a reload that lowers max_inflight_messages does not hold against a client what it was promised', () => {
  const house = createHarness({ settings: { maxInflightMessages: 3 } });
  const client = house.client('c', { version: 5 });
  house.broker.change({ ...DEFAULT_SETTINGS, maxInflightMessages: 1 });
  for (let count = 0; count < 3; count += 1) client.publish('t', 'x', { qos: 2 });
  assert.deepEqual(
    client.all().map(({ type }) => type),
    ['pubrec', 'pubrec', 'pubrec'],
  );
  client.publish('t', 'x', { qos: 2 });
  assert.equal(client.expect('disconnect').reason, Reason.ReceiveMaximumExceeded);
});

test('payload bytes of PUBLISH are counted in both directions, dropped ones when they come', () => {
  const house = createHarness({ settings: { messageSizeLimit: 1000 } });
  const subs = ['a', 'b'].map((clientId) => {
    const sub = house.client(clientId);
    sub.subscribe('t');
    return sub;
  });
  const pub = house.client('pub');
  for (const byteCount of [0, 10, 900, 1001]) pub.publish('t', 'x'.repeat(byteCount));
  const { publishBytesReceived, publishBytesSent, publishesReceived, publishesSent } = house.broker.counters;
  assert.deepEqual([publishesReceived, publishBytesReceived], [4, 1911]);
  assert.deepEqual([publishesSent, publishBytesSent], [6, 1820]);
  assert.deepEqual(
    subs.map((sub) => sub.publishes().length),
    [3, 3],
  );
});
