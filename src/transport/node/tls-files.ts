/** Reads the files that a TLS listener names. */
import { X509Certificate } from 'node:crypto';
import { pemBlocks } from './tls-pem.ts';
import { type TlsSettings, TlsSetupError } from './tls-settings.ts';

export type ReadFile = (path: string) => Uint8Array;
export type ListFolder = (path: string) => readonly string[];

/** Largest certificate, key or revocation file. */
const FILE_BYTES_MAX = 64 * 1024 * 1024;

/** Certificates of authorities of one listener. */
const AUTHORITIES_MAX = 1_000;

/** What `openssl rehash` makes: the hash of the subject, and a number for those that share it. */
const HASHED_NAME = /^[0-9a-f]{8}\.\d+$/;

const TEXTS: ReadonlyMap<string, string> = new Map([
  ['ENOENT', 'No such file or directory.'],
  ['EACCES', 'Permission denied: the user that the broker runs as must be able to read it.'],
  ['EISDIR', 'It is a folder.'],
  ['ENOTDIR', 'It is not a folder.'],
  ['EMFILE', 'Too many open files.'],
]);

/** A failure to read, in words. */
export function unreadable(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  const code = 'code' in thrown ? String(thrown.code) : '';
  return TEXTS.get(code) ?? thrown.message;
}

export class FileSource {
  readonly #readFile: ReadFile;
  readonly #listFolder: ListFolder;

  constructor(readFile: ReadFile, listFolder: ListFolder) {
    this.#readFile = readFile;
    this.#listFolder = listFolder;
  }

  /** @throws TlsSetupError that begins with `error` */
  read(path: string, error: string): Uint8Array {
    let bytes: Uint8Array;
    try {
      bytes = this.#readFile(path);
    } catch (thrown) {
      throw new TlsSetupError([error, unreadable(thrown)]);
    }
    if (bytes.length <= FILE_BYTES_MAX) return bytes;
    throw new TlsSetupError([error, `It has more than ${FILE_BYTES_MAX} bytes.`]);
  }

  /** The certificates of `cafile` and `capath`. @throws TlsSetupError */
  authorities({ caFile, caPath }: TlsSettings): readonly X509Certificate[] {
    const found: X509Certificate[] = [];
    if (caFile !== null) {
      const error = `Error: Unable to load CA certificates. Check cafile "${caFile}".`;
      found.push(...this.#certificates(caFile, error));
      if (found.length === 0) {
        throw new TlsSetupError([error, 'There is no certificate in it (-----BEGIN CERTIFICATE-----).']);
      }
    }
    if (caPath !== null) found.push(...this.#folder(caPath));
    if (found.length <= AUTHORITIES_MAX) return found;
    throw new TlsSetupError([
      `Error: Unable to load CA certificates. Check ${caFile === null ? `capath "${caPath}"` : `cafile "${caFile}"`}.`,
      `There are more than ${AUTHORITIES_MAX}.`,
    ]);
  }

  /**
   * Only files with hashed names, as OpenSSL reads a folder: whatever else lies there, such as the certificate of a
   * client, is not meant to be trusted.
   */
  #folder(path: string): readonly X509Certificate[] {
    const error = `Error: Unable to load CA certificates. Check capath "${path}".`;
    let names: readonly string[];
    try {
      names = this.#listFolder(path);
    } catch (thrown) {
      throw new TlsSetupError([error, unreadable(thrown)]);
    }
    const hashed = names.filter((name) => HASHED_NAME.test(name)).toSorted();
    if (hashed.length > AUTHORITIES_MAX) throw new TlsSetupError([error, `There are more than ${AUTHORITIES_MAX}.`]);
    return hashed.flatMap((name) => this.#certificates(`${path.replace(/\/+$/, '')}/${name}`, error));
  }

  #certificates(path: string, error: string): readonly X509Certificate[] {
    const bytes = this.read(path, error);
    const blocks = ['CERTIFICATE', 'X509 CERTIFICATE'].flatMap((label) => pemBlocks(bytes, label));
    return blocks.map(({ text }, index) => {
      try {
        return new X509Certificate(text);
      } catch {
        throw new TlsSetupError([error, `Certificate ${index + 1} of "${path}" is damaged.`]);
      }
    });
  }
}
