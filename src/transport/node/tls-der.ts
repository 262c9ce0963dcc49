/**
 * A reader of DER, for what node does not tell of certificates and revocation lists. It reads what X.509 uses: tags of
 * one byte, definite lengths. Everything it returns are views into the given bytes.
 */

/** Tags of X.690, with the bits for context and constructed where X.509 has them. */
export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  sequence: 0x30,
  set: 0x31,
  utcTime: 0x17,
  generalizedTime: 0x18,
  context0: 0xa0,
  context3: 0xa3,
} as const;

export interface DerItem {
  readonly tag: number;
  readonly content: Uint8Array;
  /** With tag and length. */
  readonly whole: Uint8Array;
}

/** The bytes are not what X.509 calls for. */
export class DerError extends Error {}

/** A length takes at most this many bytes: 4 GiB are enough for any file. */
const LENGTH_BYTES_MAX = 4;

/** The one item that `bytes` are. @throws DerError when they are less or more than one, or have another tag */
export function readDer(bytes: Uint8Array, tag: number): DerItem {
  const item = itemAt(bytes, 0);
  if (item.whole.length !== bytes.length) throw new DerError(`${bytes.length - item.whole.length} bytes too many`);
  return expectTag(item, tag);
}

/** All items that follow each other in `bytes`. @throws DerError when the last one is cut off */
export function readDerList(bytes: Uint8Array): readonly DerItem[] {
  const items: DerItem[] = [];
  for (let at = 0; at < bytes.length; ) {
    const item = itemAt(bytes, at);
    items.push(item);
    at += item.whole.length;
  }
  return items;
}

/** The same item. @throws DerError when it is missing or has another tag */
export function expectTag(item: DerItem | undefined, tag: number): DerItem {
  if (item?.tag === tag) return item;
  throw new DerError(`expected tag ${tag.toString(16)}, got ${item === undefined ? 'the end' : item.tag.toString(16)}`);
}

function itemAt(bytes: Uint8Array, at: number): DerItem {
  const tag = byteAt(bytes, at);
  if ((tag & 0x1f) === 0x1f) throw new DerError('a tag of several bytes');
  const first = byteAt(bytes, at + 1);
  let contentAt = at + 2;
  let length = first;
  if (first >= 0x80) {
    const count = first & 0x7f;
    if (count === 0 || count > LENGTH_BYTES_MAX) throw new DerError('a length that is not definite or too large');
    length = 0;
    for (let index = 0; index < count; index++) length = length * 256 + byteAt(bytes, contentAt + index);
    contentAt += count;
  }
  const endAt = contentAt + length;
  if (endAt > bytes.length) throw new DerError('cut off');
  return { tag, content: bytes.subarray(contentAt, endAt), whole: bytes.subarray(at, endAt) };
}

function byteAt(bytes: Uint8Array, at: number): number {
  const byte = bytes[at];
  if (byte === undefined) throw new DerError('cut off');
  return byte;
}

/** An object identifier with dots: '2.5.4.3'. @throws DerError when it is cut off or a part is beyond 53 bits */
export function readOid(item: DerItem | undefined): string {
  const { content } = expectTag(item, TAG.oid);
  const parts: number[] = [];
  let value = 0;
  let isInside = false;
  for (const byte of content) {
    value = value * 128 + (byte & 0x7f);
    if (value > Number.MAX_SAFE_INTEGER / 128) throw new DerError('an object identifier that is too large');
    isInside = byte >= 0x80;
    if (isInside) continue;
    parts.push(value);
    value = 0;
  }
  const [first, ...rest] = parts;
  if (first === undefined || isInside) throw new DerError('an object identifier that is cut off');
  const top = Math.min(Math.floor(first / 40), 2);
  return [top, first - top * 40, ...rest].join('.');
}

/** UTCTime or GeneralizedTime, in milliseconds since 1970. @throws DerError when it is neither, in the form of RFC 5280 */
export function readTime(item: DerItem | undefined): number {
  const text = item === undefined ? '' : Buffer.from(item.content).toString('latin1');
  const isShort = item?.tag === TAG.utcTime;
  const isLong = item?.tag === TAG.generalizedTime;
  const match = (isShort ? /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/ : /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/).exec(
    text,
  );
  if (match === null || !(isShort || isLong)) throw new DerError('a time in a form that RFC 5280 does not allow');
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1).map(Number);
  // RFC 5280, 4.1.2.5.1: two digits are 1950 to 2049.
  const century = isLong ? 0 : year < 50 ? 2000 : 1900;
  return Date.UTC(century + year, month - 1, day, hour, minute, second);
}

/** The bytes of a BIT STRING of whole bytes. @throws DerError when it is none */
export function readBits(item: DerItem | undefined): Uint8Array {
  const { content } = expectTag(item, TAG.bitString);
  if (content[0] !== 0) throw new DerError('a bit string that is not whole bytes');
  return content.subarray(1);
}

/** An INTEGER as hexadecimal digits without leading zeros, as serial numbers are compared and shown. */
export function readHexInteger(item: DerItem | undefined): string {
  const { content } = expectTag(item, TAG.integer);
  return Buffer.from(content)
    .toString('hex')
    .toUpperCase()
    .replace(/^0+(?=.)/, '');
}
