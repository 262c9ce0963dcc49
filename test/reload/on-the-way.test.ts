/**
 * Who has connected before a reload, and has not come as far as the broker: its TLS handshake or its PROXY header is still to
 * come. What was asked of it then must not be what lets it in.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { proxyV2, tlsTlv } from '../../src/transport/proxy-protocol/proxy-header.fixture.ts';
import { textOf, tlsToolsOrSkip } from '../app/tls-tools.ts';
import { rawConnect } from '../fixtures/raw-packets.ts';
import { RawSocket } from '../fixtures/raw-socket.ts';
import { startTls } from '../fixtures/tls-client.ts';
import { ReloadHouse } from './reload-house.ts';

const limit = { timeout: 60_000 };

async function dial(port: number): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true });
  await once(socket, 'connect');
  return socket;
}

/** Sends `bytes`. @returns the return code of CONNACK; -1 when the connection ended instead */
function answerTo(socket: Socket, bytes: Uint8Array): Promise<number> {
  return new Promise((resolve) => {
    const finish = (code: number) => {
      socket.destroy();
      resolve(code);
    };
    socket.on('data', (chunk: Buffer) => finish(chunk[3] ?? -1));
    socket.on('error', () => finish(-1));
    socket.on('end', () => finish(-1));
    socket.on('close', () => finish(-1));
    socket.write(bytes);
  });
}

test('a TLS handshake that begins after the reload does not go by the options from before', limit, async (t) => {
  const tools = tlsToolsOrSkip(t);
  if (tools === null) return;
  const { made } = tools;
  const open = `
allow_anonymous true
listener {PORT} 127.0.0.1
certfile {FOLDER}/server.crt
keyfile {FOLDER}/server.key
cafile {FOLDER}/ca.crt
`;
  const house = await ReloadHouse.start(t, {
    'zanzara.conf': open,
    'server.crt': textOf(made.server.certFile),
    'server.key': textOf(made.server.keyFile),
    'ca.crt': textOf(made.root.certFile),
  });
  const early = await dial(house.port());
  // The broker has it: it was accepted before this one, which was answered.
  const ca = textOf(made.root.certFile);
  const other = await startTls(await dial(house.port()), { ca, identity: null, psk: null });
  assert.equal(await answerTo(other, rawConnect()), 0);
  await house.reloadWell({ 'zanzara.conf': `${open}require_certificate true\n` });
  const code = await startTls(early, { ca, identity: null, psk: null }).then(
    (socket) => answerTo(socket, rawConnect()),
    () => -1,
  );
  assert.equal(code, -1, 'it has come in without a certificate');
});

test('a PROXY header that comes after the reload is not judged by the options from before', limit, async (t) => {
  const open = 'allow_anonymous true\nlistener {PORT} 127.0.0.1\nenable_proxy_protocol 2\n';
  const house = await ReloadHouse.start(t, { 'zanzara.conf': open });
  const bytes = Buffer.concat([proxyV2({ tlvs: [tlsTlv({ flags: 0x01 })] }), rawConnect()]);
  const early = await dial(house.port());
  assert.equal(await answerTo(await dial(house.port()), bytes), 0);
  await house.reloadWell({ 'zanzara.conf': `${open}require_certificate true\n` });
  assert.equal(await answerTo(await dial(house.port()), bytes), -1);
  assert.equal(await answerTo(early, bytes), -1, 'it has come in without a certificate');
});

test(
  'proxy_protocol_v2_require_tls turned on: who is connected without TLS has to go, turned off nobody',
  limit,
  async (t) => {
    const open = 'allow_anonymous true\nlistener {PORT} 127.0.0.1\nenable_proxy_protocol 2\n';
    const strict = { 'zanzara.conf': `${open}proxy_protocol_v2_require_tls true\n` };
    const house = await ReloadHouse.start(t, { 'zanzara.conf': open });
    const plain = await RawSocket.open(house.port());
    plain.send(Buffer.concat([proxyV2(), rawConnect()]));
    assert.equal((await plain.received(4)).length, 4);
    const lines = await house.reloadWell(strict);
    assert.match(
      lines.join('\n'),
      /1 clients of listener \d+ were disconnected: proxy_protocol_v2_require_tls changed\./,
    );
    await plain.closed;
    const secure = await RawSocket.open(house.port());
    secure.send(Buffer.concat([proxyV2({ tlvs: [tlsTlv({ flags: 0x01 })] }), rawConnect()]));
    assert.equal((await secure.received(4)).length, 4);
    // That of the first client may be told of only now.
    assert.doesNotMatch((await house.reloadWell({ 'zanzara.conf': open })).join('\n'), /were disconnected/);
  },
);
