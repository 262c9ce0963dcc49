/** User name and password of a request: HTTP Basic, RFC 7617. */

export interface Credentials {
  readonly userName: string;
  readonly password: Uint8Array;
}

/**
 * What an Authorization header says. `none`: there is none, or one of another scheme, which is for somebody in front of
 * us; whoever asks is anonymous. `malformed`: it means to be Basic and cannot be read, which is never anonymous.
 */
export type Authorization =
  | { readonly kind: 'none' }
  | { readonly kind: 'malformed' }
  | { readonly kind: 'basic'; readonly credentials: Credentials };

const NONE: Authorization = { kind: 'none' };
const MALFORMED: Authorization = { kind: 'malformed' };
const SCHEME = 'basic';
const COLON = 0x3a;
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Reads the value of the header; its length is limited by that of all headers. */
export function readAuthorization(header: string | undefined): Authorization {
  if (header === undefined) return NONE;
  const schemeEnd = header.indexOf(' ');
  const scheme = schemeEnd === -1 ? header : header.slice(0, schemeEnd);
  if (scheme.toLowerCase() !== SCHEME) return NONE;
  const bytes = schemeEnd === -1 ? null : decodeBase64(header.slice(schemeEnd + 1).trim());
  const colon = bytes?.indexOf(COLON) ?? -1;
  if (bytes === null || colon === -1) return MALFORMED;
  const userName = decodeUtf8(bytes.subarray(0, colon));
  if (userName === null || userName.includes('\0')) return MALFORMED;
  return { kind: 'basic', credentials: { userName, password: bytes.subarray(colon + 1) } };
}

/** Null when `text` is not base64 as RFC 4648 writes it, with or without its padding. */
function decodeBase64(text: string): Buffer | null {
  const bytes = Buffer.from(text, 'base64');
  // Node leaves out what it does not know; whoever wrote that is not to be guessed at.
  return bytes.toString('base64').replace(/=+$/, '') === text.replace(/={0,2}$/, '') ? bytes : null;
}

function decodeUtf8(bytes: Uint8Array): string | null {
  try {
    return decoder.decode(bytes);
  } catch {
    return null;
  }
}
