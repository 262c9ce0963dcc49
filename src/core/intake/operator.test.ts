import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createHarness } from '../../../test/fixtures/broker-harness.ts';
import { gatekeeperWith } from '../../../test/fixtures/fake-gatekeeper.ts';
import { SlowJournal } from '../../../test/fixtures/slow-journal.ts';
import type { PeerSecurity } from '../../base/link.ts';
import { Reason } from '../../protocol/reasons.ts';
import { DEFAULT_LISTENER } from '../model/listener.ts';
import type { AuthenticateAnswer, Gatekeeper } from '../ports.ts';

const VERSION_TOPIC = '$SYS/broker/version';

/** A gatekeeper whose rules change: those in `banned` are not welcome. */
class Reloadable {
  rulesVersion = 0;
  readonly banned = new Set<string>();
  answer: AuthenticateAnswer | Promise<AuthenticateAnswer> = { kind: 'allowed' };

  get gatekeeper(): Gatekeeper {
    const version = (): number => this.rulesVersion;
    return {
      ...gatekeeperWith({ isStillWelcome: ({ clientId }) => !this.banned.has(clientId) }),
      authenticate: () => this.answer,
      get rulesVersion() {
        return version();
      },
    };
  }
}

describe('publish', () => {
  test('$SYS is open to the broker and closed to clients; rights to publish are not asked, those to receive are', () => {
    const gatekeeper = gatekeeperWith({
      mayPublish: () => assert.fail('nobody may be asked for the broker'),
      mayReceive: ({ clientId }) => clientId === 'admin',
    });
    const house = createHarness({ gatekeeper });
    const admin = house.client('admin');
    const guest = house.client('guest');
    for (const client of [admin, guest]) client.subscribe(VERSION_TOPIC, { qos: 2 });
    admin.publish(VERSION_TOPIC, 'forged', { qos: 1, retain: true });
    admin.expect('puback');
    house.broker.operator.publish(VERSION_TOPIC, Buffer.from('zanzara'), { qos: 2, retain: true });
    const seen = admin.expect('publish');
    assert.deepEqual([seen.text, seen.qos, seen.retain], ['zanzara', 2, false]);
    guest.expectNothing();
    const late = house.client('admin');
    late.subscribe(VERSION_TOPIC, { qos: 0 });
    const kept = late.expect('publish');
    assert.deepEqual([kept.text, kept.retain], ['zanzara', true]);
  });

  test('it expires when it is told to', () => {
    const house = createHarness();
    const options = { qos: 0, retain: true, expirySeconds: 20 } as const;
    house.broker.operator.publish('$SYS/broker/log/N', Buffer.from('line'), options);
    house.advance(19_000);
    const early = house.client('early', { version: 5 });
    early.subscribe('$SYS/#');
    assert.equal(early.expect('publish').properties.messageExpiryInterval, 1);
    house.advance(1_000);
    const late = house.client('late');
    late.subscribe('$SYS/#');
    late.expectNothing();
  });

  test('what is no topic name is a fault of ours', () => {
    const { operator } = createHarness().broker;
    for (const topic of ['', 'a/#', 'a\0']) {
      assert.throws(() => operator.publish(topic, new Uint8Array(0), { qos: 0, retain: false }), /topic name/);
    }
  });
});

test('clients: those that are connected, with what is known of them', () => {
  const house = createHarness();
  const { operator } = house.broker;
  const security: PeerSecurity = { version: 'TLSv1.3', cipher: 'SOME', certificate: null, pskIdentity: null };
  const other = house.openDoor({ ...DEFAULT_LISTENER, id: 9 });
  house.peer();
  house.client('gone', { cleanStart: false }).cut();
  house.client('plain', { version: 3, userName: 'anna' });
  house.peer({ security, remoteAddress: '10.0.0.1' }, 5, other).connect({ version: 5, clientId: 'secure' });
  const views = [...operator.clients()].map(({ identity, version, remoteAddress, security: its }) => {
    const { clientId, userName, listenerId } = identity;
    return { clientId, userName, listenerId, version, remoteAddress, security: its };
  });
  assert.deepEqual(views, [
    {
      clientId: 'plain',
      userName: 'anna',
      listenerId: 0,
      version: 3,
      remoteAddress: '127.0.0.1',
      security: null,
    },
    { clientId: 'secure', userName: null, listenerId: 9, version: 5, remoteAddress: '10.0.0.1', security },
  ]);
});

