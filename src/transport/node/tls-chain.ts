/**
 * Verifies a client's certificate without looking at its dates, for `disable_client_cert_date_checks`.
 *
 * OpenSSL verifies first, but node lets it go on after an error and tells the last one only, and dates come last: an
 * expired certificate may also be forged, of an unknown authority or too weak, and nobody would know. So, when a
 * date is what OpenSSL complains of, everything else is looked at again here. Rejected: believing the code alone.
 *
 * Stricter than OpenSSL on purpose: only the client's own certificate may be out of date; authorities with constraints
 * on names or policies, critical extensions that are not known here and signatures of RSA-PSS are refused.
 */
import type { KeyObject, X509Certificate } from 'node:crypto';
import { type CertificateParts, EXTENSION, KEY_USAGE, mayBeUsedFor, readCertificate } from './tls-certificate.ts';
import { readDer, readDerList, readHexInteger, TAG } from './tls-der.ts';

/** Whom client certificates may come from. */
export interface Trust {
  /** The certificates of `cafile` and `capath`. */
  readonly authorities: readonly X509Certificate[];
  /** OpenSSL's security level, 0 to 5. */
  readonly securityLevel: number;
}

/** Certificates between a client's and a root. */
const INTERMEDIATES_MAX = 8;

/** Signatures that are verified for one certificate. */
const SIGNATURES_MAX = 64;

/** Purpose of a client certificate: RFC 5280, 4.2.1.12. */
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';

/** Critical extensions whose meaning is looked at. */
const KNOWN_EXTENSIONS: ReadonlySet<string> = new Set([
  EXTENSION.keyUsage,
  EXTENSION.subjectAltName,
  EXTENSION.basicConstraints,
  EXTENSION.extendedKeyUsage,
]);

/** Extensions that narrow what an authority may sign in ways that are not looked at, critical or not. */
const CONSTRAINTS = [EXTENSION.nameConstraints, EXTENSION.policyConstraints, EXTENSION.inhibitAnyPolicy] as const;

/** Security of each level and of keys, in bits: OpenSSL, SSL_CTX_set_security_level. */
const LEVEL_BITS = [0, 80, 112, 128, 192, 256] as const;

const RSA_BITS = [
  { modulusLength: 15_360, bits: 256 },
  { modulusLength: 7_680, bits: 192 },
  { modulusLength: 3_072, bits: 128 },
  { modulusLength: 2_048, bits: 112 },
  { modulusLength: 1_024, bits: 80 },
] as const;

const CURVE_BITS: ReadonlyMap<string, number> = new Map([
  ['prime256v1', 128],
  ['secp384r1', 192],
  ['secp521r1', 256],
]);

/** Security of signatures by object identifier; what is not here is refused. */
const SIGNATURE_BITS: ReadonlyMap<string, number> = new Map([
  ['1.2.840.113549.1.1.5', 63],
  ['1.2.840.113549.1.1.14', 112],
  ['1.2.840.113549.1.1.11', 128],
  ['1.2.840.113549.1.1.12', 192],
  ['1.2.840.113549.1.1.13', 256],
  ['1.2.840.10045.4.1', 63],
  ['1.2.840.10045.4.3.1', 112],
  ['1.2.840.10045.4.3.2', 128],
  ['1.2.840.10045.4.3.3', 192],
  ['1.2.840.10045.4.3.4', 256],
  ['1.3.101.112', 128],
  ['1.3.101.113', 224],
]);

/**
 * Why `leaf` is refused although its dates do not count, in OpenSSL's words where it has some; null when nothing is.
 * @param sent what the client sent beside it
 */
export function verifyWithoutDates(
  leaf: X509Certificate,
  sent: readonly X509Certificate[],
  trust: Trust,
  nowMs: number,
): string | null {
  try {
    return refuseLeaf(leaf, trust) ?? new Climb(sent, trust, nowMs).from(leaf);
  } catch {
    return 'malformed certificate';
  }
}

function refuseLeaf(leaf: X509Certificate, { securityLevel }: Trust): string | null {
  const parts = readCertificate(leaf.raw);
  if (hasUnknownCritical(parts)) return 'unhandled critical extension';
  const isForClients = mayBeUsedFor(parts, KEY_USAGE.digitalSignature) || mayBeUsedFor(parts, KEY_USAGE.keyAgreement);
  if (!isForClients || !allowsClients(leaf)) return 'unsuitable certificate purpose';
  if (isWeakKey(leaf.publicKey, securityLevel)) return 'EE certificate key too weak';
  return isWeakSignature(parts, securityLevel) ? 'CA signature digest algorithm too weak' : null;
}

/** The way from one certificate up to a root that is trusted. */
class Climb {
  readonly #candidates: readonly X509Certificate[];
  readonly #trusted: ReadonlySet<X509Certificate>;
  readonly #trust: Trust;
  readonly #nowMs: number;
  #signatureCount = 0;
  /** Why the last way ended that led somewhere. */
  #reason = 'unable to get local issuer certificate';

