/** Who is let in, and what the log says of the others: real handshakes with node's own TLS client. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync } from 'node:fs';
import { connect } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import type { ConnectionOptions, TLSSocket } from 'node:tls';
import {
  certificatesOrSkip,
  chainFile,
  openssl,
  TestAuthority,
  type TestCertificates,
  type TestIdentity,
} from '../../../test/fixtures/certificates.ts';
import { FakeClock } from '../../../test/fixtures/fake-clock.ts';
import { turns } from '../../../test/fixtures/link-parties.ts';
import { dialTls, type TlsClientSettings } from '../../../test/fixtures/tls-client.ts';
import {
  clientOf,
  contextOf,
  listenTls,
  mutual,
  pskContext,
  type TlsListener,
} from '../../../test/fixtures/tls-listener.ts';
import type { PeerSecurity } from '../../base/link.ts';
import type { TlsSettings } from './tls-settings.ts';

const TIMEOUT = { timeout: 60_000 } as const;

/** Turns of the loop that a listener may take to notice what its client did. */
const TURNS_MAX = 100_000;

/** What became of one attempt to connect: the link's security, or null and the lines that the log got. */
interface Outcome {
  readonly security: PeerSecurity | null;
  readonly lines: readonly string[];
  /** Of the client's side, when the handshake failed there. */
  readonly error: string;
}

/** Connects, and waits until the listener has made a link of it or written a line. */
async function attempt(
  t: TestContext,
  { server, log, to }: TlsListener,
  settings: TlsClientSettings,
): Promise<Outcome> {
  const [linkCount, lineCount] = [server.links.length, log.lines.length];
  let error = '';
  try {
    const socket = await dialTls(to, settings);
    socket.on('error', () => {});
    t.after(() => socket.destroy());
    const wasLetIn = await isLetIn(socket, () => server.links.length > linkCount);
    if (!wasLetIn) error = 'closed';
  } catch (thrown) {
    error = thrown instanceof Error ? thrown.message : String(thrown);
  }
  // A client that fails by itself knows it before the listener does.
  for (let turn = 0; turn < TURNS_MAX; turn++) {
    if (server.links.length > linkCount || log.lines.length > lineCount) break;
    await turns(1);
  }
  const recorder = server.links[linkCount];
  return {
    security: recorder?.link.security ?? null,
    lines: log.lines.slice(lineCount).map(({ text }) => text),
    error,
  };
}

/** Each link says something at once, see `greeting`; a client that is refused sees its connection end. */
async function isLetIn(socket: TLSSocket, hasLink: () => boolean): Promise<boolean> {
  if (socket.destroyed) return false;
  return await new Promise((resolve) => {
    socket.once('data', () => resolve(hasLink()));
    socket.once('end', () => resolve(false));
    socket.once('close', () => resolve(false));
  });
}

async function echoing(t: TestContext, settings: Partial<TlsSettings>, made: TestCertificates): Promise<TlsListener> {
  const context = contextOf(made, settings);
  return greeting(await listenTls(t, () => context));
}

/** Each link says something at once, so that a client knows that it was let in. */
function greeting(listener: TlsListener): TlsListener {
  listener.server.onOpen = (recorder) => recorder.send(Buffer.from('!'));
  return listener;
}

function line(pattern: RegExp): (lines: readonly string[]) => void {
  return (lines) => {
    assert.equal(lines.length, 1, lines.join('\n'));
    assert.match(lines[0] ?? '', pattern);
    assert.match(lines[0] ?? '', /^TLS handshake with 127\.0\.0\.1:\d+ on listener 8883 failed: /);
  };
}

