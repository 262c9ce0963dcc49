/**
 * What the log says of a handshake that failed: one line, in OpenSSL's words, with the certificate it was about, and
 * what to do where there is something to do. A flood of failures writes a bounded number of lines.
 */
import type { X509Certificate } from 'node:crypto';
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { TlsContext } from './tls-context.ts';
import { describeCertificate, showTime } from './tls-describe.ts';
import type { TlsSettings } from './tls-settings.ts';

/** One failed handshake. */
export interface HandshakeFailure {
  /** 'address:port' of the client. */
  readonly peer: string;
  readonly context: Pick<TlsContext, 'settings' | 'keyType' | 'trust'>;
  /** OpenSSL's reason, or ours in its style. */
  readonly reason: string;
  /** node's code of the error; '' when there was none. */
  readonly code: string;
  /** What the client sent. */
  readonly certificate: X509Certificate | null;
  /** What it said who it is; null = nothing, or it has not come that far. */
  readonly pskIdentity: string | null;
}

/** The reason of a client that closes its connection without an alert. */
export const HUNG_UP = 'the client hung up';

/** Lines of one minute; the rest is counted. */
const LINES_MAX = 60;
const WINDOW_MS = 60_000;

/** Characters of an identity that are shown. */
const IDENTITY_SHOWN_MAX = 100;

/** Writes failures, at most LINES_MAX in a minute. */
export class FailureLog {
  readonly #log: Log;
  readonly #clock: Clock;
  #windowEndMs = 0;
  #lineCount = 0;
  #hiddenCount = 0;

  constructor(log: Log, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
  }

  write(failure: HandshakeFailure): void {
    if (!this.#log.has('error') || !this.#hasRoom()) return;
    this.#log.write('error', failureLine(failure, this.#clock.wallMs()));
  }

  #hasRoom(): boolean {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs >= this.#windowEndMs) {
      this.#windowEndMs = nowMs + WINDOW_MS;
      this.#lineCount = 0;
    }
    this.#lineCount++;
    if (this.#lineCount <= LINES_MAX) return true;
    if (this.#hiddenCount++ === 0) this.#clock.after(Math.max(0, this.#windowEndMs - nowMs), () => this.#tellHidden());
    return false;
  }

  #tellHidden(): void {
    const count = this.#hiddenCount;
    this.#hiddenCount = 0;
    this.#log.write('error', `${count} more TLS handshakes failed within a minute and were not logged one by one.`);
  }
}

/** The line of one failure. @param nowMs wall clock */
export function failureLine(failure: HandshakeFailure, nowMs: number): string {
  const { peer, context, reason, certificate, pskIdentity } = failure;
  const about = certificate === null ? '' : ` Certificate: ${describeCertificate(certificate)}.`;
  const identity = pskIdentity === null ? '' : ` Identity: '${pskIdentity.slice(0, IDENTITY_SHOWN_MAX)}'.`;
  const hint = hintOf(failure, nowMs);
  const mend = hint === null ? '' : ` ${hint}`;
  return `TLS handshake with ${peer} on ${context.settings.name} failed: ${reason}.${about}${identity}${mend}`;
}

/** What to do; null when there is nothing that is likely to help. */
function hintOf(failure: HandshakeFailure, nowMs: number): string | null {
  return hintOfCertificate(failure, nowMs) ?? hintOfCode(failure) ?? hintOfAlert(failure);
}

function hintOfCertificate({ reason, certificate, context }: HandshakeFailure, nowMs: number): string | null {
  const { settings } = context;
  const now = `now ${showTime(new Date(nowMs))}`;
  if (reason.endsWith('certificate is not yet valid') && certificate !== null) {
    const from = showTime(certificate.validFromDate);
    return `The clock of this machine, or of the one that made the certificate, may be wrong (${now}, valid from ${from}).`;
  }
  if (reason.endsWith('CA certificate has expired')) {
    return `Put a CA certificate that is valid into ${authoritiesOf(settings)}, or let the device send one (${now}).`;
  }
  if (reason.endsWith('certificate has expired')) {
    return `Give the device a new certificate (${now}). To admit it all the same: disable_client_cert_date_checks true.`;
  }
  if (reason.endsWith('certificate revoked')) return `It stands in crlfile "${settings.crlFile}".`;
  if (reason.endsWith('CRL has expired'))
    return `Put a new list of this CA into crlfile "${settings.crlFile}" and reload.`;
  if (reason.endsWith('unable to get certificate CRL')) return `crlfile "${settings.crlFile}" has no list of this CA.`;
  if (/too weak|too small|md too/.test(reason)) return `The certificate is weak by today's measure. ${OLD_DEVICES}`;
  if (/issuer certificate|self-signed certificate|verify the first certificate/.test(reason)) {
    return `It was not signed by a CA of ${authoritiesOf(settings)}, or the device does not send the certificates in between.`;
  }
  return null;
}

