/**
 * Reads a password file (`password_file`): lines `user:hash`. A line without a colon lets nobody in and is skipped with a
 * warning; a line that could be meant to let somebody in and is wrong refuses the whole file.
 */
import { isMqttText } from '../../protocol/utf8.ts';
import { type FileLine, FileWarnings, readFileLines, trimBlanks } from './file-lines.ts';
import { lazyCrypto } from './lazy-crypto.ts';
import { type PasswordHash, parsePasswordHash } from './password-hash.ts';
import { shown, wrongLine } from './security-file-error.ts';

/** One user's hash. It is the proof that a client carries, so it must not show itself in a log or a dump of objects. */
export class PasswordEntry {
  readonly #text: string;
  readonly #hash: PasswordHash;

  constructor(text: string, hash: PasswordHash) {
    this.#text = text;
    this.#hash = hash;
  }

  get hash(): PasswordHash {
    return this.#hash;
  }

  /** True when both lines hold the same hash: the password was not set anew in between. */
  isSame(other: PasswordEntry): boolean {
    return this.#text === other.#text;
  }
}

/** The users of one file. */
export class PasswordTable {
  readonly #byUser: ReadonlyMap<string, PasswordEntry>;
  readonly #entries: readonly PasswordEntry[];

  constructor(byUser: ReadonlyMap<string, PasswordEntry>) {
    this.#byUser = byUser;
    this.#entries = [...byUser.values()];
  }

  get size(): number {
    return this.#entries.length;
  }

  find(userName: string): PasswordEntry | undefined {
    return this.#byUser.get(userName);
  }

  /**
   * The entry whose work is done for a user who is not there, so that time does not tell who is. Which one depends on
   * the name and a secret: an unknown name takes as long as some user's does, and each time the same. Undefined: no users.
   */
  standInFor(userName: string, secret: Uint8Array): PasswordEntry | undefined {
    const digest = lazyCrypto().createHmac('sha256', secret).update(userName).digest();
    return this.#entries[digest.readUInt32LE(0) % this.#entries.length];
  }
}

/** A file that was read. */
export interface PasswordFile {
  readonly table: PasswordTable;
  readonly warnings: readonly string[];
}

/** @throws SecurityFileError at the first line with an empty or repeated user, or a hash that cannot be used. */
export function parsePasswordFile(source: Uint8Array, path: string): PasswordFile {
  const byUser = new Map<string, PasswordEntry>();
  const warnings = new FileWarnings(path);
  for (const line of readFileLines(source, path)) {
    const colon = line.text.indexOf(':');
    if (colon < 0) {
      const place = `line ${line.line} has no ':' and is skipped`;
      warnings.add(`Warning: Invalid line in password file '${path}': ${place}.`);
      continue;
    }
    const userName = readUserName(line, line.text.slice(0, colon));
    if (byUser.has(userName)) throw repeated(line, userName);
    const [text = '', ...others] = line.text.slice(colon + 1).split(':');
    byUser.set(userName, readEntry(line, userName, trimBlanks(text)));
    if (others.length === 0) continue;
    warnings.add(
      `Warning: What follows the second ':' of line ${line.line} in password file '${path}' counts for nothing.`,
    );
  }
  return { table: new PasswordTable(byUser), warnings: warnings.lines };
}

function readUserName(line: FileLine, text: string): string {
  const userName = trimBlanks(text);
  if (userName === '') {
    throw wrongLine(line, `Empty username in password file "${line.path}".`, 'A line is USER:HASH.');
  }
  if (isMqttText(userName)) return userName;
  const mend = 'It is longer than 65535 bytes or holds a control character, so no client can have it.';
  throw wrongLine(line, `Invalid username in password file "${line.path}": ${shown(userName)}.`, mend);
}

function repeated(line: FileLine, userName: string) {
  const what = `Duplicate user ${shown(userName)} in password file "${line.path}".`;
  return wrongLine(line, what, 'Delete one of its lines: which password counts must not be left to chance.');
}

function readEntry(line: FileLine, userName: string, text: string): PasswordEntry {
  if (text === '') {
    const mend = 'Give the user a password (mosquitto_passwd FILE USER) or delete the line.';
    throw wrongLine(line, `Missing password hash for user ${shown(userName)}.`, mend);
  }
  const hash = parsePasswordHash(text);
  if (hash.kind === 'fault') throw wrongLine(line, `${hash.what} for user ${shown(userName)}.`, hash.mend);
  return new PasswordEntry(text, hash);
}
