import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createHarness, type Harness, type Peer } from '../../../test/fixtures/broker-harness.ts';
import { rawPublish, u16 } from '../../../test/fixtures/raw-packets.ts';
import { Reason } from '../../protocol/reasons.ts';
import type { ProtocolVersion } from '../../protocol/version.ts';
import { DEFAULT_LISTENER } from '../model/listener.ts';
import { DEFAULT_SETTINGS } from '../model/settings.ts';

function denials(house: Harness): readonly string[] {
  return house.log.texts('notice').filter((line) => line.includes('denied'));
}

/** Hears nothing and is closed. */
function assertTurnedAway(peer: Peer): void {
  assert.equal(peer.isClosed, true);
  peer.sendConnect({ clientId: 'late' });
  peer.expectNothing();
}

describe('max_connections', () => {
  test('one more is closed when it is accepted, and there is room again when one has gone', () => {
    const house = createHarness({ listener: { maxConnections: 2 } });
    const first = house.client('first');
    house.peer();
    assert.equal(house.door.connectionCount, 2);
    assertTurnedAway(house.peer({ remoteAddress: '10.0.0.9' }));
    assert.deepEqual(denials(house), ['Client connection from 10.0.0.9 denied: max_connections exceeded.']);
    assert.equal(house.door.connectionCount, 2);
    first.cut();
    assert.equal(house.door.connectionCount, 1);
    house.client('second');
    assert.equal(house.broker.sizes().connections, 2);
    assert.equal(house.broker.counters.connectionsAccepted, 4);
  });

  test('each listener counts its own', () => {
    const house = createHarness({ listener: { maxConnections: 1 } });
    const other = house.openDoor({ id: 1, maxConnections: 1 });
    house.client('a');
    house.client('b', {}, other);
    assertTurnedAway(house.peer({}, 4, other));
    assert.deepEqual([house.door.connectionCount, other.connectionCount], [1, 1]);
  });

  test('global_max_connections counts those of all listeners', () => {
    const house = createHarness({ settings: { globalMaxConnections: 2 } });
    const other = house.openDoor({ id: 1 });
    house.client('a');
    const b = house.client('b', {}, other);
    assertTurnedAway(house.peer());
    assertTurnedAway(house.peer({}, 4, other));
    b.disconnect();
    house.client('c');
  });

  for (const limit of [-1, 0]) {
    test(`${limit} is no limit`, () => {
      const house = createHarness({ settings: { globalMaxConnections: limit }, listener: { maxConnections: limit } });
      for (let index = 0; index < 20; index += 1) house.client(`c${index}`);
      assert.deepEqual(denials(house), []);
    });
  }

  test('a flood of denied connections is a line a second, which says how many', () => {
    const house = createHarness({ listener: { maxConnections: 1 } });
    house.client('in');
    const knock = (count: number): void => {
      for (let index = 0; index < count; index += 1) house.peer();
    };
    knock(500);
    house.advance(999);
    assert.equal(denials(house).length, 1);
    house.advance(1);
    knock(20);
    house.advance(1000);
    house.advance(1000);
    assert.deepEqual(denials(house), [
      'Client connection from 127.0.0.1 denied: max_connections exceeded.',
      '499 more client connections denied: max_connections exceeded.',
      '20 more client connections denied: max_connections exceeded.',
    ]);
    knock(1);
    assert.equal(denials(house).length, 4, 'after a quiet second the next one is said at once');
  });
});

test('memory_limit: connections are closed when they are accepted until there is memory again', () => {
  let usedBytes = 1;
  const house = createHarness({ settings: { memoryLimitBytes: 100 }, heapBytes: () => usedBytes });
  const client = house.client('in');
  usedBytes = 101;
  house.advance(100);
  assertTurnedAway(house.peer());
  assert.deepEqual(denials(house), ['Client connection from 127.0.0.1 denied: memory_limit exceeded.']);
  client.ping();
  client.expect('pingresp');
  usedBytes = 99;
  house.advance(100);
  house.client('later');
});

describe('accept_protocol_versions', () => {
  const versions: readonly ProtocolVersion[] = [3, 4, 5];
  for (const version of versions) {
    test(`without ${version}, a client of version ${version} is told so, the others come in`, () => {
      const protocolVersions = versions.filter((other) => other !== version);
      const house = createHarness({ listener: { protocolVersions } });
      const peer = house.peer();
      const { reason } = peer.connect({ version, clientId: 'c' });
      assert.equal(reason, version === 5 ? Reason.UnsupportedProtocolVersion : 1);
      assert.equal(peer.isClosed, true);
      for (const other of protocolVersions) house.client(`c${other}`, { version: other });
      assert.equal(house.broker.sizes().sessions, 2);
      assert.equal(house.broker.counters.protocolErrors, 0);
    });
  }
});

