/**
 * Version 2 of the PROXY protocol:
 *
 *   | signature 12 | version 4 bits, command 4 | family 4, transport 4 | length 2 | addresses | TLVs: type 1, length 2, value |
 *
 *   addresses   TCP4: 4 + 4 + ports 2 + 2      TCP6: 16 + 16 + 2 + 2      UNIX: 108 + 108
 *
 * Of the TLVs only the one of TLS (0x20) counts: flags 1, result of verifying 4, then TLVs of its own.
 */
import type { PeerCertificate, PeerSecurity } from '../../base/link.ts';
import { ipv4Text } from '../reactor/ip-address.ts';
import {
  corrupt,
  HEADER_BYTES_MAX,
  INCOMPLETE,
  ipv6Name,
  type ParsedHeader,
  type ProxySource,
} from './proxy-header.ts';

const SIGNATURE = Uint8Array.of(0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a);
/** Signature, command, family and length. */
const FIXED_BYTES = 16;
const VERSION = 2;
const LOCAL = 0;
const PROXY = 1;

const TCP4 = 0x11;
const TCP6 = 0x21;
const UNIX = 0x31;
/** How many bytes the addresses of a family take. */
const ADDRESS_BYTES: ReadonlyMap<number, number> = new Map([
  [TCP4, 12],
  [TCP6, 36],
  [UNIX, 216],
]);

const TLV_HEADER_BYTES = 3;
const TLS = 0x20;
const TLS_VERSION = 0x21;
const TLS_COMMON_NAME = 0x22;
const TLS_CIPHER = 0x23;
/** Flags and the result of verifying. */
const TLS_FIXED_BYTES = 5;
/** Flags: TLS is used; a certificate was sent in this session, when it was resumed in an earlier connection. */
const IS_TLS = 0x01;
const HAS_CERTIFICATE = 0x04;

interface Tlv {
  readonly type: number;
  readonly start: number;
  readonly end: number;
}

export function parseProxyV2(bytes: Uint8Array, start: number, end: number): ParsedHeader {
  const knownBytes = Math.min(end - start, SIGNATURE.length);
  for (let index = 0; index < knownBytes; index++) {
    if (bytes[start + index] !== SIGNATURE[index]) return corrupt('expected the signature of version 2');
  }
  if (end - start < FIXED_BYTES) return INCOMPLETE;
  const versionAndCommand = bytes[start + 12]!;
  const command = versionAndCommand & 0x0f;
  if (versionAndCommand >> 4 !== VERSION) return corrupt(`expected version 2, got ${versionAndCommand >> 4}`);
  if (command !== LOCAL && command !== PROXY) return corrupt(`expected the command LOCAL or PROXY, got ${command}`);
  const byteCount = FIXED_BYTES + readU16(bytes, start + 14);
  if (byteCount > HEADER_BYTES_MAX) return corrupt(`expected ${HEADER_BYTES_MAX} bytes at most, got ${byteCount}`);
  if (end - start < byteCount) return INCOMPLETE;
  if (command === LOCAL) return { kind: 'complete', byteCount, source: { kind: 'local' } };
  const source = parseSource(bytes, start, start + byteCount);
  return typeof source === 'string' ? corrupt(source) : { kind: 'complete', byteCount, source };
}

/** Whom a complete header speaks for. A string says what is wrong with it. */
function parseSource(bytes: Uint8Array, start: number, end: number): ProxySource | string {
  const family = bytes[start + 13]!;
  const addressBytes = ADDRESS_BYTES.get(family);
  if (addressBytes === undefined) return `expected TCP4, TCP6 or UNIX, got family 0x${family.toString(16)}`;
  const at = start + FIXED_BYTES;
  if (end - at < addressBytes) return `expected ${addressBytes} bytes of addresses, got ${end - at}`;
  const security = parseSecurity(bytes, at + addressBytes, end);
  if (typeof security === 'string') return security;
  const address = { kind: 'client', security } as const;
  if (family === TCP4) return { ...address, remoteAddress: ipv4Text(bytes, at), remotePort: readU16(bytes, at + 8) };
  if (family === TCP6) return { ...address, remoteAddress: ipv6Name(bytes, at), remotePort: readU16(bytes, at + 32) };
  return { ...address, remoteAddress: '', remotePort: 0 };
}

/** What the TLV of TLS says; null: there is none, or it says that no TLS is used. */
function parseSecurity(bytes: Uint8Array, start: number, end: number): PeerSecurity | null | string {
  const tlvs = parseTlvs(bytes, start, end);
  if (tlvs === null) return 'a TLV reaches beyond the header';
  const [tls, second] = tlvs.filter(({ type }) => type === TLS);
  if (tls === undefined) return null;
  if (second !== undefined) return 'the TLV of TLS is there twice';
  if (tls.end - tls.start < TLS_FIXED_BYTES) return 'the TLV of TLS is too short';
  const parts = parseTlvs(bytes, tls.start + TLS_FIXED_BYTES, tls.end);
  if (parts === null) return 'a TLV reaches beyond that of TLS';
  if (new Set(parts.map(({ type }) => type)).size < parts.length) return 'a TLV of TLS is there twice';
  const flags = bytes[tls.start]!;
  if ((flags & IS_TLS) === 0) return null;
  const isVerified = readU16(bytes, tls.start + 1) === 0 && readU16(bytes, tls.start + 3) === 0;
  const partOf = (wanted: number) => {
    const part = parts.find(({ type }) => type === wanted);
    return part === undefined ? null : bytes.subarray(part.start, part.end);
  };
  return {
    version: asciiOf(partOf(TLS_VERSION)),
    cipher: asciiOf(partOf(TLS_CIPHER)),
    certificate: (flags & HAS_CERTIFICATE) !== 0 && isVerified ? certificateOf(partOf(TLS_COMMON_NAME)) : null,
    pskIdentity: null,
  };
}

/** Null: one of them reaches beyond `end`. */
function parseTlvs(bytes: Uint8Array, start: number, end: number): readonly Tlv[] | null {
  const tlvs: Tlv[] = [];
  let at = start;
  while (at < end) {
    if (end - at < TLV_HEADER_BYTES) return null;
    const valueStart = at + TLV_HEADER_BYTES;
    const valueEnd = valueStart + readU16(bytes, at + 1);
    if (valueEnd > end) return null;
    tlvs.push({ type: bytes[at]!, start: valueStart, end: valueEnd });
    at = valueEnd;
  }
  return tlvs;
}

/** A proxy hands on the common name alone; one with NUL or malformed UTF-8 names nobody. */
function certificateOf(commonName: Uint8Array | null): PeerCertificate {
  return { commonName: commonName === null ? null : nameOf(commonName), subject: null };
}

function nameOf(bytes: Uint8Array): string | null {
  if (bytes.length === 0 || bytes.includes(0)) return null;
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

/** The name of a version or cipher; '' when it is not plain text. */
function asciiOf(bytes: Uint8Array | null): string {
  const isPlain = bytes?.every((byte) => byte > 0x20 && byte < 0x7f) ?? false;
  return bytes !== null && isPlain ? Buffer.from(bytes).toString('latin1') : '';
}

function readU16(from: Uint8Array, at: number): number {
  return from[at]! * 256 + from[at + 1]!;
}
