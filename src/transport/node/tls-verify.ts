/** Decides about the certificate of a client, once the handshake is over. */
import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { verifyWithoutDates } from './tls-chain.ts';
import type { TlsContext } from './tls-context.ts';
import { findRevocation } from './tls-revocation.ts';

/** `reason` in OpenSSL's words: why the client is refused; null = it is welcome. */
export interface Verdict {
  readonly reason: string | null;
  /** What the client sent; null = nothing, or it was not asked. */
  readonly certificate: X509Certificate | null;
}

/** Certificates that a client may send beside its own and that are looked at here. */
const SENT_MAX = 10;

/** Errors of OpenSSL that are about the dates of a certificate. */
const DATE_CODES: ReadonlySet<string> = new Set(['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID']);

/** @param nowMs wall clock */
export function judgeClient(socket: TLSSocket, context: TlsContext, nowMs: number): Verdict {
  if (!context.asksForCertificate) return { reason: null, certificate: null };
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return { reason: 'peer did not return a certificate', certificate: null };
  return { reason: refuseCertificate(certificate, socket, context, nowMs), certificate };
}

function refuseCertificate(
  certificate: X509Certificate,
  socket: TLSSocket,
  context: TlsContext,
  nowMs: number,
): string | null {
  const sent = sentWith(certificate);
  const error = verifyErrorOf(socket);
  if (error !== null) {
    if (!DATE_CODES.has(error.code)) return error.text;
    // OpenSSL tells the last error only, and dates come last: something else may be wrong as well.
    const refused = verifyWithoutDates(certificate, sent, context.trust, nowMs);
    if (context.settings.checksDates) return dateReason(certificate, error.text, refused, nowMs);
    if (refused !== null) return refused;
  }
  // A session that is taken up again brings the verdict of its first handshake with it.
  if (socket.isSessionReused() && certificate.validToDate.getTime() < nowMs) return 'certificate has expired';
  const lists = context.revocationLists;
  return lists === null ? null : revokedBy(lists, certificate, [...context.trust.authorities, ...sent], nowMs);
}

/** The date that is wrong may be that of an authority; and there may be more than a date. */
function dateReason(certificate: X509Certificate, text: string, refused: string | null, nowMs: number): string {
  const isOwnDate = certificate.validToDate.getTime() < nowMs || certificate.validFromDate.getTime() > nowMs;
  if (refused === null) return text;
  return isOwnDate ? `${text}, and ${refused}` : refused;
}

function revokedBy(
  lists: NonNullable<TlsContext['revocationLists']>,
  certificate: X509Certificate,
  authorities: readonly X509Certificate[],
  nowMs: number,
): string | null {
  try {
    return findRevocation(certificate, authorities, lists, nowMs);
  } catch {
    return 'malformed certificate';
  }
}

/** What the client sent beside its certificate, in its order. Nothing of it is verified. */
function sentWith(certificate: X509Certificate): readonly X509Certificate[] {
  const sent: X509Certificate[] = [];
  let next = certificate.issuerCertificate;
  while (next !== undefined && sent.length < SENT_MAX) {
    sent.push(next);
    next = next.issuerCertificate;
  }
  return sent;
}

/**
 * What OpenSSL found when it verified the peer's certificate; null = nothing is wrong. Node tells it by `authorized` for
 * sockets of a tls.Server only, which hides the certificate of a client that it refuses; so the same function is asked
 * that tls.Server asks, although it is not documented. Anything unexpected counts as an error.
 */
export function verifyErrorOf(socket: TLSSocket): { readonly code: string; readonly text: string } | null {
  const handle: unknown = Reflect.get(socket, 'ssl');
  const ask: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'verifyError') : undefined;
  if (typeof ask !== 'function') return { code: '', text: 'the result of the verification is unknown' };
  const error: unknown = Reflect.apply(ask, handle, []);
  if (error === null || error === undefined) return null;
  if (!(error instanceof Error)) return { code: '', text: String(error) };
  // node adds advice for its own command line behind a semicolon.
  const [text = ''] = error.message.split(';');
  return { code: 'code' in error ? String(error.code) : '', text };
}