describe('a listener that is changed', () => {
  test('is as it is now for new connections, and as it was for those that are there', () => {
    const house = createHarness({ listener: { maxTopicAlias: 5, maxQos: 2 } });
    const old = house.peer();
    const promised = old.connect({ version: 5, clientId: 'old' }).properties;
    assert.deepEqual([promised.topicAliasMaximum, promised.maximumQos], [5, null]);
    house.door.change({ ...DEFAULT_LISTENER, maxTopicAlias: 2, maxQos: 0 });
    const { properties } = house.peer().connect({ version: 5, clientId: 'new' });
    assert.deepEqual([properties.topicAliasMaximum, properties.maximumQos], [2, 0]);
    old.send(rawPublish('t', { flags: 0x02, packetId: 1, properties: Uint8Array.of(3, 0x23, ...u16(5)) }));
    assert.equal(old.expect('puback').reason, Reason.NoMatchingSubscribers);
    assert.equal(old.subscribe('t', { qos: 2 }).reasons[0], 2);
  });

  test('a connection that is there before CONNECT is promised what it found', () => {
    const house = createHarness({ listener: { maxQos: 2 } });
    const early = house.peer();
    house.door.change({ ...DEFAULT_LISTENER, maxQos: 1 });
    assert.equal(early.connect({ version: 5, clientId: 'early' }).properties.maximumQos, null);
  });

  test('a limit below what is there drops nobody', () => {
    const house = createHarness();
    const clients = [house.client('a'), house.client('b')];
    house.door.change({ ...DEFAULT_LISTENER, maxConnections: 1 });
    for (const client of clients) assert.equal(client.isClosed, false);
    assertTurnedAway(house.peer());
    for (const client of clients) client.disconnect();
    house.client('c');
  });
});

describe('settings that are changed', () => {
  test('what CONNACK promised holds while the client is connected: packet size, receive maximum', () => {
    const house = createHarness({ settings: { maxPacketSize: 1000, maxInflightMessages: 3 } });
    const client = house.client('old', { version: 5 });
    house.broker.change({ ...DEFAULT_SETTINGS, maxPacketSize: 100, maxInflightMessages: 1, retainAvailable: false });
    client.publish('t', 'x'.repeat(500));
    client.publish('t', 'x', { qos: 2 });
    client.publish('t', 'x', { qos: 2 });
    client.publish('t', 'x', { qos: 2 });
    assert.equal(client.isClosed, false);
    const { properties } = house.peer().connect({ version: 5, clientId: 'new' });
    const { maximumPacketSize, receiveMaximum, retainAvailable } = properties;
    assert.deepEqual([maximumPacketSize, receiveMaximum, retainAvailable], [100, 1, 0]);
  });

  test('limits of queues, duplicates and keep alive are those of now', () => {
    const house = createHarness();
    const away = house.client('away', { cleanStart: false });
    away.subscribe(['q/#', 'q/+'], { qos: 1 });
    away.cut();
    house.broker.change({
      ...DEFAULT_SETTINGS,
      maxQueuedMessages: 2,
      allowDuplicateMessages: false,
      maxKeepAlive: 10,
    });
    const pub = house.client('pub', { keepAlive: 5 });
    for (let count = 0; count < 5; count += 1) pub.publish('q/x', String(count), { qos: 1 });
    assert.equal(house.peer().connect({ clientId: 'lazy', keepAlive: 60 }).reason, 2);
    const back = house.peer();
    back.connect({ clientId: 'away', cleanStart: false, keepAlive: 5 });
    assert.deepEqual(
      back.publishes().map(({ text }) => text),
      ['0', '1'],
    );
  });

  test('global_max_clients: who has no session yet is turned away, v5 with 0x89, 3.x without a word', () => {
    const house = createHarness();
    house.client('kept', { version: 5, properties: { sessionExpiryInterval: 100 } }).cut();
    const there = house.client('there');
    house.broker.change({ ...DEFAULT_SETTINGS, globalMaxClients: 2 });
    const five = house.peer();
    assert.equal(five.connect({ version: 5, clientId: 'five' }).reason, Reason.ServerBusy);
    assert.equal(five.isClosed, true);
    const four = house.peer();
    four.sendConnect({ version: 4, clientId: 'four' });
    four.expectNothing();
    assert.equal(four.isClosed, true);
    house.client('kept', { version: 5 });
    house.client('there');
    assert.equal(there.isClosed, true, 'it was taken over');
    assert.equal(house.broker.sizes().sessions, 2);
    house.client('kept').disconnect();
    house.client('new');
  });
});
