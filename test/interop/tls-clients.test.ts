/** Other people's TLS clients against our listeners, without a broker: openssl s_client and mosquitto_pub. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { describe, type TestContext, test } from 'node:test';
import type { TlsSettings } from '../../src/transport/node/tls-settings.ts';
import { certificatesOrSkip, type TestCertificates, type TestIdentity } from '../fixtures/certificates.ts';
import { toolOrSkip } from '../fixtures/debian.ts';
import { turns } from '../fixtures/link-parties.ts';
import { contextOf, listenTls, mutual, pskContext, type TlsListener } from '../fixtures/tls-listener.ts';

const TIMEOUT = { timeout: 60_000 } as const;

interface Run {
  readonly code: number | null;
  readonly output: string;
}

function run(path: string, parameters: readonly string[], input = ''): Promise<Run> {
  return new Promise((resolve, reject) => {
    const child = spawn(path, parameters, { stdio: ['pipe', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, output }));
    child.stdin.on('error', () => {});
    child.stdin.end(input);
  });
}

/** Answers CONNECT and takes a QoS 0 message: as much of a broker as mosquitto_pub needs. */
function answering(listener: TlsListener): TlsListener {
  listener.server.onOpen = (recorder) => {
    recorder.onInput = (bytes) => {
      if (bytes[0] === 0x10) recorder.send(Buffer.of(0x20, 2, 0, 0));
    };
  };
  return listener;
}

async function listen(t: TestContext, made: TestCertificates, settings: Partial<TlsSettings>): Promise<TlsListener> {
  const context = contextOf(made, settings);
  return answering(await listenTls(t, () => context));
}

/** The line of the log with that number, without its beginning. The client's end may be heard of before its last words. */
async function reasonOf({ log }: TlsListener, number = 1): Promise<string> {
  while (log.texts('error').length < number) await turns(1);
  return (log.texts('error').at(-1) ?? '').replace(/^TLS handshake with .*? failed: /, '');
}

describe('mosquitto_pub', TIMEOUT, () => {
  const publish = (path: string, { to }: TlsListener, more: readonly string[]) =>
    run(path, ['-h', 'localhost', '-p', String(to.port), '-i', 'a', '-t', 'plant/pump7', '-m', '21.5', ...more]);

  const CASES: readonly {
    readonly who: string;
    readonly identity: (made: TestCertificates) => TestIdentity | null;
    /** Null: it is let in. */
    readonly reason: RegExp | null;
  }[] = [
    { who: 'a good certificate', identity: ({ client }) => client, reason: null },
    { who: 'none', identity: () => null, reason: /^peer did not return a certificate/ },
    { who: 'an expired one', identity: ({ expired }) => expired, reason: /certificate has expired/ },
    { who: 'one that is not yet valid', identity: ({ notYetValid }) => notYetValid, reason: /not yet valid.*clock/ },
    { who: 'a revoked one', identity: ({ revoked }) => revoked, reason: /certificate revoked/ },
    { who: 'one of another CA', identity: ({ wrongAuthority }) => wrongAuthority, reason: /certificate verify failed/ },
  ];
  for (const { who, identity, reason } of CASES) {
    test(`with ${who}`, async (t) => {
      const [made, path] = [certificatesOrSkip(t), toolOrSkip(t, 'mosquitto_pub', 'mosquitto-clients')];
      if (made === null || path === null) return;
      const listener = await listen(t, made, mutual(made, { crlFile: made.crlFile }));
      const own = identity(made);
      const files = own === null ? [] : ['--cert', own.certFile, '--key', own.keyFile];
      const { code, output } = await publish(path, listener, ['--cafile', made.root.certFile, ...files]);
      assert.equal(code === 0, reason === null, output);
      if (reason === null) {
        const recorder = await listener.server.next();
        assert.equal(recorder.link.security?.certificate?.commonName, 'pump7');
        // It has ended when all has come that the client sent.
        await recorder.end();
        assert.ok(recorder.input.includes('plant/pump721.5'));
        assert.deepEqual(listener.log.lines, []);
        return;
      }
      assert.match(await reasonOf(listener), reason);
      assert.equal(listener.server.links.length, 0);
      assert.equal(listener.log.lines.length, 1);
    });
  }

  test('that does not trust us says so, and the log says what it needs', async (t) => {
    const [made, path] = [certificatesOrSkip(t), toolOrSkip(t, 'mosquitto_pub', 'mosquitto-clients')];
    if (made === null || path === null) return;
    const listener = await listen(t, made, {});
    const { code } = await publish(path, listener, ['--cafile', made.other.certFile]);
    assert.notEqual(code, 0);
    assert.match(
      await reasonOf(listener),
      /alert unknown ca\. The client does not trust the certificate of this listener/,
    );
  });

  test('with pre-shared keys: right, wrong, unknown', async (t) => {
    const path = toolOrSkip(t, 'mosquitto_pub', 'mosquitto-clients');
    if (path === null) return;
    const context = pskContext(new Map([['pump7', Buffer.from('deadbeef', 'hex')]]));
    const listener = answering(await listenTls(t, () => context));
    const with_ = (identity: string, key: string) =>
      publish(path, listener, ['--psk-identity', identity, '--psk', key]);
    const { code, output } = await with_('pump7', 'deadbeef');
    assert.equal(code, 0, output);
    assert.equal(listener.server.links[0]?.link.security?.pskIdentity, 'pump7');
    assert.notEqual((await with_('pump7', 'beefdead')).code, 0);
    assert.match(await reasonOf(listener), /Identity: 'pump7'\. Its key is not the one in psk_file/);
    assert.notEqual((await with_('pump8', 'deadbeef')).code, 0);
    assert.match(await reasonOf(listener, 2), /^psk identity not found\. Identity: 'pump8'/);
    assert.equal(listener.server.links.length, 1);
  });
});

