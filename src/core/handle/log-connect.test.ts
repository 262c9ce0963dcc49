/** The lines that people search their logs for, word for word. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createHarness, type Harness } from '../../../test/fixtures/broker-harness.ts';
import { gatekeeperWith } from '../../../test/fixtures/fake-gatekeeper.ts';
import type { PeerSecurity } from '../../base/link.ts';
import { Reason } from '../../protocol/reasons.ts';

const FROM = '127.0.0.1:40000';

function lines(house: Harness): readonly string[] {
  return house.log.lines.map(({ level, text }) => `${level} ${text}`);
}

describe('a client that comes and goes', () => {
  test('with user and will', () => {
    const house = createHarness({ listener: { port: 1884 } });
    const will = { topic: 'w/t', payload: 'gone', qos: 1, retain: true } as const;
    house.client('c', { version: 5, keepAlive: 60, userName: 'anna', will }).disconnect();
    assert.deepEqual(lines(house), [
      `notice New connection from ${FROM} on port 1884.`,
      `notice New client connected from ${FROM} as c (p5, c1, k60, u'anna').`,
      'debug Will message specified (4 bytes) (r1, q1).',
      'debug \tw/t',
      'debug Sending CONNACK to c (0, 0)',
      'debug Received DISCONNECT from c',
      `notice Client c [${FROM}] disconnected.`,
    ]);
  });

  test('without either, and back to its session', () => {
    const house = createHarness();
    house.client('c', { version: 4, cleanStart: false }).cut();
    house.log.lines.splice(0);
    house.client('c', { version: 4, cleanStart: false }).cut();
    assert.deepEqual(lines(house), [
      `notice New connection from ${FROM} on port 1883.`,
      `notice New client connected from ${FROM} as c (p4, c0, k0).`,
      'debug No will message specified.',
      'debug Sending CONNACK to c (1, 0)',
      `notice Client c [${FROM}] disconnected: connection closed by client.`,
    ]);
  });

  test('behind a unix socket', () => {
    const house = createHarness({ listener: { port: 0, name: '/run/mqtt.sock' } });
    const peer = house.peer({ remoteAddress: '', remotePort: 0, localPort: 0 });
    peer.connect({ clientId: 'c' });
    peer.cut();
    assert.deepEqual(house.log.texts('notice'), [
      'New connection from /run/mqtt.sock:0 on port 0.',
      'New client connected from /run/mqtt.sock:0 as c (p4, c1, k0).',
      'Client c [/run/mqtt.sock:0] disconnected: connection closed by client.',
    ]);
  });

  test('a bridge, and the cipher of TLS', () => {
    const house = createHarness();
    const security: PeerSecurity = { version: 'TLSv1.3', cipher: 'SOME', certificate: null, pskIdentity: null };
    house.peer({ security }).connect({ version: 4, clientId: 'b', isBridge: true });
    assert.ok(lines(house).includes(`notice New bridge connected from ${FROM} as b (p4, c1, k0).`));
    assert.ok(lines(house).includes('information Client b negotiated TLSv1.3 cipher SOME'));
  });

  test('who is refused, and a session that is taken over or expires', () => {
    const gatekeeper = gatekeeperWith({
      authenticate: ({ userName }) =>
        userName === 'evil' ? { kind: 'refused', reason: Reason.NotAuthorized } : { kind: 'allowed' },
    });
    const house = createHarness({ gatekeeper });
    house.peer().connect({ version: 4, clientId: 'c', userName: 'evil' });
    assert.deepEqual(lines(house).slice(1), [
      'debug Sending CONNACK to c (0, 5)',
      `notice Client c [${FROM}] disconnected: not authorised.`,
    ]);
    house.client('d', { version: 5 });
    house.log.lines.splice(0);
    const second = house.client('d', { version: 5, properties: { sessionExpiryInterval: 1 } });
    assert.deepEqual(lines(house).slice(1, 4), [
      'notice Client d already connected, closing old connection.',
      'debug Sending DISCONNECT to d (rc142)',
      `notice Client d [${FROM}] disconnected: session taken over.`,
    ]);
    second.cut();
    house.advance(1000);
    assert.equal(house.log.texts('notice').at(-1), 'Expiring client d due to timeout.');
  });

  test('a protocol error is told by the client id, before there is one by the address', () => {
    const house = createHarness();
    house.client('c').send('30 00');
    house.peer().send('c0 00');
    const errors = house.log.texts('notice').filter((line) => line.startsWith('Protocol error'));
    assert.match(errors[0] ?? '', /^Protocol error from c: /);
    assert.match(errors[1] ?? '', /^Protocol error from <unknown> \[127\.0\.0\.1:40000\]: /);
  });
});

test('connection_messages false: no line of those who come and go, the other lines stay', () => {
  const house = createHarness({
    settings: { hasConnectionMessages: false, clientIdPrefixes: 'c' },
    listener: { maxConnections: 2 },
  });
  const first = house.client('c1', { version: 5, will: { topic: 'w' } });
  house.client('c2', { version: 5 });
  house.peer();
  first.disconnect();
  house.peer().connect({ clientId: 'other' });
  house.client('c2', { version: 5, properties: { sessionExpiryInterval: 1 } }).cut();
  house.advance(1000);
  assert.deepEqual(house.log.texts('notice'), []);
  assert.deepEqual(house.log.texts('information'), []);
  house.client('c2').send('30 00');
  assert.equal(house.log.texts('notice').length, 1);
});
