/**
 * IP addresses as text and as bytes in the network's order. Written out, because node's own checks bring in node:net
 * and a pattern that takes ten milliseconds of each start to compile.
 */

const ZERO = 0x30;
const DOT = 0x2e;
/** For the text of an IPv4 address. */
const scratch = Buffer.alloc(15);

/** The four bytes of an IPv4 address in the usual form, or null when it is not one. */
export function parseIpv4(text: string): readonly number[] | null {
  const parts = text.split('.');
  const bytes = parts.map(Number);
  // As written, and nothing that Number is generous about: '+1', '1e2', '', '01'.
  const isRight = parts.length === 4 && parts.every((part, index) => part === String(bytes[index]));
  return isRight && bytes.every((byte) => Number.isInteger(byte) && byte >= 0 && byte <= 255) ? bytes : null;
}

/** The sixteen bytes of an IPv6 address without a zone, or null when it is not one (RFC 4291, section 2.2). */
export function parseIpv6(text: string): readonly number[] | null {
  const halves = text.split('::');
  if (halves.length > 2) return null;
  const [first, last] = halves.map((half, index) => parseGroups(half, index === halves.length - 1));
  if (first === null || first === undefined || last === null) return null;
  if (last === undefined) return first.length === 16 ? first : null;
  // '::' stands for one group at least.
  const gap = 16 - first.length - last.length;
  return gap >= 2 ? [...first, ...new Array<number>(gap).fill(0), ...last] : null;
}

/** Groups of 16 bits between colons, two bytes each; where the address ends the last two may be an IPv4 address. */
function parseGroups(text: string, isLast: boolean): readonly number[] | null {
  if (text === '') return [];
  const bytes: number[] = [];
  const parts = text.split(':');
  for (const [index, part] of parts.entries()) {
    if (isLast && index === parts.length - 1 && part.includes('.')) {
      const ipv4 = parseIpv4(part);
      if (ipv4 === null) return null;
      bytes.push(...ipv4);
      break;
    }
    const group = parseGroup(part);
    if (group === null) return null;
    bytes.push(group >> 8, group & 0xff);
  }
  return bytes.length <= 16 ? bytes : null;
}

function parseGroup(text: string): number | null {
  if (text.length === 0 || text.length > 4) return null;
  const group = Number(`0x${text}`);
  return Number.isInteger(group) ? group : null;
}

/** Made in one piece: a string put together by parts costs five times the memory, for as long as its connection lives. */
export function ipv4Text(from: Uint8Array, at: number): string {
  let end = writeDecimal(from[at]!, 0);
  for (let index = 1; index < 4; index++) {
    scratch[end] = DOT;
    end = writeDecimal(from[at + index]!, end + 1);
  }
  return scratch.toString('latin1', 0, end);
}

/** @returns where the digits end */
function writeDecimal(value: number, start: number): number {
  let at = start;
  if (value >= 100) scratch[at++] = ZERO + Math.trunc(value / 100);
  if (value >= 10) scratch[at++] = ZERO + (Math.trunc(value / 10) % 10);
  scratch[at++] = ZERO + (value % 10);
  return at;
}

/** As RFC 5952 has it: lower case, and the longest run of two or more zero groups (the first of equals) left out. */
export function ipv6Text(from: Uint8Array, at: number): string {
  const groups = Array.from({ length: 8 }, (_, index) => from[at + 2 * index]! * 256 + from[at + 2 * index + 1]!);
  let gapStart = -1;
  let gapLength = 1;
  for (let start = 0; start < 8; start++) {
    let length = 0;
    while (groups[start + length] === 0) length++;
    if (length > gapLength) [gapStart, gapLength] = [start, length];
  }
  const text = (part: readonly number[]) => part.map((group) => group.toString(16)).join(':');
  if (gapStart < 0) return text(groups);
  return `${text(groups.slice(0, gapStart))}::${text(groups.slice(gapStart + gapLength))}`;
}
