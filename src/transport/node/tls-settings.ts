/** What a TLS listener is told, and how it says that it cannot be had. */

/** Section 6 of the reference: Mosquitto's own default for TLS 1.2 and below. */
export const CIPHERS_DEFAULT = 'DEFAULT:!aNULL:!eNULL:!LOW:!EXPORT:!SSLv2:@STRENGTH';

export const TLS_VERSIONS = ['tlsv1.3', 'tlsv1.2', 'tlsv1.1'] as const;
export type TlsVersion = (typeof TLS_VERSIONS)[number];

/** The TLS options of one listener, under the names of mosquitto.conf where they have one. */
export interface TlsSettings {
  /** `certfile` and `keyfile`; both null on a listener of pre-shared keys. */
  readonly certFile: string | null;
  readonly keyFile: string | null;
  /** `cafile` and `capath`: whom client certificates may come from. */
  readonly caFile: string | null;
  readonly caPath: string | null;
  /** `crlfile`: revocation lists, looked at for the client's own certificate. */
  readonly crlFile: string | null;
  /** `require_certificate`. False: no client is asked for a certificate. */
  readonly requiresCertificate: boolean;
  /** `tls_version`, the lowest one that is spoken; null = tlsv1.2. */
  readonly version: TlsVersion | null;
  /** `ciphers`: OpenSSL's list for TLS 1.2 and below; null = CIPHERS_DEFAULT. */
  readonly ciphers: string | null;
  /** `ciphers_tls1.3`; null = OpenSSL's own. */
  readonly ciphersTls13: string | null;
  /** False: `disable_client_cert_date_checks`. */
  readonly checksDates: boolean;
  /** `psk_hint`: makes it a listener of pre-shared keys; null = certificates. */
  readonly pskHint: string | null;
  /** The key of an identity, null = nobody's. Asked in the middle of a handshake. */
  readonly pskKeyOf: ((identity: string) => Uint8Array | null) | null;
  /** Told each secret of each handshake, a line of the NSS key log with its newline; null = nobody may read the traffic. */
  readonly onKeyLog: ((line: Uint8Array) => void) | null;
  /** For messages: 'listener 8883'. */
  readonly name: string;
}

/** TLS as asked for cannot be had. `lines`: what is wrong in Mosquitto's words where it has some, then what to do. */
export class TlsSetupError extends Error {
  readonly lines: readonly string[];

  constructor(lines: readonly string[]) {
    super(lines.join(' '));
    this.name = 'TlsSetupError';
    this.lines = lines;
  }
}

/** The lowest and highest version that a listener speaks, in node's words. */
export function versionsOf({ version, pskHint }: Pick<TlsSettings, 'version' | 'pskHint'>) {
  const minVersion = NODE_VERSIONS[version ?? 'tlsv1.2'];
  // The keys of psk_file are for TLS 1.2: 1.3 binds each to a hash that the file does not tell.
  return { minVersion, maxVersion: pskHint === null ? 'TLSv1.3' : 'TLSv1.2' } as const;
}

const NODE_VERSIONS = { 'tlsv1.1': 'TLSv1.1', 'tlsv1.2': 'TLSv1.2', 'tlsv1.3': 'TLSv1.3' } as const;

/** OpenSSL's security level where `ciphers` names none. */
const SECURITY_LEVEL_DEFAULT = 2;

/** What `@SECLEVEL=n` in a list of ciphers asks for: how weak a key may be. The last one counts. */
export function securityLevelOf(ciphers: string): number {
  const level = [...ciphers.matchAll(/@SECLEVEL=([0-5])/g)].at(-1)?.[1];
  return level === undefined ? SECURITY_LEVEL_DEFAULT : Number(level);
}
