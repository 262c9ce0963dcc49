/** TLS of a listener, with certificates and with pre-shared keys. */
import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { ConnectionOptions } from 'node:tls';
import { ConnectFailedError, ConnectRefusedError } from '../../src/client/client-types.ts';
import { certificatesOrSkip, openssl, type TestCertificates, type TestIdentity } from '../fixtures/certificates.ts';
import { createTlsClient } from '../fixtures/tls-client.ts';
import { type OneBroker, OPEN, refusalOf, startOneBroker } from './one-broker.ts';
import { admission, Visitor } from './visitor.ts';

/** How a client comes. */
interface Coming {
  readonly identity?: TestIdentity | null;
  readonly ca?: string;
  readonly more?: ConnectionOptions;
}

interface Place {
  readonly made: TestCertificates;
  /** Lines of a TLS listener with the server's certificate. */
  readonly tls: readonly string[];
  /** Those of one that asks clients for certificates. */
  readonly mutual: readonly string[];
  start(lines: readonly string[]): Promise<OneBroker>;
  /** 'in', the reason of CONNACK, or 'handshake' when there was none. */
  comes(port: number, coming?: Coming): Promise<number | 'in' | 'handshake'>;
}

/** Null after the test was skipped because there is no openssl. */
function placeOf(t: TestContext): Place | null {
  const made = certificatesOrSkip(t);
  if (made === null) return null;
  const tls = [...OPEN, `certfile ${made.server.certFile}`, `keyfile ${made.server.keyFile}`];
  return {
    made,
    tls,
    mutual: [...tls, `cafile ${made.root.certFile}`, 'require_certificate true'],
    start: (lines) => startOneBroker(t, lines),
    comes: async (port, { identity = null, ca = made.root.certFile, more = {} } = {}) => {
      const transport = createTlsClient({ ca: readFileSync(ca, 'utf8'), identity, psk: null, more });
      return await arrival(port, transport);
    },
  };
}

async function arrival(
  port: number,
  transport: ReturnType<typeof createTlsClient>,
): Promise<number | 'in' | 'handshake'> {
  try {
    await (await Visitor.connect(port, { transport })).leave();
    return 'in';
  } catch (error) {
    if (error instanceof ConnectRefusedError) return error.reason;
    // TLS 1.3 has let the client through before the server judges its certificate.
    assert.ok(error instanceof ConnectFailedError || (error instanceof Error && 'code' in error), String(error));
    return 'handshake';
  }
}

test('option certfile: the listener is TLS and shows this certificate', async (t) => {
  const place = placeOf(t);
  if (place === null) return;
  const { port, log } = await place.start(place.tls);
  assert.equal(await place.comes(port), 'in');
  assert.match(await log.sees('negotiated'), /^Client visitor negotiated TLSv1\.3 cipher TLS_AES_256_GCM_SHA384$/);
  assert.equal(await place.comes(port, { ca: place.made.other.certFile }), 'handshake');
  assert.equal(await admission(port), 'closed');
  const missing = [...OPEN, 'certfile {FOLDER}/none.crt', `keyfile ${place.made.server.keyFile}`];
  assert.match(await refusalOf(t, missing), /none\.crt/);
  const plain = await place.start(OPEN);
  assert.equal(await admission(plain.port), 'in');
});

test('option keyfile: must be there, and must be the key of the certificate', async (t) => {
  const place = placeOf(t);
  if (place === null) return;
  const { server, client } = place.made;
  assert.match(
    await refusalOf(t, [...OPEN, `certfile ${server.certFile}`]),
    /Both certfile and keyfile must be provided to enable a TLS listener\./,
  );
  assert.match(await refusalOf(t, [...OPEN, `certfile ${server.certFile}`, `keyfile ${client.keyFile}`]), /key/);
  assert.equal(await place.comes((await place.start(place.tls)).port), 'in');
});

test('option cafile: client certificates of these authorities are good', async (t) => {
  const place = placeOf(t);
  if (place === null) return;
  const { client, wrongAuthority } = place.made;
  const { port } = await place.start(place.mutual);
  assert.equal(await place.comes(port, { identity: client }), 'in');
  assert.equal(await place.comes(port, { identity: wrongAuthority }), 'handshake');
  const other = await place.start([...place.tls, `cafile ${place.made.other.certFile}`, 'require_certificate true']);
  assert.equal(await place.comes(other.port, { identity: client }), 'handshake');
  assert.equal(await place.comes(other.port, { identity: wrongAuthority }), 'in');
});

