/** The HTTP API over TLS: what holds for every TLS listener holds for it. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Agent, type RequestOptions, request } from 'node:https';
import { type TestContext, test } from 'node:test';
import { type PeerCertificate, TLSSocket } from 'node:tls';
import { certificatesOrSkip, type TestIdentity } from '../../../test/fixtures/certificates.ts';
import { MemoryLog } from '../../../test/fixtures/memory-log.ts';
import { contextOf, mutual } from '../../../test/fixtures/tls-listener.ts';
import type { TlsContext } from '../../transport/node/tls-context.ts';
import { createHttpApi } from './http-api.ts';

interface Answer {
  readonly status: number;
  readonly text: string;
  /** The server's certificate. */
  readonly certificate: PeerCertificate;
}

function getTls(options: RequestOptions): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asking = request({ host: '127.0.0.1', path: '/api/v1/version', agent: false, ...options }, (response) => {
      const { socket } = response;
      assert(socket instanceof TLSSocket);
      const certificate = socket.getPeerCertificate();
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text, certificate }));
    });
    asking.on('error', reject);
    asking.end();
  });
}

async function listen(t: TestContext, tls: () => TlsContext): Promise<number> {
  const api = createHttpApi({
    listeners: () => [],
    systree: () => new Map(),
    version: '2.1.3',
    authorise: ({ userName, remoteAddress }) => userName === 'ada' && remoteAddress === '127.0.0.1',
    httpDir: null,
    tls,
    log: new MemoryLog(),
    onFault: (error) => assert.fail(error),
  });
  const listening = await api.listen({ host: '127.0.0.1', port: 0, isIpv6Only: false });
  t.after(() => listening.close());
  return listening.port;
}

function keyAndCert({ certFile, keyFile }: TestIdentity): Pick<RequestOptions, 'key' | 'cert'> {
  return { cert: readFileSync(certFile), key: readFileSync(keyFile) };
}

test('HTTP API over TLS: answers as without, and new connections get the certificate of a reload', async (t) => {
  const made = certificatesOrSkip(t);
  if (made === null) return;
  let context = contextOf(made);
  const port = await listen(t, () => context);
  const ca = readFileSync(made.root.certFile);
  const first = await getTls({ port, ca, auth: 'ada:x' });
  assert.deepEqual([first.status, first.text], [200, '2.1.3']);
  assert.equal((await getTls({ port, ca })).status, 401);
  const { certFile, keyFile } = made.serverRsa;
  context = contextOf(made, { certFile, keyFile });
  const second = await getTls({ port, ca, auth: 'ada:x' });
  assert.equal(second.text, '2.1.3');
  assert.notEqual(second.certificate.fingerprint256, first.certificate.fingerprint256);
});

test('T13 HTTP API over TLS: require_certificate lets in only who has one, a revoked one is none', async (t) => {
  const made = certificatesOrSkip(t);
  if (made === null) return;
  const context = contextOf(made, mutual(made, { crlFile: made.crlFile }));
  const port = await listen(t, () => context);
  const ca = readFileSync(made.root.certFile);
  assert.equal((await getTls({ port, ca, auth: 'ada:x', ...keyAndCert(made.client) })).text, '2.1.3');
  await assert.rejects(getTls({ port, ca, auth: 'ada:x' }));
  await assert.rejects(getTls({ port, ca, auth: 'ada:x', ...keyAndCert(made.revoked) }));
  await assert.rejects(getTls({ port, ca, auth: 'ada:x', ...keyAndCert(made.wrongAuthority) }));
});

test('HTTP API over TLS: a connection from before a reload is not answered any more', async (t) => {
  const made = certificatesOrSkip(t);
  if (made === null) return;
  let context = contextOf(made);
  const port = await listen(t, () => context);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  const asking = { port, ca: readFileSync(made.root.certFile), auth: 'ada:x', agent };
  assert.equal((await getTls(asking)).text, '2.1.3');
  assert.equal((await getTls(asking)).text, '2.1.3');
  context = contextOf(made, mutual(made));
  await assert.rejects(getTls(asking));
});
