import assert from 'node:assert/strict';
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { certificatesOrSkip, openssl, type TestCertificates } from '../../../test/fixtures/certificates.ts';
import { contextOf, mutual, NO_TLS } from '../../../test/fixtures/tls-listener.ts';
import { createTlsContext } from './tls-context.ts';
import { securityLevelOf, type TlsSettings, TlsSetupError } from './tls-settings.ts';

/** The lines of the refusal. */
function refusal(settings: TlsSettings): readonly string[] {
  try {
    createTlsContext(settings, readFileSync, readdirSync);
  } catch (error) {
    assert.ok(error instanceof TlsSetupError, String(error));
    return error.lines;
  }
  return assert.fail('nothing was refused');
}

type Change = (
  made: TestCertificates,
  file: (name: string, content: string | Uint8Array) => string,
) => Partial<TlsSettings>;

const pem = (label: string, body: string) => `-----BEGIN ${label}-----\n${body}\n-----END ${label}-----\n`;

/** What is wrong, and the lines that say so. */
const REFUSED: readonly [string, Change, RegExp, RegExp][] = [
  [
    'no certfile',
    () => ({ certFile: null }),
    /^Error: Both certfile and keyfile must be provided to enable a TLS listener\.$/,
    /^$/,
  ],
  [
    'a certfile that is not there',
    () => ({ certFile: '/nowhere/a.crt' }),
    /^Error: Unable to load server certificate "\/nowhere\/a\.crt"\. Check certfile\.$/,
    /^No such file or directory\.$/,
  ],
  ['a certfile that is a folder', ({ folder }) => ({ certFile: folder }), /Check certfile\.$/, /^It is a folder\.$/],
  [
    'an empty certfile',
    (_, file) => ({ certFile: file('empty', '') }),
    /Check certfile\.$/,
    /There is no certificate in it/,
  ],
  [
    'a damaged certfile',
    (_, file) => ({ certFile: file('bad.crt', pem('CERTIFICATE', 'MAA=')) }),
    /Check certfile\.$/,
    /damaged: openssl x509 -in/,
  ],
  [
    'a certfile in DER',
    ({ server }, file) => ({ certFile: file('a.der', derOf(server.certFile)) }),
    /Check certfile\.$/,
    /It is in DER form; make PEM of it: openssl x509 -inform der -in ".*a\.der" -out NEWFILE$/,
  ],
  [
    'certfile and keyfile swapped',
    ({ server }) => ({ certFile: server.keyFile, keyFile: server.certFile }),
    /Check certfile\.$/,
    /swapped/,
  ],
  [
    'a certificate as keyfile',
    ({ server }) => ({ keyFile: server.certFile }),
    /^Error: Unable to load server key file ".*"\. Check keyfile\.$/,
    /swapped/,
  ],
  [
    'a keyfile that is not there',
    () => ({ keyFile: '/nowhere/a.key' }),
    /^Error: Unable to load server key file "\/nowhere\/a\.key"\. Check keyfile\.$/,
    /^No such file/,
  ],
  [
    'a keyfile with a passphrase',
    ({ server, folder }) => {
      const keyFile = `${folder}/secret.key`;
      openssl(['pkey', '-in', server.keyFile, '-aes256', '-passout', 'pass:secret', '-out', keyFile]);
      return { keyFile };
    },
    /Check keyfile\.$/,
    /^The key is encrypted, and there is nobody to type its passphrase\. Remove it: openssl pkey -in/,
  ],
  [
    'garbage as keyfile',
    (_, file) => ({ keyFile: file('g.key', 'abc') }),
    /Check keyfile\.$/,
    /There is no private key in it/,
  ],
  [
    'the key of another certificate',
    ({ client }) => ({ keyFile: client.keyFile }),
    /^Error: Server certificate\/key are inconsistent\.$/,
    /subject CN=localhost,O=Plant/,
  ],
  [
    'a weak certificate of our own',
    ({ weakKey }) => weakKey,
    /Check certfile\.$/,
    /^OpenSSL: ee key too small\. .*ciphers DEFAULT@SECLEVEL=0$/,
  ],
  [
    'a cafile that is not there',
    () => ({ caFile: '/nowhere/ca' }),
    /^Error: Unable to load CA certificates\. Check cafile "\/nowhere\/ca"\.$/,
    /^No such file/,
  ],
  [
    'a cafile without a certificate',
    ({ server }) => ({ caFile: server.keyFile }),
    /Check cafile ".*"\.$/,
    /no certificate in it/,
  ],
  [
    'a cafile whose second certificate is damaged',
    ({ root }, file) => ({ caFile: file('two', readFileSync(root.certFile, 'utf8') + pem('CERTIFICATE', 'MAA=')) }),
    /Check cafile/,
    /^Certificate 2 of ".*" is damaged\.$/,
  ],
  [
    'a capath that is not there',
    () => ({ caPath: '/nowhere' }),
    /^Error: Unable to load CA certificates\. Check capath "\/nowhere"\.$/,
    /^No such file/,
  ],
  [
    'a crlfile that is not there',
    () => ({ crlFile: '/nowhere/crl' }),
    /^Error: Unable to load certificate revocation file "\/nowhere\/crl"\. Check crlfile\.$/,
    /^No such file/,
  ],
  [
    'a crlfile without a list',
    ({ root }) => ({ crlFile: root.certFile }),
    /Check crlfile\.$/,
    /no revocation list in it/,
  ],
  [
    'ciphers that nobody has',
    () => ({ ciphers: 'NO-SUCH-CIPHER' }),
    /^Error: Unable to set TLS ciphers\. Check cipher list "NO-SUCH-CIPHER"\.$/,
    /openssl ciphers/,
  ],
  [
    'ciphers of TLS 1.3 in the wrong list',
    () => ({ ciphers: 'TLS_AES_128_GCM_SHA256' }),
    /Check cipher list/,
    /belongs into ciphers_tls1\.3/,
  ],
  [
    'ciphers_tls1.3 that nobody has',
    () => ({ ciphersTls13: 'TLS_NO_SUCH' }),
    /^Error: Unable to set TLS 1\.3 ciphersuites\. Check cipher_tls13 list "TLS_NO_SUCH"\.$/,
    /begin with TLS_/,
  ],
  [
    'old names in ciphers_tls1.3',
    () => ({ ciphersTls13: 'AES128-SHA' }),
    /Check cipher_tls13 list "AES128-SHA"/,
    /begin with TLS_/,
  ],
  [
    'certificates and pre-shared keys',
    () => ({ pskHint: 'hint' }),
    /^Error: Cannot use both certificate and psk encryption in a single listener\.$/,
    /^$/,
  ],
];

