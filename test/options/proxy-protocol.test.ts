/** Listeners behind a load balancer that says where the client is. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { proxyV2, tlsTlv } from '../../src/transport/proxy-protocol/proxy-header.fixture.ts';
import { rawConnect } from '../fixtures/raw-packets.ts';
import { RawSocket } from '../fixtures/raw-socket.ts';
import { OPEN, refusalOf, startOneBroker } from './one-broker.ts';

const V1 = Buffer.from('PROXY TCP4 192.0.2.7 192.0.2.1 56324 1883\r\n');
const NOTHING = Buffer.alloc(0);

/** The return code of CONNACK after that header; null when the connection was closed. */
async function answerTo(port: number, header: Uint8Array): Promise<number | null> {
  const socket = await RawSocket.open(port);
  socket.send(header);
  socket.send(rawConnect());
  const [connack] = await socket.packets(1);
  socket.destroy();
  return connack?.[3] ?? null;
}

test('option enable_proxy_protocol: connections begin with that version of the header', async (t) => {
  for (const { version, good, bad } of [
    { version: 1, good: V1, bad: proxyV2() },
    { version: 2, good: proxyV2(), bad: V1 },
  ]) {
    const { port, log } = await startOneBroker(t, [...OPEN, `enable_proxy_protocol ${version}`]);
    assert.equal(await answerTo(port, good), 0);
    assert.match(await log.sees('New client connected'), /from 192\.0\.2\.7:56324 as raw/);
    assert.equal(await answerTo(port, bad), null);
    assert.equal(await answerTo(port, NOTHING), null);
    assert.ok(log.hasLine('Connection rejected, corrupt PROXY header.'));
  }
  const plain = await startOneBroker(t, OPEN);
  assert.equal(await answerTo(plain.port, NOTHING), 0);
  assert.equal(await answerTo(plain.port, V1), null);
  assert.match(await plain.log.sees('New client connected'), /from 127\.0\.0\.1:/);
});

test('option proxy_protocol_v2_require_tls: clients that did not come by TLS are refused', async (t) => {
  const lines = [...OPEN, 'enable_proxy_protocol 2'];
  const withTls = proxyV2({ tlvs: [tlsTlv()] });
  const strict = await startOneBroker(t, [...lines, 'proxy_protocol_v2_require_tls true']);
  assert.equal(await answerTo(strict.port, withTls), 0);
  assert.equal(await answerTo(strict.port, proxyV2()), null);
  const lax = await startOneBroker(t, lines);
  assert.equal(await answerTo(lax.port, proxyV2()), 0);
  const refused = await refusalOf(t, [...OPEN, 'enable_proxy_protocol 1', 'proxy_protocol_v2_require_tls true']);
  assert.match(refused, /needs 'enable_proxy_protocol 2'/);
});

test('option require_certificate: behind a proxy, it must vouch for the certificate', async (t) => {
  const lines = [...OPEN, 'enable_proxy_protocol 2'];
  const vouched = proxyV2({ tlvs: [tlsTlv()] });
  const withoutCertificate = proxyV2({ tlvs: [tlsTlv({ flags: 1 })] });
  const notVerified = proxyV2({ tlvs: [tlsTlv({ verify: 1 })] });
  const strict = await startOneBroker(t, [...lines, 'require_certificate true']);
  assert.equal(await answerTo(strict.port, vouched), 0);
  assert.equal(await answerTo(strict.port, withoutCertificate), null);
  assert.equal(await answerTo(strict.port, notVerified), null);
  const lax = await startOneBroker(t, lines);
  assert.equal(await answerTo(lax.port, withoutCertificate), 0);
});

test('option use_identity_as_username: behind a proxy, the name of the certificate is the user name', async (t) => {
  const vouched = proxyV2({ tlvs: [tlsTlv()] });
  const lines = ['listener {PORT} 127.0.0.1', 'allow_anonymous false', 'enable_proxy_protocol 2'];
  const named = await startOneBroker(t, [...lines, 'use_identity_as_username true']);
  assert.equal(await answerTo(named.port, vouched), 0);
  assert.match(await named.log.sees('New client connected'), /u'robot5'/);
  assert.equal(await answerTo(named.port, proxyV2()), 4);
  const unnamed = await startOneBroker(t, lines);
  assert.equal(await answerTo(unnamed.port, vouched), 5);
});
