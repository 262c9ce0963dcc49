import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import {
  certificatesOrSkip,
  TestAuthority,
  type TestCertificates,
  type TestIdentity,
} from '../../../test/fixtures/certificates.ts';
import { verifyWithoutDates } from './tls-chain.ts';

const load = ({ certFile }: TestIdentity) => new X509Certificate(readFileSync(certFile));

interface Case {
  readonly leaf: TestIdentity;
  readonly sent?: readonly TestIdentity[];
  readonly trusted?: readonly TestIdentity[];
  readonly securityLevel?: number;
  readonly reason: string | null;
}

let folderCount = 0;

function declare(title: string, build: (made: TestCertificates, folder: string) => Case): void {
  test(title, (t: TestContext) => {
    const made = certificatesOrSkip(t);
    if (made === null) return;
    const {
      leaf,
      sent = [],
      trusted = [made.root],
      securityLevel = 2,
      reason,
    } = build(made, `${made.folder}/chain-${++folderCount}`);
    const trust = { authorities: trusted.map(load), securityLevel };
    assert.equal(verifyWithoutDates(load(leaf), sent.map(load), trust, Date.now()), reason);
  });
}

const UNKNOWN = 'unable to get local issuer certificate';

declare('of a root that is trusted', ({ client }) => ({ leaf: client, reason: null }));
declare('expired', ({ expired }) => ({ leaf: expired, reason: null }));
declare('not yet valid', ({ notYetValid }) => ({ leaf: notYetValid, reason: null }));
declare('nobody is trusted', ({ client }) => ({ leaf: client, trusted: [], reason: UNKNOWN }));
declare('of another root', ({ wrongAuthority }) => ({ leaf: wrongAuthority, reason: UNKNOWN }));
declare('of another root, which is sent along', ({ wrongAuthority, other }) => ({
  leaf: wrongAuthority,
  sent: [other],
  reason: UNKNOWN,
}));
declare('of a root that has only the name of ours', (_, folder) => {
  const fake = TestAuthority.createRoot(folder, '/O=Plant/CN=Plant Root');
  return { leaf: fake.issue('forged', { subject: '/CN=admin' }), sent: [fake], reason: UNKNOWN };
});
declare('below an authority that is sent', ({ intermediate }) => ({
  leaf: intermediate.issue('leaf', { subject: '/CN=a' }),
  sent: [intermediate],
  reason: null,
}));
declare('below an authority that is in cafile with its root', ({ intermediate, root }) => ({
  leaf: intermediate.issue('leaf', { subject: '/CN=a' }),
  trusted: [intermediate, root],
  reason: null,
}));
declare('below an authority whose root is not trusted', ({ intermediate, root }) => ({
  leaf: intermediate.issue('leaf', { subject: '/CN=a' }),
  sent: [root],
  trusted: [intermediate],
  reason: UNKNOWN,
}));
declare('signed by a client', ({ root, client }) => {
  const folder = `${root.folder}-client-${++folderCount}`;
  const fake = TestAuthority.createRoot(folder, '/O=Plant/CN=pump7');
  return { leaf: fake.issue('leaf', { subject: '/CN=a' }), sent: [fake, client], reason: UNKNOWN };
});
declare('an authority below one that may have none', ({ intermediate }, folder) => {
  const lowest = intermediate.createBelow(folder, { subject: '/CN=lowest' });
  return {
    leaf: lowest.issue('leaf', { subject: '/CN=a' }),
    sent: [lowest, intermediate],
    reason: 'path length constraint exceeded',
  };
});
declare('below an authority that is none', ({ root }, folder) => {
  const none = root.createBelow(folder, { subject: '/CN=none', extensions: 'client' });
  return { leaf: none.issue('leaf', { subject: '/CN=a' }), sent: [none], reason: 'invalid CA certificate' };
});
declare('below an authority with constraints', ({ root }, folder) => {
  const named = root.createBelow(folder, { subject: '/CN=named', extensions: 'named' });
  return { leaf: named.issue('leaf', { subject: '/CN=a' }), sent: [named], reason: 'CA certificate with constraints' };
});
declare('below an authority that has expired', ({ root }, folder) => {
  const old = root.createBelow(folder, { subject: '/CN=old', fromDays: -9, toDays: -1 });
  return { leaf: old.issue('leaf', { subject: '/CN=a' }), sent: [old], reason: 'CA certificate has expired' };
});
declare('below an authority that is not yet valid', ({ root }, folder) => {
  const young = root.createBelow(folder, { subject: '/CN=young', fromDays: 9 });
  return { leaf: young.issue('leaf', { subject: '/CN=a' }), sent: [young], reason: 'CA certificate is not yet valid' };
});
declare('for servers', ({ root }) => ({
  leaf: root.issue('leaf', { subject: '/CN=a', extensions: 'serveronly' }),
  reason: 'unsuitable certificate purpose',
}));
declare('an authority as a client', ({ intermediate }) => ({
  leaf: intermediate,
  reason: 'unsuitable certificate purpose',
}));
declare('a critical extension that nobody knows', ({ root }) => ({
  leaf: root.issue('leaf', { subject: '/CN=a', extensions: 'strange' }),
  reason: 'unhandled critical extension',
}));
declare('a weak key', ({ weakKey }) => ({ leaf: weakKey, reason: 'EE certificate key too weak' }));
declare('a weak key where the level allows it', ({ weakKey }) => ({ leaf: weakKey, securityLevel: 1, reason: null }));
declare('a key that the level does not allow', ({ client }) => ({
  leaf: client,
  securityLevel: 4,
  reason: 'EE certificate key too weak',
}));
declare('signed with SHA-1', ({ root }) => ({
  leaf: root.issue('leaf', { subject: '/CN=a', digest: 'sha1' }),
  reason: 'CA signature digest algorithm too weak',
}));
declare('signed with SHA-1 where the level allows it', ({ root }) => ({
  leaf: root.issue('leaf', { subject: '/CN=a', digest: 'sha1' }),
  securityLevel: 0,
  reason: null,
}));
