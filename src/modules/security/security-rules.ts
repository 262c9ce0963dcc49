/**
 * Reads all files of users, rights and keys and makes of them the rules of each listener. Nothing comes into force here: a
 * file that is missing or wrong is an error, and whatever was in force stays.
 */
import { assert } from '../../base/assert.ts';
import { parseAclFile } from './acl-file.ts';
import type { AclRules } from './acl-rules.ts';
import { type PasswordTable, parsePasswordFile } from './password-file.ts';
import { parsePskFile } from './psk-file.ts';
import { SecurityFileError } from './security-file-error.ts';

/** What the configuration says of one listener. Files that several listeners name are read once. */
export interface ListenerSecurity {
  readonly listenerId: number;
  /** `allow_anonymous` or `listener_allow_anonymous`, settled. */
  readonly allowAnonymous: boolean;
  readonly passwordFile: string | null;
  readonly aclFile: string | null;
  readonly pskFile: string | null;
}

/** @throws an Error, with the system's `code` where it has one. */
export type ReadFile = (path: string) => Uint8Array;

/** What is in force on one listener. */
export interface ListenerRules {
  readonly allowAnonymous: boolean;
  /** Null: no password file, nobody can check a password. */
  readonly passwords: PasswordTable | null;
  /** Null: no ACL file, everything is allowed. */
  readonly acl: AclRules | null;
  /** By identity; null: no PSK file. */
  readonly pskKeys: ReadonlyMap<string, Uint8Array> | null;
}

/** Rules that were read and are ready to be put in force. */
export interface PreparedRules {
  readonly byListener: ReadonlyMap<number, ListenerRules>;
  /** For the log. */
  readonly warnings: readonly string[];
}

/** @throws SecurityFileError when a file cannot be read or is wrong. */
export function prepareRules(listeners: readonly ListenerSecurity[], readFile: ReadFile): PreparedRules {
  const warnings: string[] = [];
  const passwords = readingOnce((path) => {
    const file = parsePasswordFile(readBytes(readFile, path, `Error opening password file "${path}".`), path);
    warnings.push(...file.warnings);
    return file.table;
  });
  const rules = readingOnce((path) => {
    const file = parseAclFile(readBytes(readFile, path, `Error: Unable to open acl_file "${path}".`), path);
    warnings.push(...file.warnings);
    return file.rules;
  });
  const keys = readingOnce((path) => {
    const file = parsePskFile(readBytes(readFile, path, `Error opening psk file "${path}".`), path);
    warnings.push(...file.warnings);
    return file.keys;
  });
  const byListener = new Map<number, ListenerRules>();
  for (const { listenerId, allowAnonymous, passwordFile, aclFile, pskFile } of listeners) {
    assert(!byListener.has(listenerId), `two listeners have the id ${listenerId}`);
    byListener.set(listenerId, {
      allowAnonymous,
      passwords: passwords(passwordFile),
      acl: rules(aclFile),
      pskKeys: keys(pskFile),
    });
  }
  return { byListener, warnings };
}

/** Null for null; the same result for the same path. */
function readingOnce<T>(read: (path: string) => T): (path: string | null) => T | null {
  const known = new Map<string, T>();
  return (path) => {
    if (path === null) return null;
    const before = known.get(path);
    if (before !== undefined) return before;
    const made = read(path);
    known.set(path, made);
    return made;
  };
}

function readBytes(readFile: ReadFile, path: string, what: string): Uint8Array {
  try {
    return readFile(path);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new SecurityFileError([what, reason, mendFor(codeOf(error))]);
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

function mendFor(code: string): string {
  switch (code) {
    case 'ENOENT':
      return 'There is no such file. Check its path; one that does not begin with / is looked for in the working folder.';
    case 'EACCES':
    case 'EPERM':
      return "The broker's user must be able to read it, and to enter every folder above it: chown, chmod 0600.";
    case 'EISDIR':
      return 'It is a folder; name the file.';
    case 'EMFILE':
    case 'ENFILE':
      return 'Too many files and sockets are open: raise the limit of open files (LimitNOFILE in systemd, ulimit -n).';
    default:
      return 'The file has to be a readable file.';
  }
}