describe('openssl s_client', TIMEOUT, () => {
  const connect = (path: string, made: TestCertificates, { to }: TlsListener, more: readonly string[]) =>
    run(path, ['s_client', '-connect', `127.0.0.1:${to.port}`, '-CAfile', made.root.certFile, ...more]);

  test('sees our chain, the CA names that are asked for, and no compression', async (t) => {
    const [made, path] = [certificatesOrSkip(t), toolOrSkip(t, 'openssl', 'openssl')];
    if (made === null || path === null) return;
    const listener = await listen(t, made, mutual(made));
    const own = ['-cert', made.client.certFile, '-key', made.client.keyFile, '-verify_return_error'];
    const { code, output } = await connect(path, made, listener, [...own, '-tls1_2']);
    assert.equal(code, 0, output);
    assert.match(output, /Acceptable client certificate CA names\nO ?= ?Plant, CN ?= ?Plant Root/);
    assert.match(output, /Compression: NONE/);
    assert.match(output, /Verify return code: 0 \(ok\)/);
  });

  test('without a certificate gets an alert', async (t) => {
    const [made, path] = [certificatesOrSkip(t), toolOrSkip(t, 'openssl', 'openssl')];
    if (made === null || path === null) return;
    const listener = await listen(t, made, mutual(made));
    const { code, output } = await connect(path, made, listener, ['-tls1_2']);
    assert.notEqual(code, 0);
    assert.match(output, /alert handshake failure/);
  });

  test('offers TLS 1.0 only: told what would admit it, and a listener with those lines does', async (t) => {
    const [made, path] = [certificatesOrSkip(t), toolOrSkip(t, 'openssl', 'openssl')];
    if (made === null || path === null) return;
    const { certFile, keyFile } = made.serverRsa;
    const old = ['-tls1_1', '-cipher', 'DEFAULT@SECLEVEL=0'];
    const strict = await listen(t, made, { certFile, keyFile });
    assert.notEqual((await connect(path, made, strict, old)).code, 0);
    assert.match(
      await reasonOf(strict),
      /^unsupported protocol\..*tls_version tlsv1\.1, and ciphers DEFAULT@SECLEVEL=0/,
    );
    const lax = await listen(t, made, { certFile, keyFile, version: 'tlsv1.1', ciphers: 'DEFAULT@SECLEVEL=0' });
    const { code, output } = await connect(path, made, lax, old);
    assert.equal(code, 0, output);
    assert.match(output, /Protocol *: TLSv1\.1/);
  });

  test('T30 an identity that is not UTF-8 is nobody, and nobody is asked for its key', async (t) => {
    const path = toolOrSkip(t, 'openssl', 'openssl');
    if (path === null) return;
    const asked: string[] = [];
    const pskKeyOf = (identity: string) => {
      asked.push(identity);
      return Buffer.from('0123', 'hex');
    };
    const context = pskContext(new Map(), { pskKeyOf });
    const listener = await listenTls(t, () => context);
    for (const identity of ['pump\\377', '\\355\\240\\200', 'pump7']) {
      const command = `exec ${path} s_client -connect 127.0.0.1:${listener.to.port} -tls1_2 -psk 0123 -psk_identity "$(printf '${identity}')"`;
      await run('/bin/sh', ['-c', command]);
    }
    assert.deepEqual(asked, ['pump7']);
    assert.equal(listener.server.links.length, 1);
    assert.equal(listener.log.lines.length, 2);
  });
});
