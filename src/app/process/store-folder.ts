/**
 * The folder of the store. Debian's package makes it for Mosquitto and gives it to the user that the broker becomes; here
 * root does that before it becomes that user, so that `--persist` and a fresh volume of a container work, too.
 *
 * Root does no more than it has to: it makes the last folder of the path only, gives away only what is root's own, empty
 * and closed to everybody else, and never what a symbolic link points to.
 */
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fchownSync,
  fstatSync,
  mkdirSync,
  opendirSync,
  openSync,
  statSync,
} from 'node:fs';
import { userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { StartFailure } from '../start-failure.ts';
import { codeOf, type Environment, reasonOf } from './open-carefully.ts';
import { shellWord } from './shell-word.ts';
import { type Account, accountToBecome } from './switch-user.ts';

/** Messages are nobody else's business. */
const MODE = 0o700;
const OTHERS_MAY_WRITE = 0o022;
/** What a broker that ran as somebody else may have left. */
const FILES = ['zanzara.db', 'zanzara.db-wal', 'zanzara.db-shm', 'zanzara.lock'];

export interface StoreFolderOptions {
  /** Absolute. */
  readonly folder: string;
  /** The value of `user`. */
  readonly user: string;
  readonly environment: Environment;
}

/** Why state cannot be kept in a folder. */
export interface StoreFolderFault {
  /** The broker's user may not enter a folder above it. */
  readonly isOutOfReach: boolean;
  readonly lines: readonly string[];
}

/**
 * Makes the folder where it is missing, and gives it to the user that the broker is to become. Call it before `switchUser`.
 * @throws StartFailure when it cannot be made
 */
export function prepareStoreFolder({ folder, user, environment }: StoreFolderOptions): void {
  const owner = accountToBecome({ user, environment });
  makeFolder(folder);
  if (owner !== null) giveAway(folder, owner);
}

/** Looks whether the process, as the user it is, can keep state there. @returns null when it can */
export function storeFolderFault(folder: string): StoreFolderFault | null {
  try {
    if (!statSync(folder).isDirectory()) return fault(folder, 'it is not a folder', null);
  } catch (error) {
    if (codeOf(error) !== 'EACCES') return fault(folder, reasonOf(error), null);
    const words = `${userWords()} may not enter a folder above it`;
    return {
      ...fault(folder, words, "Let that user enter it, or name another one with 'persistence_location' or --persist."),
      isOutOfReach: true,
    };
  }
  const places = [folder, ...FILES.map((name) => join(folder, name)).filter((file) => existsSync(file))];
  const refused = places.map((place) => ({ place, reason: refusal(place) })).find(({ reason }) => reason !== null);
  if (refused === undefined) return null;
  const { place, reason } = refused;
  if (reason !== 'EACCES') return fault(folder, reason ?? '', null);
  const where = place === folder ? 'there' : `to ${place}`;
  return fault(folder, `${userWords()} may not write ${where}`, chownLine(folder));
}

function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { mode: MODE });
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return;
    const parent = dirname(folder);
    // Only the last folder is made: a mistake in a path is to be seen.
    const mend = codeOf(error) === 'ENOENT' ? `Make ${parent} first, or mend the path.` : null;
    throw new StartFailure('data folder', fault(folder, `it cannot be made: ${reasonOf(error)}`, mend).lines);
  }
}

function giveAway(folder: string, { userId, groupId }: Account): void {
  let fd: number;
  try {
    fd = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  } catch {
    // A link, or no folder: whether it will do is seen when the broker is that user.
    return;
  }
  try {
    const { uid, mode } = fstatSync(fd);
    if (uid === 0 && (mode & OTHERS_MAY_WRITE) === 0 && isEmpty(folder)) fchownSync(fd, userId, groupId);
  } finally {
    closeSync(fd);
  }
}

function isEmpty(folder: string): boolean {
  const entries = opendirSync(folder);
  try {
    return entries.readSync() === null;
  } finally {
    entries.closeSync();
  }
}

/** The system's code; null = it may be read and written. */
function refusal(place: string): string | null {
  const { R_OK, W_OK, X_OK } = constants;
  try {
    accessSync(place, statSync(place).isDirectory() ? R_OK | W_OK | X_OK : R_OK | W_OK);
    return null;
  } catch (error) {
    return codeOf(error) === 'EACCES' ? 'EACCES' : reasonOf(error);
  }
}

function fault(folder: string, reason: string, mend: string | null): StoreFolderFault {
  const other =
    "Name another folder with 'persistence_location' or --persist, or say 'persistence false' to keep state in memory.";
  return { isOutOfReach: false, lines: [`Error: State cannot be kept in ${folder}: ${reason}.`, mend ?? other] };
}

function chownLine(folder: string): string {
  const [user, group] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
  return `As root: chown -R ${user}:${group} ${shellWord(folder)}`;
}

function userWords(): string {
  try {
    return `the user '${userInfo().username}', who the broker runs as,`;
  } catch {
    // A number that no account has, as PUID may give it.
    return `the user ${process.getuid?.()}, who the broker runs as,`;
  }
}
