import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  certificates,
  certificatesOrSkip,
  openssl,
  TestAuthority,
  type TestIdentity,
} from '../../../test/fixtures/certificates.ts';
import { findRevocation, readRevocationLists } from './tls-revocation.ts';

const load = ({ certFile }: TestIdentity) => new X509Certificate(readFileSync(certFile));
const lists = (file: string) => readRevocationLists(readFileSync(file));

/** What the list of a file says of a certificate of the root. */
function asked(file: string, identity: TestIdentity, nowMs = Date.now(), authorities = [certificates().root]) {
  return findRevocation(load(identity), authorities.map(load), lists(file), nowMs);
}

test('one that stands in the list is revoked, others are not', (t) => {
  const made = certificatesOrSkip(t);
  if (made === null) return;
  assert.equal(asked(made.crlFile, made.revoked), 'certificate revoked');
  assert.equal(asked(made.crlFile, made.client), null);
});

test('a list is read as openssl reads it', (t) => {
  const made = certificatesOrSkip(t);
  if (made === null) return;
  const [list] = lists(made.crlFile);
  const text = openssl(['crl', '-in', made.crlFile, '-noout', '-text']);
  const serials = [...text.matchAll(/Serial Number: ([0-9A-F]+)/g)].map(([, serial]) => serial);
  assert.deepEqual([...(list?.serials ?? [])], serials);
  const dates = openssl(['crl', '-in', made.crlFile, '-noout', '-lastupdate', '-nextupdate']);
  const [last, next] = dates
    .trim()
    .split('\n')
    .map((entry) => Date.parse(entry.split('=')[1] ?? ''));
  assert.deepEqual([list?.thisUpdateMs, list?.nextUpdateMs], [last, next]);
});

test('before its time and after it a list admits nobody, and who is revoked stays so', (t) => {
  const made = certificatesOrSkip(t);
  if (made === null) return;
  const day = 86_400_000;
  assert.equal(asked(made.crlFile, made.client, Date.now() - 30 * day), 'CRL is not yet valid');
  assert.equal(asked(made.crlFile, made.client, Date.now() + 400 * day), 'CRL has expired');
  assert.equal(asked(made.crlFile, made.revoked, Date.now() + 400 * day), 'certificate revoked');
});

test('a list of another authority, or signed by another with the same name, is none', (t) => {
  const made = certificatesOrSkip(t);
  if (made === null) return;
  assert.equal(asked(made.other.revocationList('of-other.pem'), made.client), 'unable to get certificate CRL');
  const fake = TestAuthority.createRoot(`${made.folder}/fake`, '/O=Plant/CN=Plant Root');
  const forged = fake.revocationList('forged.pem');
  assert.equal(asked(forged, made.client), 'CRL signature failure');
  assert.equal(asked(forged, made.client, Date.now(), [made.root, fake]), 'CRL signature failure');
  assert.equal(asked(made.crlFile, made.client, Date.now(), []), 'CRL signature failure');
});

test('several lists in one file', (t) => {
  const made = certificatesOrSkip(t);
  if (made === null) return;
  const both = Buffer.concat([made.other.revocationList('first.pem'), made.crlFile].map((file) => readFileSync(file)));
  const found = findRevocation(load(made.revoked), [load(made.root)], readRevocationLists(both), Date.now());
  assert.equal(found, 'certificate revoked');
});

for (const [what, file, pattern] of [
  ['nothing', '', /There is no revocation list in it/],
  ['a certificate', '-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----', /There is no revocation list/],
  [
    'an empty list',
    '-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----',
    /Revocation list 1 in it cannot be used: /,
  ],
  ['a block without an end', '-----BEGIN X509 CRL-----\nMAA=', /There is no revocation list in it/],
] as const) {
  test(`refused: ${what}`, () => assert.throws(() => readRevocationLists(Buffer.from(file)), pattern));
}

test('T33 no change of a list is taken: whatever byte is turned, it is refused, ignored or the same', {
  timeout: 60_000,
}, (t) => {
  const made = certificatesOrSkip(t);
  if (made === null) return;
  const der = Buffer.from(readFileSync(made.crlFile, 'utf8').replace(/-----.*-----|\n/g, ''), 'base64');
  const [root, client] = [load(made.root), load(made.client)];
  const pem = (bytes: Uint8Array) =>
    Buffer.from(`-----BEGIN X509 CRL-----\n${Buffer.from(bytes).toString('base64')}\n-----END X509 CRL-----\n`);
  assert.equal(findRevocation(client, [root], readRevocationLists(pem(der)), Date.now()), null);
  fc.assert(
    fc.property(fc.nat(der.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const changed = Buffer.from(der);
      changed[at] = (changed[at] ?? 0) ^ change;
      let found: string | null;
      try {
        found = findRevocation(client, [root], readRevocationLists(pem(changed)), Date.now());
      } catch (error) {
        assert.ok(error instanceof Error);
        return;
      }
      assert.notEqual(found, null);
    }),
    { numRuns: 300 },
  );
});
