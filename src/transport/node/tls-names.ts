/**
 * The names in a certificate. The subject is written as OpenSSL writes it for RFC 2253, which is what Mosquitto takes
 * as a user name: last part first, `,+"\<>;` escaped, everything outside of ASCII as \XX of its UTF-8.
 */
import type { PeerCertificate } from '../../base/link.ts';
import { type CertificateParts, readCertificate } from './tls-certificate.ts';
import { DerError, type DerItem, readDer, readDerList, readOid, TAG } from './tls-der.ts';

/** Short names of OpenSSL. What is not here is written with its number and the value in hexadecimal. */
const SHORT_NAMES: ReadonlyMap<string, string> = new Map([
  ['2.5.4.3', 'CN'],
  ['2.5.4.4', 'SN'],
  ['2.5.4.5', 'serialNumber'],
  ['2.5.4.6', 'C'],
  ['2.5.4.7', 'L'],
  ['2.5.4.8', 'ST'],
  ['2.5.4.9', 'street'],
  ['2.5.4.10', 'O'],
  ['2.5.4.11', 'OU'],
  ['2.5.4.12', 'title'],
  ['2.5.4.13', 'description'],
  ['2.5.4.15', 'businessCategory'],
  ['2.5.4.17', 'postalCode'],
  ['2.5.4.18', 'postOfficeBox'],
  ['2.5.4.20', 'telephoneNumber'],
  ['2.5.4.41', 'name'],
  ['2.5.4.42', 'GN'],
  ['2.5.4.43', 'initials'],
  ['2.5.4.44', 'generationQualifier'],
  ['2.5.4.45', 'x500UniqueIdentifier'],
  ['2.5.4.46', 'dnQualifier'],
  ['2.5.4.65', 'pseudonym'],
  ['2.5.4.72', 'role'],
  ['2.5.4.97', 'organizationIdentifier'],
  ['0.9.2342.19200300.100.1.1', 'UID'],
  ['0.9.2342.19200300.100.1.3', 'mail'],
  ['0.9.2342.19200300.100.1.25', 'DC'],
  ['1.2.840.113549.1.9.1', 'emailAddress'],
  ['1.2.840.113549.1.9.2', 'unstructuredName'],
  ['1.2.840.113549.1.9.8', 'unstructuredAddress'],
  ['1.3.6.1.4.1.311.60.2.1.1', 'jurisdictionL'],
  ['1.3.6.1.4.1.311.60.2.1.2', 'jurisdictionST'],
  ['1.3.6.1.4.1.311.60.2.1.3', 'jurisdictionC'],
]);

const COMMON_NAME = '2.5.4.3';

/** Bytes of one character in each type of string: X.680. UTF8String is apart; types that are not here are no text. */
const CHARACTER_BYTES: ReadonlyMap<number, number> = new Map([
  [0x12, 1],
  [0x13, 1],
  [0x14, 1],
  [0x16, 1],
  [0x1a, 1],
  [0x1c, 4],
  [0x1e, 2],
]);
const UTF8_STRING = 0x0c;

/** The names that a listener may take as a user name. Null where a name could be taken for another than it is. */
export function peerNames(certificate: { readonly raw: Uint8Array }): PeerCertificate {
  let parts: CertificateParts;
  try {
    parts = readCertificate(certificate.raw);
  } catch {
    return { commonName: null, subject: null };
  }
  return { commonName: commonName(parts.subject), subject: formatName(parts.subject) };
}

interface NamePart {
  readonly oid: string;
  readonly value: DerItem;
  /** True: it belongs to the same step of the name as the one before. */
  readonly isJoined: boolean;
}

/** The parts of a Name, in the order in which they stand. @throws DerError */
function readName(name: Uint8Array): readonly NamePart[] {
  return readDerList(readDer(name, TAG.sequence).content).flatMap((step) =>
    readDerList(readDer(step.whole, TAG.set).content).map((pair, index) => {
      const [oid, value, ...rest] = readDerList(readDer(pair.whole, TAG.sequence).content);
      if (value === undefined || rest.length > 0) throw new DerError('a part of a name is a type and a value');
      return { oid: readOid(oid), value, isJoined: index > 0 };
    }),
  );
}

/** A Name as RFC 2253 writes it; null when it is empty, malformed, or holds NUL or bytes that are no text. */
export function formatName(name: Uint8Array): string | null {
  try {
    const parts = readName(name);
    let text = '';
    // Reversed, also inside of a step; what joins two parts belongs to the later one.
    for (let index = parts.length - 1; index >= 0; index--) {
      const part = parts[index];
      if (part === undefined) return null;
      const written = formatPart(part);
      if (written === null) return null;
      text += written;
      if (index > 0) text += part.isJoined ? '+' : ',';
    }
    return text === '' ? null : text;
  } catch {
    return null;
  }
}

function formatPart({ oid, value }: NamePart): string | null {
  const shortName = SHORT_NAMES.get(oid);
  const isText = value.tag === UTF8_STRING || CHARACTER_BYTES.has(value.tag);
  if (shortName === undefined || !isText) {
    return `${shortName ?? oid}=#${Buffer.from(value.whole).toString('hex').toUpperCase()}`;
  }
  const text = textOf(value);
  return text === null || text.includes('\0') ? null : `${shortName}=${escapeText(text)}`;
}

/** Null when it is malformed. */
function textOf({ tag, content }: DerItem): string | null {
  try {
    if (tag === UTF8_STRING) return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(content);
    const width = CHARACTER_BYTES.get(tag) ?? 0;
    if (width === 0 || content.length % width !== 0) return null;
    const characters: string[] = [];
    for (let at = 0; at < content.length; at += width) {
      const code = content.subarray(at, at + width).reduce((value, byte) => value * 256 + byte, 0);
      if (code >= 0xd800 && code <= 0xdfff) return null;
      characters.push(String.fromCodePoint(code));
    }
    return characters.join('');
  } catch {
    return null;
  }
}

function escapeText(text: string): string {
  const bytes = Buffer.from(text, 'utf8');
  let escaped = '';
  for (const [index, byte] of bytes.entries()) {
    const character = String.fromCharCode(byte);
    const isFirst = index === 0;
    const isLast = index === bytes.length - 1;
    if (byte < 0x20 || byte > 0x7e) escaped += `\\${byte.toString(16).toUpperCase().padStart(2, '0')}`;
    else if (',+"\\<>;'.includes(character)) escaped += `\\${character}`;
    else if ((character === ' ' && (isFirst || isLast)) || (character === '#' && isFirst)) escaped += `\\${character}`;
    else escaped += character;
  }
  return escaped;
}

/** Control characters, NUL among them: no name of a user holds one. */
const CONTROL = /\p{Cc}/u;

/** The first common name. Null: none, not in a type of one byte per character or UTF-8, or with a control character. */
function commonName(name: Uint8Array): string | null {
  try {
    const value = readName(name).find(({ oid }) => oid === COMMON_NAME)?.value;
    if (value === undefined || (value.tag !== UTF8_STRING && CHARACTER_BYTES.get(value.tag) !== 1)) return null;
    // Mosquitto takes the bytes as they are: those of another alphabet are not UTF-8, and refused.
    const text = textOf({ ...value, tag: UTF8_STRING });
    return text === null || text === '' || CONTROL.test(text) ? null : text;
  } catch {
    return null;
  }
}
