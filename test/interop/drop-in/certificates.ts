/** Certificates for a scenario, made by openssl: an authority, a server, clients good and bad, and a revocation list. */
import { execFileSync } from 'node:child_process';
import { chmodSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const AUTHORITY = `
[ca]
default_ca = own
[own]
dir = .
database = index.txt
new_certs_dir = .
serial = serial
crlnumber = crlnumber
certificate = ca.crt
private_key = ca.key
default_md = sha256
default_crl_days = 3650
policy = any
copy_extensions = copy
[any]
commonName = supplied
organizationName = optional
[req]
distinguished_name = dn
[dn]
[v3_ca]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
`;

/** Writes ca, server, robot5, expired, revoked, stranger (.crt and .key) and ca.crl into `folder`. */
export function makeCertificates(folder: string): void {
  const openssl = (...args: readonly string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
  const authority = (name: string) =>
    openssl(
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', `${name}.key`],
      ...['-out', `${name}.crt`, '-days', '3650', '-subj', `/CN=${name} authority`, '-config', 'authority.cnf'],
      ...['-extensions', 'v3_ca'],
    );
  const request = (name: string, extra: readonly string[] = []) =>
    openssl(
      ...['req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', `${name}.key`],
      ...['-out', `${name}.csr`, '-subj', `/CN=${name}`, '-config', 'authority.cnf', ...extra],
    );
  const issue = (name: string, from: string, to: string) =>
    openssl(
      ...['ca', '-batch', '-config', 'authority.cnf', '-in', `${name}.csr`, '-out', `${name}.crt`, '-notext'],
      ...['-startdate', from, '-enddate', to],
    );
  writeFileSync(join(folder, 'authority.cnf'), AUTHORITY);
  writeFileSync(join(folder, 'index.txt'), '');
  writeFileSync(join(folder, 'serial'), '01\n');
  writeFileSync(join(folder, 'crlnumber'), '01\n');
  authority('ca');
  authority('other');
  request('server', ['-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1']);
  for (const name of ['robot5', 'expired', 'revoked', 'stranger']) request(name);
  const [long, ago, past] = ['20450101000000Z', '20200101000000Z', '20210101000000Z'];
  for (const name of ['server', 'robot5', 'revoked']) issue(name, ago, long);
  issue('expired', ago, past);
  openssl(
    ...['x509', '-req', '-in', 'stranger.csr', '-CA', 'other.crt', '-CAkey', 'other.key', '-CAcreateserial'],
    ...['-days', '3650', '-out', 'stranger.crt'],
  );
  openssl('ca', '-config', 'authority.cnf', '-revoke', 'revoked.crt');
  openssl('ca', '-config', 'authority.cnf', '-gencrl', '-out', 'ca.crl');
  // The broker of the other process may run as another user.
  for (const name of readdirSync(folder)) if (/\.(crt|key|crl)$/.test(name)) chmodSync(join(folder, name), 0o644);
}
