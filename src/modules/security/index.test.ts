import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ConnectRequest } from '../../core/ports.ts';
import { createAnonymousGatekeeper } from './index.ts';

const REQUEST: ConnectRequest = {
  clientId: 'robot5',
  userName: null,
  password: null,
  version: 5,
  remoteAddress: '127.0.0.1',
  listenerPort: 1883,
};

for (const userName of [null, 'operator']) {
  const who = userName === null ? 'without a user name' : 'with a user name that nobody can check';

  test(`allow_anonymous false refuses a client ${who}: 0x87`, () => {
    const gatekeeper = createAnonymousGatekeeper({ allowAnonymous: false });
    assert.deepEqual(gatekeeper.authenticate({ ...REQUEST, userName }), { kind: 'refused', reason: 0x87 });
  });

  test(`allow_anonymous true lets in a client ${who}`, () => {
    const gatekeeper = createAnonymousGatekeeper({ allowAnonymous: true });
    assert.deepEqual(gatekeeper.authenticate({ ...REQUEST, userName }), { kind: 'allowed' });
  });
}

test('no enhanced authentication is offered', () => {
  const gatekeeper = createAnonymousGatekeeper({ allowAnonymous: true });
  assert.equal(gatekeeper.startEnhanced('SCRAM-SHA-256', REQUEST), null);
});
