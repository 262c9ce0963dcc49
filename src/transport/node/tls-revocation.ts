/**
 * Certificate revocation lists (RFC 5280, 5), looked at for the client's own certificate as Mosquitto does.
 *
 * Why not node's `crl`: it asks for a list of every authority up to the root, and a plant that keeps only the list of
 * the authority that signs its devices would find all of them refused.
 *
 * Without a list that is signed by the authority of the certificate and in force, the certificate is refused.
 */
import { verify, type X509Certificate } from 'node:crypto';
import { type Extension, KEY_USAGE, mayBeUsedFor, readCertificate, readExtensions } from './tls-certificate.ts';
import {
  DerError,
  type DerItem,
  expectTag,
  readBits,
  readDer,
  readDerList,
  readHexInteger,
  readOid,
  readTime,
  TAG,
} from './tls-der.ts';
import { pemBlocks } from './tls-pem.ts';

export interface RevocationList {
  /** The name of the authority, as it is encoded. */
  readonly issuer: Uint8Array;
  readonly thisUpdateMs: number;
  /** When a newer list is due; null = the list does not say. */
  readonly nextUpdateMs: number | null;
  /** Serial numbers, in hexadecimal without leading zeros. */
  readonly serials: ReadonlySet<string>;
  readonly signed: Uint8Array;
  readonly signature: Uint8Array;
  readonly signatureAlgorithm: string;
}

/** Serial numbers of one list; a list with more cannot be used. */
const SERIALS_MAX = 1_000_000;

/** Lists in one file. */
const LISTS_MAX = 1_000;

/** Digests by the object identifier of the signature; null: the signature has its own. */
const DIGESTS: ReadonlyMap<string, string | null> = new Map([
  ['1.2.840.113549.1.1.5', 'sha1'],
  ['1.2.840.113549.1.1.14', 'sha224'],
  ['1.2.840.113549.1.1.11', 'sha256'],
  ['1.2.840.113549.1.1.12', 'sha384'],
  ['1.2.840.113549.1.1.13', 'sha512'],
  ['1.2.840.10045.4.1', 'sha1'],
  ['1.2.840.10045.4.3.1', 'sha224'],
  ['1.2.840.10045.4.3.2', 'sha256'],
  ['1.2.840.10045.4.3.3', 'sha384'],
  ['1.2.840.10045.4.3.4', 'sha512'],
  ['1.3.101.112', null],
  ['1.3.101.113', null],
]);

/** All lists of a PEM file. @throws Error that says what is wrong with it */
export function readRevocationLists(pem: Uint8Array): readonly RevocationList[] {
  const blocks = pemBlocks(pem, 'X509 CRL');
  if (blocks.length === 0) throw new Error('There is no revocation list in it (-----BEGIN X509 CRL-----).');
  if (blocks.length > LISTS_MAX) throw new Error(`It holds more than ${LISTS_MAX} revocation lists.`);
  return blocks.map((block, index) => {
    try {
      return readRevocationList(block.bytes);
    } catch (error) {
      const what = error instanceof DerError ? error.message : String(error);
      throw new Error(`Revocation list ${index + 1} in it cannot be used: ${what}.`);
    }
  });
}

/**
 * @throws DerError
 *
 *     CertificateList   SEQUENCE { tbs, signatureAlgorithm, signature }
 *     tbs               SEQUENCE { version?, algorithm, issuer, thisUpdate, nextUpdate?, revoked?, [0] extensions? }
 */
