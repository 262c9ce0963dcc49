/**
 * Files that hold secrets or rights: password, ACL and PSK files. They are not read through a symbolic link, by which somebody
 * who may write into the folder could put another file in their place, and rights that are too wide are said.
 *
 * Certificates are not among them: the tools that renew them leave links.
 */
import { closeSync, constants, fstatSync, readFileSync, type Stats } from 'node:fs';
import { userInfo } from 'node:os';
import { codeOf, openCarefully, reasonOf } from './open-carefully.ts';

/** More than a file with a million users. */
export const SENSITIVE_FILE_BYTES_MAX = 512 * 1024 * 1024;

const OTHERS_MAY_WRITE = 0o002;
const OTHERS_MAY_ANYTHING = 0o007;
const GROUPS_PATH = '/etc/group';

export interface SensitiveFile {
  readonly bytes: Uint8Array;
  /** For the log: what is wrong with its rights. */
  readonly warnings: readonly string[];
}

/** A sensitive file that cannot be read; the message says why. `code` is the system's, such as ENOENT, or ''. */
export class SensitiveFileError extends Error {
  override readonly name = 'SensitiveFileError';
  readonly code: string;

  constructor(message: string, code: string) {
    super(message);
    this.code = code;
  }
}

export interface ReadOptions {
  /** MOSQUITTO_UNSAFE_ALLOW_SYMLINKS. */
  readonly mayFollowLinks: boolean;
}

/** Reads a whole file. @throws SensitiveFileError */
export function readSensitiveFile(path: string, { mayFollowLinks }: ReadOptions): SensitiveFile {
  const fault = (reason: string, code: string) => new SensitiveFileError(`${path}: ${reason}.`, code);
  let fd: number;
  try {
    const flags = constants.O_RDONLY | constants.O_NOCTTY | constants.O_NONBLOCK;
    fd = openCarefully(path, { flags, mayFollowLinks });
  } catch (error) {
    throw fault(reasonOf(error), codeOf(error));
  }
  try {
    const stat = fstatSync(fd);
    if (stat.isDirectory()) throw fault('it is a directory', 'EISDIR');
    if (!stat.isFile()) throw fault('it is not a file', '');
    if (stat.size > SENSITIVE_FILE_BYTES_MAX)
      throw fault(`it has more than ${SENSITIVE_FILE_BYTES_MAX} bytes`, 'EFBIG');
    return { bytes: readFileSync(fd), warnings: rightsWarnings(path, stat) };
  } catch (error) {
    if (error instanceof SensitiveFileError) throw error;
    throw fault(reasonOf(error), codeOf(error));
  } finally {
    closeSync(fd);
  }
}

/** What Mosquitto says of such a file, and of one that everybody may write. */
function rightsWarnings(path: string, stat: Stats): readonly string[] {
  const { geteuid, getegid } = process;
  // Windows has other rights.
  if (geteuid === undefined || getegid === undefined) return [];
  const warnings: string[] = [];
  const future = 'Future versions will refuse to load this file.';
  if ((stat.mode & OTHERS_MAY_WRITE) !== 0) {
    warnings.push(
      `Warning: File ${path} can be changed by every user of this machine, who can give themselves any right.`,
    );
  }
  if ((stat.mode & OTHERS_MAY_ANYTHING) !== 0) {
    warnings.push(`Warning: File ${path} has world readable permissions. ${future}`);
    warnings.push(`To fix this, use \`chmod 0700 ${path}\`.`);
  }
  if (stat.uid !== geteuid()) {
    const owner = ownName(geteuid());
    warnings.push(`Warning: File ${path} owner is not ${owner}. ${future}`);
    warnings.push(`To fix this, use \`chown ${owner} ${path}\`.`);
  }
  if (stat.gid !== getegid()) {
    const group = groupName(getegid());
    warnings.push(`Warning: File ${path} group is not ${group}. ${future}`);
    warnings.push(`To fix this, use \`chgrp ${group} ${path}\`.`);
  }
  return warnings;
}

function ownName(userId: number): string {
  try {
    return userInfo().username;
  } catch {
    // A number that no account has, as PUID may give it.
    return String(userId);
  }
}

/** Only for a message: the file of groups knows those of most machines. */
function groupName(groupId: number): string {
  try {
    const lines = readFileSync(GROUPS_PATH, 'utf8').split('\n');
    return lines.map((line) => line.split(':')).find((parts) => parts[2] === String(groupId))?.[0] ?? String(groupId);
  } catch {
    return String(groupId);
  }
}
