/** Clients with certificates, good and bad, at the whole broker: who comes in, as whom, and what the log says of the rest. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestCertificates, TestIdentity } from '../fixtures/certificates.ts';
import { Visitor } from '../options/visitor.ts';
import { type Files, ReloadHouse } from '../reload/reload-house.ts';
import { connectTls, publishTls, type TlsTools, textOf, tlsToolsOrSkip } from './tls-tools.ts';

const limit = { timeout: 60_000 };

/** Listeners by what is particular about them; each has TLS. */
const LISTENERS = {
  commonName: 2,
  subject: 3,
  serverOnly: 4,
  noDates: 5,
  only13: 6,
  oneCipher: 7,
  old: 8,
} as const;

const CONFIG = `
allow_anonymous true
acl_file {FOLDER}/acl
listener {PORT} 127.0.0.1

listener {PORT2} 127.0.0.1
certfile {FOLDER}/server.crt
keyfile {FOLDER}/server.key
cafile {FOLDER}/ca.crt
crlfile {FOLDER}/ca.crl
require_certificate true
use_identity_as_username true

listener {PORT3} 127.0.0.1
certfile {FOLDER}/server.crt
keyfile {FOLDER}/server.key
cafile {FOLDER}/ca.crt
require_certificate true
use_subject_as_username true

listener {PORT4} 127.0.0.1
certfile {FOLDER}/server.crt
keyfile {FOLDER}/server.key

listener {PORT5} 127.0.0.1
certfile {FOLDER}/server.crt
keyfile {FOLDER}/server.key
cafile {FOLDER}/ca.crt
require_certificate true
disable_client_cert_date_checks true

listener {PORT6} 127.0.0.1
certfile {FOLDER}/server.crt
keyfile {FOLDER}/server.key
tls_version tlsv1.3

listener {PORT7} 127.0.0.1
certfile {FOLDER}/server.crt
keyfile {FOLDER}/server.key
ciphers ECDHE-ECDSA-AES128-GCM-SHA256
ciphers_tls1.3 TLS_AES_128_GCM_SHA256

listener {PORT8} 127.0.0.1
certfile {FOLDER}/rsa.crt
keyfile {FOLDER}/rsa.key
tls_version tlsv1.1
ciphers DEFAULT@SECLEVEL=0
`;

/** A client sees what its name allows: the name of a certificate is as good as one that was typed. */
const ACL = `
topic read #
topic write anonymous/#
user pump7
topic write pumps/%u
topic write by-name/pump7
user CN=pump7,O=Plant
topic write by-subject/pump7
`;

function filesOf({ root, server, serverRsa, crlFile }: TestCertificates): Files {
  return {
    'zanzara.conf': CONFIG,
    acl: ACL,
    'server.crt': textOf(server.certFile),
    'server.key': textOf(server.keyFile),
    'rsa.crt': textOf(serverRsa.certFile),
    'rsa.key': textOf(serverRsa.keyFile),
    'ca.crt': textOf(root.certFile),
    'ca.crl': textOf(crlFile),
  };
}

interface Setting {
  readonly house: ReloadHouse;
  readonly tools: TlsTools;
  /** Sees all that is published. */
  readonly watcher: Visitor;
}

/** Clients that are refused, and what the log has to say of each. */
const REFUSED: readonly {
  readonly who: string;
  readonly identity: (made: TestCertificates) => TestIdentity | null;
  readonly says: RegExp;
}[] = [
  {
    who: 'no certificate',
    identity: () => null,
    says: /peer did not return a certificate\. This listener has require_certificate true/,
  },
  {
    who: 'an expired one',
    identity: ({ expired }) => expired,
    says: /certificate has expired\. Certificate: .*old pump.*disable_client_cert_date_checks true/,
  },
  {
    who: 'one that is not yet valid',
    identity: ({ notYetValid }) => notYetValid,
    says: /certificate is not yet valid\. Certificate: .*new pump.* The clock of this machine, or of the one that made/,
  },
  {
    who: 'a revoked one',
    identity: ({ revoked }) => revoked,
    says: /certificate revoked\. Certificate: .*stolen.* It stands in crlfile "/,
  },
  {
    who: 'one of another CA',
    identity: ({ wrongAuthority }) => wrongAuthority,
    says: /Certificate: .*Elsewhere.* It was not signed by a CA of cafile "/,
  },
];

