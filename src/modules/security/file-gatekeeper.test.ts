import assert from 'node:assert/strict';
import { pbkdf2Sync } from 'node:crypto';
import { test } from 'node:test';
import { assertNoGrowth } from '../../../test/fixtures/memory.ts';
import { MemoryLog } from '../../../test/fixtures/memory-log.ts';
import type { AuthenticateAnswer } from '../../core/ports.ts';
import { FileGatekeeper } from './file-gatekeeper.ts';
import { PasswordVerifier } from './password-verifier.ts';
import { bytesOf, requestOf } from './security.fixture.ts';
import { prepareRules } from './security-rules.ts';

const salt = Buffer.alloc(12, 7);
const key = pbkdf2Sync('test', salt, 5, 64, 'sha512').toString('base64');
const FILE = bytesOf(`robot:$7$5$${salt.toString('base64')}$${key}`);
const LISTENER = { listenerId: 1, allowAnonymous: false, passwordFile: 'f', aclFile: null, pskFile: null };

/** A gatekeeper that checks passwords, as many as may wait; with 0 everybody who needs a check is told to come again. */
function gatekeeperOf(waitingMax: number, file: Uint8Array): FileGatekeeper {
  const verifier = new PasswordVerifier({ monotonicMs: () => 0, onFault: assert.ifError, waitingMax });
  const gatekeeper = new FileGatekeeper({ log: new MemoryLog(), verifier, secret: Buffer.alloc(32, 1) });
  gatekeeper.apply(prepareRules([LISTENER], () => file));
  return gatekeeper;
}

async function answersOf(gatekeeper: FileGatekeeper): Promise<AuthenticateAnswer[]> {
  const requests = [
    requestOf({ userName: 'robot', password: bytesOf('Test') }),
    requestOf({ userName: 'nobody', password: bytesOf('Test') }),
    requestOf({ userName: 'robot' }),
    requestOf({ userName: 'nobody' }),
  ];
  return await Promise.all(requests.map((request) => gatekeeper.authenticate(request)));
}

test('a user who is not there is worked for like one who is: what tells them apart is told to nobody', async () => {
  const refused = { kind: 'refused', reason: 0x87 };
  const busy = { kind: 'refused', reason: 0x89 };
  assert.deepEqual(await answersOf(gatekeeperOf(0, FILE)), [busy, busy, refused, refused]);
  assert.deepEqual(await answersOf(gatekeeperOf(9, FILE)), [refused, refused, refused, refused]);
  assert.deepEqual(await answersOf(gatekeeperOf(0, bytesOf(''))), [refused, refused, refused, refused]);
});

test('the work that is done for a user who is not there lets nobody in, whatever the password', async () => {
  const gatekeeper = gatekeeperOf(9, FILE);
  const request = requestOf({ userName: 'nobody', password: bytesOf('test') });
  assert.deepEqual(await gatekeeper.authenticate(request), { kind: 'refused', reason: 0x87 });
});

test('listeners that go leave their users behind nowhere', () => {
  const hash = FILE.subarray(FILE.indexOf(':'.charCodeAt(0)));
  const users = Array.from({ length: 3000 }, (_, index) => `user${index}${Buffer.from(hash)}`).join('\n');
  const gatekeeper = gatekeeperOf(9, FILE);
  let listenerId = 1;
  assertNoGrowth(200_000, () => {
    listenerId += 1;
    gatekeeper.apply(prepareRules([{ ...LISTENER, listenerId }], () => bytesOf(users)));
  });
});