describe('what cannot be had is refused', () => {
  for (const [what, change, first, second] of REFUSED) {
    test(what, (t) => {
      const made = certificatesOrSkip(t);
      if (made === null) return;
      const folder = mkdtempSync(`${made.folder}/context-`);
      const file = (name: string, content: string | Uint8Array) => {
        writeFileSync(`${folder}/${name}`, content);
        return `${folder}/${name}`;
      };
      const { certFile, keyFile } = made.server;
      const lines = refusal({ ...NO_TLS, certFile, keyFile, ...change(made, file) });
      assert.match(lines[0] ?? '', first);
      assert.match(lines[1] ?? '', second);
      assert.doesNotMatch(lines.join(), /PRIVATE KEY-----\n/);
    });
  }

  test('pre-shared keys with TLS 1.3', () => {
    assert.match(
      refusal({ ...NO_TLS, pskHint: 'hint', version: 'tlsv1.3' }).join('\n'),
      /pre-shared keys are for TLS 1\.2/,
    );
  });

  test('a file that may not be read, and one that is too large', (t) => {
    const made = certificatesOrSkip(t);
    if (made === null) return;
    const { certFile, keyFile } = made.server;
    const settings = { ...NO_TLS, certFile, keyFile };
    const forbidden = () => {
      throw Object.assign(new Error('EACCES'), { code: 'EACCES' });
    };
    assert.throws(
      () => createTlsContext(settings, forbidden, readdirSync),
      /Permission denied: the user that the broker runs as/,
    );
    const large = () => new Uint8Array(64 * 1024 * 1024 + 1);
    assert.throws(() => createTlsContext(settings, large, readdirSync), /more than 67108864 bytes/);
  });
});