test('client certificates at the broker', limit, async (t) => {
  const tools = tlsToolsOrSkip(t);
  if (tools === null) return;
  const house = await ReloadHouse.start(t, filesOf(tools.made));
  const watcher = await Visitor.connect(house.port(), { clientId: 'watcher' });
  await watcher.subscribe('#');
  const setting = { house, tools, watcher };

  await t.test('mosquitto_pub with a good one publishes, under the name that the certificate has', () =>
    goodOne(setting),
  );
  for (const { who, identity, says } of REFUSED) {
    await t.test(`mosquitto_pub with ${who} is refused, and one line of the log says why`, async () => {
      await refusedOne(setting, identity(tools.made), says);
    });
  }
  await t.test('openssl s_client: a good one, none, a revoked one', () => byOpenssl(setting));
  await t.test('openssl s_client with a weak key: the log says what would admit it', () => weakKey(setting));
  await t.test('use_subject_as_username: the whole subject is the name', () => bySubject(setting));
  await t.test('disable_client_cert_date_checks: an expired one is let in', async () => {
    const { expired, wrongAuthority } = tools.made;
    const port = house.port(LISTENERS.noDates);
    assert.ok((await connectTls(tools, { port, identity: expired })).isIn);
    assert.ok(!(await connectTls(tools, { port, identity: wrongAuthority })).isIn);
  });
  await t.test('a client that does not trust us: the log says so', () => distrustful(setting));
  await t.test('tls_version tlsv1.3: a client of 1.2 is told apart', () => only13(setting));
  await t.test('ciphers: the one that is configured, and a client that has others only', () => oneCipher(setting));
  await t.test('a client of TLS 1.1 only: the log names the options, and a listener with them admits it', () =>
    oldClient(setting),
  );
  await t.test('plain MQTT on a TLS port, and TLS on a plain port', () => wrongPorts(setting));
  // Nobody was dropped by what others did.
  assert.equal(await watcher.publish('anonymous/end', 'end'), 0);
  assert.equal(await watcher.next(), 'end');
});

async function goodOne({ house, tools, watcher }: Setting): Promise<void> {
  const { mark } = house;
  const port = house.port(LISTENERS.commonName);
  const wish = { port, identity: tools.made.client, clientId: 'good' };
  const { code, output } = await publishTls(tools, { ...wish, topic: 'by-name/pump7', message: 'on' });
  assert.equal(code, 0, output);
  assert.equal(await watcher.next(), 'on');
  assert.match(
    await house.sees('as good', mark),
    /^New client connected from \S+ as good \(p5, c1, k60, u'pump7'\)\.$/,
  );
  // The name decides what it may do; one that is sent along counts for nothing.
  const other = ['-u', 'CN=pump7,O=Plant', '-P', 'x'];
  const denied = await publishTls(tools, { ...wish, topic: 'by-subject/pump7', message: 'no', more: other });
  assert.match(denied.output, /Not authorized/i);
  await nothingElse(watcher);
}

async function refusedOne(
  { house, tools, watcher }: Setting,
  identity: TestIdentity | null,
  says: RegExp,
): Promise<void> {
  const { mark } = house;
  const wish = { port: house.port(LISTENERS.commonName), topic: 'by-name/pump7', message: 'bad' };
  const { code } = await publishTls(tools, { ...wish, identity });
  assert.notEqual(code, 0);
  assert.match(await house.sees('TLS handshake with 127.0.0.1:', mark), says);
  assert.equal(house.linesSince(mark).filter((line) => line.includes('failed')).length, 1);
  await nothingElse(watcher);
}

/** What was published before this has come, and it was nothing. */
async function nothingElse(watcher: Visitor): Promise<void> {
  await watcher.publish('anonymous/mark', 'nothing else');
  assert.equal(await watcher.next(), 'nothing else');
}

async function byOpenssl({ house, tools }: Setting): Promise<void> {
  const { client, revoked } = tools.made;
  const port = house.port(LISTENERS.commonName);
  for (const version of ['-tls1_2', '-tls1_3']) {
    const at = { port, more: [version] };
    const good = await connectTls(tools, { ...at, identity: client });
    assert.ok(good.isIn, good.output);
    assert.ok(!(await connectTls(tools, at)).isIn);
    assert.ok(!(await connectTls(tools, { ...at, identity: revoked })).isIn);
  }
}