test('option capath: every file of the folder with a hashed name is an authority', async (t) => {
  const place = placeOf(t);
  if (place === null) return;
  const { client, wrongAuthority, root, other, folder } = place.made;
  const authorities = join(folder, 'authorities');
  mkdirSync(authorities);
  const nameOf = ({ certFile }: TestIdentity) => `${openssl(['x509', '-hash', '-noout', '-in', certFile]).trim()}.0`;
  copyFileSync(other.certFile, join(authorities, nameOf(other)));
  copyFileSync(root.certFile, join(authorities, 'not-hashed.pem'));
  const lines = [...place.tls, `capath ${authorities}`, 'require_certificate true'];
  const first = await place.start(lines);
  assert.equal(await place.comes(first.port, { identity: wrongAuthority }), 'in');
  assert.equal(await place.comes(first.port, { identity: client }), 'handshake');
  copyFileSync(root.certFile, join(authorities, nameOf(root)));
  const second = await place.start(lines);
  assert.equal(await place.comes(second.port, { identity: wrongAuthority }), 'in');
  assert.equal(await place.comes(second.port, { identity: client }), 'in');
});

test('option crlfile: revoked client certificates are refused', async (t) => {
  const place = placeOf(t);
  if (place === null) return;
  const { client, revoked, crlFile } = place.made;
  const strict = await place.start([...place.mutual, `crlfile ${crlFile}`]);
  assert.equal(await place.comes(strict.port, { identity: client }), 'in');
  assert.equal(await place.comes(strict.port, { identity: revoked }), 'handshake');
  const lax = await place.start(place.mutual);
  assert.equal(await place.comes(lax.port, { identity: revoked }), 'in');
});

test('option require_certificate: who has none is refused', async (t) => {
  const place = placeOf(t);
  if (place === null) return;
  const strict = await place.start(place.mutual);
  assert.equal(await place.comes(strict.port), 'handshake');
  assert.match(await strict.log.sees('peer did not return a certificate'), /TLS handshake/);
  const lax = await place.start([...place.tls, `cafile ${place.made.root.certFile}`]);
  assert.equal(await place.comes(lax.port), 'in');
});

test('option disable_client_cert_date_checks: certificates are good before and after their time', async (t) => {
  const place = placeOf(t);
  if (place === null) return;
  const { expired, notYetValid, wrongAuthority } = place.made;
  const strict = await place.start(place.mutual);
  const lax = await place.start([...place.mutual, 'disable_client_cert_date_checks true']);
  for (const identity of [expired, notYetValid]) {
    assert.equal(await place.comes(strict.port, { identity }), 'handshake');
    assert.equal(await place.comes(lax.port, { identity }), 'in');
  }
  assert.equal(await place.comes(lax.port, { identity: wrongAuthority }), 'handshake');
});

test('option use_identity_as_username: the Common Name of the certificate is the user name', async (t) => {
  await userNameIs(t, 'use_identity_as_username true', /u'pump7'/);
});

test('option use_subject_as_username: the subject of the certificate is the user name', async (t) => {
  await userNameIs(t, 'use_subject_as_username true', /u'CN=pump7,O=Plant'/);
});

/** With that line no password is asked for; without it nobody comes in, since anonymous clients may not. */
async function userNameIs(t: TestContext, line: string, shown: RegExp): Promise<void> {
  const place = placeOf(t);
  if (place === null) return;
  const { client } = place.made;
  const lines = [...place.mutual.filter((one) => one !== 'allow_anonymous true'), 'allow_anonymous false'];
  const named = await place.start([...lines, line]);
  assert.equal(await place.comes(named.port, { identity: client }), 'in');
  assert.match(await named.log.sees('New client connected'), shown);
  const unnamed = await place.start(lines);
  assert.equal(await place.comes(unnamed.port, { identity: client }), 0x87);
  // Without TLS nobody can vouch for a name: the listener works as if the line were not there, and a warning says so.
  const plain = await place.start([...OPEN, line]);
  assert.equal(await admission(plain.port), 'in');
  assert.ok(plain.log.hasLine('has no effect on this listener: it has no TLS'));
}

