import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { certificatesOrSkip } from '../../../test/fixtures/certificates.ts';
import { FakeClock } from '../../../test/fixtures/fake-clock.ts';
import { MemoryLog } from '../../../test/fixtures/memory-log.ts';
import { NO_TLS } from '../../../test/fixtures/tls-listener.ts';
import { FailureLog, failureLine, type HandshakeFailure } from './tls-failures.ts';

const FAILURE: HandshakeFailure = {
  peer: '10.0.0.5:50123',
  context: {
    settings: { ...NO_TLS, certFile: '/etc/server.crt', caFile: '/etc/ca.crt' },
    keyType: 'ec',
    trust: { authorities: [], securityLevel: 2 },
  },
  reason: 'no shared cipher',
  code: '',
  certificate: null,
  pskIdentity: null,
};

test('a line says who, where and why', () => {
  assert.equal(failureLine(FAILURE, 0), 'TLS handshake with 10.0.0.5:50123 on listener 8883 failed: no shared cipher.');
});

for (const [what, change, pattern] of [
  ['a client without our CA', { reason: 'tlsv1 alert unknown ca' }, /needs the CA that signed "\/etc\/server\.crt"\.$/],
  ['a client for which we have expired', { reason: 'ssl/tls alert certificate expired' }, /the clock of the client\.$/],
  ['a client that says bad certificate', { reason: 'ssl/tls alert bad certificate' }, /another host name/],
  ['a long identity', { pskIdentity: 'x'.repeat(1000) }, /Identity: 'x{100}'\.$/],
] as const) {
  test(`a hint for ${what}`, () => assert.match(failureLine({ ...FAILURE, ...change }, 0), pattern));
}

test('T54 a certificate cannot forge a line: what is no plain text in its names stands in hexadecimal', (t) => {
  const made = certificatesOrSkip(t);
  if (made === null) return;
  const { raw } = new X509Certificate(readFileSync(made.root.issue('forger', { subject: '/CN=abcdef' }).certFile));
  const patched = Buffer.from(raw);
  patched.write('ab\n\x1bef', raw.lastIndexOf('abcdef'), 'latin1');
  const line = failureLine({ ...FAILURE, certificate: new X509Certificate(patched) }, 0);
  assert.match(line, /subject CN=ab\\0A\\1Bef, issuer/);
  assert.doesNotMatch(line, /\p{Cc}/u);
});

test('a flood of failures writes 60 lines a minute, and how many more there were', () => {
  const [log, clock] = [new MemoryLog(), new FakeClock()];
  const failures = new FailureLog(log, clock);
  for (let count = 0; count < 1_000; count++) failures.write(FAILURE);
  assert.equal(log.lines.length, 60);
  clock.advance(60_000);
  assert.equal(
    log.texts('error').at(-1),
    '940 more TLS handshakes failed within a minute and were not logged one by one.',
  );
  assert.equal(clock.waitingCount, 0);
  failures.write(FAILURE);
  assert.equal(log.lines.length, 62);
  assert.equal(clock.waitingCount, 0);
});