test('subscriptions: those of all sessions, with the mount point in front', () => {
  const house = createHarness({ listener: { mountPoint: 'm/' } });
  const away = house.client('away', { cleanStart: false });
  away.subscribe('a', { qos: 1 });
  away.cut();
  const here = house.client('here', { version: 5 });
  here.subscribe(['b/#', '$share/g/c'], { qos: 2 });
  const seen = [...house.broker.operator.subscriptions()].map(({ clientId, filter, qos }) => [clientId, filter, qos]);
  assert.deepEqual(seen, [
    ['away', 'm/a', 1],
    ['here', 'm/b/#', 2],
    ['here', '$share/g/m/c', 2],
  ]);
});

test('disconnect: ends the connection of a client, keeps its session, and says who is not there', () => {
  const house = createHarness();
  const { operator } = house.broker;
  const client = house.client('c', { version: 5, properties: { sessionExpiryInterval: 100 } });
  assert.equal(operator.disconnect('nobody', Reason.AdministrativeAction, 'administrative action'), false);
  assert.equal(operator.disconnect('c', Reason.AdministrativeAction, 'administrative action'), true);
  assert.equal(client.expect('disconnect').reason, Reason.AdministrativeAction);
  assert.equal(client.isClosed, true);
  assert.match(house.log.texts('notice').at(-1) ?? '', /^Client c \[.*\] disconnected: administrative action\.$/);
  assert.equal(operator.disconnect('c', Reason.AdministrativeAction, 'administrative action'), false);
  assert.deepEqual([operator.sizes().sessions, operator.sizes().clientsDisconnected], [1, 1]);
});

describe('recheckClients', () => {
  test('whoever would not be let in any more is disconnected as not authorized, nobody else', () => {
    const rules = new Reloadable();
    const house = createHarness({ gatekeeper: rules.gatekeeper });
    const ids = ['a', 'b', 'c', 'd'];
    const clients = new Map(ids.map((id) => [id, house.client(id, { version: id === 'd' ? 4 : 5 })]));
    assert.equal(house.broker.operator.recheckClients(), 0);
    for (const id of ['b', 'd']) rules.banned.add(id);
    assert.equal(house.broker.operator.recheckClients(), 2);
    assert.equal(clients.get('b')?.expect('disconnect').reason, Reason.NotAuthorized);
    assert.deepEqual(
      ids.map((id) => clients.get(id)?.isClosed),
      [false, true, false, true],
    );
  });

  test('a client that was let in by the old rules while they changed is asked about again before CONNACK', async () => {
    const rules = new Reloadable();
    const house = createHarness({ gatekeeper: rules.gatekeeper });
    const watcher = house.client('watcher');
    watcher.subscribe('w');
    const answer = Promise.withResolvers<AuthenticateAnswer>();
    rules.answer = answer.promise;
    const peers = ['bad', 'good'].map((clientId) => {
      const peer = house.peer();
      peer.sendConnect({ version: 5, clientId, will: { topic: 'w' } });
      return peer;
    });
    rules.banned.add('bad');
    rules.rulesVersion += 1;
    assert.equal(house.broker.operator.recheckClients(), 0);
    answer.resolve({ kind: 'allowed' });
    await house.settleLater();
    assert.deepEqual(
      peers.map((peer) => peer.expect('connack').reason),
      [Reason.NotAuthorized, Reason.Success],
    );
    assert.deepEqual([house.broker.sizes().sessions, house.broker.sizes().clientsConnected], [2, 2]);
    watcher.expectNothing();
  });
});

