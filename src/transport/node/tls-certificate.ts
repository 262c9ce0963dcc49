/** What node's X509Certificate does not tell of a certificate. */
import { DerError, expectTag, readDer, readDerList, readHexInteger, readOid, TAG } from './tls-der.ts';

/** Object identifiers of the extensions that are looked at: RFC 5280, 4.2.1. */
export const EXTENSION = {
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  nameConstraints: '2.5.29.30',
  policyConstraints: '2.5.29.36',
  extendedKeyUsage: '2.5.29.37',
  inhibitAnyPolicy: '2.5.29.54',
} as const;

export interface Extension {
  readonly isCritical: boolean;
  readonly value: Uint8Array;
}

export interface CertificateParts {
  /** Hexadecimal digits without leading zeros. */
  readonly serial: string;
  /** Names as they are encoded. */
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  readonly signatureAlgorithm: string;
  /** By object identifier. */
  readonly extensions: ReadonlyMap<string, Extension>;
}

/** Extensions of one certificate that are read; one with more is refused. */
const EXTENSIONS_MAX = 100;

/**
 * Takes a certificate apart: RFC 5280, 4.1. @throws DerError when it is malformed
 *
 *     Certificate    SEQUENCE { tbs, signatureAlgorithm, signature }
 *     tbs            SEQUENCE { [0] version, serial, signature, issuer, validity, subject, key, [1], [2], [3] extensions }
 */
export function readCertificate(raw: Uint8Array): CertificateParts {
  const [tbs, algorithm] = readDerList(readDer(raw, TAG.sequence).content);
  const fields = readDerList(expectTag(tbs, TAG.sequence).content);
  const first = fields[0]?.tag === TAG.context0 ? 1 : 0;
  const last = fields.at(-1);
  return {
    serial: readHexInteger(fields[first]),
    issuer: expectTag(fields[first + 2], TAG.sequence).whole,
    subject: expectTag(fields[first + 4], TAG.sequence).whole,
    signatureAlgorithm: readOid(readDerList(expectTag(algorithm, TAG.sequence).content)[0]),
    extensions: last?.tag === TAG.context3 ? readExtensions(last.content) : new Map(),
  };
}

/** The extensions of a certificate, a revocation list or an entry of one. @throws DerError, also when one stands there twice */
export function readExtensions(sequence: Uint8Array): ReadonlyMap<string, Extension> {
  const items = readDerList(readDer(sequence, TAG.sequence).content);
  if (items.length > EXTENSIONS_MAX) throw new DerError(`more than ${EXTENSIONS_MAX} extensions`);
  const extensions = new Map<string, Extension>();
  for (const item of items) {
    const [oid, ...rest] = readDerList(expectTag(item, TAG.sequence).content);
    const name = readOid(oid);
    if (extensions.has(name)) throw new DerError(`the extension ${name} twice`);
    const isCritical = rest.length === 2 && expectTag(rest[0], TAG.boolean).content[0] !== 0;
    extensions.set(name, { isCritical, value: expectTag(rest.at(-1), TAG.octetString).content });
  }
  return extensions;
}

/** What a certificate may be used for: bit n of KeyUsage, RFC 5280, 4.2.1.3. */
export const KEY_USAGE = { digitalSignature: 0, keyAgreement: 4, keyCertSign: 5, crlSign: 6 } as const;

/** True when the certificate has no KeyUsage, or one with this bit. @throws DerError */
export function mayBeUsedFor({ extensions }: CertificateParts, bit: number): boolean {
  const extension = extensions.get(EXTENSION.keyUsage);
  if (extension === undefined) return true;
  const byte = readDer(extension.value, TAG.bitString).content[1 + (bit >> 3)] ?? 0;
  return (byte & (0x80 >> (bit & 7))) !== 0;
}