describe('what works with a warning', () => {
  test('nothing to warn of', (t) => {
    const made = certificatesOrSkip(t);
    if (made === null) return;
    assert.deepEqual(contextOf(made, mutual(made, { crlFile: made.crlFile })).warnings, []);
    assert.deepEqual(
      contextOf(made, { certFile: made.serverRsa.certFile, keyFile: made.serverRsa.keyFile }).warnings,
      [],
    );
  });

  const WARNED: readonly [string, Change, readonly RegExp[]][] = [
    [
      'our certificate has expired',
      ({ root }) =>
        root.issue('old-server', { subject: '/CN=localhost', extensions: 'server', fromDays: -9, toDays: -1 }),
      [/^Warning: The certificate of listener 8883 \(".*"\) has expired on \d{4}-.*Z \(now .*Z\)/],
    ],
    [
      'our certificate is not yet valid',
      ({ root }) => root.issue('young-server', { subject: '/CN=localhost', extensions: 'server', fromDays: 9 }),
      [/^Warning: The certificate of listener 8883 .* is not valid before .* Is the clock of this machine right\?/],
    ],
    [
      'tls_version tlsv1.1 without weak ciphers',
      () => ({ version: 'tlsv1.1' }),
      [
        /^Warning: tls_version tlsv1\.1 admits a version of TLS that is deprecated/,
        /^Warning: TLS 1\.1 works only .* ciphers DEFAULT@SECLEVEL=0$/,
      ],
    ],
    [
      'tls_version tlsv1.1',
      () => ({ version: 'tlsv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }),
      [/^Warning: tls_version tlsv1\.1 admits/],
    ],
    [
      'a revocation list is overdue',
      ({ root }) => ({
        caFile: root.certFile,
        requiresCertificate: true,
        crlFile: root.revocationList('overdue-context.pem', -1),
      }),
      [/^Warning: A revocation list of listener 8883 .* is out of date since/],
    ],
    [
      'a capath without hashed names',
      ({ folder, root }) => {
        const caPath = mkdtempSync(`${folder}/unhashed-`);
        copyFileSync(root.certFile, `${caPath}/ca.pem`);
        return { caPath, requiresCertificate: true };
      },
      [/^Warning: capath ".*" of listener 8883 holds no certificate with a hashed name.* openssl rehash/],
    ],
    [
      'require_certificate without a CA',
      () => ({ requiresCertificate: true }),
      [
        /^Warning: listener 8883 has require_certificate true, but neither cafile nor capath: no client certificate can be/,
      ],
    ],
    [
      'a CA that has expired',
      ({ root, folder }) => {
        const { certFile } = root.createBelow(`${folder}/old-ca-context`, {
          subject: '/CN=Old',
          fromDays: -9,
          toDays: -1,
        });
        return { caFile: certFile, requiresCertificate: true };
      },
      [/^Warning: The CA certificate CN=Old of listener 8883 .* has expired on/],
    ],
  ];
  for (const [what, change, patterns] of WARNED) {
    test(what, (t) => {
      const made = certificatesOrSkip(t);
      if (made === null) return;
      const { warnings } = contextOf(
        made,
        change(made, () => assert.fail('not used')),
      );
      assert.equal(warnings.length, patterns.length, warnings.join('\n'));
      for (const [index, pattern] of patterns.entries()) assert.match(warnings[index] ?? '', pattern);
    });
  }
});

test('the security level is the last one that the list names', () => {
  assert.equal(securityLevelOf('DEFAULT'), 2);
  assert.equal(securityLevelOf('DEFAULT@SECLEVEL=0'), 0);
  assert.equal(securityLevelOf('@SECLEVEL=3:DEFAULT:@SECLEVEL=1'), 1);
});

test('ciphers may stand between colons, commas and blanks', (t) => {
  const made = certificatesOrSkip(t);
  if (made === null) return;
  for (const ciphers of ['AES128-SHA:AES256-SHA', 'AES128-SHA,AES256-SHA', 'AES128-SHA AES256-SHA', ':AES128-SHA:']) {
    assert.deepEqual(contextOf(made, { ciphers }).warnings, []);
  }
});

function derOf(file: string): Buffer {
  return Buffer.from(readFileSync(file, 'utf8').replace(/-----.*-----|\n/g, ''), 'base64');
}