test('rules that change while CONNACK waits for the journal: not let in, and no will is published', async () => {
  const rules = new Reloadable();
  const journal = new SlowJournal();
  const house = createHarness({ gatekeeper: rules.gatekeeper, journal });
  const watcher = house.client('watcher');
  watcher.subscribe('w');
  const peer = house.peer();
  const properties = { sessionExpiryInterval: 100 };
  peer.sendConnect({ version: 5, clientId: 'bad', will: { topic: 'w' }, properties });
  peer.expectNothing();
  rules.banned.add('bad');
  rules.rulesVersion += 1;
  journal.commit();
  await house.settleLater();
  assert.equal(peer.expect('connack').reason, Reason.NotAuthorized);
  house.advance(200_000);
  watcher.expectNothing();
  assert.equal(house.broker.sizes().sessions, 1);
});

describe('sizes and counters', () => {
  test('clients and sessions', () => {
    const house = createHarness();
    const { operator } = house.broker;
    const clientSizes = (): readonly number[] => {
      const { connections, clientsConnected, clientsDisconnected, sessions, sessionsMaximum } = operator.sizes();
      return [connections, clientsConnected, clientsDisconnected, sessions, sessionsMaximum];
    };
    house.peer();
    assert.deepEqual(clientSizes(), [1, 0, 0, 0, 0]);
    const clean = house.client('clean');
    const kept = house.client('kept', { version: 5, properties: { sessionExpiryInterval: 10 } });
    assert.deepEqual(clientSizes(), [3, 2, 0, 2, 2]);
    clean.cut();
    kept.cut();
    assert.deepEqual(clientSizes(), [1, 0, 1, 1, 2]);
    house.advance(10_000);
    assert.deepEqual(clientSizes(), [1, 0, 0, 0, 2]);
    assert.equal(operator.counters.clientsExpired, 1);
    house.client('again');
    house.client('again');
    assert.deepEqual(clientSizes().slice(1), [1, 0, 1, 2], 'a take-over leaves one');
    const { connectionsAccepted, connectsReceived } = operator.counters;
    assert.deepEqual([connectionsAccepted, connectsReceived], [5, 4]);
  });

  test('subscriptions, messages and bytes', () => {
    const house = createHarness();
    const { operator } = house.broker;
    const away = house.client('away', { cleanStart: false });
    away.subscribe('q', { qos: 1 });
    away.subscribe('$share/g/s', { qos: 1 });
    away.cut();
    const pub = house.client('pub');
    pub.publish('q', '12345', { qos: 1 });
    pub.publish('kept', '123', { retain: true });
    const { subscriptions, sharedSubscriptions, retained, storedMessages, storedBytes } = operator.sizes();
    assert.deepEqual([subscriptions, sharedSubscriptions, retained, storedMessages, storedBytes], [2, 1, 1, 2, 8]);
    const { publishesReceived, publishBytesReceived, publishesSent, publishBytesSent } = operator.counters;
    assert.deepEqual([publishesReceived, publishBytesReceived, publishesSent, publishBytesSent], [2, 8, 0, 0]);
    const back = house.peer();
    back.connect({ clientId: 'away', cleanStart: false });
    back.ack('puback', back.expect('publish').packetId);
    assert.deepEqual([operator.counters.publishesSent, operator.counters.publishBytesSent], [1, 5]);
    assert.deepEqual([operator.sizes().storedMessages, operator.sizes().storedBytes], [1, 3]);
  });

  test('output that sockets have not taken', () => {
    const house = createHarness();
    const { operator } = house.broker;
    const unsent = (): readonly number[] => [operator.sizes().unsentConnections, operator.sizes().unsentBytes];
    const slow = house.client('slow');
    const lost = house.client('lost');
    const frameBytes = 2 + 2 + 1 + 10;
    for (const client of [slow, lost]) {
      client.subscribe('t');
      client.link.block(3);
    }
    const pub = house.client('pub');
    pub.publish('t', 'x'.repeat(10));
    assert.deepEqual(unsent(), [2, 2 * (frameBytes - 3)]);
    pub.publish('t', 'x'.repeat(10));
    lost.link.fail();
    house.settle();
    assert.deepEqual(unsent(), [1, 2 * frameBytes - 3]);
    slow.link.release();
    house.settle();
    assert.deepEqual(unsent(), [0, 0]);
  });
});
