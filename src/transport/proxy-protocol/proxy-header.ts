/** What a PROXY header says, in either version, and what both versions share. */
import type { PeerSecurity } from '../../base/link.ts';
import { ipv4Text, ipv6Text } from '../reactor/ip-address.ts';

/** Whom a proxy speaks for. */
export type ProxySource =
  /** For itself: a health check. */
  | { readonly kind: 'local' }
  /** It does not know: the address of the socket is all there is. */
  | { readonly kind: 'unknown' }
  | {
      readonly kind: 'client';
      /** '' and 0 for a unix socket. */
      readonly remoteAddress: string;
      readonly remotePort: number;
      /** What the proxy says of the client's TLS; null = nothing, or that there is none. */
      readonly security: PeerSecurity | null;
    };

export type ParsedHeader =
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'complete'; readonly byteCount: number; readonly source: ProxySource }
  /** `text` says what was expected and what was there. */
  | { readonly kind: 'corrupt'; readonly text: string };

export const INCOMPLETE: ParsedHeader = { kind: 'incomplete' };

/** More than any header of either version has: such a beginning is never `incomplete`. */
export const HEADER_BYTES_MAX = 500;

export function corrupt(text: string): ParsedHeader {
  return { kind: 'corrupt', text };
}

/** The text of an IPv6 address in the network's order; an IPv4 address in it is written as everybody writes it. */
export function ipv6Name(from: Uint8Array, at: number): string {
  return isMappedIpv4(from, at) ? ipv4Text(from, at + 12) : ipv6Text(from, at);
}

function isMappedIpv4(from: Uint8Array, at: number): boolean {
  for (let index = 0; index < 10; index++) if (from[at + index] !== 0) return false;
  return from[at + 10] === 0xff && from[at + 11] === 0xff;
}
