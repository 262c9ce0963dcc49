/**
 * Everything that a TLS listener needs for handshakes, loaded and checked at once, so that what is wrong is found at
 * the start or at a reload and not by a device. A context never changes: a reload makes a new one, and connections that
 * are there keep the one they came by.
 *
 * Sessions: a client may take one up again (a ticket) only where nothing but the certificate's own dates could have
 * changed since, and those are looked at again. With pre-shared keys, revocation lists, or dates that are not checked,
 * every connection is a full handshake. Tickets are sealed with keys of one context, so a reload ends them.
 */
import { constants, createHash, createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';
import type { Trust } from './tls-chain.ts';
import { showSubject, showTime } from './tls-describe.ts';
import { FileSource, type ListFolder, type ReadFile, unreadable } from './tls-files.ts';
import { isDer, pemBlocks } from './tls-pem.ts';
import { isOutdated, type RevocationList, readRevocationLists } from './tls-revocation.ts';
import { CIPHERS_DEFAULT, securityLevelOf, type TlsSettings, TlsSetupError, versionsOf } from './tls-settings.ts';

/** OpenSSL's own list for TLS 1.3. */
const SUITES_DEFAULT = 'TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256';

/** How long a client may take its session up again. */
const SESSION_SECONDS = 300;

/** OpenSSL takes no longer session id context. */
const SESSION_ID_CONTEXT_LENGTH = 32;

/** OpenSSL takes no longer hint: PSK_MAX_IDENTITY_LEN. */
const PSK_HINT_BYTES_MAX = 128;

/** What is in force for new handshakes of a listener. */
export interface TlsContext {
  readonly settings: TlsSettings;
  readonly secureContext: SecureContext;
  /** True: clients must send a certificate. */
  readonly asksForCertificate: boolean;
  readonly trust: Trust;
  /** Kind of the listener's own key, in node's words ('rsa', 'ec'); null with pre-shared keys. */
  readonly keyType: string | null;
  /** Null: there is no `crlfile`. */
  readonly revocationLists: readonly RevocationList[] | null;
  /** What will work otherwise than somebody may expect, one line each, for the log. */
  readonly warnings: readonly string[];
}

/**
 * Loads and checks what `settings` name.
 * @param readFile the bytes of a file; throws with the system's code
 * @param listFolder names in a folder; throws with the system's code
 * @param nowMs wall clock
 * @throws TlsSetupError
 */
export function createTlsContext(
  settings: TlsSettings,
  readFile: ReadFile,
  listFolder: ListFolder,
  nowMs: number = Date.now(),
): TlsContext {
  checkTogether(settings);
  const files = new FileSource(readFile, listFolder);
  const ciphers = loadCiphers(settings);
  const warnings = settings.version === 'tlsv1.1' ? warnOldVersion(ciphers.list) : [];
  const asksForCertificate = settings.requiresCertificate && settings.pskHint === null;
  const own = settings.pskHint === null ? loadOwn(settings, files) : null;
  if (own !== null) warnings.push(...warnDates(own.certificate, settings, nowMs));
  const authorities = files.authorities(settings);
  if (asksForCertificate) warnings.push(...warnAuthorities(authorities, settings, nowMs));
  const lists = settings.crlFile === null ? null : loadRevocationLists(settings.crlFile, files);
  if (lists !== null) warnings.push(...warnLists(lists, settings, nowMs));
  const secureContext = makeContext(settings, {
    ciphers: `${ciphers.suites}:${ciphers.list}`,
    ...(own === null ? {} : { cert: own.chain, key: own.key }),
    // Never node's list of public authorities, which it takes when there is none.
    ca: authorities.map((authority) => authority.toString()),
    isResumable: settings.pskHint === null && !(asksForCertificate && (lists !== null || !settings.checksDates)),
  });
  const trust = { authorities, securityLevel: securityLevelOf(ciphers.list) };
  const keyType = own?.certificate.publicKey.asymmetricKeyType ?? null;
  return { settings, secureContext, asksForCertificate, trust, keyType, revocationLists: lists, warnings };
}

function checkTogether(settings: TlsSettings): void {
  const { certFile, keyFile, pskHint, version } = settings;
  if (pskHint === null) {
    if (certFile === null || keyFile === null) {
      throw new TlsSetupError(['Error: Both certfile and keyfile must be provided to enable a TLS listener.']);
    }
    return;
  }
  if (certFile !== null || keyFile !== null) {
    throw new TlsSetupError(['Error: Cannot use both certificate and psk encryption in a single listener.']);
  }
  if (Buffer.byteLength(pskHint) > PSK_HINT_BYTES_MAX) {
    throw new TlsSetupError([
      'Error: Unable to set TLS PSK hint.',
      `psk_hint on ${settings.name} has more than ${PSK_HINT_BYTES_MAX} bytes.`,
    ]);
  }
  if (version === 'tlsv1.3') {
    throw new TlsSetupError([
      `Error: tls_version tlsv1.3 on ${settings.name} does not go with psk_hint: pre-shared keys are for TLS 1.2.`,
      'Remove the tls_version line, or use certificates.',
    ]);
  }
}

interface Ciphers {
  readonly list: string;
  readonly suites: string;
}

function loadCiphers({ ciphers, ciphersTls13 }: TlsSettings): Ciphers {
  const list = separated(ciphers ?? CIPHERS_DEFAULT);
  // node tells the two kinds apart by this prefix; one in the wrong list would be lost in silence.
  const suite = list.split(':').find((name) => /^[!+-]?TLS_/.test(name));
  if (suite !== undefined || !isAccepted({ ciphers: `${SUITES_DEFAULT}:${list}` })) {
    const why =
      suite === undefined ? 'It names no cipher that this broker has.' : `${suite} belongs into ciphers_tls1.3.`;
    throw new TlsSetupError([
      `Error: Unable to set TLS ciphers. Check cipher list "${ciphers ?? ''}".`,
      `${why} List them: openssl ciphers -s -tls1_2 'DEFAULT'`,
    ]);
  }
  const suites = separated(ciphersTls13 ?? SUITES_DEFAULT);
  const stranger = suites.split(':').find((name) => !name.startsWith('TLS_'));
  if (stranger !== undefined || !isAccepted({ ciphers: suites })) {
    throw new TlsSetupError([
      `Error: Unable to set TLS 1.3 ciphersuites. Check cipher_tls13 list "${ciphersTls13 ?? ''}".`,
      `Names of TLS 1.3 begin with TLS_, such as ${SUITES_DEFAULT}.`,
    ]);
  }
  return { list, suites };
}

/** OpenSSL takes blanks, commas and semicolons as well as colons; node takes colons. */
function separated(list: string): string {
  return list
    .split(/[:,; ]+/)
    .filter((name) => name !== '')
    .join(':');
}

function isAccepted(options: SecureContextOptions): boolean {
  try {
    createSecureContext({ ...options, ca: [] });
    return true;
  } catch {
    return false;
  }
}

function warnOldVersion(list: string): string[] {
  const lines = [
    'Warning: tls_version tlsv1.1 admits a version of TLS that is deprecated since 2021 (RFC 8996). Keep such devices on a listener of their own.',
  ];
  if (securityLevelOf(list) === 0) return lines;
  return [
    ...lines,
    `Warning: TLS 1.1 works only with weak signatures, which this listener does not admit. ${MEND_WEAK}`,
  ];
}

const MEND_WEAK = 'Add to the listener: ciphers DEFAULT@SECLEVEL=0';

interface Own {
  readonly certificate: X509Certificate;
  /** PEM, with what stands below it in the file. */
  readonly chain: string;
  readonly key: string;
}

function loadOwn({ certFile, keyFile }: TlsSettings, files: FileSource): Own {
  const certPath = certFile ?? '';
  const keyPath = keyFile ?? '';
  const certError = `Error: Unable to load server certificate "${certPath}". Check certfile.`;
  const certBytes = files.read(certPath, certError);
  const blocks = ['CERTIFICATE', 'X509 CERTIFICATE'].flatMap((label) => pemBlocks(certBytes, label));
  const certificate = firstCertificate(blocks[0]?.text, { path: certPath, error: certError, bytes: certBytes });
  const keyError = `Error: Unable to load server key file "${keyPath}". Check keyfile.`;
  const keyBytes = files.read(keyPath, keyError);
  const key = parseKey(keyBytes, { path: keyPath, error: keyError });
  if (!certificate.checkPrivateKey(key)) {
    throw new TlsSetupError([
      'Error: Server certificate/key are inconsistent.',
      `The key in "${keyPath}" is not the one that the certificate in "${certPath}" was made for (subject ${showSubject(certificate)}).`,
    ]);
  }
  const pem = key.export({ type: 'pkcs8', format: 'pem' });
  return { certificate, chain: blocks.map(({ text }) => text).join('\n'), key: pem.toString() };
}

interface Loaded {
  readonly path: string;
  readonly error: string;
}

function firstCertificate(
  text: string | undefined,
  { path, error, bytes }: Loaded & { bytes: Uint8Array },
): X509Certificate {
  if (text === undefined) {
    const what = isDer(bytes)
      ? `It is in DER form; make PEM of it: openssl x509 -inform der -in "${path}" -out NEWFILE`
      : 'There is no certificate in it (-----BEGIN CERTIFICATE-----).';
    throw new TlsSetupError([error, pemBlocks(bytes, 'PRIVATE KEY').length > 0 ? SWAPPED : what]);
  }
  try {
    return new X509Certificate(text);
  } catch {
    throw new TlsSetupError([error, `The first certificate in it is damaged: openssl x509 -in "${path}" -text`]);
  }
}

const SWAPPED = 'It holds the other one of certificate and key: certfile and keyfile are swapped.';

function parseKey(bytes: Uint8Array, { path, error }: Loaded): KeyObject {
  try {
    return createPrivateKey({ key: Buffer.from(bytes), format: 'pem' });
  } catch {
    if (isEncrypted(bytes)) {
      throw new TlsSetupError([
        error,
        `The key is encrypted, and there is nobody to type its passphrase. Remove it: openssl pkey -in "${path}" -out NEWFILE; chmod 600 NEWFILE`,
      ]);
    }
    if (pemBlocks(bytes, 'CERTIFICATE').length > 0) throw new TlsSetupError([error, SWAPPED]);
    const what = isDer(bytes)
      ? `It is in DER form; make PEM of it: openssl pkey -inform der -in "${path}" -out NEWFILE`
      : 'There is no private key in it that can be read (-----BEGIN PRIVATE KEY-----).';
    throw new TlsSetupError([error, what]);
  }
}

/** The two forms of PEM for keys: PKCS#8 and the older one of OpenSSL. */
function isEncrypted(bytes: Uint8Array): boolean {
  const text = Buffer.from(bytes).toString('latin1');
  return text.includes('-----BEGIN ENCRYPTED PRIVATE KEY-----') || text.includes('Proc-Type: 4,ENCRYPTED');
}

function warnDates(certificate: X509Certificate, { certFile, name }: TlsSettings, nowMs: number): string[] {
  const { validFromDate, validToDate } = certificate;
  const now = showTime(new Date(nowMs));
  if (validToDate.getTime() < nowMs) {
    return [
      `Warning: The certificate of ${name} ("${certFile}") has expired on ${showTime(validToDate)} (now ${now}): clients that check it will not connect.`,
    ];
  }
  if (validFromDate.getTime() <= nowMs) return [];
  return [
    `Warning: The certificate of ${name} ("${certFile}") is not valid before ${showTime(validFromDate)} (now ${now}). Is the clock of this machine right?`,
  ];
}

function warnAuthorities(
  authorities: readonly X509Certificate[],
  { name, caFile, caPath }: TlsSettings,
  nowMs: number,
) {
  if (authorities.length === 0) {
    const why =
      caPath === null
        ? `${name} has require_certificate true, but neither cafile nor capath`
        : `capath "${caPath}" of ${name} holds no certificate with a hashed name (make them: openssl rehash "${caPath}")`;
    return [`Warning: ${why}: no client certificate can be verified, every client will be refused.`];
  }
  const expired = authorities.filter(({ validToDate }) => validToDate.getTime() < nowMs);
  return expired.map(
    (authority) =>
      `Warning: The CA certificate ${showSubject(authority)} of ${name} ("${caFile ?? caPath}") has expired on ${showTime(authority.validToDate)}: clients with certificates of it are refused.`,
  );
}

function loadRevocationLists(path: string, files: FileSource): readonly RevocationList[] {
  const error = `Error: Unable to load certificate revocation file "${path}". Check crlfile.`;
  const bytes = files.read(path, error);
  try {
    return readRevocationLists(bytes);
  } catch (thrown) {
    const mend = isDer(bytes)
      ? `It is in DER form; make PEM of it: openssl crl -inform der -in "${path}" -out NEWFILE`
      : '';
    throw new TlsSetupError([error, mend === '' ? unreadable(thrown) : mend]);
  }
}

function warnLists(lists: readonly RevocationList[], { name, crlFile }: TlsSettings, nowMs: number): string[] {
  return lists
    .filter((list) => isOutdated(list, nowMs))
    .map(
      (list) =>
        `Warning: A revocation list of ${name} ("${crlFile}") is out of date since ${showTime(new Date(list.nextUpdateMs ?? 0))}: all clients whose certificates are of its CA are refused until there is a new one.`,
    );
}

interface ContextParts extends SecureContextOptions {
  readonly isResumable: boolean;
}

function makeContext(settings: TlsSettings, { isResumable, ...options }: ContextParts): SecureContext {
  try {
    return createSecureContext({
      ...versionsOf(settings),
      ...options,
      dhparam: 'auto',
      honorCipherOrder: true,
      secureOptions: constants.SSL_OP_NO_RENEGOTIATION | (isResumable ? 0 : constants.SSL_OP_NO_TICKET),
      sessionIdContext: createHash('sha256').update(settings.name).digest('hex').slice(0, SESSION_ID_CONTEXT_LENGTH),
      sessionTimeout: SESSION_SECONDS,
    });
  } catch (thrown) {
    const reason = reasonOf(thrown);
    const isWeak = /key too small|md too weak/.test(reason);
    throw new TlsSetupError([
      `Error: Unable to load server certificate "${settings.certFile ?? ''}". Check certfile.`,
      isWeak ? `OpenSSL: ${reason}. Make a new one, or, only if it must be: ${MEND_WEAK}` : `OpenSSL: ${reason}.`,
    ]);
  }
}

function reasonOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  return 'reason' in thrown && typeof thrown.reason === 'string' ? thrown.reason : thrown.message;
}
