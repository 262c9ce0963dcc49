/**
 * Certificates, authorities and revocation lists are read again on SIGHUP: for new handshakes. Connections stay, and what
 * cannot be used leaves what was there in force.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import type { TestIdentity } from '../fixtures/certificates.ts';
import { rawConnect } from '../fixtures/raw-packets.ts';
import { createTlsClient, dialTls } from '../fixtures/tls-client.ts';
import { Visitor } from '../options/visitor.ts';
import { type Files, ReloadHouse } from '../reload/reload-house.ts';
import { connectTls, type TlsTools, textOf, tlsToolsOrSkip } from './tls-tools.ts';

const limit = { timeout: 60_000 };

const CONFIG = `
allow_anonymous true
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
`;

function filesOf({ made }: TlsTools): Files {
  return {
    'zanzara.conf': CONFIG,
    ...serverFiles(made.server),
    'ca.crt': textOf(made.root.certFile),
    'ca.crl': textOf(made.crlFile),
  };
}

function serverFiles({ certFile, keyFile }: TestIdentity): Files {
  return { 'server.crt': textOf(certFile), 'server.key': textOf(keyFile) };
}

/** The serial number of the certificate that a new handshake gets to see. */
async function serialOf(house: ReloadHouse): Promise<string> {
  const socket: TLSSocket = connect({ host: '127.0.0.1', port: house.port(3), rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const { serialNumber } = socket.getPeerCertificate();
  socket.destroy();
  return serialNumber;
}

/** A client with a certificate that stays. */
function connectWith({ made }: TlsTools, port: number, identity: TestIdentity): Promise<Visitor> {
  const transport = createTlsClient({ ca: textOf(made.root.certFile), identity, psk: null });
  return Visitor.connect(port, { transport, clientId: identity.certFile.split('/').at(-1) ?? '' });
}

/** It is there and served: what it publishes comes back to it. */
async function isServed(visitor: Visitor, text: string): Promise<void> {
  assert.equal(await visitor.publish('own', text), 0);
  assert.equal(await visitor.next(), text);
}

test('SIGHUP: new handshakes see new certificates, authorities and lists; connections stay', limit, async (t) => {
  const tools = tlsToolsOrSkip(t);
  if (tools === null) return;
  const { made } = tools;
  const house = await ReloadHouse.start(t, filesOf(tools));
  const port = house.port(2);
  const second = made.root.issue('second', { subject: '/O=Plant/CN=localhost', extensions: 'server' });
  const pump8 = made.root.issue('pump8', { subject: '/O=Plant/CN=pump8' });
  const stays = await connectWith(tools, port, made.client);
  await stays.subscribe('own', { qos: 0 });

  await t.test('the certificate of the server', async () => {
    const before = await serialOf(house);
    await house.reloadWell(serverFiles(second));
    assert.notEqual(await serialOf(house), before);
    await isServed(stays, 'after the certificate');
  });

  await t.test('a list that revokes one more: it is refused from now on, and connections stay', async () => {
    const leaver = await connectWith(tools, port, pump8);
    await leaver.subscribe('own', { qos: 0 });
    made.root.revoke(pump8);
    await house.reloadWell({ 'ca.crl': textOf(made.root.revocationList('crl-2.pem')) });
    const { mark } = house;
    assert.ok(!(await connectTls(tools, { port, identity: pump8 })).isIn);
    assert.match(await house.sees('TLS handshake', mark), /certificate revoked\. Certificate: .*pump8/);
    assert.ok((await connectTls(tools, { port, identity: made.client })).isIn);
    await isServed(leaver, 'with a certificate that is revoked by now');
    assert.equal(await stays.next(), 'with a certificate that is revoked by now');
    await leaver.leave();
  });

  await t.test('another authority: its clients come in, those of the old one do not', async () => {
    const files = { 'ca.crt': textOf(made.other.certFile), 'ca.crl': textOf(made.other.revocationList('crl.pem')) };
    await house.reloadWell(files);
    const { mark } = house;
    assert.ok((await connectTls(tools, { port, identity: made.wrongAuthority })).isIn);
    assert.ok(!(await connectTls(tools, { port, identity: made.client })).isIn);
    await house.sees('It was not signed by a CA of cafile', mark);
    await isServed(stays, 'after the authority');
  });

  await t.test('require_certificate of a listener turned off: clients without one come in', async () => {
    await house.reloadWell({ 'zanzara.conf': CONFIG.replace(/require_certificate true\nuse_identity\S+ true\n/, '') });
    assert.ok((await connectTls(tools, { port })).isIn);
  });
  await stays.leave();
});

test(
  'SIGHUP with a broken certificate, key, authority or list: the old ones stay in force, loudly',
  limit,
  async (t) => {
    const tools = tlsToolsOrSkip(t);
    if (tools === null) return;
    const { made } = tools;
    const house = await ReloadHouse.start(t, filesOf(tools));
    const port = house.port(2);
    const stays = await connectWith(tools, port, made.client);
    await stays.subscribe('own', { qos: 0 });
    const serial = await serialOf(house);
    const second = serverFiles(made.root.issue('third', { subject: '/O=Plant/CN=localhost', extensions: 'server' }));
    const garbage = 'not a certificate\n';

    /** What is in force is what was there at the start. */
    const nothingHasChanged = async () => {
      assert.equal(await serialOf(house), serial);
      assert.ok((await connectTls(tools, { port, identity: made.client })).isIn);
      assert.ok(!(await connectTls(tools, { port, identity: made.revoked })).isIn);
      await isServed(stays, 'still there');
    };
    const broken: readonly { readonly what: string; readonly files: Files; readonly says: RegExp }[] = [
      {
        what: 'certfile',
        files: { 'server.crt': garbage },
        says: /Unable to load server certificate "\S+server\.crt"/,
      },
      { what: 'keyfile', files: { 'server.key': garbage }, says: /Unable to load server key file "\S+server\.key"/ },
      {
        what: 'key of another certificate',
        files: { 'server.crt': second['server.crt'] ?? '' },
        says: /certificate\/key are inconsistent/,
      },
      { what: 'cafile', files: { 'ca.crt': garbage }, says: /Unable to load CA certificates.*"\S+ca\.crt"/ },
      {
        what: 'crlfile',
        files: { 'ca.crl': garbage },
        says: /Unable to load certificate revocation file "\S+ca\.crl"/,
      },
      {
        what: 'file that is gone',
        files: { 'zanzara.conf': CONFIG.replaceAll('server.crt', 'gone.crt'), ...second },
        says: /"\S+gone\.crt"/,
      },
    ];
    for (const { what, files, says } of broken) {
      await t.test(what, async () => {
        for (let count = 0; count < 2; count += 1) {
          const { isDone, lines } = await house.reload({ ...filesOf(tools), ...files });
          assert.ok(!isDone, lines.join('\n'));
          assert.match(lines.join('\n'), says);
          assert.match(lines.join('\n'), /The listener is that of \S+zanzara\.conf:4\./);
        }
        await nothingHasChanged();
      });
    }
    await t.test('then good ones work', async () => {
      await house.reloadWell({ ...filesOf(tools), ...second });
      assert.notEqual(await serialOf(house), serial);
      await isServed(stays, 'to the end');
    });
    await stays.leave();
  },
);

test('TLS listeners, of MQTT and of the HTTP API, come and go, and have the new certificate', limit, async (t) => {
  const tools = tlsToolsOrSkip(t);
  if (tools === null) return;
  const { made } = tools;
  const plain = 'allow_anonymous true\nlistener {PORT} 127.0.0.1\n';
  const files = 'certfile {FOLDER}/server.crt\nkeyfile {FOLDER}/server.key\n';
  const all = `${plain}listener {PORT2} 127.0.0.1\n${files}listener {PORT3} 127.0.0.1\nprotocol http_api\n${files}`;
  const house = await ReloadHouse.start(t, { ...filesOf(tools), 'zanzara.conf': plain });
  const stays = await Visitor.connect(house.port(), { clientId: 'stays' });
  await house.reloadWell({ 'zanzara.conf': all });
  const serial = await serialOf(house);
  const ca = textOf(made.root.certFile);
  const transport = createTlsClient({ ca, identity: null, psk: null });
  const visitor = await Visitor.connect(house.port(2), { transport });
  await house.reloadWell(
    serverFiles(made.root.issue('new', { subject: '/O=Plant/CN=localhost', extensions: 'server' })),
  );
  assert.notEqual(await serialOf(house), serial);
  await house.reloadWell({ 'zanzara.conf': plain });
  const end = await visitor.client.closed;
  assert.ok(end.kind === 'server-disconnect' && end.reason === 0x98, JSON.stringify(end));
  await assert.rejects(serialOf(house), { code: 'ECONNREFUSED' });
  await stays.subscribe('own');
  await isServed(stays, 'all the time');
});

test(
  'who has shaken hands and says CONNECT only after a reload has to come again, by the new rules',
  limit,
  async (t) => {
    const tools = tlsToolsOrSkip(t);
    if (tools === null) return;
    const { made } = tools;
    const psk = { identity: 'pump7', key: Buffer.from('deadbeef', 'hex') };
    const pskConfig = `
allow_anonymous true
listener {PORT4} 127.0.0.1
psk_hint plant
psk_file {FOLDER}/keys
use_identity_as_username true
`;
    const files = { ...filesOf(tools), keys: 'pump7:deadbeef\npump8:feed\n' };
    const both = { 'zanzara.conf': CONFIG + pskConfig.replace('allow_anonymous true', '') };
    const house = await ReloadHouse.start(t, { ...files, ...both });
    const at = (number: number) => ({ host: '127.0.0.1', port: house.port(number) });
    const ca = textOf(made.root.certFile);
    const byCertificate = await dialTls(at(2), { ca, identity: made.client, psk: null });
    const byKey = await dialTls(at(4), { ca: null, identity: null, psk });
    const other = { ca: null, identity: null, psk: { identity: 'pump8', key: Buffer.from('feed', 'hex') } };
    const early = [byCertificate, byKey, await dialTls(at(4), other)];

    // The listener of the certificates is gone, and so is one key.
    await house.reloadWell({ 'zanzara.conf': pskConfig, keys: 'pump8:feed\n' });
    for (const socket of early) assert.equal(await returnCodeOf(socket), -1);
    assert.equal(await returnCodeOf(await dialTls(at(4), other)), 0);
  },
);

/** Sends CONNECT. @returns the return code of CONNACK; -1 when the connection ended instead */
function returnCodeOf(socket: TLSSocket): Promise<number> {
  return new Promise((resolve) => {
    const finish = (code: number) => {
      socket.destroy();
      resolve(code);
    };
    socket.on('data', (bytes: Buffer) => finish(bytes[3] ?? -1));
    socket.on('error', () => finish(-1));
    socket.on('end', () => finish(-1));
    socket.on('close', () => finish(-1));
    if (socket.destroyed || socket.readableEnded || !socket.writable) finish(-1);
    else socket.write(rawConnect());
  });
}