test('option tls_version: older versions are refused', async (t) => {
  const place = placeOf(t);
  if (place === null) return;
  const upTo = (version: 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3') =>
    ({ more: { minVersion: 'TLSv1', maxVersion: version, ciphers: 'DEFAULT@SECLEVEL=0' } }) as const;
  const only13 = await place.start([...place.tls, 'tls_version tlsv1.3']);
  assert.equal(await place.comes(only13.port, upTo('TLSv1.3')), 'in');
  assert.equal(await place.comes(only13.port, upTo('TLSv1.2')), 'handshake');
  const usual = await place.start(place.tls);
  assert.equal(await place.comes(usual.port, upTo('TLSv1.2')), 'in');
  assert.equal(await place.comes(usual.port, upTo('TLSv1.1')), 'handshake');
  const old = await place.start([...place.tls, 'tls_version tlsv1.1', 'ciphers DEFAULT@SECLEVEL=0']);
  assert.equal(await place.comes(old.port, upTo('TLSv1.1')), 'in');
});

test('option ciphers: only these up to TLS 1.2', async (t) => {
  const place = placeOf(t);
  if (place === null) return;
  const offering = (ciphers: string) => ({ more: { maxVersion: 'TLSv1.2', ciphers } }) as const;
  const [chosen, other] = ['ECDHE-ECDSA-CHACHA20-POLY1305', 'ECDHE-ECDSA-AES128-GCM-SHA256'] as const;
  const strict = await place.start([...place.tls, `ciphers ${chosen}`]);
  assert.equal(await place.comes(strict.port, offering(chosen)), 'in');
  assert.equal(await place.comes(strict.port, offering(other)), 'handshake');
  const usual = await place.start(place.tls);
  assert.equal(await place.comes(usual.port, offering(other)), 'in');
  assert.match(await refusalOf(t, [...place.tls, 'ciphers NONSENSE']), /Unable to set TLS ciphers.*"NONSENSE"/);
});

test('option ciphers_tls1.3: only these of TLS 1.3', async (t) => {
  const place = placeOf(t);
  if (place === null) return;
  const offering = (ciphers: string) => ({ more: { minVersion: 'TLSv1.3', ciphers } }) as const;
  const [chosen, other] = ['TLS_CHACHA20_POLY1305_SHA256', 'TLS_AES_128_GCM_SHA256'] as const;
  const strict = await place.start([...place.tls, `ciphers_tls1.3 ${chosen}`]);
  assert.equal(await place.comes(strict.port, offering(chosen)), 'in');
  assert.equal(await place.comes(strict.port, offering(other)), 'handshake');
  const usual = await place.start(place.tls);
  assert.equal(await place.comes(usual.port, offering(other)), 'in');
  assert.match(await refusalOf(t, [...place.tls, 'ciphers_tls1.3 NONSENSE']), /Unable to set TLS 1\.3 ciphersuites/);
});

const PSK_LINES = [...OPEN, 'psk_hint plant', 'psk_file {FOLDER}/psk'] as const;
const PSK_FILES = { psk: 'pump7:00112233445566778899aabbccddeeff\n' } as const;
const KEY = Buffer.from('00112233445566778899aabbccddeeff', 'hex');

const withKey = (identity: string, key: Uint8Array, more: ConnectionOptions = {}) =>
  createTlsClient({ ca: null, identity: null, psk: { identity, key }, more });

test('option psk_hint: makes the listener TLS with pre-shared keys, and clients see it', async (t) => {
  const { port } = await startOneBroker(t, PSK_LINES, { files: PSK_FILES });
  assert.equal(await admission(port), 'closed');
  const hints: (string | null)[] = [];
  const pskCallback = (hint: string | null) => {
    hints.push(hint);
    return { identity: 'pump7', psk: KEY };
  };
  assert.equal(await arrival(port, withKey('pump7', KEY, { pskCallback })), 'in');
  assert.deepEqual(hints, ['plant']);
  const plain = await startOneBroker(t, [...OPEN, 'psk_file {FOLDER}/psk'], { files: PSK_FILES });
  assert.equal(await admission(plain.port), 'in');
});

test('option psk_file: only the identities in it, with their keys', async (t) => {
  const { port } = await startOneBroker(t, PSK_LINES, { files: PSK_FILES });
  assert.equal(await arrival(port, withKey('pump7', KEY)), 'in');
  assert.equal(await arrival(port, withKey('pump8', KEY)), 'handshake');
  assert.equal(await arrival(port, withKey('pump7', Buffer.alloc(16, 1))), 'handshake');
  assert.match(await refusalOf(t, PSK_LINES, { files: { psk: 'pump7:xyz\n' } }), /psk/);
});

test('option use_identity_as_username: the identity of a pre-shared key is the user name', async (t) => {
  const lines = [...PSK_LINES.filter((line) => line !== 'allow_anonymous true'), 'use_identity_as_username true'];
  const { port, log } = await startOneBroker(t, lines, { files: PSK_FILES });
  assert.equal(await arrival(port, withKey('pump7', KEY)), 'in');
  assert.match(await log.sees('New client connected'), /u'pump7'/);
});

test('option dhparamfile: is taken with a warning, and the listener works without it', async (t) => {
  const place = placeOf(t);
  if (place === null) return;
  const { port, log } = await place.start([...place.tls, 'dhparamfile {FOLDER}/none.pem']);
  assert.ok(log.hasLine("Warning: The 'dhparamfile' option is ignored"));
  assert.equal(await place.comes(port), 'in');
});

test('option tls_keyform: pem is a file, and engine is refused', async (t) => {
  const place = placeOf(t);
  if (place === null) return;
  assert.equal(await place.comes((await place.start([...place.tls, 'tls_keyform pem'])).port), 'in');
  assert.match(await refusalOf(t, [...place.tls, 'tls_keyform engine']), NO_ENGINES);
});

test('option tls_engine: is refused, with the reason', async (t) => {
  assert.match(await refusalOf(t, [...OPEN, 'tls_engine pkcs11']), NO_ENGINES);
});

test('option tls_engine_kpass_sha1: is refused, with the reason', async (t) => {
  assert.match(await refusalOf(t, [...OPEN, 'tls_engine_kpass_sha1 0123']), NO_ENGINES);
});

const NO_ENGINES = /cannot be used: Zanzara has no OpenSSL engines, and OpenSSL 3 has given them up\./;