describe('certificates of clients', TIMEOUT, () => {
  test('a good one is let in, and its names are told, in TLS 1.2 and 1.3', async (t) => {
    const made = certificatesOrSkip(t);
    if (made === null) return;
    const listener = await echoing(t, mutual(made), made);
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      const more = { minVersion: version, maxVersion: version };
      const { security, lines } = await attempt(t, listener, { ...clientOf(made, made.client), more });
      assert.deepEqual(lines, []);
      assert.equal(security?.version, version);
      assert.match(security?.cipher ?? '', version === 'TLSv1.3' ? /^TLS_AES_/ : /^ECDHE-ECDSA-/);
      assert.deepEqual(security?.certificate, { commonName: 'pump7', subject: 'CN=pump7,O=Plant' });
      assert.equal(security?.pskIdentity, null);
    }
  });

  /** Who is refused, and the reason in the log. */
  const REFUSED: readonly {
    readonly who: string;
    readonly identity: (made: TestCertificates) => TestIdentity;
    readonly settings?: (made: TestCertificates) => Partial<TlsSettings>;
    readonly pattern: RegExp;
  }[] = [
    {
      who: 'expired',
      identity: ({ expired }) => expired,
      pattern:
        /certificate verify failed: certificate has expired\. Certificate: subject CN=old pump,O=Plant, issuer CN=Plant Root,O=Plant, serial [0-9A-F]+, valid from \d{4}-.*Z to .*disable_client_cert_date_checks true/,
    },
    {
      who: 'not yet valid',
      identity: ({ notYetValid }) => notYetValid,
      pattern:
        /certificate verify failed: certificate is not yet valid\. .*subject CN=new pump,.* The clock of this machine, .* may be wrong \(now \d{4}-[-0-9: ]+Z, valid from \d{4}-/,
    },
    {
      who: 'of another authority',
      identity: ({ wrongAuthority }) => wrongAuthority,
      pattern:
        /certificate verify failed: unable to verify the first certificate\..*subject CN=pump7,O=Elsewhere, issuer CN=Other Root,.*not signed by a CA of cafile "/,
    },
    {
      who: 'signed by itself',
      identity: ({ folder }) => TestAuthority.createRoot(mkdtempSync(`${folder}/self-`), '/CN=self', 'client'),
      pattern: /certificate verify failed: self-signed certificate/,
    },
    {
      who: 'revoked',
      identity: ({ revoked }) => revoked,
      settings: ({ crlFile }) => ({ crlFile }),
      pattern: /certificate verify failed: certificate revoked\. .*subject CN=stolen,.* It stands in crlfile "/,
    },
    {
      who: 'with a weak key',
      identity: ({ weakKey }) => weakKey,
      pattern:
        /certificate verify failed: EE certificate key too weak\. .*separate listener.*ciphers DEFAULT@SECLEVEL=0/,
    },
    {
      who: 'of a server',
      identity: ({ server }) => server,
      pattern: /certificate verify failed: unsuitable certificate purpose\./,
    },
  ];
  for (const { who, identity, settings = () => ({}), pattern } of REFUSED) {
    test(`${who}: refused in TLS 1.2 and 1.3, with one line`, async (t) => {
      const made = certificatesOrSkip(t);
      if (made === null) return;
      const listener = await echoing(t, mutual(made, settings(made)), made);
      for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
        const more: ConnectionOptions = { minVersion: version, maxVersion: version, ciphers: 'DEFAULT@SECLEVEL=0' };
        if (version === 'TLSv1.3') delete more.ciphers;
        if (who === 'with a weak key' && version === 'TLSv1.3') continue;
        const { security, lines } = await attempt(t, listener, { ...clientOf(made, identity(made)), more });
        assert.equal(security, null);
        line(pattern)(lines);
      }
      assert.equal(listener.server.links.length, 0);
    });
  }

  test('none: refused in the handshake, the client gets an alert', async (t) => {
    const made = certificatesOrSkip(t);
    if (made === null) return;
    const listener = await echoing(t, mutual(made), made);
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      const more = { minVersion: version, maxVersion: version };
      const { security, lines } = await attempt(t, listener, { ...clientOf(made), more });
      assert.equal(security, null);
      line(/failed: peer did not return a certificate\. .*require_certificate true/)(lines);
    }
    assert.equal(listener.server.links.length, 0);
  });

  test('require_certificate false: nobody is asked, whatever a client has', async (t) => {
    const made = certificatesOrSkip(t);
    if (made === null) return;
    const listener = await echoing(t, { caFile: made.root.certFile }, made);
    for (const identity of [null, made.client, made.expired, made.wrongAuthority]) {
      const { security, lines } = await attempt(t, listener, clientOf(made, identity));
      assert.equal(security?.certificate, null);
      assert.deepEqual(lines, []);
    }
  });

  test('a device with an intermediate authority: let in when it sends it, refused when it does not', async (t) => {
    const made = certificatesOrSkip(t);
    if (made === null) return;
    const listener = await echoing(t, mutual(made), made);
    const device = made.intermediate.issue('device', { subject: '/O=Plant/CN=valve' });
    const full = { certFile: chainFile(device, [made.intermediate]), keyFile: device.keyFile };
    assert.equal((await attempt(t, listener, clientOf(made, full))).security?.certificate?.commonName, 'valve');
    const { security, lines } = await attempt(t, listener, clientOf(made, device));
    assert.equal(security, null);
    line(/unable to verify the first certificate\..*does not send the certificates in between/)(lines);
  });

  test('capath: certificates with hashed names, and no others', async (t) => {
    const made = certificatesOrSkip(t);
    if (made === null) return;
    const hash = openssl(['x509', '-noout', '-hash', '-in', made.root.certFile]).trim();
    const folder = mkdtempSync(`${made.folder}/capath-`);
    copyFileSync(made.root.certFile, `${folder}/${hash}.0`);
    copyFileSync(made.other.certFile, `${folder}/other.pem`);
    const listener = await echoing(t, { caPath: folder, requiresCertificate: true }, made);
    assert.equal((await attempt(t, listener, clientOf(made, made.client))).security?.certificate?.commonName, 'pump7');
    assert.equal((await attempt(t, listener, clientOf(made, made.wrongAuthority))).security, null);
  });
});