function readRevocationList(bytes: Uint8Array): RevocationList {
  const [tbs, algorithm, signature] = readDerList(readDer(bytes, TAG.sequence).content);
  const fields = [...readDerList(expectTag(tbs, TAG.sequence).content)];
  if (fields[0]?.tag === TAG.integer) fields.shift();
  const [, issuer, thisUpdate, ...rest] = fields;
  const nextUpdate = isTime(rest[0]) ? rest.shift() : undefined;
  const revoked = rest[0]?.tag === TAG.sequence ? rest.shift() : undefined;
  const tagged = rest.shift();
  if (tagged !== undefined) refuseCritical(readExtensions(expectTag(tagged, TAG.context0).content));
  const signatureAlgorithm = readOid(readDerList(expectTag(algorithm, TAG.sequence).content)[0]);
  if (!DIGESTS.has(signatureAlgorithm)) {
    throw new DerError(`it is signed with ${signatureAlgorithm}, which is not supported here; sign it with SHA-256`);
  }
  return {
    issuer: expectTag(issuer, TAG.sequence).whole,
    thisUpdateMs: readTime(thisUpdate),
    nextUpdateMs: nextUpdate === undefined ? null : readTime(nextUpdate),
    serials: revoked === undefined ? new Set() : readSerials(revoked),
    signed: expectTag(tbs, TAG.sequence).whole,
    signature: readBits(signature),
    signatureAlgorithm,
  };
}

function isTime(item: DerItem | undefined): boolean {
  return item?.tag === TAG.utcTime || item?.tag === TAG.generalizedTime;
}

/** A critical extension changes what a list means: parts of a list, lists for others, changes of a list only. */
function refuseCritical(extensions: ReadonlyMap<string, Extension>): void {
  for (const [name, { isCritical }] of extensions) {
    if (isCritical) throw new DerError(`it has the critical extension ${name}, which is not supported here`);
  }
}

function readSerials(revoked: DerItem): ReadonlySet<string> {
  const entries = readDerList(revoked.content);
  if (entries.length > SERIALS_MAX) throw new DerError(`it names more than ${SERIALS_MAX} certificates`);
  const serials = new Set<string>();
  for (const entry of entries) {
    const [serial, , extensions] = readDerList(expectTag(entry, TAG.sequence).content);
    serials.add(readHexInteger(serial));
    if (extensions !== undefined) refuseCritical(readExtensions(extensions.whole));
  }
  return serials;
}

/**
 * Why `certificate` is refused by the lists, in OpenSSL's words; null when it is not revoked.
 * @param authorities certificates one of which has issued it
 * @throws DerError when a certificate is malformed
 */
export function findRevocation(
  certificate: X509Certificate,
  authorities: readonly X509Certificate[],
  lists: readonly RevocationList[],
  nowMs: number,
): string | null {
  const parts = readCertificate(certificate.raw);
  const issuers = authorities.filter(
    (issuer) => certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey),
  );
  // A list is found by the name of its authority, as OpenSSL finds it.
  const names = [parts.issuer, ...issuers.map((issuer) => readCertificate(issuer.raw).subject)];
  const named = lists.filter((list) => names.some((name) => Buffer.compare(name, list.issuer) === 0));
  if (named.length === 0) return 'unable to get certificate CRL';
  const signed = named.filter((list) => issuers.some((issuer) => isSignedBy(list, issuer)));
  if (signed.length === 0) return 'CRL signature failure';
  if (signed.some(({ serials }) => serials.has(parts.serial))) return 'certificate revoked';
  const begun = signed.filter(({ thisUpdateMs }) => thisUpdateMs <= nowMs);
  if (begun.length === 0) return 'CRL is not yet valid';
  return begun.some((list) => !isOutdated(list, nowMs)) ? null : 'CRL has expired';
}

/** True when a newer list should have come. */
export function isOutdated({ nextUpdateMs }: RevocationList, nowMs: number): boolean {
  return nextUpdateMs !== null && nextUpdateMs <= nowMs;
}

function isSignedBy({ signed, signature, signatureAlgorithm }: RevocationList, issuer: X509Certificate): boolean {
  if (!mayBeUsedFor(readCertificate(issuer.raw), KEY_USAGE.crlSign)) return false;
  try {
    return verify(DIGESTS.get(signatureAlgorithm), signed, issuer.publicKey, signature);
  } catch {
    // A key of another kind than the signature.
    return false;
  }
}