/** mosquitto_pub would not load such a certificate. */
async function weakKey({ house, tools }: Setting): Promise<void> {
  const { mark } = house;
  const more = ['-tls1_2', '-cipher', 'DEFAULT@SECLEVEL=0'];
  const port = house.port(LISTENERS.commonName);
  assert.ok(!(await connectTls(tools, { port, identity: tools.made.weakKey, more })).isIn);
  const says = /key too (small|weak)\. Certificate: .*weak pump.*ciphers DEFAULT@SECLEVEL=0/;
  assert.match(await house.sees('weak pump', mark), says);
}

async function bySubject({ house, tools, watcher }: Setting): Promise<void> {
  const { mark } = house;
  const wish = { port: house.port(LISTENERS.subject), identity: tools.made.client, clientId: 'by-subject' };
  assert.equal((await publishTls(tools, { ...wish, topic: 'by-subject/pump7', message: 'subject' })).code, 0);
  assert.equal(await watcher.next(), 'subject');
  assert.match(await house.sees('as by-subject', mark), /u'CN=pump7,O=Plant'\)/);
  const denied = await publishTls(tools, { ...wish, topic: 'by-name/pump7', message: 'no' });
  assert.match(denied.output, /Not authorized/i);
  await nothingElse(watcher);
}

async function distrustful({ house, tools }: Setting): Promise<void> {
  const { mark } = house;
  const wish = { port: house.port(LISTENERS.serverOnly), topic: 'anonymous/x', message: 'x' };
  assert.notEqual((await publishTls(tools, { ...wish, caFile: tools.made.other.certFile })).code, 0);
  assert.match(
    await house.sees('alert unknown ca', mark),
    /The client does not trust the certificate of this listener/,
  );
}

async function only13({ house, tools }: Setting): Promise<void> {
  const port = house.port(LISTENERS.only13);
  assert.ok((await connectTls(tools, { port, more: ['-tls1_3'] })).isIn);
  const { mark } = house;
  assert.ok(!(await connectTls(tools, { port, more: ['-tls1_2'] })).isIn);
  assert.match(
    await house.sees('has tls_version tlsv1.3', mark),
    /unsupported protocol\. This listener has tls_version tlsv1\.3/,
  );
}

async function oneCipher({ house, tools }: Setting): Promise<void> {
  const port = house.port(LISTENERS.oneCipher);
  const offer = (...more: readonly string[]) => connectTls(tools, { port, more });
  assert.ok((await offer('-tls1_2', '-cipher', 'ECDHE-ECDSA-AES128-GCM-SHA256')).isIn);
  assert.ok((await offer('-tls1_3', '-ciphersuites', 'TLS_AES_128_GCM_SHA256')).isIn);
  assert.ok(!(await offer('-tls1_3', '-ciphersuites', 'TLS_AES_256_GCM_SHA384')).isIn);
  const { mark } = house;
  assert.ok(!(await offer('-tls1_2', '-cipher', 'ECDHE-ECDSA-AES256-GCM-SHA384')).isIn);
  const says = /no shared cipher\. The client offers no cipher of this listener: ciphers ECDHE-ECDSA-AES128-GCM-SHA256/;
  assert.match(await house.sees('no shared cipher', mark), says);
}

async function oldClient({ house, tools }: Setting): Promise<void> {
  const more = ['-tls1_1', '-cipher', 'DEFAULT@SECLEVEL=0'];
  const { mark } = house;
  assert.ok(!(await connectTls(tools, { port: house.port(LISTENERS.serverOnly), more })).isIn);
  const says = /unsupported protocol\..*tls_version tlsv1\.1, and ciphers DEFAULT@SECLEVEL=0/;
  assert.match(await house.sees('tlsv1.1', mark), says);
  const { isIn, output } = await connectTls(tools, { port: house.port(LISTENERS.old), more });
  assert.ok(isIn, output);
}

async function wrongPorts({ house, tools }: Setting): Promise<void> {
  let { mark } = house;
  await assert.rejects(Visitor.connect(house.port(LISTENERS.serverOnly), { connectTimeoutMs: 20_000 }));
  assert.match(await house.sees('wrong version', mark), /wrong version number\. The client speaks no TLS/);
  mark = house.mark;
  assert.ok(!(await connectTls(tools, { port: house.port() })).isIn);
  await house.sees('it appears to be using TLS to connect to a non-TLS listener', mark);
}