describe('disable_client_cert_date_checks', TIMEOUT, () => {
  const ignoring = { checksDates: false } as const;

  test('expired and not yet valid ones are let in, with their names', async (t) => {
    const made = certificatesOrSkip(t);
    if (made === null) return;
    const listener = await echoing(t, mutual(made, ignoring), made);
    for (const [identity, commonName] of [
      [made.expired, 'old pump'],
      [made.notYetValid, 'new pump'],
      [made.client, 'pump7'],
    ] as const) {
      const { security, lines } = await attempt(t, listener, clientOf(made, identity));
      assert.deepEqual(lines, []);
      assert.equal(security?.certificate?.commonName, commonName);
    }
  });

  test('nothing else is forgiven: another authority, a server, a weak key, revoked', async (t) => {
    const made = certificatesOrSkip(t);
    if (made === null) return;
    const past = { fromDays: -20, toDays: -1 } as const;
    const { root, other } = made;
    const revoked = root.issue('old-revoked', { subject: '/CN=old and stolen', ...past });
    root.revoke(revoked);
    const crlFile = root.revocationList('crl-dates.pem');
    const listener = await echoing(t, mutual(made, { ...ignoring, crlFile }), made);
    const table = [
      [other.issue('old', { subject: '/CN=foreign', ...past }), /unable to get local issuer certificate/],
      [
        root.issue('old-server', { subject: '/CN=server', ...past, extensions: 'serveronly' }),
        /unsuitable certificate purpose/,
      ],
      [
        root.issue('old-weak', { subject: '/CN=weak', ...past, newKey: ['-newkey', 'rsa:1024'] }),
        /EE certificate key too weak/,
      ],
      [
        root.issue('old-strange', { subject: '/CN=strange', ...past, extensions: 'strange' }),
        /unhandled critical extension/,
      ],
      [revoked, /certificate revoked/],
    ] as const;
    for (const [identity, pattern] of table) {
      const more = { maxVersion: 'TLSv1.2', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
      const { security, lines } = await attempt(t, listener, { ...clientOf(made, identity), more });
      assert.equal(security, null, String(pattern));
      line(pattern)(lines);
    }
  });

  test('an authority that has expired is not forgiven, and is what the line speaks of', async (t) => {
    const made = certificatesOrSkip(t);
    if (made === null) return;
    const old = made.root.createBelow(`${made.folder}/old-ca`, { subject: '/CN=Old CA', fromDays: -9, toDays: -1 });
    const device = old.issue('device', { subject: '/CN=device' });
    const full = { certFile: chainFile(device, [old]), keyFile: device.keyFile };
    for (const settings of [{}, ignoring]) {
      const listener = await echoing(t, mutual(made, settings), made);
      const { security, lines } = await attempt(t, listener, clientOf(made, full));
      assert.equal(security, null);
      line(/certificate verify failed: CA certificate has expired\. .*Put a CA certificate that is valid into cafile/)(
        lines,
      );
    }
  });

  test('without it an expired certificate of a stranger is told both, and is not promised to be let in', async (t) => {
    const made = certificatesOrSkip(t);
    if (made === null) return;
    const listener = await echoing(t, mutual(made), made);
    const stranger = made.other.issue('old-stranger', { subject: '/CN=x', fromDays: -9, toDays: -1 });
    const { lines } = await attempt(t, listener, clientOf(made, stranger));
    line(/unable to (verify the first certificate|get local issuer certificate)\. /)(lines);
    assert.doesNotMatch(lines.join(), /disable_client_cert_date_checks/);
  });
});

describe('revocation lists', TIMEOUT, () => {
  test('who does not stand in the list is let in', async (t) => {
    const made = certificatesOrSkip(t);
    if (made === null) return;
    const listener = await echoing(t, mutual(made, { crlFile: made.crlFile }), made);
    assert.equal((await attempt(t, listener, clientOf(made, made.client))).security?.certificate?.commonName, 'pump7');
  });

  test('a list that is overdue, or none of this authority: everybody is refused', async (t) => {
    const made = certificatesOrSkip(t);
    if (made === null) return;
    const overdue = made.root.revocationList('overdue.pem', -1);
    const foreign = made.other.revocationList('foreign.pem');
    for (const [crlFile, pattern] of [
      [overdue, /certificate verify failed: CRL has expired\. .* Put a new list of this CA into crlfile/],
      [foreign, /certificate verify failed: unable to get certificate CRL\. .*has no list of this CA/],
    ] as const) {
      const listener = await echoing(t, mutual(made, { crlFile }), made);
      const { security, lines } = await attempt(t, listener, clientOf(made, made.client));
      assert.equal(security, null);
      line(pattern)(lines);
    }
  });

  test('the list of the authority that signed the device is enough, the one above needs none', async (t) => {
    const made = certificatesOrSkip(t);
    if (made === null) return;
    const { intermediate } = made;
    const [good, bad] = ['good', 'bad'].map((name) => {
      const device = intermediate.issue(name, { subject: `/CN=${name}` });
      return { certFile: chainFile(device, [intermediate]), keyFile: device.keyFile, device };
    });
    assert.ok(good !== undefined && bad !== undefined);
    intermediate.revoke(bad.device);
    const listener = await echoing(t, mutual(made, { crlFile: intermediate.revocationList('line.pem') }), made);
    assert.equal((await attempt(t, listener, clientOf(made, good))).security?.certificate?.commonName, 'good');
    const { security, lines } = await attempt(t, listener, clientOf(made, bad));
    assert.equal(security, null);
    line(/certificate revoked/)(lines);
  });

  test('a new list holds after a reload, also for a client that would take up its session again', async (t) => {
    const made = certificatesOrSkip(t);
    if (made === null) return;
    const device = made.root.issue('fired', { subject: '/CN=fired' });
    let context = contextOf(made, mutual(made, { crlFile: made.root.revocationList('before.pem') }));
    const listener = greeting(await listenTls(t, () => context));
    const { session } = await connectForSession(t, listener, clientOf(made, device));
    made.root.revoke(device);
    context = contextOf(made, mutual(made, { crlFile: made.root.revocationList('after.pem') }));
    const { security, lines } = await attempt(t, listener, { ...clientOf(made, device), more: { session } });
    assert.equal(security, null);
    line(/certificate revoked/)(lines);
  });
});

/** Connects, takes a session that may be taken up again, and leaves. */
async function connectForSession(
  t: TestContext,
  { to }: TlsListener,
  settings: TlsClientSettings,
  version: 'TLSv1.2' | 'TLSv1.3' = 'TLSv1.2',
) {
  const more = { ...settings.more, minVersion: version, maxVersion: version };
  const socket = await dialTls(to, { ...settings, more });
  t.after(() => socket.destroy());
  // In TLS 1.2 the session is there when the handshake is over, in 1.3 it comes later, if at all.
  const sessions: Buffer[] = [];
  socket.on('session', (session) => sessions.push(session));
  await once(socket, 'data');
  const session = version === 'TLSv1.2' ? socket.getSession() : sessions[0];
  return { session: session ?? undefined, isReused: socket.isSessionReused() };
}

describe('sessions that are taken up again', TIMEOUT, () => {
  test('with a certificate: it is shown again; with dates ignored or a list: never', async (t) => {
    const made = certificatesOrSkip(t);
    if (made === null) return;
    for (const [settings, isResumable] of [
      [{}, true],
      [{ checksDates: false }, false],
      [{ crlFile: made.crlFile }, false],
    ] as const) {
      const listener = await echoing(t, mutual(made, settings), made);
      const client = clientOf(made, made.client);
      for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
        const { session } = await connectForSession(t, listener, client, version);
        assert.ok(session !== undefined);
        const again = await connectForSession(t, listener, { ...client, more: { session } }, version);
        assert.equal(again.isReused, isResumable, version);
      }
      const certificate = { commonName: 'pump7', subject: 'CN=pump7,O=Plant' };
      for (const { link } of listener.server.links) assert.deepEqual(link.security?.certificate, certificate);
      assert.equal(listener.server.links.length, 4);
    }
  });

  test('not when the certificate has expired since', async (t) => {
    const made = certificatesOrSkip(t);
    if (made === null) return;
    const clock = new FakeClock();
    clock.jumpWall(Date.now() - clock.wallMs());
    const context = contextOf(made, mutual(made));
    const listener = greeting(await listenTls(t, () => context, { clock }));
    const { session } = await connectForSession(t, listener, clientOf(made, made.client));
    clock.jumpWall(5_000 * 86_400_000);
    const more = { session, maxVersion: 'TLSv1.2' } as const;
    const { security, lines } = await attempt(t, listener, { ...clientOf(made, made.client), more });
    assert.equal(security, null);
    line(/certificate has expired/)(lines);
  });

  test('a session without a certificate does not lead past a listener, or a reload, that wants one', async (t) => {
    const made = certificatesOrSkip(t);
    if (made === null) return;
    let context = contextOf(made, { caFile: made.root.certFile });
    const listener = greeting(await listenTls(t, () => context));
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      context = contextOf(made, { caFile: made.root.certFile });
      const client = { ...clientOf(made), more: { minVersion: version, maxVersion: version } };
      const socket = await dialTls(listener.to, client);
      t.after(() => socket.destroy());
      const [session] = version === 'TLSv1.3' ? await once(socket, 'session') : [socket.getSession()];
      context = contextOf(made, mutual(made));
      const { security, lines } = await attempt(t, listener, { ...client, more: { ...client.more, session } });
      assert.equal(security, null);
      line(/peer did not return a certificate/)(lines);
    }
  });
});