  constructor(sent: readonly X509Certificate[], trust: Trust, nowMs: number) {
    this.#candidates = [...trust.authorities, ...sent];
    this.#trusted = new Set(trust.authorities);
    this.#trust = trust;
    this.#nowMs = nowMs;
  }

  /** Null when a trusted root was reached. */
  from(leaf: X509Certificate): string | null {
    return this.#climb(leaf, []) ? null : this.#reason;
  }

  /** `below`: the authorities that were passed, from the lowest on. */
  #climb(certificate: X509Certificate, below: readonly X509Certificate[]): boolean {
    if (below.length > INTERMEDIATES_MAX) return false;
    for (const issuer of this.#candidates) {
      if (below.includes(issuer) || !this.#hasIssued(issuer, certificate)) continue;
      const isRoot = this.#trusted.has(issuer) && this.#hasIssued(issuer, issuer);
      const refused = this.#refuseAuthority(issuer, { below, isRoot });
      if (refused !== null) this.#reason = refused;
      else if (isRoot || this.#climb(issuer, [...below, issuer])) return true;
    }
    return false;
  }

  #hasIssued(issuer: X509Certificate, certificate: X509Certificate): boolean {
    if (!certificate.checkIssued(issuer)) return false;
    this.#signatureCount++;
    return this.#signatureCount <= SIGNATURES_MAX && certificate.verify(issuer.publicKey);
  }

  #refuseAuthority(
    authority: X509Certificate,
    { below, isRoot }: { below: readonly X509Certificate[]; isRoot: boolean },
  ): string | null {
    const parts = readCertificate(authority.raw);
    if (!authority.ca || !mayBeUsedFor(parts, KEY_USAGE.keyCertSign)) return 'invalid CA certificate';
    if (CONSTRAINTS.some((name) => parts.extensions.has(name))) return 'CA certificate with constraints';
    if (hasUnknownCritical(parts)) return 'unhandled critical extension';
    if (!allowsClients(authority)) return 'unsuitable certificate purpose';
    if (pathLengthOf(parts) < below.length) return 'path length constraint exceeded';
    if (isWeakKey(authority.publicKey, this.#trust.securityLevel)) return 'CA certificate key too weak';
    // A root is trusted by itself, not by its signature.
    if (!isRoot && isWeakSignature(parts, this.#trust.securityLevel)) return 'CA signature digest algorithm too weak';
    if (authority.validFromDate.getTime() > this.#nowMs) return 'CA certificate is not yet valid';
    return authority.validToDate.getTime() < this.#nowMs ? 'CA certificate has expired' : null;
  }
}

function hasUnknownCritical({ extensions }: CertificateParts): boolean {
  return [...extensions].some(([name, { isCritical }]) => isCritical && !KNOWN_EXTENSIONS.has(name));
}

/** No extended key usage allows everything; also of an authority, where it limits what is below. */
function allowsClients({ keyUsage }: X509Certificate): boolean {
  return keyUsage === undefined || keyUsage.includes(CLIENT_AUTH);
}

/** How many authorities may stand between this one and the client's certificate. */
function pathLengthOf({ extensions }: CertificateParts): number {
  const constraints = extensions.get(EXTENSION.basicConstraints);
  if (constraints === undefined) return 0;
  const pathLength = readDerList(readDer(constraints.value, TAG.sequence).content).find(
    ({ tag }) => tag === TAG.integer,
  );
  return pathLength === undefined ? Number.POSITIVE_INFINITY : Number.parseInt(readHexInteger(pathLength), 16);
}

function isWeakKey(key: KeyObject, securityLevel: number): boolean {
  return keyBits(key) < (LEVEL_BITS[securityLevel] ?? Number.POSITIVE_INFINITY);
}

/** Security of a key in bits; 0 when it is weaker than any level but 0 asks for, or of a kind that is not known. */
function keyBits({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): number {
  if (asymmetricKeyType === 'ed25519') return 128;
  if (asymmetricKeyType === 'ed448') return 224;
  if (asymmetricKeyType === 'ec') return CURVE_BITS.get(asymmetricKeyDetails?.namedCurve ?? '') ?? 0;
  if (asymmetricKeyType !== 'rsa') return 0;
  const modulusLength = asymmetricKeyDetails?.modulusLength ?? 0;
  return RSA_BITS.find((row) => modulusLength >= row.modulusLength)?.bits ?? 0;
}

function isWeakSignature({ signatureAlgorithm }: CertificateParts, securityLevel: number): boolean {
  const bits = SIGNATURE_BITS.get(signatureAlgorithm);
  return bits === undefined || bits < (LEVEL_BITS[securityLevel] ?? Number.POSITIVE_INFINITY);
}
