/** Programs that talk TLS to a broker of a test. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { certificatesOrSkip, type TestCertificates, type TestIdentity } from '../fixtures/certificates.ts';
import { toolOrSkip } from '../fixtures/debian.ts';

export interface Ended {
  readonly code: number | null;
  /** Of stdout and stderr; a character for each byte. */
  readonly output: string;
}

/** Longer than any handshake. A program that hangs is a failure. */
const SECONDS_MAX = '30';

/** Runs a program to its end. */
export function run(path: string, args: readonly string[], input: Uint8Array = new Uint8Array(0)): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn('timeout', [SECONDS_MAX, path, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('latin1').on('data', (text: string) => {
        output += text;
      });
    }
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, output }));
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
  });
}

export interface TlsTools {
  readonly made: TestCertificates;
  readonly openssl: string;
  readonly mosquittoPub: string;
}

/** Null after the test was skipped because something is not installed. */
export function tlsToolsOrSkip(t: TestContext): TlsTools | null {
  const openssl = toolOrSkip(t, 'openssl', 'openssl');
  const mosquittoPub = openssl === null ? null : toolOrSkip(t, 'mosquitto_pub', 'mosquitto-clients');
  const made = mosquittoPub === null ? null : certificatesOrSkip(t);
  return openssl === null || mosquittoPub === null || made === null ? null : { openssl, mosquittoPub, made };
}

export interface PublishWish {
  readonly port: number;
  readonly topic: string;
  readonly message: string;
  readonly clientId?: string;
  /** Whom it trusts; of the test's root when absent. */
  readonly caFile?: string;
  readonly identity?: TestIdentity | null;
  readonly more?: readonly string[];
}

/** mosquitto_pub with QoS 1, MQTT 5, over TLS. */
export function publishTls({ mosquittoPub, made }: TlsTools, wish: PublishWish): Promise<Ended> {
  const { port, topic, message, clientId = 'tool', caFile = made.root.certFile, identity = null, more = [] } = wish;
  const own = identity === null ? [] : ['--cert', identity.certFile, '--key', identity.keyFile];
  const what = ['-V', '5', '-q', '1', '-i', clientId, '-t', topic, '-m', message];
  return run(mosquittoPub, ['-h', 'localhost', '-p', String(port), '--cafile', caFile, ...what, ...own, ...more]);
}

/** CONNECT of client `t`, 3.1.1, and DISCONNECT. */
const CONNECT = Buffer.from('100d00044d51545404020000000174e000', 'hex');
/** What a broker answers that lets it in. */
const CONNACK = Buffer.from('20020000', 'hex').toString('latin1');

/** Connects by openssl s_client, and goes again. `isIn`: the broker has answered CONNECT with 0. */
export async function connectTls(
  { openssl, made }: TlsTools,
  { port, identity = null, more = [] }: Pick<PublishWish, 'port' | 'identity' | 'more'>,
): Promise<Ended & { readonly isIn: boolean }> {
  const own = identity === null ? [] : ['-cert', identity.certFile, '-key', identity.keyFile];
  const args = ['s_client', '-quiet', '-connect', `127.0.0.1:${port}`, '-CAfile', made.root.certFile];
  const ended = await run(openssl, [...args, ...own, ...more], CONNECT);
  return { ...ended, isIn: ended.output.includes(CONNACK) };
}

/** Text of a file, for the files of a house. */
export function textOf(path: string): string {
  return readFileSync(path, 'utf8');
}