describe('pre-shared keys', TIMEOUT, () => {
  const key = Buffer.from('0123456789abcdef', 'hex');
  const keys = new Map([['pump 7 äöü', key]]);

  function pskClient(identity: string, clientKey: Uint8Array): TlsClientSettings {
    return { ca: null, identity: null, psk: { identity, key: clientKey } };
  }

  test('the right key: TLS 1.2, the identity is told, every connection is a full handshake', async (t) => {
    const context = pskContext(keys);
    const listener = greeting(await listenTls(t, () => context));
    const { security, lines } = await attempt(t, listener, pskClient('pump 7 äöü', key));
    assert.deepEqual(lines, []);
    assert.equal(security?.version, 'TLSv1.2');
    assert.match(security?.cipher ?? '', /PSK/);
    assert.equal(security?.pskIdentity, 'pump 7 äöü');
    assert.equal(security?.certificate, null);
    const { session } = await connectForSession(t, listener, pskClient('pump 7 äöü', key));
    const again = pskClient('pump 7 äöü', key);
    assert.equal((await connectForSession(t, listener, { ...again, more: { session } })).isReused, false);
  });

  test('a wrong key and an unknown identity are refused, with the identity in the line and no key', async (t) => {
    const context = pskContext(keys);
    const listener = greeting(await listenTls(t, () => context));
    const wrong = await attempt(t, listener, pskClient('pump 7 äöü', Buffer.from('ffff', 'hex')));
    assert.equal(wrong.security, null);
    line(/Identity: 'pump 7 äöü'\. Its key is not the one in psk_file\.$/)(wrong.lines);
    const unknown = await attempt(t, listener, pskClient('nobody', key));
    assert.equal(unknown.security, null);
    line(/psk identity not found\. Identity: 'nobody'\. It is not in psk_file\.$/)(unknown.lines);
    assert.doesNotMatch([...wrong.lines, ...unknown.lines].join(), /0123456789abcdef|ffff/);
    assert.equal(listener.server.links.length, 0);
  });

  test('a client with certificates has nothing to do on such a listener', async (t) => {
    const made = certificatesOrSkip(t);
    if (made === null) return;
    const context = pskContext(keys);
    const listener = greeting(await listenTls(t, () => context));
    const { security, lines } = await attempt(t, listener, { ...clientOf(made), more: { maxVersion: 'TLSv1.2' } });
    assert.equal(security, null);
    line(/no shared cipher\. This listener has psk_hint: it takes clients with pre-shared keys only\./)(lines);
  });

  test('a client with a pre-shared key on a listener of certificates', async (t) => {
    const made = certificatesOrSkip(t);
    if (made === null) return;
    const listener = await echoing(t, { certFile: made.serverRsa.certFile, keyFile: made.serverRsa.keyFile }, made);
    const { security, lines } = await attempt(t, listener, pskClient('pump 7 äöü', key));
    assert.equal(security, null);
    line(/no shared cipher\. The client offers only .* pre-shared keys, for which psk_hint makes a listener\./)(lines);
  });
});

