/** Opening files that an attacker on this machine may have prepared: a link in the place of a log or a password file. */
import { constants, openSync } from 'node:fs';
import { getSystemErrorMap } from 'node:util';

/** Mosquitto's variable: with any value, files that hold secrets and logs may be symbolic links. */
export const ALLOW_LINKS_VARIABLE = 'MOSQUITTO_UNSAFE_ALLOW_SYMLINKS';

export type Environment = Readonly<Record<string, string | undefined>>;

export function mayFollowLinks(environment: Environment): boolean {
  return environment[ALLOW_LINKS_VARIABLE] !== undefined;
}

export interface OpenOptions {
  /** Of `open`, without O_NOFOLLOW. */
  readonly flags: number;
  /** Of a file that is made. */
  readonly mode?: number;
  readonly mayFollowLinks: boolean;
}

/** Opens a file, but no symbolic link unless that is allowed. @returns its descriptor @throws the system's error */
export function openCarefully(path: string, { flags, mode, mayFollowLinks: mayFollow }: OpenOptions): number {
  return openSync(path, mayFollow ? flags : flags | constants.O_NOFOLLOW, mode);
}

/** Why the system refused, in words: 'permission denied'. */
export function reasonOf(error: unknown): string {
  const code = codeOf(error);
  if (code === 'ELOOP') {
    return `it is a symbolic link, which only ${ALLOW_LINKS_VARIABLE} in the environment of the broker allows`;
  }
  const known = [...getSystemErrorMap().values()].find(([name]) => name === code);
  if (known !== undefined) return known[1];
  return error instanceof Error ? error.message : String(error);
}

/** The code of an error of the system, such as ENOENT; '' for any other. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}
