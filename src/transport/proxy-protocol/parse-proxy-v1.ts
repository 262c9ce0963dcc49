/**
 * Version 1 of the PROXY protocol, one line of text:
 *
 *   PROXY TCP4 192.0.2.7 192.0.2.1 56324 1883 CR LF
 *   PROXY TCP6 2001:db8::7 2001:db8::1 56324 1883 CR LF
 *   PROXY UNKNOWN ... CR LF
 *
 * Strictly: single blanks, addresses in their usual form, ports without signs or leading zeros. What cannot become a
 * header is refused with its first wrong byte.
 */
import { parseIpv4, parseIpv6 } from '../reactor/ip-address.ts';
import { corrupt, INCOMPLETE, ipv6Name, type ParsedHeader } from './proxy-header.ts';

/** The longest line, CR and LF included. */
const LINE_BYTES_MAX = 107;
const PREFIX = 'PROXY ';
const LF = 0x0a;
const CR = 0x0d;

export function parseProxyV1(bytes: Uint8Array, start: number, end: number): ParsedHeader {
  const stop = Math.min(end, start + LINE_BYTES_MAX);
  for (let at = start; at < stop; at++) {
    const byte = bytes[at]!;
    if (at - start < PREFIX.length && byte !== PREFIX.charCodeAt(at - start)) return corrupt(`expected '${PREFIX}'`);
    if (byte !== CR && (byte < 0x20 || byte > 0x7e)) return corrupt('expected a line of text that ends with CR LF');
    if (byte !== CR || at + 1 >= stop) continue;
    if (bytes[at + 1] !== LF) return corrupt('expected LF after CR');
    const line = Buffer.from(bytes.buffer, bytes.byteOffset + start, at - start).toString('latin1');
    return parseLine(line, at + 2 - start);
  }
  return end - start < LINE_BYTES_MAX ? INCOMPLETE : corrupt(`expected a line of ${LINE_BYTES_MAX} bytes at most`);
}

function parseLine(line: string, byteCount: number): ParsedHeader {
  const words = line.split(' ');
  const [, family = '', from = '', to = '', fromPort = '', toPort = ''] = words;
  // Whatever comes behind it says nothing.
  if (family === 'UNKNOWN') return { kind: 'complete', byteCount, source: { kind: 'unknown' } };
  if (family !== 'TCP4' && family !== 'TCP6') return corrupt('expected TCP4, TCP6 or UNKNOWN');
  if (words.length !== 6) return corrupt('expected two addresses and two ports');
  const remoteAddress = addressOf(from, family);
  if (remoteAddress === null || addressOf(to, family) === null) return corrupt(`expected addresses of ${family}`);
  const remotePort = portOf(fromPort);
  if (remotePort === null || portOf(toPort) === null) return corrupt('expected ports from 0 to 65535');
  return { kind: 'complete', byteCount, source: { kind: 'client', remoteAddress, remotePort, security: null } };
}

/** The address as we write it, or null when it is not one. */
function addressOf(text: string, family: 'TCP4' | 'TCP6'): string | null {
  if (family === 'TCP4') return parseIpv4(text) === null ? null : text;
  const bytes = parseIpv6(text);
  return bytes === null ? null : ipv6Name(Uint8Array.from(bytes), 0);
}

function portOf(text: string): number | null {
  const port = Number(text);
  return Number.isInteger(port) && port >= 0 && port <= 0xffff && String(port) === text ? port : null;
}