function authoritiesOf({ caFile, caPath }: TlsSettings): string {
  const places = [caFile === null ? '' : `cafile "${caFile}"`, caPath === null ? '' : `capath "${caPath}"`];
  return places.filter((place) => place !== '').join(' and ');
}

const OLD_DEVICES = 'An old device can be admitted on a separate listener with the line: ciphers DEFAULT@SECLEVEL=0';

/** Hints by node's code. Each was tried with the OpenSSL of this node: tls-handshake.test.ts. */
const HINTS: ReadonlyMap<string, (failure: HandshakeFailure) => string> = new Map([
  ['ERR_SSL_UNSUPPORTED_PROTOCOL', hintOfVersion],
  ['ERR_SSL_NO_SHARED_CIPHER', hintOfCipher],
  ['ERR_SSL_NO_SHARED_SIGNATURE_ALGORITHMS', hintOfSignature],
  [
    'ERR_SSL_WRONG_VERSION_NUMBER',
    () => 'The client speaks no TLS: is it set to plain MQTT, or to the port of another listener?',
  ],
  [
    'ERR_SSL_HTTP_REQUEST',
    () => 'The client speaks plain HTTP: use https:// or wss://, or the port of another listener.',
  ],
  [
    'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE',
    () => 'This listener has require_certificate true: give the client a certificate and its key.',
  ],
  ['ERR_SSL_PSK_IDENTITY_NOT_FOUND', () => 'It is not in psk_file.'],
]);

/** The first version that TLS can be switched down to by an option; nothing brings back what is older. */
function hintOfVersion({ context: { settings, trust } }: HandshakeFailure): string {
  if (settings.version === 'tlsv1.3')
    return 'This listener has tls_version tlsv1.3, and the client speaks no more than 1.2.';
  if (settings.version === 'tlsv1.1' && trust.securityLevel === 0) {
    return 'The client speaks TLS 1.0 at most, which no option admits: put a TLS proxy that speaks it in front of the broker.';
  }
  return 'The client does not speak TLS 1.2. One with TLS 1.1 is admitted on a separate listener by two lines: tls_version tlsv1.1, and ciphers DEFAULT@SECLEVEL=0. No option admits TLS 1.0.';
}

function hintOfCipher({ context: { settings, keyType } }: HandshakeFailure): string {
  if (settings.pskHint !== null) return 'This listener has psk_hint: it takes clients with pre-shared keys only.';
  if (settings.ciphers !== null) return `The client offers no cipher of this listener: ciphers ${settings.ciphers}.`;
  if (keyType === 'rsa')
    return 'The client offers only ciphers that are too old, or pre-shared keys, for which psk_hint makes a listener.';
  return 'The certificate of this listener has an EC key, which old devices cannot use: give them a separate listener whose certificate has an RSA key.';
}

/** SHA-1, as a rule. */
function hintOfSignature({ context: { keyType } }: HandshakeFailure): string {
  return keyType === 'rsa' ? OLD_DEVICES : `${OLD_DEVICES}, and a certificate with an RSA key.`;
}

function hintOfCode(failure: HandshakeFailure): string | null {
  const { code, pskIdentity, context } = failure;
  const hint = HINTS.get(code);
  if (hint !== undefined) return hint(failure);
  const isBadKey = /CIPHER_OPERATION_FAILED|BAD_RECORD_MAC|DIGEST_CHECK_FAILED/.test(code);
  return context.settings.pskHint !== null && pskIdentity !== null && isBadKey
    ? 'Its key is not the one in psk_file.'
    : null;
}

/** The client refused us, and said so or not. */
function hintOfAlert({ reason, context: { settings } }: HandshakeFailure): string | null {
  const { certFile } = settings;
  if (certFile === null) return null;
  if (reason === HUNG_UP) return 'Its own log may say why; some clients hang up when they do not trust the listener.';
  if (/alert unknown ca/.test(reason)) {
    return `The client does not trust the certificate of this listener: it needs the CA that signed "${certFile}".`;
  }
  if (/alert certificate expired/.test(reason)) {
    return `For the client the certificate in "${certFile}" is out of date: see its dates, and the clock of the client.`;
  }
  if (/alert (bad certificate|certificate unknown|unsupported certificate)/.test(reason)) {
    return `The client refused the certificate in "${certFile}": another host name than it connects to, dates, purpose or CA. Its own log may say more.`;
  }
  return null;
}
