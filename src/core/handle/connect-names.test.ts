import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type ConnectOptions, createHarness, type Harness, type Peer } from '../../../test/fixtures/broker-harness.ts';
import { FakeExchange, gatekeeperOffering, gatekeeperWith, letIn } from '../../../test/fixtures/fake-gatekeeper.ts';
import type { PeerCertificate, PeerSecurity } from '../../base/link.ts';
import { Reason } from '../../protocol/reasons.ts';
import type { ListenerSettings } from '../model/listener.ts';
import type { ConnectRequest, Identity } from '../ports.ts';

const SUBJECT = 'CN=robot5,O=Plant';

function securityWith(certificate: PeerCertificate | null, pskIdentity: string | null = null): PeerSecurity {
  return { version: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384', certificate, pskIdentity };
}

interface Scene {
  readonly house: Harness;
  /** What the gatekeeper was asked at CONNECT. */
  readonly requests: ConnectRequest[];
  /** Who asked to publish. */
  readonly identities: Identity[];
  /** Who was to receive. */
  readonly receivers: Identity[];
}

function scene(listener: Partial<ListenerSettings>): Scene {
  const requests: ConnectRequest[] = [];
  const identities: Identity[] = [];
  const receivers: Identity[] = [];
  const gatekeeper = gatekeeperWith({
    authenticate: (request) => {
      requests.push(request);
      return { kind: 'allowed', proof: `proof of ${request.userName}` };
    },
    mayPublish: (identity) => {
      identities.push(identity);
      return true;
    },
    mayReceive: (identity) => {
      receivers.push(identity);
      return true;
    },
  });
  return { house: createHarness({ gatekeeper, listener }), requests, identities, receivers };
}

/** Connects with TLS. */
function enter(house: Harness, security: PeerSecurity, options: ConnectOptions): Peer {
  const peer = house.peer({ security });
  assert.equal(peer.connect(options).reason, 0);
  return peer;
}

/** Who is connected now, from outside. */
function names(house: Harness): readonly (string | null)[][] {
  return [...house.broker.operator.clients()].map(({ identity }) => [identity.clientId, identity.userName]);
}

describe('user names from TLS', () => {
  const certificate = { commonName: 'robot5', subject: SUBJECT };
  const cases: readonly [string, ListenerSettings['userNameSource'], PeerSecurity, string][] = [
    ['the common name', 'common-name', securityWith(certificate), 'robot5'],
    ['the subject', 'subject', securityWith(certificate), SUBJECT],
    ['the identity of a pre-shared key', 'common-name', securityWith(null, 'plc-7'), 'plc-7'],
    ['the identity of a pre-shared key, also for the subject', 'subject', securityWith(null, 'plc-7'), 'plc-7'],
  ];
  for (const [title, userNameSource, security, userName] of cases) {
    test(`${title} is the user, whatever CONNECT says, and nobody is asked to authenticate`, () => {
      const { house, requests, identities } = scene({ id: 4, userNameSource });
      const peer = enter(house, security, { clientId: 'c', userName: 'admin', password: 'wrong' });
      assert.deepEqual(names(house), [['c', userName]]);
      assert.deepEqual(requests, []);
      peer.publish('t', 'x');
      const { listenerId, proof } = identities[0] ?? {};
      assert.deepEqual([identities[0]?.userName, listenerId, proof], [userName, 4, undefined]);
      assert.ok(house.log.texts('notice').some((line) => line.endsWith(`u'${userName}').`)));
    });
  }

  const useless: readonly [string, PeerSecurity | undefined][] = [
    ['no TLS', undefined],
    ['no certificate', securityWith(null)],
    ['a certificate without the name', securityWith({ commonName: null, subject: null })],
    ['an empty name', securityWith({ commonName: '', subject: '' })],
    ['a name with NUL', securityWith({ commonName: 'a\0b', subject: 'CN=a\0b' })],
    ['a name with half a character', securityWith({ commonName: 'a\ud800', subject: 'CN=a\ud800' })],
  ];
  for (const [title, security] of useless) {
    for (const userNameSource of ['common-name', 'subject'] as const) {
      test(`${title}: refused with 4 and 0x86, also with a good password (${userNameSource})`, () => {
        const { house, requests } = scene({ userNameSource });
        const options = security === undefined ? {} : { security };
        const answers = ([3, 4, 5] as const).map((version) => {
          const peer = house.peer(options);
          const { reason } = peer.connect({ version, clientId: 'c', userName: 'admin', password: 'right' });
          assert.equal(peer.isClosed, true);
          return reason;
        });
        assert.deepEqual(answers, [4, 4, Reason.BadUserNameOrPassword]);
        assert.deepEqual(requests, []);
        assert.equal(house.broker.sizes().sessions, 0);
      });
    }
  }

  test('an enhanced authentication does not make another user of it', () => {
    const gatekeeper = gatekeeperOffering('m', [new FakeExchange([letIn(null, 'somebody else')])]);
    const house = createHarness({ gatekeeper, listener: { userNameSource: 'common-name' } });
    const properties = { authenticationMethod: 'm' };
    enter(house, securityWith(certificate), { version: 5, clientId: 'c', properties });
    assert.deepEqual(names(house), [['c', 'robot5']]);
  });

  test('a certificate is shown to the gatekeeper where CONNECT names the user', () => {
    const { house, requests, identities } = scene({ id: 2, port: 8883 });
    const security = securityWith(certificate);
    const peer = enter(house, security, { clientId: 'c', userName: 'anna', password: 'secret' });
    peer.publish('t');
    const [request] = requests;
    assert.deepEqual([request?.userName, request?.listenerId, request?.listenerPort], ['anna', 2, 8883]);
    assert.equal(request?.security, security);
    assert.equal(identities[0]?.proof, 'proof of anna');
  });
});

describe('use_username_as_clientid', () => {
  test('the user name is the id, before and after authentication', () => {
    const { house, requests } = scene({ isUserNameClientId: true });
    house.client('given', { userName: 'anna' });
    assert.deepEqual(names(house), [['anna', 'anna']]);
    assert.equal(requests[0]?.clientId, 'anna');
    assert.ok(house.log.texts('notice').some((line) => / as anna \(/.test(line)));
  });

  test('two ids of one user are one client: the second takes over', () => {
    const { house } = scene({ isUserNameClientId: true });
    const first = house.client('one', { userName: 'anna', version: 5 });
    house.client('two', { userName: 'anna' });
    assert.equal(first.expect('disconnect').reason, Reason.SessionTakenOver);
    assert.equal(house.broker.sizes().sessions, 1);
  });

  test('without a user name: 5 and 0x87', () => {
    const { house } = scene({ isUserNameClientId: true });
    for (const userName of [undefined, '']) {
      const options = userName === undefined ? {} : { userName };
      assert.equal(house.peer().connect({ version: 4, clientId: 'c', ...options }).reason, 5);
      assert.equal(house.peer().connect({ version: 5, clientId: 'c', ...options }).reason, Reason.NotAuthorized);
    }
    assert.equal(house.broker.sizes().sessions, 0);
  });

  test('the name in the certificate is the id', () => {
    const { house } = scene({ isUserNameClientId: true, userNameSource: 'common-name' });
    enter(house, securityWith({ commonName: 'robot5', subject: SUBJECT }), { clientId: 'c', userName: 'admin' });
    assert.deepEqual(names(house), [['robot5', 'robot5']]);
  });

  test('the user that an enhanced authentication has found is the id', () => {
    const gatekeeper = gatekeeperOffering('m', [new FakeExchange([letIn(null, 'found')]), new FakeExchange([letIn()])]);
    const house = createHarness({ gatekeeper, listener: { isUserNameClientId: true } });
    const properties = { authenticationMethod: 'm' };
    house.client('c', { version: 5, userName: 'claimed', properties });
    assert.deepEqual(names(house), [['found', 'found']]);
    assert.equal(house.peer().connect({ version: 5, clientId: 'c', properties }).reason, Reason.NotAuthorized);
  });

  test('[MQTT5-3.2.2-16] a client that gave no id is told its user name', () => {
    const { house } = scene({ isUserNameClientId: true });
    const { properties } = house.peer().connect({ version: 5, clientId: '', userName: 'anna' });
    assert.equal(properties.assignedClientIdentifier, 'anna');
  });
});

describe('clientid_prefixes', () => {
  for (const [version, reason] of [
    [3, 5],
    [4, 5],
    [5, Reason.NotAuthorized],
  ] as const) {
    test(`version ${version}: another beginning is refused with ${reason}`, () => {
      const house = createHarness({ settings: { clientIdPrefixes: 'plant-' } });
      const peer = house.peer();
      assert.equal(peer.connect({ version, clientId: 'office-1' }).reason, reason);
      assert.equal(peer.isClosed, true);
      house.client('plant-1', { version });
    });
  }

  test('an id that is assigned has to begin so as well', () => {
    const house = createHarness({ settings: { clientIdPrefixes: 'plant-' } });
    const other = house.openDoor({ autoIdPrefix: 'plant-' });
    assert.equal(house.peer().connect({ version: 5, clientId: '' }).reason, Reason.NotAuthorized);
    const { properties } = house.peer({}, 5, other).connect({ version: 5, clientId: '' });
    assert.match(properties.assignedClientIdentifier ?? '', /^plant-[0-9A-F-]{36}$/);
  });
});

test('a session that comes back through another listener has the rules of that one', () => {
  const { house, identities, receivers } = scene({ id: 1 });
  const other = house.openDoor({ id: 2 });
  const client = house.client('c', { cleanStart: false, userName: 'anna' });
  client.subscribe('t', { qos: 1 });
  client.cut();
  const listeners = (who: readonly Identity[]): readonly number[] => who.map(({ listenerId }) => listenerId);
  const back = house.peer({}, 4, other);
  assert.equal(back.connect({ clientId: 'c', cleanStart: false, userName: 'anna' }).sessionPresent, true);
  back.publish('t');
  assert.equal(back.expect('publish').topic, 't');
  assert.deepEqual([listeners(identities), listeners(receivers)], [[2], [2]]);
});