describe('versions and ciphers', TIMEOUT, () => {
  const OLD = 'DEFAULT@SECLEVEL=0';
  const only = (version: 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3'): ConnectionOptions => ({
    minVersion: version,
    maxVersion: version,
    ...(version === 'TLSv1.3' ? {} : { ciphers: OLD }),
  });

  const VERSIONS: readonly [Partial<TlsSettings>, Readonly<Record<string, boolean>>][] = [
    [{}, { TLSv1: false, 'TLSv1.1': false, 'TLSv1.2': true, 'TLSv1.3': true }],
    [{ version: 'tlsv1.2' }, { 'TLSv1.1': false, 'TLSv1.2': true, 'TLSv1.3': true }],
    [{ version: 'tlsv1.3' }, { 'TLSv1.2': false, 'TLSv1.3': true }],
    [{ version: 'tlsv1.1' }, { 'TLSv1.1': false, 'TLSv1.2': true, 'TLSv1.3': true }],
    [
      { version: 'tlsv1.1', ciphers: OLD },
      { TLSv1: false, 'TLSv1.1': true, 'TLSv1.2': true, 'TLSv1.3': true },
    ],
  ];
  for (const [settings, versions] of VERSIONS) {
    test(`${JSON.stringify(settings)}: ${JSON.stringify(versions)}`, async (t) => {
      const made = certificatesOrSkip(t);
      if (made === null) return;
      const { certFile, keyFile } = made.serverRsa;
      const listener = await echoing(t, { certFile, keyFile, ...settings }, made);
      for (const version of ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'] as const) {
        const expected = versions[version];
        if (expected === undefined) continue;
        const { security, lines } = await attempt(t, listener, { ...clientOf(made), more: only(version) });
        assert.equal(security?.version ?? null, expected ? version : null, version);
        if (!expected) line(/failed: .*(unsupported protocol|no shared|internal error|version)/)(lines);
      }
    });
  }

  /** Which client is told what by which listener; that the lines help is the business of the tests around. */
  const TOLD: readonly [string, Partial<TlsSettings>, 'TLSv1' | 'TLSv1.1' | 'TLSv1.2', RegExp][] = [
    [
      'TLS 1.1',
      {},
      'TLSv1.1',
      /separate listener by two lines: tls_version tlsv1\.1, and ciphers DEFAULT@SECLEVEL=0\./,
    ],
    ['TLS 1.0', {}, 'TLSv1', /No option admits TLS 1\.0\.$/],
    ['TLS 1.0 on the old listener', { version: 'tlsv1.1', ciphers: OLD }, 'TLSv1', /TLS 1\.0 at most.*TLS proxy/],
    ['TLS 1.2 where 1.3 is asked for', { version: 'tlsv1.3' }, 'TLSv1.2', /This listener has tls_version tlsv1\.3/],
  ];
  for (const [who, settings, version, pattern] of TOLD) {
    test(`what ${who} is told`, async (t) => {
      const made = certificatesOrSkip(t);
      if (made === null) return;
      const { certFile, keyFile } = made.serverRsa;
      const listener = await echoing(t, { certFile, keyFile, ...settings }, made);
      const { lines } = await attempt(t, listener, { ...clientOf(made), more: only(version) });
      line(/failed: unsupported protocol\. /)(lines);
      line(pattern)(lines);
    });
  }

  test('a device without EC is told to take RSA, and that helps', async (t) => {
    const made = certificatesOrSkip(t);
    if (made === null) return;
    const client = { ...clientOf(made), more: { maxVersion: 'TLSv1.2', ciphers: 'AES128-SHA' } } as const;
    const { lines } = await attempt(t, await echoing(t, {}, made), client);
    line(/no shared cipher\. The certificate of this listener has an EC key, .*RSA key\.$/)(lines);
    const { certFile, keyFile } = made.serverRsa;
    const { security } = await attempt(t, await echoing(t, { certFile, keyFile }, made), client);
    assert.equal(security?.cipher, 'AES128-SHA');
  });

  test('a device that signs with SHA-1 only is told what helps, and that helps', async (t) => {
    const made = certificatesOrSkip(t);
    if (made === null) return;
    const { certFile, keyFile } = made.serverRsa;
    const more = { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-RSA-AES128-SHA@SECLEVEL=0', sigalgs: 'RSA+SHA1' } as const;
    const client = { ...clientOf(made), more: { ...more, rejectUnauthorized: false } };
    const { lines } = await attempt(t, await echoing(t, { certFile, keyFile }, made), client);
    line(/no shared signature algorithms\. .*separate listener with the line: ciphers DEFAULT@SECLEVEL=0$/)(lines);
    const { security } = await attempt(t, await echoing(t, { certFile, keyFile, ciphers: OLD }, made), client);
    assert.equal(security?.version, 'TLSv1.2');
  });

  test('ciphers: the order is that of the listener, and a client without any of them is told so', async (t) => {
    const made = certificatesOrSkip(t);
    if (made === null) return;
    const listener = await echoing(t, { ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384' }, made);
    const both = 'ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256';
    const more = { maxVersion: 'TLSv1.2', ciphers: both } as const;
    const { security } = await attempt(t, listener, { ...clientOf(made), more });
    assert.equal(security?.cipher, 'ECDHE-ECDSA-AES128-GCM-SHA256');
    const none = { ...more, ciphers: 'ECDHE-ECDSA-CHACHA20-POLY1305' };
    const { lines } = await attempt(t, listener, { ...clientOf(made), more: none });
    line(/no shared cipher\. The client offers no cipher of this listener: ciphers ECDHE-/)(lines);
  });

  test('ciphers_tls1.3', async (t) => {
    const made = certificatesOrSkip(t);
    if (made === null) return;
    const listener = await echoing(t, { ciphersTls13: 'TLS_CHACHA20_POLY1305_SHA256' }, made);
    const { security } = await attempt(t, listener, clientOf(made));
    assert.equal(security?.cipher, 'TLS_CHACHA20_POLY1305_SHA256');
  });

  test('a weak certificate is let in by the line that its refusal names', async (t) => {
    const made = certificatesOrSkip(t);
    if (made === null) return;
    const listener = await echoing(t, mutual(made, { ciphers: OLD }), made);
    const more = { maxVersion: 'TLSv1.2', ciphers: OLD } as const;
    const { security } = await attempt(t, listener, { ...clientOf(made, made.weakKey), more });
    assert.equal(security?.certificate?.commonName, 'weak pump');
  });

  test('one that was signed with SHA-1 as well', async (t) => {
    const made = certificatesOrSkip(t);
    if (made === null) return;
    const device = made.root.issue('sha1', { subject: '/CN=sha1', digest: 'sha1' });
    const more = { maxVersion: 'TLSv1.2', ciphers: OLD } as const;
    const strict = await attempt(t, await echoing(t, mutual(made), made), { ...clientOf(made, device), more });
    line(/CA signature digest algorithm too weak\. .*ciphers DEFAULT@SECLEVEL=0/)(strict.lines);
    const lax = await echoing(t, mutual(made, { ciphers: OLD }), made);
    const { security } = await attempt(t, lax, { ...clientOf(made, device), more });
    assert.equal(security?.certificate?.commonName, 'sha1');
  });

  test('a name that is not ours, or none, is no reason to refuse', async (t) => {
    const made = certificatesOrSkip(t);
    if (made === null) return;
    const listener = await echoing(t, {}, made);
    for (const servername of ['', 'other.example']) {
      const more = { servername, rejectUnauthorized: false };
      assert.notEqual((await attempt(t, listener, { ...clientOf(made), more })).security, null);
    }
  });

  test('a huge chain is refused before it is looked at', async (t) => {
    const made = certificatesOrSkip(t);
    if (made === null) return;
    const listener = await echoing(t, mutual(made), made);
    const device = made.root.issue('huge', { subject: '/CN=huge' });
    const certFile = chainFile(
      device,
      Array.from({ length: 400 }, () => made.intermediate),
    );
    const { security, lines } = await attempt(t, listener, clientOf(made, { certFile, keyFile: device.keyFile }));
    assert.equal(security, null);
    line(/excessive message size/)(lines);
  });

  test('ALPN is ignored: Mosquitto knows none', async (t) => {
    const made = certificatesOrSkip(t);
    if (made === null) return;
    const listener = await echoing(t, {}, made);
    const more = { ALPNProtocols: ['mqtt', 'x-amzn-mqtt-ca'] };
    assert.notEqual((await attempt(t, listener, { ...clientOf(made), more })).security, null);
  });

  test('renegotiation is refused', async (t) => {
    const made = certificatesOrSkip(t);
    if (made === null) return;
    const listener = await echoing(t, {}, made);
    const socket = await dialTls(listener.to, { ...clientOf(made), more: { maxVersion: 'TLSv1.2' } });
    t.after(() => socket.destroy());
    socket.resume();
    const refused = await new Promise<Error | null>((resolve) => {
      socket.once('error', resolve);
      socket.once('close', () => resolve(null));
      socket.renegotiate({}, (error) => resolve(error));
    });
    assert.match(refused?.message ?? 'closed', /no renegotiation|closed/i);
  });
});

describe('what is no TLS, and what clients say of us', TIMEOUT, () => {
  const BYTES: readonly [string, Buffer, RegExp][] = [
    [
      'plain MQTT',
      Buffer.from('101000044d5154540502003c00000461626364', 'hex'),
      /wrong version number\. The client speaks no TLS: is it set to plain MQTT/,
    ],
    ['plain HTTP', Buffer.from('GET / HTTP/1.1\r\n\r\n'), /http request\. The client speaks plain HTTP/],
    ['garbage', Buffer.alloc(64, 0xff), /failed: \w/],
  ];
  for (const [what, bytes, pattern] of BYTES) {
    test(`${what} on a TLS port`, async (t) => {
      const made = certificatesOrSkip(t);
      if (made === null) return;
      const listener = await echoing(t, {}, made);
      const socket = connect(listener.to).on('error', () => {});
      t.after(() => socket.destroy());
      socket.write(bytes);
      await once(socket.resume(), 'close');
      line(pattern)(listener.log.texts('error'));
    });
  }

  test('an identity of any length gives a line of bounded length', async (t) => {
    const context = pskContext(new Map());
    const listener = await listenTls(t, () => context);
    const identity = 'y'.repeat(127);
    const { lines } = await attempt(t, listener, { ca: null, identity: null, psk: { identity, key: Buffer.alloc(8) } });
    line(/Identity: 'y{100}'\. It is not in psk_file\.$/)(lines);
  });
});

describe('--tls-keylog', TIMEOUT, () => {
  test('each secret is a line of the NSS key log', async (t) => {
    const made = certificatesOrSkip(t);
    if (made === null) return;
    const lines: string[] = [];
    const onKeyLog = (bytes: Uint8Array) => lines.push(Buffer.from(bytes).toString());
    const listener = await echoing(t, { onKeyLog }, made);
    await attempt(t, listener, { ...clientOf(made), more: { maxVersion: 'TLSv1.2' } });
    assert.match(lines.join(''), /^CLIENT_RANDOM [0-9a-f]{64} [0-9a-f]{96}\n$/);
    lines.length = 0;
    await attempt(t, listener, clientOf(made));
    for (const entry of lines) assert.match(entry, /^[A-Z_0-9]+ [0-9a-f]{64} [0-9a-f]{64,128}\n$/);
    assert.deepEqual(lines.map((entry) => entry.split(' ')[0]).toSorted(), [
      'CLIENT_HANDSHAKE_TRAFFIC_SECRET',
      'CLIENT_TRAFFIC_SECRET_0',
      'EXPORTER_SECRET',
      'SERVER_HANDSHAKE_TRAFFIC_SECRET',
      'SERVER_TRAFFIC_SECRET_0',
    ]);
  });
});
